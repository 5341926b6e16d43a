//! Real captures: the sample next to this file always, the full ones where they exist.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use tickdeck_engine::port::{Gateway, GatewayError};
use tickdeck_gateway::playback::{CaptureVerdict, CheckReport, Playback, PlaybackConfig, check};
use tickdeck_model::{Body, BookChange, Event, Price, Registry, Side, Size, Timestamp, VenueState};

fn sample() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/btcusdt_sample.gz")
}

/// A full capture, if this machine has it.
fn full(name: &str) -> Option<PathBuf> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../../shared/data/binance-spot")
        .join(name);
    if path.exists() {
        return Some(path);
    }
    println!("skipped: {} is not there", path.display());
    None
}

fn sample_lines() -> Vec<String> {
    let mut text = String::new();
    let file = std::fs::File::open(sample()).unwrap();
    flate2::read::GzDecoder::new(file)
        .read_to_string(&mut text)
        .unwrap();
    text.lines().map(str::to_owned).collect()
}

/// A temporary file for one test, removed at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str, bytes: &[u8]) -> Self {
        let path = std::env::temp_dir().join(format!("tickdeck-{}-{name}", std::process::id()));
        std::fs::write(&path, bytes).unwrap();
        Self(path)
    }

    fn of_lines(name: &str, lines: &[String]) -> Self {
        Self::new(name, (lines.join("\n") + "\n").as_bytes())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

fn play(config: PlaybackConfig) -> (Vec<Event>, Result<(), GatewayError>, Playback) {
    let mut capture = Playback::open(config).unwrap();
    capture.register(&mut Registry::new()).unwrap();
    let mut events = Vec::new();
    let end = capture.poll(Timestamp::MAX, &mut events);
    (events, end, capture)
}

fn played(path: &Path) -> Vec<Event> {
    let (events, end, _) = play(PlaybackConfig::new(vec![path.to_owned()]));
    end.unwrap();
    events
}

fn states(events: &[Event]) -> Vec<VenueState> {
    let state = |event: &Event| match event.body() {
        Body::Venue(status) => Some(status.state),
        _ => None,
    };
    events.iter().filter_map(state).collect()
}

/// The place among the lines of the `nth` depth frame.
fn depth_line(lines: &[String], nth: usize) -> usize {
    lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.contains("depthUpdate"))
        .nth(nth)
        .unwrap()
        .0
}

fn counts(report: &CheckReport) -> [u64; 6] {
    [
        report.lines,
        report.depth_events,
        report.book_tickers,
        report.trades,
        report.snapshots,
        report.tops_checked,
    ]
}

#[test]
fn the_local_book_equals_the_exchanges_best_bid_and_ask_at_every_depth_event() {
    let report = check(&sample()).unwrap();
    assert_eq!(counts(&report), [5_000, 456, 3_635, 908, 1, 454]);
    assert_eq!(report.tops_agreed, 454);
    assert!(report.verdict == CaptureVerdict::Complete, "{report:#?}");
}

#[test]
fn the_full_captures_agree_with_the_exchange_to_the_last_depth_event() {
    let text = |price: &str, size: &str| Some((price.to_owned(), size.to_owned()));
    if let Some(path) = full("btcusdt_20240808.gz") {
        let report = check(&path).unwrap();
        assert_eq!(counts(&report), [41_249, 3_451, 28_040, 9_757, 1, 3_449]);
        assert!(
            report.verdict == CaptureVerdict::Complete && report.duplicates == 0,
            "{report:#?}"
        );
        assert_eq!(
            (report.cut_sizes, report.beyond_known),
            (3, 1),
            "dust, and a fall below the snapshot"
        );
        let book = &report.books[0];
        assert_eq!(book.update_id, 50_093_421_584);
        assert_eq!(book.best_bid, text("61685.99", "1.00870"));
        assert_eq!(book.best_ask, text("61686.00", "2.29327"));
    }
    if let Some(path) = full("ethusdt_20240808.gz") {
        let report = check(&path).unwrap();
        assert_eq!(counts(&report), [33_618, 3_434, 24_077, 6_106, 1, 3_432]);
        assert!(report.verdict == CaptureVerdict::Complete, "{report:#?}");
        let book = &report.books[0];
        assert_eq!(book.update_id, 35_346_671_849);
        assert_eq!(book.best_bid, text("2682.50", "3.3168"));
        assert_eq!(book.best_ask, text("2682.51", "48.9739"));
    }
}

#[test]
fn a_whole_capture_is_live_once_and_stays_so() {
    let events = played(&sample());
    assert_eq!(
        states(&events),
        [VenueState::Connected, VenueState::Stale, VenueState::Live]
    );
    assert!(events.is_sorted_by_key(|event| event.ts_host));
}

#[test]
fn a_dropped_depth_line_makes_the_book_stale_until_its_top_is_proven() {
    let mut lines = sample_lines();
    lines.remove(depth_line(&lines, 50));
    let scratch = Scratch::of_lines("dropped", &lines);
    let events = played(&scratch.0);
    let states = states(&events);
    assert_eq!(
        states[..4],
        [
            VenueState::Connected,
            VenueState::Stale,
            VenueState::Live,
            VenueState::Stale
        ]
    );
    assert_eq!(
        states.last(),
        Some(&VenueState::Live),
        "it recovers within the sample"
    );
    let report = check(&scratch.0).unwrap();
    assert_eq!(report.gaps, 1);
    assert!(report.tops_checked < 454);
    // A proven book is on trial: it can be called live wrongly for as long as one ticker takes, never longer.
    let relapses = states
        .iter()
        .filter(|state| **state == VenueState::Stale)
        .count() as u64
        - 2;
    assert_eq!(
        report.tops_checked - report.tops_agreed,
        relapses,
        "{report:#?}"
    );
}

/// The REST answer that the exchange would have given for the book as of an update id.
fn snapshot_as_of(update_id: u64) -> String {
    let mut book: BTreeMap<(Side, Price), Size> = BTreeMap::new();
    for event in played(&sample()) {
        match event.body() {
            Body::Book(level) if level.update_id <= update_id => match level.change {
                BookChange::Clear => book.clear(),
                _ => drop(book.insert((level.side, level.price), level.size)),
            },
            _ => {}
        }
    }
    let side = |side: Side| {
        let levels = book
            .iter()
            .filter(|((of, _), size)| *of == side && **size > Size::ZERO);
        let levels =
            levels.map(|((_, price), size)| format!("[\"{}\",\"{}\"]", price.at(2), size.at(5)));
        levels.collect::<Vec<_>>().join(",")
    };
    format!(
        "{{\"lastUpdateId\":{update_id},\"bids\":[{}],\"asks\":[{}]}}",
        side(Side::Buy),
        side(Side::Sell)
    )
}

#[test]
fn a_snapshot_line_after_the_gap_makes_the_book_whole_at_once() {
    let mut lines = sample_lines();
    let later = depth_line(&lines, 20);
    lines.remove(later);
    let old = lines[7].split_once(' ').unwrap().1.to_owned();
    let gap_time = lines[later + 40].split_once(' ').unwrap().0.to_owned();
    let next = lines[later..]
        .iter()
        .find(|line| line.contains("depthUpdate"))
        .unwrap();
    let (_, next) = next.split_once("\"U\":").unwrap();
    let first_id: u64 = next.split_once(',').unwrap().0.parse().unwrap();
    let (_, old_levels) = old.split_once(',').unwrap();
    let of_another_time = format!("{{\"lastUpdateId\":{},{old_levels}", first_id - 1);
    for (snapshot, last) in [
        (snapshot_as_of(first_id - 1), VenueState::Live),
        // The id fits and the book does not: with the diffs it would be crossed.
        (of_another_time, VenueState::Stale),
    ] {
        let mut lines = lines.clone();
        lines.insert(later + 40, format!("{gap_time} {snapshot}"));
        let scratch = Scratch::of_lines("snapshot", &lines);
        let report = check(&scratch.0).unwrap();
        assert_eq!(
            (report.gaps, report.snapshots, report.contradictions),
            (1, 2, 0)
        );
        let mut events = played(&scratch.0);
        events.retain(|event| event.ts_host <= gap_time.parse().unwrap());
        assert_eq!(states(&events).last(), Some(&last));
    }
}

#[test]
fn a_repeated_line_is_ignored_and_counted() {
    let mut lines = sample_lines();
    let at = depth_line(&lines, 50);
    lines.insert(at + 1, lines[at].clone());
    let scratch = Scratch::of_lines("repeated", &lines);
    let report = check(&scratch.0).unwrap();
    assert_eq!(
        (report.duplicates, report.gaps, report.tops_agreed),
        (1, 0, 454)
    );
    assert_eq!(played(&scratch.0), played(&sample()));
}

#[test]
fn a_bad_line_is_skipped_named_and_if_it_was_depth_shows_as_a_gap() {
    let mut lines = sample_lines();
    let at = depth_line(&lines, 50);
    let half = lines[at].len() / 2;
    lines[at].truncate(half);
    lines[99] = "no time {}".to_owned();
    let scratch = Scratch::of_lines("bad", &lines);
    let (events, end, capture) = play(PlaybackConfig::new(vec![scratch.0.clone()]));
    end.unwrap();
    let stats = capture.monitor().stats();
    assert_eq!((stats.damaged, stats.gaps, stats.lines), (2, 1, 5_000));
    let named: Vec<u64> = stats.problems.iter().map(|problem| problem.line).collect();
    // The gap is seen at the next diff.
    assert_eq!(
        named,
        [100, at as u64 + 1, depth_line(&lines, 51) as u64 + 1]
    );
    let first = stats.problems[0].to_string();
    assert!(
        first.ends_with("-bad:100: not a line of `<local time> <json>`"),
        "{first}"
    );
    assert!(events.len() > 5_000);
}

#[test]
fn time_that_goes_back_is_held_and_counted() {
    let mut lines = sample_lines();
    let at = depth_line(&lines, 50);
    let (time, frame) = lines[at].split_once(' ').unwrap();
    let earlier = time.parse::<i64>().unwrap() - 5_000_000_000;
    lines[at] = format!("{earlier} {frame}");
    let scratch = Scratch::of_lines("back", &lines);
    let (events, end, capture) = play(PlaybackConfig::new(vec![scratch.0.clone()]));
    end.unwrap();
    assert_eq!(capture.monitor().stats().time_went_back, 1);
    assert_eq!(check(&scratch.0).unwrap().time_went_back, 1);
    assert!(events.is_sorted_by_key(|event| event.ts_host));
    assert_eq!(events.len(), played(&sample()).len());
}

#[test]
fn a_truncated_gzip_plays_up_to_the_cut_and_then_names_file_and_line() {
    let mut bytes = std::fs::read(sample()).unwrap();
    bytes.truncate(bytes.len() / 2);
    let scratch = Scratch::new("cut.gz", &bytes);
    let whole = played(&sample());
    for preload in [false, true] {
        let config = PlaybackConfig {
            preload,
            ..PlaybackConfig::new(vec![scratch.0.clone()])
        };
        let (events, end, mut capture) = play(config);
        assert!(events.len() > 1_000 && events.len() < whole.len());
        assert_eq!(events, whole[..events.len()], "preload {preload}");
        let error = end.unwrap_err().to_string();
        let lines = capture.monitor().stats().lines;
        assert!(
            error.contains("cut.gz: after line ") && error.contains("ends early"),
            "{error}"
        );
        assert!(
            error.contains(&format!("after line {lines}:")),
            "{error} but {lines}"
        );
        assert_eq!(capture.next_due(), tickdeck_engine::port::Due::Over);
        assert!(capture.poll(Timestamp::MAX, &mut Vec::new()).is_ok());
    }
    let report = check(&scratch.0).unwrap();
    assert!(report.broken.is_some() && report.verdict == CaptureVerdict::Broken);
}

#[test]
fn a_file_that_is_no_capture_is_refused_by_name() {
    let scratch = Scratch::new("text", b"hello\nworld\n");
    let error = Playback::open(PlaybackConfig::new(vec![scratch.0.clone()]))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("-text: no depthUpdate, bookTicker or trade frame within"),
        "{error}"
    );
    let missing = Playback::open(PlaybackConfig::new(vec!["/no/such/file.gz".into()]))
        .unwrap_err()
        .to_string();
    assert!(
        missing.starts_with("/no/such/file.gz: cannot be read: "),
        "{missing}"
    );
}

#[test]
fn preloaded_and_streamed_and_plain_captures_give_the_same_events() {
    let streamed = played(&sample());
    let (preloaded, end, _) = play(PlaybackConfig {
        preload: true,
        ..PlaybackConfig::new(vec![sample()])
    });
    end.unwrap();
    assert_eq!(preloaded, streamed);
    let plain = Scratch::of_lines("plain", &sample_lines());
    assert_eq!(played(&plain.0), streamed);
}

#[test]
fn two_files_are_one_tape_in_the_order_of_local_time() {
    let mut eth = Vec::new();
    for (at, line) in sample_lines()
        .iter()
        .enumerate()
        .filter(|(_, line)| !line.contains("lastUpdateId"))
    {
        let line = line
            .replace("btcusdt", "ethusdt")
            .replace("BTCUSDT", "ETHUSDT");
        eth.push(if at % 7 == 0 { String::new() } else { line });
    }
    eth.retain(|line| line.contains("@trade"));
    let mut eth_file = std::io::Cursor::new(Vec::new());
    let mut gzip = flate2::write::GzEncoder::new(&mut eth_file, flate2::Compression::fast());
    // ETHUSDT's sizes have four digits; this borrowed data has five, and the file counts.
    gzip.write_all((eth.join("\n") + "\n").as_bytes()).unwrap();
    gzip.finish().unwrap();
    let scratch = Scratch::new("eth.gz", eth_file.get_ref());
    let config = PlaybackConfig::new(vec![sample(), scratch.0.clone()]);
    let mut capture = Playback::open(config).unwrap();
    let mut registry = Registry::new();
    let terms = capture.register(&mut registry).unwrap();
    assert_eq!(terms.instruments.len(), 2);
    assert_eq!(
        registry
            .find_instrument("ETHUSDT.BINANCE")
            .map(|terms| terms.size_scale),
        Some(5)
    );
    let mut events = Vec::new();
    capture.poll(Timestamp::MAX, &mut events).unwrap();
    assert!(events.is_sorted_by_key(|event| event.ts_host));
    let of_eth = events
        .iter()
        .filter(|event| event.instrument() == Some(terms.instruments[1]))
        .count();
    assert_eq!(of_eth, eth.len());
    assert_eq!(events.len(), played(&sample()).len() + of_eth);
}

#[test]
fn an_unknown_symbol_takes_its_scales_from_the_file() {
    let lines: Vec<String> = sample_lines()[..500]
        .iter()
        .map(|line| {
            line.replace("btcusdt", "newusdc")
                .replace("BTCUSDT", "NEWUSDC")
        })
        .collect();
    let scratch = Scratch::of_lines("new", &lines);
    let mut capture = Playback::open(PlaybackConfig::new(vec![scratch.0.clone()])).unwrap();
    let mut registry = Registry::new();
    capture.register(&mut registry).unwrap();
    let terms = registry.find_instrument("NEWUSDC.BINANCE").unwrap();
    assert_eq!(
        (terms.price_scale, terms.size_scale, terms.lot.0),
        (2, 5, 1)
    );
    assert!(registry.find_currency("NEW").is_some() && registry.find_currency("USDC").is_some());
}

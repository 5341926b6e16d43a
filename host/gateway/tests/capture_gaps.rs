//! What collectors and their connections lose, mix or delay: a book that is right stays live, and one that may be wrong does not.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]

#[path = "captures/harness.rs"]
mod harness;

use harness::{Captures, is_depth, play, sample_lines};
use tickdeck_gateway::playback::{
    CaptureVerdict, CheckReport, Playback, PlaybackConfig, Step, SymbolSettings, check,
};
use tickdeck_model::{Body, VenueState};

const SECOND: i64 = 1_000_000_000;

fn is_quote(line: &str) -> bool {
    line.contains("bookTicker")
}

fn is_trade(line: &str) -> bool {
    line.contains("@trade")
}

fn is_snapshot(line: &str) -> bool {
    line.contains("lastUpdateId")
}

fn time(line: &str) -> i64 {
    line.split_once(' ').unwrap().0.parse().unwrap()
}

/// The line received at another time.
fn at(time: i64, line: &str) -> String {
    format!("{time} {}", line.split_once(' ').unwrap().1)
}

/// Checks lines, and that playing them shows the same faults and the same final state.
fn checked(lines: &[String]) -> CheckReport {
    let captures = Captures::new();
    let file = captures.write("lines", lines);
    let report = check(&file).unwrap();
    let played = play(PlaybackConfig::new(vec![file]));
    let stats = &played.stats;
    let of_check = (report.damaged, report.gaps, report.contradictions);
    assert_eq!(
        (stats.damaged, stats.gaps, stats.contradictions),
        of_check,
        "{report:#?}"
    );
    assert_eq!(stats.time_went_back, report.time_went_back);
    assert_eq!(report.problems, stats.problems, "both describe the same");
    let last = played.states().pop().map(|(state, _)| state);
    assert_eq!(last == Some(VenueState::Live), report.books[0].is_live);
    report
}

#[test]
fn a_connection_that_stalls_as_a_whole_and_goes_on_costs_nothing() {
    let lines = sample_lines();
    let stalled = time(&lines[2_000]);
    // Everything of 8 s comes at once, quotes and trades a little before the diffs.
    let mut late: Vec<String> = lines.clone();
    for line in late.iter_mut().skip(2_000) {
        let behind = i64::from(is_depth(line)) * SECOND / 20;
        let time = time(line).max(stalled + 8 * SECOND) + behind;
        *line = at(time, line);
    }
    late.sort_by_key(|line| time(line));
    let report = checked(&late);
    assert_eq!(report.verdict, CaptureVerdict::Complete, "{report:#?}");
    assert!(report.books[0].is_live);
}

#[test]
fn a_silent_stream_of_diffs_that_goes_on_without_a_gap_brings_its_book_back() {
    // The diffs of 5 s come late, everything else in time.
    let mut lines = sample_lines();
    let from = time(&lines[2_000]);
    for line in lines.iter_mut().filter(|line| is_depth(line)) {
        if (from..from + 5 * SECOND).contains(&time(line)) {
            *line = at(from + 5 * SECOND, line);
        }
    }
    lines.sort_by_key(|line| time(line));
    let report = checked(&lines);
    assert_eq!((report.gaps, report.contradictions), (0, 1), "{report:#?}");
    assert!(
        report.problems[0]
            .problem
            .contains("the depth diffs stayed behind")
    );
    let captures = Captures::new();
    let file = captures.write("late", &lines);
    let states = play(PlaybackConfig::new(vec![file])).states();
    let mut of_the_gap = states.iter().rev().take(2);
    let live = of_the_gap.next().unwrap();
    let stale = of_the_gap.next().unwrap();
    assert_eq!((stale.0, live.0), (VenueState::Stale, VenueState::Live));
    assert!(live.1 - stale.1 < 2_100, "as soon as the diffs go on");
}

#[test]
fn quotes_that_are_lost_or_damaged_do_not_end_a_whole_book() {
    let lines = sample_lines();
    for every in [10, 50, 1_000] {
        let mut quotes = 0;
        let mut is_hit = |line: &String| {
            quotes += usize::from(is_quote(line));
            is_quote(line) && quotes % every == 0
        };
        let mut lost = lines.clone();
        lost.retain(|line| !is_hit(line));
        let report = checked(&lost);
        assert_eq!(report.contradictions, 0, "every {every}: {report:#?}");
        assert!(report.books[0].is_live);
        let mut damaged = lines.clone();
        for line in damaged.iter_mut().filter(|line| is_hit(line)) {
            line.truncate(line.len() - 3);
        }
        let report = checked(&damaged);
        assert!(report.damaged > 0);
        assert_eq!(report.contradictions, 0, "every {every}: {report:#?}");
        assert!(report.books[0].is_live);
    }
    // A socket of its own that is down for 10 s.
    let from = time(&lines[1_500]);
    let mut down = lines;
    down.retain(|line| !is_quote(line) || !(from..from + 10 * SECOND).contains(&time(line)));
    let report = checked(&down);
    assert_eq!(report.contradictions, 0, "{report:#?}");
    assert!(report.books[0].is_live);
}

#[test]
fn trades_that_cannot_be_read_say_nothing_of_the_book() {
    let mut lines = sample_lines();
    // Twenty in a row, finer than the lot that the head of the file shows.
    let trade = lines.iter().rfind(|line| is_trade(line)).unwrap().clone();
    let (head, size) = trade.split_once("\"q\":\"").unwrap();
    let tail = size.split_once('"').unwrap().1;
    let finer = format!("{head}\"q\":\"0.00000001\"{tail}");
    // Behind the part of the file from which its digits are found.
    let last = lines.pop().unwrap();
    let rest = 5_000 - lines.len();
    let filler = lines[lines.len() - 1].clone();
    let end = time(&filler);
    lines.extend((0..rest).map(|_| at(end, r#"0 {"e":"kline","s":"BTCUSDT"}"#)));
    lines.extend((0..20).map(|_| at(end, &finer)));
    lines.push(last);
    let report = checked(&lines);
    assert_eq!((report.damaged, report.contradictions), (20, 0));
    assert!(report.books[0].is_live);
}

#[test]
fn a_book_lost_to_unreadable_lines_is_named_where_it_is_lost() {
    let mut lines = sample_lines();
    for line in lines.iter_mut().skip(4_000) {
        line.truncate(60);
    }
    let report = checked(&lines);
    assert_eq!(report.contradictions, 1);
    let lost = report.problems.last().unwrap();
    let said = "10 lines without a depth diff in between could not be read: BTCUSDT";
    assert!(lost.problem.starts_with(said), "{report:#?}");
    // Lines that name themselves quotes and trades are none of the ten.
    let depth = lines
        .iter()
        .skip(4_000)
        .position(|line| line.contains("@depth"));
    assert!(
        lost.line >= 4_000 + depth.unwrap() as u64 + 9,
        "{report:#?}"
    );
}

#[test]
fn a_feed_of_snapshots_and_trades_is_live_where_it_is_new() {
    let lines = sample_lines();
    let snapshot = lines.iter().find(|line| is_snapshot(line)).unwrap();
    let start = time(snapshot);
    // One a second, and trades in between.
    let numbered = |at_s: i64| {
        let id = format!("\"lastUpdateId\":{}", 50_093_239_218 + at_s * 100);
        let line = snapshot.replace("\"lastUpdateId\":50093239218", &id);
        at(start + at_s * SECOND, &line)
    };
    let trades = lines.iter().filter(|line| is_trade(line));
    let mut feed: Vec<String> = trades.cloned().collect();
    feed.extend((0..20).map(numbered));
    feed.sort_by_key(|line| time(line));
    feed.retain(|line| time(line) < start + 20 * SECOND);
    let report = checked(&feed);
    assert_eq!(report.verdict, CaptureVerdict::Complete, "{report:#?}");
    let book = &report.books[0];
    assert_eq!(
        (book.is_live, book.update_id),
        (true, 50_093_239_218 + 1_900)
    );
    // No more snapshots, and trades go on.
    let first = lines.iter().filter(|line| is_trade(line)).cloned();
    let mut one: Vec<String> = first.collect();
    one.push(snapshot.clone());
    one.sort_by_key(|line| time(line));
    let report = checked(&one);
    assert!(!report.books[0].is_live, "{report:#?}");
}

#[test]
fn two_collectors_of_one_symbol_that_write_other_units_are_one_book() {
    let (captures, lines) = (Captures::new(), sample_lines());
    let finer = |line: &String| {
        let mut line = at(time(line) + 20_000_000, line);
        for key in ["\"E\":", "\"T\":"] {
            if let Some((head, tail)) = line.split_once(key) {
                let (ms, rest) = tail.split_at(13);
                line = format!("{head}{key}{ms}417{rest}");
            }
        }
        line
    };
    let files = vec![
        captures.write("milliseconds", &lines),
        captures.write("microseconds", &lines.iter().map(finer).collect::<Vec<_>>()),
    ];
    let played = play(PlaybackConfig::new(files));
    let stats = &played.stats;
    assert_eq!((stats.gaps, stats.contradictions), (0, 0), "{stats:#?}");
    assert_eq!(played.states().last().unwrap().0, VenueState::Live);
}

#[test]
fn a_gap_that_a_snapshot_covers_costs_the_book_one_message() {
    let lines = sample_lines();
    let diffs: Vec<usize> = (0..lines.len())
        .filter(|at| is_depth(&lines[*at]))
        .collect();
    // The snapshot that the collector fetched is ahead of the diffs, some of which are then lost.
    let snapshot = lines.iter().position(|line| is_snapshot(line)).unwrap();
    let mut gap = lines.clone();
    let moved = gap.remove(snapshot);
    let before = diffs[0];
    gap.insert(before, at(time(&gap[before]), &moved));
    let lost = diffs[1];
    gap.remove(lost + 1);
    let report = checked(&gap);
    assert!(report.books[0].is_live, "{report:#?}");
}

#[test]
fn a_snapshot_in_a_file_of_several_symbols_is_counted_and_no_damage() {
    let mut lines = sample_lines();
    let other = r#"0 {"stream":"ethusdt@trade","data":{"e":"trade","E":1723161255343,"s":"ETHUSDT","t":1,"p":"2600.10000000","q":"0.02000000","T":1723161255342,"m":true}}"#;
    lines.insert(1, at(time(&lines[0]), other));
    let captures = Captures::new();
    let report = check(&captures.write("two", &lines)).unwrap();
    assert_eq!((report.damaged, report.ignored), (0, 1), "{report:#?}");
    assert!(report.books[0].is_live, "proven by quotes");
}

#[test]
fn a_local_time_that_goes_back_is_shown_with_its_line() {
    let mut lines = sample_lines();
    for line in (1_000..1_020).step_by(2) {
        lines[line] = at(time(&lines[line]) - 3 * SECOND, &lines[line]);
    }
    let report = checked(&lines);
    assert_eq!(report.time_went_back, 10);
    assert_eq!(report.problems.len(), 5, "the first ones: {report:#?}");
    assert_eq!(report.problems[0].line, 1_001);
    let said = &report.problems[0].problem;
    assert!(
        said.contains("the local time went back to 2024-08-0"),
        "{said}"
    );
}

#[test]
fn sizes_of_tokens_of_which_there_are_trillions_are_read() {
    let mut lines = sample_lines();
    for line in &mut lines {
        *line = line
            .replace("BTCUSDT", "BTTCUSDT")
            .replace("btcusdt", "bttcusdt");
        for key in ["\"B\":\"", "\"A\":\"", "\"q\":\""] {
            if let Some((head, tail)) = line.split_once(key) {
                let rest = tail.split_once('"').unwrap().1;
                *line = format!("{head}{key}123456789012.00000000\"{rest}");
            }
        }
    }
    lines.retain(|line| is_trade(line) || is_quote(line));
    let captures = Captures::new();
    let file = captures.write("large", &lines);
    let report = check(&file).unwrap();
    assert_eq!(report.damaged, 0, "{report:#?}");
    let played = play(PlaybackConfig::new(vec![file]));
    assert_eq!(played.instruments[0].size_scale, 0);
    let is_it = |body: &Body| matches!(body, Body::Trade(trade) if trade.size.0 == 123_456_789_012);
    assert!(played.count(is_it) > 0);
}

#[test]
fn published_terms_that_the_file_contradicts_are_of_another_time() {
    let (captures, lines) = (Captures::new(), sample_lines());
    let file = captures.write("btcusdt", &lines);
    let coarse = SymbolSettings {
        name: "BTCUSDT".to_owned(),
        tick: Step::parse("1").unwrap(),
        lot: Step::parse("0.001").unwrap(),
        ..SymbolSettings::default()
    };
    let published = PlaybackConfig {
        published: vec![coarse.clone()],
        ..PlaybackConfig::new(vec![file.clone()])
    };
    let terms = &play(published).instruments[0];
    assert_eq!((terms.price_scale, terms.tick.0), (2, 1));
    assert_eq!((terms.size_scale, terms.lot.0), (5, 1));
    // What the user says is no hint.
    let set = PlaybackConfig {
        symbols: vec![coarse],
        ..PlaybackConfig::new(vec![file])
    };
    let error = Playback::open(set).unwrap_err().to_string();
    assert!(
        error.contains("`tick` of the symbol in the settings"),
        "{error}"
    );
}

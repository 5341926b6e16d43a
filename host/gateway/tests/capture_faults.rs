//! Captures with the faults and dialects that users run into: each is read for what it is, or named for what it is.

#[path = "captures/harness.rs"]
mod harness;

use harness::{Captures, case, checked, is_depth, play, played, sample_lines};
use tickdeck_gateway::playback::{
    CaptureVerdict, Market, Playback, PlaybackConfig, SymbolSettings, check, read_exchange_info,
};
use tickdeck_model::{Body, Event, VenueState};

#[test]
fn ids_that_go_back_in_newer_diffs_make_the_book_stale_at_once_and_for_good() {
    let report = checked("ids-went-back.txt");
    assert_eq!(report.verdict, CaptureVerdict::Faulty);
    assert!(!report.books[0].is_live);
    let problem = &report.problems[0];
    assert_eq!(
        (problem.line, problem.problem.as_str()),
        (11, "the update ids went back from 5 to 1 in a newer diff")
    );
    use VenueState::{Connected, Live, Stale};
    let states = played(&["ids-went-back.txt"]).states();
    assert_eq!(
        states,
        [(Connected, 0), (Stale, 0), (Live, 1), (Stale, 1_100)],
        "with the first diff that goes back"
    );
}

#[test]
fn a_book_that_is_crossed_for_more_than_a_message_is_stale() {
    let report = checked("crossed-book.txt");
    assert_eq!(report.verdict, CaptureVerdict::Faulty);
    assert!(!report.books[0].is_live, "{report:#?}");
    assert!(report.contradictions >= 1, "{report:#?}");
    let said = &report.problems[0].problem;
    assert!(
        said.contains("bid 101.50") && !said.contains("Price("),
        "in the units of the market: {said}"
    );
    let states = played(&["crossed-book.txt"]).states();
    assert_eq!(states.last().unwrap().0, VenueState::Stale);
}

#[test]
fn a_proven_book_is_not_given_up_for_a_snapshot_of_another_time() {
    let report = checked("late-snapshot.gz");
    assert_eq!(report.verdict, CaptureVerdict::Complete, "{report:#?}");
    assert!(report.books[0].is_live);
    let states = played(&["late-snapshot.gz"]).states();
    let stale = states
        .iter()
        .filter(|(state, _)| *state == VenueState::Stale);
    assert_eq!(stale.count(), 1, "only before it was proven: {states:?}");
}

#[test]
fn times_are_read_in_whichever_unit_they_are() {
    for name in ["microseconds.txt", "local-time-in-ms.txt"] {
        let report = checked(name);
        assert_eq!(report.damaged, 0, "{report:#?}");
        let first_s = report.first_ns / 1_000_000_000;
        assert_eq!(first_s, 1_723_161_600, "{name}");
        assert!(report.depth_events > 10 && report.trades > 0, "{report:#?}");
        let played = played(&[name]);
        assert_eq!(played.stats.damaged, 0);
        let at = 1_723_161_600_000_000_000..1_723_161_700_000_000_000;
        assert!(
            played
                .events
                .iter()
                .all(|event| at.contains(&event.ts_venue))
        );
    }
}

#[test]
fn usdm_futures_are_recognised_and_their_diffs_followed() {
    let report = checked("usdm-futures-head.gz");
    assert_eq!(report.market, Market::UsdmFutures);
    assert_eq!(
        (report.gaps, report.verdict),
        (0, CaptureVerdict::Complete),
        "{report:#?}"
    );
    assert!(report.books[0].levels > 1_000, "{report:#?}");
    assert_eq!(report.tops_checked, report.tops_agreed, "{report:#?}");
    assert!(report.tops_checked > 10);
    let played = played(&["usdm-futures-head.gz"]);
    let terms = &played.instruments[0];
    assert_eq!((terms.price_scale, terms.tick.0), (1, 1));
    assert_eq!((terms.size_scale, terms.lot.0), (3, 1));
}

#[test]
fn files_of_two_markets_are_not_one_venue() {
    let files = [case("usdm-futures-head.gz"), case("microseconds.txt")];
    let error = Playback::open(PlaybackConfig::new(files.to_vec()))
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("is of Binance Spot") && error.contains("play them as two venues"),
        "{error}"
    );
}

#[test]
fn the_balance_is_in_the_quote_currency_of_the_file() {
    let balances = played(&["quote-is-fdusd.gz"]).balances;
    let of = |code: &str| {
        balances
            .iter()
            .find(|(of, _)| of == code)
            .map(|(_, amount)| amount.0)
    };
    assert_eq!(of("FDUSD"), Some(1_000_000 * 100_000_000));
    assert_eq!(of("USDT"), None);
    assert_eq!(
        checked("quote-is-fdusd.gz").verdict,
        CaptureVerdict::Complete
    );
}

#[test]
fn sizes_finer_than_the_known_lot_give_the_lot() {
    let report = checked("six-decimal-sizes.txt");
    assert_eq!(report.verdict, CaptureVerdict::Complete, "{report:#?}");
    let played = played(&["six-decimal-sizes.txt"]);
    assert_eq!(played.instruments[0].size_scale, 6);
    assert_eq!(
        played.count(|body| matches!(body, Body::Trade(_))),
        report.trades as usize
    );
    assert_eq!(played.stats.damaged, 0);
}

#[test]
fn a_symbol_that_is_in_no_table_is_read_and_can_be_configured() {
    assert_eq!(
        checked("unknown-symbol.txt").verdict,
        CaptureVerdict::Complete
    );
    let played = played(&["unknown-symbol.txt"]);
    assert_eq!(played.instruments[0].symbol, "BTCPLN.BINANCE");
    assert_eq!(played.balances[0].0, "PLN");

    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(case("unknown-symbol.txt")).unwrap();
    let file = folder.path().join("odd.txt");
    std::fs::write(&file, text.replace("BTCPLN", "ODDLY")).unwrap();
    assert_eq!(
        check(&file).unwrap().verdict,
        CaptureVerdict::Complete,
        "nobody trades"
    );
    let error = Playback::open(PlaybackConfig::new(vec![file.clone()]))
        .unwrap_err()
        .to_string();
    assert!(error.contains("[venue.symbols.ODDLY]"), "{error}");
    assert!(error.contains("exchange_info"), "{error}");

    let info = folder.path().join("info.json");
    let symbol = r#"{"symbol":"ODDLY","baseAsset":"ODD","quoteAsset":"LY","filters":[
        {"filterType":"PRICE_FILTER","tickSize":"0.05000000"},{"filterType":"LOT_SIZE","stepSize":"0.00100000"}]}"#;
    std::fs::write(&info, format!("{{\"symbols\":[{symbol}]}}")).unwrap();
    let config = PlaybackConfig {
        published: read_exchange_info(&info).unwrap(),
        ..PlaybackConfig::new(vec![file.clone()])
    };
    let terms = &play(config).instruments[0];
    assert_eq!(
        (
            terms.tick.0,
            terms.price_scale,
            terms.lot.0,
            terms.size_scale
        ),
        (5, 2, 1, 3)
    );

    // A tick that the file's prices contradict is named.
    let coarse = SymbolSettings {
        name: "ODDLY".to_owned(),
        base: Some("ODD".to_owned()),
        quote: Some("LY".to_owned()),
        tick: tickdeck_gateway::playback::Step::parse("1").unwrap(),
        ..SymbolSettings::default()
    };
    let finer = folder.path().join("finer.txt");
    std::fs::write(
        &finer,
        text.replace("BTCPLN", "ODDLY")
            .replace("99.00000000", "99.50000000"),
    )
    .unwrap();
    let config = PlaybackConfig {
        symbols: vec![coarse],
        ..PlaybackConfig::new(vec![finer])
    };
    let error = Playback::open(config).unwrap_err().to_string();
    assert!(
        error.contains("`tick`") && error.contains("1 decimal digits"),
        "{error}"
    );
}

#[test]
fn less_than_a_lot_is_a_level() {
    let report = checked("dust-at-the-top.txt");
    assert_eq!((report.tops_checked, report.tops_agreed), (1, 1));
    assert_eq!(report.verdict, CaptureVerdict::Complete, "{report:#?}");
    let bid = report.books[0].best_bid.clone().unwrap();
    assert_eq!(bid.0, "99.50");
}

#[test]
fn zeros_behind_a_gzip_file_are_no_damage() {
    let report = checked("zero-padded.gz");
    assert_eq!(
        (report.verdict, report.lines),
        (CaptureVerdict::Complete, 19),
        "{report:#?}"
    );
}

#[test]
fn several_files_of_one_symbol_are_one_book() {
    let (captures, lines) = (Captures::new(), sample_lines());
    let whole = play(PlaybackConfig::new(vec![captures.write("whole", &lines)])).events;
    let (first, second) = lines.split_at(lines.len() / 2);
    let (book, others): (Vec<&String>, Vec<&String>) = lines
        .iter()
        .partition(|line| is_depth(line) || line.contains("lastUpdateId"));
    let first = captures.write("first", first);
    let second = captures.write("second", second);
    let book = captures.write("book", book);
    let others = captures.write("others", others);
    for files in [[&first, &second], [&second, &first], [&book, &others]] {
        let files = files.into_iter().cloned().collect();
        let events = play(PlaybackConfig::new(files)).events;
        // Which of two lines of one time comes first depends on the file.
        let of_the_book = |events: &[Event]| -> Vec<Event> {
            let is_it = |event: &&Event| matches!(event.body(), Body::Book(_) | Body::Venue(_));
            events.iter().filter(is_it).cloned().collect()
        };
        assert_eq!(events.len(), whole.len());
        assert_eq!(of_the_book(&events), of_the_book(&whole));
    }
}

#[test]
fn diffs_that_stop_while_the_market_moves_make_the_book_stale_and_silence_alone_does_not() {
    let (captures, lines) = (Captures::new(), sample_lines());
    let mut diffs = 0;
    let mut until = |line: &&String| {
        diffs += usize::from(is_depth(line));
        !is_depth(line) || diffs <= 50
    };
    let silent: Vec<&String> = lines.iter().filter(&mut until).collect();
    let report = check(&captures.write("silent", silent.iter().copied())).unwrap();
    assert!(!report.books[0].is_live, "{report:#?}");
    assert!(
        report.problems[0]
            .problem
            .contains("the depth diffs stayed behind"),
        "{report:#?}"
    );
    // Some instruments trade once an hour.
    let last_diff = silent.iter().rposition(|line| is_depth(line)).unwrap();
    let (before, after) = silent.split_at(last_diff + 1);
    let is_other = |line: &&&String| !line.contains("bookTicker") && !line.contains("@trade");
    let quiet = before.iter().chain(after.iter().filter(is_other)).copied();
    let report = check(&captures.write("quiet", quiet)).unwrap();
    assert!(report.books[0].is_live, "{report:#?}");
    assert_eq!(report.verdict, CaptureVerdict::Complete);
}

#[test]
fn lines_in_a_row_that_cannot_be_read_make_the_book_stale_and_one_now_and_then_does_not() {
    let (captures, lines) = (Captures::new(), sample_lines());
    let is_trade = |line: &String| line.contains("@trade");
    // Damaged lines that are no diffs, with diffs between them.
    let mut now_and_then = lines.clone();
    let trades = now_and_then.iter_mut().filter(|line| is_trade(line));
    for line in trades.step_by(10) {
        line.truncate(line.len() - 4);
    }
    let report = check(&captures.write("now-and-then", &now_and_then)).unwrap();
    assert!(
        report.damaged > 50 && report.books[0].is_live,
        "{report:#?}"
    );
    assert_eq!((report.gaps, report.contradictions), (0, 0));
    assert_eq!(report.verdict, CaptureVerdict::Faulty);
    // From some line on, nothing can be read.
    let mut in_a_row = lines;
    for line in in_a_row.iter_mut().skip(2_000) {
        line.truncate(line.len() - 4);
    }
    let file = captures.write("in-a-row", &in_a_row);
    let report = check(&file).unwrap();
    assert_eq!((report.damaged, report.contradictions), (3_000, 1));
    assert!(!report.books[0].is_live, "{report:#?}");
    let states = play(PlaybackConfig::new(vec![file])).states();
    assert_eq!(states.last().unwrap().0, VenueState::Stale);
}

#[test]
fn quotes_that_are_not_the_books_make_it_stale_within_one_message() {
    let (captures, mut lines) = (Captures::new(), sample_lines());
    // A diff that lies about its best level: the ids are right.
    let at = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| is_depth(line))
        .nth(60)
        .unwrap()
        .0;
    let (head, asks) = lines[at].split_once("\"a\":[[\"").unwrap();
    lines[at] = format!("{head}\"a\":[[\"60000.00000000\",\"1.00000000\"],[\"{asks}");
    let report = check(&captures.write("lie", &lines)).unwrap();
    assert_eq!((report.gaps, report.contradictions), (0, 1), "{report:#?}");
    assert!(report.problems[0].line - (at as u64) < 100, "{report:#?}");
    assert!(report.books[0].is_live, "it is proven again: {report:#?}");
}

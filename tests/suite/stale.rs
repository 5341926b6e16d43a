//! A hole in a capture: the book is marked stale, strategies see it, orders that open risk are denied, and the book
//! comes back.

use crate::support::native::{play as play_native, seat};
use crate::support::plugins::sample;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::{Arc, Mutex};
use tickdeck_engine::port::{Fault, Gateway, StopReason, Strategy};
use tickdeck_engine::{Notice, OrderLimits, Report};
use tickdeck_gateway::playback::{Playback, PlaybackConfig};
use tickdeck_model::{
    Action, BarBasis, Body, Event, Feed, FeedRequest, Instrument, InstrumentId, OrderType, Pad,
    Price, Reason, Registry, Side, Size, Submit, TimeInForce, VenueState,
};
use tickdeck_portfolio::StrategyBook;

/// Keeps the states it is told, and buys a little at every quote.
struct Watcher {
    states: Arc<Mutex<Vec<VenueState>>>,
    orders: u64,
}

impl Strategy for Watcher {
    fn on_events(
        &mut self,
        batch: &[Event],
        _: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        for (at, event) in batch.iter().enumerate() {
            match event.body() {
                Body::Venue(status) => self.states.lock().unwrap().push(status.state),
                Body::Quote(quote) => {
                    self.orders += 1;
                    actions.push(Action::Submit(buy(self.orders, &quote.instrument)));
                    return Ok(at + 1);
                }
                _ => {}
            }
        }
        Ok(batch.len())
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        Ok(Ok(Vec::new()))
    }

    fn stop(&mut self, _: StopReason) -> Result<(), Fault> {
        Ok(())
    }
}

fn buy(order: u64, instrument: &InstrumentId) -> Submit {
    Submit {
        order,
        instrument: *instrument,
        side: Side::Buy,
        kind: OrderType::Market,
        time_in_force: TimeInForce::Ioc,
        size: Size(10),
        price: Price(0),
        stop_price: Price(0),
        ..Submit::EMPTY
    }
}

/// Writes the sample again with its depth lines changed: each is kept as often as `copies` says for its number.
fn rewritten(to: &Path, copies: impl Fn(usize) -> usize) {
    let lines = BufReader::new(GzDecoder::new(File::open(sample()).unwrap())).lines();
    let mut out = GzEncoder::new(File::create(to).unwrap(), Compression::fast());
    let mut depth = 0;
    for line in lines {
        let line = line.unwrap();
        let mut times = 1;
        if line.contains("\"depthUpdate\"") {
            times = copies(depth);
            depth += 1;
        }
        for _ in 0..times {
            writeln!(out, "{line}").unwrap();
        }
    }
    assert!(depth > 60, "the sample has {depth} depth lines");
    out.finish().unwrap();
}

fn play(file: &Path) -> (Report, Vec<VenueState>, Vec<Notice>) {
    let mut registry = Registry::new();
    let mut capture = Playback::open(PlaybackConfig::new(vec![file.to_owned()])).unwrap();
    let terms = capture.register(&mut registry).unwrap();
    let instrument: Instrument = registry.find_instrument("BTCUSDT").unwrap().clone();
    let feed = |feed| FeedRequest {
        target: instrument.id.0,
        step: 0,
        feed,
        basis: BarBasis::Time,
        pad: Pad::ZERO,
    };
    let states = Arc::new(Mutex::new(Vec::new()));
    let watcher = Watcher {
        states: Arc::clone(&states),
        orders: 0,
    };
    let feeds = vec![feed(Feed::Quotes), feed(Feed::Book)];
    let watcher = ("watcher", feeds, Box::new(watcher) as Box<dyn Strategy>);
    let seat = seat(&mut registry, watcher, Vec::new());
    let default = OrderLimits {
        order_rate: None,
        duplicate_window_ns: None,
        max_position_notional: None,
        ..OrderLimits::default()
    };
    let (report, notices) = play_native(registry, (Box::new(capture), terms), seat, default);
    let states = states.lock().unwrap().clone();
    (report, states, notices)
}

#[test]
fn a_dropped_line_marks_the_book_stale_for_strategies_and_risk_until_it_is_proven_again() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, dropped) = (
        folder.path().join("whole.gz"),
        folder.path().join("dropped.gz"),
    );
    rewritten(&whole, |_| 1);
    rewritten(&dropped, |depth| usize::from(depth != 20));

    let (report, states, _) = play(&whole);
    let stale = states
        .iter()
        .filter(|state| **state == VenueState::Stale)
        .count();
    let calm = report
        .status
        .denied
        .get(&Reason::StaleData)
        .copied()
        .unwrap_or_default();

    let (report, states, notices) = play(&dropped);
    assert!(
        states
            .iter()
            .filter(|state| **state == VenueState::Stale)
            .count()
            > stale,
        "{states:?}"
    );
    assert_eq!(states.last(), Some(&VenueState::Live), "{states:?}");
    let denied = report
        .status
        .denied
        .get(&Reason::StaleData)
        .copied()
        .unwrap_or_default();
    assert!(
        denied > calm,
        "orders on a stale book must be denied: {:?}",
        report.status.denied
    );
    assert!(notices.iter().any(|notice| matches!(
        notice,
        Notice::Venue {
            state: VenueState::Stale,
            ..
        }
    )));
}

#[test]
fn a_repeated_line_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (whole, repeated) = (
        folder.path().join("whole.gz"),
        folder.path().join("repeated.gz"),
    );
    rewritten(&whole, |_| 1);
    rewritten(&repeated, |depth| if depth % 10 == 3 { 2 } else { 1 });
    let ((whole, ..), (repeated, ..)) = (play(&whole), play(&repeated));
    assert_eq!(repeated.tape_hash, whole.tape_hash);
    assert_eq!(repeated.actions_hash, whole.actions_hash);
}

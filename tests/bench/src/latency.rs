//! `latency`: from a quote to the order that it caused, across threads: the kernel puts the quote on the ring, a worker's
//! thread calls the strategy, the order comes back by the action ring, passes every check, and is in the gateway's queue.
//!
//! Quotes come at a steady pace, and every time is taken from when a quote was *due*, not from when it was published. So a
//! quote that had to wait because the host was busy with those before it counts with its whole wait (coordinated
//! omission, Gil Tene). The kernel runs freely (`Stepping::Free`). Every so many quotes cause an order, which the venue
//! cancels at once; both answers come back to the strategy as events, so its book is always at work.

mod floor;
pub(crate) mod metronome;
pub(crate) mod setup;
mod wake;

use crate::deck::{Deck, NullObserver, StrategySpec};
use crate::effort::Effort;
use crate::guests;
use crate::native::{NativeFactory, native_factory};
use crate::row::{Claim, Goal, Row};
use anyhow::{Result, ensure};
use hdrhistogram::Histogram;
use metronome::{Metronome, ORDER_EVERY};
use setup::{LONGEST_NS, ROUNDS, WallTime, at_quantile, config};
use std::sync::{Arc, PoisonError};
use std::time::Duration;
use tickdeck_engine::Wait;
use tickdeck_journal::ReelConfig;
use tickdeck_recording::{JournalRecorder, RecordedRun};
use tickdeck_strategy::{ResourceLimits, Runtime, RuntimeConfig};

/// The permitted ratio to the latency of an unrecorded run.
const KEPT: f64 = 1.2;

/// The interval between two words of the bare handover, as between the quotes of the slower pace.
const FLOOR_INTERVAL: Duration = Duration::from_micros(10);

/// The part of each case that is played before its orders count.
const WARM_UP: f64 = 0.1;

/// A pace and a way to wait.
struct Case {
    name: &'static str,
    quotes_per_s: u64,
    wait: Wait,
    native: Option<NativeFactory>,
    /// Whether the run is recorded in reels.
    kept: bool,
}

/// A spinning thread never gives up its core; a parked one must be woken.
const SPIN: Wait = Wait::BusySpin;
const PARK: Wait = Wait::SpinThenPark { spins: 10 };

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let host = Runtime::new(RuntimeConfig::default())?;
    let module = host.load(&guests::counter()?, "counter", &ResourceLimits::default())?;
    let spec = StrategySpec::of(&module).with("order_every", &ORDER_EVERY.to_string());
    let native: NativeFactory = native_factory::<bench_counter::Counter>();
    let case = |name, quotes_per_s, wait, native| Case {
        name,
        quotes_per_s,
        wait,
        native,
        kept: false,
    };
    let kept = Case {
        kept: true,
        ..case("spin/100k/kept", 100_000, SPIN, None)
    };
    let cases = [
        case("spin/100k", 100_000, SPIN, None),
        case("spin/100k/native", 100_000, SPIN, Some(native)),
        case("spin/1M", 1_000_000, SPIN, None),
        case("spin/1M/native", 1_000_000, SPIN, Some(native)),
        case("park/100k", 100_000, PARK, None),
        case("park/100k/native", 100_000, PARK, Some(native)),
        kept,
        case("spin/100k/not-kept", 100_000, SPIN, None),
    ];
    let mut histograms: Vec<Vec<Histogram<u64>>> = cases.iter().map(|_| Vec::new()).collect();
    let mut floors = Vec::new();
    for _ in 0..ROUNDS.min(effort.rounds) {
        floors.push(floor::play(FLOOR_INTERVAL, effort.events as u32)?);
        for (case, histograms) in cases.iter().zip(&mut histograms) {
            // A busy machine may not keep up; this is reported, and costs this round only.
            match play(case, &spec, effort) {
                Ok(histogram) => histograms.push(histogram),
                Err(problem) => eprintln!("latency/{}: not measured: {problem}", case.name),
            }
        }
    }
    let mut rows = Vec::new();
    for pair in 0..cases.len() / 2 {
        let (value, baseline) = (&histograms[2 * pair], &histograms[2 * pair + 1]);
        if value.is_empty() || baseline.is_empty() {
            continue;
        }
        rows.extend(quantiles(&cases[2 * pair], value, baseline));
    }
    if !histograms[0].is_empty() {
        rows.extend(floor_rows(&floors, &histograms[0]));
    }
    rows.extend(wake::run(&spec, native, effort)?);
    Ok(rows)
}

/// Compares the machine's own time for one word back and forth with the whole latency.
fn floor_rows(floors: &[Histogram<u64>], whole: &[Histogram<u64>]) -> Vec<Row> {
    let parts = [("p50", 0.5), ("p99", 0.99), ("p99.9", 0.999)];
    let row = |(label, part)| {
        let claim = Claim {
            bench: "latency",
            unit: "ns",
            against: "the whole way, latency/spin/100k",
            goal: None,
            more_is_better: false,
        };
        Row {
            bench: format!("latency/floor/100k/{label}"),
            ..claim.row(&at_quantile(floors, part), &at_quantile(whole, part))
        }
    };
    parts.map(row).into()
}

fn quantiles(case: &Case, values: &[Histogram<u64>], natives: &[Histogram<u64>]) -> Vec<Row> {
    let goal = |value| match (case.kept, case.wait == SPIN) {
        (true, _) => None,
        (false, spins) => spins.then_some(Goal::Value(value)),
    };
    let parts = [
        (
            "p50",
            0.5,
            case.kept.then_some(Goal::Ratio(KEPT)).or(goal(1_000.0)),
        ),
        ("p99", 0.99, goal(5_000.0)),
        ("p99.9", 0.999, None),
        ("p99.99", 0.9999, None),
    ];
    let row = |(label, part, goal): (&str, f64, Option<Goal>)| {
        let claim = Claim {
            bench: "latency",
            unit: "ns",
            against: match case.kept {
                true => "the same run, not kept",
                false => "the same strategy natively",
            },
            goal,
            more_is_better: false,
        };
        let row = claim.row(&at_quantile(values, part), &at_quantile(natives, part));
        Row {
            bench: format!("latency/{}/{label}", case.name),
            ..row
        }
    };
    parts.map(row).into()
}

/// Plays one case, and returns from when each order's quote was due to when the order was in the gateway's queue.
fn play(case: &Case, spec: &StrategySpec, effort: &Effort) -> Result<Histogram<u64>> {
    let mut spec = spec.clone();
    spec.native = case.native;
    // Some seconds in earnest, some hundredths in short.
    let quotes = (effort.events as u64 * 8).min(2 * case.quotes_per_s);
    let metronome = Metronome::new(case.quotes_per_s, quotes);
    let (epoch, latencies) = (metronome.epoch, Arc::clone(&metronome.latencies));
    let clock = Box::new(WallTime {
        epoch,
        sleeps: false,
    });
    let mut deck = Deck::assemble(Box::new(metronome), clock, &[spec], config(case.wait))?;
    let folder = tempfile::tempdir()?;
    if case.kept {
        let run = RecordedRun {
            number: 1,
            folder: folder.path().join("run"),
        };
        let (recorder, _) = JournalRecorder::open(&run, &ReelConfig::default(), None)?;
        deck.engine.record(Box::new(recorder));
    }
    let report = deck.engine.run(&mut NullObserver)?;
    let (sent, expected) = (report.status.orders, quotes / ORDER_EVERY);
    let denied = &report.status.denied;
    ensure!(
        sent == expected && denied.is_empty(),
        "{}: {sent} orders of {expected}, denied: {denied:?}; {} events handled",
        case.name,
        report.status.strategies[0].events
    );
    let latencies = latencies.lock().unwrap_or_else(PoisonError::into_inner);
    let warm_up = (latencies.len() as f64 * WARM_UP) as usize;
    let mut histogram = Histogram::new_with_bounds(1, LONGEST_NS, 3)?;
    for latency in &latencies[warm_up..] {
        histogram.saturating_record(*latency);
    }
    Ok(histogram)
}

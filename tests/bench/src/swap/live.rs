//! Swaps at full load: the pause, lost events, and the effect on the other strategies.

use super::modules::Modules;
use super::operator::Operator;
use crate::deck::{Deck, Market};
use crate::effort::Effort;
use crate::row::{Claim, Goal, Row, quantile};
use crate::watch::Watch;
use anyhow::{Context, Result, anyhow};
use std::time::Duration;
use tickdeck_engine::{EngineConfig, Notice, Observer, Report, Status, VersionChange};
use tickdeck_model::Timestamp;

/// The rate of an operator's swaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pace {
    Never,
    /// Every 5 ms: forty times what a watcher that waits 200 ms for a file to settle lets through.
    Steady,
    /// As fast as the loader's thread can.
    BackToBack,
}

const STEADY: Duration = Duration::from_millis(5);

/// Rounds at most, in case a capture is too short for swaps.
const MOST_ROUNDS: usize = 200;

/// The measurements of all runs of a pace.
#[derive(Default)]
struct Figures {
    pauses_us: Vec<f64>,
    took_us: Vec<f64>,
    swaps: usize,
    /// By run: events that the count of the swapped strategy is off by, and its count.
    astray: Vec<f64>,
    counted: Vec<f64>,
    rates: Vec<f64>,
    /// By run: the longest gap between two calls of the twin.
    worst_ms: Vec<f64>,
    gaps_us: Vec<f64>,
}

pub(super) fn run(effort: &Effort, modules: &Modules) -> Result<Vec<Row>> {
    let [mut never, mut steady, mut fast] = <[Figures; 3]>::default();
    let mut rounds = 0;
    let enough = |rounds, swaps| rounds >= effort.rounds && swaps >= effort.swaps;
    while !enough(rounds, steady.swaps.min(fast.swaps)) && rounds < MOST_ROUNDS {
        for (pace, figures) in [
            (Pace::Never, &mut never),
            (Pace::Steady, &mut steady),
            (Pace::BackToBack, &mut fast),
        ] {
            play(effort, modules, pace, figures)?;
            if rounds == 0 {
                // The first run of each fills caches and does not count.
                *figures = Figures::default();
                play(effort, modules, pace, figures)?;
            }
        }
        rounds += 1;
    }
    Ok(rows(&never, &steady, &fast))
}

/// Plays the capture once.
fn play(effort: &Effort, modules: &Modules, pace: Pace, figures: &mut Figures) -> Result<()> {
    let (counter, twin) = (Watch::new(false), Watch::new(true));
    let specs = modules.specs(&counter, &twin);
    let market = Market::Captures(&effort.captures);
    let deck = Deck::open(&market, &specs, EngineConfig::default())?;
    let operator = Operator {
        controls: deck.engine.controls(),
        registry: deck.registry,
        strategy: deck
            .strategies
            .first()
            .context("the counter sits first")?
            .clone(),
        modules,
    };
    let mut pauses = Pauses::default();
    let (swaps, report) = std::thread::scope(|scope| -> Result<(usize, Report)> {
        let operator = scope.spawn(move || match pace {
            Pace::Never => Ok(0),
            Pace::Steady => operator.swap(usize::MAX, |_| std::thread::sleep(STEADY)),
            Pace::BackToBack => operator.swap(usize::MAX, |_| {}),
        });
        let report = deck.engine.run(&mut pauses)?;
        let swaps = operator
            .join()
            .map_err(|_| anyhow!("the operator panicked"))?;
        Ok((swaps?, report))
    })?;
    let twin = twin.take();
    figures.swaps += swaps;
    figures.pauses_us.append(&mut pauses.us);
    figures.took_us.append(&mut pauses.took_us);
    let rate = report.status.events as f64 / (report.elapsed_ns as f64 / 1e9);
    figures.rates.push(rate);
    figures.worst_ms.push(quantile(&twin.gaps_us, 1.0) / 1e3);
    let (counted, twins) = (Count::of(counter.take().state)?, Count::of(twin.state)?);
    figures.counted.push(counted.events as f64);
    figures.astray.push(counted.astray(&twins, &report));
    if pace == Pace::Never {
        figures.gaps_us.extend(twin.gaps_us);
    }
    Ok(())
}

/// The state of a counter: its events, a mix of their sequences, the last of them.
#[derive(PartialEq, Eq)]
struct Count {
    events: u64,
    mix: u64,
    last: u64,
}

impl Count {
    fn of(state: Option<Vec<u8>>) -> Result<Self> {
        let state = state.context("a run ends with the state of its strategies")?;
        let ((events, mix, last), _) = postcard::take_from_bytes(&state)?;
        Ok(Self { events, mix, last })
    }

    /// Returns the number of missing or duplicated events, by the twin's count and by the engine's; at least one if the
    /// sequences differ.
    fn astray(&self, twin: &Self, report: &Report) -> f64 {
        let delivered = report.status.strategies.first();
        let delivered = delivered.map_or(0, |counter| counter.events);
        let off = self.events.abs_diff(twin.events) + self.events.abs_diff(delivered);
        off.max(u64::from(self != twin)) as f64
    }
}

/// The times during which no version could be called.
#[derive(Default)]
struct Pauses {
    us: Vec<f64>,
    took_us: Vec<f64>,
}

impl Observer for Pauses {
    fn notice(&mut self, _: Timestamp, notice: Notice) {
        let Notice::Version { change, .. } = notice else {
            return;
        };
        match change {
            VersionChange::Live { pause_ns } => self.us.push(pause_ns as f64 / 1e3),
            VersionChange::Swapped { took_ns, .. } => self.took_us.push(took_ns as f64 / 1e3),
            _ => {}
        }
    }

    fn status(&mut self, _: &Status) {}
}

fn rows(never: &Figures, steady: &Figures, fast: &Figures) -> Vec<Row> {
    let gap = "the gap between two calls of the twin, not swapped";
    let us = |bench, goal: Option<f64>| Claim {
        bench,
        unit: "us",
        against: gap,
        goal: goal.map(Goal::Value),
        more_is_better: false,
    };
    let pause = |bench, figures: &Figures, part, goal| {
        us(bench, Some(goal)).quantile(&figures.pauses_us, &never.gaps_us, part)
    };
    let astray = [&steady.astray[..], &fast.astray].concat();
    let counted = [&steady.counted[..], &fast.counted].concat();
    let lost = Claim {
        bench: "swap/lost-or-doubled",
        unit: "events",
        against: "events counted in a run; value: the worst run",
        goal: Some(Goal::Value(0.0)),
        more_is_better: false,
    };
    let throughput = |bench, figures: &Figures| {
        let claim = Claim {
            bench,
            unit: "events/s",
            against: "the same run without swaps",
            goal: Some(Goal::Ratio(0.9)),
            more_is_better: true,
        };
        claim.row(&figures.rates, &never.rates)
    };
    let wait = |bench, figures: &Figures| {
        let claim = Claim {
            bench,
            unit: "ms",
            against: "the same without swaps; value: the twin's longest gap of all runs",
            goal: Some(Goal::Value(5.0)),
            more_is_better: false,
        };
        claim.quantile(&figures.worst_ms, &never.worst_ms, 1.0)
    };
    let took = us("swap/save-to-ready-p50", None);
    vec![
        pause("swap/pause-p50/200-a-second", steady, 0.5, 200.0),
        pause("swap/pause-p99/200-a-second", steady, 0.99, 1_000.0),
        pause("swap/pause-p50/back-to-back", fast, 0.5, 200.0),
        pause("swap/pause-p99/back-to-back", fast, 0.99, 1_000.0),
        took.quantile(&steady.took_us, &never.gaps_us, 0.5),
        lost.quantile(&astray, &counted, 1.0),
        throughput("swap/throughput/200-a-second", steady),
        throughput("swap/throughput/back-to-back", fast),
        wait("swap/others-wait/200-a-second", steady),
        wait("swap/others-wait/back-to-back", fast),
    ]
}

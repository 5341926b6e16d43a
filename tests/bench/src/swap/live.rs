//! Swaps at full load: the pause, what is lost, and what the others notice.

use super::Company;
use super::operator::Operator;
use crate::Effort;
use crate::deck::{Deck, Market};
use crate::row::{Claim, Goal, Row, quantile};
use crate::watch::Watch;
use anyhow::{Context, Result, anyhow};
use tickdeck_engine::{EngineConfig, Notice, Observer, Report, Status, VersionChange};
use tickdeck_model::Timestamp;

/// Runs at most, in case a capture is too short for swaps.
const MOST_RUNS: usize = 500;

/// What was measured in all runs so far, each with swaps and once without.
#[derive(Default)]
struct Figures {
    pauses_us: Vec<f64>,
    took_us: Vec<f64>,
    swaps: usize,
    /// By run: events that the count of the swapped strategy is off by.
    astray: Vec<f64>,
    counted: f64,
    rates: [Vec<f64>; 2],
    /// By run: the longest gap between two calls of the twin.
    worst_ms: [Vec<f64>; 2],
    gaps_us: Vec<f64>,
}

pub(super) fn run(effort: &Effort, company: &Company) -> Result<Vec<Row>> {
    let mut figures = Figures::default();
    // The first two runs fill caches and do not count.
    for with_swaps in [true, false] {
        play(effort, company, with_swaps, &mut Figures::default())?;
    }
    let mut runs = 0;
    while (figures.swaps < effort.swaps || runs < effort.rounds) && runs < MOST_RUNS {
        play(effort, company, true, &mut figures)?;
        play(effort, company, false, &mut figures)?;
        runs += 1;
    }
    Ok(figures.rows())
}

/// Plays the capture once.
fn play(effort: &Effort, company: &Company, with_swaps: bool, figures: &mut Figures) -> Result<()> {
    let (counter, twin) = (Watch::new(false), Watch::new(true));
    let roles = company.roles(&counter, &twin);
    let market = Market::Captures(&effort.captures);
    let deck = Deck::open(&market, &roles, EngineConfig::default())?;
    let operator = Operator {
        controls: deck.engine.controls(),
        registry: deck.registry,
        cast: deck
            .casts
            .first()
            .context("the counter sits first")?
            .clone(),
        company,
    };
    let mut pauses = Pauses::default();
    let (swaps, report) = std::thread::scope(|scope| -> Result<(usize, Report)> {
        let operator = scope.spawn(move || match with_swaps {
            true => operator.swap(usize::MAX, |_| {}),
            false => Ok(0),
        });
        let report = deck.engine.run(&mut pauses)?;
        let swaps = operator
            .join()
            .map_err(|_| anyhow!("the operator panicked"))?;
        Ok((swaps?, report))
    })?;
    let twin = twin.take();
    let place = usize::from(!with_swaps);
    let rate = report.status.events as f64 / (report.elapsed_ns as f64 / 1e9);
    figures.rates[place].push(rate);
    figures.worst_ms[place].push(quantile(&twin.gaps_us, 1.0) / 1e3);
    if !with_swaps {
        figures.gaps_us.extend(twin.gaps_us);
        return Ok(());
    }
    figures.swaps += swaps;
    figures.pauses_us.append(&mut pauses.us);
    figures.took_us.append(&mut pauses.took_us);
    let (counted, twins) = (Count::of(counter.take().state)?, Count::of(twin.state)?);
    figures.counted += counted.events as f64;
    figures.astray.push(counted.astray(&twins, &report));
    Ok(())
}

/// What a counter counted: its events, their sequences mixed, the last of them.
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

    /// How many events are missing or came twice, by the twin's count and by the engine's; at least one if the
    /// sequences differ.
    fn astray(&self, twin: &Self, report: &Report) -> f64 {
        let delivered = report.status.strategies.first();
        let delivered = delivered.map_or(0, |counter| counter.events);
        let off = self.events.abs_diff(twin.events) + self.events.abs_diff(delivered);
        off.max(u64::from(self != twin)) as f64
    }
}

/// How long no version was there to be called.
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

impl Figures {
    fn rows(&self) -> Vec<Row> {
        let us = |bench, against, goal| Claim {
            bench,
            unit: "us",
            against,
            goal,
            more_is_better: false,
        };
        let gap = "the gap between two calls of the twin, not swapped";
        let [with, without] = &self.rates;
        let [worst, worst_without] = &self.worst_ms;
        let counted = vec![self.counted / self.astray.len().max(1) as f64; self.astray.len()];
        vec![
            us("swap/pause-p50", gap, Some(Goal::Value(200.0))).quantile(
                &self.pauses_us,
                &self.gaps_us,
                0.5,
            ),
            us("swap/pause-p99", gap, Some(Goal::Value(1_000.0))).quantile(
                &self.pauses_us,
                &self.gaps_us,
                0.99,
            ),
            us("swap/save-to-ready-p50", "the median pause", None).quantile(
                &self.took_us,
                &[quantile(&self.pauses_us, 0.5)],
                0.5,
            ),
            Claim {
                bench: "swap/lost-or-doubled",
                unit: "events",
                against: "events counted in a run; value: the worst run",
                goal: Some(Goal::Value(0.0)),
                more_is_better: false,
            }
            .quantile(&self.astray, &counted, 1.0),
            Claim {
                bench: "swap/throughput",
                unit: "events/s",
                against: "the same run without swaps",
                goal: Some(Goal::Ratio(0.9)),
                more_is_better: true,
            }
            .row(with, without),
            Claim {
                bench: "swap/others-wait-at-most",
                unit: "ms",
                against: "the same without swaps; value: the twin's longest gap between calls in all runs",
                goal: Some(Goal::Value(5.0)),
                more_is_better: false,
            }
            .quantile(worst, worst_without, 1.0),
        ]
    }
}

//! The cost of a strategy that loops or traps, for itself and the others.

use super::modules::Modules;
use crate::deck::{Deck, Market};
use crate::effort::Effort;
use crate::row::{Claim, Goal, Row, quantile};
use crate::watch::{Seen, Watch};
use anyhow::{Result, ensure};
use tickdeck_engine::{EngineConfig, Notice, Observer, Status};
use tickdeck_model::Timestamp;
use tickdeck_strategy::ResourceLimits;

/// Market events of a run.
const EVENTS: u64 = 100_000;

/// The first round fails at this event of the strategy, each further one at another distance from its last snapshot.
const FAIL_AT: usize = 20_000;
const FURTHER: usize = 1_237;

/// A ratio that is no more than noise.
const UNAFFECTED: f64 = 1.1;

pub(super) fn run(effort: &Effort, modules: &Modules) -> Result<Vec<Row>> {
    let (mut looped, mut without, mut trapped) =
        (Faults::default(), Faults::default(), Faults::default());
    play(effort, modules, None, &mut Faults::default())?;
    for round in 0..effort.rounds {
        let at = FAIL_AT + round * FURTHER;
        play(effort, modules, Some((at, "true")), &mut looped)?;
        play(effort, modules, None, &mut without)?;
        play(effort, modules, Some((at, "false")), &mut trapped)?;
    }
    for failed in [&looped, &trapped] {
        let (events, failures) = (failed.recovered_ms.len(), effort.rounds);
        ensure!(
            events == failures,
            "{events} of {failures} failures recovered"
        );
    }
    let ms = |bench, against, goal| Claim {
        bench,
        unit: "ms",
        against,
        goal,
        more_is_better: false,
    };
    let limit = vec![f64::from(ResourceLimits::default().time_ms); effort.rounds];
    let same = "the same without a loop; calls of a strategy with another worker";
    Ok(vec![
        ms(
            "swap/loop/stopped",
            "time_ms: CPU time that a call is sure to get",
            Some(Goal::Value(20.0)),
        )
        .row(&looped.failed_ms, &limit),
        ms(
            "swap/loop/others-p99-gap",
            same,
            Some(Goal::Ratio(UNAFFECTED)),
        )
        .row(&looped.p99_ms, &without.p99_ms),
        ms("swap/loop/others-longest-gap", same, None).row(&looped.worst_ms, &without.worst_ms),
        ms(
            "swap/trap/recovered",
            "the same after a loop",
            Some(Goal::Value(5.0)),
        )
        .row(&trapped.recovered_ms, &looped.recovered_ms),
    ])
}

/// By run.
#[derive(Default)]
struct Faults {
    failed_ms: Vec<f64>,
    recovered_ms: Vec<f64>,
    p99_ms: Vec<f64>,
    worst_ms: Vec<f64>,
}

impl Faults {
    fn add(&mut self, failing: Seen, twin: &Seen, recovered: Vec<f64>) {
        self.failed_ms.extend(failing.failed_ms);
        self.recovered_ms.extend(recovered);
        self.p99_ms.push(quantile(&twin.gaps_us, 0.99) / 1e3);
        self.worst_ms.push(quantile(&twin.gaps_us, 1.0) / 1e3);
    }
}

/// Plays a part of the capture with two workers: the strategy that fails with the first, its twin with the second.
fn play(
    effort: &Effort,
    modules: &Modules,
    fail: Option<(usize, &str)>,
    faults: &mut Faults,
) -> Result<()> {
    let (failing, twin) = (Watch::new(true), Watch::new(true));
    let mut specs = modules.specs(&failing, &twin);
    if let Some((at, by_loop)) = fail {
        let spec = specs.remove(0);
        let spec = spec.with("fail_at", &at.to_string());
        specs.insert(0, spec.with("by_loop", by_loop));
    }
    let config = EngineConfig {
        workers: 2,
        max_market_events: Some(EVENTS),
        ..EngineConfig::default()
    };
    let deck = Deck::open(&Market::Captures(&effort.captures), &specs, config)?;
    let mut recovered = Recovered::default();
    deck.engine.run(&mut recovered)?;
    faults.add(failing.take(), &twin.take(), recovered.0);
    Ok(())
}

/// The duration of each recovery, in ms.
#[derive(Default)]
struct Recovered(Vec<f64>);

impl Observer for Recovered {
    fn notice(&mut self, _: Timestamp, notice: Notice) {
        if let Notice::Recovered { took_ns, .. } = notice {
            self.0.push(took_ns as f64 / 1e6);
        }
    }

    fn status(&mut self, _: &Status) {}
}

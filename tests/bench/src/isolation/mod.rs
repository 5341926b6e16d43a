//! `isolation`: what an attacker costs the others, in the same deck on the same events as without it. Two figures for each
//! attack: how long it takes until it is held, with the longest gap between two calls of another strategy meanwhile; and
//! from then on the latency of the others' orders, against a run without the attacker in the same round.
//!
//! A run in which an honest strategy ended, or was not given every event, fails.

mod attackers;
mod beat;
mod play;

use crate::effort::Effort;
use crate::guests;
use crate::row::{Claim, Goal, Row, median};
use anyhow::Result;
use attackers::attacks;
use play::{Cast, Run, play};
use tickdeck_engine::Stepping;
use tickdeck_strategy::{ResourceLimits, Runtime, RuntimeConfig};

/// Rounds at least, each with a run without an attacker.
const LEAST_ROUNDS: usize = 10;

/// What the issue allows: until the attack is held, and between two calls of another strategy.
const HELD_MS: f64 = 500.0;
const GAP_MS: f64 = 20.0;
const P99: f64 = 1.1;

/// What one attack came to, by round.
#[derive(Default)]
struct Figures {
    held_ms: Vec<f64>,
    gap_ms: Vec<f64>,
    calm_gap_ms: Vec<f64>,
    p99_ns: Vec<f64>,
    calm_p99_ns: Vec<f64>,
    /// Another run without an attacker against the first of the round: the spread.
    twin_p99_ns: Vec<f64>,
}

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let host = Runtime::new(RuntimeConfig::default())?;
    let limits = ResourceLimits::default();
    let counter = host.load(&guests::counter()?, "counter", &limits)?;
    let rounds = match effort.full {
        true => effort.rounds.max(LEAST_ROUNDS),
        false => 1,
    };
    let mut rows = Vec::new();
    for (stepping, name) in [(Stepping::Free, "free"), (Stepping::Lockstep, "lockstep")] {
        for attack in attacks(play::ATTACK_FROM) {
            let module = host.load_bytes(&attack.module, "attacker", "attacker", &limits)?;
            let cast = Cast {
                counter: &counter,
                attacker: &module,
                stepping,
            };
            let figures = measure(&cast, rounds, attack.ends)?;
            rows.extend(rows_of(
                &format!("isolation/{name}/{}", attack.name),
                &figures,
            ));
        }
    }
    Ok(rows)
}

/// Plays rounds of one attack, each with two runs without it.
fn measure(cast: &Cast<'_>, rounds: usize, ends: bool) -> Result<Figures> {
    let mut figures = Figures::default();
    for _ in 0..rounds {
        let calm = play(cast, false)?;
        let attacked = play(cast, true)?;
        let twin = play(cast, false)?;
        let (from, held) = (attacked.attack_ns(), attacked.held(ends)?);
        figures.held_ms.push((held - from) as f64 / 1e6);
        figures.gap_ms.push(attacked.longest_gap_ms(from, held));
        let same = |run: &Run| (run.attack_ns(), run.attack_ns() + held - from);
        let (from, to) = same(&calm);
        figures.calm_gap_ms.push(calm.longest_gap_ms(from, to));
        let after = held - attacked.attack_ns() + play::SETTLES_NS;
        let p99 = |run: &Run| run.p99_ns(run.attack_ns() + after);
        figures.p99_ns.push(p99(&attacked));
        figures.calm_p99_ns.push(p99(&calm));
        figures.twin_p99_ns.push(p99(&twin));
    }
    Ok(figures)
}

fn rows_of(name: &str, figures: &Figures) -> Vec<Row> {
    let claim = |unit, against, goal| Claim {
        bench: "isolation",
        unit,
        against,
        goal: Some(goal),
        more_is_better: false,
    };
    let spread: Vec<f64> = figures
        .twin_p99_ns
        .iter()
        .zip(&figures.calm_p99_ns)
        .map(|(twin, calm)| twin / calm)
        .collect();
    let (least, most) = spread.iter().fold((f64::MAX, 0f64), |(least, most), one| {
        (least.min(*one), most.max(*one))
    });
    eprintln!(
        "{name}: without the attacker, p99 against p99: {:.2} (from {least:.2} to {most:.2})",
        median(&spread)
    );
    let named = |label: &str, row: Row| Row {
        bench: format!("{name}/{label}"),
        ..row
    };
    let held = claim(
        "ms",
        "the same time without the attacker",
        Goal::Value(HELD_MS),
    );
    let gap = claim(
        "ms",
        "the same time without the attacker",
        Goal::Value(GAP_MS),
    );
    let p99 = claim(
        "ns",
        "the same orders without the attacker",
        Goal::Ratio(P99),
    );
    vec![
        named("held", held.row(&figures.held_ms, &figures.held_ms)),
        named("gap", gap.row(&figures.gap_ms, &figures.calm_gap_ms)),
        named("p99", p99.row(&figures.p99_ns, &figures.calm_p99_ns)),
    ]
}

//! `isolation`: what an attacker costs the others, in the same deck on the same events as without it. Three figures for
//! each attack: how long it takes until it is held, with the longest gap between two calls of another strategy meanwhile;
//! from then on the latency of the others' orders, against a run without the attacker in the same round; and how long an
//! operator's kill takes to hold, milliseconds after the attack began. An attack that does not end the attacker is bounded from
//! its first moment; its gap is that of the first half second, and the latency counts from there on.
//!
//! A run in which an honest strategy ended, or was not given every event, fails; so does one in which an order left after
//! a kill was acknowledged.

mod attackers;
mod beat;
mod folder;
mod play;

use crate::effort::Effort;
use crate::guests;
use crate::row::{Claim, Goal, Row, median};
use anyhow::{Result, bail};
use attackers::{Attack, Means};
use folder::Files;
use play::{Cast, Play, Run, play};
use tickdeck_deck::affinity::yield_to_trading;
use tickdeck_engine::Stepping;
use tickdeck_strategy::{Module, ResourceLimits, Runtime, RuntimeConfig};

/// Rounds at least, each with two runs without an attacker.
const LEAST_ROUNDS: usize = 10;

/// The most that is allowed: until an attack is held, between two calls of another strategy meanwhile, for the others' latency
/// from then on, and until a kill holds.
const HELD_MS: f64 = 500.0;
const GAP_MS: f64 = 20.0;
const P99: f64 = 1.1;
const KILL_MS: f64 = 10.0;

/// When the kill of a round comes, after the attack began.
const KILL_AFTER_MS: [i64; 5] = [1, 3, 7, 15, 40];

/// An attack with its module loaded, and its figures by round.
struct Case {
    attack: Attack,
    guest: Option<Module>,
    figures: Figures,
}

#[derive(Default)]
struct Figures {
    held_ms: Vec<f64>,
    gap_ms: Vec<f64>,
    calm_gap_ms: Vec<f64>,
    p99_ns: Vec<f64>,
    calm_p99_ns: Vec<f64>,
    kill_ms: Vec<f64>,
    calm_kill_ms: Vec<f64>,
}

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let host = Runtime::new(RuntimeConfig::default())?;
    // As a deck that trades does.
    host.make_spares();
    host.on_own_threads(|| yield_to_trading(&[]));
    let limits = ResourceLimits::default();
    let counter = host.load(&guests::counter()?, "counter", &limits)?;
    let rounds = match effort.full {
        true => effort.rounds.max(LEAST_ROUNDS),
        false => 1,
    };
    let load = |attack: Attack| -> Result<Case> {
        let guest = match &attack.means {
            Means::Guest(module) => Some(host.load_bytes(module, "attacker", "attacker", &limits)?),
            Means::Files(_) => None,
        };
        Ok(Case {
            attack,
            guest,
            figures: Figures::default(),
        })
    };
    let mut rows = Vec::new();
    for (stepping, name) in [(Stepping::Free, "free"), (Stepping::Lockstep, "lockstep")] {
        let cast = Cast {
            counter: &counter,
            stepping,
        };
        for attacks in [attackers::guests(play::ATTACK_FROM), attackers::files()] {
            let mut cases: Vec<Case> = attacks.into_iter().map(load).collect::<Result<_>>()?;
            let mut spread = Vec::new();
            for round in 0..rounds {
                spread.push(play_round(&cast, &mut cases, round)?);
                eprintln!("isolation/{name}: round {} of {rounds}", round + 1);
            }
            print_spread(name, &cases, &spread);
            rows.extend(cases.iter().flat_map(|case| rows_of(name, case)));
        }
    }
    Ok(rows)
}

/// Plays every attack once, between two runs without an attacker; returns how much those two differ.
fn play_round(cast: &Cast<'_>, cases: &mut [Case], round: usize) -> Result<f64> {
    let watches = cases.iter().any(|case| case.guest.is_none());
    let calm_of = |killed| {
        in_setting(None, watches, |files| {
            play(
                cast,
                Play {
                    killed,
                    ..Play::calm(files)
                },
            )
        })
    };
    let after_ms = KILL_AFTER_MS[round % KILL_AFTER_MS.len()];
    let killed = Some(after_ms * 1_000_000);
    let calm = calm_of(None)?;
    let calm_killed = calm_of(killed)?;
    for case in &mut *cases {
        let attacked = case.play(cast, None)?;
        let killed = case.play(cast, killed)?;
        case.figures.add(&attacked, &calm, case.attack.ends)?;
        case.figures.kill_ms.push(killed.kill_ms()?);
        case.figures.calm_kill_ms.push(calm_killed.kill_ms()?);
    }
    let twin = calm_of(None)?;
    let settled = |run: &Run| run.p99_ns(run.attack_ns() + play::SETTLES_NS);
    Ok(settled(&twin) / settled(&calm))
}

fn in_setting<R>(
    means: Option<&Means>,
    watches: bool,
    act: impl FnOnce(&Files) -> Result<R>,
) -> Result<R> {
    match watches {
        true => folder::watched(means, act),
        false => folder::unwatched(act),
    }
}

impl Case {
    fn play(&self, cast: &Cast<'_>, killed: Option<i64>) -> Result<Run> {
        let watches = self.guest.is_none();
        in_setting(Some(&self.attack.means), watches, |files| {
            play(
                cast,
                Play {
                    attacker: self.guest.as_ref(),
                    killed,
                    ..Play::calm(files)
                },
            )
        })
    }
}

impl Figures {
    fn add(&mut self, attacked: &Run, calm: &Run, ends: bool) -> Result<()> {
        let from = attacked.attack_ns();
        let held = match (attacked.held(), ends) {
            (Some(held), _) => held - from,
            (None, true) => bail!("the attacker was not held"),
            (None, false) => 0,
        };
        // What is bounded from the beginning has all the time that an attack may take until it is held.
        let until = match held {
            0 => (HELD_MS * 1e6) as i64,
            held => held,
        };
        let gap = |run: &Run| run.longest_gap_ms(run.attack_ns(), run.attack_ns() + until);
        let p99 = |run: &Run| run.p99_ns(run.attack_ns() + until + play::SETTLES_NS);
        self.held_ms.push(held as f64 / 1e6);
        self.gap_ms.push(gap(attacked));
        self.calm_gap_ms.push(gap(calm));
        self.p99_ns.push(p99(attacked));
        self.calm_p99_ns.push(p99(calm));
        Ok(())
    }
}

fn print_spread(stepping: &str, cases: &[Case], spread: &[f64]) {
    let (least, most) = spread.iter().fold((f64::MAX, 0f64), |(least, most), one| {
        (least.min(*one), most.max(*one))
    });
    let names: Vec<&str> = cases.iter().map(|case| case.attack.name).collect();
    eprintln!(
        "isolation/{stepping} ({}): p99 without an attacker against the same: {:.2} ({least:.2} to {most:.2})",
        names.join(", "),
        median(spread)
    );
}

fn rows_of(stepping: &str, case: &Case) -> Vec<Row> {
    let row = |label: &str, unit, goal, values: &[f64], baselines: &[f64]| {
        let claim = Claim {
            bench: "isolation",
            unit,
            against: "the same without the attacker",
            goal: Some(goal),
            more_is_better: false,
        };
        Row {
            bench: format!("isolation/{stepping}/{}/{label}", case.attack.name),
            ..claim.row(values, baselines)
        }
    };
    let Figures {
        held_ms,
        gap_ms,
        calm_gap_ms,
        p99_ns,
        calm_p99_ns,
        kill_ms,
        calm_kill_ms,
    } = &case.figures;
    vec![
        row("held", "ms", Goal::Value(HELD_MS), held_ms, held_ms),
        row("gap", "ms", Goal::Value(GAP_MS), gap_ms, calm_gap_ms),
        row("p99", "ns", Goal::Ratio(P99), p99_ns, calm_p99_ns),
        row("kill", "ms", Goal::Value(KILL_MS), kill_ms, calm_kill_ms),
    ]
}

//! `tickdeck replay --strategy NAME=new.wasm`: plays a recorded run with another module for a strategy.

use crate::display::console::on_interrupt;
use crate::output::{print, print_json};
use anyhow::{Result, bail};
use serde::Serialize;
use std::path::Path;
use std::process::ExitCode;
use tickdeck_deck::affinity::run_for_strategies;
use tickdeck_deck::compiling::Compiling;
use tickdeck_deck::replay::{PreparedReplay, ReplayScope, prepare_replay, prepare_what_if};
use tickdeck_engine::CancelToken;
use tickdeck_engine::{Notice, NullObserver, Observer, Report, Status};
use tickdeck_model::format::signed;
use tickdeck_model::untrusted::log_entry;
use tickdeck_model::{StrategyId, Timestamp};
use tickdeck_recording::describe::{applied_action, moment};
use tickdeck_recording::names::{Names, net};
use tickdeck_recording::recorded_actions;
use tickdeck_recording::{Comparison, Counts, DataReels, RecordedRun, compare};

/// The options of a what-if replay.
pub(super) struct WhatIf<'a> {
    pub(super) name: &'a str,
    pub(super) file: &'a Path,
    /// Maximum number of differences to report.
    pub(super) most: usize,
    pub(super) json: bool,
}

/// The JSON output.
#[derive(Debug, Serialize)]
struct Outcome {
    run: u32,
    strategy: String,
    /// Decisions that only one of the two runs made, over all strategies.
    differences: usize,
    /// What went wrong with strategies in the new run: a faulty version earns what it earns until it ends.
    faults: Vec<Fault>,
    strategies: Vec<Row>,
    /// The first differences.
    first: Vec<Line>,
}

#[derive(Debug, Serialize)]
struct Row {
    name: String,
    same: u64,
    only_recorded: u64,
    only_new: u64,
    recorded: Side,
    new: Side,
}

/// A fault of a strategy in the new run.
#[derive(Debug, Serialize)]
struct Fault {
    at: String,
    strategy: String,
    problem: String,
    /// Whether it ended the strategy, which then made no further decision.
    is_end: bool,
}

/// Collects the faults of strategies, the first few of a run that has no end of them.
#[derive(Debug, Default)]
struct Faults(Vec<(Timestamp, StrategyId, String, bool)>);

/// Faults that are kept.
const MOST_FAULTS: usize = 100;

impl Observer for Faults {
    fn notice(&mut self, at: Timestamp, notice: Notice) {
        let (strategy, problem, is_end) = match notice {
            Notice::Recovered {
                strategy, problem, ..
            } => (strategy, problem, false),
            Notice::Ended { strategy, problem } => (strategy, problem, true),
            _ => return,
        };
        // An end is always told.
        if self.0.len() < MOST_FAULTS || is_end {
            self.0.push((at, strategy, problem, is_end));
        }
    }

    fn status(&mut self, _: &Status) {}
}

/// The result of a strategy.
#[derive(Debug, Serialize, Default)]
struct Side {
    /// Realised and unrealised profit less fees, in the account's currency.
    pnl: String,
    position: String,
}

#[derive(Debug, Serialize)]
struct Line {
    at: String,
    strategy: String,
    /// `recorded` or `new`.
    only: &'static str,
    decision: String,
}

/// Plays both runs and prints the differences.
pub(super) fn run(
    reels: &DataReels,
    run: &RecordedRun,
    what_if: &WhatIf<'_>,
    stop: &CancelToken,
) -> Result<ExitCode> {
    let recorded = recorded_actions(run)?;
    let before = as_recorded(reels, run, stop)?;
    let played = prepare_what_if(reels, run, (what_if.name, what_if.file), stop)?;
    on_interrupt(stop.clone(), Some(played.engine.controls()))?;
    let (engine, names) = (played.engine, played.names);
    let (after, faults) = run_for_strategies("replay", move || {
        let mut faults = Faults::default();
        let report = engine.run(&mut faults);
        report.map(|report| (report, faults.0))
    })??;
    if stop.asked() {
        bail!("interrupted before the end, so there is nothing to compare");
    }
    let comparison = compare(&recorded, &played.decided.take());
    let outcome = Outcome {
        run: run.number,
        strategy: what_if.name.to_owned(),
        differences: comparison.differences.len(),
        faults: faults
            .into_iter()
            .map(|(at, strategy, problem, is_end)| Fault {
                at: moment(at),
                strategy: names.strategy(strategy),
                problem: log_entry(&problem),
                is_end,
            })
            .collect(),
        strategies: rows(&comparison, (&before, &after), &names),
        first: lines(&comparison, what_if.most, &names),
    };
    if what_if.json {
        print_json(&outcome)?;
    } else {
        print(&text(&outcome, &names))?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Replays the recorded run for its results, which also verifies that its recording is intact.
fn as_recorded(reels: &DataReels, run: &RecordedRun, stop: &CancelToken) -> Result<Report> {
    let PreparedReplay {
        engine, mut tape, ..
    } = prepare_replay(
        reels,
        run,
        &ReplayScope::default(),
        Compiling::of_host,
        stop,
    )?;
    on_interrupt(stop.clone(), Some(engine.controls()))?;
    let replayed = run_for_strategies("replay", move || {
        engine.replay(&mut tape, &mut NullObserver)
    })??;
    if replayed.divergence.is_some() {
        bail!(
            "run {} does not replay as recorded even with its own modules, so nothing can be compared with it: \
             `tickdeck replay` shows where",
            run.number
        );
    }
    Ok(replayed.report)
}

fn rows(comparison: &Comparison, (before, after): (&Report, &Report), names: &Names) -> Vec<Row> {
    let rows = before.status.strategies.iter().map(|strategy| {
        let counts: Counts = comparison
            .strategies
            .get(&strategy.id)
            .copied()
            .unwrap_or_default();
        Row {
            name: strategy.name.clone(),
            same: counts.same,
            only_recorded: counts.only_recorded,
            only_new: counts.only_new,
            recorded: side(&before.status, &strategy.name, names),
            new: side(&after.status, &strategy.name, names),
        }
    });
    rows.collect()
}

fn side(status: &Status, name: &str, names: &Names) -> Side {
    let Some(strategy) = status.strategies.iter().find(|one| one.name == name) else {
        return Side::default();
    };
    let result = names.result(strategy);
    let open = strategy.positions.iter().filter(|(_, size)| size.0 != 0);
    let open: Vec<String> = open
        .map(|(id, size)| format!("{} {}", names.size(*id, *size), names.symbol(*id)))
        .collect();
    Side {
        pnl: result.map_or_else(|| "0".to_owned(), |result| signed(net(&result))),
        position: match open.is_empty() {
            true => "flat".to_owned(),
            false => open.join(", "),
        },
    }
}

fn lines(comparison: &Comparison, most: usize, names: &Names) -> Vec<Line> {
    let first = comparison.differences.iter().take(most);
    let line = |difference: &tickdeck_recording::Difference| Line {
        at: moment(difference.applied.at),
        strategy: names.strategy(difference.applied.strategy),
        only: match difference.recorded {
            true => "recorded",
            false => "new",
        },
        decision: applied_action(&difference.applied, names),
    };
    first.map(line).collect()
}

/// Lines about faults that are printed.
const MOST_FAULT_LINES: usize = 5;

fn faults_text(faults: &[Fault]) -> String {
    let (ends, others): (Vec<&Fault>, Vec<&Fault>) = faults.iter().partition(|fault| fault.is_end);
    let mut text = String::new();
    for fault in ends.iter().chain(others.iter().take(MOST_FAULT_LINES)) {
        let what = match fault.is_end {
            true => "ended and decided nothing from there",
            false => "faulted and was started again",
        };
        text += &format!(
            "{} {} {what}: {}\n",
            fault.at, fault.strategy, fault.problem
        );
    }
    let more = others.len().saturating_sub(MOST_FAULT_LINES);
    if more > 0 {
        text += &format!("  ... and {more} more faults\n");
    }
    text
}

fn text(outcome: &Outcome, names: &Names) -> String {
    let mut text = faults_text(&outcome.faults);
    if outcome.differences == 0 {
        return text
            + &format!(
                "no difference: with this module {} makes the same decisions, and so do all others\n",
                outcome.strategy
            );
    }
    for line in &outcome.first {
        let sign = match line.only {
            "recorded" => '-',
            _ => '+',
        };
        text += &format!("{sign} {} {}: {}\n", line.at, line.strategy, line.decision);
    }
    let more = outcome.differences - outcome.first.len();
    if more > 0 {
        text += &format!("  ... and {more} more (--differences N shows more)\n");
    }
    text += &format!("\nresults in {}, recorded -> new\n", names.money_code());
    for row in &outcome.strategies {
        text += &format!(
            "  {}: {} decisions the same, {} only recorded, {} only new; pnl {} -> {}; {} -> {}\n",
            row.name,
            row.same,
            row.only_recorded,
            row.only_new,
            row.recorded.pnl,
            row.new.pnl,
            row.recorded.position,
            row.new.position
        );
    }
    text
}

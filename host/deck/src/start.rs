//! Starts a deck: assembles it, or resumes its interrupted run, and starts everything except the engine itself.

use crate::assemble::{AssembledDeck, DeckParts, assemble};
use crate::attempt::Attempt;
use crate::data_monitors::DataMonitors;
use crate::feed::OperatorFeed;
use crate::lifecycle::{StrategyHistory, StrategyManager};
use crate::loading::Skipped;
use crate::operator::Operator;
use crate::replay::resume::{InterruptedRun, interrupted, resume};
use crate::safety::SafetyCommands;
use anyhow::Result;
use std::sync::Mutex;
use std::time::{Duration, Instant};
use tickdeck_engine::Engine;
use tickdeck_model::untrusted::printable;
use tickdeck_recording::names::Names;
use tickdeck_strategy::MemoryAccount;

/// The interval of checks that the reels are within their budget.
const CHECK_BUDGET_EVERY: Duration = Duration::from_secs(60);

/// A deck that runs as soon as its engine does.
pub struct RunningDeck {
    /// The engine; run it with `feed` as its observer.
    pub engine: Engine,
    /// Swaps strategies while the engine runs; drop it after the engine.
    pub lifecycle: StrategyManager,
    /// Answers operators; drop it before `lifecycle`.
    pub operator: Operator,
    /// The feed.
    pub feed: OperatorFeed,
    /// The names behind the numbers.
    pub names: Names,
    /// The history of the strategies.
    pub history: StrategyHistory,
    /// The strategies' memory.
    pub memory: MemoryAccount,
    /// The command and the venues, for display.
    pub title: String,
    /// The seed of the first venue.
    pub seed: u64,
    /// The number of worker threads.
    pub workers: usize,
    /// The core to pin the kernel's thread to, if it runs the strategies too.
    pub core: Option<usize>,
    /// What the venues know of their data.
    pub data: DataMonitors,
    /// Strategies that do not run, with the reasons.
    pub skipped: Skipped,
    /// Strategies that wait for an approval, with what they request.
    pub waiting: Vec<(String, String)>,
}

/// Starts a deck. Resumes its interrupted run, if it has one that is not to be abandoned.
///
/// # Errors
/// The deck can't be assembled, or the interrupted run can't be resumed.
pub fn start(mut parts: DeckParts) -> Result<RunningDeck> {
    if let Some(note) = &parts.scan.note {
        eprintln!("{}", printable(note));
    }
    let reels = parts.journal.as_ref().map(|journal| journal.reels.clone());
    let interrupted = interrupted(&parts)?;
    let resumes = interrupted.as_ref().map(InterruptedRun::number);
    let mut attempt = Attempt::begin(&mut parts, resumes)?;
    let (command, latch, budget) = (parts.command.clone(), parts.latch.clone(), parts.budget());
    let AssembledDeck {
        engine,
        feed,
        names,
        title,
        seed,
        workers,
        core,
        data,
        skipped,
        setup,
    } = match interrupted {
        Some(run) => resume(parts, run, &mut attempt)?,
        None => assemble(parts)?,
    };
    if let (Some(attempt), Some(reels)) = (attempt, reels) {
        let run = reels.runs()?.last().map_or(0, |last| last.number);
        attempt.succeeded(resumes.unwrap_or(run))?;
    }
    let title = format!("{command} on {title}");
    let history = setup.history.clone();
    let memory = setup.loader.runtime.memory().clone();
    let waiting = setup
        .waiting
        .iter()
        .map(|loaded| (loaded.name.clone(), loaded.decision.asks()));
    let waiting = waiting.collect();
    let lifecycle = StrategyManager::start(setup, engine.controls())?;
    if let Some(budget) = budget {
        lifecycle.keep_to_budget(budget, CHECK_BUDGET_EVERY);
    }
    let operator = Operator {
        title: title.clone(),
        history: history.clone(),
        memory: memory.clone(),
        data: data.clone(),
        commands: SafetyCommands {
            controls: engine.controls(),
            feed: feed.clone(),
            names: names.clone(),
            latch,
        },
        manager: lifecycle.handle(),
        since: Instant::now(),
        rate: Mutex::default(),
    };
    Ok(RunningDeck {
        engine,
        lifecycle,
        operator,
        feed,
        names,
        history,
        memory,
        title,
        seed,
        workers,
        core,
        data,
        skipped,
        waiting,
    })
}

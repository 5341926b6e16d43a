//! Repeats the commands of a recorded run, each at its event time.

use std::sync::{Arc, OnceLock};
use tickdeck_engine::port::Clock;
use tickdeck_engine::{EngineHandle, OperatorCommand, StrategyChange};
use tickdeck_model::Timestamp;

/// A command of the recorded run.
pub(super) enum TimedCommand {
    /// An operator's command.
    Operator(OperatorCommand),
    /// A change of a strategy.
    Change(StrategyChange),
    /// The end of the run.
    Stop,
}

/// A clock that gives each command when event time reaches it; the kernel reads it at every window.
pub(super) struct CommandClock {
    pub(super) clock: Box<dyn Clock>,
    /// Set once the engine exists.
    pub(super) engine: Arc<OnceLock<EngineHandle>>,
    pub(super) commands: std::iter::Peekable<std::vec::IntoIter<(Timestamp, TimedCommand)>>,
    pub(super) lookahead_ns: i64,
}

impl Clock for CommandClock {
    fn wait_until(&mut self, due: Timestamp) {
        let Some(engine) = self.engine.get() else {
            return;
        };
        let ahead = self.lookahead_ns;
        let is_due = |(at, command): &(Timestamp, TimedCommand)| {
            // An operator's command is carried out before the window, a change at its end, and a new version is announced one
            // window before it takes over.
            let windows = match command {
                TimedCommand::Change(StrategyChange::Swap(..)) => 2,
                TimedCommand::Change(_) => 1,
                TimedCommand::Operator(_) => return due >= *at,
                TimedCommand::Stop => 0,
            };
            due > at.saturating_sub(ahead.saturating_mul(windows))
        };
        while let Some((_, command)) = self.commands.next_if(is_due) {
            match command {
                TimedCommand::Operator(command) => engine.order(command),
                TimedCommand::Stop => engine.stop(),
                // Nobody waits for the answer; a refusal shows in the decisions.
                TimedCommand::Change(change) => drop(engine.change(change)),
            }
        }
    }

    fn paces(&self) -> bool {
        false
    }

    fn reached(&self) -> Timestamp {
        self.clock.reached()
    }

    fn now_ns(&self) -> u64 {
        self.clock.now_ns()
    }
}

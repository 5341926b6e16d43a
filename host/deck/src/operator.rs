//! Answers operators: the host's side of the control socket.
//!
//! Questions are answered from the [read model](crate::read_model). Commands go to the engine, if they change what
//! strategies may do, or to the strategy manager, if they change which version runs.

use crate::data_monitors::DataMonitors;
use crate::lifecycle::{ManagerHandle, StrategyCommand, StrategyHistory};
use crate::read_model::ReadModel;
use crate::safety::{Fact, SafetyCommands};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tickdeck_control::{Answer, Handler, Request};
use tickdeck_engine::OperatorCommand;
use tickdeck_model::StrategyId;
use tickdeck_strategy::MemoryAccount;

/// Shortest time over which a rate is measured: over less it reflects the moment rather than the market.
const SHORTEST_LOOK: Duration = Duration::from_millis(400);

/// The parts of a running deck that an operator sees and commands.
pub struct Operator {
    /// The run's title.
    pub title: String,
    /// The history of the strategies.
    pub history: StrategyHistory,
    /// The strategies' memory.
    pub memory: MemoryAccount,
    /// What the venues know of their data.
    pub data: DataMonitors,
    /// Commands the engine.
    pub commands: SafetyCommands,
    /// Commands the strategy manager.
    pub manager: ManagerHandle,
    /// When the host started.
    pub since: Instant,
    /// When the rate was last measured, the events counted then, and the rate.
    pub rate: Mutex<Option<(Instant, u64, f64)>>,
}

impl Handler for Operator {
    fn handle(&self, request: Request) -> Answer {
        use OperatorCommand as Engine;
        use StrategyCommand as Manager;
        match request {
            Request::Status => self.status(),
            Request::Strategies => {
                Answer::Strategies(self.read_model().strategies(&self.commands.feed.settled()))
            }
            Request::Show { name } => self.show(&name),
            Request::Pause { name } => self.engine(name, Engine::Pause, "is paused"),
            Request::Reduce { name } => self.engine(name, Engine::Reduce, "is reduce-only"),
            Request::Resume { name } => self.engine(name, Engine::Resume, "has resumed"),
            Request::Reload { name } => self.manager(&name, Manager::Reload),
            Request::Rollback { name } => self.manager(&name, Manager::RollBack),
            Request::Promote { name } => self.manager(&name, Manager::Promote),
            Request::Remove { name } => self.manager(&name, Manager::Remove),
            Request::Approve { name, seen } => self.manager(&name, Manager::Approve(seen)),
            Request::Kill => self.kill_and_wait(),
        }
    }

    fn follow(&self, request: Request, send: &mut dyn FnMut(Answer)) {
        match request {
            Request::Kill => self.commands.kill(&mut |fact| send(answer(fact))),
            request => send(self.handle(request)),
        }
    }
}

impl Operator {
    fn read_model(&self) -> ReadModel {
        ReadModel::new(self.title.clone(), self.commands.names.clone())
            .with_history(self.history.clone(), self.since)
            .with_memory(self.memory.clone())
            .with_data(self.data.clone())
    }

    fn status(&self) -> Answer {
        let status = self.commands.feed.settled();
        let rate = self.events_per_s(status.events);
        Answer::Status(Box::new(self.read_model().host_status(&status, rate)))
    }

    fn show(&self, name: &str) -> Answer {
        let status = self.commands.feed.settled();
        let detail = self.read_model().detail(&status, name, &self.commands.feed);
        detail.map_or_else(
            || self.unknown(name),
            |detail| Answer::Strategy(Box::new(detail)),
        )
    }

    /// Sends a command to the strategy manager and waits for its answer.
    fn manager(&self, name: &str, command: StrategyCommand) -> Answer {
        let answered = self.manager.ask(name, command);
        if answered.is_ok() {
            self.commands.feed.changed();
        }
        answer(answered)
    }

    /// Sends a command about one strategy, or about all, to the engine; `done` completes the sentence about it.
    fn engine(
        &self,
        name: Option<String>,
        command: impl FnOnce(Option<StrategyId>) -> OperatorCommand,
        done: &str,
    ) -> Answer {
        let (id, subject) = match name {
            None => (None, "every strategy".to_owned()),
            Some(name) => match self.id_of(&name) {
                Some(id) => (Some(id), name),
                None => return self.unknown(&name),
            },
        };
        answer(
            self.commands
                .command(command(id), &format!("{subject} {done}")),
        )
    }

    /// Kills, and answers with the first fact that did not come true, if there is one.
    fn kill_and_wait(&self) -> Answer {
        let mut answers = Vec::new();
        self.commands.kill(&mut |fact| answers.push(answer(fact)));
        let refused = |answer: &Answer| matches!(answer, Answer::Refused { .. });
        let at = answers.iter().position(refused).unwrap_or_default();
        answers.swap_remove(at)
    }

    fn id_of(&self, name: &str) -> Option<StrategyId> {
        let status = self.commands.feed.latest();
        let running = status.strategies.iter().find(|one| one.name == name);
        let known = || self.history.record(name).and_then(|record| record.id);
        running.map(|strategy| strategy.id).or_else(known)
    }

    fn unknown(&self, name: &str) -> Answer {
        Answer::refused(self.history.unknown(name))
    }

    /// Measures the events per second since the last measurement, at first since the start of the host. Returns the last
    /// rate again if that was measured just now.
    fn events_per_s(&self, events: u64) -> f64 {
        let uptime = self.since.elapsed();
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, before, last) = match *rate {
            Some(measured) => measured,
            None => (self.since, 0, 0.0),
        };
        let elapsed = since.elapsed();
        if elapsed < SHORTEST_LOOK && rate.is_some() {
            return last;
        }
        let counted = events.saturating_sub(before) as f64;
        let now = counted / elapsed.min(uptime).as_secs_f64().max(f64::MIN_POSITIVE);
        *rate = Some((Instant::now(), events, now));
        now
    }
}

fn answer(fact: Fact) -> Answer {
    match fact {
        Ok(message) => Answer::done(message),
        Err(message) => Answer::refused(message),
    }
}

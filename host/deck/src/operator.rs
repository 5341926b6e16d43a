//! Answers operators: the host's side of the control socket.
//!
//! Questions are answered from the [read model](crate::read_model). Commands go to the engine, if they change what
//! strategies may do, or to the strategy manager, if they change which version runs.

use crate::feed::{OperatorFeed, Topic};
use crate::lifecycle::{ManagerHandle, StrategyCommand, StrategyHistory};
use crate::read_model::ReadModel;
use crate::safety::{Latching, confirm, hold};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tickdeck_control::{Answer, Handler, Request};
use tickdeck_engine::{EngineHandle, OperatorCommand};
use tickdeck_model::StrategyId;
use tickdeck_recording::names::Names;
use tickdeck_strategy::{LogLevel, MemoryAccount};

/// Shortest time over which a rate is measured: over less it reflects the moment rather than the market.
const SHORTEST_LOOK: Duration = Duration::from_millis(400);

/// The parts of a running deck that an operator sees and commands.
pub struct Operator {
    /// The run's title.
    pub title: String,
    /// The engine's status and notices.
    pub feed: OperatorFeed,
    /// Names of instruments, currencies and strategies.
    pub names: Names,
    /// The history of the strategies.
    pub history: StrategyHistory,
    /// The strategies' memory.
    pub memory: MemoryAccount,
    /// Commands the engine.
    pub controls: EngineHandle,
    /// Commands the strategy manager.
    pub manager: ManagerHandle,
    /// The file that makes a kill outlast the host, if wanted.
    pub latch: Option<PathBuf>,
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
                Answer::Strategies(self.read_model().strategies(&self.feed.latest()))
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
            Request::Kill => self.kill(send),
            request => send(self.handle(request)),
        }
    }
}

impl Operator {
    fn read_model(&self) -> ReadModel {
        ReadModel::new(self.title.clone(), self.names.clone())
            .with_history(self.history.clone(), self.since)
            .with_memory(self.memory.clone())
    }

    fn status(&self) -> Answer {
        let status = self.feed.latest();
        let rate = self.events_per_s(status.events);
        Answer::Status(Box::new(self.read_model().host_status(&status, rate)))
    }

    fn show(&self, name: &str) -> Answer {
        let status = self.feed.latest();
        let detail = self.read_model().detail(&status, name, &self.feed);
        detail.map_or_else(
            || self.unknown(name),
            |detail| Answer::Strategy(Box::new(detail)),
        )
    }

    /// Sends a command to the strategy manager and waits for its answer.
    fn manager(&self, name: &str, command: StrategyCommand) -> Answer {
        match self.manager.ask(name, command) {
            Ok(message) => Answer::done(message),
            Err(message) => Answer::refused(message),
        }
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
        if let Err(why) = hold(&self.controls, command(id)) {
            return Answer::refused(format!("nothing holds yet of \"{subject} {done}\": {why}"));
        }
        let killed = match self.feed.latest().killed {
            true => "; the kill switch is on, so new orders are still denied",
            false => "",
        };
        let message = format!("{subject} {done}{killed}");
        self.announce(&message);
        Answer::done(message)
    }

    /// Kills and reports each fact that comes true: that the kill is in force, that it is on disk, that each order is gone.
    fn kill(&self, send: &mut dyn FnMut(Answer)) {
        let latching = self.latch.clone().map(Latching::begin);
        let in_force = hold(&self.controls, OperatorCommand::Kill);
        let message = "killed: canceling every order, denying new ones";
        match &in_force {
            Ok(_) => {
                self.announce(message);
                send(Answer::done(message));
            }
            Err(why) => send(Answer::refused(format!("the kill is asked for, but {why}"))),
        }
        let mut report = |fact| {
            send(match fact {
                Ok(message) => Answer::done(message),
                Err(message) => Answer::refused(message),
            });
        };
        let in_force = in_force.as_ref().ok();
        confirm(&self.feed, &self.names, in_force, latching, &mut report);
    }

    /// Kills, and answers with the first fact that did not come true, if there is one.
    fn kill_and_wait(&self) -> Answer {
        let mut answers = Vec::new();
        self.kill(&mut |answer| answers.push(answer));
        let refused = |answer: &Answer| matches!(answer, Answer::Refused { .. });
        let at = answers.iter().position(refused).unwrap_or_default();
        answers.swap_remove(at)
    }

    /// Shows a command in the log.
    fn announce(&self, message: &str) {
        self.feed
            .say(Topic::Operator, "operator", LogLevel::Warn, message);
    }

    fn id_of(&self, name: &str) -> Option<StrategyId> {
        let status = self.feed.latest();
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

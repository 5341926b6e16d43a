//! What a running host answers to its operators over the socket.

use crate::feed::{OperatorFeed, Topic};
use crate::lifecycle::{ManagerHandle, StrategyCommand, StrategyHistory, StrategyRecord};
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};
use tickdeck_control::protocol::{
    DifferenceLine, FaultLine, GenerationLine, HostStatus, InstrumentLine, ParameterLine,
    PermissionLine, PositionLine, ShadowLine, StrategyDetail, StrategyLine, TimeBucket,
};
use tickdeck_control::{Answer, Handler, Request};
use tickdeck_engine::{
    EngineHandle, InstrumentStatus, OperatorCommand, Status, StrategyState, StrategyStatus,
    TIME_BUCKETS,
};
use tickdeck_model::format::{time_of_day, trimmed};
use tickdeck_model::{Money, StrategyId, Timestamp};
use tickdeck_recording::data_folder::latch_kill;
use tickdeck_recording::describe::actions;
use tickdeck_recording::names::{Names, net};
use tickdeck_strategy::LogLevel;

/// Digits of money: the finest that any currency here has.
const MONEY_SCALE: u8 = 8;

/// Strategies up to which a status tells the times of each: it must fit into a line of the protocol.
const MOST_TIMED: usize = 256;

/// A rate over less says more of the moment than of the market.
const SHORTEST_LOOK: Duration = Duration::from_millis(400);

/// What answers have to be made of.
pub struct Operator {
    /// What runs, for the title.
    pub title: String,
    /// How things stand.
    pub feed: OperatorFeed,
    /// The words behind the numbers.
    pub names: Names,
    /// What is known of strategies besides.
    pub ledger: StrategyHistory,
    /// The engine's.
    pub controls: EngineHandle,
    /// The loader's.
    pub manager: ManagerHandle,
    /// Where a kill is latched, if it lasts.
    pub latch: Option<PathBuf>,
    /// When the host started.
    pub since: Instant,
    /// When the status was last looked at, how many events there were, and their rate.
    pub rate: Mutex<Option<(Instant, u64, f64)>>,
}

impl Handler for Operator {
    fn handle(&self, request: Request) -> Answer {
        match request {
            Request::Status => Answer::Status(Box::new(self.status())),
            Request::Strategies => Answer::Strategies(self.lines()),
            Request::Show { name } => self.show(&name),
            Request::Pause { name } => self.order(name, OperatorCommand::Pause, "paused"),
            Request::Reduce { name } => self.order(name, OperatorCommand::Reduce, "only reducing"),
            Request::Resume { name } => self.order(name, OperatorCommand::Resume, "back to normal"),
            Request::Reload { name } => self.wish(&name, StrategyCommand::Reload),
            Request::Rollback { name } => self.wish(&name, StrategyCommand::RollBack),
            Request::Promote { name } => self.wish(&name, StrategyCommand::Promote),
            Request::Remove { name } => self.wish(&name, StrategyCommand::Remove),
            Request::Approve { name, seen } => self.wish(&name, StrategyCommand::Approve(seen)),
            Request::Kill => self.kill(),
        }
    }
}

impl Operator {
    fn wish(&self, name: &str, wish: StrategyCommand) -> Answer {
        match self.manager.ask(name, wish) {
            Ok(message) => Answer::done(message),
            Err(message) => Answer::refused(message),
        }
    }

    fn order(
        &self,
        name: Option<String>,
        order: impl FnOnce(Option<StrategyId>) -> OperatorCommand,
        done: &str,
    ) -> Answer {
        let (id, subject) = match name {
            None => (None, "every strategy".to_owned()),
            Some(name) => match self.id_of(&name) {
                Some(id) => (Some(id), name),
                None => return self.unknown(&name),
            },
        };
        self.controls.order(order(id));
        let killed = match self.feed.latest().killed {
            true => "; but the deck is killed, and no order passes until that is lifted",
            false => "",
        };
        let words = format!("{subject} is {done}{killed}");
        self.feed
            .say(Topic::Operator, "operator", LogLevel::Warn, &words);
        Answer::done(words)
    }

    fn kill(&self) -> Answer {
        // The order first: a full disk must not keep anyone from stopping.
        self.controls.order(OperatorCommand::Kill);
        let words = "killed: every order is canceled, new ones are denied";
        self.feed
            .say(Topic::Operator, "operator", LogLevel::Warn, words);
        match self.latch.as_deref().map(latch_kill) {
            Some(Err(error)) => Answer::refused(format!(
                "{words}; but the next start will not know of it: {}",
                tickdeck_recording::sentence::sentence(&error)
            )),
            _ => Answer::done(words),
        }
    }

    fn id_of(&self, name: &str) -> Option<StrategyId> {
        let status = self.feed.latest();
        let mut seated = status.strategies.iter();
        let found = seated.find(|strategy| strategy.name == name);
        let known = || self.ledger.record(name).and_then(|record| record.id);
        found.map(|strategy| strategy.id).or_else(known)
    }

    fn unknown(&self, name: &str) -> Answer {
        let records = self.ledger.all();
        let names: Vec<&str> = records.keys().map(String::as_str).collect();
        let names = match names[..] {
            [] => "none".to_owned(),
            _ => names.join(", "),
        };
        Answer::refused(format!("there is no strategy `{name}`; there are {names}"))
    }

    fn status(&self) -> HostStatus {
        let status = self.feed.latest();
        let uptime = self.since.elapsed();
        let events_per_s = self.events_per_s(status.events, uptime);
        HostStatus {
            title: self.title.clone(),
            pid: std::process::id(),
            uptime_s: uptime.as_secs(),
            event_time_ns: status.now,
            events: status.events,
            events_per_s,
            actions: status.actions,
            orders: status.orders,
            working_orders: status.working.len() as u64,
            fills: status.fills,
            denied: status.denied.values().sum(),
            killed: status.killed,
            mode: if status.killed { "killed" } else { "trading" }.to_owned(),
            capital: self.names.capital(&status).map(money),
            profit: money(self.names.profit(&status)),
            currency: self.names.money_code(),
            instruments: status
                .instruments
                .iter()
                .map(|one| self.instrument(one))
                .collect(),
            strategies: self.timed_lines_of(&status),
        }
    }

    /// The strategies with their times, if those of all fit into an answer.
    fn timed_lines_of(&self, status: &Status) -> Vec<StrategyLine> {
        let mut lines = self.lines_of(status);
        if lines.len() <= MOST_TIMED {
            // In the same order, those without a seat behind.
            for (line, one) in lines.iter_mut().zip(&status.strategies) {
                line.event_times = histogram(&one.times);
            }
        }
        lines
    }

    /// Events a second between two looks; since the start at the first, and the same again if that was just now.
    fn events_per_s(&self, events: u64, uptime: Duration) -> f64 {
        let mut rate = self.rate.lock().unwrap_or_else(PoisonError::into_inner);
        let (since, before, last) = match *rate {
            Some(looked) => looked,
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

    fn instrument(&self, status: &InstrumentStatus) -> InstrumentLine {
        let id = status.instrument;
        let price = |price| self.names.price(id, price);
        InstrumentLine {
            symbol: self.names.symbol(id),
            bid: status.bid.map(|(bid, _)| price(bid)),
            ask: status.ask.map(|(ask, _)| price(ask)),
            last: status.last.map(price),
            events: status.events,
            stale: status.stale,
        }
    }

    fn lines(&self) -> Vec<StrategyLine> {
        self.lines_of(&self.feed.latest())
    }

    /// The strategies that have a seat, then those that have none.
    fn lines_of(&self, status: &Status) -> Vec<StrategyLine> {
        let records = self.ledger.all();
        let seated = status.strategies.iter();
        let mut lines: Vec<StrategyLine> = seated
            .map(|one| self.line(one, records.get(&one.name)))
            .collect();
        for (name, record) in &records {
            if lines.iter().all(|line| line.name != *name) {
                lines.push(unseated(name, record));
            }
        }
        lines
    }

    fn line(&self, status: &StrategyStatus, record: Option<&StrategyRecord>) -> StrategyLine {
        let open = status.positions.iter().filter(|(_, size)| size.0 != 0);
        let positions = open.map(|(id, size)| PositionLine {
            symbol: self.names.symbol(*id),
            size: self.names.size(*id, *size),
        });
        let result = self.names.result(status);
        let removed = record.is_some_and(|record| record.unseated == Some("removed"));
        StrategyLine {
            name: status.name.clone(),
            version: status.version.clone(),
            state: match status.state {
                StrategyState::Stopped if removed => "removed".to_owned(),
                state => state.as_str().to_owned(),
            },
            generation: status.generation,
            hash: status.hash.clone(),
            since: record
                .and_then(|record| record.generations.back())
                .map_or_else(String::new, |last| time_of_day(last.at)),
            events: status.events,
            actions: status.actions,
            ns_per_event: status.ns_per_event,
            event_times: Vec::new(),
            positions: positions.collect(),
            profit: result.map(|result| money(net(&result))),
            note: record.and_then(|record| record.note.clone()),
            shadow: status.shadow.as_ref().map(|shadow| ShadowLine {
                version: shadow.version.clone(),
                hash: shadow.hash.clone(),
                agreed: shadow.agreed,
                differed: shadow.differed,
            }),
        }
    }

    fn differences(&self, status: &StrategyStatus) -> Vec<DifferenceLine> {
        let shadow = status.shadow.iter();
        let differences = shadow.flat_map(|shadow| &shadow.differences);
        differences
            .map(|one| DifferenceLine {
                at: time_of_day(one.at),
                event: one.sequence,
                sent: actions(&one.sent, &self.names),
                shadow: actions(&one.shadow, &self.names),
            })
            .collect()
    }

    fn show(&self, name: &str) -> Answer {
        let status = self.feed.latest();
        let seated = status.strategies.iter().find(|one| one.name == name);
        let record = self.ledger.record(name);
        let line = match (seated, &record) {
            (Some(status), record) => self.line(status, record.as_ref()),
            (None, Some(record)) => unseated(name, record),
            (None, None) => return self.unknown(name),
        };
        let record = record.unwrap_or_default();
        let faults = seated.map_or_else(Vec::new, |status| self.feed.faults(status.id));
        let mut faults: Vec<(Timestamp, String)> =
            faults.into_iter().chain(record.faults).collect();
        faults.sort_by_key(|(at, _)| *at);
        Answer::Strategy(Box::new(StrategyDetail {
            line,
            parameters: record
                .parameters
                .into_iter()
                .map(|given| ParameterLine {
                    name: given.name,
                    value: given.value,
                    source: given.source,
                })
                .collect(),
            permissions: record
                .wanted
                .unwrap_or(record.permissions)
                .into_iter()
                .map(|row| PermissionLine {
                    permission: row.name,
                    requested: Some(row.requested),
                    granted: Some(row.granted),
                })
                .collect(),
            generations: record
                .generations
                .into_iter()
                .map(|one| GenerationLine {
                    number: one.number,
                    version: one.version,
                    hash: one.hash,
                    at: time_of_day(one.at),
                    reason: one.reason,
                    handover: one.handover,
                })
                .collect(),
            differences: seated.map_or_else(Vec::new, |status| self.differences(status)),
            event_times: seated.map_or_else(Vec::new, |status| histogram(&status.times)),
            faults: faults
                .into_iter()
                .map(|(at, text)| FaultLine {
                    at: time_of_day(at),
                    text,
                })
                .collect(),
            log: self.feed.tail(name, seated.map(|status| status.id)),
        }))
    }
}

/// A strategy that has no seat.
fn unseated(name: &str, record: &StrategyRecord) -> StrategyLine {
    let (version, hash) = record.asks.clone().unwrap_or_default();
    StrategyLine {
        name: name.to_owned(),
        version,
        state: record.unseated.unwrap_or("waiting").to_owned(),
        generation: 0,
        hash,
        since: String::new(),
        events: 0,
        actions: 0,
        ns_per_event: None,
        event_times: Vec::new(),
        positions: Vec::new(),
        profit: None,
        note: record.note.clone(),
        shadow: None,
    }
}

/// The buckets that hold something.
fn histogram(times: &[u64; TIME_BUCKETS]) -> Vec<TimeBucket> {
    let full = times.iter().enumerate().filter(|(_, count)| **count > 0);
    full.map(|(at, count)| TimeBucket {
        up_to_ns: if at + 1 == TIME_BUCKETS {
            u64::MAX
        } else {
            1 << at
        },
        count: *count,
    })
    .collect()
}

fn money(money: Money) -> String {
    trimmed(&money.at(MONEY_SCALE).to_string()).to_owned()
}

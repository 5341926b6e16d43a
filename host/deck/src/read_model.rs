//! The read model of a running deck: the engine's status together with names and history, as [`HostStatus`].
//!
//! Whoever shows a deck renders this model and nothing else: the terminal view, the text and the JSON of the commands,
//! and the summary of a run. All figures are exact; rounding is up to the renderer.

use crate::data_monitors::DataMonitors;
use crate::feed::OperatorFeed;
use crate::lifecycle::{StrategyHistory, StrategyRecord};
use std::time::Instant;
use tickdeck_control::protocol::{
    DifferenceLine, FaultLine, GenerationLine, HostStatus, InstrumentLine, LagLine, MemoryLine,
    OrderLine, ParameterLine, PermissionLine, PositionLine, ResultLine, ShadowLine, StrategyDetail,
    StrategyLine, TimeBucket,
};
use tickdeck_engine::{
    InstrumentStatus, Status, StrategyResult, StrategyState, StrategyStatus, TIME_BUCKETS,
    WorkingOrder,
};
use tickdeck_model::format::{time_of_day, trimmed};
use tickdeck_model::{Money, OrderState, Price, Timestamp, Untrusted, Working};
use tickdeck_recording::describe::actions;
use tickdeck_recording::names::{Names, net};
use tickdeck_strategy::MemoryAccount;

/// Number of strategies up to which a status includes the times of each: it must fit into a line of the protocol.
const MOST_TIMED: usize = 256;

/// Maximum number of working orders in a status, for the same reason; the newest ones.
const MOST_ORDERS: usize = 100;

/// Bytes shown of a parameter's value.
const VALUE_SHOWN: usize = 256;

/// Builds the read model.
#[derive(Debug, Clone)]
pub struct ReadModel {
    title: String,
    names: Names,
    history: StrategyHistory,
    memory: Option<MemoryAccount>,
    data: DataMonitors,
    since: Instant,
}

impl ReadModel {
    /// Creates the builder for a run with this title. Without a history, the model has only the strategies that run.
    pub fn new(title: impl Into<String>, names: Names) -> Self {
        Self {
            title: title.into(),
            names,
            history: StrategyHistory::default(),
            memory: None,
            data: DataMonitors::default(),
            since: Instant::now(),
        }
    }

    /// Adds the history of the strategies, and with it those that do not run, and the time when the host started.
    #[must_use]
    pub fn with_history(self, history: StrategyHistory, since: Instant) -> Self {
        Self {
            history,
            since,
            ..self
        }
    }

    /// Adds the account of the strategies' memory.
    #[must_use]
    pub fn with_memory(self, memory: MemoryAccount) -> Self {
        Self {
            memory: Some(memory),
            ..self
        }
    }

    /// Adds what the venues know of their data.
    #[must_use]
    pub fn with_data(self, data: DataMonitors) -> Self {
        Self { data, ..self }
    }

    /// Converts the engine's status; `events_per_s` is the current rate.
    pub fn host_status(&self, status: &Status, events_per_s: f64) -> HostStatus {
        let newest = status.working.iter().rev().take(MOST_ORDERS);
        let balances = status.capital.iter();
        HostStatus {
            title: self.title.clone(),
            pid: std::process::id(),
            uptime_s: self.since.elapsed().as_secs(),
            event_time_ns: status.now,
            events: status.events,
            events_per_s,
            actions: status.actions,
            orders: status.orders,
            working_orders: status.working.len() as u64,
            fills: status.fills,
            denied: status.denied.values().sum(),
            denied_by_reason: status
                .denied
                .iter()
                .map(|(reason, count)| (reason.code(), *count))
                .collect(),
            memory: self.memory(status),
            killed: status.killed,
            mode: mode(status).to_owned(),
            capital: self.names.capital(status).map(money),
            profit: money(self.names.profit(status)),
            currency: self.names.money_code(),
            balances: balances
                .map(|(id, balance)| (self.names.currency(*id), money(*balance)))
                .collect(),
            data: self.data.lines(),
            instruments: status
                .instruments
                .iter()
                .map(|one| self.instrument(one))
                .collect(),
            strategies: self.timed_strategies(status),
            working: newest.map(|order| self.order(order)).collect(),
        }
    }

    fn memory(&self, status: &Status) -> Option<MemoryLine> {
        let account = self.memory.as_ref()?;
        let held: u64 = status.strategies.iter().map(|one| one.held_bytes).sum();
        Some(MemoryLine {
            bytes: account.bytes().saturating_add(held),
            most_bytes: account.bound(),
            reserved_addresses: account.addresses(),
        })
    }

    /// Returns the strategies that run, then those that do not.
    pub fn strategies(&self, status: &Status) -> Vec<StrategyLine> {
        let records = self.history.all();
        let running = status.strategies.iter();
        let mut lines: Vec<StrategyLine> = running
            .map(|one| self.strategy(one, records.get(&one.name)))
            .collect();
        for (name, record) in &records {
            if lines.iter().all(|line| line.name != *name) {
                lines.push(not_running(name, record));
            }
        }
        lines
    }

    /// Returns everything about one strategy; `None` if there is none with this name.
    pub fn detail(
        &self,
        status: &Status,
        name: &str,
        feed: &OperatorFeed,
    ) -> Option<StrategyDetail> {
        let running = status.strategies.iter().find(|one| one.name == name);
        let record = self.history.record(name);
        let line = match (running, &record) {
            (Some(status), record) => self.strategy(status, record.as_ref()),
            (None, Some(record)) => not_running(name, record),
            (None, None) => return None,
        };
        let detail = StrategyDetail {
            line,
            differences: running.map_or_else(Vec::new, |status| self.differences(status)),
            event_times: running.map_or_else(Vec::new, |status| histogram(&status.times)),
            log: feed.tail(name, running.map(|status| status.id)),
            ..StrategyDetail::default()
        };
        let faults = running.map_or_else(Vec::new, |status| feed.faults(status.id));
        Some(with_record(detail, record.unwrap_or_default(), faults))
    }

    /// Returns the strategies with their times, if all times fit into an answer.
    fn timed_strategies(&self, status: &Status) -> Vec<StrategyLine> {
        let mut lines = self.strategies(status);
        if lines.len() <= MOST_TIMED {
            // In the same order; those that do not run come last and have no times.
            for (line, one) in lines.iter_mut().zip(&status.strategies) {
                line.event_times = histogram(&one.times);
            }
        }
        lines
    }

    fn instrument(&self, status: &InstrumentStatus) -> InstrumentLine {
        let id = status.instrument;
        let price = |price| self.names.price(id, price);
        let size = |size| self.names.size(id, size);
        InstrumentLine {
            symbol: self.names.symbol(id),
            bid: status.bid.map(|(bid, _)| price(bid)),
            bid_size: status.bid.map(|(_, bid)| size(bid)),
            ask: status.ask.map(|(ask, _)| price(ask)),
            ask_size: status.ask.map(|(_, ask)| size(ask)),
            last: status.last.map(price),
            events: status.events,
            stale: status.stale,
        }
    }

    fn strategy(&self, status: &StrategyStatus, record: Option<&StrategyRecord>) -> StrategyLine {
        let open = status.positions.iter().filter(|(_, size)| size.0 != 0);
        let positions = open.map(|(id, size)| PositionLine {
            symbol: self.names.symbol(*id),
            size: self.names.size(*id, *size),
        });
        let result = self.names.result(status);
        let removed = record.is_some_and(|record| record.inactive == Some("removed"));
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
            lag: Some(LagLine {
                events: status.lag_events,
                ns: status.lag_ns,
                held_up_ns: status.held_up_ns,
            }),
            memory_bytes: self.memory.as_ref().map(|account| {
                let instances = account.bytes_of(&status.name);
                instances.saturating_add(status.held_bytes)
            }),
            event_times: Vec::new(),
            positions: positions.collect(),
            profit: result.map(|result| money(net(&result))),
            results: status.results.iter().map(|one| self.result(one)).collect(),
            note: record.and_then(|record| record.note.clone()),
            shadow: status.shadow.as_ref().map(|shadow| ShadowLine {
                version: shadow.version.clone(),
                hash: shadow.hash.clone(),
                agreed: shadow.agreed,
                differed: shadow.differed,
            }),
        }
    }

    fn result(&self, result: &StrategyResult) -> ResultLine {
        ResultLine {
            currency: self.names.currency(result.currency),
            realised: money(result.realised),
            unrealised: money(result.unrealised),
            fees: money(result.fees),
        }
    }

    fn order(&self, order: &WorkingOrder) -> OrderLine {
        let id = order.instrument;
        let price = |price: Price| (price.0 != 0).then(|| self.names.price(id, price));
        OrderLine {
            strategy: self.names.strategy(order.id.strategy),
            id: order.id.to_string(),
            symbol: self.names.symbol(id),
            side: order.side.as_str().to_owned(),
            price: price(order.price),
            stop_price: price(order.stop_price),
            size: self.names.size(id, order.size),
            filled: self.names.size(id, order.filled),
            state: match order.is_held {
                true => "held".to_owned(),
                false => order_state(order.state).to_owned(),
            },
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
}

/// Adds what the history has on a strategy; `faults` are those that the feed has.
fn with_record(
    detail: StrategyDetail,
    record: StrategyRecord,
    faults: Vec<(Timestamp, String)>,
) -> StrategyDetail {
    let mut faults: Vec<(Timestamp, String)> = faults.into_iter().chain(record.faults).collect();
    faults.sort_by_key(|(at, _)| *at);
    let parameters = record.parameters.into_iter().map(|given| ParameterLine {
        name: given.name,
        value: Untrusted::up_to(VALUE_SHOWN, &given.value).to_string(),
        source: given.source,
    });
    let permissions = record.wanted.unwrap_or(record.permissions);
    let permissions = permissions.into_iter().map(|row| PermissionLine {
        permission: row.name,
        requested: Some(row.requested),
        granted: Some(row.granted),
    });
    let generations = record.generations.into_iter().map(|one| GenerationLine {
        number: one.number,
        version: one.version,
        hash: one.hash,
        at: time_of_day(one.at),
        reason: one.reason,
        handover: one.handover,
    });
    let faults = faults.into_iter().map(|(at, text)| FaultLine {
        at: time_of_day(at),
        text,
    });
    StrategyDetail {
        parameters: parameters.collect(),
        permissions: permissions.collect(),
        generations: generations.collect(),
        faults: faults.collect(),
        ..detail
    }
}

/// A strategy that does not run.
fn not_running(name: &str, record: &StrategyRecord) -> StrategyLine {
    let (version, hash) = record.waiting_version.clone().unwrap_or_default();
    StrategyLine {
        name: name.to_owned(),
        version,
        state: record.inactive.unwrap_or("waiting").to_owned(),
        hash,
        note: record.note.clone(),
        ..StrategyLine::default()
    }
}

/// The state of the deck as a whole: that of its strategies, if they all share one.
fn mode(status: &Status) -> &'static str {
    let all = |state| {
        let mut strategies = status.strategies.iter();
        !status.strategies.is_empty() && strategies.all(|strategy| strategy.state == state)
    };
    if status.killed {
        "killed"
    } else if all(StrategyState::Paused) {
        "paused"
    } else if all(StrategyState::Reducing) {
        "reducing"
    } else if all(StrategyState::Stopped) {
        "stopped"
    } else {
        "trading"
    }
}

const fn order_state(state: OrderState) -> &'static str {
    match state {
        OrderState::Initialised => "new",
        OrderState::Working(Working::Held) => "held",
        OrderState::Working(Working::Submitted) => "submitted",
        OrderState::Working(Working::Accepted) => "working",
        OrderState::Working(Working::Triggered) => "triggered",
        OrderState::Working(Working::PartiallyFilled) => "part filled",
        OrderState::PendingModify(_) => "modifying",
        OrderState::PendingCancel(_) => "canceling",
        OrderState::Unknown => "unknown",
        OrderState::Denied => "denied",
        OrderState::Rejected => "rejected",
        OrderState::Canceled => "canceled",
        OrderState::Expired => "expired",
        OrderState::Filled => "filled",
    }
}

/// The buckets that are not empty.
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

/// An amount with all of its digits.
fn money(money: Money) -> String {
    trimmed(&money.at(Money::SCALE).to_string()).to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::lifecycle::StrategyRecord;
    use std::sync::Arc;
    use tickdeck_model::{Registry, StrategyId};

    fn running(name: &str, state: StrategyState) -> StrategyStatus {
        StrategyStatus {
            id: StrategyId(1),
            name: name.to_owned(),
            version: "1.0.0".to_owned(),
            hash: String::new(),
            generation: 1,
            pause_ns: None,
            traps: 0,
            held_bytes: 0,
            times: Default::default(),
            shadow: None,
            state,
            events: 0,
            actions: 0,
            ns_per_event: None,
            lag_events: 0,
            lag_ns: 0,
            held_up_ns: 0,
            debt_ns: 0,
            results: Vec::new(),
            positions: Vec::new(),
        }
    }

    fn read_model() -> ReadModel {
        ReadModel::new("a run", Names::new(Arc::new(Registry::new()), None))
    }

    #[test]
    fn the_mode_is_the_state_that_all_strategies_share_and_a_kill_comes_first() {
        let mode_of = |states: &[StrategyState], killed| {
            mode(&Status {
                strategies: states.iter().map(|state| running("x", *state)).collect(),
                killed,
                ..Status::default()
            })
        };
        use StrategyState::{Paused, Running, Stopped};
        assert_eq!(mode_of(&[], false), "trading");
        assert_eq!(mode_of(&[Paused, Running], false), "trading");
        assert_eq!(mode_of(&[Paused, Paused], false), "paused");
        assert_eq!(mode_of(&[Stopped], false), "stopped");
        assert_eq!(mode_of(&[Paused], true), "killed");
    }

    #[test]
    fn strategies_that_do_not_run_follow_those_that_do() {
        let history = StrategyHistory::default();
        history.change("ema", |_| {});
        history.change("asks", |record: &mut StrategyRecord| {
            record.inactive = Some("waiting for approval");
        });
        let status = Status {
            strategies: vec![running("ema", StrategyState::Running)],
            ..Status::default()
        };
        let model = read_model().with_history(history, Instant::now());
        let lines = model.host_status(&status, 0.0).strategies;
        let states: Vec<(&str, &str)> = lines
            .iter()
            .map(|line| (line.name.as_str(), line.state.as_str()))
            .collect();
        assert_eq!(
            states,
            [("ema", "running"), ("asks", "waiting for approval")]
        );
        assert_eq!(
            read_model().strategies(&status).len(),
            1,
            "without a history"
        );
    }

    #[test]
    fn money_keeps_all_of_its_digits() {
        assert_eq!(
            money(Money(12_345_678_901_234_567_891_234)),
            "12345.678901234567891234"
        );
        assert_eq!(money(Money(-500_000_000_000_000_000)), "-0.5");
        assert_eq!(money(Money::ZERO), "0");
    }
}

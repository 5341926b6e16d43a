//! What goes over the socket: newline-delimited JSON, one request and its answer a connection.
//!
//! `{"protocol":1,"request":{"command":"pause","name":"ema-cross"}}` is answered with
//! `{"protocol":1,"answer":{"done":{"message":"ema-cross is paused"}}}`. Prices, sizes and money are text with their
//! exact decimal digits. Fields may be added to answers within a version; `protocol/protocol.golden.jsonl` holds every line.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The version of the protocol that this build speaks.
pub const PROTOCOL: u32 = 1;
/// Most bytes in a line, either way.
pub const MAX_LINE: usize = 1 << 20;
/// Most connections at a time.
pub const MAX_CONNECTIONS: usize = 16;
/// How long a client has to send its request, and to take the answer.
pub const REQUEST_WITHIN: Duration = Duration::from_secs(5);
/// How long a client waits for an answer: compiling a large strategy takes its time.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// What an operator asks.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// How does the host stand? Answered with [`Answer::Status`].
    Status,
    /// Which strategies are there? Answered with [`Answer::Strategies`].
    Strategies,
    /// Everything about one strategy. Answered with [`Answer::Strategy`].
    Show {
        /// Which.
        name: String,
    },
    /// No new orders.
    Pause {
        /// Of which strategy; of all if there is none.
        name: Option<String>,
    },
    /// Only orders that reduce a position.
    Reduce {
        /// Of which strategy; of all if there is none.
        name: Option<String>,
    },
    /// Back to normal. A kill stays.
    Resume {
        /// Which strategy; all if there is none.
        name: Option<String>,
    },
    /// Read the strategy's module anew and put it in the running one's place.
    Reload {
        /// Which.
        name: String,
    },
    /// Put the generation before in the running one's place.
    Rollback {
        /// Which.
        name: String,
    },
    /// Put the one in the shadow in the running one's place.
    Promote {
        /// Which.
        name: String,
    },
    /// Stop a strategy and take it off its seat.
    Remove {
        /// Which.
        name: String,
    },
    /// Grant a strategy the permissions it asks for.
    Approve {
        /// Which.
        name: String,
        /// What the operator was shown, the strategy's `note`: by now it may ask for something else, which is refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<String>,
    },
    /// Cancel every order and deny new ones until the kill is lifted.
    Kill,
}

/// What the host answers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// An action was taken.
    Done {
        /// What was done, in one sentence.
        message: String,
    },
    /// How the host stands.
    Status(Box<HostStatus>),
    /// The strategies, in the order they were seated.
    Strategies(Vec<StrategyLine>),
    /// Everything about one strategy.
    Strategy(Box<StrategyDetail>),
    /// Nothing was done.
    Refused {
        /// Why not, in one sentence.
        message: String,
    },
}

impl Answer {
    /// A refusal.
    pub fn refused(message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Refused { message }
    }

    /// The answer to an action that was taken.
    pub fn done(message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Done { message }
    }
}

/// How a host stands.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HostStatus {
    /// What runs.
    pub title: String,
    /// The host's process.
    pub pid: u32,
    /// Seconds since it started.
    pub uptime_s: u64,
    /// Event time in nanoseconds since 1970, UTC.
    pub event_time_ns: i64,
    /// Events on the ring so far.
    pub events: u64,
    /// Events a second, lately.
    pub events_per_s: f64,
    /// Actions so far.
    pub actions: u64,
    /// Orders so far, denied ones included.
    pub orders: u64,
    /// Orders at work.
    pub working_orders: u64,
    /// Fills so far.
    pub fills: u64,
    /// Denied orders and changes so far.
    pub denied: u64,
    /// Whether the kill switch is on.
    pub killed: bool,
    /// What the host does, in a word: `trading`, `paused`, `killed`.
    pub mode: String,
    /// The account's balance in `currency`, if it has one in it.
    pub capital: Option<String>,
    /// What all strategies made, in `currency`.
    pub profit: String,
    /// The code of the currency that `capital` and every profit are in.
    pub currency: String,
    /// By instrument that had a quote.
    pub instruments: Vec<InstrumentLine>,
    /// By strategy, in the order they were seated.
    pub strategies: Vec<StrategyLine>,
}

/// An instrument's last prices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstrumentLine {
    /// Its symbol.
    pub symbol: String,
    /// Best bid, if there is one.
    pub bid: Option<String>,
    /// Best ask, if there is one.
    pub ask: Option<String>,
    /// The last public trade, if there was one.
    pub last: Option<String>,
    /// Quotes, trades and book updates so far.
    pub events: u64,
    /// Whether its data is known to be old or wrong.
    pub stale: bool,
}

/// A strategy in one line.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StrategyLine {
    /// Its name.
    pub name: String,
    /// Its version.
    pub version: String,
    /// How it is: `running`, `paused`, `reducing`, `quarantined`, `stopped`, `waiting for approval`.
    pub state: String,
    /// How often its module was put in place, from 1.
    pub generation: u32,
    /// The hash of its module, in hexadecimal digits.
    pub hash: String,
    /// When this generation was put in place.
    pub since: String,
    /// Events it handled.
    pub events: u64,
    /// Actions it returned.
    pub actions: u64,
    /// Wall time per event it handled, in nanoseconds; none before the first sample.
    pub ns_per_event: Option<f64>,
    /// How long it took for an event: a count by upper bound, in ascending order. Only in a status, and only where there
    /// are few enough strategies for it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub event_times: Vec<TimeBucket>,
    /// Its open positions.
    pub positions: Vec<PositionLine>,
    /// What it made, if that is known.
    pub profit: Option<String>,
    /// What an operator should know or do.
    pub note: Option<String>,
    /// Its successor that runs along without trading.
    pub shadow: Option<ShadowLine>,
}

/// An open position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionLine {
    /// Of what.
    pub symbol: String,
    /// How much; negative if short.
    pub size: String,
}

/// A strategy in the shadow of the running one: it sees the same events and its actions are only compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowLine {
    /// Its version.
    pub version: String,
    /// The hash of its module, in hexadecimal digits.
    pub hash: String,
    /// Decisions that were the same.
    pub agreed: u64,
    /// Decisions of one or the other that were not.
    pub differed: u64,
}

/// Everything about a strategy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StrategyDetail {
    /// What the list tells of it.
    pub line: StrategyLine,
    /// What it was started with.
    pub parameters: Vec<ParameterLine>,
    /// What it asks for and what it got.
    pub permissions: Vec<PermissionLine>,
    /// The modules it had, oldest first.
    pub generations: Vec<GenerationLine>,
    /// How long it took for an event: a count by upper bound, in ascending order.
    pub event_times: Vec<TimeBucket>,
    /// The last decisions of the version in the shadow that were not those sent, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<DifferenceLine>,
    /// Its faults, oldest first.
    pub faults: Vec<FaultLine>,
    /// Its last messages and lines of log, oldest first.
    pub log: Vec<String>,
}

/// A parameter of a strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterLine {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// Where the value comes from: `default`, `tickdeck.toml`.
    pub source: String,
}

/// A permission of a strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionLine {
    /// Which.
    pub permission: String,
    /// What it asks for, if it does.
    pub requested: Option<String>,
    /// What it got, if it did.
    pub granted: Option<String>,
}

/// A module that a strategy had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationLine {
    /// Its number, from 1.
    pub number: u32,
    /// Its version.
    pub version: String,
    /// The hash of its module, in hexadecimal digits.
    pub hash: String,
    /// When it was put in place.
    pub at: String,
    /// Why: `started`, `replaced`, `promoted`, `rolled back: trapped at event 123: ...`.
    pub reason: String,
    /// How the state went over from the one before: bytes, pause, time to compile.
    pub handover: String,
}

/// The events that took no longer than `up_to_ns`, and longer than the bucket before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeBucket {
    /// The bound, in nanoseconds.
    pub up_to_ns: u64,
    /// How many.
    pub count: u64,
}

/// What was sent because of an event, and what the version in the shadow would have sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferenceLine {
    /// When.
    pub at: String,
    /// The event's sequence.
    pub event: u64,
    /// What was sent.
    pub sent: String,
    /// What would have been.
    pub shadow: String,
}

/// A fault of a strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultLine {
    /// When.
    pub at: String,
    /// What happened.
    pub text: String,
}

/// A line of JSON with the version of the protocol it is written in.
#[derive(Debug, Serialize)]
struct Sent<'a> {
    protocol: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a Request>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'a Answer>,
}

/// A line whose version has not been looked at.
#[derive(Debug, Deserialize)]
struct Received {
    protocol: u32,
    #[serde(default)]
    request: serde_json::Value,
    #[serde(default)]
    answer: serde_json::Value,
}

/// Why a line is not one of ours.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Misread {
    /// It is of another version.
    Version(u32),
    /// It is no request, or no answer.
    Malformed(String),
}

impl Misread {
    fn malformed(error: &serde_json::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// A request as a line, its end included.
pub(crate) fn request_line(request: &Request) -> Result<Vec<u8>, serde_json::Error> {
    line(&Sent {
        protocol: PROTOCOL,
        request: Some(request),
        answer: None,
    })
}

/// An answer as a line, its end included.
pub(crate) fn answer_line(answer: &Answer) -> Result<Vec<u8>, serde_json::Error> {
    line(&Sent {
        protocol: PROTOCOL,
        request: None,
        answer: Some(answer),
    })
}

/// The request in a line.
pub(crate) fn read_request(line: &[u8]) -> Result<Request, Misread> {
    let request = received(line)?.request;
    serde_json::from_value(request).map_err(|error| Misread::malformed(&error))
}

/// The answer in a line.
pub(crate) fn read_answer(line: &[u8]) -> Result<Answer, Misread> {
    let answer = received(line)?.answer;
    serde_json::from_value(answer).map_err(|error| Misread::malformed(&error))
}

fn line(sent: &Sent<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let mut line = serde_json::to_vec(sent)?;
    line.push(b'\n');
    Ok(line)
}

fn received(line: &[u8]) -> Result<Received, Misread> {
    let received: Received =
        serde_json::from_slice(line).map_err(|error| Misread::malformed(&error))?;
    if received.protocol == PROTOCOL {
        Ok(received)
    } else {
        Err(Misread::Version(received.protocol))
    }
}

#[cfg(test)]
mod tests;

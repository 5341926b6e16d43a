//! The messages on the socket: newline-delimited JSON, one request and its answer per connection. Facts follow the answer
//! to a kill, each a line of its own: `done` if it came true, `refused` if it did not, and `complete` after the last one.
//!
//! `{"protocol":1,"request":{"command":"pause","name":"ema-cross"}}` is answered with
//! `{"protocol":1,"answer":{"done":{"message":"ema-cross is paused"}}}`. Prices, sizes and money are text with their
//! exact decimal digits. Fields may be added to answers within a version; `protocol/protocol.golden.jsonl` holds every
//! message.
//!
//! [`HostStatus`] and [`StrategyDetail`] are the read model of a host: every display of a deck renders them, on the host's
//! own terminal as well as at the other end of a socket.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// The version of the protocol that this build speaks.
pub const PROTOCOL: u32 = 1;
/// Maximum number of bytes in a line, in either direction.
pub const MAX_LINE: usize = 1 << 20;
/// Maximum number of concurrent connections.
pub const MAX_CONNECTIONS: usize = 16;
/// How long a client has to send its request, and to receive the answer.
pub const REQUEST_WITHIN: Duration = Duration::from_secs(5);
/// How long a client waits for an answer: compiling a large strategy takes its time.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(60);

/// A request of an operator.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case", deny_unknown_fields)]
pub enum Request {
    /// Asks for the status of the host. Answered with [`Answer::Status`].
    Status,
    /// Lists the strategies. Answered with [`Answer::Strategies`].
    Strategies,
    /// Asks for everything about one strategy. Answered with [`Answer::Strategy`].
    Show {
        /// The strategy.
        name: String,
    },
    /// Denies new orders.
    Pause {
        /// The strategy; all of them if there is no name.
        name: Option<String>,
    },
    /// Denies orders that do not reduce a position.
    Reduce {
        /// The strategy; all of them if there is no name.
        name: Option<String>,
    },
    /// Ends a pause or a reduce-only mode. Does not lift a kill.
    Resume {
        /// The strategy; all of them if there is no name.
        name: Option<String>,
    },
    /// Reloads the strategy's module and swaps it in.
    Reload {
        /// The strategy.
        name: String,
    },
    /// Swaps the previous generation back in.
    Rollback {
        /// The strategy.
        name: String,
    },
    /// Swaps the shadow version in.
    Promote {
        /// The strategy.
        name: String,
    },
    /// Stops a strategy and removes it from the deck.
    Remove {
        /// The strategy.
        name: String,
    },
    /// Grants a strategy the permissions that it requests.
    Approve {
        /// The strategy.
        name: String,
        /// The strategy's `note` as the operator saw it. If the strategy's request has changed since, the approval is refused.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seen: Option<String>,
    },
    /// Cancels every order and denies new ones until the kill is lifted.
    Kill,
}

/// The host's answer to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// The command was carried out.
    Done {
        /// The result, in one sentence.
        message: String,
    },
    /// The status of the host.
    Status(Box<HostStatus>),
    /// The strategies, in the order in which they were started.
    Strategies(Vec<StrategyLine>),
    /// Everything about one strategy.
    Strategy(Box<StrategyDetail>),
    /// Nothing was done.
    Refused {
        /// The reason, in one sentence.
        message: String,
    },
    /// Every fact that follows an answer has been told. Without it, the host ended before.
    Complete,
}

impl Request {
    /// Whether facts follow its answer.
    pub const fn is_followed(&self) -> bool {
        matches!(self, Self::Kill)
    }
}

impl Answer {
    /// Creates a refusal.
    pub fn refused(message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Refused { message }
    }

    /// Creates the answer to a command that was carried out.
    pub fn done(message: impl Into<String>) -> Self {
        let message = message.into();
        Self::Done { message }
    }
}

/// The status of a host.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct HostStatus {
    /// The run's title: `demo on the simulated exchange, seed 7`.
    pub title: String,
    /// The host's process id.
    pub pid: u32,
    /// Seconds since the host started.
    pub uptime_s: u64,
    /// Event time in nanoseconds since 1970, UTC.
    pub event_time_ns: i64,
    /// Events on the ring so far.
    pub events: u64,
    /// Events per second, recently.
    pub events_per_s: f64,
    /// Actions so far.
    pub actions: u64,
    /// Orders so far, including denied ones.
    pub orders: u64,
    /// Number of working orders.
    pub working_orders: u64,
    /// Fills so far.
    pub fills: u64,
    /// Denied orders and changes so far.
    pub denied: u64,
    /// Denied orders and changes by deny code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub denied_by_reason: BTreeMap<String, u64>,
    /// The memory of all strategies.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<MemoryLine>,
    /// Whether the kill switch is on.
    pub killed: bool,
    /// The mode of the deck: `trading`, `reducing`, `paused`, `stopped`, `killed`.
    pub mode: String,
    /// The account's balance in `currency`, if it has one.
    pub capital: Option<String>,
    /// The profit of all strategies, in `currency`.
    pub profit: String,
    /// The code of the currency in which `capital` and every `profit` are given.
    pub currency: String,
    /// The account's balances by currency code.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub balances: BTreeMap<String, String>,
    /// The quality of the data of each venue that knows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub data: Vec<DataLine>,
    /// The instruments that have had a quote.
    pub instruments: Vec<InstrumentLine>,
    /// The strategies, in the order in which they were started.
    pub strategies: Vec<StrategyLine>,
    /// The newest working orders, newest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub working: Vec<OrderLine>,
}

/// The memory of all strategies together: of their instances, running and spare, and what the host keeps for them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryLine {
    /// The bytes.
    pub bytes: u64,
    /// The maximum number of bytes, if there is a bound.
    pub most_bytes: Option<u64>,
    /// The reserved address space, in bytes; only the used part takes memory.
    pub reserved_addresses: u64,
}

/// The quality of a venue's data.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct DataLine {
    /// The venue.
    pub venue: String,
    /// Damaged messages, gaps, contradictions and messages out of time together.
    pub faults: u64,
    /// Messages read.
    pub messages: u64,
    /// Messages that could not be read, and were skipped.
    pub damaged: u64,
    /// Messages of kinds or symbols that are not used.
    pub ignored: u64,
    /// Gaps in numbered messages.
    pub gaps: u64,
    /// Times a book contradicted itself or the venue's own quotes, and was stale from there.
    pub contradictions: u64,
    /// Messages whose time is before that of the previous one.
    pub time_went_back: u64,
    /// Messages that repeated known ones, and were skipped.
    pub duplicates: u64,
    /// Sizes that were finer than the instrument's scale, and cut down to it.
    pub cut_sizes: u64,
    /// The first faults, each with its place.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub problems: Vec<String>,
}

/// An instrument's latest prices.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct InstrumentLine {
    /// The symbol.
    pub symbol: String,
    /// The best bid, if there is one.
    pub bid: Option<String>,
    /// The size at the best bid.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bid_size: Option<String>,
    /// The best ask, if there is one.
    pub ask: Option<String>,
    /// The size at the best ask.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ask_size: Option<String>,
    /// The price of the last public trade, if there has been one.
    pub last: Option<String>,
    /// Quotes, trades and book updates so far.
    pub events: u64,
    /// Whether its data is known to be outdated or wrong.
    pub stale: bool,
}

/// A strategy in one line.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StrategyLine {
    /// The name.
    pub name: String,
    /// The version.
    pub version: String,
    /// The state: `running`, `paused`, `reducing`, `quarantined`, `stopped`, `removed`, `waiting for approval`.
    pub state: String,
    /// The number of its generation, from 1; every swap starts a new one. 0 if the strategy has not been started.
    pub generation: u32,
    /// The hash of the module, in hex.
    pub hash: String,
    /// When this generation took over.
    pub since: String,
    /// Events that it has handled.
    pub events: u64,
    /// Actions that it has returned.
    pub actions: u64,
    /// Wall time per event, in nanoseconds; none before the first sample.
    pub ns_per_event: Option<f64>,
    /// How far it is behind, and how long it kept the others waiting; none if it does not run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lag: Option<LagLine>,
    /// Bytes of its instances, running and spare, and of what the host keeps for it; none if unknown.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_bytes: Option<u64>,
    /// Histogram of the time per event, in ascending order. Only in a status, and only if there are few enough strategies.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub event_times: Vec<TimeBucket>,
    /// The open positions.
    pub positions: Vec<PositionLine>,
    /// Realised and unrealised profit less fees, in the status's `currency`, if known.
    pub profit: Option<String>,
    /// The result in every currency in which there is one.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub results: Vec<ResultLine>,
    /// Something for the operator to know or to do.
    pub note: Option<String>,
    /// The shadow version, if there is one.
    pub shadow: Option<ShadowLine>,
}

/// How far a strategy is behind, and how long it kept the others waiting.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LagLine {
    /// Events that wait for it.
    pub events: u64,
    /// How old the first of them was when its worker got to it, in nanoseconds; in lockstep, how late the deck is.
    pub ns: u64,
    /// How long it kept the others waiting so far, beyond its turns and its share, in nanoseconds.
    pub held_up_ns: u64,
}

/// A strategy's result in one currency.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultLine {
    /// The code of the currency.
    pub currency: String,
    /// Profit of closed positions, before fees.
    pub realised: String,
    /// Profit of open positions.
    pub unrealised: String,
    /// Fees paid, less rebates.
    pub fees: String,
}

/// An open position.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PositionLine {
    /// The instrument's symbol.
    pub symbol: String,
    /// The size; negative for a short position.
    pub size: String,
}

/// A working order.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct OrderLine {
    /// The strategy that sent it.
    pub strategy: String,
    /// The client order id.
    pub id: String,
    /// The instrument's symbol.
    pub symbol: String,
    /// `buy` or `sell`.
    pub side: String,
    /// The limit price; none for an order that trades at any.
    pub price: Option<String>,
    /// The stop price that it waits for, if it waits for one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_price: Option<String>,
    /// The size.
    pub size: String,
    /// The size filled so far.
    pub filled: String,
    /// The state: `held` (by the host), `submitted`, `working`, `part filled`, `modifying`, `canceling`, ...
    pub state: String,
}

/// A shadow version: it gets the same events as the running one, and its actions are compared instead of sent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShadowLine {
    /// The version.
    pub version: String,
    /// The hash of the module, in hex.
    pub hash: String,
    /// Decisions that both versions made.
    pub agreed: u64,
    /// Decisions that only one of them made.
    pub differed: u64,
}

/// Everything about a strategy.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct StrategyDetail {
    /// The strategy's line in the list.
    pub line: StrategyLine,
    /// The parameters that it was started with.
    pub parameters: Vec<ParameterLine>,
    /// The permissions that it requests and has been granted.
    pub permissions: Vec<PermissionLine>,
    /// The generations, oldest first.
    pub generations: Vec<GenerationLine>,
    /// Histogram of the time per event, in ascending order.
    pub event_times: Vec<TimeBucket>,
    /// The latest decisions in which the shadow version differed from the running one, oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub differences: Vec<DifferenceLine>,
    /// The faults, oldest first.
    pub faults: Vec<FaultLine>,
    /// The latest messages and log lines, oldest first.
    pub log: Vec<String>,
}

/// A parameter of a strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ParameterLine {
    /// The name.
    pub name: String,
    /// The value.
    pub value: String,
    /// The source of the value: `default`, `tickdeck.toml`.
    pub source: String,
}

/// A permission of a strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PermissionLine {
    /// The permission's key.
    pub permission: String,
    /// The requested value, if it is requested.
    pub requested: Option<String>,
    /// The granted value, if it is granted.
    pub granted: Option<String>,
}

/// A generation of a strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GenerationLine {
    /// The number, from 1.
    pub number: u32,
    /// The version.
    pub version: String,
    /// The hash of the module, in hex.
    pub hash: String,
    /// When it took over.
    pub at: String,
    /// The reason: `started`, `replaced`, `promoted`, `rolled back: trapped at event 123: ...`.
    pub reason: String,
    /// How the state was handed over from the previous generation: bytes, pause, time to compile.
    pub handover: String,
}

/// A histogram bucket: the events that took at most `up_to_ns`, and longer than the previous bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeBucket {
    /// The upper bound, in nanoseconds.
    pub up_to_ns: u64,
    /// The number of events.
    pub count: u64,
}

/// An event on which the running version and its shadow differed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DifferenceLine {
    /// The event time.
    pub at: String,
    /// The event's sequence.
    pub event: u64,
    /// The actions that were sent.
    pub sent: String,
    /// The actions that the shadow version returned.
    pub shadow: String,
}

/// A fault of a strategy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FaultLine {
    /// The event time.
    pub at: String,
    /// The fault, in one sentence.
    pub text: String,
}

/// A message to send, with the version of the protocol.
#[derive(Debug, Serialize)]
struct Sent<'a> {
    protocol: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    request: Option<&'a Request>,
    #[serde(skip_serializing_if = "Option::is_none")]
    answer: Option<&'a Answer>,
}

/// A message received, before its version is checked.
#[derive(Debug, Deserialize)]
struct Received {
    protocol: u32,
    #[serde(default)]
    request: serde_json::Value,
    #[serde(default)]
    answer: serde_json::Value,
}

/// The reason why a line cannot be read.
#[derive(Debug, PartialEq, Eq)]
pub enum Misread {
    /// The line uses another version of the protocol.
    Version(u32),
    /// The line is not a request, or not an answer.
    Malformed(String),
}

impl Misread {
    fn malformed(error: &serde_json::Error) -> Self {
        Self::Malformed(error.to_string())
    }
}

/// Returns a request as a line, including the newline.
pub(crate) fn request_line(request: &Request) -> Result<Vec<u8>, serde_json::Error> {
    line(&Sent {
        protocol: PROTOCOL,
        request: Some(request),
        answer: None,
    })
}

/// Returns an answer as a line, including the newline.
pub(crate) fn answer_line(answer: &Answer) -> Result<Vec<u8>, serde_json::Error> {
    line(&Sent {
        protocol: PROTOCOL,
        request: None,
        answer: Some(answer),
    })
}

/// Reads the request in a line.
///
/// # Errors
/// The line is not a request of this version.
pub fn read_request(line: &[u8]) -> Result<Request, Misread> {
    let request = received(line)?.request;
    serde_json::from_value(request).map_err(|error| Misread::malformed(&error))
}

/// Reads the answer in a line.
///
/// # Errors
/// The line is not an answer of this version.
pub fn read_answer(line: &[u8]) -> Result<Answer, Misread> {
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

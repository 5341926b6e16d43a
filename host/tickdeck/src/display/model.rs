//! The model of the live view: the read model and the log as text that is ready to draw.

use super::money;
use crate::display::message_log::MessageLog;
use tickdeck_control::protocol::{
    HostStatus, InstrumentLine, OrderLine, PositionLine, ResultLine, StrategyLine,
};
use tickdeck_deck::feed::{BuildPhase, BuildProgress, FeedLine, Weight};
use tickdeck_model::Money;
use tickdeck_model::format::{bytes, date, grouped, short, time_of_day};

/// Smallest lag that is shown.
const LAG_SHOWN_NS: u64 = 10_000_000;

/// The color of a figure.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// The terminal's own color.
    #[default]
    Plain,
    /// Less prominent than the rest.
    Faint,
    /// A profit, or a healthy state.
    Good,
    /// A loss, or a failure.
    Bad,
    /// Something to look at.
    Warning,
}

/// A question to the operator.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Prompt {
    /// No question.
    #[default]
    None,
    /// Asks for confirmation of a kill.
    Kill,
    /// Asks how many events of a recorded run to play; holds the number typed so far.
    Step(u64),
}

/// Everything on the screen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ViewModel {
    /// The run's title: `demo on the simulated exchange, seed 7`.
    pub title: String,
    /// Event time, with the date.
    pub time: String,
    /// The mode of the deck: `trading`, `PAUSED`, `KILLED`.
    pub mode: (String, Tone),
    /// The counters.
    pub head: Head,
    /// The instruments.
    pub instruments: Vec<InstrumentRow>,
    /// The strategies.
    pub strategies: Vec<StrategyRow>,
    /// The build in progress, or the event being looked at.
    pub focus: Option<Focus>,
    /// Changes of versions, and failures, the newest last.
    pub changes: Vec<LogRow>,
    /// The newest working orders.
    pub orders: Vec<OrderRow>,
    /// The log, the newest line last.
    pub log: Vec<LogRow>,
    /// The question to the operator.
    pub prompt: Prompt,
}

/// The counters.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Head {
    /// Events so far.
    pub events: String,
    /// Events per second.
    pub rate: String,
    /// Actions so far.
    pub actions: String,
    /// Orders so far.
    pub orders: String,
    /// Denied so far.
    pub denied: String,
    /// Fills so far.
    pub fills: String,
    /// Profit of all strategies, with its currency.
    pub profit: (String, Tone),
    /// The account's balance.
    pub capital: String,
    /// Faults of the venues' data; empty if there are none.
    pub data: String,
    /// The memory of all strategies; empty if it is not known. Its bound is in `tickdeck status`.
    pub memory: String,
}

/// An instrument.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InstrumentRow {
    /// The symbol.
    pub symbol: String,
    /// Size at the best bid.
    pub bid_size: String,
    /// The best bid.
    pub bid: String,
    /// The best ask.
    pub ask: String,
    /// Size at the best ask.
    pub ask_size: String,
    /// The last trade.
    pub last: String,
    /// Events so far.
    pub events: String,
    /// `live` or `stale`.
    pub state: (String, Tone),
}

/// A strategy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StrategyRow {
    /// The name.
    pub name: String,
    /// The version and generation: `0.1.0 g2`.
    pub version: String,
    /// The state.
    pub state: (String, Tone),
    /// Realised and unrealised, less fees.
    pub profit: (String, Tone),
    /// Profit of closed positions.
    pub realised: String,
    /// Profit of open positions.
    pub unrealised: String,
    /// Fees paid.
    pub fees: String,
    /// Open positions: `0.05 BTCUSDT`.
    pub position: String,
    /// Actions so far.
    pub actions: String,
    /// Events so far.
    pub events: String,
    /// Time per event.
    pub time: String,
    /// Memory.
    pub memory: String,
}

/// A working order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OrderRow {
    /// The strategy that sent it.
    pub strategy: String,
    /// The client order id.
    pub id: String,
    /// The instrument's ticker.
    pub symbol: String,
    /// The side.
    pub side: (String, Tone),
    /// Filled size and size: `0.0025/0.01`.
    pub size: String,
    /// The price.
    pub price: String,
    /// The state.
    pub state: String,
}

/// A line of the log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogRow {
    /// Event time.
    pub time: String,
    /// The text.
    pub text: String,
    /// The color.
    pub tone: Tone,
}

/// The build of a strategy's next version, or an event of a recorded run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Focus {
    /// ` build ` or ` event `
    pub title: &'static str,
    /// `ema-cross does not build, 2 errors`
    pub headline: (String, Tone),
    /// The compiler's errors, or the effects of the event.
    pub lines: Vec<String>,
}

/// Builds the view of a status; it shows at most `most_orders` orders.
pub fn view(status: &HostStatus, messages: &MessageLog, most_orders: usize) -> ViewModel {
    let at = status.event_time_ns;
    ViewModel {
        title: status.title.clone(),
        time: match at {
            0 => String::new(),
            at => format!("{} {} UTC", date(at), time_of_day(at)),
        },
        mode: mode(&status.mode),
        head: head(status),
        instruments: status.instruments.iter().map(instrument_row).collect(),
        strategies: status
            .strategies
            .iter()
            .map(|strategy| strategy_row(strategy, &status.currency))
            .collect(),
        orders: status
            .working
            .iter()
            .take(most_orders)
            .map(order_row)
            .collect(),
        focus: messages.draft.as_ref().map(draft),
        changes: messages
            .changes
            .iter()
            .map(log_row)
            .chain(shadows(status))
            .chain(laggards(status))
            .collect(),
        log: messages.log.iter().map(log_row).collect(),
        prompt: Prompt::None,
    }
}

/// Formats the counters.
pub(super) fn head(status: &HostStatus) -> Head {
    let profit = money::result(&status.profit);
    Head {
        events: grouped(status.events),
        rate: format!("{}/s", short(status.events_per_s)),
        actions: grouped(status.actions),
        orders: grouped(status.orders),
        denied: grouped(status.denied),
        fills: grouped(status.fills),
        profit: (
            format!("{profit} {}", status.currency),
            tone(&status.profit),
        ),
        capital: status
            .capital
            .as_deref()
            .map_or_else(String::new, money::amount),
        data: match status.data.iter().map(|line| line.faults).sum() {
            0 => String::new(),
            faults => grouped(faults),
        },
        memory: status
            .memory
            .as_ref()
            .map_or_else(String::new, |memory| bytes(memory.bytes)),
    }
}

/// Returns the mode, in capitals if it needs attention.
fn mode(mode: &str) -> (String, Tone) {
    match mode {
        "killed" => ("KILLED".to_owned(), Tone::Bad),
        "paused" => ("PAUSED".to_owned(), Tone::Warning),
        "reducing" => ("REDUCING".to_owned(), Tone::Warning),
        "stopped" => (mode.to_owned(), Tone::Faint),
        _ => (mode.to_owned(), Tone::Good),
    }
}

fn instrument_row(line: &InstrumentLine) -> InstrumentRow {
    let or_dash = |text: &Option<String>| text.clone().unwrap_or_else(dash);
    let state = if line.stale {
        ("STALE", Tone::Warning)
    } else {
        ("live", Tone::Good)
    };
    InstrumentRow {
        symbol: line.symbol.clone(),
        bid_size: or_dash(&line.bid_size),
        bid: or_dash(&line.bid),
        ask: or_dash(&line.ask),
        ask_size: or_dash(&line.ask_size),
        last: or_dash(&line.last),
        events: grouped(line.events),
        state: (state.0.to_owned(), state.1),
    }
}

fn strategy_row(line: &StrategyLine, currency: &str) -> StrategyRow {
    let result = result_in(line, currency);
    let profit = line.profit.as_deref().unwrap_or("0");
    let state_tone = match line.state.as_str() {
        "running" => Tone::Good,
        "paused" | "reducing" => Tone::Warning,
        "quarantined" => Tone::Bad,
        _ => Tone::Faint,
    };
    StrategyRow {
        name: line.name.clone(),
        version: format!("{} g{}", line.version, line.generation),
        state: (line.state.clone(), state_tone),
        profit: (money::result(profit), tone(profit)),
        realised: money::result(&result.realised),
        unrealised: money::result(&result.unrealised),
        fees: money::amount(&result.fees),
        position: position(&line.positions),
        actions: grouped(line.actions),
        events: grouped(line.events),
        time: line
            .ns_per_event
            .map_or_else(dash, |ns| format!("{ns:.0} ns")),
        memory: line.memory_bytes.map_or_else(dash, bytes),
    }
}

/// The result of a strategy in one currency; zeros if it has none.
pub(super) fn result_in(line: &StrategyLine, currency: &str) -> ResultLine {
    let result = line.results.iter().find(|one| one.currency == currency);
    result.cloned().unwrap_or_else(|| ResultLine {
        currency: currency.to_owned(),
        realised: "0".to_owned(),
        unrealised: "0".to_owned(),
        fees: "0".to_owned(),
    })
}

/// Formats open positions: `0.05 BTCUSDT, -1.2 ETHUSDT`.
pub(super) fn position(positions: &[PositionLine]) -> String {
    if positions.is_empty() {
        return "flat".to_owned();
    }
    let text = |line: &PositionLine| format!("{} {}", line.size, ticker(&line.symbol));
    let texts: Vec<String> = positions.iter().map(text).collect();
    texts.join(", ")
}

/// A symbol without its venue.
fn ticker(symbol: &str) -> &str {
    symbol.rsplit_once('.').map_or(symbol, |(ticker, _)| ticker)
}

fn order_row(line: &OrderLine) -> OrderRow {
    let tone = match line.side.as_str() {
        "buy" => Tone::Good,
        _ => Tone::Bad,
    };
    OrderRow {
        strategy: line.strategy.clone(),
        id: line.id.clone(),
        symbol: ticker(&line.symbol).to_owned(),
        side: (line.side.clone(), tone),
        size: format!("{}/{}", line.filled, line.size),
        price: match (&line.stop_price, &line.price) {
            // It waits for the market to fall or rise to its stop.
            (Some(stop), _) if line.side == "buy" => format!("≥{stop}"),
            (Some(stop), _) => format!("≤{stop}"),
            (None, Some(price)) => price.clone(),
            (None, None) => "market".to_owned(),
        },
        state: line.state.clone(),
    }
}

/// The versions in the shadow, one line each.
fn shadows(status: &HostStatus) -> impl Iterator<Item = LogRow> {
    let shadow = |line: &StrategyLine| {
        let shadow = line.shadow.as_ref()?;
        let text = format!(
            "{}: {} in the shadow ({} agreed, {} differed)",
            line.name,
            shadow.version,
            grouped(shadow.agreed),
            grouped(shadow.differed)
        );
        Some(LogRow {
            time: time_of_day(status.event_time_ns),
            text,
            tone: match shadow.differed {
                0 => Tone::Plain,
                _ => Tone::Warning,
            },
        })
    };
    status.strategies.iter().filter_map(shadow)
}

/// The strategies that are behind, one line each.
fn laggards(status: &HostStatus) -> impl Iterator<Item = LogRow> {
    let laggard = |line: &StrategyLine| {
        let lag = line.lag.filter(|lag| lag.ns >= LAG_SHOWN_NS)?;
        let (ms, events) = (lag.ns / 1_000_000, grouped(lag.events));
        Some(LogRow {
            time: time_of_day(status.event_time_ns),
            text: format!("{}: {ms} ms and {events} events behind", line.name),
            tone: Tone::Warning,
        })
    };
    status.strategies.iter().filter_map(laggard)
}

fn draft(draft: &BuildProgress) -> Focus {
    let tone = match draft.phase {
        BuildPhase::Underway => Tone::Plain,
        BuildPhase::Live => Tone::Good,
        BuildPhase::Broken => Tone::Bad,
    };
    Focus {
        title: " build ",
        headline: (draft.headline.clone(), tone),
        lines: draft.errors.clone(),
    }
}

fn log_row(line: &FeedLine) -> LogRow {
    let tone = match line.weight {
        Weight::Note => Tone::Plain,
        Weight::Warning => Tone::Warning,
        Weight::Error => Tone::Bad,
    };
    LogRow {
        time: time_of_day(line.at),
        text: line.text.clone(),
        tone,
    }
}

/// The tone of a result.
fn tone(decimal: &str) -> Tone {
    match money::parse(decimal) {
        Money(0) => Tone::Plain,
        Money(1..) => Tone::Good,
        Money(_) => Tone::Bad,
    }
}

fn dash() -> String {
    "-".to_owned()
}

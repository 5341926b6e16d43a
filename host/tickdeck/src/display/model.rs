//! What the live view shows, as words and figures that are ready to draw.

use crate::display::message_log::MessageLog;
use tickdeck_deck::feed::{BuildPhase, BuildProgress, FeedLine, Weight};
use tickdeck_engine::{InstrumentStatus, Status, StrategyState, StrategyStatus, WorkingOrder};
use tickdeck_model::format::{date, grouped, plain, short, signed, time_of_day};
use tickdeck_model::{Money, OrderState, Price, Size, Working};
use tickdeck_recording::names::{Names, net};

/// How a figure is coloured.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Tone {
    /// As it is.
    #[default]
    Plain,
    /// Less than the rest.
    Faint,
    /// A profit, or all is well.
    Good,
    /// A loss, or a failure.
    Bad,
    /// Worth a look.
    Warning,
}

/// What the operator is being asked.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Prompt {
    /// Nothing.
    #[default]
    None,
    /// Whether to kill.
    Kill,
    /// How many events of a recorded run may pass; so many were typed.
    Step(u64),
}

/// Everything on the screen.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ViewModel {
    /// What runs: `demo on the simulated exchange, seed 7`.
    pub title: String,
    /// Event time, with the date.
    pub time: String,
    /// How the deck is: `trading`, `paused`, `KILLED`.
    pub mode: (String, Tone),
    /// The counts of the tape.
    pub head: Head,
    /// By instrument.
    pub instruments: Vec<InstrumentRow>,
    /// By strategy.
    pub strategies: Vec<StrategyRow>,
    /// What somebody works on or looks at.
    pub focus: Option<Focus>,
    /// What happened to versions and what failed, the newest last.
    pub changes: Vec<LogRow>,
    /// The newest working orders.
    pub orders: Vec<OrderRow>,
    /// The newest lines last.
    pub log: Vec<LogRow>,
    /// What the operator is being asked.
    pub prompt: Prompt,
}

/// The counts of the tape.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Head {
    /// Events so far.
    pub events: String,
    /// Events a second.
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
}

/// An instrument.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InstrumentRow {
    /// Its symbol.
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
    /// Events of it.
    pub events: String,
    /// `live` or `stale`.
    pub state: (String, Tone),
}

/// A strategy.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct StrategyRow {
    /// Its name.
    pub name: String,
    /// Its version, and how many there were in this run: `0.1.0 g2`.
    pub version: String,
    /// How it is.
    pub state: (String, Tone),
    /// Realised and unrealised, less fees.
    pub profit: (String, Tone),
    /// Profit of closed positions.
    pub realised: String,
    /// Profit of open positions.
    pub unrealised: String,
    /// Fees paid.
    pub fees: String,
    /// What it holds: `0.05 BTCUSDT.SIM`.
    pub position: String,
    /// Actions so far.
    pub actions: String,
    /// Events so far.
    pub events: String,
    /// Time per event.
    pub time: String,
}

/// A working order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct OrderRow {
    /// Whose.
    pub strategy: String,
    /// Our name for it.
    pub id: String,
    /// What it trades.
    pub symbol: String,
    /// Its side.
    pub side: (String, Tone),
    /// Filled of its size.
    pub size: String,
    /// Its price.
    pub price: String,
    /// Where it stands.
    pub state: String,
}

/// A line of the log.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct LogRow {
    /// Event time.
    pub time: String,
    /// What it says.
    pub text: String,
    /// How much it matters.
    pub tone: Tone,
}

/// What somebody works on, the next version of a strategy, or looks at, an event of a recorded run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Focus {
    /// ` build ` or ` event `
    pub title: &'static str,
    /// `ema-cross does not build, 2 errors`
    pub headline: (String, Tone),
    /// What the compiler has against it; what the event led to.
    pub lines: Vec<String>,
}

/// Makes the view of a status; at most `most_orders` orders are shown.
pub fn view(
    title: &str,
    status: &Status,
    rate: f64,
    told: &MessageLog,
    most_orders: usize,
    names: &Names,
) -> ViewModel {
    ViewModel {
        title: title.to_owned(),
        time: if status.now == 0 {
            String::new()
        } else {
            format!("{} {} UTC", date(status.now), time_of_day(status.now))
        },
        mode: mode(status),
        head: head(status, rate, names),
        instruments: status
            .instruments
            .iter()
            .map(|instrument| instrument_row(instrument, names))
            .collect(),
        strategies: status
            .strategies
            .iter()
            .map(|strategy| strategy_row(strategy, names))
            .collect(),
        orders: status
            .working
            .iter()
            .rev()
            .take(most_orders)
            .map(|order| order_row(order, names))
            .collect(),
        focus: told.draft.as_ref().map(draft),
        changes: told
            .changes
            .iter()
            .map(log_row)
            .chain(besides(status))
            .collect(),
        log: told.log.iter().map(log_row).collect(),
        prompt: Prompt::None,
    }
}

/// The counts of the tape.
pub fn head(status: &Status, rate: f64, names: &Names) -> Head {
    let profit = names.profit(status);
    Head {
        events: grouped(status.events),
        rate: format!("{}/s", short(rate)),
        actions: grouped(status.actions),
        orders: grouped(status.orders),
        denied: grouped(status.denied.values().sum()),
        fills: grouped(status.fills),
        profit: (
            format!("{} {}", signed(profit), names.money_code()),
            tone(profit),
        ),
        capital: names.capital(status).map_or_else(String::new, plain),
    }
}

fn mode(status: &Status) -> (String, Tone) {
    let all = |state| {
        !status.strategies.is_empty()
            && status
                .strategies
                .iter()
                .all(|strategy| strategy.state == state)
    };
    let (word, tone) = if status.killed {
        ("KILLED", Tone::Bad)
    } else if all(StrategyState::Paused) {
        ("PAUSED", Tone::Warning)
    } else if all(StrategyState::Stopped) {
        ("stopped", Tone::Faint)
    } else {
        ("trading", Tone::Good)
    };
    (word.to_owned(), tone)
}

fn instrument_row(status: &InstrumentStatus, names: &Names) -> InstrumentRow {
    let id = status.instrument;
    let price =
        |level: Option<(Price, Size)>| level.map_or_else(dash, |(price, _)| names.price(id, price));
    let size =
        |level: Option<(Price, Size)>| level.map_or_else(dash, |(_, size)| names.size(id, size));
    let state = if status.stale {
        ("STALE", Tone::Warning)
    } else {
        ("live", Tone::Good)
    };
    InstrumentRow {
        symbol: names.symbol(id),
        bid_size: size(status.bid),
        bid: price(status.bid),
        ask: price(status.ask),
        ask_size: size(status.ask),
        last: status.last.map_or_else(dash, |last| names.price(id, last)),
        events: grouped(status.events),
        state: (state.0.to_owned(), state.1),
    }
}

fn strategy_row(status: &StrategyStatus, names: &Names) -> StrategyRow {
    let result = names.result(status);
    let profit = result.as_ref().map_or(Money::ZERO, net);
    let money = |of: Option<Money>| signed(of.unwrap_or(Money::ZERO));
    let tone_of_state = match status.state {
        StrategyState::Running => Tone::Good,
        StrategyState::Paused | StrategyState::Reducing => Tone::Warning,
        StrategyState::Quarantined => Tone::Bad,
        StrategyState::Stopped => Tone::Faint,
    };
    StrategyRow {
        name: status.name.clone(),
        version: format!("{} g{}", status.version, status.generation),
        state: (status.state.as_str().to_owned(), tone_of_state),
        profit: (signed(profit), tone(profit)),
        realised: money(result.map(|result| result.realised)),
        unrealised: money(result.map(|result| result.unrealised)),
        fees: plain(result.map_or(Money::ZERO, |result| result.fees)),
        position: position(status, names),
        actions: grouped(status.actions),
        events: grouped(status.events),
        time: status
            .ns_per_event
            .map_or_else(dash, |ns| format!("{ns:.0} ns")),
    }
}

/// Every position that is not flat: `0.05 BTCUSDT, -1.2 ETHUSDT`.
pub(crate) fn position(status: &StrategyStatus, names: &Names) -> String {
    let open = status.positions.iter().filter(|(_, size)| size.0 != 0);
    let words: Vec<String> = open
        .map(|(id, size)| {
            let ticker = names
                .instrument(*id)
                .map_or_else(|| names.symbol(*id), |terms| terms.ticker().to_owned());
            format!("{} {ticker}", names.size(*id, *size))
        })
        .collect();
    if words.is_empty() {
        "flat".to_owned()
    } else {
        words.join(", ")
    }
}

fn order_row(order: &WorkingOrder, names: &Names) -> OrderRow {
    let id = order.instrument;
    let tone = if order.side.sign() > 0 {
        Tone::Good
    } else {
        Tone::Bad
    };
    OrderRow {
        strategy: names.strategy(order.id.strategy),
        id: order.id.to_string(),
        symbol: names
            .instrument(id)
            .map_or_else(|| names.symbol(id), |terms| terms.ticker().to_owned()),
        side: (order.side.as_str().to_owned(), tone),
        size: format!(
            "{}/{}",
            names.size(id, order.filled),
            names.size(id, order.size)
        ),
        price: if order.price.0 == 0 {
            "market".to_owned()
        } else {
            names.price(id, order.price)
        },
        state: state(order.state).to_owned(),
    }
}

/// The versions that run beside others now.
fn besides(status: &Status) -> impl Iterator<Item = LogRow> {
    let shadow = |strategy: &StrategyStatus| {
        let shadow = strategy.shadow.as_ref()?;
        let text = format!(
            "{}: beside {} ({} agreed, {} differed)",
            strategy.name,
            shadow.version,
            grouped(shadow.agreed),
            grouped(shadow.differed)
        );
        Some(LogRow {
            time: time_of_day(status.now),
            text,
            tone: match shadow.differed {
                0 => Tone::Plain,
                _ => Tone::Warning,
            },
        })
    };
    status.strategies.iter().filter_map(shadow)
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

const fn state(state: OrderState) -> &'static str {
    match state {
        OrderState::Initialised => "new",
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

const fn tone(money: Money) -> Tone {
    match money.0 {
        0 => Tone::Plain,
        1.. => Tone::Good,
        _ => Tone::Bad,
    }
}

fn dash() -> String {
    "-".to_owned()
}

//! Events: their kind, instrument and content.

use crate::names::Names;
use tickdeck_model::format::date_time;
use tickdeck_model::{
    Body, Event, Fill, InstrumentId, OrderUpdate, Price, Reason, Size, StrategyId, VenueScope,
};

/// Describes an event with its time, to the microsecond.
pub fn event(event: &Event, names: &Names) -> String {
    let (at, body) = (date_time(event.ts_host), body(event, names));
    format!("{} at {at}: {body}", about(event, names))
}

/// Describes an event whose time is shown elsewhere.
pub fn untimed_event(event: &Event, names: &Names) -> String {
    format!("{}: {}", about(event, names), body(event, names))
}

/// `fill BTCUSDT.SIM of pairs`
fn about(event: &Event, names: &Names) -> String {
    let symbol = event
        .instrument()
        .map_or_else(String::new, |id| format!(" {}", names.symbol(id)));
    let owner = event
        .owner()
        .filter(|owner| *owner != StrategyId::default())
        .map_or_else(String::new, |id| format!(" of {}", names.strategy(id)));
    format!("{}{symbol}{owner}", event.kind().as_str())
}

/// `61000.10 x 0.5 bid, 61000.20 x 1.2 asked`
fn body(event: &Event, names: &Names) -> String {
    let (price, size) = (
        |id: InstrumentId, it: Price| names.price(id, it),
        |id: InstrumentId, it: Size| names.size(id, it),
    );
    match event.body() {
        Body::Quote(it) => {
            let side = |level: Price, amount: Size, what: &str| match (level.0, amount.0) {
                (0, 0) => format!("nothing {what}"),
                _ => format!(
                    "{} x {} {what}",
                    price(it.instrument, level),
                    size(it.instrument, amount)
                ),
            };
            format!(
                "{}, {}",
                side(it.bid, it.bid_size, "bid"),
                side(it.ask, it.ask_size, "asked")
            )
        }
        Body::Trade(it) => format!(
            "{} at {}, {}, number {}",
            size(it.instrument, it.size),
            price(it.instrument, it.price),
            it.aggressor,
            it.trade_id
        ),
        Body::Book(it) => format!(
            "{} {} {} x {}, update {}",
            it.change,
            it.side,
            price(it.instrument, it.price),
            size(it.instrument, it.size),
            it.update_id
        ),
        Body::Bar(it) => {
            let levels =
                [it.open, it.high, it.low, it.close].map(|level| price(it.instrument, level));
            format!(
                "{} {}: {}, volume {} in {} trades",
                it.basis,
                it.step,
                levels.join(" "),
                size(it.instrument, it.volume),
                it.trades
            )
        }
        Body::Order(it) => order(&it, names),
        Body::Fill(it) => fill(&it, names),
        other => rare(&other, names),
    }
}

fn order(it: &OrderUpdate, names: &Names) -> String {
    let reason = match it.reason {
        Reason::Normal => String::new(),
        reason => format!(", {reason}"),
    };
    format!(
        "order {} {}{reason}: {} {}{}, filled {}",
        it.order,
        it.status,
        it.side,
        names.size(it.instrument, it.size),
        at(&names.price(it.instrument, it.price), it.price),
        names.size(it.instrument, it.filled)
    )
}

fn fill(it: &Fill, names: &Names) -> String {
    format!(
        "order {}: {} {} at {} as {}, fee {}",
        it.order,
        it.side,
        names.size(it.instrument, it.size),
        names.price(it.instrument, it.price),
        it.liquidity,
        names.amount(it.fee_currency, it.fee)
    )
}

fn rare(body: &Body, names: &Names) -> String {
    match body {
        Body::Signal(it) => {
            format!(
                "{} of {} is {}",
                names.text(it.name),
                names.strategy(it.source),
                it.value
            )
        }
        Body::Timer(it) => format!("number {}, due {}", it.id, date_time(it.due)),
        Body::Venue(it) => match it.scope {
            VenueScope::Venue => format!("{} is {}", names.venue(it.venue), it.state),
            VenueScope::Instrument => {
                format!(
                    "{} at {} is {}",
                    names.symbol(it.instrument),
                    names.venue(it.venue),
                    it.state
                )
            }
        },
        Body::Account(it) => format!(
            "{} at {}, {} free",
            names.amount(it.currency, it.total),
            names.venue(it.venue),
            names.amount(it.currency, it.free)
        ),
        Body::Lagged(it) => format!(
            "{} events from {} to {} were left out",
            it.dropped, it.first, it.last
        ),
        other => format!("{other:?}"),
    }
}

fn at(price: &str, is: Price) -> String {
    match is.0 {
        0 => String::new(),
        _ => format!(" at {price}"),
    }
}

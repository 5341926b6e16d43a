//! The imports in a guest: those of the component, converted to the SDK's types.

use crate::fixed::{Amount, Price, Size};
use crate::generated::tickdeck::strategy::{
    instruments as terms, log as lines, store, types::Side as WitSide,
};
use crate::ids::{AccountId, CurrencyId, InstrumentId, OrderNumber, TextId, Timestamp, VenueId};
use crate::instrument::Instrument;
use crate::store::{Capital, Position, WorkingOrder};
use crate::terms::{Level, OrderStatus, OrderType, Side, TimeInForce};

/// The bit of `order-flags`.
const REDUCE_ONLY: u16 = 2;

pub(crate) fn capital() -> Vec<Capital> {
    let convert = |entry: store::CapitalIn| Capital {
        currency: CurrencyId(entry.currency),
        balance: Amount(entry.balance),
        realised: Amount(entry.realised),
        fees: Amount(entry.fees),
    };
    store::capital().into_iter().map(convert).collect()
}

pub(crate) fn positions() -> Vec<Position> {
    let convert = |position: store::Position| Position {
        instrument: InstrumentId(position.instrument),
        account: AccountId(position.account),
        size: Size(position.size),
        cost: Amount(position.cost),
        average_price: Price(position.average_price),
        realised: Amount(position.realised),
    };
    store::positions().into_iter().map(convert).collect()
}

pub(crate) fn position_size(instrument: InstrumentId) -> Size {
    Size(store::position_size(instrument.0))
}

pub(crate) fn orders() -> Vec<WorkingOrder> {
    store::orders().into_iter().map(working_order).collect()
}

pub(crate) fn order(number: OrderNumber) -> Option<WorkingOrder> {
    store::order(number.0).map(working_order)
}

fn working_order(order: store::WorkingOrder) -> WorkingOrder {
    WorkingOrder {
        order: OrderNumber(order.order),
        instrument: InstrumentId(order.instrument),
        side: match order.side {
            WitSide::Buy => Side::Buy,
            WitSide::Sell => Side::Sell,
        },
        kind: OrderType(order.kind),
        time_in_force: TimeInForce(order.time_in_force),
        status: order.status.map(OrderStatus),
        price: Price(order.price),
        stop_price: Price(order.stop_price),
        size: Size(order.size),
        filled: Size(order.filled),
        after: (order.after > 0).then_some(OrderNumber(order.after)),
        group: order.group,
        trail: order.trail,
        expires: order.expires,
        reduce_only: order.flags & REDUCE_ONLY != 0,
        account: AccountId(order.account),
    }
}

pub(crate) fn timestamp() -> Timestamp {
    store::timestamp()
}

pub(crate) fn instrument(id: InstrumentId) -> Option<Instrument> {
    terms::get(id.0).map(instrument_terms)
}

pub(crate) fn find(symbol: &str) -> Option<InstrumentId> {
    terms::find(symbol).map(InstrumentId)
}

pub(crate) fn instruments() -> Vec<Instrument> {
    terms::list().into_iter().map(instrument_terms).collect()
}

fn instrument_terms(terms: terms::Instrument) -> Instrument {
    Instrument {
        id: InstrumentId(terms.id),
        venue: VenueId(terms.venue),
        symbol: terms.symbol,
        base: CurrencyId(terms.base),
        quote: CurrencyId(terms.quote),
        price_scale: terms.price_scale,
        size_scale: terms.size_scale,
        quote_scale: terms.quote_scale,
        tick: Price(terms.tick),
        lot: Size(terms.lot),
        min_notional: Amount(terms.min_notional),
    }
}

pub(crate) fn text(id: TextId) -> Option<String> {
    terms::text(id.0)
}

pub(crate) fn find_text(text: &str) -> Option<TextId> {
    terms::find_text(text).map(TextId)
}

pub(crate) fn log(level: Level, line: &str) {
    let level = match level {
        Level::Debug => lines::Level::Debug,
        Level::Info => lines::Level::Info,
        Level::Warn => lines::Level::Warn,
        Level::Error => lines::Level::Error,
    };
    lines::write(level, line);
}

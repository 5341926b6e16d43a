//! Into a row: the names behind numbers, and decimals at their scales.

use anyhow::{Context, Result};
use tickdeck_model::{
    AccountId, Amount, Currency, CurrencyId, Instrument, InstrumentId, OrderNumber, Price,
    Registry, Size, StrategyId, TextId, Timestamp, VenueId,
};
use tickdeck_tables::Value;

/// Turns numbers into the names of a row.
#[derive(Clone, Copy)]
pub(crate) struct RowNames<'a>(pub(crate) &'a Registry);

impl<'a> RowNames<'a> {
    pub(crate) fn instrument(self, id: InstrumentId) -> Result<&'a Instrument> {
        self.0
            .instrument(id)
            .with_context(|| unknown("instrument", id.0))
    }

    /// Returns an instrument's symbol and the scales of its prices and sizes. For one that the run does not have, as an order can
    /// name that is denied: `#7`, and no digits.
    pub(crate) fn symbol_of(self, id: InstrumentId) -> (Value<'a>, u8, u8) {
        match self.0.instrument(id) {
            Some(terms) => (
                Value::text(&terms.symbol),
                terms.price_scale,
                terms.size_scale,
            ),
            None => (Value::Text(format!("#{id}").into()), 0, 0),
        }
    }

    pub(crate) fn strategy(self, id: StrategyId) -> Result<Value<'a>> {
        let name = self
            .0
            .strategy(id)
            .with_context(|| unknown("strategy", id.0))?;
        Ok(Value::text(name))
    }

    pub(crate) fn venue(self, id: VenueId) -> Result<Value<'a>> {
        let name = self.0.venue(id).with_context(|| unknown("venue", id.0))?;
        Ok(Value::text(name))
    }

    pub(crate) fn text(self, id: TextId) -> Result<Value<'a>> {
        let text = self.0.text(id).with_context(|| unknown("text", id.0))?;
        Ok(Value::text(text))
    }

    pub(crate) fn currency(self, id: CurrencyId) -> Result<Currency> {
        self.0
            .currency(id)
            .with_context(|| unknown("currency", id.0))
    }
}

fn unknown(what: &str, number: u32) -> String {
    format!("it names {what} {number}, which the reels do not know")
}

pub(crate) fn price(terms: &Instrument, price: Price) -> Value<'static> {
    Value::decimal(price.0, terms.price_scale)
}

pub(crate) fn size(terms: &Instrument, size: Size) -> Value<'static> {
    Value::decimal(size.0, terms.size_scale)
}

/// Returns a price; nothing for zero, which order types without a price have.
pub(crate) fn price_if_any(scale: u8, it: Price) -> Value<'static> {
    match it.0 {
        0 => Value::Null,
        price => Value::decimal(price, scale),
    }
}

/// Returns an account; nothing for the strategy's own.
pub(crate) fn account(it: AccountId) -> Value<'static> {
    match it.0 {
        0 => Value::Null,
        number => Value::Integer(i64::from(number)),
    }
}

/// Returns an order's number, which counts from 1.
pub(crate) fn order(number: OrderNumber) -> Value<'static> {
    Value::Integer(number.cast_signed())
}

/// Returns the number of another order; nothing for zero.
pub(crate) fn order_if_any(number: OrderNumber) -> Value<'static> {
    number_if_any(number.cast_signed())
}

/// Returns a number; nothing for zero, which means that it was not given.
pub(crate) fn number_if_any(number: i64) -> Value<'static> {
    match number {
        0 => Value::Null,
        number => Value::Integer(number),
    }
}

/// Returns a time; nothing for zero, which means that it was not given.
pub(crate) fn time_if_any(at: Timestamp) -> Value<'static> {
    match at {
        0 => Value::Null,
        at => Value::Time(at),
    }
}

pub(crate) fn amount(currency: &Currency, amount: Amount) -> Value<'static> {
    Value::decimal(amount.0, currency.scale)
}

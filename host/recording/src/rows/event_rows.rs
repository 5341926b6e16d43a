//! The rows of events.

use anyhow::{Context, Result};
use tickdeck_model::{
    Amount, Body, Currency, CurrencyId, Event, Instrument, InstrumentId, OrderNumber, Price,
    Registry, Size, StrategyId, TextId, VenueId, VenueScope,
};
use tickdeck_tables::Value;

/// Turns numbers into the names of a row.
#[derive(Clone, Copy)]
pub(super) struct RowNames<'a>(pub(super) &'a Registry);

impl<'a> RowNames<'a> {
    pub(super) fn instrument(self, id: InstrumentId) -> Result<&'a Instrument> {
        self.0
            .instrument(id)
            .with_context(|| unknown("instrument", id.0))
    }

    pub(super) fn strategy(self, id: StrategyId) -> Result<Value<'a>> {
        let name = self
            .0
            .strategy(id)
            .with_context(|| unknown("strategy", id.0))?;
        Ok(Value::text(name))
    }

    fn venue(self, id: VenueId) -> Result<Value<'a>> {
        let name = self.0.venue(id).with_context(|| unknown("venue", id.0))?;
        Ok(Value::text(name))
    }

    fn text(self, id: TextId) -> Result<Value<'a>> {
        let text = self.0.text(id).with_context(|| unknown("text", id.0))?;
        Ok(Value::text(text))
    }

    fn currency(self, id: CurrencyId) -> Result<Currency> {
        self.0
            .currency(id)
            .with_context(|| unknown("currency", id.0))
    }
}

fn unknown(what: &str, number: u32) -> String {
    format!("it names {what} {number}, which the reels do not know")
}

pub(super) fn price(terms: &Instrument, price: Price) -> Value<'static> {
    Value::decimal(price.0, terms.price_scale)
}

pub(super) fn size(terms: &Instrument, size: Size) -> Value<'static> {
    Value::decimal(size.0, terms.size_scale)
}

/// Returns a price; nothing for zero, which order types without a price have.
pub(super) fn price_if_any(terms: &Instrument, it: Price) -> Value<'static> {
    match it.0 {
        0 => Value::Null,
        _ => price(terms, it),
    }
}

/// Returns an order's number, which counts from 1.
pub(super) fn order(number: OrderNumber) -> Value<'static> {
    Value::Integer(number.cast_signed())
}

pub(super) fn amount(currency: &Currency, amount: Amount) -> Value<'static> {
    Value::decimal(amount.0, currency.scale)
}

/// Returns the row of an event in the table of its kind.
pub(super) fn row<'a>(event: &Event, names: RowNames<'a>) -> Result<Vec<Value<'a>>> {
    let mut row = Vec::with_capacity(13);
    row.extend([
        Value::Integer(event.sequence.cast_signed()),
        Value::Time(event.ts_venue),
        Value::Time(event.ts_host),
    ]);
    match event.body() {
        Body::Quote(_) | Body::Trade(_) | Body::Book(_) | Body::Bar(_) => {
            market(event, names, &mut row)?
        }
        Body::Order(_) | Body::Fill(_) => own_orders(event, names, &mut row)?,
        Body::Signal(it) => {
            row.extend([
                names.strategy(it.source)?,
                names.text(it.name)?,
                Value::Float(it.value),
            ]);
        }
        Body::Timer(it) => row.extend([
            names.strategy(it.strategy)?,
            Value::Integer(i64::from(it.id)),
            Value::Time(it.due),
        ]),
        Body::Venue(it) => row.extend([
            names.venue(it.venue)?,
            match it.scope {
                VenueScope::Venue => Value::Null,
                VenueScope::Instrument => Value::text(&names.instrument(it.instrument)?.symbol),
            },
            Value::text(it.state.as_str()),
        ]),
        Body::Account(it) => {
            let currency = names.currency(it.currency)?;
            let (total, free) = (amount(&currency, it.total), amount(&currency, it.free));
            row.extend([
                names.venue(it.venue)?,
                Value::Text(currency.code.into()),
                total,
                free,
            ]);
        }
        Body::Lagged(it) => {
            row.extend(
                [it.first, it.last, it.dropped].map(|number| Value::Integer(number.cast_signed())),
            );
        }
    }
    Ok(row)
}

fn market<'a>(event: &Event, names: RowNames<'a>, row: &mut Vec<Value<'a>>) -> Result<()> {
    let terms = names.instrument(event.instrument().unwrap_or_default())?;
    row.push(Value::text(&terms.symbol));
    match event.body() {
        Body::Quote(it) => {
            for (level, amount) in [(it.bid, it.bid_size), (it.ask, it.ask_size)] {
                // A side without orders.
                let none = level.0 == 0 && amount.0 == 0;
                let level = [price(terms, level), size(terms, amount)];
                row.extend(if none {
                    [Value::Null, Value::Null]
                } else {
                    level
                });
            }
        }
        Body::Trade(it) => row.extend([
            Value::text(it.aggressor.as_str()),
            price(terms, it.price),
            size(terms, it.size),
            Value::Number(it.trade_id),
        ]),
        Body::Book(it) => row.extend([
            Value::text(it.change.as_str()),
            Value::text(it.side.as_str()),
            price(terms, it.price),
            size(terms, it.size),
            Value::Bool(it.last),
            Value::Number(it.update_id),
        ]),
        Body::Bar(it) => {
            row.extend([
                Value::text(it.basis.as_str()),
                Value::Integer(i64::from(it.step)),
            ]);
            row.extend([it.open, it.high, it.low, it.close].map(|level| price(terms, level)));
            row.extend([size(terms, it.volume), Value::Integer(i64::from(it.trades))]);
        }
        _ => {}
    }
    Ok(())
}

fn own_orders<'a>(event: &Event, names: RowNames<'a>, row: &mut Vec<Value<'a>>) -> Result<()> {
    let terms = names.instrument(event.instrument().unwrap_or_default())?;
    row.push(Value::text(&terms.symbol));
    match event.body() {
        Body::Order(it) => row.extend([
            names.strategy(it.strategy)?,
            order(it.order),
            Value::text(it.status.as_str()),
            Value::text(it.reason.as_str()),
            Value::text(it.side.as_str()),
            price_if_any(terms, it.price),
            size(terms, it.size),
            size(terms, it.filled),
        ]),
        Body::Fill(it) => {
            let currency = names.currency(it.fee_currency)?;
            row.extend([
                names.strategy(it.strategy)?,
                order(it.order),
                Value::text(it.side.as_str()),
                Value::text(it.liquidity.as_str()),
                price(terms, it.price),
                size(terms, it.size),
                amount(&currency, it.fee),
                Value::Text(currency.code.into()),
                Value::Number(it.trade_id),
            ]);
        }
        _ => {}
    }
    Ok(())
}

/// Returns the rows of the instruments.
pub(super) fn instruments(names: RowNames<'_>) -> Result<Vec<Vec<Value<'_>>>> {
    let terms = names.0.instruments().iter();
    terms
        .map(|it| {
            let scale = |scale: u8| Value::Integer(i64::from(scale));
            let (base, quote) = (names.currency(it.base)?, names.currency(it.quote)?);
            Ok(vec![
                Value::text(&it.symbol),
                names.venue(it.venue)?,
                Value::Text(base.code.into()),
                Value::Text(quote.code.into()),
                scale(it.price_scale),
                scale(it.size_scale),
                scale(it.quote_scale),
                price(it, it.tick),
                size(it, it.lot),
                Value::decimal(it.min_notional.0, it.quote_scale),
            ])
        })
        .collect()
}

/// Returns the rows of the currencies.
pub(super) fn currencies(registry: &Registry) -> Vec<Vec<Value<'static>>> {
    let known = (0..).map_while(|id| registry.currency(CurrencyId(id)));
    known
        .map(|it| {
            vec![
                Value::Text(it.code.into()),
                Value::Integer(i64::from(it.scale)),
            ]
        })
        .collect()
}

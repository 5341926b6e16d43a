//! The rows of instruments and currencies, without which the numbers in other rows have no meaning, and their parsing.

use super::schema::{CURRENCIES, INSTRUMENTS};
use crate::kinds::fields::Fields;
use crate::kinds::values::{RowNames, price, size};
use anyhow::Result;
use tickdeck_model::{Amount, CurrencyId, Instrument, InstrumentId, Price, Registry, Size};
use tickdeck_tables::{Row, Value};

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

/// Adds the currency of a row to the registry.
pub(super) fn add_currency(row: Row, registry: &mut Registry) -> Result<()> {
    let mut fields = Fields::of(&CURRENCIES, row, registry);
    let (code, scale) = (fields.text()?, fields.scale()?);
    fields.registry.add_currency(&code, scale)?;
    Ok(())
}

/// Adds the instrument of a row to the registry.
pub(super) fn add_instrument(row: Row, registry: &mut Registry) -> Result<()> {
    let mut fields = Fields::of(&INSTRUMENTS, row, registry);
    let symbol = fields.text()?;
    let venue = fields.text()?;
    let venue = fields.registry.add_venue(&venue);
    let (base, quote) = (fields.currency()?.id, fields.currency()?.id);
    let (price_scale, size_scale, quote_scale) =
        (fields.scale()?, fields.scale()?, fields.scale()?);
    let terms = Instrument {
        id: InstrumentId(0),
        venue,
        symbol,
        base,
        quote,
        price_scale,
        size_scale,
        quote_scale,
        tick: Price(fields.units(price_scale)?),
        lot: Size(fields.units(size_scale)?),
        min_notional: Amount(fields.units(quote_scale)?),
    };
    fields.registry.add_instrument(terms)?;
    Ok(())
}

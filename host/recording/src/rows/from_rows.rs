//! Events, instruments and currencies from rows.

use super::schema;
use anyhow::{Context, Result, anyhow, bail};
use tickdeck_model::name::{HOST_NAME, check_strategy_name};
use tickdeck_model::untrusted::quoted;
use tickdeck_model::{
    AccountUpdate, Aggressor, Amount, Bar, BarBasis, Body, BookChange, BookUpdate, Currency,
    CurrencyId, Event, Fill, Instrument, InstrumentId, Lagged, Liquidity, OrderStatus, OrderUpdate,
    Pad, Price, Quote, Reason, Registry, Side, Signal, Size, Timer, Trade, VenueId, VenueScope,
    VenueState, VenueStatus,
};
use tickdeck_tables::{Row, Table, Value};

/// Reads the values of a row in order.
struct Fields<'a> {
    table: &'static Table,
    values: std::vec::IntoIter<Value<'static>>,
    at: usize,
    registry: &'a mut Registry,
}

/// Returns the event of a row, with its recorded sequence. New names of strategies and signals are added to the registry.
pub(super) fn event(table: &'static Table, row: Row, registry: &mut Registry) -> Result<Event> {
    let mut fields = Fields {
        table,
        values: row.into_iter(),
        at: 0,
        registry,
    };
    let sequence = fields.number()?;
    let (ts_venue, ts_host) = (fields.time()?, fields.time()?);
    let body = match table.name {
        "quotes" => fields.quote()?,
        "trades" => fields.trade()?,
        "book" => fields.book()?,
        "bars" => fields.bar()?,
        "orders" => fields.order()?,
        "fills" => fields.fill()?,
        "signals" => fields.signal()?,
        "timers" => fields.timer()?,
        "venues" => fields.venue_status()?,
        "accounts" => fields.account()?,
        "lagged" => fields.lagged()?,
        other => bail!("`{other}` is no table of events"),
    };
    Ok(Event::new(ts_venue, ts_host, body).with_sequence(sequence))
}

/// Adds the currency of a row to the registry.
pub(super) fn currency(row: Row, registry: &mut Registry) -> Result<()> {
    let mut fields = Fields::of(&schema::CURRENCIES, row, registry);
    let (code, scale) = (fields.text()?, fields.scale()?);
    fields.registry.add_currency(&code, scale)?;
    Ok(())
}

/// Adds the instrument of a row to the registry.
pub(super) fn instrument(row: Row, registry: &mut Registry) -> Result<()> {
    let mut fields = Fields::of(&schema::INSTRUMENTS, row, registry);
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

impl<'a> Fields<'a> {
    fn of(table: &'static Table, row: Row, registry: &'a mut Registry) -> Self {
        Self {
            table,
            values: row.into_iter(),
            at: 0,
            registry,
        }
    }

    fn next(&mut self) -> Result<Value<'static>> {
        self.at += 1;
        self.values.next().context("the row is too short")
    }

    fn invalid(&self) -> anyhow::Error {
        let name = self
            .table
            .columns
            .get(self.at - 1)
            .map_or("", |column| column.name);
        anyhow!("`{name}` has an impossible value")
    }

    fn time(&mut self) -> Result<i64> {
        match self.next()? {
            Value::Time(at) => Ok(at),
            _ => Err(self.invalid()),
        }
    }

    /// Reads a number of the host, which is stored with a sign, or one of a venue.
    fn number(&mut self) -> Result<u64> {
        match self.next()? {
            Value::Integer(number) => u64::try_from(number).map_err(|_| self.invalid()),
            Value::Number(number) => Ok(number),
            _ => Err(self.invalid()),
        }
    }

    fn small(&mut self) -> Result<u32> {
        let number = self.number()?;
        u32::try_from(number).map_err(|_| self.invalid())
    }

    fn scale(&mut self) -> Result<u8> {
        let number = self.number()?;
        u8::try_from(number)
            .ok()
            .filter(|scale| *scale <= Instrument::MAX_SCALE)
            .ok_or_else(|| self.invalid())
    }

    fn bool(&mut self) -> Result<bool> {
        match self.next()? {
            Value::Bool(is) => Ok(is),
            _ => Err(self.invalid()),
        }
    }

    fn text(&mut self) -> Result<String> {
        match self.next()? {
            Value::Text(text) => Ok(text.into_owned()),
            _ => Err(self.invalid()),
        }
    }

    fn word<T>(&mut self, read: fn(&str) -> Option<T>) -> Result<T> {
        let text = self.text()?;
        read(&text).ok_or_else(|| self.invalid())
    }

    /// Reads a decimal at a scale; an empty value is 0.
    fn units(&mut self, scale: u8) -> Result<i64> {
        match self.next()? {
            Value::Null => Ok(0),
            value => value.units(scale).ok_or_else(|| self.invalid()),
        }
    }

    fn terms(&mut self) -> Result<(InstrumentId, u8, u8)> {
        let symbol = self.text()?;
        self.known(&symbol)
    }

    fn known(&self, symbol: &str) -> Result<(InstrumentId, u8, u8)> {
        let terms = self.registry.find_instrument(symbol);
        let terms = terms.with_context(|| {
            format!(
                "instrument {} is not in the table `instruments`",
                quoted(symbol)
            )
        })?;
        Ok((terms.id, terms.price_scale, terms.size_scale))
    }

    fn currency(&mut self) -> Result<Currency> {
        let code = self.text()?;
        let known = self.registry.find_currency(&code);
        known.with_context(|| {
            format!(
                "currency {} is not in the table `currencies`",
                quoted(&code)
            )
        })
    }

    fn venue(&mut self) -> Result<VenueId> {
        let name = self.text()?;
        Ok(self.registry.add_venue(&name))
    }

    fn strategy(&mut self) -> Result<tickdeck_model::StrategyId> {
        let name = self.text()?;
        check_strategy_name(&name).map_err(anyhow::Error::msg)?;
        Ok(self.registry.add_strategy(&name))
    }

    /// Reads the publisher of a signal, which may be the host.
    fn publisher(&mut self) -> Result<tickdeck_model::StrategyId> {
        let name = self.text()?;
        if name != HOST_NAME {
            check_strategy_name(&name).map_err(anyhow::Error::msg)?;
        }
        Ok(self.registry.add_strategy(&name))
    }

    fn quote(&mut self) -> Result<Body> {
        let (instrument, price, size) = self.terms()?;
        Ok(Body::Quote(Quote {
            instrument,
            pad: Pad::ZERO,
            bid: Price(self.units(price)?),
            bid_size: Size(self.units(size)?),
            ask: Price(self.units(price)?),
            ask_size: Size(self.units(size)?),
        }))
    }

    fn trade(&mut self) -> Result<Body> {
        let (instrument, price, size) = self.terms()?;
        Ok(Body::Trade(Trade {
            instrument,
            aggressor: self.word(Aggressor::from_name)?,
            pad: Pad::ZERO,
            price: Price(self.units(price)?),
            size: Size(self.units(size)?),
            trade_id: self.number()?,
        }))
    }

    fn book(&mut self) -> Result<Body> {
        let (instrument, price, size) = self.terms()?;
        Ok(Body::Book(BookUpdate {
            instrument,
            change: self.word(BookChange::from_name)?,
            side: self.word(Side::from_name)?,
            pad: Pad::ZERO,
            price: Price(self.units(price)?),
            size: Size(self.units(size)?),
            last: self.bool()?,
            update_id: self.number()?,
        }))
    }

    fn bar(&mut self) -> Result<Body> {
        let (instrument, price, size) = self.terms()?;
        Ok(Body::Bar(Bar {
            instrument,
            basis: self.word(BarBasis::from_name)?,
            step: self.small()?,
            open: Price(self.units(price)?),
            high: Price(self.units(price)?),
            low: Price(self.units(price)?),
            close: Price(self.units(price)?),
            volume: Size(self.units(size)?),
            trades: self.small()?,
            pad: Pad::ZERO,
        }))
    }

    fn order(&mut self) -> Result<Body> {
        let (instrument, price, size) = self.terms()?;
        Ok(Body::Order(OrderUpdate {
            instrument,
            strategy: self.strategy()?,
            order: self.number()?,
            status: self.word(OrderStatus::from_name)?,
            reason: self.word(Reason::from_name)?,
            side: self.word(Side::from_name)?,
            price: Price(self.units(price)?),
            size: Size(self.units(size)?),
            filled: Size(self.units(size)?),
            pad: Pad::ZERO,
        }))
    }

    fn fill(&mut self) -> Result<Body> {
        let (instrument, price, size) = self.terms()?;
        let (strategy, order) = (self.strategy()?, self.number()?);
        let (side, liquidity) = (
            self.word(Side::from_name)?,
            self.word(Liquidity::from_name)?,
        );
        let (price, size) = (Price(self.units(price)?), Size(self.units(size)?));
        // The fee precedes its currency, which has its scale.
        let fee = self.next()?;
        let currency = self.currency()?;
        Ok(Body::Fill(Fill {
            instrument,
            strategy,
            order,
            trade_id: self.number()?,
            price,
            size,
            fee: Amount(
                fee.units(currency.scale)
                    .context("`fee` has an impossible value")?,
            ),
            fee_currency: currency.id,
            side,
            liquidity,
            pad: Pad::ZERO,
        }))
    }

    fn signal(&mut self) -> Result<Body> {
        let (source, name) = (self.publisher()?, self.text()?);
        let name = self.registry.add_text(&name);
        match self.next()? {
            Value::Float(value) if !value.is_nan() => Ok(Body::Signal(Signal {
                source,
                name,
                value,
            })),
            _ => Err(self.invalid()),
        }
    }

    fn timer(&mut self) -> Result<Body> {
        Ok(Body::Timer(Timer {
            strategy: self.strategy()?,
            id: self.small()?,
            due: self.time()?,
        }))
    }

    fn venue_status(&mut self) -> Result<Body> {
        let venue = self.venue()?;
        let (scope, instrument) = match self.next()? {
            Value::Text(symbol) => (VenueScope::Instrument, self.known(&symbol)?.0),
            _ => (VenueScope::Venue, InstrumentId(0)),
        };
        Ok(Body::Venue(VenueStatus {
            venue,
            instrument,
            scope,
            state: self.word(VenueState::from_name)?,
            pad: Pad::ZERO,
        }))
    }

    fn account(&mut self) -> Result<Body> {
        let (venue, Currency { id, scale, .. }) = (self.venue()?, self.currency()?);
        let currency: CurrencyId = id;
        Ok(Body::Account(AccountUpdate {
            venue,
            currency,
            total: Amount(self.units(scale)?),
            free: Amount(self.units(scale)?),
        }))
    }

    fn lagged(&mut self) -> Result<Body> {
        Ok(Body::Lagged(Lagged {
            first: self.number()?,
            last: self.number()?,
            dropped: self.number()?,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(text: &str) -> Value<'static> {
        Value::Text(text.to_owned().into())
    }

    fn row(rest: impl IntoIterator<Item = Value<'static>>) -> Row {
        let head = [Value::Integer(0), Value::Time(1), Value::Time(1)];
        head.into_iter().chain(rest).collect()
    }

    #[test]
    fn a_table_makes_no_strategy_the_host_and_names_none_by_what_is_not_a_name() {
        let mut registry = Registry::new();
        let mut timer = |name: &str| {
            let row = row([text(name), Value::Integer(1), Value::Time(2)]);
            event(&schema::TIMERS, row, &mut registry).map(|_| ())
        };
        timer("ema").unwrap();
        for name in ["host", "HOST", "\u{1b}[2J", "ema\u{200b}", ""] {
            let why = timer(name).unwrap_err().to_string();
            assert_eq!(tickdeck_model::untrusted::printable(&why), why);
        }
        let mut signal = |source: &str| {
            let row = row([text(source), text("mood"), Value::Float(1.0)]);
            event(&schema::SIGNALS, row, &mut registry).map(|_| ())
        };
        signal("host").unwrap();
        signal("ema").unwrap();
        for source in ["Host", "a b"] {
            signal(source).unwrap_err();
        }
    }
}

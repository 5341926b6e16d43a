//! Out of a row: its values in order, each checked, with the numbers behind names.

use anyhow::{Context, Result, anyhow};
use tickdeck_model::name::{HOST_NAME, check_strategy_name};
use tickdeck_model::untrusted::quoted;
use tickdeck_model::{
    AccountId, Currency, Instrument, InstrumentId, Registry, StrategyId, VenueId, is_event_time,
};
use tickdeck_tables::{Row, Table, Value};

/// Reads the values of a row in order.
pub(crate) struct Fields<'a> {
    table: &'static Table,
    values: std::vec::IntoIter<Value<'static>>,
    at: usize,
    pub(crate) registry: &'a mut Registry,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(table: &'static Table, row: Row, registry: &'a mut Registry) -> Self {
        Self {
            table,
            values: row.into_iter(),
            at: 0,
            registry,
        }
    }

    pub(crate) fn next(&mut self) -> Result<Value<'static>> {
        self.at += 1;
        self.values.next().context("the row is too short")
    }

    /// The error of the value that was read last.
    pub(crate) fn invalid(&self) -> anyhow::Error {
        let name = self
            .table
            .columns
            .get(self.at - 1)
            .map_or("", |column| column.name);
        anyhow!("`{name}` has an impossible value")
    }

    pub(crate) fn time(&mut self) -> Result<i64> {
        match self.next()? {
            Value::Time(at) => Ok(at),
            _ => Err(self.invalid()),
        }
    }

    /// Reads the time of an event.
    pub(crate) fn event_time(&mut self) -> Result<i64> {
        let at = self.time()?;
        match is_event_time(at) {
            true => Ok(at),
            false => Err(anyhow!(
                "{}, not within event time, from 1970 to 2249",
                self.invalid()
            )),
        }
    }

    /// Reads a number of the host, which is stored with a sign, or one of a venue.
    pub(crate) fn number(&mut self) -> Result<u64> {
        match self.next()? {
            Value::Integer(number) => u64::try_from(number).map_err(|_| self.invalid()),
            Value::Number(number) => Ok(number),
            _ => Err(self.invalid()),
        }
    }

    /// Reads an account; an empty value is the strategy's own.
    pub(crate) fn account(&mut self) -> Result<AccountId> {
        match self.next()? {
            Value::Null => Ok(AccountId(0)),
            Value::Integer(number) => {
                let number = u32::try_from(number);
                number.map(AccountId).map_err(|_| self.invalid())
            }
            _ => Err(self.invalid()),
        }
    }

    pub(crate) fn small(&mut self) -> Result<u32> {
        let number = self.number()?;
        u32::try_from(number).map_err(|_| self.invalid())
    }

    pub(crate) fn scale(&mut self) -> Result<u8> {
        let number = self.number()?;
        u8::try_from(number)
            .ok()
            .filter(|scale| *scale <= Instrument::MAX_SCALE)
            .ok_or_else(|| self.invalid())
    }

    pub(crate) fn bool(&mut self) -> Result<bool> {
        match self.next()? {
            Value::Bool(is) => Ok(is),
            _ => Err(self.invalid()),
        }
    }

    pub(crate) fn text(&mut self) -> Result<String> {
        match self.next()? {
            Value::Text(text) => Ok(text.into_owned()),
            _ => Err(self.invalid()),
        }
    }

    /// Reads a term of the contract.
    pub(crate) fn word<T>(&mut self, read: fn(&str) -> Option<T>) -> Result<T> {
        let text = self.text()?;
        read(&text).ok_or_else(|| self.invalid())
    }

    /// Reads a decimal at a scale; an empty value is 0.
    pub(crate) fn units(&mut self, scale: u8) -> Result<i64> {
        match self.next()? {
            Value::Null => Ok(0),
            value => value.units(scale).ok_or_else(|| self.invalid()),
        }
    }

    /// Reads a symbol; returns its instrument with the scales of prices and sizes.
    pub(crate) fn terms(&mut self) -> Result<(InstrumentId, u8, u8)> {
        let symbol = self.text()?;
        self.known(&symbol)
    }

    /// Reads a symbol as an order has it: its denial also names an instrument that the run does not have (`#7`, no digits).
    pub(crate) fn terms_if_any(&mut self) -> Result<(InstrumentId, u8, u8)> {
        let symbol = self.text()?;
        let number = symbol.strip_prefix('#').and_then(|it| it.parse().ok());
        match number.map(InstrumentId) {
            Some(id) if self.registry.instrument(id).is_none() => Ok((id, 0, 0)),
            _ => self.known(&symbol),
        }
    }

    /// Returns the instrument of a symbol with the scales of prices and sizes.
    pub(crate) fn known(&self, symbol: &str) -> Result<(InstrumentId, u8, u8)> {
        let terms = self.registry.find_instrument(symbol);
        let terms = terms.with_context(|| {
            format!(
                "instrument {} is not in the table `instruments`",
                quoted(symbol)
            )
        })?;
        Ok((terms.id, terms.price_scale, terms.size_scale))
    }

    pub(crate) fn currency(&mut self) -> Result<Currency> {
        let code = self.text()?;
        let known = self.registry.find_currency(&code);
        known.with_context(|| {
            format!(
                "currency {} is not in the table `currencies`",
                quoted(&code)
            )
        })
    }

    pub(crate) fn venue(&mut self) -> Result<VenueId> {
        let name = self.text()?;
        Ok(self.registry.add_venue(&name))
    }

    pub(crate) fn strategy(&mut self) -> Result<StrategyId> {
        let name = self.text()?;
        check_strategy_name(&name).map_err(anyhow::Error::msg)?;
        Ok(self.registry.add_strategy(&name))
    }

    /// Reads the publisher of a signal, which may be the host.
    pub(crate) fn publisher(&mut self) -> Result<StrategyId> {
        let name = self.text()?;
        if name != HOST_NAME {
            check_strategy_name(&name).map_err(anyhow::Error::msg)?;
        }
        Ok(self.registry.add_strategy(&name))
    }
}

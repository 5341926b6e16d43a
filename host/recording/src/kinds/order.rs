//! Changes of the strategies' orders.

use super::columns::{INSTRUMENT, ORDER, SIDE, SIZE, STRATEGY, decimal, event_table, maybe, text};
use super::fields::Fields;
use super::recorded::Recorded;
use super::values::{RowNames, account, order, price_if_any};
use crate::names::Names;
use anyhow::Result;
use tickdeck_model::{OrderStatus, OrderUpdate, Pad, Price, Reason, Side, Size};
use tickdeck_tables::{Kind, Table, Value};

impl Recorded for OrderUpdate {
    const TABLE: &'static Table = event_table!(
        "orders",
        INSTRUMENT,
        STRATEGY,
        ORDER,
        text("status"),
        text("reason"),
        SIDE,
        maybe("price", Kind::Decimal),
        SIZE,
        decimal("filled"),
        maybe("stop_price", Kind::Decimal),
        maybe("account", Kind::Integer),
    );
    const HAS_NAMES: bool = true;

    fn put<'a>(&self, names: RowNames<'a>, row: &mut Vec<Value<'a>>) -> Result<()> {
        let (symbol, price_scale, size_scale) = names.symbol_of(self.instrument);
        row.extend([
            symbol,
            names.strategy(self.strategy)?,
            order(self.order),
            Value::text(self.status.as_str()),
            Value::text(self.reason.as_str()),
            Value::text(self.side.as_str()),
            price_if_any(price_scale, self.price),
            Value::decimal(self.size.0, size_scale),
            Value::decimal(self.filled.0, size_scale),
            price_if_any(price_scale, self.stop_price),
            account(self.account),
        ]);
        Ok(())
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let (instrument, price, size) = fields.terms_if_any()?;
        Ok(Self {
            reserved: Pad::ZERO,
            instrument,
            strategy: fields.strategy()?,
            order: fields.number()?,
            status: fields.word(OrderStatus::from_name)?,
            reason: fields.word(Reason::from_name)?,
            side: fields.word(Side::from_name)?,
            price: Price(fields.units(price)?),
            size: Size(fields.units(size)?),
            filled: Size(fields.units(size)?),
            stop_price: Price(fields.units(price)?),
            account: fields.account()?,
            pad: Pad::ZERO,
        })
    }

    fn describe(&self, names: &Names) -> String {
        let reason = match self.reason {
            Reason::Normal => String::new(),
            reason => format!(", {reason}"),
        };
        let at = match self.price.0 {
            0 => String::new(),
            _ => format!(" at {}", names.price(self.instrument, self.price)),
        };
        format!(
            "order {} {}{reason}: {} {}{at}, filled {}",
            self.order,
            self.status,
            self.side,
            names.size(self.instrument, self.size),
            names.size(self.instrument, self.filled)
        )
    }
}

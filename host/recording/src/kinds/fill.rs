//! Fills of the strategies' orders.

use super::columns::{
    INSTRUMENT, ORDER, PRICE, SIDE, SIZE, STRATEGY, decimal, event_table, maybe, text,
};
use super::fields::Fields;
use super::recorded::Recorded;
use super::values::{RowNames, account, amount, order, price, size};
use crate::names::Names;
use anyhow::{Context, Result};
use tickdeck_model::{Amount, Fill, Liquidity, Pad, Price, Side, Size};
use tickdeck_tables::{Column, Kind, Table, Value};

impl Recorded for Fill {
    const TABLE: &'static Table = event_table!(
        "fills",
        INSTRUMENT,
        STRATEGY,
        ORDER,
        SIDE,
        text("liquidity"),
        PRICE,
        SIZE,
        decimal("fee"),
        text("fee_currency"),
        Column::new("trade_id", Kind::Number),
        maybe("account", Kind::Integer),
    );
    const HAS_NAMES: bool = true;

    fn put<'a>(&self, names: RowNames<'a>, row: &mut Vec<Value<'a>>) -> Result<()> {
        let terms = names.instrument(self.instrument)?;
        let currency = names.currency(self.fee_currency)?;
        row.extend([
            Value::text(&terms.symbol),
            names.strategy(self.strategy)?,
            order(self.order),
            Value::text(self.side.as_str()),
            Value::text(self.liquidity.as_str()),
            price(terms, self.price),
            size(terms, self.size),
            amount(&currency, self.fee),
            Value::Text(currency.code.into()),
            Value::Number(self.trade_id),
            account(self.account),
        ]);
        Ok(())
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let (instrument, price, size) = fields.terms()?;
        let (strategy, order) = (fields.strategy()?, fields.number()?);
        let (side, liquidity) = (
            fields.word(Side::from_name)?,
            fields.word(Liquidity::from_name)?,
        );
        let (price, size) = (Price(fields.units(price)?), Size(fields.units(size)?));
        // The fee precedes its currency, which has its scale.
        let fee = fields.next()?;
        let currency = fields.currency()?;
        Ok(Self {
            reserved: Pad::ZERO,
            instrument,
            strategy,
            order,
            trade_id: fields.number()?,
            price,
            size,
            fee: Amount(
                fee.units(currency.scale)
                    .context("`fee` has an impossible value")?,
            ),
            fee_currency: currency.id,
            account: fields.account()?,
            side,
            liquidity,
            pad: Pad::ZERO,
        })
    }

    fn describe(&self, names: &Names) -> String {
        format!(
            "order {}: {} {} at {} as {}, fee {}",
            self.order,
            self.side,
            names.size(self.instrument, self.size),
            names.price(self.instrument, self.price),
            self.liquidity,
            names.amount(self.fee_currency, self.fee)
        )
    }
}

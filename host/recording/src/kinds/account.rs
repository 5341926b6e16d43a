//! The account's balances.

use super::columns::{decimal, event_table, maybe, text};
use super::fields::Fields;
use super::recorded::Recorded;
use super::values::{RowNames, account, amount};
use crate::names::Names;
use anyhow::Result;
use tickdeck_model::{AccountUpdate, Amount, Pad};
use tickdeck_tables::{Kind, Table, Value};

impl Recorded for AccountUpdate {
    const TABLE: &'static Table = event_table!(
        "accounts",
        text("venue"),
        text("currency"),
        decimal("total"),
        decimal("free"),
        maybe("account", Kind::Integer),
    );
    const HAS_NAMES: bool = true;

    fn put<'a>(&self, names: RowNames<'a>, row: &mut Vec<Value<'a>>) -> Result<()> {
        let currency = names.currency(self.currency)?;
        let (total, free) = (amount(&currency, self.total), amount(&currency, self.free));
        row.extend([
            names.venue(self.venue)?,
            Value::Text(currency.code.into()),
            total,
            free,
            account(self.account),
        ]);
        Ok(())
    }

    fn read(fields: &mut Fields<'_>) -> Result<Self> {
        let (venue, currency) = (fields.venue()?, fields.currency()?);
        Ok(Self {
            reserved: Pad::ZERO,
            pad: Pad::ZERO,
            venue,
            currency: currency.id,
            total: Amount(fields.units(currency.scale)?),
            free: Amount(fields.units(currency.scale)?),
            account: fields.account()?,
        })
    }

    fn describe(&self, names: &Names) -> String {
        format!(
            "{} at {}, {} free",
            names.amount(self.currency, self.total),
            names.venue(self.venue),
            names.amount(self.currency, self.free)
        )
    }
}

//! `portfolio`: what a fill costs a replica of the store, and a strategy that reads its position out of it.

mod fill;
mod read;

use crate::effort::Effort;
use crate::row::Row;
use anyhow::Result;

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    Ok(vec![fill::run(effort)?, read::run(effort)?])
}

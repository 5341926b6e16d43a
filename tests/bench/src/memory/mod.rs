//! `memory`: what the hot path allocates, and what the demo keeps resident.

mod demo;
mod hot;

use crate::effort::Effort;
use crate::row::Row;
use anyhow::Result;

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let mut rows = hot::run(effort)?;
    rows.extend(demo::run(effort)?);
    Ok(rows)
}

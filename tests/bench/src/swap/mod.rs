//! `swap`: the cost of changing a strategy while it trades, and of its failures for the others.
//!
//! A strategy that counts is swapped between two builds of the same code, each with its own hash, by a thread that takes
//! the loader's steps: dry run, prepare, swap, stop and drop the old instance. The deck also has the example plugins and a
//! twin of the strategy that is never swapped and also gets every event of the market.

mod faults;
mod file;
mod live;
mod memory;
mod modules;
mod operator;

use crate::effort::Effort;
use crate::row::Row;
use anyhow::Result;
use modules::Modules;

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let modules = Modules::load()?;
    let mut rows = live::run(effort, &modules)?;
    rows.push(memory::run(effort, &modules)?);
    rows.extend(file::run(effort)?);
    rows.extend(faults::run(effort, &modules)?);
    Ok(rows)
}

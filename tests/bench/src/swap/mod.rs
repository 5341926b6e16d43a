//! `swap`: what it costs to change a strategy while it trades, and what its failures cost the others.
//!
//! A strategy that counts is swapped between two builds of the same code, each with its own hash, by a thread that does
//! what the loader does: rehearse, prepare, swap, stop and drop the old instance. Beside it sit the example plugins and
//! a twin of the strategy that is never swapped and, like it, gets every event of the market.

mod faults;
mod file;
mod live;
mod memory;
mod operator;

use crate::Effort;
use crate::deck::Role;
use crate::guests;
use crate::row::Row;
use crate::watch::Watch;
use anyhow::Result;
use std::sync::Arc;
use tickdeck_strategy::{Module, ResourceLimits, Runtime, RuntimeConfig};

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let cast = Company::load()?;
    let mut rows = live::run(effort, &cast)?;
    rows.push(memory::run(effort, &cast)?);
    rows.extend(file::run(effort)?);
    rows.extend(faults::run(effort, &cast)?);
    Ok(rows)
}

/// The modules.
struct Company {
    /// Two builds of the strategy that counts.
    counters: [Module; 2],
    plugins: Vec<Module>,
}

impl Company {
    fn load() -> Result<Self> {
        let host = Runtime::new(RuntimeConfig::default())?;
        let limits = ResourceLimits::default();
        let counter = std::fs::read(guests::counter()?)?;
        let build = |number| {
            let bytes = guests::variant(&counter, number);
            host.load_bytes(&bytes, "counter", "counter", &limits)
        };
        let plugins = guests::modules()?.into_iter();
        let plugins = plugins.map(|(name, file)| Ok(host.load(&file, &name, &limits)?));
        Ok(Self {
            counters: [build(1)?, build(2)?],
            plugins: plugins.collect::<Result<_>>()?,
        })
    }

    /// The strategy that counts, its twin, and the example plugins.
    fn roles(&self, counter: &Arc<Watch>, twin: &Arc<Watch>) -> Vec<Role> {
        let module = &self.counters[0];
        let mut roles = vec![
            Role::named("counter", module).watched(counter),
            Role::named("twin", module).watched(twin),
        ];
        roles.extend(self.plugins.iter().map(Role::of));
        roles
    }
}

//! The modules of the strategies that take part.

use crate::deck::StrategySpec;
use crate::guests;
use crate::watch::Watch;
use anyhow::Result;
use std::sync::Arc;
use tickdeck_strategy::{Module, ResourceLimits, Runtime, RuntimeConfig};

/// The modules of all strategies.
pub(super) struct Modules {
    /// Two builds of the counting strategy.
    pub(super) counters: [Module; 2],
    plugins: Vec<Module>,
}

impl Modules {
    pub(super) fn load() -> Result<Self> {
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

    /// Returns the counting strategy, its twin, and the example plugins.
    pub(super) fn specs(&self, counter: &Arc<Watch>, twin: &Arc<Watch>) -> Vec<StrategySpec> {
        let module = &self.counters[0];
        let mut specs = vec![
            StrategySpec::named("counter", module).watched(counter),
            StrategySpec::named("twin", module).watched(twin),
        ];
        specs.extend(self.plugins.iter().map(StrategySpec::of));
        specs
    }
}

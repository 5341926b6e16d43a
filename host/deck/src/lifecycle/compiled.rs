//! What the manager does with modules once they are compiled.
//!
//! What the folder brought is loaded only when the manager has no message: loading runs a module's own code, which may take a
//! second or two, so an operator's command waits for one load at most.

use crate::change_cause::Requester;
use crate::compile_queue::Outcome;
use crate::lifecycle::manager::Manager;
use crate::lifecycle::pending::{FolderLoad, WaitsFor};
use crate::loading::strategies_of;
use std::sync::Arc;
use tickdeck_model::ModuleHash;
use tickdeck_strategy::{CompiledModule, LogLevel};

impl Manager {
    /// Continues with a compiled module, for everything that waits for it and still wants it.
    pub(super) fn compiled(&mut self, hash: ModuleHash, outcome: Outcome) {
        let outcome = Arc::new(outcome);
        if let Some(warning) = (*outcome).as_ref().ok().and_then(CompiledModule::warning) {
            self.say("plugins", LogLevel::Warn, warning);
        }
        for waiting in self.pending.take(hash) {
            match waiting {
                WaitsFor::Folder(module) => {
                    let strategies = strategies_of(&self.loader.config, &module).into_iter();
                    self.loads.extend(strategies.map(|strategy| FolderLoad {
                        strategy,
                        module: module.clone(),
                        hash,
                        outcome: Arc::clone(&outcome),
                    }));
                }
                WaitsFor::Operator(name, module, reply) => {
                    let answer = match self.is_current(&module, hash) {
                        true => {
                            let settings = self.loader.config.strategies.get(&name).cloned();
                            let by = (Requester::Operator, (*outcome).as_ref().err());
                            self.offer(&name, settings.unwrap_or_default(), &module, by)
                        }
                        false => Err(format!("{module}.wasm changed while it was compiled")),
                    };
                    // The operator may have given up.
                    let _ = reply.send(answer);
                }
            }
        }
    }

    /// Whether modules of the folder wait to be loaded.
    pub(super) fn has_loads(&self) -> bool {
        !self.loads.is_empty()
    }

    /// Loads the next module of the folder for one strategy, unless a newer one is on its way or it was removed.
    pub(super) fn load_next(&mut self) {
        self.apply_reported(None);
        if let Some(load) = self.loads.pop_front()
            && self.is_current(&load.module, load.hash)
        {
            let (name, settings) = load.strategy;
            let by = (Requester::Folder, load.outcome.as_ref().as_ref().err());
            // The outcome is in the feed and in the history.
            let _ = self.offer(&name, settings, &load.module, by);
        }
    }

    fn is_current(&self, module: &str, hash: ModuleHash) -> bool {
        let plugin = self.plugins.get(module);
        plugin.is_some_and(|plugin| plugin.hash == hash)
    }
}

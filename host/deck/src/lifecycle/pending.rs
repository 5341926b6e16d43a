//! Modules that are being compiled, and what waits for each.

use crate::compile_queue::{CompileQueue, CompileRequest, Outcome};
use crate::lifecycle::message::{Message, Reply};
use crate::loading::StrategyLoader;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::mpsc::Sender;
use tickdeck_model::ModuleHash;
use tickdeck_settings::config::StrategySettings;
use tickdeck_strategy::watch::Plugin;

/// What waits for a module to be compiled.
pub(super) enum WaitsFor {
    /// The module with this name changed in the folder.
    Folder(String),
    /// An operator asked to reload the strategy with the first name, with the module of the second.
    Operator(String, String, Reply),
}

/// A module of the folder that is compiled and waits to be loaded for a strategy.
pub(super) struct FolderLoad {
    pub(super) strategy: (String, StrategySettings),
    pub(super) module: String,
    pub(super) hash: ModuleHash,
    /// Keeps the code in memory until it is loaded.
    pub(super) outcome: Arc<Outcome>,
}

/// The modules that are being compiled.
pub(super) struct PendingModules {
    queue: CompileQueue,
    messages: Sender<Message>,
    waiting: HashMap<ModuleHash, Vec<WaitsFor>>,
}

impl PendingModules {
    pub(super) fn new(queue: CompileQueue, messages: Sender<Message>) -> Self {
        Self {
            queue,
            messages,
            waiting: HashMap::new(),
        }
    }

    /// Compiles a module, unless it is already being compiled, and notes what waits for it. The manager gets a message.
    pub(super) fn compile(&mut self, plugin: &Plugin, loader: &StrategyLoader, waits: WaitsFor) {
        let waiting = self.waiting.entry(plugin.hash).or_default();
        waiting.push(waits);
        if waiting.len() > 1 {
            return;
        }
        let (hash, messages) = (plugin.hash, self.messages.clone());
        let done = move |outcome: Outcome| {
            // An error means that the manager has ended.
            drop(messages.send(Message::Compiled(hash, outcome)));
        };
        self.queue.push(CompileRequest::of(plugin, loader, done));
    }

    /// Takes what waits for a module.
    pub(super) fn take(&mut self, hash: ModuleHash) -> Vec<WaitsFor> {
        self.waiting.remove(&hash).unwrap_or_default()
    }
}

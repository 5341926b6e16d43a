//! The manager: handles one message after another, however long each takes, and never blocks the engine.

use crate::change_cause::{ChangeCause, Requester};
use crate::compile_queue::NotCompiled;
use crate::feed::{OperatorFeed, ReportedChange, Topic, describe_state, micros};
use crate::lifecycle::history::{StrategyHistory, StrategyRecord};
use crate::lifecycle::history_entries;
use crate::lifecycle::managed::ManagedStrategy;
use crate::lifecycle::message::{Message, UNEXPECTED};
use crate::lifecycle::pending::{FolderLoad, PendingModules, WaitsFor};
use crate::lifecycle::setup::{ManagerSetup, SaveNames, quarantined};
use crate::loading::{LoadFailure, LoadedStrategy, StrategyLoader, strategies_of};
use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::mpsc::Receiver;
use tickdeck_engine::port::Version;
use tickdeck_engine::{EngineHandle, StrategyChange, VersionChange};
use tickdeck_model::{NameCount, Registry, StrategyId};
use tickdeck_recording::Quarantine;
use tickdeck_recording::names::Names;
use tickdeck_recording::sentence::sentence;
use tickdeck_settings::config::StrategySettings;
use tickdeck_settings::grants::Grants;
use tickdeck_strategy::LogLevel;
use tickdeck_strategy::watch::{Fingerprint, Plugin, PluginChange, Refused, Watcher};

/// Manages the strategies of a running deck.
pub(super) struct Manager {
    pub(super) loader: StrategyLoader,
    pub(super) grants: Grants,
    pub(super) registry: Arc<Registry>,
    pub(super) save_names: SaveNames,
    pub(super) names: Names,
    /// The names that the recorded run has.
    pub(super) recorded_names: NameCount,
    pub(super) history: StrategyHistory,
    pub(super) engine: EngineHandle,
    /// Changes that the engine has reported but that are not applied yet.
    pub(super) reported: Receiver<ReportedChange>,
    pub(super) watcher: Option<Watcher>,
    pub(super) folder: Option<PathBuf>,
    pub(super) entries: BTreeMap<String, ManagedStrategy>,
    /// The modules as last seen, by name.
    pub(super) plugins: BTreeMap<String, Plugin>,
    /// The modules that are being compiled.
    pub(super) pending: PendingModules,
    /// The modules of the folder that are compiled and not loaded yet.
    pub(super) loads: VecDeque<FolderLoad>,
    /// The modules that must not run until an operator allows it.
    quarantine: Quarantine,
}

impl Manager {
    pub(super) fn new(
        setup: ManagerSetup,
        engine: EngineHandle,
        reported: Receiver<ReportedChange>,
        watcher: Option<Watcher>,
        pending: PendingModules,
    ) -> Self {
        let mut manager = Self {
            loader: setup.loader,
            grants: setup.grants,
            registry: setup.registry,
            save_names: setup.save_names,
            names: setup.names,
            recorded_names: setup.recorded_names,
            history: setup.history,
            engine,
            reported,
            watcher,
            folder: setup.folder,
            entries: BTreeMap::new(),
            plugins: BTreeMap::new(),
            pending,
            loads: VecDeque::new(),
            quarantine: setup.quarantine,
        };
        for plugin in setup.scan.plugins {
            manager.plugins.insert(plugin.name.clone(), plugin);
        }
        for loaded in setup.started {
            let entry = manager.entry(&loaded.name);
            entry.id = Some(loaded.id);
            entry.set_live(1, history_entries::content(&loaded));
        }
        for loaded in setup.waiting {
            let name = loaded.name.clone();
            manager.entry(&name).waiting = Some(loaded);
        }
        for ended in setup.ended {
            let entry = manager.entry(&ended.name);
            entry.id = ended.id;
            if let Some((fingerprint, why)) = ended.failed {
                entry.failed.insert(fingerprint);
                manager
                    .history
                    .change(&ended.name, |record| record.notes(&why));
            }
        }
        manager
    }

    pub(super) fn entry(&mut self, name: &str) -> &mut ManagedStrategy {
        self.entries.entry(name.to_owned()).or_default()
    }

    /// Returns the cores that trade.
    pub(super) fn cores(&self) -> &[usize] {
        &self.loader.config.engine.pin
    }

    pub(super) fn feed(&self) -> &OperatorFeed {
        &self.loader.feed
    }

    /// Adds a line about a strategy's versions to the feed.
    pub(super) fn say(&self, subject: &str, level: LogLevel, text: &str) {
        self.feed().say(Topic::Version, subject, level, text);
    }

    /// Handles a message, after the changes that the engine reported before it.
    pub(super) fn handle(&mut self, message: Message) {
        self.apply_reported(None);
        match message {
            Message::Folder(change) => self.folder_changed(change),
            Message::Compiled(hash, outcome) => self.compiled(hash, outcome),
            Message::Command(name, command, reply) => self.obey(name, command, reply),
            // The first was handled above, the others belong to the thread.
            Message::Reported | Message::Retention(_) | Message::Stop => {}
        }
    }

    /// Reports that handling a message panicked.
    pub(super) fn report_panic(&self) {
        let text = "the last change failed because of a bug in tickdeck; running strategies are not affected";
        self.feed()
            .say(Topic::Failure, "plugins", LogLevel::Error, text);
    }

    fn folder_changed(&mut self, change: PluginChange) {
        match change {
            PluginChange::Ready(plugin) => self.plugin_ready(plugin),
            PluginChange::Removed { name } => self.plugin_gone(&name),
            PluginChange::Refused(refused) => self.plugin_refused(&refused),
            PluginChange::FolderUnavailable { why } => {
                let text = format!("{why}; running strategies are not affected");
                self.say("plugins", LogLevel::Warn, &text);
            }
            PluginChange::FolderAvailable => {
                self.say("plugins", LogLevel::Info, "the plugins folder is back");
            }
            PluginChange::Note(text) => self.say("plugins", LogLevel::Warn, &text),
        }
    }

    /// Reports a file that is not a plugin, and what continues without it.
    fn plugin_refused(&mut self, refused: &Refused) {
        let strategies = strategies_of(&self.loader.config, &refused.name);
        let is_running = |name: &str| self.entries.get(name).is_some_and(|entry| entry.started);
        let running = strategies.iter().map(|(name, _)| name.as_str());
        let running: Vec<&str> = running.filter(|name| is_running(name)).collect();
        let rest = match running.as_slice() {
            [] => String::new(),
            [one] => format!("; {one} keeps running unchanged"),
            several => format!("; {} keep running unchanged", several.join(", ")),
        };
        let text = refused.why.clone() + &rest;
        self.say("plugins", LogLevel::Warn, &text);
    }

    fn plugin_ready(&mut self, plugin: Plugin) {
        let module = plugin.name.clone();
        let strategies = strategies_of(&self.loader.config, &module);
        let fingerprint = plugin.fingerprint();
        let is_new = strategies.iter().any(|(name, _)| {
            let entry = self.entries.get(name);
            entry.is_none_or(|entry| entry.is_news(fingerprint))
        });
        self.plugins.insert(module.clone(), plugin.clone());
        match is_new {
            true => self
                .pending
                .compile(&plugin, &self.loader, WaitsFor::Folder(module)),
            false => self.pass_over_all(&module),
        }
    }

    /// Offers a module to the strategies that run it, all of which know this content.
    fn pass_over_all(&mut self, module: &str) {
        for (name, settings) in strategies_of(&self.loader.config, module) {
            // The outcome is in the feed and in the history.
            let _ = self.offer(&name, settings, module, (Requester::Folder, None));
        }
    }

    fn plugin_gone(&mut self, module: &str) {
        self.plugins.remove(module);
        for (name, _) in strategies_of(&self.loader.config, module) {
            let started = self.entry(&name).started;
            match self.remove(&name) {
                Err(why) if started => self.say(&name, LogLevel::Error, &why),
                // One that was never started is only forgotten.
                _ => {}
            }
        }
    }

    /// Offers a strategy its module, or reports why it could not be compiled. Only an operator can offer a content again, or one
    /// that failed.
    pub(super) fn offer(
        &mut self,
        name: &str,
        settings: StrategySettings,
        module: &str,
        (requester, refused): (Requester, Option<&NotCompiled>),
    ) -> Result<String, String> {
        let Some(plugin) = self.plugins.get(module).cloned() else {
            return Err(format!(
                "there is no module `{module}.wasm` in the plugins folder"
            ));
        };
        let fingerprint = plugin.fingerprint();
        let entry = self.entry(name);
        let is_repeated = entry.offered.replace(fingerprint) == Some(fingerprint);
        if requester == Requester::Folder {
            if is_repeated {
                // An operator's reload was faster than the watcher.
                return Ok(format!("{name} was already offered this version"));
            }
            if let Some(answer) = self.pass_over(name, fingerprint) {
                return answer;
            }
            if let Some(entry) = self.quarantine.entry(name, &plugin.hash.to_string()) {
                let why = quarantined(name, &entry.why);
                self.refuse(name, fingerprint, &why);
                return Err(why);
            }
        }
        let entry = self.entry(name);
        // A version that waited is no longer the one in the folder.
        entry.waiting = None;
        entry.failed.remove(&fingerprint);
        let mut registry = (*self.registry).clone();
        let loaded = match refused {
            Some(why) => Err(why.clone().into()),
            None => self
                .loader
                .load((name, settings), &plugin, &self.grants, &mut registry),
        };
        let taken = match loaded {
            Ok(loaded) => self.admit(loaded, registry, requester),
            Err(LoadFailure::Changed(why)) => {
                // This says nothing about the version itself: the watcher reports the file again, even with the same content.
                self.entry(name).offered = None;
                if let Some(watcher) = &self.watcher {
                    watcher.report_again(&plugin.name);
                }
                self.say(name, LogLevel::Info, &why);
                return Err(why);
            }
            Err(failure) => Err(failure.describe()),
        };
        if let Err(why) = &taken {
            self.refuse(name, fingerprint, why);
        }
        taken
    }

    /// Passes over a content that runs already, or that failed before; `None` for any other.
    fn pass_over(
        &mut self,
        name: &str,
        fingerprint: Fingerprint,
    ) -> Option<Result<String, String>> {
        let entry = self.entry(name);
        if entry.runs(fingerprint) {
            entry.waiting = None;
            let text = "the file is the version that trades";
            self.history.change(name, StrategyRecord::settle);
            self.say(name, LogLevel::Info, text);
            return Some(Ok(format!("{name}: {text}")));
        }
        if entry.failed.contains(&fingerprint) {
            entry.waiting = None;
            let text = "this version failed before and is not loaded again; change it, or \
                        `tickdeck strategies reload` it";
            self.say(name, LogLevel::Warn, text);
            self.history.change(name, |record| record.notes(text));
            return Some(Err(text.to_owned()));
        }
        None
    }

    /// Reports that a version was refused.
    fn refuse(&mut self, name: &str, content: Fingerprint, why: &str) {
        let entry = self.entry(name);
        entry.failed.insert(content);
        let rest = match entry.started {
            true => "; the old version keeps running",
            false => "",
        };
        let text = format!(
            "a new version was refused: {}",
            history_entries::first_line(why)
        );
        self.say(name, LogLevel::Error, &format!("{text}{rest}"));
        let at = self.feed().latest().now;
        self.history.change(name, |record| {
            record.fault(at, why);
            record.notes(&text);
            if record.id.is_none() {
                record.inactive = Some("refused");
            }
        });
    }

    /// Saves the names of a loaded strategy, and starts it or swaps it in if its permissions are granted.
    fn admit(
        &mut self,
        loaded: LoadedStrategy,
        registry: Registry,
        requester: Requester,
    ) -> Result<String, String> {
        self.count_names(&loaded.name, &registry)?;
        (self.save_names)(&registry).map_err(|error| sentence(&error))?;
        self.registry = Arc::new(registry);
        self.names.learn(&self.registry);
        for text in &loaded.decision.overruled {
            let text = format!("{text}, as tickdeck.toml says");
            self.say(&loaded.name, LogLevel::Warn, &text);
        }
        if !loaded.decision.increases.is_empty() {
            return Ok(self.wait(loaded));
        }
        self.bring_in(&loaded, requester)
    }

    /// Makes a version wait for the operator, because it requests more than was granted.
    fn wait(&mut self, loaded: LoadedStrategy) -> String {
        let name = loaded.name.clone();
        let text = history_entries::request_text(&loaded);
        self.history
            .change(&name, |record| history_entries::waits(record, &loaded));
        self.entry(&name).waiting = Some(loaded);
        // Last, so that the state already matches when the line is read.
        self.say(&name, LogLevel::Warn, &text);
        text
    }

    /// Starts a strategy, or swaps its new version in. Lifts its quarantine: there is another module, or an operator allows it.
    fn bring_in(
        &mut self,
        loaded: &LoadedStrategy,
        requester: Requester,
    ) -> Result<String, String> {
        let released = self.quarantine.release(&loaded.name);
        released.map_err(|error| sentence(&error))?;
        let name = &loaded.name;
        let preparation = history_entries::preparation(loaded.inspection());
        let cause = ChangeCause::Module {
            requester,
            content: history_entries::content(loaded),
            preparation: preparation.clone(),
        };
        let (program, version) =
            loaded.late_version(&self.registry, self.recorded_names, self.feed());
        let label = version.label.clone();
        if !self.entry(name).started {
            let change = self.start_of(loaded, version)?;
            self.request_with_names(change, cause)?;
            return Ok(format!("{name} {label} trades"));
        }
        self.try_out(loaded.id, &version)?;
        // Instantiated in advance, so that the handover need not wait for it.
        program.prepare().map_err(|fault| fault.0)?;
        let swap = StrategyChange::Swap(loaded.id, Box::new(version));
        match self.request_with_names(swap, cause)? {
            VersionChange::Swapped {
                took_ns, inherited, ..
            } => Ok(format!(
                "{name} is {label}: {preparation}, handed over in {}, {}",
                micros(took_ns),
                describe_state(inherited)
            )),
            VersionChange::Shadow { .. } => Ok(format!(
                "version {label} runs as a shadow; `tickdeck strategies promote {name}` makes it trade"
            )),
            _ => Err(UNEXPECTED.to_owned()),
        }
    }

    /// Prepares the start of a strategy, from its last position and order number if it ran before.
    fn start_of(
        &self,
        loaded: &LoadedStrategy,
        version: Version,
    ) -> Result<StrategyChange, String> {
        // One that ran before has positions, and has used order numbers.
        let id = self.entries.get(&loaded.name).and_then(|entry| entry.id);
        let left = match id {
            Some(id) => Some(*self.dry_run(id)?),
            None => None,
        };
        let start = self
            .loader
            .start(loaded, version, &self.registry, left)
            .map_err(|failure: LoadFailure| failure.describe())?;
        Ok(StrategyChange::Start(Box::new(start)))
    }

    /// Removes a strategy, or forgets the version that waits.
    pub(super) fn remove(&mut self, name: &str) -> Result<String, String> {
        let entry = self.entry(name);
        let waited = entry.waiting.take().is_some();
        entry.failed.clear();
        entry.offered = None;
        let running = entry.started.then_some(entry.id).flatten();
        self.history.change(name, StrategyRecord::settle);
        let Some(id) = running else {
            self.history
                .change(name, |record| record.inactive = Some("removed"));
            if !waited {
                return Err(format!("{name} does not run"));
            }
            let text = "no longer waits for an approval";
            self.say(name, LogLevel::Info, text);
            return Ok(format!("{name} {text}"));
        };
        self.request(StrategyChange::Remove(id), ChangeCause::Remove)?;
        let open = self.open_positions(id);
        if !open.is_empty() {
            let text = format!("its position stays open, and no strategy manages it: {open}");
            self.say(name, LogLevel::Warn, &text);
            return Ok(format!("{name} stopped cleanly; {text}"));
        }
        Ok(format!("{name} stopped cleanly, with no position"))
    }

    /// Returns the open positions of a strategy, for display.
    fn open_positions(&self, id: StrategyId) -> String {
        let status = self.feed().latest();
        let found = status.strategies.iter().find(|one| one.id == id);
        let open = found.into_iter().flat_map(|one| &one.positions);
        let texts: Vec<String> = open
            .filter(|(_, size)| size.0 != 0)
            .map(|(instrument, size)| {
                let symbol = self.names.symbol(*instrument);
                format!("{} {symbol}", self.names.size(*instrument, *size))
            })
            .collect();
        texts.join(", ")
    }
}

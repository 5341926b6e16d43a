//! The loader: takes one thing after another, as long as it takes, and never holds up the engine.

use super::{Keep, ManagerSetup, Message};
use crate::feed::{OperatorFeed, Topic, inherited_words, micros};
use crate::lifecycle::history::StrategyHistory;
use crate::lifecycle::history_entries;
use crate::lifecycle::history_entries::Content;
use crate::lifecycle::managed::ManagedStrategy;
use crate::loading::{LoadFailure, LoadedStrategy, StrategyLoader, strategies_of};
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use tickdeck_engine::port::{StopReason, Strategy, Version};
use tickdeck_engine::{ChangeResult, DryRun, EngineHandle, VersionChange};
use tickdeck_model::{Registry, StrategyId, Timestamp};
use tickdeck_recording::names::Names;
use tickdeck_settings::config::StrategySettings;
use tickdeck_settings::grants::Grants;
use tickdeck_strategy::LogLevel;
use tickdeck_strategy::watch::{Fingerprint, Plugin, PluginChange, Watcher};

/// What the loader works on.
pub(super) struct Manager {
    pub(super) loader: StrategyLoader,
    pub(super) grants: Grants,
    pub(super) registry: Arc<Registry>,
    pub(super) keep: Keep,
    pub(super) names: Names,
    pub(super) ledger: StrategyHistory,
    pub(super) controls: EngineHandle,
    pub(super) watcher: Option<Watcher>,
    pub(super) folder: Option<PathBuf>,
    pub(super) entries: BTreeMap<String, ManagedStrategy>,
    /// By module name: its content as last seen.
    pub(super) plugins: BTreeMap<String, Plugin>,
}

impl Manager {
    pub(super) fn new(
        setup: ManagerSetup,
        controls: EngineHandle,
        watcher: Option<Watcher>,
    ) -> Self {
        let mut loader = Self {
            loader: setup.loader,
            grants: setup.grants,
            registry: setup.registry,
            keep: setup.keep,
            names: setup.names,
            ledger: setup.ledger,
            controls,
            watcher,
            folder: setup.folder,
            entries: BTreeMap::new(),
            plugins: BTreeMap::new(),
        };
        for plugin in setup.scan.plugins {
            loader.plugins.insert(plugin.name.clone(), plugin);
        }
        for candidate in setup.seated {
            let entry = loader.entry(&candidate.name);
            entry.id = Some(candidate.id);
            entry.counts(1, Content::of(&candidate));
        }
        for candidate in setup.waiting {
            let name = candidate.name.clone();
            loader.entry(&name).waiting = Some(candidate);
        }
        loader
    }

    pub(super) fn entry(&mut self, name: &str) -> &mut ManagedStrategy {
        self.entries.entry(name.to_owned()).or_default()
    }

    /// The cores that trade.
    pub(super) fn cores(&self) -> &[usize] {
        &self.loader.config.engine.pin
    }

    pub(super) fn feed(&self) -> &OperatorFeed {
        &self.loader.feed
    }

    /// Takes a message.
    pub(super) fn take(&mut self, message: Message) {
        match message {
            Message::Folder(change) => self.folder(change),
            Message::Version(at, strategy, change) => self.version(at, strategy, &change),
            Message::Command(name, wish, reply) => {
                // Whoever asked may have given up.
                let _ = reply.send(self.wish(&name, wish));
            }
            // The thread's own.
            Message::Retention(_) | Message::Stop => {}
        }
    }

    /// Something panicked over a message: what runs goes on.
    pub(super) fn failed(&self) {
        let words = "the loader failed over the last change, a bug in tickdeck; what runs goes on";
        self.feed()
            .say(Topic::Failure, "plugins", LogLevel::Error, words);
    }

    /// Something changed in the plugins folder.
    fn folder(&mut self, change: PluginChange) {
        match change {
            PluginChange::Ready(plugin) => {
                let module = plugin.name.clone();
                self.plugins.insert(module.clone(), plugin);
                for (name, settings) in strategies_of(&self.loader.config, &module) {
                    // What came of it stands on the board and in the ledger.
                    let _ = self.offer(&name, settings, &module, false);
                }
            }
            PluginChange::Removed { name: module } => {
                self.plugins.remove(&module);
                for (name, _) in strategies_of(&self.loader.config, &module) {
                    let seated = self.entry(&name).seated;
                    // What never had a seat is only forgotten.
                    match self.remove(&name) {
                        Err(why) if seated => {
                            self.feed()
                                .say(Topic::Version, &name, LogLevel::Error, &why)
                        }
                        _ => {}
                    }
                }
            }
            PluginChange::Refused(refused) => {
                let words = format!("{}; what runs as {} goes on", refused.why, refused.name);
                self.feed()
                    .say(Topic::Version, "plugins", LogLevel::Warn, &words);
            }
            PluginChange::FolderUnavailable { why } => {
                let words = format!("{why}; what runs goes on");
                self.feed()
                    .say(Topic::Version, "plugins", LogLevel::Warn, &words);
            }
            PluginChange::FolderAvailable => {
                let words = "the plugins folder is back";
                self.feed()
                    .say(Topic::Version, "plugins", LogLevel::Info, words);
            }
            PluginChange::Note(words) => {
                self.feed()
                    .say(Topic::Version, "plugins", LogLevel::Warn, &words)
            }
        }
    }

    /// Offers a strategy what its module is now; `again` even if it failed before.
    pub(super) fn offer(
        &mut self,
        name: &str,
        settings: StrategySettings,
        module: &str,
        again: bool,
    ) -> Result<String, String> {
        let Some(plugin) = self.plugins.get(module).cloned() else {
            return Err(format!(
                "there is no module `{module}.wasm` in the plugins folder"
            ));
        };
        let fingerprint = plugin.fingerprint();
        let entry = self.entry(name);
        let offered = entry.offered.replace(fingerprint);
        if offered == Some(fingerprint) && !again {
            // A reload came first.
            return Ok(format!("{name} was offered this very version"));
        }
        // Whatever was asked for before is not what lies there now.
        entry.waiting = None;
        if entry.runs(fingerprint) && !again {
            let words = "the file is the version that trades";
            self.ledger.change(name, super::StrategyRecord::settle);
            self.feed().say(Topic::Version, name, LogLevel::Info, words);
            return Ok(format!("{name}: {words}"));
        }
        if entry.failed.contains(&fingerprint) && !again {
            let words = "this version failed before and is not taken again; change it, or \
                         `tickdeck strategies reload` it";
            self.feed().say(Topic::Version, name, LogLevel::Warn, words);
            self.ledger
                .change(name, |record| record.note = Some(words.to_owned()));
            return Err(words.to_owned());
        }
        entry.failed.remove(&fingerprint);
        let mut registry = (*self.registry).clone();
        let candidate =
            self.loader
                .candidate((name, settings), &plugin, &self.grants, &mut registry);
        let taken = match candidate {
            Ok(candidate) => self.admit(candidate, registry),
            Err(failure) => Err(failure.words()),
        };
        if let Err(why) = &taken {
            self.refuse(name, fingerprint, why);
        }
        taken
    }

    /// A version is not taken.
    fn refuse(&mut self, name: &str, content: Fingerprint, why: &str) {
        let entry = self.entry(name);
        entry.failed.insert(content);
        let kept = match entry.seated {
            true => "; the version before goes on",
            false => "",
        };
        let words = format!(
            "a new version was refused: {}",
            history_entries::first_line(why)
        );
        self.feed().say(
            Topic::Version,
            name,
            LogLevel::Error,
            &format!("{words}{kept}"),
        );
        let at = self.feed().latest().now;
        self.ledger.change(name, |record| {
            record.fault(at, why.to_owned());
            record.note = Some(words);
            if record.id.is_none() {
                record.unseated = Some("refused");
            }
        });
    }

    /// Takes a candidate as far as its permissions let it.
    fn admit(&mut self, candidate: LoadedStrategy, registry: Registry) -> Result<String, String> {
        (self.keep)(&registry).map_err(|error| tickdeck_recording::sentence::sentence(&error))?;
        self.registry = Arc::new(registry);
        self.names.learn(&self.registry);
        let name = candidate.name.clone();
        for words in &candidate.decision.overruled {
            let words = format!("{words}, as tickdeck.toml has it");
            self.feed()
                .say(Topic::Version, &name, LogLevel::Warn, &words);
        }
        if !candidate.decision.increases.is_empty() {
            return Ok(self.wait(candidate));
        }
        self.change(&candidate)
    }

    /// It asks for more than was granted: the operator has the word.
    fn wait(&mut self, candidate: LoadedStrategy) -> String {
        let name = candidate.name.clone();
        let words = history_entries::asks(&candidate);
        self.feed()
            .say(Topic::Version, &name, LogLevel::Warn, &words);
        self.ledger
            .change(&name, |record| history_entries::waits(record, &candidate));
        self.entry(&name).waiting = Some(candidate);
        words
    }

    /// Lets a candidate take over, or take its seat.
    fn change(&mut self, candidate: &LoadedStrategy) -> Result<String, String> {
        let name = &candidate.name;
        let inspection = candidate.inspection();
        let loading = history_entries::compiled_words(inspection);
        let (program, version) = candidate.late_version(&self.registry, self.feed());
        let content = Content::of(candidate);
        let seated = self.entry(name).seated;
        let reason = if seated { "replaced" } else { "came" };
        self.entry(name).coming = Some((reason, loading.clone()));
        if !seated {
            return self.seat(candidate, version);
        }
        self.rehearse(candidate.id, &version)?;
        // Made ahead, the handover need not wait for it.
        program.prepare().map_err(|fault| fault.0)?;
        let label = version.label.clone();
        let change = tickdeck_engine::StrategyChange::Swap(candidate.id, Box::new(version));
        match self.bring_in(candidate, change)? {
            ChangeResult::Swapped(swapped) => {
                let entry = self.entry(name);
                entry.counts(swapped.generation, content);
                entry.shadow = None;
                self.counts(name);
                retire(swapped.retired, StopReason::Replaced);
                Ok(format!(
                    "{name} is {label}: {loading}, handed over in {}, {}",
                    micros(swapped.took_ns),
                    inherited_words(swapped.inherited)
                ))
            }
            ChangeResult::Shadow(swapped) => {
                self.entry(name).shadow = Some(content);
                retire(swapped.retired, StopReason::Replaced);
                // How it does is told with the strategy's figures.
                self.ledger.change(name, super::StrategyRecord::settle);
                Ok(format!(
                    "version {label} runs beside; `tickdeck strategies promote {name}` lets it trade"
                ))
            }
            _ => Err("the engine answered something else".to_owned()),
        }
    }

    fn seat(&mut self, candidate: &LoadedStrategy, version: Version) -> Result<String, String> {
        let name = &candidate.name;
        let label = version.label.clone();
        // It may have sat here before: then it has positions, and has used order numbers.
        let left = match self.entry(name).id {
            Some(id) => Some(*self.rehearsal(id)?),
            None => None,
        };
        let seat = self
            .loader
            .seat(candidate, version, &self.registry, left)
            .map_err(|failure: LoadFailure| failure.words())?;
        let seated = self.bring_in(
            candidate,
            tickdeck_engine::StrategyChange::Start(Box::new(seat)),
        )?;
        let ChangeResult::Started(generation) = seated else {
            return Err("the engine answered something else".to_owned());
        };
        let entry = self.entry(name);
        (entry.id, entry.shadow) = (Some(candidate.id), None);
        entry.counts(generation, Content::of(candidate));
        self.counts(name);
        Ok(format!("{name} {label} trades"))
    }

    /// Another content counts: that is what is known of the strategy.
    pub(super) fn counts(&self, name: &str) {
        let live = self.entries.get(name).and_then(ManagedStrategy::live);
        self.ledger.change(name, |record| {
            record.settle();
            if let Some(live) = live {
                live.counts(record);
            }
        });
    }

    fn rehearsal(&self, id: StrategyId) -> Result<Box<DryRun>, String> {
        match self.ask(tickdeck_engine::StrategyChange::DryRun(id))? {
            ChangeResult::DryRun(rehearsal) => Ok(rehearsal),
            _ => Err("the engine answered something else".to_owned()),
        }
    }

    /// Tries a version where its predecessor stands.
    fn rehearse(&self, id: StrategyId, version: &Version) -> Result<(), String> {
        let tried = self.rehearsal(id)?.run(version);
        tried.map(drop).map_err(|fault| {
            format!(
                "version {} failed on the last events: {fault}",
                version.label
            )
        })
    }

    /// Asks for a change that brings a new module in; the board tells how it was compiled along with it.
    fn bring_in(
        &self,
        candidate: &LoadedStrategy,
        change: tickdeck_engine::StrategyChange,
    ) -> Result<ChangeResult, String> {
        let words = history_entries::compiled_words(candidate.inspection());
        self.feed().compiled(candidate.id, Some(words));
        let changed = self.ask(change);
        if changed.is_err() {
            self.feed().compiled(candidate.id, None);
        }
        changed
    }

    pub(super) fn ask(
        &self,
        change: tickdeck_engine::StrategyChange,
    ) -> Result<ChangeResult, String> {
        let answer = self.controls.change(change).recv();
        answer.unwrap_or_else(|_| Err("the host is shutting down".to_owned()))
    }

    pub(super) fn remove(&mut self, name: &str) -> Result<String, String> {
        let entry = self.entry(name);
        let waited = entry.waiting.take().is_some();
        entry.failed.clear();
        entry.offered = None;
        let seated = entry.seated.then_some(entry.id).flatten();
        self.ledger.change(name, super::StrategyRecord::settle);
        let Some(id) = seated else {
            self.ledger
                .change(name, |record| record.unseated = Some("removed"));
            if !waited {
                return Err(format!("{name} does not run"));
            }
            let words = "no longer waits for an approval";
            self.feed().say(Topic::Version, name, LogLevel::Info, words);
            return Ok(format!("{name} {words}"));
        };
        let ChangeResult::Removed(instance) =
            self.ask(tickdeck_engine::StrategyChange::Remove(id))?
        else {
            return Err("the engine answered something else".to_owned());
        };
        retire(instance, StopReason::Removed);
        let entry = self.entry(name);
        entry.seated = false;
        entry.contents.clear();
        entry.shadow = None;
        let open = self.open_positions(id);
        if !open.is_empty() {
            let words = format!("its position stays open, and nobody trades it: {open}");
            self.feed()
                .say(Topic::Version, name, LogLevel::Warn, &words);
            return Ok(format!("{name} left in order; {words}"));
        }
        Ok(format!("{name} left in order, with no position"))
    }

    /// What a strategy holds, in words.
    fn open_positions(&self, id: StrategyId) -> String {
        let status = self.feed().latest();
        let found = status.strategies.iter().find(|one| one.id == id);
        let open = found.into_iter().flat_map(|one| &one.positions);
        let words: Vec<String> = open
            .filter(|(_, size)| size.0 != 0)
            .map(|(instrument, size)| {
                let symbol = self.names.symbol(*instrument);
                format!("{} {symbol}", self.names.size(*instrument, *size))
            })
            .collect();
        words.join(", ")
    }

    /// The engine changed a version, whoever asked for it.
    fn version(&mut self, at: Timestamp, id: StrategyId, change: &VersionChange) {
        let name = self.names.strategy(id);
        if let VersionChange::RolledBack { generation, .. } = change {
            self.entry(&name).rolled_back(*generation);
            self.counts(&name);
        }
        if let VersionChange::ShadowEnded { problem } = change
            && !problem.is_empty()
        {
            self.entry(&name).give_up_shadow();
            self.ledger.change(&name, super::StrategyRecord::settle);
        }
        let counts = matches!(
            change,
            VersionChange::Started { .. } | VersionChange::Swapped { .. }
        );
        let coming = counts.then(|| self.entry(&name).coming.take()).flatten();
        self.ledger.change(&name, |record| {
            record.id = Some(id);
            history_entries::follow(record, at, change, coming.unwrap_or_default());
        });
    }
}

/// Says goodbye to an instance that is done, where there is time.
pub(super) fn retire(instance: Option<Box<dyn Strategy>>, reason: StopReason) {
    if let Some(mut instance) = instance {
        // What it says now matters to nobody; it is dropped either way.
        let _ = instance.stop(reason);
    }
}

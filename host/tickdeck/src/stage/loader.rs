//! The loader: takes one thing after another, as long as it takes, and never holds up the engine.

use super::ledger::Ledger;
use super::records;
use super::{Keep, Setup, Wish};
use crate::board::{Board, Topic, inherited_words, micros};
use crate::casting::{Candidate, Casting, Unfit, strategies_of};
use crate::config::StrategySettings;
use crate::grants::Grants;
use crate::names::Names;
use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tickdeck_engine::port::{StopReason, Strategy, Version};
use tickdeck_engine::{Changed, Controls, VersionChange};
use tickdeck_model::{Registry, StrategyId, Timestamp};
use tickdeck_strategy::LogLevel;
use tickdeck_strategy::watch::{Change, Fingerprint, Plugin, Watcher};

/// What the loader remembers of a strategy.
#[derive(Default)]
struct Entry {
    id: Option<StrategyId>,
    /// Whether the engine has it, running or quarantined.
    seated: bool,
    /// The content that counts, and the one before it.
    live: Option<Fingerprint>,
    before: Option<Fingerprint>,
    /// Runs beside.
    beside: Option<Fingerprint>,
    /// Contents that are not taken again by themselves.
    failed: HashSet<Fingerprint>,
    /// Waits for an approval.
    waiting: Option<Candidate>,
    /// Compile time and size of what is being handed over, for its generation.
    loading: Option<String>,
}

/// What the loader works on.
pub(super) struct Loader {
    casting: Casting,
    grants: Grants,
    registry: Arc<Registry>,
    keep: Keep,
    names: Names,
    ledger: Ledger,
    controls: Controls,
    watcher: Option<Watcher>,
    folder: Option<PathBuf>,
    entries: BTreeMap<String, Entry>,
    /// By module name: its content as last seen.
    plugins: BTreeMap<String, Plugin>,
}

impl Loader {
    pub(super) fn new(setup: Setup, controls: Controls, watcher: Option<Watcher>) -> Self {
        let mut loader = Self {
            casting: setup.casting,
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
            (entry.id, entry.seated) = (Some(candidate.id), true);
            entry.live = Some(candidate.fingerprint);
        }
        for candidate in setup.waiting {
            let name = candidate.name.clone();
            loader.entry(&name).waiting = Some(candidate);
        }
        loader
    }

    fn entry(&mut self, name: &str) -> &mut Entry {
        self.entries.entry(name.to_owned()).or_default()
    }

    fn board(&self) -> &Board {
        &self.casting.board
    }

    /// Something changed in the plugins folder.
    pub(super) fn folder(&mut self, change: Change) {
        match change {
            Change::Ready(plugin) => {
                let module = plugin.name.clone();
                self.plugins.insert(module.clone(), plugin);
                for (name, settings) in strategies_of(&self.casting.config, &module) {
                    // What came of it stands on the board and in the ledger.
                    let _ = self.offer(&name, settings, &module, false);
                }
            }
            Change::Gone { name: module } => {
                self.plugins.remove(&module);
                for (name, _) in strategies_of(&self.casting.config, &module) {
                    if let Err(why) = self.remove(&name) {
                        self.board()
                            .say(Topic::Version, &name, LogLevel::Error, &why);
                    }
                }
            }
            Change::Refused(refused) => {
                let words = format!("{}; what runs as {} goes on", refused.why, refused.name);
                self.board()
                    .say(Topic::Version, "plugins", LogLevel::Warn, &words);
            }
            Change::FolderGone { why } => {
                let words = format!("{why}; what runs goes on");
                self.board()
                    .say(Topic::Version, "plugins", LogLevel::Warn, &words);
            }
            Change::FolderBack => {
                let words = "the plugins folder is back";
                self.board()
                    .say(Topic::Version, "plugins", LogLevel::Info, words);
            }
            Change::Note(words) => {
                self.board()
                    .say(Topic::Version, "plugins", LogLevel::Warn, &words)
            }
        }
    }

    /// Offers a strategy what its module is now; `again` even if it failed before.
    fn offer(
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
        if entry.seated && entry.live == Some(fingerprint) && !again {
            return Ok(format!("{name} runs this very version"));
        }
        if entry.failed.contains(&fingerprint) && !again {
            let words = "this version failed before and is not taken again; change it, or \
                         `tickdeck strategies reload` it";
            self.board()
                .say(Topic::Version, name, LogLevel::Warn, words);
            return Err(words.to_owned());
        }
        entry.failed.remove(&fingerprint);
        let mut registry = (*self.registry).clone();
        let candidate =
            self.casting
                .candidate((name, settings), &plugin, &self.grants, &mut registry);
        let taken = match candidate {
            Ok(candidate) => self.take(candidate, registry),
            Err(unfit) => Err(unfit.words()),
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
        let words = format!("a new version was refused: {why}{kept}");
        self.board()
            .say(Topic::Version, name, LogLevel::Error, &words);
        self.ledger.change(name, |record| {
            record.note = Some(format!("a new version was refused: {why}"));
            if record.id.is_none() {
                record.unseated = Some("refused");
            }
        });
    }

    /// Takes a candidate as far as its permissions let it.
    fn take(&mut self, candidate: Candidate, registry: Registry) -> Result<String, String> {
        (self.keep)(&registry).map_err(|error| crate::cli::sentence(&error))?;
        self.registry = Arc::new(registry);
        self.names.learn(&self.registry);
        let name = candidate.name.clone();
        for words in &candidate.judgement.overruled {
            let words = format!("{words}, as tickdeck.toml has it");
            self.board()
                .say(Topic::Version, &name, LogLevel::Warn, &words);
        }
        if !candidate.judgement.increases.is_empty() {
            return Ok(self.wait(candidate));
        }
        self.entry(&name).waiting = None;
        self.change(&candidate)
    }

    /// It asks for more than was granted: the operator has the word.
    fn wait(&mut self, candidate: Candidate) -> String {
        let name = candidate.name.clone();
        let words = records::asks(&candidate);
        self.board()
            .say(Topic::Version, &name, LogLevel::Warn, &words);
        self.ledger
            .change(&name, |record| records::waits(record, &candidate));
        self.entry(&name).waiting = Some(candidate);
        words
    }

    /// Lets a candidate take over, or take its seat.
    fn change(&mut self, candidate: &Candidate) -> Result<String, String> {
        let name = &candidate.name;
        let inspection = candidate.inspection();
        let loading = format!(
            "compiled in {} ({})",
            micros(u64::try_from(inspection.compile_time.as_nanos()).unwrap_or(u64::MAX)),
            records::cache_words(&inspection.cache)
        );
        let (program, version) = candidate.version(&self.registry, self.board());
        let fingerprint = candidate.fingerprint;
        self.ledger
            .change(name, |record| records::takes(record, candidate));
        let seated = self.entry(name).seated;
        self.entry(name).loading = Some(loading.clone());
        if !seated {
            return self.seat(candidate, version);
        }
        self.rehearse(candidate.id, &version)?;
        // Made ahead, the handover need not wait for it.
        program.prepare().map_err(|fault| fault.0)?;
        let label = version.label.clone();
        let change = tickdeck_engine::Change::Swap(candidate.id, Box::new(version));
        match self.bring_in(candidate, change)? {
            Changed::Swapped(swapped) => {
                let entry = self.entry(name);
                entry.before = entry.live.replace(fingerprint);
                entry.beside = None;
                self.ledger.change(name, |record| record.note = None);
                retire(swapped.retired, StopReason::Replaced);
                Ok(format!(
                    "{name} is {label}: {loading}, handed over in {}, {}",
                    micros(swapped.took_ns),
                    inherited_words(swapped.inherited)
                ))
            }
            Changed::Beside(swapped) => {
                self.entry(name).beside = Some(fingerprint);
                retire(swapped.retired, StopReason::Replaced);
                let words = format!(
                    "version {label} runs beside; `tickdeck strategies promote {name}` lets it trade"
                );
                self.ledger
                    .change(name, |record| record.note = Some(words.clone()));
                Ok(words)
            }
            _ => Err("the engine answered something else".to_owned()),
        }
    }

    fn seat(&mut self, candidate: &Candidate, version: Version) -> Result<String, String> {
        let name = &candidate.name;
        let label = version.label.clone();
        let seat = self.casting.seat(candidate, version, &self.registry);
        let seat = seat.map_err(|unfit: Unfit| unfit.words())?;
        self.bring_in(candidate, tickdeck_engine::Change::Seat(Box::new(seat)))?;
        let entry = self.entry(name);
        (entry.id, entry.seated) = (Some(candidate.id), true);
        entry.live = Some(candidate.fingerprint);
        (entry.before, entry.beside) = (None, None);
        self.ledger.change(name, |record| record.note = None);
        Ok(format!("{name} {label} trades"))
    }

    /// Tries a version where its predecessor stands.
    fn rehearse(&self, id: StrategyId, version: &Version) -> Result<(), String> {
        let Changed::Rehearsal(rehearsal) = self.ask(tickdeck_engine::Change::Rehearse(id))? else {
            return Err("the engine answered something else".to_owned());
        };
        let tried = rehearsal.run(version);
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
        candidate: &Candidate,
        change: tickdeck_engine::Change,
    ) -> Result<Changed, String> {
        let words = records::compiled_words(candidate.inspection());
        self.board().compiled(candidate.id, Some(words));
        let changed = self.ask(change);
        if changed.is_err() {
            self.board().compiled(candidate.id, None);
        }
        changed
    }

    fn ask(&self, change: tickdeck_engine::Change) -> Result<Changed, String> {
        let answer = self.controls.change(change).recv();
        answer.unwrap_or_else(|_| Err("the host is shutting down".to_owned()))
    }

    fn remove(&mut self, name: &str) -> Result<String, String> {
        let entry = self.entry(name);
        entry.waiting = None;
        entry.failed.clear();
        let (Some(id), true) = (entry.id, entry.seated) else {
            self.ledger.change(name, |record| {
                (record.note, record.unseated) = (None, Some("removed"));
            });
            return Err(format!("{name} does not run"));
        };
        let Changed::Removed(instance) = self.ask(tickdeck_engine::Change::Remove(id))? else {
            return Err("the engine answered something else".to_owned());
        };
        retire(instance, StopReason::Removed);
        let entry = self.entry(name);
        entry.seated = false;
        (entry.live, entry.before, entry.beside) = (None, None, None);
        Ok(format!("{name} left in order"))
    }

    /// Does what an operator asks.
    pub(super) fn wish(&mut self, name: &str, wish: Wish) -> Result<String, String> {
        let known = self.entries.contains_key(name) || self.ledger.record(name).is_some();
        if !known {
            let names: Vec<&str> = self.entries.keys().map(String::as_str).collect();
            return Err(format!(
                "there is no strategy `{name}`; there are {}",
                names.join(", ")
            ));
        }
        match wish {
            Wish::Reload => self.reload(name),
            Wish::RollBack => self.roll_back(name),
            Wish::Promote => self.promote(name),
            Wish::Remove => self.remove(name),
            Wish::Approve => self.approve(name),
        }
    }

    fn reload(&mut self, name: &str) -> Result<String, String> {
        let settings = self.casting.config.strategies.get(name).cloned();
        let settings = settings.unwrap_or_default();
        let module = settings
            .plugin
            .as_ref()
            .map_or(name, |plugin| plugin.value.as_str())
            .to_owned();
        if let Some(watcher) = &self.watcher {
            watcher.rescan_now();
        }
        self.read(&module)?;
        self.offer(name, settings, &module, true)
    }

    /// Reads a module as it is in the folder now.
    fn read(&mut self, module: &str) -> Result<(), String> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        let scan = tickdeck_strategy::watch::scan(folder).map_err(|error| error.to_string())?;
        if let Some(refused) = scan.refused.into_iter().find(|one| one.name == module) {
            return Err(refused.why);
        }
        match scan.plugins.into_iter().find(|one| one.name == module) {
            Some(plugin) => drop(self.plugins.insert(module.to_owned(), plugin)),
            None => drop(self.plugins.remove(module)),
        }
        Ok(())
    }

    fn roll_back(&mut self, name: &str) -> Result<String, String> {
        let id = self.seated(name)?;
        match self.ask(tickdeck_engine::Change::RollBack(id))? {
            Changed::Swapped(swapped) => {
                let entry = self.entry(name);
                entry.failed.extend(entry.live);
                entry.live = entry.before.take();
                retire(swapped.retired, StopReason::Replaced);
                Ok(format!(
                    "{name} is {} again, {}",
                    swapped.label,
                    inherited_words(swapped.inherited)
                ))
            }
            Changed::BesideEnded(label) => {
                let entry = self.entry(name);
                let beside = entry.beside.take();
                entry.failed.extend(beside);
                self.ledger.change(name, |record| record.note = None);
                Ok(format!("version {label} no longer runs beside {name}"))
            }
            _ => Err("the engine answered something else".to_owned()),
        }
    }

    fn promote(&mut self, name: &str) -> Result<String, String> {
        let id = self.seated(name)?;
        let Changed::Swapped(swapped) = self.ask(tickdeck_engine::Change::Promote(id))? else {
            return Err("the engine answered something else".to_owned());
        };
        let entry = self.entry(name);
        entry.before = std::mem::replace(&mut entry.live, entry.beside.take());
        retire(swapped.retired, StopReason::Replaced);
        self.ledger.change(name, |record| record.note = None);
        Ok(format!(
            "{name} is {}, handed over in {}",
            swapped.label,
            micros(swapped.took_ns)
        ))
    }

    fn approve(&mut self, name: &str) -> Result<String, String> {
        let Some(candidate) = self.entry(name).waiting.take() else {
            return Err(format!("{name} asks for nothing that was not granted"));
        };
        let hash = candidate.inspection().hash.to_string();
        let approval = &candidate.judgement.approval;
        if let Err(error) = self.grants.approve(name, approval, &hash, now()) {
            self.entry(name).waiting = Some(candidate);
            return Err(crate::cli::sentence(&error));
        }
        let granted = candidate.judgement.increases.join("; ");
        self.board().say(
            Topic::Operator,
            "operator",
            LogLevel::Warn,
            &format!("{name}: granted ({granted})"),
        );
        self.reload(name)
    }

    fn seated(&self, name: &str) -> Result<StrategyId, String> {
        let entry = self.entries.get(name).filter(|entry| entry.seated);
        entry
            .and_then(|entry| entry.id)
            .ok_or_else(|| format!("{name} does not run"))
    }

    /// The engine changed a version, whoever asked for it.
    pub(super) fn version(&mut self, at: Timestamp, id: StrategyId, change: &VersionChange) {
        let name = self.names.strategy(id);
        if let VersionChange::RolledBack { .. } = change {
            let entry = self.entry(&name);
            entry.failed.extend(entry.live);
            entry.live = entry.before.take();
        }
        if let VersionChange::BesideEnded { problem } = change
            && !problem.is_empty()
        {
            let entry = self.entry(&name);
            let beside = entry.beside.take();
            entry.failed.extend(beside);
        }
        let loading = self.entry(&name).loading.take();
        self.ledger.change(&name, |record| {
            record.id = Some(id);
            records::follow(record, at, change, loading);
        });
    }
}

/// Says goodbye to an instance that is done, where there is time.
fn retire(instance: Option<Box<dyn Strategy>>, reason: StopReason) {
    if let Some(mut instance) = instance {
        // What it says now matters to nobody; it is dropped either way.
        let _ = instance.stop(reason);
    }
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| {
        Timestamp::try_from(since.as_nanos()).unwrap_or(Timestamp::MAX)
    })
}

//! The loader: takes one thing after another, as long as it takes, and never holds up the engine.

use super::entry::Entry;
use super::ledger::Ledger;
use super::records::{self, Content};
use super::{Keep, Setup, Wish};
use crate::board::{Board, inherited_words, micros};
use crate::casting::{Candidate, Casting, Unfit, strategies_of};
use crate::config::StrategySettings;
use crate::grants::Grants;
use crate::names::Names;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tickdeck_engine::port::{StopReason, Strategy, Version};
use tickdeck_engine::{Changed, Controls, Rehearsal, VersionChange};
use tickdeck_model::{Registry, StrategyId, Timestamp};
use tickdeck_strategy::watch::{Change, Fingerprint, Plugin, Watcher};
use tickdeck_strategy::{LogLevel, LogSink};

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
            entry.live = Some(Content::of(&candidate));
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
                    let seated = self.entry(&name).seated;
                    // What never had a seat is only forgotten.
                    match self.remove(&name) {
                        Err(why) if seated => self.board().line(&name, LogLevel::Error, &why),
                        _ => {}
                    }
                }
            }
            Change::Refused(refused) => {
                let words = format!("{}; what runs as {} goes on", refused.why, refused.name);
                self.board().line("plugins", LogLevel::Warn, &words);
            }
            Change::FolderGone { why } => {
                let words = format!("{why}; what runs goes on");
                self.board().line("plugins", LogLevel::Warn, &words);
            }
            Change::FolderBack => {
                let words = "the plugins folder is back";
                self.board().line("plugins", LogLevel::Info, words);
            }
            Change::Note(words) => self.board().line("plugins", LogLevel::Warn, &words),
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
        let offered = entry.offered.replace(fingerprint);
        if offered == Some(fingerprint) && !again {
            // A reload came first.
            return Ok(format!("{name} was offered this very version"));
        }
        // Whatever was asked for before is not what lies there now.
        entry.waiting = None;
        if entry.runs(fingerprint) && !again {
            let words = "the file is the version that trades";
            self.ledger.change(name, |record| record.note = None);
            self.board().line(name, LogLevel::Info, words);
            return Ok(format!("{name}: {words}"));
        }
        if entry.failed.contains(&fingerprint) && !again {
            let words = "this version failed before and is not taken again; change it, or \
                         `tickdeck strategies reload` it";
            self.board().line(name, LogLevel::Warn, words);
            self.ledger
                .change(name, |record| record.note = Some(words.to_owned()));
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
        entry.loading = None;
        let kept = match entry.seated {
            true => "; the version before goes on",
            false => "",
        };
        let words = format!("a new version was refused: {}", records::first_line(why));
        self.board()
            .line(name, LogLevel::Error, &format!("{words}{kept}"));
        let at = self.board().latest().now;
        self.ledger.change(name, |record| {
            record.fault(at, why.to_owned());
            record.note = Some(words);
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
            self.board().line(&name, LogLevel::Warn, &words);
        }
        if !candidate.judgement.increases.is_empty() {
            return Ok(self.wait(candidate));
        }
        self.change(&candidate)
    }

    /// It asks for more than was granted: the operator has the word.
    fn wait(&mut self, candidate: Candidate) -> String {
        let name = candidate.name.clone();
        let words = records::asks(&candidate);
        self.board().line(&name, LogLevel::Warn, &words);
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
        let content = Content::of(candidate);
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
        match self.ask(change)? {
            Changed::Swapped(swapped) => {
                let entry = self.entry(name);
                entry.before = entry.live.replace(content);
                entry.beside = None;
                self.counts(name);
                retire(swapped.retired, StopReason::Replaced);
                Ok(format!(
                    "{name} is {label}: {loading}, handed over in {}, {}",
                    micros(swapped.took_ns),
                    inherited_words(swapped.inherited)
                ))
            }
            Changed::Beside(swapped) => {
                let entry = self.entry(name);
                entry.beside = Some(content);
                entry.loading = None;
                retire(swapped.retired, StopReason::Replaced);
                // How it does is told with the strategy's figures.
                self.ledger.change(name, |record| record.note = None);
                Ok(format!(
                    "version {label} runs beside; `tickdeck strategies promote {name}` lets it trade"
                ))
            }
            _ => Err("the engine answered something else".to_owned()),
        }
    }

    fn seat(&mut self, candidate: &Candidate, version: Version) -> Result<String, String> {
        let name = &candidate.name;
        let label = version.label.clone();
        // It may have sat here before: then it has positions, and has used order numbers.
        let left = match self.entry(name).id {
            Some(id) => Some(*self.rehearsal(id)?),
            None => None,
        };
        let seat = self
            .casting
            .seat(candidate, version, &self.registry, left)
            .map_err(|unfit: Unfit| unfit.words())?;
        self.ask(tickdeck_engine::Change::Seat(Box::new(seat)))?;
        let entry = self.entry(name);
        (entry.id, entry.seated) = (Some(candidate.id), true);
        entry.live = Some(Content::of(candidate));
        (entry.before, entry.beside) = (None, None);
        self.counts(name);
        Ok(format!("{name} {label} trades"))
    }

    /// Another content counts: that is what is known of the strategy.
    fn counts(&mut self, name: &str) {
        let live = self.entry(name).live.clone();
        self.ledger.change(name, |record| {
            record.note = None;
            if let Some(live) = live {
                live.counts(record);
            }
        });
    }

    fn rehearsal(&self, id: StrategyId) -> Result<Box<Rehearsal>, String> {
        match self.ask(tickdeck_engine::Change::Rehearse(id))? {
            Changed::Rehearsal(rehearsal) => Ok(rehearsal),
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

    fn ask(&self, change: tickdeck_engine::Change) -> Result<Changed, String> {
        let answer = self.controls.change(change).recv();
        answer.unwrap_or_else(|_| Err("the host is shutting down".to_owned()))
    }

    fn remove(&mut self, name: &str) -> Result<String, String> {
        let entry = self.entry(name);
        let waited = entry.waiting.take().is_some();
        entry.failed.clear();
        entry.offered = None;
        let seated = entry.seated.then_some(entry.id).flatten();
        self.ledger.change(name, |record| record.note = None);
        let Some(id) = seated else {
            self.ledger
                .change(name, |record| record.unseated = Some("removed"));
            if !waited {
                return Err(format!("{name} does not run"));
            }
            let words = "no longer waits for an approval";
            self.board().line(name, LogLevel::Info, words);
            return Ok(format!("{name} {words}"));
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
            let records = self.ledger.all();
            let names: Vec<&str> = records.keys().map(String::as_str).collect();
            let names = match names[..] {
                [] => "none".to_owned(),
                _ => names.join(", "),
            };
            return Err(format!("there is no strategy `{name}`; there are {names}"));
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
                entry.give_up_live();
                self.counts(name);
                retire(swapped.retired, StopReason::Replaced);
                Ok(format!(
                    "{name} is {} again, {}",
                    swapped.label,
                    inherited_words(swapped.inherited)
                ))
            }
            Changed::BesideEnded(label) => {
                self.entry(name).give_up_beside();
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
        self.counts(name);
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
        self.board().line(
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
        if let VersionChange::RolledBack { hash, .. } = change {
            self.entry(&name).was_rolled_back(hash);
            self.counts(&name);
        }
        if let VersionChange::BesideEnded { problem } = change
            && !problem.is_empty()
        {
            self.entry(&name).give_up_beside();
            self.ledger.change(&name, |record| record.note = None);
        }
        let entry = self.entry(&name);
        let loading = match change {
            VersionChange::Seated { .. } | VersionChange::Swapped { .. } => entry.loading.take(),
            _ => None,
        };
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

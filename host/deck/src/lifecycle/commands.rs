//! Commands of operators.

use crate::change_cause::ChangeCause;
use crate::feed::{Topic, describe_state, micros};
use crate::lifecycle::history_entries;
use crate::lifecycle::manager::Manager;
use crate::lifecycle::message::{Reply, StrategyCommand, UNEXPECTED};
use crate::lifecycle::pending::WaitsFor;
use crate::loading::module_of;
use tickdeck_engine::{StrategyChange, VersionChange};
use tickdeck_journal::unix_ns;
use tickdeck_model::StrategyId;
use tickdeck_recording::sentence::sentence;
use tickdeck_strategy::LogLevel;
use tickdeck_strategy::watch::{Plugin, look};

impl Manager {
    /// Carries out a command, now or as soon as a module is compiled, and answers it.
    pub(super) fn obey(&mut self, name: String, command: StrategyCommand, reply: Reply) {
        let answer = match self.check_known(&name) {
            Err(why) => Err(why),
            Ok(()) => match command {
                StrategyCommand::Reload => return self.reload(name, reply),
                StrategyCommand::Approve(seen) => match self.approve(&name, seen.as_deref()) {
                    Ok(()) => return self.reload(name, reply),
                    Err(why) => Err(why),
                },
                command => self.carry_out(&name, &command),
            },
        };
        // The operator may have given up.
        let _ = reply.send(answer);
    }

    /// Carries out a command for which nothing needs to be compiled.
    fn carry_out(&mut self, name: &str, command: &StrategyCommand) -> Result<String, String> {
        match command {
            StrategyCommand::RollBack => self.roll_back(name),
            StrategyCommand::Promote => self.promote(name),
            StrategyCommand::Remove => {
                let done = self.remove(name)?;
                // What the folder has now may still be compiling or waiting to be loaded, and must not bring it back.
                let current = self.plugins.get(&self.module_of(name));
                self.entry(name).offered = current.map(Plugin::fingerprint);
                Ok(format!(
                    "{done}; its file stays, and the next start runs it again"
                ))
            }
            StrategyCommand::Reload | StrategyCommand::Approve(_) => Err(UNEXPECTED.to_owned()),
        }
    }

    /// Reloads a strategy's module, once it is compiled.
    fn reload(&mut self, name: String, reply: Reply) {
        match self.module_again(&name) {
            Ok(plugin) => {
                let waits = WaitsFor::Operator(name, plugin.name.clone(), reply);
                self.pending.compile(&plugin, &self.loader, waits);
            }
            // The operator may have given up.
            Err(why) => drop(reply.send(Err(why))),
        }
    }

    /// Reads the module of a strategy again.
    fn module_again(&mut self, name: &str) -> Result<Plugin, String> {
        let module = self.module_of(name);
        if let Some(watcher) = &self.watcher {
            watcher.rescan_now();
        }
        self.read_again(&module)?;
        let Some(plugin) = self.plugins.get(&module) else {
            return Err(format!(
                "there is no module `{module}.wasm` in the plugins folder"
            ));
        };
        Ok(plugin.clone())
    }

    /// Returns the name of the module that a strategy runs.
    fn module_of(&self, name: &str) -> String {
        let settings = self.loader.config.strategies.get(name);
        settings.map_or(name, |own| module_of(name, own)).to_owned()
    }

    fn check_known(&self, name: &str) -> Result<(), String> {
        let is_known = self.entries.contains_key(name) || self.history.record(name).is_some();
        match is_known {
            true => Ok(()),
            false => Err(self.history.unknown(name)),
        }
    }

    /// Reads a module in its current state from the folder.
    fn read_again(&mut self, module: &str) -> Result<(), String> {
        let Some(folder) = &self.folder else {
            return Ok(());
        };
        match look(folder, module).map_err(|error| error.to_string())? {
            Some(Ok(plugin)) => drop(self.plugins.insert(module.to_owned(), plugin)),
            Some(Err(refused)) => return Err(refused.why),
            None => drop(self.plugins.remove(module)),
        }
        Ok(())
    }

    fn roll_back(&mut self, name: &str) -> Result<String, String> {
        let id = self.running(name)?;
        let shadow = self.entry(name).shadow.as_ref();
        let shadow = shadow.map_or_else(String::new, |content| content.version.clone());
        self.await_instances(id)?;
        match self.request(StrategyChange::RollBack(id), ChangeCause::RollBack)? {
            VersionChange::Swapped { to, inherited, .. } => Ok(format!(
                "{name} is {to} again, {}",
                describe_state(inherited)
            )),
            VersionChange::ShadowEnded { .. } => Ok(format!(
                "version {shadow} no longer runs as a shadow of {name}"
            )),
            _ => Err(UNEXPECTED.to_owned()),
        }
    }

    fn promote(&mut self, name: &str) -> Result<String, String> {
        let id = self.running(name)?;
        self.await_instances(id)?;
        match self.request(StrategyChange::Promote(id), ChangeCause::Promote)? {
            VersionChange::Swapped { to, took_ns, .. } => Ok(format!(
                "{name} is {to}, handed over in {}",
                micros(took_ns)
            )),
            _ => Err(UNEXPECTED.to_owned()),
        }
    }

    /// Grants what a strategy requests, unless that differs from what the operator saw.
    fn approve(&mut self, name: &str, seen: Option<&str>) -> Result<(), String> {
        let Some(loaded) = self.entry(name).waiting.take() else {
            return Err(format!(
                "{name} requests nothing beyond what is already granted"
            ));
        };
        let request = history_entries::request_text(&loaded);
        if seen.is_some_and(|seen| seen != request) {
            self.entry(name).waiting = Some(loaded);
            return Err(format!("{name} has changed its request: {request}"));
        }
        let hash = loaded.inspection().hash.to_string();
        let approval = &loaded.decision.approval;
        if let Err(error) = self.grants.approve(name, approval, &hash, unix_ns()) {
            self.entry(name).waiting = Some(loaded);
            return Err(sentence(&error));
        }
        let granted = loaded.decision.asks();
        self.feed().say(
            Topic::Operator,
            "operator",
            LogLevel::Warn,
            &format!("{name}: granted ({granted})"),
        );
        Ok(())
    }

    fn running(&self, name: &str) -> Result<StrategyId, String> {
        let entry = self.entries.get(name).filter(|entry| entry.started);
        entry
            .and_then(|entry| entry.id)
            .ok_or_else(|| format!("{name} does not run"))
    }
}

//! What operators ask of the loader.

use super::StrategyCommand;
use crate::feed::{Topic, inherited_words, micros};
use crate::lifecycle::history_entries;
use crate::lifecycle::manager::{Manager, retire};
use tickdeck_engine::port::StopReason;
use tickdeck_engine::{ChangeResult, StrategyChange};
use tickdeck_model::StrategyId;
use tickdeck_strategy::LogLevel;

impl Manager {
    /// Does what an operator asks.
    pub(super) fn wish(&mut self, name: &str, wish: StrategyCommand) -> Result<String, String> {
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
            StrategyCommand::Reload => self.reload(name),
            StrategyCommand::RollBack => self.roll_back(name),
            StrategyCommand::Promote => self.promote(name),
            StrategyCommand::Remove => self
                .remove(name)
                .map(|done| format!("{done}; its file stays, and the next start runs it again")),
            StrategyCommand::Approve(seen) => self.approve(name, seen.as_deref()),
        }
    }

    fn reload(&mut self, name: &str) -> Result<String, String> {
        let settings = self.loader.config.strategies.get(name).cloned();
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
        self.entry(name).coming = Some(("rolled back by the operator", String::new()));
        match self.ask(StrategyChange::RollBack(id))? {
            ChangeResult::Swapped(swapped) => {
                self.entry(name).rolled_back(swapped.generation);
                self.counts(name);
                retire(swapped.retired, StopReason::Replaced);
                Ok(format!(
                    "{name} is {} again, {}",
                    swapped.label,
                    inherited_words(swapped.inherited)
                ))
            }
            ChangeResult::ShadowEnded(label) => {
                self.entry(name).give_up_shadow();
                self.ledger.change(name, super::StrategyRecord::settle);
                Ok(format!("version {label} no longer runs beside {name}"))
            }
            _ => Err("the engine answered something else".to_owned()),
        }
    }

    fn promote(&mut self, name: &str) -> Result<String, String> {
        let id = self.seated(name)?;
        self.entry(name).coming = Some(("promoted", String::new()));
        let ChangeResult::Swapped(swapped) = self.ask(StrategyChange::Promote(id))? else {
            return Err("the engine answered something else".to_owned());
        };
        let entry = self.entry(name);
        if let Some(content) = entry.shadow.take() {
            entry.counts(swapped.generation, content);
        }
        retire(swapped.retired, StopReason::Replaced);
        self.counts(name);
        Ok(format!(
            "{name} is {}, handed over in {}",
            swapped.label,
            micros(swapped.took_ns)
        ))
    }

    /// Grants what a strategy asks for, unless that is something else by now than what the operator saw.
    fn approve(&mut self, name: &str, seen: Option<&str>) -> Result<String, String> {
        let Some(candidate) = self.entry(name).waiting.take() else {
            return Err(format!("{name} asks for nothing that was not granted"));
        };
        let asks = history_entries::asks(&candidate);
        if seen.is_some_and(|seen| seen != asks) {
            self.entry(name).waiting = Some(candidate);
            return Err(format!("{name} asks for something else by now: {asks}"));
        }
        let hash = candidate.inspection().hash.to_string();
        let approval = &candidate.decision.approval;
        if let Err(error) = self
            .grants
            .approve(name, approval, &hash, tickdeck_journal::unix_ns())
        {
            self.entry(name).waiting = Some(candidate);
            return Err(tickdeck_recording::sentence::sentence(&error));
        }
        let granted = candidate.decision.increases.join("; ");
        self.feed().say(
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
}

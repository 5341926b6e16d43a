//! From modules and settings to seated strategies.
//!
//! A mistake in the settings stops the start, with its line. A module that is no strategy, wants an instrument that
//! this deck does not have, or refuses to start, is left out with a sentence, and the others run.

use crate::board::Board;
use crate::config::{Config, Located, StrategySettings, nearest};
use crate::deck::module_name;
use crate::venue::amount;
use anyhow::{Result, bail};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tickdeck_engine::port::{Seat, SwapPolicy};
use tickdeck_model::{Amount, Currency, OrderNumber, Registry, StrategyId};
use tickdeck_strategy::{
    Host, Limits, Module, ParameterError, Program, StartOptions, WantError, Wants,
};

/// A strategy's money unless it is set, in whole units of the account's currency.
const DEFAULT_CAPITAL: i64 = 100_000;

/// A strategy that is loaded and whose names are interned.
pub struct Candidate {
    /// Its number.
    pub id: StrategyId,
    /// Its name in this deck.
    pub name: String,
    /// Its settings.
    pub settings: StrategySettings,
    module: Module,
    limits: Limits,
    parameters: Vec<(String, String)>,
    wants: Wants,
}

/// Strategies that do not run, with why.
pub type Skipped = BTreeMap<String, String>;

/// Loads every strategy that the folder and the settings name.
///
/// # Errors
/// The settings name what is not there, or a parameter that the strategy does not take.
pub fn candidates(
    config: &Config,
    modules: &[PathBuf],
    host: &Host,
    registry: &mut Registry,
) -> Result<(Vec<Candidate>, Skipped)> {
    let (mut candidates, mut skipped) = (Vec::new(), Skipped::new());
    for (name, settings, file) in line_up(config, modules)? {
        match candidate(config, &name, settings, file, host, registry)? {
            Ok(candidate) => candidates.push(candidate),
            Err(why) => drop(skipped.insert(name, why)),
        }
    }
    Ok((candidates, skipped))
}

/// Which strategies run which module: one for each module under its own name, and those that name a module.
fn line_up<'m>(
    config: &Config,
    modules: &'m [PathBuf],
) -> Result<Vec<(String, StrategySettings, &'m Path)>> {
    let files: BTreeMap<String, &Path> = modules
        .iter()
        .map(|file| (module_name(file), file.as_path()))
        .collect();
    let names: BTreeSet<&str> = files
        .keys()
        .map(String::as_str)
        .chain(config.strategies.keys().map(String::as_str))
        .collect();
    let mut line_up = Vec::new();
    for name in names {
        let settings = config.strategies.get(name).cloned().unwrap_or_default();
        if !settings.enabled {
            continue;
        }
        let module = settings
            .plugin
            .as_ref()
            .map_or(name, |plugin| plugin.value.as_str());
        let Some(file) = files.get(module) else {
            let line = settings
                .plugin
                .as_ref()
                .map_or(settings.line, |plugin| plugin.line);
            let fix = match nearest(module, files.keys().map(String::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!(
                    "build it into the plugins folder, which has {}",
                    shown(files.keys())
                ),
            };
            bail!(config.problem(line, format!("there is no module `{module}.wasm`"), fix));
        };
        line_up.push((name.to_owned(), settings, *file));
    }
    Ok(line_up)
}

fn candidate(
    config: &Config,
    name: &str,
    settings: StrategySettings,
    file: &Path,
    host: &Host,
    registry: &mut Registry,
) -> Result<Result<Candidate, String>> {
    let limits = limits(config, &settings);
    let module = match host.load(file, name, &limits) {
        Ok(module) => module,
        Err(error) => return Ok(Err(error.to_string())),
    };
    let given = settings
        .parameters
        .iter()
        .map(|(key, value)| (key.clone(), value.value.clone()))
        .collect();
    let parameters = match module.manifest().resolve(&given) {
        Ok(parameters) => parameters,
        Err(errors) => return refuse_parameters(config, name, &settings, &errors).map(Err),
    };
    let wants = match module.manifest().wants(&parameters, registry) {
        Ok(wants) => wants,
        Err(errors) => return refuse_wants(config, name, &settings, &errors).map(Err),
    };
    let id = registry.add_strategy(name);
    Ok(Ok(Candidate {
        id,
        name: name.to_owned(),
        settings,
        module,
        limits,
        parameters,
        wants,
    }))
}

fn limits(config: &Config, settings: &StrategySettings) -> Limits {
    let default = Limits::default();
    let or = |own: Option<u64>, deck: Option<u64>, default: u32| {
        own.or(deck)
            .map_or(default, |value| u32::try_from(value).unwrap_or(u32::MAX))
    };
    Limits {
        memory_mib: or(
            settings.memory_mib,
            config.wasm.memory_mib,
            default.memory_mib,
        ),
        time_ms: or(settings.time_ms, config.wasm.time_ms, default.time_ms),
        ..default
    }
}

/// Parameters that were written down wrongly stop the start; one that is only missing leaves the strategy out.
fn refuse_parameters(
    config: &Config,
    name: &str,
    settings: &StrategySettings,
    errors: &[ParameterError],
) -> Result<String> {
    let mut list = Vec::new();
    for error in errors {
        let (ParameterError::Unknown { name: key, .. }
        | ParameterError::Missing { name: key, .. }
        | ParameterError::Invalid { name: key, .. }) = error;
        let line = settings
            .parameters
            .get(key)
            .map_or(settings.line, |value| value.line);
        let fix = format!("`tickdeck check` shows what {name} takes");
        list.extend(config.problem(line, format!("{name}: {error}"), fix).list);
    }
    if settings.line > 0 {
        bail!(crate::config::Problems {
            file: config.file.clone(),
            list
        });
    }
    Ok(joined(errors))
}

/// A symbol that the settings name stops the start; a default that this deck does not have leaves the strategy out.
fn refuse_wants(
    config: &Config,
    name: &str,
    settings: &StrategySettings,
    errors: &[WantError],
) -> Result<String> {
    for error in errors {
        let WantError::NoInstrument { symbol, .. } = error else {
            continue;
        };
        let named = |value: &&Located<String>| value.value == *symbol;
        if let Some(value) = settings.parameters.values().find(named) {
            let fix = "name one that the venue has, or set enabled = false".to_owned();
            bail!(config.problem(value.line, format!("{name}: {error}"), fix));
        }
    }
    Ok(joined(errors))
}

impl Candidate {
    /// Starts the strategy; `first_order` is the first number of its orders that was never used.
    ///
    /// # Errors
    /// Its money does not fit the currency. The inner error: the strategy refuses, or traps.
    pub fn seat(
        self,
        config: &Config,
        money: &Currency,
        registry: &Arc<Registry>,
        board: &Board,
        first_order: OrderNumber,
    ) -> Result<Result<Seat, String>> {
        let capital = match &self.settings.capital {
            Some(capital) => amount(config, "capital", capital, money.scale)?,
            None => Amount(DEFAULT_CAPITAL * 10i64.pow(u32::from(money.scale))),
        };
        let allocation = vec![(money.id, capital)];
        let options = StartOptions {
            name: self.name.clone(),
            parameters: self.parameters,
            limits: self.limits,
            registry: Arc::clone(registry),
            log: Arc::new(board.clone()),
        };
        let program = Program::new(self.module, options);
        let version = program.version(self.wants, None, SwapPolicy::default());
        let named = (self.id, self.name);
        let seat = Seat::start(registry, named, allocation, first_order, version);
        Ok(seat.map_err(|fault| fault.to_string()))
    }
}

fn joined<E: std::fmt::Display>(errors: &[E]) -> String {
    errors
        .iter()
        .map(E::to_string)
        .collect::<Vec<_>>()
        .join("; ")
}

fn shown<'a>(names: impl Iterator<Item = &'a String>) -> String {
    let names: Vec<&str> = names.map(String::as_str).collect();
    if names.is_empty() {
        "none".to_owned()
    } else {
        names.join(", ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> Result<Vec<(String, String)>> {
        let files = [
            PathBuf::from("plugins/ema.wasm"),
            PathBuf::from("plugins/pairs.wasm"),
        ];
        let config = Config::parse("t", text).unwrap();
        let line_up = line_up(&config, &files)?;
        Ok(line_up
            .into_iter()
            .map(|(name, _, file)| (name, module_name(file)))
            .collect())
    }

    fn pair(name: &str, module: &str) -> (String, String) {
        (name.to_owned(), module.to_owned())
    }

    #[test]
    fn every_module_runs_under_its_name_and_again_under_those_that_name_it() {
        assert_eq!(
            names("").unwrap(),
            [pair("ema", "ema"), pair("pairs", "pairs")]
        );
        let text = "[strategies.pairs]\nenabled = false\n[strategies.slow]\nplugin = \"ema\"";
        assert_eq!(
            names(text).unwrap(),
            [pair("ema", "ema"), pair("slow", "ema")]
        );
    }

    #[test]
    fn a_strategy_without_a_module_is_named_with_its_line() {
        let error = names("\n[strategies.emma]\n").unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no module `emma.wasm` at t:2, did you mean `ema`?"
        );
        let error = names("[strategies.x]\nplugin = \"grid-trader\"")
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("at t:2, build it into the plugins folder, which has ema, pairs"),
            "{error}"
        );
    }
}

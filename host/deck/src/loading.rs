//! Loads strategies: from a module and the settings to a version that can be started.
//!
//! A mistake in `tickdeck.toml` stops the start of a deck, with its line. A module that is not a strategy, is not signed,
//! does not fit the parameters that it is given, wants an instrument that the deck does not have, or comes with invalid
//! settings of its own, is skipped with a message, and the others run: whoever can replace one module must not be able to
//! stop the deck. A module that requests more than was granted waits for the operator.

use crate::call_marks::CallMarks;
use crate::compiling::Compiling;
use crate::feed::OperatorFeed;
use crate::venues::amount;
use anyhow::{Error, Result};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use tickdeck_engine::DryRun;
use tickdeck_engine::port::{StrategyStart, SwapPolicy, Version};
use tickdeck_model::name::{check_strategy_name, is_reserved};
use tickdeck_model::suggestion::nearest;
use tickdeck_model::untrusted::{first, first_few, kept, quoted};
use tickdeck_model::{Amount, Currency, NameCount, OrderNumber, Registry, StrategyId, Untrusted};
use tickdeck_recording::{ModuleStore, MoreNames, VersionSpec};
use tickdeck_settings::config::{
    Config, FILE_NAME, Located, ParameterValue, PluginSettings, StrategySettings,
};
use tickdeck_settings::grants::Grants;
use tickdeck_settings::operator_rules::{OperatorRules, PermissionDecision};
use tickdeck_settings::permissions::Permissions;
use tickdeck_settings::signature::TrustedKeys;
use tickdeck_strategy::watch::{Fingerprint, Plugin};
use tickdeck_strategy::{
    Inspection, Module, ParameterError, Program, ResourceLimits, Runtime, RuntimeConfig,
    StartOptions, WantError, Wants,
};

/// A strategy's default capital, in whole units of the account's currency.
const DEFAULT_CAPITAL: i64 = 100_000;

/// Maximum number of modules that a message lists.
const MAX_LISTED: usize = 20;

/// Loads the strategies of a deck.
pub struct StrategyLoader {
    /// The deck's settings.
    pub config: Config,
    /// The WebAssembly runtime.
    pub runtime: Runtime,
    /// The keys, one of which must have signed a module; empty: signatures are not checked.
    pub trusted: TrustedKeys,
    /// The currency of the account and of strategies' capital.
    pub account_currency: Currency,
    /// The first order number that was never used.
    pub first_order: OrderNumber,
    /// Receives the strategies' log lines.
    pub feed: OperatorFeed,
    /// Stores every module that runs, if runs are recorded.
    pub modules: Option<ModuleStore>,
    /// Marks the calls of strategies.
    pub(crate) marks: CallMarks,
}

/// The reason why a strategy can't be loaded.
#[derive(Debug)]
pub enum LoadFailure {
    /// A mistake in `tickdeck.toml`.
    Settings(Error),
    /// A problem with the module or its own files.
    Module(String),
    /// The module's file has changed since it was found: it will be reported again.
    Changed(String),
}

impl LoadFailure {
    /// Returns a sentence that describes it.
    pub fn describe(&self) -> String {
        match self {
            Self::Settings(error) => tickdeck_recording::sentence::sentence(error),
            Self::Module(why) | Self::Changed(why) => kept(why),
        }
    }
}

/// A strategy whose module is compiled and whose names are interned.
pub struct LoadedStrategy {
    /// Its number.
    pub id: StrategyId,
    /// Its name in this deck.
    pub name: String,
    /// The content of the plugins folder that it was loaded from.
    pub fingerprint: Fingerprint,
    /// The decision on the permissions that it requests.
    pub decision: PermissionDecision,
    /// The permissions that can be granted without the operator.
    pub granted: Permissions,
    /// Its parameters, with their sources.
    pub given: Vec<ParameterValue>,
    settings: StrategySettings,
    module: Module,
    parameters: Vec<(String, String)>,
    wants: Wants,
    swap: SwapPolicy,
    sandbox: ResourceLimits,
    limits: tickdeck_engine::OrderLimits,
    spec: VersionSpec,
    marks: CallMarks,
}

/// Checks the names of the strategies in the settings.
///
/// # Errors
/// A name is invalid, or reserved for the host.
pub fn check_names(config: &Config) -> Result<()> {
    for (name, settings) in &config.strategies {
        if let Err(what) = check_strategy_name(name) {
            let fix = "rename its section".to_owned();
            return Err(config.problem(settings.line, what, fix).into());
        }
    }
    Ok(())
}

/// Returns the strategies that run a module: the one with its name, and those that name it in the settings.
pub fn strategies_of(config: &Config, module: &str) -> Vec<(String, StrategySettings)> {
    let own = config.strategies.get(module).cloned().unwrap_or_default();
    let own = (own.plugin.is_none()).then(|| (module.to_owned(), own));
    let others = config.strategies.iter().filter(|(_, settings)| {
        let plugin = settings.plugin.as_ref();
        plugin.is_some_and(|plugin| plugin.value == module)
    });
    own.into_iter()
        .chain(others.map(|(name, settings)| (name.clone(), settings.clone())))
        .filter(|(_, settings)| settings.enabled)
        .collect()
}

/// Returns the modules that the settings name, and the strategies that ran before: those of an interrupted run are among them.
pub fn known_modules(config: &Config, registry: &Registry) -> Vec<String> {
    let named = named_modules(config).map(str::to_owned);
    let ran = (0..).map_while(|id| registry.strategy(StrategyId(id)));
    named.chain(ran.map(str::to_owned)).collect()
}

/// Returns the modules that the settings name.
pub(crate) fn named_modules(config: &Config) -> impl Iterator<Item = &str> {
    let enabled = config.strategies.iter().filter(|(_, own)| own.enabled);
    enabled.map(|(name, settings)| module_of(name, settings))
}

/// Returns the name of the module that a strategy runs.
pub(crate) fn module_of<'a>(name: &'a str, settings: &'a StrategySettings) -> &'a str {
    let plugin = settings.plugin.as_ref();
    plugin.map_or(name, |plugin| &plugin.value)
}

/// Checks that every strategy in the settings has its module.
///
/// # Errors
/// A module is missing.
pub fn check_modules(config: &Config, modules: &BTreeSet<String>) -> Result<()> {
    for (name, settings) in config.strategies.iter().filter(|(_, own)| own.enabled) {
        let module = module_of(name, settings);
        if modules.contains(module) {
            continue;
        }
        let plugin = settings.plugin.as_ref();
        let line = plugin.map_or(settings.line, |plugin| plugin.line);
        let fix = match nearest(module, modules.iter().map(String::as_str)) {
            Some(near) => format!("did you mean {}?", quoted(near)),
            None => format!(
                "build it into the plugins folder, which has {}",
                list_of(modules)
            ),
        };
        let what = format!("there is no module {}", quoted(&format!("{module}.wasm")));
        return Err(config.problem(line, what, fix).into());
    }
    Ok(())
}

impl StrategyLoader {
    /// Makes a loader that checks no signatures and stores no modules.
    ///
    /// # Errors
    /// The WebAssembly runtime can't start.
    pub(crate) fn new(
        config: Config,
        account_currency: Currency,
        first_order: OrderNumber,
        compiling: Compiling,
    ) -> Result<Self> {
        let runtime = Runtime::new(RuntimeConfig {
            nan_canonicalisation: config.wasm.nan_canonicalisation.unwrap_or(true),
            ..compiling.runtime()
        })?;
        Ok(Self {
            config,
            runtime,
            trusted: TrustedKeys::default(),
            account_currency,
            first_order,
            feed: OperatorFeed::default(),
            modules: None,
            marks: CallMarks::default(),
        })
    }

    /// Loads a plugin for a strategy, without starting it. Names that it needs are added to `registry`.
    ///
    /// # Errors
    /// The strategy can't run.
    pub fn load(
        &self,
        named: (&str, StrategySettings),
        plugin: &Plugin,
        grants: &Grants,
        registry: &mut Registry,
    ) -> Result<LoadedStrategy, LoadFailure> {
        check_strategy_name(named.0).map_err(LoadFailure::Module)?;
        let bytes = self.content(plugin)()?;
        self.load_verified(named, (plugin, &bytes), grants, registry)
    }

    /// Returns a function that gets the content of a plugin on another thread: reads it and, if there are trusted keys, checks
    /// that one of them signed it (its module, its settings, and its name), before anything else looks at its bytes.
    pub(crate) fn content(
        &self,
        plugin: &Plugin,
    ) -> impl FnOnce() -> Result<Arc<[u8]>, LoadFailure> + Send + use<> {
        let (trusted, plugin) = (self.trusted.clone(), plugin.clone());
        move || {
            let file = Untrusted::path(&plugin.path).to_string();
            let bytes = plugin.bytes().map_err(LoadFailure::Changed)?;
            let settings = plugin.settings.as_ref();
            let settings = settings.map(|sidecar| sidecar.text.as_bytes());
            let signature = plugin.signature.as_deref();
            let verified = trusted.verify(&file, &bytes, settings, signature);
            verified.map_err(LoadFailure::Module)?;
            Ok(bytes)
        }
    }

    /// Like [`StrategyLoader::load`], for a plugin whose bytes are in memory and whose signature was checked before: it is
    /// identified by its hash.
    ///
    /// # Errors
    /// The strategy can't run.
    pub(crate) fn load_verified(
        &self,
        (name, settings): (&str, StrategySettings),
        (plugin, bytes): (&Plugin, &[u8]),
        grants: &Grants,
        registry: &mut Registry,
    ) -> Result<LoadedStrategy, LoadFailure> {
        // Applies to reels too: no strategy may pose as the host.
        if is_reserved(name) {
            return Err(LoadFailure::Module(format!(
                "{} is the host's own name: choose another name",
                quoted(name)
            )));
        }
        let file = Untrusted::path(&plugin.path).to_string();
        let sidecar = self.sidecar(name, plugin)?;
        let rules = OperatorRules::of(&self.config, &settings, registry).map_err(in_settings)?;
        let asked = sidecar.request(registry).map_err(in_module)?;
        let grant = grants.granted(name, registry).map_err(in_settings)?;
        let decision = rules.decide(&asked, grant.as_ref());
        let granted = rules.granted(grant.as_ref());
        let sandbox = self.sandbox(&decision);
        // The mark covers only the module's own code, from here on; compiling it may take as long as it needs.
        let compiled = self
            .runtime
            .compile(bytes, &file)
            .map_err(|error| LoadFailure::Module(error.to_string()))?;
        let load = || self.runtime.load_bytes(bytes, &file, name, &sandbox);
        let module = self
            .marks
            .during_load(name, load)
            .map_err(|error| LoadFailure::Module(error.to_string()))?;
        drop(compiled);
        let values = sidecar.parameters_under(&settings);
        let parameters = module
            .manifest()
            .resolve(&values)
            .map_err(|errors| self.bad_parameters((name, &file), &settings, &sidecar, &errors))?;
        if let Some(modules) = &self.modules {
            let kept = modules.keep(plugin.hash, bytes);
            kept.map_err(|error| {
                LoadFailure::Module(tickdeck_recording::sentence::sentence(&error))
            })?;
        }
        let wants = module
            .manifest()
            .wants(&parameters, registry)
            .map_err(|errors| self.bad_wants(&file, &settings, &errors))?;
        let base =
            tickdeck_settings::risk_limits::of_strategy(&self.config, registry, &settings.risk);
        let base = base.map_err(in_settings)?;
        let limits = decision.permissions.engine_limits(base, registry);
        Ok(LoadedStrategy {
            id: registry.add_strategy(name),
            name: name.to_owned(),
            fingerprint: plugin.fingerprint(),
            given: given(&parameters, &settings, &sidecar),
            decision,
            granted,
            settings,
            module,
            parameters,
            wants,
            swap: swap_policy(&sidecar),
            sandbox,
            limits,
            spec: VersionSpec {
                plugin: plugin.name.clone(),
                module: plugin.hash.to_string(),
                sidecar: plugin
                    .settings
                    .as_ref()
                    .map(|sidecar| (sidecar.path.display().to_string(), sidecar.text.clone())),
                grants: grants.text_of(name),
                names: None,
                more_names: None,
                signature: plugin
                    .signature
                    .as_ref()
                    .and_then(|signature| String::from_utf8(signature.clone()).ok()),
            },
            marks: self.marks.clone(),
        })
    }

    fn sandbox(&self, decision: &PermissionDecision) -> ResourceLimits {
        let limits = ResourceLimits {
            memory_mib: decision.permissions.memory_mib,
            time_ms: decision.permissions.time_ms,
            ..ResourceLimits::default()
        };
        let handover_ms = self.config.wasm.handover_ms;
        let handover_ms = handover_ms.map_or(limits.handover_ms, |ms| {
            u32::try_from(ms).unwrap_or(u32::MAX)
        });
        ResourceLimits {
            handover_ms,
            ..limits
        }
    }

    /// Returns `NAME.toml`, which applies only to the strategy with that name.
    fn sidecar(&self, name: &str, plugin: &Plugin) -> Result<PluginSettings, LoadFailure> {
        match &plugin.settings {
            Some(sidecar) if plugin.name == name => {
                let file = Untrusted::path(&sidecar.path).to_string();
                PluginSettings::parse(&file, &sidecar.text).map_err(in_module)
            }
            _ => Ok(PluginSettings::default()),
        }
    }

    /// Returns why a module does not fit the parameters that it is given. Never the fault of the settings alone: the module says
    /// what it takes, and may have been replaced.
    fn bad_parameters(
        &self,
        (name, file): (&str, &str),
        settings: &StrategySettings,
        sidecar: &PluginSettings,
        errors: &[ParameterError],
    ) -> LoadFailure {
        let problem = |error: &ParameterError| {
            let (ParameterError::Unknown { name: key, .. }
            | ParameterError::Missing { name: key, .. }
            | ParameterError::Invalid { name: key, .. }) = error;
            let (own, theirs) = (settings.parameters.get(key), sidecar.parameters.get(key));
            match (own, theirs) {
                (Some(own), _) => format!("{}:{}: {error}", self.config.file, own.line),
                (None, Some(theirs)) => format!("{}:{}: {error}", sidecar.file, theirs.line),
                (None, None) => format!("{error} in [strategies.{name}.parameters] of {FILE_NAME}"),
            }
        };
        let problems = first_few(errors.iter().map(problem), "; ");
        LoadFailure::Module(format!(
            "{file} does not fit: {problems} (`tickdeck check` shows what it takes)"
        ))
    }

    /// Returns why the deck has no feed that a module wants, with the setting that names it, if one does.
    fn bad_wants(
        &self,
        file: &str,
        settings: &StrategySettings,
        errors: &[WantError],
    ) -> LoadFailure {
        let problem = |error: &WantError| {
            let WantError::NoInstrument { symbol, .. } = error else {
                return error.to_string();
            };
            let named = |value: &&Located<String>| value.value == *symbol;
            match settings.parameters.values().find(named) {
                Some(value) => format!("{}:{}: {error}", self.config.file, value.line),
                None => error.to_string(),
            }
        };
        let problems = first_few(errors.iter().map(problem), "; ");
        LoadFailure::Module(format!("{file} does not fit: {problems}"))
    }

    /// Starts a strategy in a version, with its capital; `left`: its state in the engine, if it ran before.
    ///
    /// # Errors
    /// Its capital does not fit the currency, or it refuses, or traps.
    pub fn start(
        &self,
        loaded: &LoadedStrategy,
        version: Version,
        registry: &Registry,
        left: Option<DryRun>,
    ) -> Result<StrategyStart, LoadFailure> {
        let currency = &self.account_currency;
        let capital = match &loaded.settings.capital {
            Some(capital) => amount(&self.config, "capital", capital, currency.scale)
                .map_err(LoadFailure::Settings)?,
            None => Amount(DEFAULT_CAPITAL * 10i64.pow(u32::from(currency.scale))),
        };
        let name = loaded.name.clone();
        let allocation = vec![(currency.id, capital)];
        let start = match left {
            Some(left) => left.start(name, allocation, self.first_order, version),
            None => {
                let named = (loaded.id, name);
                StrategyStart::start(registry, named, allocation, self.first_order, version)
            }
        };
        start.map_err(|fault| LoadFailure::Module(fault.to_string()))
    }
}

impl LoadedStrategy {
    /// Returns the inspection of its module.
    pub fn inspection(&self) -> &Inspection {
        self.module.inspection()
    }

    /// Returns its version for the engine, and the program behind it, which can create instances in advance.
    pub fn version(
        &self,
        registry: &Arc<Registry>,
        feed: &OperatorFeed,
    ) -> (Arc<Program>, Version) {
        let options = StartOptions {
            name: self.name.clone(),
            parameters: self.parameters.clone(),
            limits: self.sandbox,
            registry: Arc::clone(registry),
            log: Arc::new(feed.clone()),
        };
        let program = Arc::new(Program::new(self.module.clone(), options));
        let wants = self.wants.clone();
        let spec = Arc::from(self.spec.text());
        let limits = Some(self.limits.clone());
        let mut version = Program::version(&program, wants, limits, self.swap, spec);
        version.code = self.marks.watch(&self.name, version.code);
        (program, version)
    }

    /// Like [`LoadedStrategy::version`], with the names that the run does not have yet in its spec.
    pub fn late_version(
        &self,
        registry: &Arc<Registry>,
        recorded: NameCount,
        feed: &OperatorFeed,
    ) -> (Arc<Program>, Version) {
        let (program, mut version) = self.version(registry, feed);
        let spec = VersionSpec {
            more_names: MoreNames::of(registry, recorded),
            ..self.spec.clone()
        };
        version.spec = Arc::from(spec.text());
        (program, version)
    }

    /// Returns the spec from which its version is made.
    pub const fn spec(&self) -> &VersionSpec {
        &self.spec
    }
}

fn swap_policy(sidecar: &PluginSettings) -> SwapPolicy {
    let swap = &sidecar.swap;
    SwapPolicy {
        shadow: swap.shadow,
        save_failed: swap.save_failed,
        other_schema: swap.other_schema,
        trial_events: swap.trial_events,
        trial_ns: i64::try_from(swap.trial_s.saturating_mul(1_000_000_000)).unwrap_or(i64::MAX),
    }
}

fn given(
    parameters: &[(String, String)],
    settings: &StrategySettings,
    sidecar: &PluginSettings,
) -> Vec<ParameterValue> {
    let source = |name: &String| {
        if settings.parameters.contains_key(name) {
            FILE_NAME.to_owned()
        } else if sidecar.parameters.contains_key(name) {
            sidecar.file.clone()
        } else {
            "default".to_owned()
        }
    };
    let given = parameters.iter().map(|(name, value)| ParameterValue {
        name: name.clone(),
        value: value.clone(),
        source: source(name),
    });
    given.collect()
}

fn in_settings(problems: tickdeck_settings::config::Problems) -> LoadFailure {
    LoadFailure::Settings(problems.into())
}

fn in_module(problems: tickdeck_settings::config::Problems) -> LoadFailure {
    LoadFailure::Module(problems.to_string())
}

fn list_of(names: &BTreeSet<String>) -> String {
    if names.is_empty() {
        return "none".to_owned();
    }
    first(MAX_LISTED, names, ", ")
}

/// Strategies that do not run, with the reasons.
pub type Skipped = BTreeMap<String, String>;

/// How many strategies that do not run are listed.
const MOST_SKIPPED: usize = 20;

/// Returns the first strategies that do not run, with the reasons, and how many more there are. Those that the settings name come
/// first: a folder full of other files must not hide them.
pub fn first_skipped<'a>(
    skipped: &'a Skipped,
    config: &Config,
) -> (Vec<(&'a str, &'a str)>, usize) {
    let (mut named, others): (Vec<_>, Vec<_>) = skipped
        .iter()
        .map(|(name, why)| (name.as_str(), why.as_str()))
        .partition(|(name, _)| config.strategies.contains_key(*name));
    named.extend(others);
    let more = named.len().saturating_sub(MOST_SKIPPED);
    named.truncate(MOST_SKIPPED);
    (named, more)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn permissions_default_to_what_the_sandbox_allows() {
        use tickdeck_settings::permissions::{DEFAULT_MEMORY_MIB, DEFAULT_TIME_MS};
        let limits = ResourceLimits::default();
        assert_eq!(limits.memory_mib, DEFAULT_MEMORY_MIB);
        assert_eq!(limits.time_ms, DEFAULT_TIME_MS);
    }

    fn line_up(text: &str) -> Result<Vec<(String, String)>> {
        let modules: BTreeSet<String> = ["ema", "pairs"].map(str::to_owned).into();
        let config = Config::parse("t", text).unwrap();
        check_modules(&config, &modules)?;
        let of = |module: &String| {
            let strategies = strategies_of(&config, module).into_iter();
            let pairs: Vec<_> = strategies.map(|(name, _)| (name, module.clone())).collect();
            pairs
        };
        Ok(modules.iter().flat_map(of).collect())
    }

    fn pair(name: &str, module: &str) -> (String, String) {
        (name.to_owned(), module.to_owned())
    }

    #[test]
    fn every_module_runs_under_its_name_and_again_under_those_that_name_it() {
        assert_eq!(
            line_up("").unwrap(),
            [pair("ema", "ema"), pair("pairs", "pairs")]
        );
        let text = "[strategies.pairs]\nenabled = false\n[strategies.slow]\nplugin = \"ema\"";
        assert_eq!(
            line_up(text).unwrap(),
            [pair("ema", "ema"), pair("slow", "ema")]
        );
    }

    #[test]
    fn what_the_settings_name_is_listed_before_a_thousand_others_that_do_not_run() {
        let config = Config::parse("t", "[strategies.ema]\n").unwrap();
        let mut skipped: Skipped = (0..1_000)
            .map(|n| (format!("a{n}"), "is empty".to_owned()))
            .collect();
        skipped.insert("ema".to_owned(), "is truncated".to_owned());
        let (first, more) = first_skipped(&skipped, &config);
        assert_eq!((first[0], first[1].0), (("ema", "is truncated"), "a0"));
        assert_eq!(first.len() + more, 1_001);
        assert_eq!(first.len(), MOST_SKIPPED);
    }

    #[test]
    fn a_strategy_without_a_module_is_named_with_its_line() {
        let error = line_up("\n[strategies.emma]\n").unwrap_err().to_string();
        assert_eq!(
            error,
            "there is no module `emma.wasm` at t:2, did you mean `ema`?"
        );
        let error = line_up("[strategies.x]\nplugin = \"grid-trader\"")
            .unwrap_err()
            .to_string();
        assert!(
            error.ends_with("at t:2, build it into the plugins folder, which has ema, pairs"),
            "{error}"
        );
    }
}

//! The sections of `tickdeck.toml`, one struct per section.

use super::venue::VenueSettings;
use crate::permissions::PermissionSettings;
use crate::reader::{Decimal, Located, Setting};
use std::collections::BTreeMap;
use tickdeck_engine::{Overload, Stepping, Wait};

/// The settings of a deck.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file, as the user named it, for messages about mistakes that only show later.
    pub file: String,
    /// `[engine]`
    pub engine: EngineSettings,
    /// `[venues.NAME]` in the order of their names, or `[venue]`; never empty.
    pub venues: Vec<VenueSettings>,
    /// `[risk]`
    pub risk: LimitSettings,
    /// `[risk.instruments.SYMBOL]`
    pub instruments: Vec<(Located<String>, InstrumentSettings)>,
    /// `[middleware]`
    pub middleware: MiddlewareSettings,
    /// `[budget]`
    pub budget: BudgetSettings,
    /// `[wasm]`
    pub wasm: WasmSettings,
    /// `[journal]`
    pub journal: JournalSettings,
    /// The text of the file, which is stored in the reels.
    pub text: String,
    /// `[strategies.NAME]`
    pub strategies: BTreeMap<String, StrategySettings>,
}

impl Default for Config {
    /// Returns the settings of an empty file.
    fn default() -> Self {
        Self {
            file: String::new(),
            engine: EngineSettings::default(),
            venues: vec![VenueSettings::default()],
            risk: LimitSettings::default(),
            instruments: Vec::new(),
            middleware: MiddlewareSettings::default(),
            budget: BudgetSettings::default(),
            wasm: WasmSettings::default(),
            journal: JournalSettings::default(),
            text: String::new(),
            strategies: BTreeMap::new(),
        }
    }
}

/// Settings of the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineSettings {
    /// Number of threads that run strategies.
    pub workers: Option<usize>,
    /// Cores to which these threads are pinned.
    pub pin: Vec<usize>,
    /// Maximum number of events per call of a strategy.
    pub batch: Option<usize>,
    /// Number of events that the ring holds.
    pub ring_capacity: Option<usize>,
    /// Maximum number of actions of a strategy per second of event time.
    pub max_actions_per_s: Option<u32>,
    /// The way threads wait for each other.
    pub wait: Option<Wait>,
    /// Whether the kernel waits for strategies.
    pub stepping: Stepping,
}

/// The limits of one strategy, or of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitSettings {
    /// The limits that are permissions: a grant can widen them.
    pub permissions: PermissionSettings,
    /// Largest distance of a limit price beyond the last quote, in basis points.
    pub collar_bps: Setting<u32>,
    /// Time within which a repeated order is a duplicate, in microseconds.
    pub duplicate_window_us: Setting<u64>,
    /// Maximum age of a quote to trade on, in milliseconds.
    pub max_quote_age_ms: Setting<u64>,
}

/// Limits of one instrument.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstrumentSettings {
    /// Largest size of one order.
    pub max_size: Option<Located<Decimal>>,
    /// Largest position with every working order filled.
    pub max_position: Option<Located<Decimal>>,
}

/// Settings that limit how long a strategy may keep the others waiting.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BudgetSettings {
    /// What happens to a strategy that exceeds the limit.
    pub overload: Option<Overload>,
    /// Maximum delay that one strategy may cause the others.
    pub burst_ms: Option<u64>,
    /// Share of the clock's time that is credited to each.
    pub share_percent: Option<u32>,
}

/// Settings of the middleware between the ring and the strategies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MiddlewareSettings {
    /// Drops public trades that arrive twice.
    pub drop_duplicates: Option<bool>,
    /// Drops market data older than this, in milliseconds.
    pub max_age_ms: Option<u64>,
    /// Passes at most one quote per instrument in this time, in milliseconds.
    pub conflate_quotes_ms: Option<u64>,
}

/// Settings of the WebAssembly runtime.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WasmSettings {
    /// Whether a NaN has one bit pattern on every CPU.
    pub nan_canonicalisation: Option<bool>,
    /// Memory and time of a strategy that sets none of its own.
    pub permissions: PermissionSettings,
    /// Memory of all strategies together, in MiB.
    pub deck_memory_mib: Option<u64>,
    /// CPU time of a lifecycle call that others wait for, in milliseconds.
    pub handover_ms: Option<u64>,
    /// Address space of the process that compiles a module, in MiB.
    pub compile_memory_mib: Option<u32>,
    /// CPU time of that process, in seconds.
    pub compile_cpu_s: Option<u32>,
    /// Whether modules are refused if that process can't be kept from files and network.
    pub compile_sandbox_required: Option<bool>,
    /// Public keys whose signatures are trusted. Without any, modules need no signature.
    pub trusted_keys: Vec<Located<String>>,
}

/// Settings of the journal, which records runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalSettings {
    /// Whether recording is off.
    pub off: bool,
    /// When records are synced to disk.
    pub mode: SyncMode,
    /// Time between two syncs, in milliseconds.
    pub interval_ms: Option<u64>,
    /// Size of one file, in MiB.
    pub segment_mib: Option<u32>,
    /// Maximum disk space of the reels of finished runs, in GiB; the oldest runs are removed first.
    pub keep_gib: Option<u64>,
}

/// When records are synced to disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SyncMode {
    /// At an interval.
    #[default]
    Interval,
    /// Before an order leaves.
    Order,
    /// When the operating system writes them.
    Never,
}

impl JournalSettings {
    /// Returns the journal's own type.
    pub fn sync(&self) -> tickdeck_journal::Sync {
        match self.mode {
            SyncMode::Interval => match self.interval_ms {
                Some(ms) => tickdeck_journal::Sync::Interval(std::time::Duration::from_millis(ms)),
                None => tickdeck_journal::Sync::default(),
            },
            SyncMode::Order => tickdeck_journal::Sync::Order,
            SyncMode::Never => tickdeck_journal::Sync::Never,
        }
    }
}

/// Settings of one strategy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrategySettings {
    /// The line of the heading; 0 if the file has none.
    pub line: usize,
    /// Whether the strategy runs.
    pub enabled: bool,
    /// The module that it runs, `NAME` of `plugins/NAME.wasm`, if its name differs from the strategy's.
    pub plugin: Option<Located<String>>,
    /// Capital in the quote currency.
    pub capital: Option<Located<Decimal>>,
    /// Limits of memory and time.
    pub permissions: PermissionSettings,
    /// Parameters by their names in the manifest, with the values as text.
    pub parameters: BTreeMap<String, Located<String>>,
    /// Limits, which override those of the deck.
    pub risk: LimitSettings,
}

impl Default for StrategySettings {
    fn default() -> Self {
        Self {
            line: 0,
            enabled: true,
            plugin: None,
            capital: None,
            permissions: PermissionSettings::default(),
            parameters: BTreeMap::new(),
            risk: LimitSettings::default(),
        }
    }
}

/// A parameter and where its value comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterValue {
    /// The name.
    pub name: String,
    /// The value as text.
    pub value: String,
    /// `tickdeck.toml`, `NAME.toml` or `default`.
    pub source: String,
}

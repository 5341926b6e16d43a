//! The sections of `tickdeck.toml`, one struct per section.

use crate::reader::{Decimal, Located, Setting};
use std::collections::BTreeMap;
use std::path::PathBuf;
use tickdeck_engine::{Stepping, Wait};
use tickdeck_model::OrderType;

/// Everything that `tickdeck.toml` says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Config {
    /// The file, as the user named it, for messages about what is only judged later.
    pub file: String,
    /// `[engine]`
    pub engine: EngineSettings,
    /// `[venue]`
    pub venue: VenueSettings,
    /// `[risk]`
    pub risk: LimitSettings,
    /// `[risk.instruments.SYMBOL]`
    pub instruments: Vec<(Located<String>, InstrumentSettings)>,
    /// `[middleware]`
    pub middleware: MiddlewareSettings,
    /// `[wasm]`
    pub wasm: WasmSettings,
    /// `[journal]`
    pub journal: JournalSettings,
    /// The file as it was written: it goes into the reels.
    pub text: String,
    /// `[strategies.NAME]`
    pub strategies: BTreeMap<String, StrategySettings>,
}

/// How the engine runs.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineSettings {
    /// Threads that run strategies.
    pub workers: Option<usize>,
    /// Cores to pin them to.
    pub pin: Vec<usize>,
    /// Most events in one call of a strategy.
    pub batch: Option<usize>,
    /// Events the ring holds.
    pub ring_capacity: Option<usize>,
    /// Most actions of a strategy in a second of event time.
    pub max_actions_per_s: Option<u32>,
    /// How threads wait for each other.
    pub wait: Option<Wait>,
    /// How the kernel goes on.
    pub stepping: Stepping,
}

/// What the deck trades on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct VenueSettings {
    /// Which.
    pub kind: VenueKind,
    /// The seed of all that is random.
    pub seed: Option<u64>,
    /// Market events a second of the simulated exchange.
    pub events_per_second: Option<u32>,
    /// The captures to play.
    pub files: Vec<PathBuf>,
    /// Time from us to the venue.
    pub latency_us: Option<u64>,
    /// Fee of a fill that gave liquidity, in hundredths of a percent.
    pub maker_fee_bps: Option<Located<Decimal>>,
    /// Fee of a fill that took liquidity, in hundredths of a percent.
    pub taker_fee_bps: Option<Located<Decimal>>,
    /// The account's opening balance in the quote currency.
    pub balance: Option<Located<Decimal>>,
}

/// Which venue.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum VenueKind {
    /// The exchange of our own.
    #[default]
    Sim,
    /// A recorded market.
    Capture,
}

/// Limits of a strategy, or of all.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LimitSettings {
    /// Largest price times size of one order, in whole units of the quote currency.
    pub max_notional: Setting<u64>,
    /// Largest position at its worst case, in whole units of the quote currency.
    pub max_position_notional: Setting<u64>,
    /// How far from the last quote a price may be.
    pub collar_bps: Setting<u32>,
    /// Most orders in a time.
    pub order_rate: Setting<RateSettings>,
    /// The same order again within this time is a duplicate.
    pub duplicate_window_us: Setting<u64>,
    /// Oldest quote to trade on.
    pub max_quote_age_ms: Setting<u64>,
    /// Instruments that may be traded.
    pub allow: Setting<Vec<Located<String>>>,
    /// Venues that may be traded on.
    pub venues: Setting<Vec<Located<String>>>,
    /// Order types that may be sent.
    pub order_types: Setting<Vec<OrderType>>,
}

impl LimitSettings {
    /// What is not mentioned here, as `deck` has it.
    pub fn over(self, deck: &Self) -> Self {
        let deck = deck.clone();
        Self {
            max_notional: self.max_notional.or(deck.max_notional),
            max_position_notional: self.max_position_notional.or(deck.max_position_notional),
            collar_bps: self.collar_bps.or(deck.collar_bps),
            order_rate: self.order_rate.or(deck.order_rate),
            duplicate_window_us: self.duplicate_window_us.or(deck.duplicate_window_us),
            max_quote_age_ms: self.max_quote_age_ms.or(deck.max_quote_age_ms),
            allow: self.allow.or(deck.allow),
            venues: self.venues.or(deck.venues),
            order_types: self.order_types.or(deck.order_types),
        }
    }
}

/// Orders in a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RateSettings {
    /// Most orders.
    pub orders: u32,
    /// Within this time.
    pub window_ms: u64,
}

/// Limits of one instrument.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstrumentSettings {
    /// Largest size of one order.
    pub max_size: Option<Located<Decimal>>,
    /// Largest position at its worst case.
    pub max_position: Option<Located<Decimal>>,
}

/// What stands between the ring and the strategies.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MiddlewareSettings {
    /// Drop public trades that come twice.
    pub drop_duplicates: Option<bool>,
    /// Drop events older than this.
    pub max_age_ms: Option<u64>,
    /// At most one quote per instrument in this time.
    pub conflate_quotes_ms: Option<u64>,
}

/// How guests are run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct WasmSettings {
    /// Whether a NaN has one bit pattern on every CPU.
    pub nan_canonicalisation: Option<bool>,
    /// Memory of a strategy that sets none of its own.
    pub memory_mib: Option<u64>,
    /// Time of a call of a strategy that sets none of its own.
    pub time_ms: Option<u64>,
    /// Time of `save` and of `restore`.
    pub handover_ms: Option<u64>,
    /// Public keys whose signatures are trusted; none: modules need no signature.
    pub trusted_keys: Vec<Located<String>>,
}

/// How runs are kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct JournalSettings {
    /// Nothing is kept.
    pub off: bool,
    /// When what is kept is on the disk.
    pub mode: SyncMode,
    /// Time between two syncs.
    pub interval_ms: Option<u64>,
    /// Size of one file.
    pub segment_mib: Option<u32>,
    /// Most that the reels of finished runs take; the oldest runs go first.
    pub keep_gib: Option<u64>,
}

/// When what is kept is on the disk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum SyncMode {
    /// At an interval.
    #[default]
    Interval,
    /// Before an order leaves.
    Order,
    /// When the system likes.
    Never,
}

impl JournalSettings {
    /// As the journal has it.
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

/// One strategy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StrategySettings {
    /// The line of its heading.
    pub line: usize,
    /// Whether it runs.
    pub enabled: bool,
    /// The module it runs, if it is not called like the strategy: `NAME` of `plugins/NAME.wasm`.
    pub plugin: Option<Located<String>>,
    /// Its money.
    pub capital: Option<Located<Decimal>>,
    /// Its memory.
    pub memory_mib: Option<u64>,
    /// The longest a call may take.
    pub time_ms: Option<u64>,
    /// Its parameters as its manifest names them, values as text.
    pub parameters: BTreeMap<String, Located<String>>,
    /// Its limits, over those of the deck.
    pub risk: LimitSettings,
}

impl Default for StrategySettings {
    fn default() -> Self {
        Self {
            line: 0,
            enabled: true,
            plugin: None,
            capital: None,
            memory_mib: None,
            time_ms: None,
            parameters: BTreeMap::new(),
            risk: LimitSettings::default(),
        }
    }
}

/// A parameter and who gave it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ParameterValue {
    /// Its name.
    pub name: String,
    /// Its value.
    pub value: String,
    /// `tickdeck.toml`, `NAME.toml` or `default`.
    pub source: String,
}

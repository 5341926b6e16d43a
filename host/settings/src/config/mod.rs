//! The deck's settings: `tickdeck.toml`. An annotated example is the file of that name at the top of the repository.
//!
//! The file is read in one pass that reports every mistake at once with its line. What can only be judged against the
//! deck itself (an instrument's symbol, a strategy's parameter) keeps its line and is judged when the deck is wired.

mod plugin;
mod problem;
mod read;
mod section;
#[cfg(test)]
mod tests;

pub use plugin::{
    GrantSettings, OtherSchema, PermissionSettings, PluginSettings, SaveFailed, SwapSettings,
};
pub use problem::{Problem, Problems};

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tickdeck_engine::{Stepping, Wait};
use tickdeck_model::OrderType;

/// Where the settings of a deck lie.
pub const FILE_NAME: &str = "tickdeck.toml";

/// The largest file that is read: a mistaken path must not fill the memory.
const MAX_FILE_BYTES: u64 = 1 << 20;

/// A value and the line it was given in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    /// The value.
    pub value: T,
    /// Its line, from 1.
    pub line: usize,
}

/// An exact decimal as it was written; it is read at its currency's or instrument's scale.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decimal(pub String);

/// A limit that may be left at its default, taken off by name, or set.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Setting<T> {
    /// Not mentioned.
    #[default]
    Default,
    /// `false`.
    Off,
    /// A value.
    To(T),
}

impl<T> Setting<T> {
    /// The limit in force, given what holds without a mention.
    pub fn over(self, otherwise: Option<T>) -> Option<T> {
        match self {
            Self::Default => otherwise,
            Self::Off => None,
            Self::To(value) => Some(value),
        }
    }

    /// This setting, or `otherwise` if it is not mentioned.
    pub fn or(self, otherwise: Self) -> Self {
        match self {
            Self::Default => otherwise,
            set => set,
        }
    }

    /// The same setting in other units.
    pub fn map<U>(self, convert: impl FnOnce(T) -> U) -> Setting<U> {
        match self {
            Self::Default => Setting::Default,
            Self::Off => Setting::Off,
            Self::To(value) => Setting::To(convert(value)),
        }
    }
}

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

impl Config {
    /// Reads settings from text; `file` names it in messages.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        read::read(file, text)
    }

    /// Reads a file. Paths in it are relative to the folder it lies in.
    ///
    /// # Errors
    /// It can't be read, or everything that is wrong with it.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = text_of(path)?;
        let mut config = Self::parse(&path.display().to_string(), &text)?;
        if let Some(folder) = path.parent() {
            for file in &mut config.venue.files {
                *file = folder.join(&*file);
            }
        }
        Ok(config)
    }

    /// A sentence about something in the file that was only judged when the deck was wired.
    pub fn problem(&self, line: usize, what: String, fix: String) -> Problems {
        Problems {
            file: self.file.clone(),
            list: vec![Problem {
                line,
                what,
                fix: Some(fix),
            }],
        }
    }
}

/// The text of a file of settings, at most [`MAX_FILE_BYTES`] of it.
fn text_of(path: &Path) -> anyhow::Result<String> {
    let shown = path.display();
    let size = std::fs::metadata(path)
        .map_err(|error| anyhow::anyhow!("cannot read {shown}: {error}"))?
        .len();
    anyhow::ensure!(
        size <= MAX_FILE_BYTES,
        "{shown} has {size} bytes, more than the {MAX_FILE_BYTES} that are read"
    );
    std::fs::read_to_string(path).map_err(|error| anyhow::anyhow!("cannot read {shown}: {error}"))
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

//! The venues of a deck: `[venues.NAME]`, or `[venue]` for a deck with a single one.
//!
//! A kind of venue is a struct of settings, a function that reads it, and a row of [`KINDS`].

use crate::reader::{Decimal, Located, Section};
use std::path::PathBuf;
use tickdeck_model::untrusted::quoted;

/// The largest seed that TOML can hold.
const MAX_SEED: u64 = i64::MAX as u64;
/// The fastest flow of the simulated exchange.
const MAX_RATE: u64 = 10_000_000;
/// The latest opening, the year 2200: it leaves fifty years until [`tickdeck_model::END_OF_TIME`].
const MAX_START_MS: u64 = 7_258_118_400_000;
/// The longest latency: a minute.
const MAX_LATENCY_US: u64 = 60_000_000;

/// A venue to trade on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VenueSettings {
    /// The name, unique in the deck; symbols end in it.
    pub name: String,
    /// The line of the heading, from 1; 0 if the file has none.
    pub line: usize,
    /// The kind, with its settings.
    pub kind: VenueKind,
}

/// The kind of a venue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VenueKind {
    /// The simulated exchange.
    Sim(SimSettings),
    /// A recorded market.
    Capture(CaptureSettings),
}

/// Settings of a simulated exchange.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SimSettings {
    /// The random seed.
    pub seed: Option<u64>,
    /// Market events per second, on average.
    pub events_per_second: Option<u32>,
    /// Event time at which the market opens, in milliseconds since 1970.
    pub start_ms: Option<u64>,
    /// Latency and costs of orders.
    pub broker: BrokerSettings,
}

/// Settings of a recorded market.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CaptureSettings {
    /// The captures to play, merged by time.
    pub files: Vec<PathBuf>,
    /// What is known of symbols beside the captures.
    pub symbols: Vec<SymbolSection>,
    /// A file with the venue's own terms of its symbols: Binance's answer of `exchangeInfo`.
    pub exchange_info: Option<PathBuf>,
    /// Latency and costs of orders.
    pub broker: BrokerSettings,
    /// The seed that is reported with the run. Nothing in a capture is random; `[venue]` and `--seed` can set it anyway.
    pub seed: Option<u64>,
}

/// The terms of a symbol: `[venue.symbols.NAME]`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SymbolSection {
    /// As the exchange writes it: `BTCUSDT`.
    pub name: String,
    /// The base currency.
    pub base: Option<Located<String>>,
    /// The quote currency.
    pub quote: Option<Located<String>>,
    /// Prices are whole multiples of this.
    pub tick: Option<Located<Decimal>>,
    /// Sizes are whole multiples of this.
    pub lot: Option<Located<Decimal>>,
    /// Smallest price times size, in the quote currency.
    pub min_notional: Option<Located<Decimal>>,
}

/// Settings of a venue that fills orders itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BrokerSettings {
    /// Time from the host to the venue, in microseconds.
    pub latency_us: Option<u64>,
    /// Fee of a fill that provided liquidity, in basis points.
    pub maker_fee_bps: Option<Located<Decimal>>,
    /// Fee of a fill that took liquidity, in basis points.
    pub taker_fee_bps: Option<Located<Decimal>>,
    /// Opening balance of the account, in the quote currency.
    pub balance: Option<Located<Decimal>>,
}

/// A kind of venue in the file.
struct Kind {
    /// The value of `kind`.
    word: &'static str,
    /// The name of a venue of this kind that `[venue]` describes.
    name: &'static str,
    /// Reads the settings of this kind, except `kind` itself.
    read: fn(&Section<'_, '_>) -> VenueKind,
    /// The keys of other kinds that `[venue]` has always accepted and ignored.
    ignored: &'static [&'static str],
}

/// Every kind; the first is the default.
static KINDS: &[Kind] = &[
    Kind {
        word: "sim",
        name: "SIM",
        read: sim,
        ignored: &[],
    },
    Kind {
        word: "capture",
        name: "BINANCE",
        read: capture,
        ignored: &["seed", "events_per_second"],
    },
];

fn sim(section: &Section<'_, '_>) -> VenueKind {
    VenueKind::Sim(SimSettings {
        seed: section.integer("seed", 0..=MAX_SEED),
        events_per_second: section.integer("events_per_second", 1..=MAX_RATE),
        start_ms: section.integer("start_ms", 0..=MAX_START_MS),
        broker: broker(section),
    })
}

fn capture(section: &Section<'_, '_>) -> VenueKind {
    VenueKind::Capture(CaptureSettings {
        files: files(section),
        symbols: symbols(&section.table("symbols")),
        exchange_info: section.text("exchange_info").map(|file| file.value.into()),
        broker: broker(section),
        seed: None,
    })
}

fn broker(section: &Section<'_, '_>) -> BrokerSettings {
    BrokerSettings {
        latency_us: section.integer("latency_us", 1..=MAX_LATENCY_US),
        maker_fee_bps: section.decimal("maker_fee_bps"),
        taker_fee_bps: section.decimal("taker_fee_bps"),
        balance: section.decimal("balance"),
    }
}

fn files(section: &Section<'_, '_>) -> Vec<PathBuf> {
    let files = section.texts("files");
    match &files {
        None if !section.has("files") => section.refuse(
            "kind",
            "a venue of kind \"capture\" has no `files`",
            "name the captures: files = [\"data/btcusdt.gz\"]",
        ),
        Some(files) if files.is_empty() => {
            section.refuse("files", "`files` is empty", "name at least one capture");
        }
        _ => {}
    }
    let files = files.unwrap_or_default().into_iter();
    files.map(|file| PathBuf::from(file.value)).collect()
}

fn symbols(section: &Section<'_, '_>) -> Vec<SymbolSection> {
    let symbol = |(name, section): (Located<String>, Section<'_, '_>)| {
        let symbol = SymbolSection {
            name: name.value,
            base: section.text("base"),
            quote: section.text("quote"),
            tick: section.decimal("tick"),
            lot: section.decimal("lot"),
            min_notional: section.decimal("min_notional"),
        };
        section.finish();
        symbol
    };
    section.tables().into_iter().map(symbol).collect()
}

/// Reads `[venue]` or `[venues.NAME]`. The venues are in the order of their names, wherever they are in the file.
pub(super) fn venues(top: &Section<'_, '_>) -> Vec<VenueSettings> {
    let (single, several) = (top.table("venue"), top.table("venues"));
    if !several.is_table() {
        return vec![unnamed(top.line_of("venue"), single)];
    }
    if single.is_table() {
        let fix = "move the keys of `[venue]` into a section `[venues.NAME]`";
        top.refuse("venue", "there are both `[venue]` and `[venues]`", fix);
        single.ignore();
    }
    let mut venues = Vec::new();
    for (name, section) in several.tables() {
        if !is_name(&name.value) {
            let what = format!("{} can't be the name of a venue", quoted(&name.value));
            several.refuse(&name.value, &what, "use letters, digits, `-` and `_`");
        }
        let (_, settings) = read(&section, false);
        section.finish();
        venues.push(VenueSettings {
            name: name.value,
            line: name.line,
            kind: settings,
        });
    }
    if venues.is_empty() {
        let fix = "add a section `[venues.NAME]`, or remove `[venues]` to trade on the simulated exchange";
        top.refuse("venues", "`[venues]` has no venue", fix);
    }
    venues.sort_by(|one, other| one.name.cmp(&other.name));
    venues
}

fn unnamed(line: usize, section: Section<'_, '_>) -> VenueSettings {
    let (kind, mut settings) = read(&section, true);
    if let VenueKind::Capture(capture) = &mut settings {
        capture.seed = section.integer("seed", 0..=MAX_SEED);
    }
    section.finish();
    VenueSettings {
        name: kind.name.to_owned(),
        line,
        kind: settings,
    }
}

/// Reads a venue. A key of another kind is a mistake, unless `lenient` and the kind ignores it.
fn read(section: &Section<'_, '_>, lenient: bool) -> (&'static Kind, VenueKind) {
    let choices: Vec<_> = KINDS.iter().map(|kind| (kind.word, kind)).collect();
    let kind = section.choice("kind", &choices).unwrap_or(&KINDS[0]);
    let settings = (kind.read)(section);
    for other in KINDS.iter().filter(|other| other.word != kind.word) {
        let keys = Section::keys_of(|section| drop((other.read)(section)));
        for key in keys.into_iter().filter(|key| section.take_unread(key)) {
            if !(lenient && kind.ignored.contains(&key)) {
                let what = format!("`{key}` is a setting of kind \"{}\"", other.word);
                let fix = format!("set kind = \"{}\" or remove it", other.word);
                section.refuse(key, &what, &fix);
            }
        }
    }
    (kind, settings)
}

/// Symbols end in a dot and the venue's name, so the name itself has no dot.
fn is_name(name: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_';
    !name.is_empty() && name.bytes().all(allowed)
}

impl VenueKind {
    /// The seed of a kind that has one: a live venue draws nothing at random.
    pub(super) fn seed_mut(&mut self) -> Option<&mut Option<u64>> {
        match self {
            Self::Sim(sim) => Some(&mut sim.seed),
            Self::Capture(capture) => Some(&mut capture.seed),
        }
    }
}

impl VenueSettings {
    /// Plays captures here instead, under the default name of a capture if this venue has its kind's default name.
    pub(super) fn play_captures(&mut self, files: Vec<PathBuf>) {
        let (kind, capture) = match &self.kind {
            VenueKind::Sim(sim) => {
                let capture = CaptureSettings {
                    broker: sim.broker.clone(),
                    seed: sim.seed,
                    ..CaptureSettings::default()
                };
                (&KINDS[0], capture)
            }
            VenueKind::Capture(capture) => (&KINDS[1], capture.clone()),
        };
        if self.name == kind.name {
            KINDS[1].name.clone_into(&mut self.name);
        }
        self.kind = VenueKind::Capture(CaptureSettings { files, ..capture });
    }
}

impl Default for VenueSettings {
    /// Returns the simulated exchange, on which a deck without any settings trades.
    fn default() -> Self {
        Self {
            name: KINDS[0].name.to_owned(),
            line: 0,
            kind: VenueKind::Sim(SimSettings::default()),
        }
    }
}

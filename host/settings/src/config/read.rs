//! Which keys exist, what they mean and within which bounds: the one place that says so.

use super::deck::{
    Config, EngineSettings, InstrumentSettings, JournalSettings, LimitSettings, MiddlewareSettings,
    RateSettings, StrategySettings, SyncMode, VenueKind, VenueSettings, WasmSettings,
};
use crate::public_key::public_key;
use crate::reader::{Located, Problems, Reader, Section};
use std::path::PathBuf;
use tickdeck_engine::{EngineConfig, Stepping, Wait};
use tickdeck_model::OrderType;

/// Most worker threads.
const MAX_WORKERS: u64 = 64;
/// Most events in one call.
const MAX_BATCH: u64 = 65_536;
/// The ring's bounds; it is a power of two.
const RING: std::ops::RangeInclusive<u64> = 1_024..=1 << 24;
/// The fastest flow of the simulated exchange.
const MAX_RATE: u64 = 10_000_000;
/// A day, the longest time any window or age may have.
const DAY_MS: u64 = 86_400_000;
/// The largest money limit in whole units: beyond it, it is a mistake.
pub(super) const MAX_UNITS: u64 = 1_000_000_000_000;
/// Most linear memory of one strategy: what 32-bit WebAssembly can address.
pub(super) const MAX_MEMORY_MIB: u64 = 4_096;
/// The longest a call may take; a deck that waits longer is not trading.
pub(super) const MAX_CALL_MS: u64 = 60_000;

pub(super) fn read(file: &str, text: &str) -> Result<Config, Problems> {
    let (reader, table) = Reader::new(file, text);
    let top = reader.section(&table);
    let risk = top.table("risk");
    let config = Config {
        file: file.to_owned(),
        engine: engine(top.table("engine")),
        venue: venue(top.table("venue")),
        instruments: instruments(&risk.table("instruments")),
        risk: limits(risk),
        middleware: middleware(top.table("middleware")),
        wasm: wasm(top.table("wasm")),
        journal: journal(top.table("journal")),
        text: text.to_owned(),
        strategies: top
            .table("strategies")
            .tables()
            .into_iter()
            .map(|(name, section)| (name.value, strategy(name.line, section)))
            .collect(),
    };
    top.finish();
    reader.finish(config)
}

fn engine(section: Section<'_, '_>) -> EngineSettings {
    let ring_capacity = section.integer("ring_capacity", RING);
    if ring_capacity.is_some_and(|capacity| !capacity.is_power_of_two()) {
        section.refuse(
            "ring_capacity",
            "`ring_capacity` is not a power of two",
            "take 65536 or another one",
        );
    }
    let settings = EngineSettings {
        workers: section
            .integer("workers", 1..=MAX_WORKERS)
            .map(|workers| workers as usize),
        pin: section
            .integers("pin", 0..=1_023)
            .unwrap_or_default()
            .into_iter()
            .map(|core| core as usize)
            .collect(),
        batch: section
            .integer("batch", 1..=MAX_BATCH)
            .map(|batch| batch as usize),
        ring_capacity: ring_capacity.map(|capacity| capacity as usize),
        max_actions_per_s: section
            .integer("max_actions_per_s", 1..=u64::from(u32::MAX))
            .map(|actions| actions as u32),
        wait: section.word(
            "wait",
            &[
                ("park", EngineConfig::default().wait),
                ("spin", Wait::Spin),
                ("busy", Wait::BusySpin),
            ],
        ),
        stepping: section
            .word(
                "stepping",
                &[("lockstep", Stepping::Lockstep), ("free", Stepping::Free)],
            )
            .unwrap_or_default(),
    };
    section.finish();
    settings
}

fn journal(section: Section<'_, '_>) -> JournalSettings {
    let settings = JournalSettings {
        off: section.boolean("enabled") == Some(false),
        mode: section
            .word(
                "sync",
                &[
                    ("interval", SyncMode::Interval),
                    ("order", SyncMode::Order),
                    ("never", SyncMode::Never),
                ],
            )
            .unwrap_or_default(),
        interval_ms: section.integer("interval_ms", 1..=60_000),
        segment_mib: section
            .integer("segment_mib", 1..=4_096)
            .map(|mib| mib as u32),
        keep_gib: section.integer("keep_gib", 1..=1 << 20),
    };
    section.finish();
    settings
}

fn venue(section: Section<'_, '_>) -> VenueSettings {
    let kind = section
        .word(
            "kind",
            &[("sim", VenueKind::Sim), ("capture", VenueKind::Capture)],
        )
        .unwrap_or_default();
    let files = section.texts("files");
    match (kind, &files) {
        (VenueKind::Capture, None) => section.refuse(
            "kind",
            "a venue of kind \"capture\" has no `files`",
            "name the captures: files = [\"data/btcusdt.gz\"]",
        ),
        (VenueKind::Capture, Some(files)) if files.is_empty() => {
            section.refuse("files", "`files` is empty", "name at least one capture");
        }
        (VenueKind::Sim, Some(_)) => {
            section.refuse(
                "files",
                "`files` is only for captures",
                "set kind = \"capture\" or remove it",
            );
        }
        _ => {}
    }
    let settings = VenueSettings {
        kind,
        seed: section.integer("seed", 0..=i64::MAX as u64),
        events_per_second: section
            .integer("events_per_second", 1..=MAX_RATE)
            .map(|rate| rate as u32),
        files: files
            .unwrap_or_default()
            .into_iter()
            .map(|file| PathBuf::from(file.value))
            .collect(),
        latency_us: section.integer("latency_us", 1..=60_000_000),
        maker_fee_bps: section.decimal("maker_fee_bps"),
        taker_fee_bps: section.decimal("taker_fee_bps"),
        balance: section.decimal("balance"),
    };
    section.finish();
    settings
}

fn limits(section: Section<'_, '_>) -> LimitSettings {
    let settings = LimitSettings {
        max_notional: section.limit("max_notional", |section, key| {
            section.integer(key, 1..=MAX_UNITS)
        }),
        max_position_notional: section.limit("max_position_notional", |section, key| {
            section.integer(key, 1..=MAX_UNITS)
        }),
        collar_bps: section.limit("collar_bps", |section, key| {
            section.integer(key, 1..=10_000).map(|bps| bps as u32)
        }),
        order_rate: section.limit("order_rate", rate),
        duplicate_window_us: section.limit("duplicate_window_us", |section, key| {
            section.integer(key, 1..=DAY_MS * 1_000)
        }),
        max_quote_age_ms: section.limit("max_quote_age_ms", |section, key| {
            section.integer(key, 1..=DAY_MS)
        }),
        allow: section.limit("allow", |section, key| section.texts(key)),
        venues: section.limit("venues", |section, key| section.texts(key)),
        order_types: section.limit("order_types", order_types),
    };
    section.finish();
    settings
}

pub(super) fn order_types(section: &Section<'_, '_>, key: &'static str) -> Option<Vec<OrderType>> {
    let words: Vec<_> = OrderType::ALL
        .iter()
        .map(|kind| (kind.as_str(), *kind))
        .collect();
    section.words(key, &words)
}

pub(super) fn rate(section: &Section<'_, '_>, key: &'static str) -> Option<RateSettings> {
    let table = section.table(key);
    let orders = table.integer("orders", 1..=1_000_000);
    let window_ms = table.integer("window_ms", 1..=DAY_MS);
    if table.is_table() && !(table.has("orders") && table.has("window_ms")) {
        let fix = "write order_rate = { orders = 100, window_ms = 1000 }";
        section.refuse(key, "`order_rate` needs both `orders` and `window_ms`", fix);
    }
    table.finish();
    Some(RateSettings {
        orders: orders? as u32,
        window_ms: window_ms?,
    })
}

fn instruments(section: &Section<'_, '_>) -> Vec<(Located<String>, InstrumentSettings)> {
    let mut all = Vec::new();
    for (symbol, section) in section.tables() {
        let settings = InstrumentSettings {
            max_size: section.decimal("max_size"),
            max_position: section.decimal("max_position"),
        };
        section.finish();
        all.push((symbol, settings));
    }
    all
}

fn middleware(section: Section<'_, '_>) -> MiddlewareSettings {
    let settings = MiddlewareSettings {
        drop_duplicates: section.boolean("drop_duplicates"),
        max_age_ms: section.integer("max_age_ms", 1..=DAY_MS),
        conflate_quotes_ms: section.integer("conflate_quotes_ms", 1..=DAY_MS),
    };
    section.finish();
    settings
}

fn trusted_keys(section: &Section<'_, '_>) -> Vec<Located<String>> {
    let keys = section.texts_that(
        "trusted_keys",
        "a list of public keys, such as `tickdeck sign --new-key` prints",
        |text| public_key(text).is_ok(),
    );
    if keys.as_ref().is_some_and(Vec::is_empty) {
        section.refuse(
            "trusted_keys",
            "`trusted_keys` is empty",
            "name a key, or remove it to run modules without a signature",
        );
    }
    keys.unwrap_or_default()
}

fn wasm(section: Section<'_, '_>) -> WasmSettings {
    let settings = WasmSettings {
        nan_canonicalisation: section.boolean("nan_canonicalisation"),
        memory_mib: section.integer("memory_mib", 1..=MAX_MEMORY_MIB),
        time_ms: section.integer("time_ms", 1..=MAX_CALL_MS),
        handover_ms: section.integer("handover_ms", 1..=MAX_CALL_MS),
        trusted_keys: trusted_keys(&section),
    };
    section.finish();
    settings
}

fn strategy(line: usize, section: Section<'_, '_>) -> StrategySettings {
    let settings = StrategySettings {
        line,
        enabled: section.boolean("enabled").unwrap_or(true),
        plugin: section.text("plugin"),
        capital: section.decimal("capital"),
        memory_mib: section.integer("memory_mib", 1..=MAX_MEMORY_MIB),
        time_ms: section.integer("time_ms", 1..=MAX_CALL_MS),
        parameters: section
            .table("parameters")
            .parameters()
            .into_iter()
            .collect(),
        risk: limits(section.table("risk")),
    };
    section.finish();
    settings
}

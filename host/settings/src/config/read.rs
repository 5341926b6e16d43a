//! Reads `tickdeck.toml`: each key is one row here, with its type and range, from which its error follows.

use super::deck::{
    BudgetSettings, Config, EngineSettings, InstrumentSettings, JournalSettings, LimitSettings,
    MiddlewareSettings, StrategySettings, SyncMode, WasmSettings,
};
use super::venue::venues;
use crate::permissions::{MAX_CALL_MS, PermissionSettings};
use crate::public_key::public_key;
use crate::reader::{DAY_MS, Located, Problems, Reader, Section};
use std::ops::RangeInclusive;
use tickdeck_engine::{EngineConfig, Overload, Stepping, Wait};

/// Maximum memory of all strategies together: 64 TiB, in MiB.
const MAX_DECK_MEMORY_MIB: u64 = 64 << 20;

/// Maximum number of worker threads.
const MAX_WORKERS: u64 = 64;
/// The highest number of a core.
const MAX_CORE: u64 = 1_023;
/// Maximum number of events per call.
const MAX_BATCH: u64 = 65_536;
/// The bounds of the ring's capacity, which is a power of two.
const RING: RangeInclusive<u64> = 1_024..=1 << 24;

/// Below 256 MiB not even a small module compiles.
const COMPILE_MEMORY_MIB: RangeInclusive<u64> = 256..=1 << 20;

pub(super) fn read(file: &str, text: &str) -> Result<Config, Problems> {
    let (reader, table) = Reader::new(file, text);
    let top = reader.section(&table);
    let risk = top.table("risk");
    let config = Config {
        file: file.to_owned(),
        engine: engine(top.table("engine")),
        venues: venues(&top),
        instruments: instruments(&risk.table("instruments")),
        risk: limits(risk),
        middleware: middleware(top.table("middleware")),
        budget: budget(top.table("budget")),
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
    let waits = [
        ("park", EngineConfig::default().wait),
        ("spin", Wait::Spin),
        ("busy", Wait::BusySpin),
    ];
    let steppings = [("lockstep", Stepping::Lockstep), ("free", Stepping::Free)];
    let settings = EngineSettings {
        workers: section.integer("workers", 1..=MAX_WORKERS),
        pin: section.integers("pin", 0..=MAX_CORE).unwrap_or_default(),
        batch: section.integer("batch", 1..=MAX_BATCH),
        ring_capacity: section.power_of_two("ring_capacity", RING),
        max_actions_per_s: section.integer("max_actions_per_s", 1..=u64::from(u32::MAX)),
        wait: section.choice("wait", &waits),
        stepping: section.choice("stepping", &steppings).unwrap_or_default(),
    };
    section.finish();
    settings
}

fn journal(section: Section<'_, '_>) -> JournalSettings {
    let modes = [
        ("interval", SyncMode::Interval),
        ("order", SyncMode::Order),
        ("never", SyncMode::Never),
    ];
    let settings = JournalSettings {
        off: section.boolean("enabled") == Some(false),
        mode: section.choice("sync", &modes).unwrap_or_default(),
        interval_ms: section.integer("interval_ms", 1..=60_000),
        segment_mib: section.integer("segment_mib", 1..=4_096),
        keep_gib: section.integer("keep_gib", 1..=1 << 20),
    };
    section.finish();
    settings
}

fn limits(section: Section<'_, '_>) -> LimitSettings {
    let settings = LimitSettings {
        permissions: PermissionSettings::read_limits(&section),
        collar_bps: section.limit("collar_bps", |section, key| {
            section.integer(key, 1..=10_000)
        }),
        duplicate_window_us: section.limit("duplicate_window_us", |section, key| {
            section.integer(key, 1..=DAY_MS * 1_000)
        }),
        max_quote_age_ms: section.limit("max_quote_age_ms", |section, key| {
            section.integer(key, 1..=DAY_MS)
        }),
    };
    section.finish();
    settings
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

fn budget(section: Section<'_, '_>) -> BudgetSettings {
    let overloads = [("end", Overload::End), ("alert", Overload::Alert)];
    let settings = BudgetSettings {
        overload: section.choice("overload", &overloads),
        burst_ms: section.integer("burst_ms", 1..=60_000),
        share_percent: section.integer("share_percent", 0..=100),
    };
    section.finish();
    settings
}

fn trusted_keys(section: &Section<'_, '_>) -> Vec<Located<String>> {
    let keys = section.texts_that(
        "trusted_keys",
        "a list of public keys as `tickdeck sign --new-key` prints them",
        |text| public_key(text).is_ok(),
    );
    if keys.as_ref().is_some_and(Vec::is_empty) {
        section.refuse(
            "trusted_keys",
            "`trusted_keys` is empty",
            "name a key, or remove it to run unsigned modules",
        );
    }
    keys.unwrap_or_default()
}

fn wasm(section: Section<'_, '_>) -> WasmSettings {
    let sandboxes = [("required", true), ("if-available", false)];
    let settings = WasmSettings {
        nan_canonicalisation: section.boolean("nan_canonicalisation"),
        permissions: PermissionSettings::read_resources(&section),
        deck_memory_mib: section.integer("deck_memory_mib", 16..=MAX_DECK_MEMORY_MIB),
        handover_ms: section.integer("handover_ms", 1..=MAX_CALL_MS),
        compile_memory_mib: section.integer("compile_memory_mib", COMPILE_MEMORY_MIB),
        compile_cpu_s: section.integer("compile_cpu_s", 1..=3_600),
        compile_sandbox_required: section.choice("compile_sandbox", &sandboxes),
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
        permissions: PermissionSettings::read_resources(&section),
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

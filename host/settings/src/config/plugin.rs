//! `NAME.toml` beside `NAME.wasm`: what a plugin's author sets, and the permissions that the plugin requests. The file comes
//! with the module and is no more trustworthy than it: it can only request. [`crate::operator_rules`] decides.
//!
//! `data/grants.toml` uses the same keys and is read here too.

use super::deck::StrategySettings;
use super::file::text_of;
use crate::permissions::{PermissionRequest, PermissionSettings};
use crate::reader::{Located, Problems, Reader, Section};
use std::collections::BTreeMap;
use std::path::Path;
use tickdeck_engine::port::{OtherSchema, SaveFailed};
use tickdeck_model::{Registry, Untrusted};

/// Maximum number of events in a trial: all of them are kept for the version that may have to take over again.
const MAX_TRIAL_EVENTS: u64 = 65_536;
/// The longest trial in seconds.
const MAX_TRIAL_S: u64 = 86_400;

/// The settings of a plugin.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PluginSettings {
    /// The file, for messages about mistakes that only show later.
    pub file: String,
    /// `[parameters]`: values as text.
    pub parameters: BTreeMap<String, Located<String>>,
    /// `[permissions]` and `[limits]`.
    pub permissions: PermissionSettings,
    /// `[swap]`
    pub swap: SwapSettings,
}

/// Settings of a swap, in which a new version replaces the old one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SwapSettings {
    /// Whether the new version first runs as a shadow of the old one: its actions are recorded but not sent.
    pub shadow: bool,
    /// What the new version starts from if the old one can't save its state.
    pub save_failed: SaveFailed,
    /// The treatment of a new version that can't read the old state.
    pub other_schema: OtherSchema,
    /// Number of events of the trial of the new version.
    pub trial_events: u64,
    /// Time of the trial of the new version, in seconds.
    pub trial_s: u64,
}

impl Default for SwapSettings {
    fn default() -> Self {
        Self {
            shadow: false,
            save_failed: SaveFailed::default(),
            other_schema: OtherSchema::default(),
            trial_events: 10_000,
            trial_s: 60,
        }
    }
}

/// One table of `grants.toml`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GrantSettings {
    /// The permissions that were approved.
    pub permissions: PermissionSettings,
    /// The hash of the module that requested it, for the record.
    pub module: String,
    /// The time of the approval, for the record.
    pub approved_at: String,
}

impl PluginSettings {
    /// Reads settings from text; `file` is its name in messages.
    ///
    /// # Errors
    /// Returns every mistake in it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let (reader, table) = Reader::new(file, text);
        let top = reader.section(&table);
        let limits = top.table("limits");
        let asked = top.table("permissions");
        let settings = Self {
            file: file.to_owned(),
            parameters: top.table("parameters").parameters().into_iter().collect(),
            permissions: PermissionSettings::read(&asked, &limits),
            swap: swap(top.table("swap")),
        };
        limits.finish();
        asked.finish();
        top.finish();
        reader.finish(settings)
    }

    /// Reads the file beside a module, `NAME.toml` for `NAME.wasm`; without one nothing is set.
    ///
    /// # Errors
    /// The file can't be read, or it has mistakes: all of them.
    pub fn of_module(module: &Path) -> anyhow::Result<Self> {
        let path = module.with_extension("toml");
        let file = Untrusted::path(&path).to_string();
        if path.exists() {
            Ok(Self::parse(&file, &text_of(&path)?)?)
        } else {
            Ok(Self {
                file,
                ..Self::default()
            })
        }
    }

    /// Returns the permissions that the plugin requests, with the deck's own names.
    ///
    /// # Errors
    /// Returns every name that the deck does not know, and every size that does not fit its instrument.
    pub fn request(&self, registry: &Registry) -> Result<PermissionRequest, Problems> {
        PermissionRequest::read(&self.file, &self.permissions, registry)
    }

    /// Returns the parameters of a strategy: the deck's, then those that are set here. The manifest's defaults apply to
    /// the rest.
    pub fn parameters_under(&self, deck: &StrategySettings) -> BTreeMap<String, String> {
        let both = self.parameters.iter().chain(&deck.parameters);
        both.map(|(name, value)| (name.clone(), value.value.clone()))
            .collect()
    }
}

impl GrantSettings {
    /// Reads every table of `grants.toml`.
    ///
    /// # Errors
    /// Returns every mistake in it.
    pub fn parse(file: &str, text: &str) -> Result<BTreeMap<String, Self>, Problems> {
        let (reader, table) = Reader::new(file, text);
        let top = reader.section(&table);
        let grants = top.tables().into_iter().map(|(name, section)| {
            let grant = Self {
                permissions: PermissionSettings::read(&section, &section),
                module: note(&section, "module"),
                approved_at: note(&section, "approved_at"),
            };
            section.finish();
            (name.value, grant)
        });
        let grants = grants.collect();
        reader.finish(grants)
    }
}

fn note(section: &Section<'_, '_>, key: &'static str) -> String {
    section
        .text(key)
        .map_or_else(String::new, |text| text.value)
}

fn swap(section: Section<'_, '_>) -> SwapSettings {
    let default = SwapSettings::default();
    let save_failed = [
        ("snapshot", SaveFailed::Snapshot),
        ("fresh", SaveFailed::Fresh),
    ];
    let other_schema = [
        ("refuse", OtherSchema::Refuse),
        ("fresh", OtherSchema::Fresh),
    ];
    let settings = SwapSettings {
        shadow: section.boolean("shadow").unwrap_or(default.shadow),
        save_failed: section
            .choice("save_failed", &save_failed)
            .unwrap_or(default.save_failed),
        other_schema: section
            .choice("other_schema", &other_schema)
            .unwrap_or(default.other_schema),
        trial_events: section
            .integer("trial_events", 0..=MAX_TRIAL_EVENTS)
            .unwrap_or(default.trial_events),
        trial_s: section
            .integer("trial_s", 0..=MAX_TRIAL_S)
            .unwrap_or(default.trial_s),
    };
    section.finish();
    settings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::permissions::RateSettings;
    use crate::reader::{Decimal, Setting};
    use tickdeck_model::OrderType;

    const WHOLE: &str = r#"
[parameters]
fast = 12
[limits]
memory_mib = 32
time_ms = 10
[permissions]
venues = ["SIM"]
instruments = ["BTCUSDT"]
order_types = ["limit", "market"]
max_size = { BTCUSDT = 0.5 }
max_notional = 25_000
max_position_notional = 100_000
order_rate = { orders = 100, window_ms = 1000 }
publish = ["cross"]
[swap]
shadow = true
save_failed = "fresh"
other_schema = "fresh"
trial_events = 5
trial_s = 0
"#;

    fn messages(text: &str) -> Vec<String> {
        match PluginSettings::parse("a.toml", text) {
            Ok(_) => Vec::new(),
            Err(problems) => problems.to_string().lines().map(str::to_owned).collect(),
        }
    }

    fn located<T>(value: T, line: usize) -> Located<T> {
        Located { value, line }
    }

    #[test]
    fn every_key_is_read() {
        let settings = PluginSettings::parse("a.toml", WHOLE).unwrap();
        assert_eq!(settings.parameters["fast"], located("12".to_owned(), 3));
        let asked = PermissionSettings {
            venues: Setting::To(vec![located("SIM".to_owned(), 8)]),
            instruments: Setting::To(vec![located("BTCUSDT".to_owned(), 9)]),
            order_types: Setting::To(vec![OrderType::Limit, OrderType::Market]),
            max_sizes: Setting::To(vec![(
                located("BTCUSDT".to_owned(), 11),
                located(Decimal("0.5".to_owned()), 11),
            )]),
            max_notional: Setting::To(25_000),
            max_position_notional: Setting::To(100_000),
            order_rate: Setting::To(RateSettings {
                orders: 100,
                window_ms: 1_000,
            }),
            publish: Setting::To(vec![located("cross".to_owned(), 15)]),
            memory_mib: Setting::To(32),
            time_ms: Setting::To(10),
        };
        assert_eq!(settings.permissions, asked);
        let swap = SwapSettings {
            shadow: true,
            save_failed: SaveFailed::Fresh,
            other_schema: OtherSchema::Fresh,
            trial_events: 5,
            trial_s: 0,
        };
        assert_eq!(settings.swap, swap);
    }

    #[test]
    fn an_empty_file_asks_for_nothing() {
        let settings = PluginSettings::parse("a.toml", "").unwrap();
        let empty = PluginSettings {
            file: "a.toml".to_owned(),
            ..PluginSettings::default()
        };
        assert_eq!(settings, empty);
        assert_eq!(
            (settings.swap.trial_events, settings.swap.trial_s),
            (10_000, 60)
        );
    }

    #[test]
    fn each_mistake_is_named_with_its_line_and_a_fix() {
        let cases = [
            (
                "[permisions]",
                "unknown key `permisions` at a.toml:1, did you mean `permissions`?",
            ),
            (
                "[permissions]\nmax_notinal = 5",
                "unknown key `max_notinal` at a.toml:2, did you mean `max_notional`?",
            ),
            (
                "[permissions]\norder_types = [\"limit\", \"lmit\"]",
                "`order_types` is \"lmit\" at a.toml:2, \
                 it must be a list of \"market\", \"limit\", \"stop\", \"stop-limit\", \"market-if-touched\", \"limit-if-touched\", \"trailing-stop\", \"trailing-stop-limit\"",
            ),
            (
                "[permissions]\nmax_notional = false",
                "`max_notional` is false at a.toml:2, it must be a whole number from 1 to 1000000000000",
            ),
            (
                "[permissions.max_size]\nBTCUSDT = -1",
                "`BTCUSDT` is -1 at a.toml:2, it must be a number such as 0.5, not negative and without an exponent",
            ),
            (
                "[permissions]\norder_rate = { orders = 5 }",
                "`order_rate` needs both `orders` and `window_ms` at a.toml:2, \
                 write order_rate = { orders = 100, window_ms = 1000 }",
            ),
            (
                "[limits]\nmemory_mb = 1",
                "unknown key `memory_mb` at a.toml:2, did you mean `memory_mib`?",
            ),
            (
                "[swap]\nsave_failed = \"retry\"",
                "`save_failed` is \"retry\" at a.toml:2, it must be \"snapshot\" or \"fresh\"",
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(messages(text), [expected], "{text}");
        }
    }

    #[test]
    fn all_mistakes_come_at_once() {
        let text =
            "[limits]\ntime_ms = 0\n[permissions]\nvenues = 1\n[swap]\nshadow = 1\ntrial = 2\n";
        let lines: Vec<usize> = PluginSettings::parse("a.toml", text)
            .unwrap_err()
            .list
            .iter()
            .map(|problem| problem.line)
            .collect();
        assert_eq!(lines, [2, 4, 6, 7]);
    }

    #[test]
    fn parameters_of_the_deck_override_those_of_the_plugin() {
        let plugin = PluginSettings::parse("a", "[parameters]\nfast = 12\nslow = 26\n").unwrap();
        let config =
            super::super::Config::parse("t", "[strategies.a.parameters]\nfast = 5").unwrap();
        let given = plugin.parameters_under(&config.strategies["a"]);
        let given: Vec<_> = given
            .iter()
            .map(|(name, value)| (&**name, &**value))
            .collect();
        assert_eq!(given, [("fast", "5"), ("slow", "26")]);
    }

    #[test]
    fn the_file_beside_a_module_is_found_by_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let module = folder.path().join("ema.wasm");
        let without = PluginSettings::of_module(&module).unwrap();
        assert_eq!(without.permissions, PermissionSettings::default());
        std::fs::write(folder.path().join("ema.toml"), "[limits]\ntime_ms = 7\n").unwrap();
        let with = PluginSettings::of_module(&module).unwrap();
        assert_eq!(with.permissions.time_ms, Setting::To(7));
        std::fs::write(folder.path().join("ema.toml"), "[limit]\n").unwrap();
        let error = PluginSettings::of_module(&module).unwrap_err().to_string();
        assert!(
            error.contains("ema.toml:1, did you mean `limits`?"),
            "{error}"
        );
    }
}

//! What the operator approved: `grants.toml` in the data folder, one table a strategy, readable and editable by hand.
//!
//! A grant is for a strategy's name, whatever module runs under it; the hash of the module that asked, and when it was
//! approved, are kept for the record.

use crate::config::{GrantSettings, Located, Problems, RateSettings};
use crate::permissions::PermissionRequest;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tickdeck_journal::atomic_file::install_private;
use tickdeck_model::format::{date, time_of_day};
use tickdeck_model::{Registry, Timestamp};
use toml::{Table, Value};

/// The file in the data folder.
pub const FILE_NAME: &str = "grants.toml";

/// The largest file that is read.
const MAX_FILE_BYTES: u64 = 1 << 20;

const HEADER: &str = "\
# What the operator approved beyond what tickdeck.toml gives, one table a strategy: written by
# `tickdeck strategies approve NAME`, read when the host starts. Remove a table to take its grant back.
";

/// The grants of a deck.
#[derive(Debug, Default)]
pub struct Grants {
    file: Option<PathBuf>,
    grants: BTreeMap<String, GrantSettings>,
}

impl Grants {
    /// Grants that end with the process, of a deck without a data folder.
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// The grants that a data folder keeps.
    ///
    /// # Errors
    /// The file can't be read or is damaged: guessing could take a permission for granted.
    pub fn load(data: &Path) -> Result<Self> {
        let file = data.join(FILE_NAME);
        let shown = file.display().to_string();
        let grants = match std::fs::metadata(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
            Ok(metadata) => {
                ensure!(
                    metadata.len() <= MAX_FILE_BYTES,
                    "{shown} is too large to be a file of grants: restore it from a backup"
                );
                let text = std::fs::read_to_string(&file)
                    .with_context(|| format!("cannot read {shown}"))?;
                GrantSettings::parse(&shown, &text).with_context(|| {
                    format!(
                        "cannot use {shown}: correct it, restore it from a backup, \
                         or remove it and approve the strategies again"
                    )
                })?
            }
        };
        Ok(Self {
            file: Some(file),
            grants,
        })
    }

    /// The grants of a text, of a deck that is not there: `file` names it in messages.
    ///
    /// # Errors
    /// It is damaged.
    pub fn parse(file: &str, text: &str) -> Result<Self> {
        let grants = GrantSettings::parse(file, text)?;
        Ok(Self { file: None, grants })
    }

    /// What was approved for one strategy, as [`Grants::parse`] reads it.
    pub fn text_of(&self, name: &str) -> String {
        let grant = self.grants.get_key_value(name);
        text(
            &grant
                .map(|(name, grant)| (name.clone(), grant.clone()))
                .into_iter()
                .collect(),
        )
    }

    /// What was approved for a strategy.
    ///
    /// # Errors
    /// The file was edited and names what the deck does not have.
    pub fn granted(
        &self,
        name: &str,
        registry: &Registry,
    ) -> Result<Option<PermissionRequest>, Problems> {
        let file = self.file_name();
        self.grants
            .get(name)
            .map(|grant| PermissionRequest::read(&file, &grant.permissions, registry))
            .transpose()
    }

    /// The grant of a strategy as it is on record.
    pub fn record(&self, name: &str) -> Option<&GrantSettings> {
        self.grants.get(name)
    }

    /// Grants a strategy what [`Judgement::approval`](crate::permissions::Judgement::approval) says; it takes the place
    /// of the grant that there was. `module` is the hash of the module that asked. On disk before it holds.
    ///
    /// # Errors
    /// The file can't be written; the grant does not hold then.
    pub fn approve(
        &mut self,
        name: &str,
        approval: &PermissionRequest,
        module: &str,
        at: Timestamp,
    ) -> Result<()> {
        let grant = GrantSettings {
            permissions: approval.settings(),
            module: module.to_owned(),
            approved_at: format!("{}T{}Z", date(at), time_of_day(at)),
        };
        let mut grants = self.grants.clone();
        grants.insert(name.to_owned(), grant);
        if let Some(file) = &self.file {
            install_private(file, text(&grants).as_bytes())?;
        }
        self.grants = grants;
        Ok(())
    }

    fn file_name(&self) -> String {
        self.file
            .as_ref()
            .map_or_else(|| FILE_NAME.to_owned(), |file| file.display().to_string())
    }
}

/// The file of these grants.
fn text(grants: &BTreeMap<String, GrantSettings>) -> String {
    let tables: Table = grants
        .iter()
        .map(|(name, grant)| (name.clone(), Value::Table(table(grant))))
        .collect();
    format!("{HEADER}\n{tables}")
}

fn table(grant: &GrantSettings) -> Table {
    let permissions = &grant.permissions;
    let names = |names: &Option<Vec<Located<String>>>| {
        let names = names.as_ref()?;
        Some(texts(names.iter().map(|name| name.value.as_str())))
    };
    let sizes = permissions.max_size.iter();
    let sizes: Table = sizes
        .map(|(symbol, size)| (symbol.value.clone(), size.value.0.as_str().into()))
        .collect();
    let types = permissions.order_types.as_ref();
    entries([
        ("venues", names(&permissions.venues)),
        ("instruments", names(&permissions.instruments)),
        (
            "order_types",
            types.map(|types| texts(types.iter().map(|kind| kind.as_str()))),
        ),
        ("max_size", non_empty(sizes)),
        ("max_notional", permissions.max_notional.map(number)),
        (
            "max_position_notional",
            permissions.max_position_notional.map(number),
        ),
        ("order_rate", permissions.order_rate.map(rate)),
        ("memory_mib", permissions.memory_mib.map(number)),
        ("time_ms", permissions.time_ms.map(number)),
        ("module", Some(grant.module.as_str().into())),
        ("approved_at", Some(grant.approved_at.as_str().into())),
    ])
}

fn entries<const N: usize>(entries: [(&str, Option<Value>); N]) -> Table {
    entries
        .into_iter()
        .filter_map(|(key, value)| Some((key.to_owned(), value?)))
        .collect()
}

fn texts(texts: impl Iterator<Item = impl AsRef<str>>) -> Value {
    texts
        .map(|text| Value::from(text.as_ref()))
        .collect::<Vec<_>>()
        .into()
}

fn non_empty(table: Table) -> Option<Value> {
    (!table.is_empty()).then_some(Value::Table(table))
}

fn number(number: u64) -> Value {
    i64::try_from(number).unwrap_or(i64::MAX).into()
}

fn rate(rate: RateSettings) -> Value {
    Value::Table(entries([
        ("orders", Some(number(rate.orders.into()))),
        ("window_ms", Some(number(rate.window_ms))),
    ]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::PluginSettings;

    /// 2026-11-21 06:13:16 UTC.
    const AT: Timestamp = 1_795_241_596_000_000_000;

    fn registry() -> Registry {
        let mut registry = Registry::new();
        let venue = registry.add_venue("SIM");
        let base = registry.add_currency("BTC", 8).unwrap();
        let quote = registry.add_currency("USDT", 8).unwrap();
        let terms = tickdeck_model::Instrument {
            id: tickdeck_model::InstrumentId(0),
            venue,
            symbol: "BTCUSDT.SIM".to_owned(),
            base,
            quote,
            price_scale: 2,
            size_scale: 5,
            quote_scale: 8,
            tick: tickdeck_model::Price(1),
            lot: tickdeck_model::Size(1),
            min_notional: tickdeck_model::Amount(1),
        };
        registry.add_instrument(terms).unwrap();
        registry
    }

    fn stated(text: &str) -> PermissionRequest {
        PermissionRequest::asked(&PluginSettings::parse("a", text).unwrap(), &registry()).unwrap()
    }

    fn whole() -> PermissionRequest {
        stated(
            "[permissions]\nvenues = [\"SIM\"]\ninstruments = [\"BTCUSDT\"]\norder_types = [\"stop-limit\"]\n\
             max_size = { BTCUSDT = 0.50 }\nmax_notional = 50_000\nmax_position_notional = 60_000\n\
             order_rate = { orders = 7, window_ms = 100 }\n[limits]\nmemory_mib = 128\ntime_ms = 30\n",
        )
    }

    #[test]
    fn what_was_approved_is_granted_after_a_restart_too() {
        let folder = tempfile::tempdir().unwrap();
        let mut grants = Grants::load(folder.path()).unwrap();
        assert_eq!(grants.granted("a", &registry()), Ok(None));
        grants.approve("a", &whole(), "abc", AT).unwrap();
        let small = stated("[limits]\ntime_ms = 30");
        grants.approve("it's b.1", &small, "def", AT).unwrap();
        let again = Grants::load(folder.path()).unwrap();
        for grants in [&grants, &again] {
            assert_eq!(grants.granted("a", &registry()), Ok(Some(whole())));
            assert_eq!(
                grants.granted("it's b.1", &registry()),
                Ok(Some(small.clone()))
            );
            assert_eq!(grants.granted("c", &registry()), Ok(None));
            let record = grants.record("a").unwrap();
            assert_eq!(record.module, "abc");
            assert_eq!(record.approved_at, "2026-11-21T06:13:16Z");
        }
    }

    #[test]
    fn the_file_can_be_read_by_people_and_only_by_its_owner() {
        let folder = tempfile::tempdir().unwrap();
        let mut grants = Grants::load(folder.path()).unwrap();
        grants.approve("a", &whole(), "abc", AT).unwrap();
        let file = folder.path().join(FILE_NAME);
        let text = std::fs::read_to_string(&file).unwrap();
        let golden = "[a]\napproved_at = \"2026-11-21T06:13:16Z\"\ninstruments = [\"BTCUSDT.SIM\"]\n\
                      max_notional = 50000\nmax_position_notional = 60000\nmemory_mib = 128\nmodule = \"abc\"\n\
                      order_types = [\"stop-limit\"]\ntime_ms = 30\nvenues = [\"SIM\"]\n\n\
                      [a.max_size]\n\"BTCUSDT.SIM\" = \"0.5\"\n\n[a.order_rate]\norders = 7\nwindow_ms = 100\n";
        assert_eq!(text, format!("{HEADER}\n{golden}"));
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            let mode = std::fs::metadata(&file).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600);
        }
    }

    #[test]
    fn grants_of_a_deck_without_a_data_folder_are_kept_in_memory() {
        let mut grants = Grants::in_memory();
        grants.approve("a", &whole(), "abc", AT).unwrap();
        assert_eq!(grants.granted("a", &registry()), Ok(Some(whole())));
    }

    #[test]
    fn a_damaged_file_is_refused_with_its_lines_and_the_fix() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE_NAME);
        std::fs::write(&file, "[a]\nmax_notional = \"lots\"\ntimes_ms = 3\n").unwrap();
        let error = format!("{:#}", Grants::load(folder.path()).unwrap_err());
        for part in [
            "grants.toml: correct it, restore it from a backup, or remove it and approve the strategies again",
            "`max_notional` is \"lots\" at ",
            "grants.toml:3, did you mean `time_ms`?",
        ] {
            assert!(error.contains(part), "{part}: {error}");
        }
        std::fs::write(&file, [0xff, 0xfe]).unwrap();
        let error = format!("{:#}", Grants::load(folder.path()).unwrap_err());
        assert!(error.contains("cannot read "), "{error}");
    }

    #[test]
    fn a_grant_edited_to_name_what_the_deck_has_not_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join(FILE_NAME);
        std::fs::write(&file, "[a]\ninstruments = [\"BTCUSD\"]\n").unwrap();
        let grants = Grants::load(folder.path()).unwrap();
        let error = grants.granted("a", &registry()).unwrap_err().to_string();
        assert!(
            error.ends_with("grants.toml:2, did you mean `BTCUSDT`?"),
            "{error}"
        );
    }

    #[test]
    fn a_grant_that_can_not_be_written_does_not_hold() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut grants = Grants::load(&data).unwrap();
        std::fs::write(&data, "a file, not a folder").unwrap();
        let error = grants.approve("a", &whole(), "abc", AT).unwrap_err();
        assert!(error.to_string().starts_with("cannot write "), "{error}");
        assert_eq!(grants.granted("a", &registry()), Ok(None));
    }
}

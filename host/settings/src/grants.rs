//! The grants of a deck: what its operator approved. They are in `grants.toml` in the data folder, one table per
//! strategy, which people can read and edit.
//!
//! A grant is for the name of a strategy, whatever module runs under it; the hash of the requesting module and the time of the
//! approval are stored for the record.

use crate::config::GrantSettings;
use crate::permissions::PermissionRequest;
use crate::reader::Problems;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tickdeck_files::read_text_bounded;
use tickdeck_journal::atomic_file::install_private;
use tickdeck_model::format::{date, time_of_day};
use tickdeck_model::{Registry, Timestamp, Untrusted};
use toml::{Table, Value};

/// The name of the file in the data folder.
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
    /// Returns no grants, for a deck without a data folder: they end with the process.
    pub fn in_memory() -> Self {
        Self::default()
    }

    /// Reads the grants from a data folder.
    ///
    /// # Errors
    /// The file can't be read or is damaged: a guess could grant what was never approved.
    pub fn load(data: &Path) -> Result<Self> {
        let file = data.join(FILE_NAME);
        let shown = Untrusted::path(&file).to_string();
        let grants = match std::fs::metadata(&file) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => BTreeMap::new(),
            Err(error) => return Err(error).with_context(|| format!("cannot read {shown}")),
            Ok(metadata) => {
                ensure!(
                    metadata.len() <= MAX_FILE_BYTES,
                    "{shown} is too large to be a file of grants: restore it from a backup"
                );
                let text = read_text_bounded(&file, MAX_FILE_BYTES)
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

    /// Reads grants from text, for the replay of a run; `file` is its name in messages.
    ///
    /// # Errors
    /// The text is damaged.
    pub fn parse(file: &str, text: &str) -> Result<Self> {
        let grants = GrantSettings::parse(file, text)?;
        Ok(Self { file: None, grants })
    }

    /// Returns a snapshot of the grants for look-ups; approvals in it are not stored.
    pub fn as_they_stand(&self) -> Self {
        Self {
            file: None,
            grants: self.grants.clone(),
        }
    }

    /// Returns the grant of one strategy as text that [`Grants::parse`] reads.
    pub fn text_of(&self, name: &str) -> String {
        let grant = self.grants.get_key_value(name);
        text(
            &grant
                .map(|(name, grant)| (name.clone(), grant.clone()))
                .into_iter()
                .collect(),
        )
    }

    /// Returns the permissions granted to a strategy.
    ///
    /// # Errors
    /// The file was edited and names a venue or an instrument that the deck does not have.
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

    /// Returns the grant of a strategy as it is written.
    pub fn record(&self, name: &str) -> Option<&GrantSettings> {
        self.grants.get(name)
    }

    /// Replaces the grant of a strategy by
    /// [`PermissionDecision::approval`](crate::operator_rules::PermissionDecision::approval). `module` is the hash of
    /// the requesting module. The grant is on disk before it takes effect.
    ///
    /// # Errors
    /// The file can't be written durably. The grant has no effect then, unless only the last step failed: the next start
    /// reads the new file, and the error says so.
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
        self.file.as_ref().map_or_else(
            || FILE_NAME.to_owned(),
            |file| Untrusted::path(file).to_string(),
        )
    }
}

/// Returns the text of the file.
fn text(grants: &BTreeMap<String, GrantSettings>) -> String {
    let tables: Table = grants
        .iter()
        .map(|(name, grant)| (name.clone(), Value::Table(table(grant))))
        .collect();
    format!("{HEADER}\n{tables}")
}

fn table(grant: &GrantSettings) -> Table {
    let mut table = Table::new();
    grant.permissions.write(&mut table);
    for (key, note) in [
        ("module", &grant.module),
        ("approved_at", &grant.approved_at),
    ] {
        table.insert(key.to_owned(), note.as_str().into());
    }
    table
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

    fn requested(text: &str) -> PermissionRequest {
        PluginSettings::parse("a", text)
            .unwrap()
            .request(&registry())
            .unwrap()
    }

    fn whole() -> PermissionRequest {
        requested(
            "[permissions]\nvenues = [\"SIM\"]\ninstruments = [\"BTCUSDT\"]\norder_types = [\"stop-limit\"]\n\
             max_size = { BTCUSDT = 0.50 }\nmax_notional = 50_000\nmax_position_notional = 60_000\n\
             order_rate = { orders = 7, window_ms = 100 }\n[limits]\nmemory_mib = 128\ntime_ms = 30\n",
        )
    }

    #[test]
    fn an_approval_survives_a_restart() {
        let folder = tempfile::tempdir().unwrap();
        let mut grants = Grants::load(folder.path()).unwrap();
        assert_eq!(grants.granted("a", &registry()), Ok(None));
        grants.approve("a", &whole(), "abc", AT).unwrap();
        let small = requested("[limits]\ntime_ms = 30");
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
    fn a_grant_edited_to_name_an_unknown_instrument_is_reported() {
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
    fn a_grant_that_can_not_be_written_has_no_effect() {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("data");
        let mut grants = Grants::load(&data).unwrap();
        std::fs::write(&data, "a file, not a folder").unwrap();
        let error = grants.approve("a", &whole(), "abc", AT).unwrap_err();
        assert!(error.to_string().starts_with("cannot write "), "{error}");
        assert_eq!(grants.granted("a", &registry()), Ok(None));
    }
}

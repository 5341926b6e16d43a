//! What a run was made of.

use super::EVENTS;
use super::codec::RecordKind;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use tickdeck_engine::port::{Continuity, VenueTerms};
use tickdeck_journal::{Reader, Reel};
use tickdeck_model::{Amount, CurrencyId, InstrumentId, VenueId};

/// What a run was made of: the first record of both reels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunManifest {
    /// The version of tickdeck that wrote it.
    pub tickdeck: String,
    /// When it began: nanoseconds since 1970.
    pub began_ns: i64,
    /// `demo` or `run`.
    pub command: String,
    /// The settings as they were written, and the name of their file.
    pub settings: (String, String),
    /// What the command line said over them.
    pub played: RunOverrides,
    /// What it traded on, for people.
    pub title: String,
    /// The interned names, as in the data folder's `ids`.
    pub names: String,
    /// The venues.
    pub venues: Vec<RecordedTerms>,
    /// The first order number that was free.
    pub first_order: u64,
    /// Whether the kill switch was on.
    pub killed: bool,
    /// The strategies of the start, in the order they were seated.
    pub seats: Vec<RecordedStart>,
}

/// What the command line said over the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOverrides {
    /// The seed of all that is random.
    pub seed: Option<u64>,
    /// Market events after which it stops.
    pub events: Option<u64>,
    /// Captures to play.
    pub capture: Vec<PathBuf>,
}

/// A venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedTerms {
    venue: u32,
    instruments: Vec<u32>,
    balances: Vec<(u32, i64)>,
    lookahead_ns: u64,
    /// Set for a venue that does not give its events once more; runs of before have none that do not.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    lives_on: bool,
}

impl RecordedTerms {
    /// What is kept of a venue's terms.
    pub fn of(terms: &VenueTerms) -> Self {
        let balances = terms.balances.iter();
        Self {
            venue: terms.venue.0,
            instruments: terms.instruments.iter().map(|id| id.0).collect(),
            balances: balances.map(|(id, sum)| (id.0, sum.0)).collect(),
            lookahead_ns: terms.lookahead_ns,
            lives_on: terms.continuity == Continuity::LivesOn,
        }
    }

    /// The terms.
    pub fn terms(&self) -> VenueTerms {
        let balances = self.balances.iter();
        VenueTerms {
            venue: VenueId(self.venue),
            instruments: self.instruments.iter().copied().map(InstrumentId).collect(),
            balances: balances
                .map(|(id, sum)| (CurrencyId(*id), Amount(*sum)))
                .collect(),
            lookahead_ns: self.lookahead_ns,
            continuity: match self.lives_on {
                true => Continuity::LivesOn,
                false => Continuity::Repeats,
            },
        }
    }
}

/// A strategy of the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedStart {
    /// Its name in the deck.
    pub name: String,
    /// What its version was made from: JSON, [`VersionSpec`].
    #[serde(rename = "recipe")]
    pub spec: String,
}

/// What a version was made from, besides the deck's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionSpec {
    /// The plugin, which may run under several names.
    pub plugin: String,
    /// The hash of its module.
    pub module: String,
    /// The name and text of what lay beside it.
    #[serde(rename = "beside")]
    pub sidecar: Option<(String, String)>,
    /// What the operator had granted, as in `grants.toml`.
    pub grants: String,
    /// The interned names, if there were more than at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<String>,
}

impl VersionSpec {
    /// Reads one.
    ///
    /// # Errors
    /// It is none.
    pub fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text).context("the reel has a version whose origin can't be read")
    }

    /// As it is kept.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl RunManifest {
    /// Reads what a run was made of.
    ///
    /// # Errors
    /// The reel is not there, or does not begin with it.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut reader = Reader::open(folder, EVENTS)?;
        let record = reader.next()?;
        let record = record.with_context(|| format!("{} has no record", folder.display()))?;
        ensure!(
            record.kind == RecordKind::Session as u16,
            "{}: the events reel does not begin with what the run was made of, but with a record of kind {}",
            folder.display(),
            record.kind
        );
        serde_json::from_slice(record.payload).with_context(|| {
            format!(
                "{}: what the run was made of can't be read; it may be of a newer tickdeck",
                folder.display()
            )
        })
    }

    /// Begins both reels with it.
    ///
    /// # Errors
    /// It can't be written.
    pub fn begin(&self, events: &mut Reel, actions: &mut Reel) -> Result<()> {
        let text = serde_json::to_vec(self)?;
        for reel in [events, actions] {
            reel.append(RecordKind::Session as u16, &text)?;
            reel.sync()?;
        }
        Ok(())
    }

    /// What would make the run go on as another one, in words: what it is, and how it was and is.
    pub fn differs(&self, settings: &str, played: &RunOverrides) -> Option<String> {
        let (was, is) = (values(&self.settings.1), values(settings));
        let keys = was.keys().chain(is.keys());
        let mut keys = keys.filter(|key| !is_seed(key) && !is_indifferent(key));
        let told = |what: &str, was: Option<&String>, is: Option<&String>| {
            let word = |value: Option<&String>| value.map_or("not set".to_owned(), Clone::clone);
            format!(
                "{what} changed since ({} then, {} now)",
                word(was),
                word(is)
            )
        };
        if let Some(key) = keys.find(|key| was.get(*key) != is.get(*key)) {
            return Some(told(&format!("`{key}`"), was.get(key), is.get(key)));
        }
        let seeds = seeds(&self.played, &was).into_iter();
        for ((name, was), (_, is)) in seeds.zip(self::seeds(played, &is)) {
            if was != is {
                return Some(told(&name, was.as_ref(), is.as_ref()));
            }
        }
        let captures = self.played.capture != played.capture;
        captures.then(|| "--capture changed since".to_owned())
    }
}

/// Settings by their keys: `risk.max_notional`.
type Values = BTreeMap<String, String>;

/// Returns whether the key is the seed of a venue: `venue.seed` or `venues.NAME.seed`. The command line can set it too.
fn is_seed(key: &str) -> bool {
    key == "venue.seed" || (key.starts_with("venues.") && key.ends_with(".seed"))
}

/// Returns the seed of each venue with its name in messages: of several venues in the order of their names, where a seed
/// of the command line counts up, as `Config::set_seed` does it.
fn seeds(played: &RunOverrides, values: &Values) -> Vec<(String, Option<String>)> {
    let names = values.keys().filter_map(|key| {
        let name = key.strip_prefix("venues.")?;
        name.strip_suffix(".kind")
    });
    let effective = |place: u64, key: &str| match played.seed {
        Some(seed) => Some(seed.wrapping_add(place).to_string()),
        None => values.get(key).cloned(),
    };
    let named = (0..).zip(names).map(|(place, name)| {
        let key = format!("venues.{name}.seed");
        (format!("`{key}`"), effective(place, &key))
    });
    let named: Vec<_> = named.collect();
    if named.is_empty() {
        return vec![("the seed".to_owned(), effective(0, "venue.seed"))];
    }
    named
}

/// Whether a run comes out the same whatever this setting is.
fn is_indifferent(key: &str) -> bool {
    let engine = ["workers", "batch", "ring_capacity", "wait", "pin"];
    let of_engine = key.strip_prefix("engine.");
    key.starts_with("journal.") || of_engine.is_some_and(|key| engine.contains(&key))
}

/// What settings say, comments and order aside. They were read before, so they are TOML.
fn values(text: &str) -> Values {
    fn gather(prefix: &str, value: &toml::Value, into: &mut Values) {
        match value {
            toml::Value::Table(table) => {
                for (key, value) in table {
                    let dot = if prefix.is_empty() { "" } else { "." };
                    gather(&format!("{prefix}{dot}{key}"), value, into);
                }
            }
            other => drop(into.insert(prefix.to_owned(), other.to_string())),
        }
    }
    let mut values = Values::new();
    if let Ok(table) = text.parse::<toml::Table>() {
        // A section without a key is a venue all the same.
        let venues = table.get("venues").and_then(toml::Value::as_table);
        for name in venues.into_iter().flat_map(toml::Table::keys) {
            values.insert(format!("venues.{name}.kind"), "\"sim\"".to_owned());
        }
        gather("", &toml::Value::Table(table), &mut values);
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;

    fn differs(was: &str, is: &str) -> Option<String> {
        manifest(was).differs(is, &RunOverrides::default())
    }

    fn manifest(was: &str) -> RunManifest {
        RunManifest {
            tickdeck: String::new(),
            began_ns: 0,
            command: "run".to_owned(),
            settings: ("tickdeck.toml".to_owned(), was.to_owned()),
            played: RunOverrides::default(),
            title: String::new(),
            names: String::new(),
            venues: Vec::new(),
            first_order: 1,
            killed: false,
            seats: Vec::new(),
        }
    }

    #[test]
    fn a_run_is_another_one_by_what_settings_mean_and_not_by_how_they_are_written() {
        let was = "[venue]\nseed = 7\n[risk]\nmax_notional = 100\n[engine]\nworkers = 1\n";
        let same = "# a comment\n[risk]\nmax_notional = 100\n[venue]\nseed=7\n[journal]\nsync = \"order\"\n";
        assert_eq!(differs(was, same), None);
        let other = was.replace("100", "200");
        let words = "`risk.max_notional` changed since (100 then, 200 now)";
        assert_eq!(differs(was, &other).as_deref(), Some(words));
        let unset = was.replace("seed = 7", "");
        let words = "the seed changed since (7 then, not set now)";
        assert_eq!(differs(was, &unset).as_deref(), Some(words));
    }

    #[test]
    fn a_run_on_several_venues_is_another_one_with_another_venue_or_seed() {
        let was = "[venues.A]\nseed = 7\n[venues.B]\nkind = \"sim\"\n";
        assert_eq!(differs(was, "[venues.B]\n[venues.A]\nseed = 7\n"), None);
        for (is, words) in [
            (
                "[venues.A]\nseed = 8\n[venues.B]\n",
                "`venues.A.seed` changed since (7 then, 8 now)",
            ),
            (
                "[venues.A]\nseed = 7\n[venues.B]\nseed = 9\n",
                "`venues.B.seed` changed since (not set then, 9 now)",
            ),
            (
                "[venues.A]\nseed = 7\n",
                "`venues.B.kind` changed since (\"sim\" then, not set now)",
            ),
            (
                "[venue]\nseed = 7\n",
                "`venues.A.kind` changed since (\"sim\" then, not set now)",
            ),
        ] {
            assert_eq!(differs(was, is).as_deref(), Some(words), "{is}");
        }
    }

    #[test]
    fn a_seed_of_the_command_line_is_compared_with_those_of_the_settings() {
        let same = "[venues.A]\nseed = 5\n[venues.B]\nseed = 6\n";
        let with = |seed| RunOverrides {
            seed: Some(seed),
            ..RunOverrides::default()
        };
        assert_eq!(manifest(same).differs(same, &with(5)), None);
        assert_eq!(
            manifest(same).differs(same, &with(4)).as_deref(),
            Some("`venues.A.seed` changed since (5 then, 4 now)")
        );
    }

    #[test]
    fn terms_of_before_repeat_their_events_and_those_of_a_venue_that_lives_on_are_told_apart() {
        let before = r#"{"venue":1,"instruments":[0],"balances":[[0,5]],"lookahead_ns":7}"#;
        let read: RecordedTerms = serde_json::from_str(before).unwrap();
        assert_eq!(read.terms().continuity, Continuity::Repeats);
        assert_eq!(serde_json::to_string(&read).unwrap(), before);
        let lives_on = RecordedTerms::of(&VenueTerms {
            continuity: Continuity::LivesOn,
            ..read.terms()
        });
        let text = serde_json::to_string(&lives_on).unwrap();
        let read: RecordedTerms = serde_json::from_str(&text).unwrap();
        assert_eq!(read.terms().continuity, Continuity::LivesOn);
    }
}

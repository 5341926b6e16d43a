//! The manifest of a run: the first record of both reels.

use crate::codec::RecordKind;
use crate::layout::EVENTS;
use crate::untrusted::check_venues;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tickdeck_engine::port::{Continuity, VenueTerms};
use tickdeck_journal::{Reader, Reel};
use tickdeck_model::{Amount, CurrencyId, InstrumentId, NameCount, Registry, VenueId};

/// The manifest of a run: everything needed to assemble its deck again. The first record of both reels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RunManifest {
    /// The version of tickdeck that wrote it.
    pub tickdeck: String,
    /// Start of the run, in nanoseconds since 1970.
    pub began_ns: i64,
    /// `demo`, `run` or `import`.
    pub command: String,
    /// The name of the settings file, and its text.
    pub settings: (String, String),
    /// The command line's overrides of the settings.
    #[serde(rename = "played")]
    pub overrides: RunOverrides,
    /// The market that was traded, for display.
    pub title: String,
    /// The interned names, as in the data folder's `ids`.
    pub names: String,
    /// The venues.
    pub venues: Vec<RecordedTerms>,
    /// The first order number that was free.
    pub first_order: u64,
    /// Whether the kill switch was on.
    pub killed: bool,
    /// The strategies of the start, in the order in which they were started.
    #[serde(rename = "seats")]
    pub strategies: Vec<RecordedStart>,
}

/// The command line's overrides of the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunOverrides {
    /// The seed of the random generators.
    pub seed: Option<u64>,
    /// The number of market events after which the run stops.
    pub events: Option<u64>,
    /// Captures to play back.
    pub capture: Vec<PathBuf>,
}

/// The recorded terms of a venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedTerms {
    venue: u32,
    instruments: Vec<u32>,
    balances: Vec<(u32, i64)>,
    lookahead_ns: u64,
    /// Set for a venue that cannot repeat its events; older runs have no such venue.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    lives_on: bool,
}

impl RecordedTerms {
    /// Returns the recorded form of a venue's terms.
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

    /// Returns the terms.
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

/// A strategy that was started with the run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RecordedStart {
    /// Its name in the deck.
    pub name: String,
    /// The source of its version, in JSON: a [`VersionSpec`].
    #[serde(rename = "recipe")]
    pub spec: String,
}

/// The source of a version, apart from the deck's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionSpec {
    /// The plugin, which may run under several names.
    pub plugin: String,
    /// The hash of its module.
    pub module: String,
    /// The name and text of the module's sidecar file.
    #[serde(rename = "beside")]
    pub sidecar: Option<(String, String)>,
    /// The operator's grants, as in `grants.toml`.
    pub grants: String,
    /// All interned names: older runs have them if there were more than at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<String>,
    /// The interned names that are neither in the start nor in an earlier version of the run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub more_names: Option<MoreNames>,
    /// The signature of module and sidecar file, if they had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signature: Option<String>,
}

/// Names that were interned since the previous version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MoreNames {
    /// How many strategies and texts there were before.
    since: (usize, usize),
    /// The names, in lines like those of the data folder's `ids`.
    lines: String,
}

impl MoreNames {
    /// Returns the names of a registry beyond a count, if there are any.
    pub fn of(registry: &Registry, since: NameCount) -> Option<Self> {
        let lines = registry.names_since(since);
        (!lines.is_empty()).then_some(Self {
            since: (since.strategies, since.texts),
            lines,
        })
    }

    /// Adds the names to a registry that has those before.
    ///
    /// # Errors
    /// Names before are missing, or a line is damaged.
    pub fn add_to(&self, registry: &mut Registry) -> Result<()> {
        let has = registry.name_count();
        let (strategies, texts) = self.since;
        ensure!(
            has.strategies >= strategies && has.texts >= texts,
            "the reel lacks the names of an earlier version: it has {} of {texts} texts and {} of {strategies} strategies",
            has.texts,
            has.strategies
        );
        registry
            .add_names(&self.lines)
            .context("the names in the reel")
    }
}

impl VersionSpec {
    /// Parses a specification.
    ///
    /// # Errors
    /// The text is not one.
    pub fn read(text: &str) -> Result<Self> {
        serde_json::from_str(text)
            .context("the reel has a version whose specification can't be read")
    }

    /// Returns the names that it was made with, if there were more than at the start.
    ///
    /// # Errors
    /// They are damaged.
    pub(crate) fn registry(&self) -> Result<Option<Registry>> {
        let read = self.names.as_deref().map(Registry::from_text);
        read.transpose().context("the names in the reel")
    }

    /// Returns the recorded form.
    pub fn text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl RunManifest {
    /// Reads the manifest of the run in `folder`.
    ///
    /// # Errors
    /// The reel does not exist, or does not begin with a manifest.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut reader = Reader::open(folder, EVENTS)?;
        let record = reader.next()?;
        let record = record.with_context(|| format!("{} has no record", folder.display()))?;
        ensure!(
            record.kind == RecordKind::Session as u16,
            "{}: the events reel does not begin with the run's manifest, but with a record of kind {}",
            folder.display(),
            record.kind
        );
        let read: Self = serde_json::from_slice(record.payload).with_context(|| {
            format!(
                "{}: the run's manifest can't be read; it may have been written by a newer tickdeck",
                folder.display()
            )
        })?;
        let terms: Vec<VenueTerms> = read.venues.iter().map(RecordedTerms::terms).collect();
        let checked = read
            .registry()
            .and_then(|names| check_venues(&terms, &names));
        checked.with_context(|| format!("{}: the run's manifest is damaged", folder.display()))?;
        Ok(read)
    }

    /// Returns the names of the run's beginning.
    ///
    /// # Errors
    /// They are damaged.
    pub fn registry(&self) -> Result<Registry> {
        Registry::from_text(&self.names).context("the names in the reel")
    }

    /// Writes the manifest as the first record of both reels.
    ///
    /// # Errors
    /// A reel can't be written.
    pub fn begin(&self, events: &mut Reel, actions: &mut Reel) -> Result<()> {
        let text = serde_json::to_vec(self)?;
        for reel in [events, actions] {
            reel.append(RecordKind::Session as u16, &text)?;
            reel.sync()?;
        }
        Ok(())
    }

    /// Describes the difference between the recorded overrides and those of a start that would resume the run, except for the
    /// seed, which the settings may set too. The settings crate compares settings, because only it may read TOML.
    pub fn overrides_differ(&self, overrides: &RunOverrides) -> Option<String> {
        (self.overrides.capture != overrides.capture).then(|| "--capture changed since".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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

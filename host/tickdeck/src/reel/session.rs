//! What a run was made of.

use super::EVENTS;
use super::codec::Kind;
use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};
use tickdeck_engine::port::VenueTerms;
use tickdeck_journal::{Reader, Reel};
use tickdeck_model::{Amount, CurrencyId, InstrumentId, VenueId};

/// What a run was made of: the first record of both reels.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Session {
    /// The version of tickdeck that wrote it.
    pub tickdeck: String,
    /// When it began: nanoseconds since 1970.
    pub began_ns: i64,
    /// `demo` or `run`.
    pub command: String,
    /// The settings as they were written, and the name of their file.
    pub settings: (String, String),
    /// What the command line said over them.
    pub played: Played,
    /// What it traded on, for people.
    pub title: String,
    /// The interned names, as in the data folder's `ids`.
    pub names: String,
    /// The venues.
    pub venues: Vec<TermsKept>,
    /// The first order number that was free.
    pub first_order: u64,
    /// Whether the kill switch was on.
    pub killed: bool,
    /// The strategies of the start, in the order they were seated.
    pub seats: Vec<SeatKept>,
}

/// What the command line said over the settings.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Played {
    /// The seed of all that is random.
    pub seed: Option<u64>,
    /// Market events after which it stops.
    pub events: Option<u64>,
    /// Captures to play.
    pub capture: Vec<PathBuf>,
}

/// A venue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TermsKept {
    venue: u32,
    instruments: Vec<u32>,
    balances: Vec<(u32, i64)>,
    lookahead_ns: u64,
}

impl TermsKept {
    /// What is kept of a venue's terms.
    pub fn of(terms: &VenueTerms) -> Self {
        let balances = terms.balances.iter();
        Self {
            venue: terms.venue.0,
            instruments: terms.instruments.iter().map(|id| id.0).collect(),
            balances: balances.map(|(id, sum)| (id.0, sum.0)).collect(),
            lookahead_ns: terms.lookahead_ns,
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
        }
    }
}

/// A strategy of the start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeatKept {
    /// Its name in the deck.
    pub name: String,
    /// What its version was made from: JSON, [`Recipe`].
    pub recipe: String,
}

/// What a version was made from, besides the deck's settings.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Recipe {
    /// The plugin, which may run under several names.
    pub plugin: String,
    /// The hash of its module.
    pub module: String,
    /// The name and text of what lay beside it.
    pub beside: Option<(String, String)>,
    /// What the operator had granted, as in `grants.toml`.
    pub grants: String,
    /// The interned names, if there were more than at the start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<String>,
}

impl Recipe {
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

impl Session {
    /// Reads what a run was made of.
    ///
    /// # Errors
    /// The reel is not there, or does not begin with it.
    pub fn read(folder: &Path) -> Result<Self> {
        let mut reader = Reader::open(folder, EVENTS)?;
        let record = reader.next()?;
        let record = record.with_context(|| format!("{} has no record", folder.display()))?;
        ensure!(
            record.kind == Kind::Session as u16,
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
            reel.append(Kind::Session as u16, &text)?;
            reel.sync()?;
        }
        Ok(())
    }

    /// What would make the run go on as another one, in words.
    pub fn differs(&self, settings: &str, played: &Played) -> Option<&'static str> {
        if self.settings.1 != settings {
            return Some("the settings");
        }
        if self.played.seed != played.seed {
            return Some("--seed");
        }
        (self.played.capture != played.capture).then_some("--capture")
    }
}

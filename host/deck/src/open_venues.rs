//! Opens the venues of a deck: makes them from the settings and registers what they trade.

use crate::venues::{Venue, open_all};
use anyhow::{Context, Result, bail};
use tickdeck_engine::port::{Gateway, VenueTerms};
use tickdeck_model::{Currency, Registry};
use tickdeck_settings::config::Config;

/// The venues of a deck, in the order of the settings, registered.
pub(crate) struct OpenVenues {
    /// Their gateways and terms.
    pub(crate) venues: Vec<(Box<dyn Gateway>, VenueTerms)>,
    /// Their titles, for people.
    pub(crate) title: String,
    /// The seed of the first.
    pub(crate) seed: u64,
}

impl OpenVenues {
    /// Opens the venues of the settings. Names that they need are added to `registry`.
    ///
    /// # Errors
    /// A setting does not fit, a venue can't start, or two venues have one name.
    pub(crate) fn open(config: &Config, registry: &mut Registry) -> Result<Self> {
        let list = open_all(config)?;
        let seed = list.first().context("the deck has no venue")?.seed;
        let titles: Vec<&str> = list.iter().map(|venue| venue.title.as_str()).collect();
        let title = titles.join(" and ");
        let mut venues: Vec<(Box<dyn Gateway>, VenueTerms)> = Vec::new();
        for Venue { mut gateway, .. } in list {
            let terms = gateway.register(registry)?;
            if venues.iter().any(|(_, other)| other.venue == terms.venue) {
                let name = registry.venue(terms.venue).unwrap_or_default();
                bail!("two venues of the deck are called `{name}`: give them different names");
            }
            venues.push((gateway, terms));
        }
        Ok(Self {
            venues,
            title,
            seed,
        })
    }

    /// Returns the terms of the venues.
    pub(crate) fn terms(&self) -> impl Iterator<Item = &VenueTerms> {
        self.venues.iter().map(|(_, terms)| terms)
    }

    /// Brings the venues into the order of a recorded run, in which events of the same time were handled. `recorded` has
    /// the names of its venues.
    ///
    /// # Errors
    /// The deck has other venues than the run.
    pub(crate) fn in_order_of(mut self, recorded: &[String], registry: &Registry) -> Result<Self> {
        let name_of = |terms: &VenueTerms| registry.venue(terms.venue).unwrap_or_default();
        let mut ordered = Vec::new();
        for name in recorded {
            let mut terms = self.terms();
            let place = terms.position(|terms| name_of(terms) == name);
            let place = place.with_context(|| format!("the deck no longer has venue `{name}`"))?;
            drop(terms);
            ordered.push(self.venues.remove(place));
        }
        if let Some((_, terms)) = self.venues.first() {
            let name = name_of(terms);
            bail!("the deck has a venue that the run did not have, `{name}`");
        }
        self.venues = ordered;
        Ok(self)
    }
}

/// Returns the currency of the account, in which results are shown: the quote currency of the first venue's first
/// instrument.
///
/// # Errors
/// No venue has an instrument.
pub(crate) fn account_currency<'a>(
    terms: impl IntoIterator<Item = &'a VenueTerms>,
    registry: &Registry,
) -> Result<Currency> {
    let first = terms
        .into_iter()
        .flat_map(|terms| &terms.instruments)
        .next();
    first
        .and_then(|id| registry.instrument(*id))
        .and_then(|first| registry.currency(first.quote))
        .context("the venue has no instrument")
}

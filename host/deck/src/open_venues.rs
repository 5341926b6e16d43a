//! Opens the venues of a deck: creates them from the settings and registers what they trade.

use crate::data_monitors::DataMonitors;
use crate::venues::{Venue, open_all};
use anyhow::{Context, Result, bail};
use tickdeck_engine::port::{Continuity, Gateway, VenueTerms};
use tickdeck_model::{Currency, Registry};
use tickdeck_recording::RunOverrides;
use tickdeck_settings::config::Config;

/// The venues of a deck, in the order of the settings, registered.
pub(crate) struct OpenVenues {
    /// Their gateways and terms.
    pub(crate) venues: Vec<(Box<dyn Gateway>, VenueTerms)>,
    /// Their titles, for display.
    pub(crate) title: String,
    /// The seed of the first.
    pub(crate) seed: u64,
    /// What they know of their data.
    pub(crate) data: DataMonitors,
}

/// Applies the command line's overrides to the venues of the settings.
///
/// # Errors
/// Captures were named for a deck with several venues.
pub(crate) fn override_venues(config: &mut Config, overrides: &RunOverrides) -> Result<()> {
    if !overrides.capture.is_empty() {
        config.play_captures(overrides.capture.clone())?;
    }
    if let Some(seed) = overrides.seed {
        config.set_seed(seed);
    }
    Ok(())
}

impl OpenVenues {
    /// Opens the venues of the settings. Names that they need are added to `registry`.
    ///
    /// # Errors
    /// A setting does not fit, a venue can't start, or two venues have the same name.
    pub(crate) fn open(config: &Config, registry: &mut Registry) -> Result<Self> {
        let list = open_all(config)?;
        let seed = list.first().context("the deck has no venue")?.seed;
        let titles: Vec<&str> = list.iter().map(|venue| venue.title.as_str()).collect();
        let title = titles.join(" and ");
        let mut venues: Vec<(Box<dyn Gateway>, VenueTerms)> = Vec::new();
        let mut data = DataMonitors::default();
        for Venue { mut gateway, .. } in list {
            let terms = gateway.register(registry)?;
            let name = registry.venue(terms.venue).unwrap_or_default();
            if venues.iter().any(|(_, other)| other.venue == terms.venue) {
                bail!("two venues of the deck are called `{name}`: give them different names");
            }
            data.add(name, &*gateway);
            venues.push((gateway, terms));
        }
        Ok(Self {
            venues,
            title,
            seed,
            data,
        })
    }

    /// Returns the terms of the venues.
    pub(crate) fn terms(&self) -> impl Iterator<Item = &VenueTerms> {
        self.venues.iter().map(|(_, terms)| terms)
    }

    /// Returns the name of a venue that lives on while the host is away.
    pub(crate) fn living(&self, registry: &Registry) -> Option<String> {
        let mut terms = self.terms();
        let living = terms.find(|terms| terms.continuity == Continuity::LivesOn)?;
        Some(registry.venue(living.venue).unwrap_or_default().to_owned())
    }

    /// Sorts the venues into the order of a recorded run, in which events with equal times were handled. `recorded` has the
    /// names of its venues.
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

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_engine::port::{Command, Due, GatewayError};
    use tickdeck_model::{Event, Timestamp};

    struct Silent(VenueTerms);

    impl Gateway for Silent {
        fn register(&mut self, _: &mut Registry) -> Result<VenueTerms, GatewayError> {
            Ok(self.0.clone())
        }

        fn send(&mut self, _: Timestamp, _: Command) {}

        fn next_due(&mut self) -> Due {
            Due::Over
        }

        fn poll(&mut self, _: Timestamp, _: &mut Vec<Event>) -> Result<(), GatewayError> {
            Ok(())
        }
    }

    fn open(names: &[&str], registry: &mut Registry) -> OpenVenues {
        let venue = |name: &&str| {
            let terms = VenueTerms {
                venue: registry.add_venue(name),
                instruments: Vec::new(),
                balances: Vec::new(),
                lookahead_ns: 1,
                continuity: Continuity::Repeats,
            };
            let gateway: Box<dyn Gateway> = Box::new(Silent(terms.clone()));
            (gateway, terms)
        };
        OpenVenues {
            data: DataMonitors::default(),
            venues: names.iter().map(venue).collect(),
            title: String::new(),
            seed: 7,
        }
    }

    #[test]
    fn the_venues_of_a_resumed_run_are_found_by_name_and_keep_their_order() {
        let mut registry = Registry::new();
        let recorded = ["B".to_owned(), "C".to_owned(), "A".to_owned()];
        let venues = open(&["A", "B", "C"], &mut registry);
        let ordered = venues.in_order_of(&recorded, &registry).unwrap();
        let names: Vec<&str> = ordered
            .terms()
            .map(|terms| registry.venue(terms.venue).unwrap())
            .collect();
        assert_eq!(names, ["B", "C", "A"]);
    }

    #[test]
    fn a_run_is_not_resumed_with_a_venue_less_or_more() {
        let mut registry = Registry::new();
        let recorded = ["A".to_owned(), "B".to_owned()];
        let error = |names: &[&str], registry: &mut Registry| {
            let venues = open(names, registry);
            let ordered = venues.in_order_of(&recorded, registry);
            ordered.err().unwrap().to_string()
        };
        assert_eq!(
            error(&["A"], &mut registry),
            "the deck no longer has venue `B`"
        );
        assert_eq!(
            error(&["A", "B", "C"], &mut registry),
            "the deck has a venue that the run did not have, `C`"
        );
    }
}

//! The numbers that the reels of a run may name; see `untrusted`.

use crate::manifest::{RunManifest, VersionSpec};
use anyhow::{Result, ensure};
use tickdeck_engine::{Effect, RecordedChange};
use tickdeck_model::{Body, Event, InstrumentId, OrderStatus, Reason, Registry, VenueScope};

/// The numbers that a run can name.
#[derive(Debug)]
pub(crate) struct KnownNames(Registry);

impl KnownNames {
    /// The names of a run's beginning. Instruments, currencies and venues stay these.
    pub(crate) fn of(manifest: &RunManifest) -> Result<Self> {
        Ok(Self(manifest.registry()?))
    }

    /// Checks that an event is about an instrument, a currency and a venue of the run.
    pub(crate) fn check(&self, event: &Event) -> Result<()> {
        // An order for an instrument that does not exist is denied, and the denial names what the strategy named.
        let denial = (OrderStatus::Denied, Reason::UnknownInstrument);
        let is_denial = matches!(event.body(), Body::Order(it) if (it.status, it.reason) == denial);
        if let Some(instrument) = event.instrument().filter(|_| !is_denial) {
            self.instrument(instrument)?;
        }
        let (venue, currency) = match event.body() {
            Body::Venue(it) => {
                if it.scope == VenueScope::Instrument {
                    self.instrument(it.instrument)?;
                }
                (Some(it.venue), None)
            }
            Body::Account(it) => (Some(it.venue), Some(it.currency)),
            Body::Fill(it) => (None, Some(it.fee_currency)),
            _ => (None, None),
        };
        if let Some(venue) = venue {
            ensure!(
                self.0.venue(venue).is_some(),
                "it names venue {venue}, which the run does not have"
            );
        }
        if let Some(currency) = currency {
            ensure!(
                self.0.currency(currency).is_some(),
                "it names currency {currency}, which the run does not have"
            );
        }
        Ok(())
    }

    /// Checks that a strategy that was started has a known id, and capital in currencies of the run. Learns the names that a
    /// version adds.
    pub(crate) fn check_effect(&mut self, effect: &Effect) -> Result<()> {
        let Effect::Changed { what, .. } = effect else {
            return Ok(());
        };
        let (RecordedChange::Start { spec, .. } | RecordedChange::Swap { spec, .. }) = what else {
            return Ok(());
        };
        let spec = VersionSpec::read(spec)?;
        if let Some(more) = &spec.more_names {
            more.add_to(&mut self.0)?;
        }
        let RecordedChange::Start {
            strategy,
            name,
            allocation,
            ..
        } = what
        else {
            return Ok(());
        };
        let late = spec.registry()?;
        let names = late.as_ref().unwrap_or(&self.0);
        ensure!(
            names.strategy(*strategy) == Some(name),
            "it starts `{name}` as strategy {strategy}, which is another one's number"
        );
        for (currency, _) in allocation {
            ensure!(
                self.0.currency(*currency).is_some(),
                "`{name}` has capital in currency {currency}, which the run does not have"
            );
        }
        Ok(())
    }

    fn instrument(&self, instrument: InstrumentId) -> Result<()> {
        ensure!(
            self.0.instrument(instrument).is_some(),
            "it names instrument {instrument}, which the run does not have"
        );
        Ok(())
    }
}

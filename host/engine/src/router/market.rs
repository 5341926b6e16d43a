//! The last known prices of each instrument, as of the last event that the router processed.

use crate::report::InstrumentStatus;
use tickdeck_model::{
    Event, InstrumentId, Kind, Price, Quote, Timestamp, VenueId, VenueScope, VenueState,
    VenueStatus, View,
};

/// The last prices of one instrument.
#[derive(Debug, Clone, Default)]
pub(crate) struct Market {
    pub(crate) quote: Option<(Quote, Timestamp)>,
    pub(crate) last: Option<Price>,
    pub(crate) stale: bool,
    /// Whether there was a quote since the data was last stale, and a trade.
    pub(crate) is_quoted: bool,
    pub(crate) has_traded: bool,
    pub(crate) events: u64,
}

impl Market {
    fn set_stale(&mut self, stale: bool) {
        self.stale = stale;
        self.is_quoted &= !stale;
        self.has_traded &= !stale;
    }

    /// The mid price, or whichever price there is.
    pub(crate) fn mark(&self) -> Option<Price> {
        match self.quote {
            Some((quote, _)) if quote.bid.0 > 0 && quote.ask.0 > 0 => {
                Some(Price(quote.bid.0.midpoint(quote.ask.0)))
            }
            _ => self.last,
        }
    }

    pub(crate) fn status(&self, instrument: InstrumentId) -> InstrumentStatus {
        let side = |price: Price, size| (price.0 > 0).then_some((price, size));
        InstrumentStatus {
            instrument,
            bid: self
                .quote
                .and_then(|(quote, _)| side(quote.bid, quote.bid_size)),
            ask: self
                .quote
                .and_then(|(quote, _)| side(quote.ask, quote.ask_size)),
            last: self.last,
            events: self.events,
            stale: self.stale,
        }
    }
}

/// All markets, by instrument.
#[derive(Debug)]
pub(crate) struct Markets(Vec<Market>);

impl Markets {
    pub(crate) fn new(instruments: usize) -> Self {
        Self(vec![Market::default(); instruments])
    }

    pub(crate) fn get(&self, instrument: InstrumentId) -> Option<&Market> {
        self.0.get(instrument.index())
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = (InstrumentId, &Market)> {
        self.0
            .iter()
            .enumerate()
            .map(|(at, market)| (InstrumentId(at as u32), market))
    }

    /// Applies market data; returns whether the event was market data.
    pub(crate) fn apply(&mut self, event: &Event) -> bool {
        let (Kind::Quote | Kind::Trade | Kind::Book) = event.kind() else {
            return false;
        };
        let Some(market) = event.instrument().and_then(|id| self.0.get_mut(id.index())) else {
            return true;
        };
        market.events += 1;
        // The book is not kept here.
        if event.kind() != Kind::Book {
            match event.view() {
                View::Quote(quote) => {
                    market.quote = Some((*quote, event.ts_host));
                    market.is_quoted = !market.stale;
                }
                View::Trade(trade) => {
                    market.last = Some(trade.price);
                    market.has_traded = !market.stale;
                }
                _ => {}
            }
        }
        true
    }

    /// Applies a venue's state; `venue_of` gives each instrument's venue.
    pub(crate) fn venue_status(
        &mut self,
        status: &VenueStatus,
        venue_of: impl Fn(InstrumentId) -> Option<VenueId>,
    ) {
        let stale = match status.state {
            VenueState::Stale | VenueState::Disconnected | VenueState::Halted => true,
            VenueState::Live => false,
            // That the link is up says nothing about the data yet.
            VenueState::Connected | VenueState::Other => return,
        };
        match status.scope {
            VenueScope::Instrument => {
                if let Some(market) = self.0.get_mut(status.instrument.index()) {
                    market.set_stale(stale);
                }
            }
            VenueScope::Venue => {
                for (at, market) in self.0.iter_mut().enumerate() {
                    if venue_of(InstrumentId(at as u32)) == Some(status.venue) {
                        market.set_stale(stale);
                    }
                }
            }
        }
    }
}

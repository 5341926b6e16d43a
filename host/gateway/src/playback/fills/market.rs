//! One instrument: its market and our orders in it.

use crate::playback::book::MarketBook;
use tickdeck_model::{ClientOrderId, InstrumentId, Price, Side, Size};

/// One instrument: its market and our orders in it.
#[derive(Debug, Default)]
pub(super) struct Market {
    pub(super) book: MarketBook,
    /// Orders in the book, by arrival.
    pub(super) resting: Vec<Resting>,
    /// Stop orders that wait, by arrival.
    pub(super) stops: Vec<ClientOrderId>,
}

/// The markets by the numbers of their instruments.
#[derive(Debug, Default)]
pub(super) struct Markets(Vec<Option<Market>>);

impl Markets {
    pub(super) fn of(instruments: &[InstrumentId]) -> Self {
        let mut markets = Self::default();
        for instrument in instruments {
            let needed = markets.0.len().max(instrument.index() + 1);
            markets.0.resize_with(needed, || None);
            markets.0[instrument.index()] = Some(Market::default());
        }
        markets
    }

    pub(super) fn get(&self, instrument: InstrumentId) -> Option<&Market> {
        self.0.get(instrument.index())?.as_ref()
    }

    pub(super) fn get_mut(&mut self, instrument: InstrumentId) -> Option<&mut Market> {
        self.0.get_mut(instrument.index())?.as_mut()
    }
}

/// An order of ours in the book.
#[derive(Debug, Clone, Copy)]
pub(super) struct Resting {
    pub(super) id: ClientOrderId,
    pub(super) side: Side,
    pub(super) price: Price,
    /// Size ahead of us in the queue at our price. Never grows.
    pub(super) ahead: Size,
    /// Whether the opposite top was at or through our price when the order came to rest, and still is, because we took
    /// it ourselves. Until it moves away, only sizes that newly appear there fill us.
    pub(super) locked: bool,
}

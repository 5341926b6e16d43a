//! An order as the desk keeps it.

use crate::broker::account::Reservation;
use tickdeck_model::{ClientOrderId, Price, Size, Submit, VenueOrderId};

/// An order of ours that works at the venue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BrokerOrder {
    /// Our name for it.
    pub id: ClientOrderId,
    /// The venue's name for it, rising with each order accepted.
    pub venue_id: VenueOrderId,
    /// Its terms as they are now in force; `price` and `size` follow modifies.
    pub terms: Submit,
    /// Filled so far.
    pub filled: Size,
    /// Whether a stop order's condition was met.
    pub triggered: bool,
    pub(super) hold: Reservation,
}

impl BrokerOrder {
    /// What is still to be filled.
    pub const fn remaining(&self) -> Size {
        Size(self.terms.size.0 - self.filled.0)
    }

    /// Whether the order waits for its stop price and so is not on the book.
    pub const fn waits_for_stop(&self) -> bool {
        self.terms.kind.has_stop() && !self.triggered
    }

    /// The limit price in force; `None` trades at any price.
    pub const fn limit(&self) -> Option<Price> {
        if self.terms.kind.has_price() {
            Some(self.terms.price)
        } else {
            None
        }
    }
}

/// What a modify did to an order's place in the queue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modified {
    /// Only the size fell: the order keeps its place.
    KeepsPlace,
    /// Take the order out and queue it again; it may trade at once.
    LosesPlace,
}

//! An order as the broker keeps it.

use crate::broker::account::Reservation;
use tickdeck_model::{ClientOrderId, Price, Size, Submit, VenueOrderId};

/// An order of ours that is working at the venue.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct BrokerOrder {
    /// The client's id.
    pub id: ClientOrderId,
    /// The venue's id, which rises with each accepted order.
    pub venue_id: VenueOrderId,
    /// The terms in force; `price` and `size` follow modifies.
    pub terms: Submit,
    /// Filled so far.
    pub filled: Size,
    /// Whether a stop order's condition was met.
    pub triggered: bool,
    pub(super) reservation: Reservation,
}

impl BrokerOrder {
    /// The size that is not filled yet.
    pub const fn remaining(&self) -> Size {
        Size(self.terms.size.0 - self.filled.0)
    }

    /// Whether the order waits for its stop price and is therefore not on the book.
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

/// The effect of a modify on an order's queue priority.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Modified {
    /// Only the size fell: the order keeps its priority.
    KeepsPriority,
    /// The order goes to the back of the queue; it may trade at once.
    LosesPriority,
}

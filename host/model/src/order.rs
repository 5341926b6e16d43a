//! The order state machine: one match on (state, event), every legal pair listed.
//!
//! The pairs were first taken from `nautilus_trader`'s `orders/mod.rs`. Two things differ: a pending change carries the state
//! from which it started, so that a refused change can return to it; and an order whose answer never came is `Unknown` until
//! the venue gives evidence.

use crate::terms::OrderStatus;

/// The state of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderState {
    /// Created by the strategy; the host's checks have not answered yet.
    Initialised,
    /// Alive somewhere between us and the venue's book.
    Working(Working),
    /// A modify is in flight.
    PendingModify(Working),
    /// A cancel is in flight.
    PendingCancel(Working),
    /// The venue never answered; the order counts at its worst case.
    Unknown,
    /// Refused by the host. Final.
    Denied,
    /// Refused by the venue. Final.
    Rejected,
    /// Off the book. Final, except for a fill that was already in flight.
    Canceled,
    /// Ended by its time in force. Final.
    Expired,
    /// Filled completely. Final.
    Filled,
}

/// The progress of a live order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Working {
    /// The host holds it.
    Held,
    /// Sent to the venue.
    Submitted,
    /// On the venue's book, or waiting there for its stop price.
    Accepted,
    /// Its stop condition was met.
    Triggered,
    /// Filled in part.
    PartiallyFilled,
}

/// An event of an order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OrderEvent {
    /// An order update of this status.
    Update(OrderStatus),
    /// A fill, `last` if nothing is left.
    Fill {
        /// Nothing is left.
        last: bool,
    },
}

/// The event cannot happen in this state: the venue or the host is out of step. The order keeps its state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("an order in state {state:?} cannot take {event:?}")]
pub struct InvalidTransition {
    /// The state it is in.
    pub state: OrderState,
    /// The event that came.
    pub event: OrderEvent,
}

impl OrderState {
    /// Every state.
    pub const ALL: [Self; 22] = {
        use Working::{Accepted, Held, PartiallyFilled, Submitted, Triggered};
        [
            Self::Initialised,
            Self::Working(Held),
            Self::Working(Submitted),
            Self::Working(Accepted),
            Self::Working(Triggered),
            Self::Working(PartiallyFilled),
            Self::PendingModify(Held),
            Self::PendingModify(Submitted),
            Self::PendingModify(Accepted),
            Self::PendingModify(Triggered),
            Self::PendingModify(PartiallyFilled),
            Self::PendingCancel(Held),
            Self::PendingCancel(Submitted),
            Self::PendingCancel(Accepted),
            Self::PendingCancel(Triggered),
            Self::PendingCancel(PartiallyFilled),
            Self::Unknown,
            Self::Denied,
            Self::Rejected,
            Self::Canceled,
            Self::Expired,
            Self::Filled,
        ]
    };

    /// The state after `event`.
    ///
    /// # Errors
    /// The event cannot happen in this state.
    pub fn next(self, event: OrderEvent) -> Result<Self, InvalidTransition> {
        use OrderEvent::{Fill, Update};
        use OrderState::{
            Canceled, Denied, Expired, Filled, Initialised, PendingCancel, PendingModify, Rejected,
            Unknown, Working as W,
        };
        use OrderStatus as S;
        use Working::{Accepted, Held, PartiallyFilled, Submitted, Triggered};
        Ok(match (self, event) {
            // We check, then send.
            (Initialised, Update(S::Denied)) => Denied,
            (Initialised, Update(S::Submitted)) => W(Submitted),
            // Or hold it first; once it was released, nothing brings it back.
            (Initialised, Update(S::Held)) => W(Held),
            (W(Held), Update(S::Submitted)) => W(Submitted),
            // The host watches the price of what it holds, and waits for room after it was reached.
            (W(Held), Update(S::Triggered)) => W(Triggered),
            (W(Triggered), Update(S::Submitted)) => W(Triggered),
            (PendingModify(Triggered), Update(S::Submitted)) => PendingModify(Triggered),
            (PendingCancel(Triggered), Update(S::Submitted)) => PendingCancel(Triggered),
            (PendingModify(Triggered), Update(S::Accepted)) => PendingModify(Triggered),
            (PendingCancel(Triggered), Update(S::Accepted)) => PendingCancel(Triggered),
            (PendingModify(Triggered) | PendingCancel(Triggered), Update(S::Rejected)) => Rejected,
            (PendingCancel(Held), Update(S::Submitted)) => PendingCancel(Submitted),
            (PendingModify(Held), Update(S::Submitted)) => PendingModify(Submitted),

            // The venue answers. A venue that fills at once may never say "accepted".
            (W(Submitted), Update(S::Accepted)) => W(Accepted),
            (W(Submitted), Update(S::Rejected)) => Rejected,
            (W(Submitted | Accepted), Update(S::Triggered)) => W(Triggered),
            // Some venues accept a second time when a triggered stop limit enters the book.
            (W(Triggered), Update(S::Accepted)) => W(Triggered),
            (W(Triggered), Update(S::Rejected)) => Rejected,

            // Fills.
            (W(_) | PendingModify(_) | PendingCancel(_) | Unknown, Fill { last: true }) => Filled,
            (W(_) | Unknown, Fill { last: false }) => W(PartiallyFilled),
            (PendingModify(_), Fill { last: false }) => PendingModify(PartiallyFilled),
            (PendingCancel(_), Fill { last: false }) => PendingCancel(PartiallyFilled),
            // A fill and a cancel or an expiry cross on the wire.
            (Canceled, Fill { last: false }) => Canceled,
            (Expired, Fill { last: false }) => Expired,
            (Canceled | Expired, Fill { last: true }) => Filled,

            // Modifying.
            (W(from), Update(S::PendingModify)) => PendingModify(from),
            (PendingModify(from), Update(S::PendingModify)) => PendingModify(from),
            (PendingModify(from), Update(S::Replaced | S::ModifyRejected)) => W(from),
            (PendingCancel(from), Update(S::Replaced | S::ModifyRejected)) => PendingCancel(from),
            // Without a modify of ours: the venue or an operator changed it.
            (W(from), Update(S::Replaced)) => W(from),
            (PendingModify(Submitted), Update(S::Accepted)) => PendingModify(Accepted),
            (PendingModify(Submitted | Accepted), Update(S::Triggered)) => PendingModify(Triggered),
            (PendingModify(Submitted), Update(S::Rejected)) => Rejected,
            (PendingModify(from), Update(S::PendingCancel)) => PendingCancel(from),

            // The host refused the change before it left, or a second one while the first is answered.
            (W(from), Update(S::ModifyRejected | S::CancelRejected)) => W(from),

            // Canceling.
            (W(from), Update(S::PendingCancel)) => PendingCancel(from),
            (PendingCancel(from), Update(S::PendingCancel)) => PendingCancel(from),
            (PendingCancel(from), Update(S::CancelRejected)) => W(from),
            (PendingCancel(Submitted), Update(S::Accepted)) => PendingCancel(Accepted),
            (PendingCancel(Submitted | Accepted), Update(S::Triggered)) => PendingCancel(Triggered),
            (PendingCancel(Submitted), Update(S::Rejected)) => Rejected,

            // An end without a fill; a venue may cancel or expire on its own.
            (W(_) | PendingModify(_) | PendingCancel(_) | Unknown, Update(S::Canceled)) => Canceled,
            (W(_) | PendingModify(_) | PendingCancel(_) | Unknown, Update(S::Expired)) => Expired,

            // No answer, and the evidence that resolves it.
            (W(_) | PendingModify(_) | PendingCancel(_), Update(S::Unknown)) => Unknown,
            (Unknown, Update(S::Accepted)) => W(Accepted),
            (Unknown, Update(S::Rejected)) => Rejected,
            (Unknown, Update(S::Triggered)) => W(Triggered),
            (Unknown, Update(S::Replaced)) => W(Accepted),
            // It may well be at the venue, so it can be canceled or modified; it stays unknown until the venue answers.
            (
                Unknown,
                Update(S::PendingCancel | S::CancelRejected | S::PendingModify | S::ModifyRejected),
            ) => Unknown,

            // A change of ours crosses the order's end on the wire.
            (
                done @ (Rejected | Canceled | Expired | Filled),
                Update(S::PendingModify | S::PendingCancel | S::ModifyRejected | S::CancelRejected),
            ) => done,

            (state, event) => return Err(InvalidTransition { state, event }),
        })
    }

    /// Whether nothing more is expected of the order.
    pub const fn is_done(self) -> bool {
        matches!(
            self,
            Self::Denied | Self::Rejected | Self::Canceled | Self::Expired | Self::Filled
        )
    }

    /// The state as a status that a strategy sees; `None` before the host's answer.
    pub const fn status(self) -> Option<OrderStatus> {
        Some(match self {
            Self::Initialised | Self::Filled => return None,
            Self::Working(Working::Held) => OrderStatus::Held,
            Self::Working(Working::Submitted) => OrderStatus::Submitted,
            Self::Working(Working::Accepted | Working::PartiallyFilled) => OrderStatus::Accepted,
            Self::Working(Working::Triggered) => OrderStatus::Triggered,
            Self::PendingModify(_) => OrderStatus::PendingModify,
            Self::PendingCancel(_) => OrderStatus::PendingCancel,
            Self::Unknown => OrderStatus::Unknown,
            Self::Denied => OrderStatus::Denied,
            Self::Rejected => OrderStatus::Rejected,
            Self::Canceled => OrderStatus::Canceled,
            Self::Expired => OrderStatus::Expired,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn events() -> Vec<OrderEvent> {
        let fills = [false, true].map(|last| OrderEvent::Fill { last });
        OrderStatus::ALL
            .iter()
            .map(|status| OrderEvent::Update(*status))
            .chain(fills)
            .collect()
    }

    /// The whole matrix, as `docs/ORDERS.md` prints it.
    fn matrix() -> String {
        let mut table = String::new();
        for state in OrderState::ALL {
            for event in events() {
                if let Ok(next) = state.next(event) {
                    table += &format!("{} | {} | {}\n", name(state), event_name(event), name(next));
                }
            }
        }
        table
    }

    fn name(state: OrderState) -> String {
        format!("{state:?}")
    }

    fn event_name(event: OrderEvent) -> String {
        match event {
            OrderEvent::Update(status) => status.to_string(),
            OrderEvent::Fill { last: true } => "last fill".to_owned(),
            OrderEvent::Fill { last: false } => "partial fill".to_owned(),
        }
    }

    #[test]
    fn the_whole_matrix_is_the_one_in_the_snapshot() {
        let expected = include_str!("order.matrix.txt");
        if std::env::var_os("TICKDECK_BLESS").is_some() {
            std::fs::write(
                concat!(env!("CARGO_MANIFEST_DIR"), "/src/order.matrix.txt"),
                matrix(),
            )
            .unwrap();
        } else {
            assert_eq!(
                matrix(),
                expected,
                "run with TICKDECK_BLESS=1 to accept the new matrix"
            );
        }
    }

    #[test]
    fn a_done_order_only_takes_what_crossed_its_end_and_never_comes_back_to_life() {
        use OrderStatus::{CancelRejected, ModifyRejected, PendingCancel, PendingModify};
        for state in OrderState::ALL.into_iter().filter(|state| state.is_done()) {
            for event in events() {
                let legal = match event {
                    OrderEvent::Fill { .. } => {
                        matches!(state, OrderState::Canceled | OrderState::Expired)
                    }
                    OrderEvent::Update(
                        PendingModify | PendingCancel | ModifyRejected | CancelRejected,
                    ) => state != OrderState::Denied,
                    OrderEvent::Update(_) => false,
                };
                let next = state.next(event);
                assert_eq!(next.is_ok(), legal, "{state:?} {event:?}");
                assert!(
                    next.is_err() || next.is_ok_and(OrderState::is_done),
                    "{state:?} {event:?}"
                );
            }
        }
    }

    #[test]
    fn a_refused_change_goes_back_to_where_it_started() {
        for from in [
            Working::Submitted,
            Working::Accepted,
            Working::Triggered,
            Working::PartiallyFilled,
        ] {
            for (pending, refused) in [
                (OrderStatus::PendingModify, OrderStatus::ModifyRejected),
                (OrderStatus::PendingCancel, OrderStatus::CancelRejected),
            ] {
                let start = OrderState::Working(from);
                let pending = start.next(OrderEvent::Update(pending)).unwrap();
                assert_eq!(pending.next(OrderEvent::Update(refused)), Ok(start));
            }
        }
    }
}

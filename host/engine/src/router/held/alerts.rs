//! What the operator is told of exits: they protect a position, and none ends in silence.

use super::Group;
use crate::report::{ExitProblem, Notice};
use crate::router::Router;
use tickdeck_model::{
    ClientOrderId, Fill, InstrumentId, OrderStatus, OrderUpdate, Reason, Timestamp, VenueScope,
    VenueStatus,
};

impl Router {
    /// Tells of held exits whose price can't be watched, now that a venue or its data has this state.
    pub(in crate::router) fn tell_unwatched(&mut self, status: &VenueStatus, at: Timestamp) {
        let concerns = |instrument: &InstrumentId| {
            let venue = self.instruments.get(instrument.index());
            match status.scope {
                VenueScope::Instrument => *instrument == status.instrument,
                VenueScope::Venue => venue.is_some_and(|terms| terms.venue == status.venue),
            }
        };
        let is_stale =
            |instrument: &InstrumentId| self.markets.get(*instrument).is_some_and(|one| one.stale);
        let instruments = self.orders.holding().filter(concerns).filter(is_stale);
        let held: Vec<ClientOrderId> = instruments
            .flat_map(|instrument| self.orders.held_in(instrument))
            .collect();
        for order in held {
            let problem = ExitProblem::Unwatched;
            self.outbox.notice(at, Notice::Exit { order, problem });
        }
    }

    /// Tells of an exit or stop that ends although the position stands and its strategy did not ask for it.
    pub(in crate::router) fn tell_unprotected(&mut self, update: &OrderUpdate, at: Timestamp) {
        let order = ClientOrderId {
            strategy: update.strategy,
            number: update.order,
        };
        let has_ended = matches!(
            update.status,
            OrderStatus::Rejected | OrderStatus::Canceled | OrderStatus::Expired
        );
        let Some(live) = self.orders.get(order).filter(|_| has_ended) else {
            return;
        };
        let reason = live.host_cancel.unwrap_or(update.reason);
        let is_own = live.cancel_sent || live.held.is_some();
        let is_asked_for = reason == Reason::ReduceOnly || (reason == Reason::Normal && is_own);
        let protects = live.reduce_only || live.kind.is_stop();
        if protects && !is_asked_for && self.closing(Group::of(order, live)) > 0 {
            let problem = ExitProblem::Ended { reason };
            self.outbox.notice(at, Notice::Exit { order, problem });
        }
    }

    /// Tells of an exit that opened a position: its venue filled more than it was left.
    pub(in crate::router) fn tell_overfilled(&mut self, fill: &Fill, at: Timestamp) {
        let order = ClientOrderId {
            strategy: fill.strategy,
            number: fill.order,
        };
        let group = Group {
            strategy: fill.strategy,
            instrument: fill.instrument,
            side: fill.side,
        };
        let live = self.orders.get(order);
        let is_exit = live.map_or(self.orders.was_exit(order), |live| live.reduce_only);
        if is_exit && self.closing(group) < 0 {
            let problem = ExitProblem::Overfilled;
            self.outbox.notice(at, Notice::Exit { order, problem });
        }
    }
}

//! The actions of strategies, carried out.

use crate::handle::Mode;
use crate::middleware::{Denial, OrderChange};
use crate::port::{Command, NewTerms};
use crate::report::Notice;
use crate::router::Router;
use crate::router::orders::{OpenOrder, update_of};
use crate::router::text::with_sources;
use tickdeck_model::{
    Action, CancelAll, CancelScope, ClientOrderId, Feed, InstrumentId, Modify, Notify, OrderFlags,
    OrderStatus, OrderUpdate, Pad, Price, Reason, Signal, Size, StrategyId, Submit, TimeInForce,
    Timestamp, TrailBasis,
};

/// Cancels and cuts of one order that the host asks for, of which a venue may refuse all but the last before the host leaves it to the
/// operator.
pub(super) const MOST_CANCELS: u32 = 5;

/// What to ask a venue for, so that what is zero in a modify stays: also what another one under way has asked for. A stop price of zero
/// is kept by the venue, which may have met it by then.
fn new_terms(live: &OpenOrder, modify: &Modify) -> NewTerms {
    let (price, size) = live.expected();
    NewTerms {
        price: match modify.price {
            Price::ZERO => price,
            price => price,
        },
        stop_price: match (modify.stop_price, live.held) {
            // The host is the one that keeps it.
            (Price::ZERO, Some(_)) if !live.triggered => live.stop_price,
            (stop_price, _) => stop_price,
        },
        size: match modify.size {
            Size::ZERO => size,
            size => size,
        },
    }
}

impl Router {
    /// Carries out an action.
    pub(super) fn act(&mut self, place: usize, at: Timestamp, action: Action) {
        let strategy = self.strategies.at(place).id;
        match action {
            Action::Submit(order) => self.submit(place, at, &order),
            Action::Modify(modify) => self.modify(place, at, &modify),
            Action::Cancel(number) => {
                self.cancel(ClientOrderId { strategy, number }, at, Reason::Normal)
            }
            Action::CancelAll(CancelAll {
                scope: CancelScope::Everything,
                ..
            }) => {
                self.cancel_where(strategy, at, Reason::Normal, |_| true);
            }
            Action::CancelAll(CancelAll { instrument, .. }) => {
                self.cancel_where(strategy, at, Reason::Normal, |live| {
                    live.instrument == instrument
                });
            }
            Action::SetTimer(timer) => self.timers.set(
                strategy,
                timer.id,
                timer.due,
                self.answers.earliest_after(at),
            ),
            Action::ClearTimer(id) => self.timers.clear(strategy, id),
            Action::Notify(notify) => self.notify(place, at, &notify),
            Action::Subscribe(request) if request.feed == Feed::Book => {
                let instrument = InstrumentId(request.target);
                if self.strategies.at_mut(place).books.insert(request.target) {
                    self.request_book(instrument, at);
                }
            }
            Action::Unsubscribe(request) if request.feed == Feed::Book => {
                self.strategies.at_mut(place).books.remove(&request.target);
            }
            Action::Subscribe(_) | Action::Unsubscribe(_) => {}
        }
    }

    fn submit(&mut self, place: usize, at: Timestamp, order: &Submit) {
        self.tally.orders += 1;
        let id = ClientOrderId {
            strategy: self.strategies.at(place).id,
            number: order.order,
        };
        if let Err(error) = self.portfolio.intend(id.strategy, order) {
            // The worker ended the strategy because of it; this replica never learns of the order.
            self.outbox.notice(
                at,
                Notice::Anomaly {
                    problem: with_sources(&error),
                },
            );
            return;
        }
        let answer = |status, reason| OrderUpdate {
            instrument: order.instrument,
            strategy: id.strategy,
            order: id.number,
            price: order.price,
            size: order.size,
            filled: Size::ZERO,
            stop_price: order.stop_price,
            reserved: Pad::ZERO,
            account: order.account,
            status,
            reason,
            side: order.side,
            pad: Pad::ZERO,
        };
        let mut live = OpenOrder::of(order);
        live.reduce_only |= self.mode_of(place) == Mode::Reduce;
        // Before the checks, which count what they let pass; those of the mode come first all the same.
        let is_held = self.must_hold(id, order, &mut live);
        let may_pass = !self.gate.is_killed() && self.mode_of(place) != Mode::Pause;
        let marked = Submit {
            flags: order.flags.set(OrderFlags::REDUCE_ONLY, live.reduce_only),
            ..*order
        };
        let verdict = match is_held {
            Err(denial) if may_pass => Err(denial),
            is_held => {
                let verdict = self.check(place, at, order.instrument, None, |middleware, at| {
                    middleware.check(&marked, at)
                });
                verdict.and(is_held)
            }
        };
        match verdict {
            Err(denial) => {
                self.answers
                    .push(at, answer(OrderStatus::Denied, denial.reason));
                self.deny(at, id, denial);
            }
            Ok(is_held) => {
                let status = match is_held {
                    true => OrderStatus::Held,
                    false => OrderStatus::Submitted,
                };
                self.answers.push(at, answer(status, Reason::Normal));
                if order.time_in_force == TimeInForce::Gtd {
                    self.expiries
                        .add(order.expires, id, |id| self.orders.get(id).is_some());
                }
                self.send_or_hold(id, order, (live, is_held), at);
            }
        }
    }

    fn modify(&mut self, place: usize, at: Timestamp, modify: &Modify) {
        let id = ClientOrderId {
            strategy: self.strategies.at(place).id,
            number: modify.order,
        };
        let Some(live) = self.orders.get(id).cloned() else {
            return;
        };
        if live.cancel_sent {
            // Not a denial: the strategy may not know yet that it is being canceled.
            self.refuse_change(id, &live, at, Reason::UnknownOrder);
            return;
        }
        let terms = new_terms(&live, modify);
        let change = OrderChange {
            side: live.side,
            kind: live.kind,
            stop_price: match (terms.stop_price, live.triggered) {
                (Price::ZERO, false) => live.stop_price,
                (stop_price, _) => stop_price,
            },
            trail: modify.trail,
            trail_basis: live
                .held
                .map_or(TrailBasis::Price, |held| held.order.trail_basis),
            beside: self.beside_exit(id, &live),
            triggered: live.triggered,
            price: terms.price,
            size: terms.size,
            left: Size(terms.size.0.saturating_sub(live.filled.0).max(0)),
            reduce_only: live.reduce_only,
            is_held: live.held.is_some(),
        };
        let verdict = self.check(place, at, live.instrument, Some(id), |middleware, at| {
            middleware.check_change(&change, at)
        });
        let verdict = verdict.and_then(|()| match live.held {
            Some(_) => Ok(()),
            None => self.check_beside_exits(id, &live, change.left),
        });
        match verdict {
            Err(denial) => {
                self.refuse_change(id, &live, at, denial.reason);
                self.deny(at, id, denial);
            }
            Ok(()) if live.held.is_some() => {
                self.modify_held(id, terms, modify.trail, at);
            }
            Ok(()) => {
                self.orders.change(id, |live| live.asked.push_back(terms));
                self.answers.push(
                    at,
                    update_of(id, &live, OrderStatus::PendingModify, Reason::Normal),
                );
                let instrument = live.instrument;
                let modify = Command::Modify {
                    id,
                    instrument,
                    terms,
                };
                self.command(instrument, at, modify);
            }
        }
    }

    /// Ends the orders whose date has come: at the first event from then on.
    pub(super) fn expire_due(&mut self, now: Timestamp) {
        while let Some(id) = self.expiries.take_due(now) {
            match self.orders.get(id).map(|live| live.held.is_some()) {
                Some(true) => self.end_held(id, OrderStatus::Expired, Reason::DateReached, now),
                Some(false) => self.cancel(id, now, Reason::DateReached),
                None => {}
            }
        }
    }

    fn refuse_change(&mut self, id: ClientOrderId, live: &OpenOrder, at: Timestamp, why: Reason) {
        self.orders.change(id, |live| live.own_refusals += 1);
        let refused = update_of(id, live, OrderStatus::ModifyRejected, why);
        self.answers.push(at, refused);
    }

    pub(super) fn cancel(&mut self, id: ClientOrderId, at: Timestamp, reason: Reason) {
        if reason != Reason::Normal {
            // Room for an exit may no longer be needed when the venue refuses; any other reason stands.
            self.orders.change(id, |live| match live.host_cancel {
                Some(standing) if reason == Reason::ReduceOnly && standing != reason => {}
                _ => live.host_cancel = Some(reason),
            });
        }
        let Some(live) = self.orders.get(id).filter(|live| !live.cancel_sent) else {
            return;
        };
        if live.held.is_some() {
            return self.end_held(id, OrderStatus::Canceled, reason, at);
        }
        let live = live.clone();
        self.orders.change(id, |live| {
            live.cancel_sent = true;
            live.host_cancels += u32::from(reason != Reason::Normal);
        });
        self.answers
            .push(at, update_of(id, &live, OrderStatus::PendingCancel, reason));
        self.command(
            live.instrument,
            at,
            Command::Cancel {
                id,
                instrument: live.instrument,
            },
        );
    }

    /// Asks a venue again that refused to cancel an order which the host wants gone: it may have been busy, or not have known the
    /// order yet.
    pub(super) fn cancel_again(&mut self, id: ClientOrderId, at: Timestamp) {
        let live = self
            .orders
            .get(id)
            .filter(|live| live.host_cancels < MOST_CANCELS && !live.cancel_sent);
        match live.and_then(|live| live.host_cancel) {
            // An exit that still needs the room has asked again.
            Some(Reason::ReduceOnly) => self.orders.change(id, |live| live.host_cancel = None),
            Some(reason) => self.cancel(id, at, reason),
            None => {}
        }
    }

    pub(crate) fn cancel_where(
        &mut self,
        strategy: StrategyId,
        at: Timestamp,
        reason: Reason,
        wanted: impl Fn(&OpenOrder) -> bool,
    ) {
        let ids: Vec<ClientOrderId> = self
            .orders
            .of(strategy)
            .filter(|(_, live)| wanted(live))
            .map(|(id, _)| id)
            .collect();
        ids.into_iter().for_each(|id| self.cancel(id, at, reason));
    }

    fn notify(&mut self, place: usize, at: Timestamp, notify: &Notify) {
        let routed = self.strategies.at(place);
        let strategy = routed.id;
        // The strategy host has checked the index; a native strategy's mistake is reported, not hidden.
        let Some((name, message)) = routed.messages.get(notify.message as usize).cloned() else {
            let problem = format!(
                "strategy {strategy} notified message {} of {}",
                notify.message,
                routed.messages.len()
            );
            self.outbox.notice(at, Notice::Anomaly { problem });
            return;
        };
        let (severity, value) = (notify.severity, notify.value);
        let is_published = routed.may_publish(name);
        self.outbox.notice(
            at,
            Notice::Notified {
                strategy,
                severity,
                message,
                value,
            },
        );
        if is_published {
            let source = strategy;
            let signal = Signal {
                reserved: Pad::ZERO,
                source,
                name,
                value,
            };
            self.answers.push(at, signal);
        }
    }

    fn deny(&mut self, at: Timestamp, order: ClientOrderId, denial: Denial) {
        let Denial { reason, values } = denial;
        *self.tally.denied.entry(reason).or_default() += 1;
        self.outbox.notice(
            at,
            Notice::Denied {
                order,
                reason,
                values,
            },
        );
    }
}

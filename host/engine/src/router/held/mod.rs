//! Orders that the host holds, because a reduce-only order must never open a position.
//!
//! What a strategy has at work on the side that closes its position never exceeds the position while a reduce-only order is among
//! it, in whichever order the venue fills. So a stop and a target of the whole position can both stand: the first leaves, the other is
//! held. What is held, when it leaves and what ends it is a fold over the tape like the rest of the router.
//!
//! - **An exit** (reduce-only) that fits into the position, but not beside what is at work, is held. When its price is reached, the other
//!   orders on its side make room, as much as is needed, and it leaves once their ends are confirmed. When there is room without that,
//!   it leaves as it is. A held exit is cut down to the position as that shrinks, and ends with it.
//! - **An order that cannot rest** and is no larger than the position is an exit too beside others.
//! - **An order whose price the host watches** (if-touched, trailing, triggered by quotes) is held until it was reached, exit or not.
//! - **Any other order** that does not fit beside the exits at work is denied, and the denial names one. If all of them are being
//!   canceled, it is held until they are gone.
//!
//! `docs/EXITS.md` has the rules as authors of strategies see them.

mod alerts;
mod reach;
mod watching;

use crate::handle::Mode;
use crate::middleware::Denial;
use crate::port::{Command, NewTerms};
use crate::report::{ExitProblem, Notice};
use crate::router::Router;
use crate::router::actions::MOST_CANCELS;
use crate::router::orders::{Held, OpenOrder, update_of};
use reach::{cannot_rest, is_watched};
use std::cmp::Reverse;
use tickdeck_model::{
    ClientOrderId, InstrumentId, OrderStatus, OrderType, Price, Reason, Side, Size, StrategyId,
    Submit, TimeInForce, Timestamp,
};

/// Orders that the host holds on one side of an instrument for one strategy.
const MOST_HELD: usize = 64;
const DAY_NS: i64 = 86_400 * 1_000_000_000;

/// The orders of a strategy on one side of an instrument.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Group {
    strategy: StrategyId,
    instrument: InstrumentId,
    side: Side,
}

impl Group {
    fn of(id: ClientOrderId, order: &OpenOrder) -> Self {
        Self {
            strategy: id.strategy,
            instrument: order.instrument,
            side: order.side,
        }
    }

    fn has(self, order: &OpenOrder) -> bool {
        order.instrument == self.instrument && order.side == self.side
    }
}

impl Router {
    /// Whether the host holds an order instead of sending it now, if it passes the checks. One that closes the position at once becomes
    /// an exit beside others.
    ///
    /// # Errors
    /// It is no exit, and exits are at work beside it; or too many orders are held.
    pub(super) fn must_hold(
        &self,
        id: ClientOrderId,
        order: &Submit,
        live: &mut OpenOrder,
    ) -> Result<bool, Denial> {
        let group = Group::of(id, live);
        if !self.waits_for_room(group, order, live)? && !is_watched(order) {
            return Ok(false);
        }
        if self.held_of(group).len() >= MOST_HELD {
            return Err(Denial {
                reason: Reason::ReduceOnly,
                values: format!("{MOST_HELD} orders of this side are held already: cancel some"),
            });
        }
        Ok(true)
    }

    /// Whether there is no room for an order beside the exits at work, and it may wait for some.
    fn waits_for_room(
        &self,
        group: Group,
        order: &Submit,
        live: &mut OpenOrder,
    ) -> Result<bool, Denial> {
        let (size, closing) = (i128::from(live.left().0), self.closing(group));
        let is_awaited = self.awaits_room(group);
        if size <= closing - self.open(group, None) && !is_awaited {
            return Ok(false);
        }
        let works_exit = self.working_exits(group).next().is_some();
        if !live.reduce_only && size <= closing && cannot_rest(order) && works_exit {
            live.reduce_only = true;
        }
        match (live.reduce_only, self.staying_exit(group)) {
            (true, _) => Ok(true),
            (false, Some(exit)) => Err(conflict(exit, size <= closing)),
            (false, None) => Ok(works_exit || is_awaited),
        }
    }

    /// Sends an order, or holds it; it passed the checks.
    pub(super) fn send_or_hold(
        &mut self,
        id: ClientOrderId,
        order: &Submit,
        (mut live, is_held): (OpenOrder, bool),
        at: Timestamp,
    ) {
        live.held = is_held.then_some(Held {
            order: *order,
            since: at,
            reached: false,
        });
        self.orders.add(id, live);
        if is_held {
            let market = self.markets.get(order.instrument);
            if market.is_none_or(|market| market.stale) {
                let (order, problem) = (id, ExitProblem::Unwatched);
                self.outbox.notice(at, Notice::Exit { order, problem });
            }
            return self.watch(id, at);
        }
        self.send(id, order, at);
    }

    /// Sends an order as a venue takes it: the host itself watches when it expires.
    fn send(&mut self, id: ClientOrderId, order: &Submit, at: Timestamp) {
        let order = Submit {
            time_in_force: match order.time_in_force {
                TimeInForce::Gtd => TimeInForce::Gtc,
                other => other,
            },
            expires: 0,
            ..*order
        };
        self.command(order.instrument, at, Command::Submit { id, order });
    }

    /// Checks a change of an order that works and is no exit: the exits beside it must still fit into the position.
    ///
    /// # Errors
    /// They would not.
    pub(super) fn check_beside_exits(
        &self,
        id: ClientOrderId,
        live: &OpenOrder,
        left: Size,
    ) -> Result<(), Denial> {
        let group = Group::of(id, live);
        let room = self.closing(group) - self.open(group, Some(id));
        if live.reduce_only || left <= live.left() || i128::from(left.0) <= room {
            return Ok(());
        }
        match self.working_exits(group).next() {
            Some((exit, _)) => Err(conflict(exit, false)),
            None => Ok(()),
        }
    }

    /// Changes an order that the host holds; the change passed the checks.
    pub(super) fn modify_held(
        &mut self,
        id: ClientOrderId,
        terms: NewTerms,
        trail: i64,
        at: Timestamp,
    ) {
        let NewTerms {
            price,
            stop_price,
            size,
        } = terms;
        self.orders.change(id, |live| {
            (live.price, live.stop_price, live.size) = (price, stop_price, size);
            if let Some(held) = &mut live.held {
                (held.order.price, held.order.size) = (price, size);
                if !held.reached {
                    held.order.stop_price = stop_price;
                }
                if trail > 0 {
                    held.order.trail = trail;
                }
                // The market has not reached the new price.
                held.reached &= held.order.kind == OrderType::Market;
            }
        });
        self.tell_change(id, Reason::Normal, at);
        self.watch(id, at);
        if let Some(live) = self.orders.get(id) {
            self.settle(Group::of(id, live), at);
        }
    }

    /// Ends an order that the host holds.
    pub(super) fn end_held(
        &mut self,
        id: ClientOrderId,
        status: OrderStatus,
        reason: Reason,
        at: Timestamp,
    ) {
        if let Some(live) = self.orders.get(id) {
            let update = update_of(id, live, status, reason);
            self.tell_unprotected(&update, at);
            self.answers.push(at, update);
        }
        self.orders.end(id);
    }

    /// Ends the orders that the host holds for a strategy whose orders stay when it ends: the host will not be there to watch them. One
    /// whose price was reached still leaves.
    pub(super) fn end_unwatched(&mut self, strategy: StrategyId, at: Timestamp) {
        let orders = self.orders.of(strategy);
        let waiting = orders.filter(|(_, live)| live.held.is_some_and(|held| !held.reached));
        let ids: Vec<ClientOrderId> = waiting.map(|(id, _)| id).collect();
        for id in ids {
            self.end_held(id, OrderStatus::Canceled, Reason::StrategyEnded, at);
        }
    }

    /// Makes the exits at work fit into the position again after a fill that nobody expected, of an order that had ended.
    pub(super) fn trim(&mut self, strategy: StrategyId, instrument: InstrumentId, at: Timestamp) {
        for side in [Side::Buy, Side::Sell] {
            let group = Group {
                strategy,
                instrument,
                side,
            };
            if self.working_exits(group).next().is_some() {
                self.make_room(group, 0, at);
            }
        }
    }

    /// Looks at the orders held beside one of which something was reported.
    pub(super) fn settle_beside(
        &mut self,
        strategy: StrategyId,
        instrument: InstrumentId,
        at: Timestamp,
    ) {
        for side in [Side::Buy, Side::Sell] {
            let group = Group {
                strategy,
                instrument,
                side,
            };
            self.settle(group, at);
        }
    }

    // --- private -------------------------------------------------------------------------------------------------

    /// What an order of this side can close; below zero if the position is on the same side.
    fn closing(&self, group: Group) -> i128 {
        let book = self.portfolio.book(group.strategy);
        let position = book.map_or(Size::ZERO, |book| book.position_size(group.instrument));
        -i128::from(position.0) * i128::from(group.side.sign())
    }

    /// What the group's orders may fill, without the exits that are held.
    fn open(&self, group: Group, except: Option<ClientOrderId>) -> i128 {
        let (buys, sells) = self
            .orders
            .exposure(group.strategy, group.instrument, except);
        i128::from(match group.side {
            Side::Buy => buys.0,
            Side::Sell => sells.0,
        })
    }

    /// What is at work of the group, which leaves out what is held.
    fn working(&self, group: Group) -> i128 {
        let orders = self.orders.of(group.strategy);
        let working = orders.filter(|(_, live)| group.has(live) && live.held.is_none());
        working.map(|(_, live)| i128::from(live.left().0)).sum()
    }

    /// The exits of the group that are at work.
    fn working_exits(&self, group: Group) -> impl Iterator<Item = (ClientOrderId, &OpenOrder)> {
        // Most strategies have none, and some have thousands of other orders.
        let has_exits = self.orders.has_exits(group.strategy, group.instrument);
        let orders = has_exits.then(|| self.orders.of(group.strategy));
        let is_it =
            move |live: &OpenOrder| group.has(live) && live.reduce_only && live.held.is_none();
        let orders = orders.into_iter().flatten();
        orders.filter(move |(_, live)| is_it(live))
    }

    /// An exit of the group that is at work and not being canceled.
    fn staying_exit(&self, group: Group) -> Option<ClientOrderId> {
        let mut exits = self.working_exits(group);
        exits.find_map(|(id, live)| (!live.cancel_sent).then_some(id))
    }

    /// Reports the new terms of an order that the host holds.
    fn tell_change(&mut self, id: ClientOrderId, reason: Reason, at: Timestamp) {
        self.orders.change(id, |live| live.own_changes += 1);
        self.tell(id, OrderStatus::Replaced, reason, at);
    }

    /// Reports the state of an order that the host holds.
    fn tell(&mut self, id: ClientOrderId, status: OrderStatus, reason: Reason, at: Timestamp) {
        if let Some(live) = self.orders.get(id) {
            self.answers.push(at, update_of(id, live, status, reason));
        }
    }

    /// What is at work on the side of an exit that works, beside it; zero for any other order, of which there may be thousands.
    pub(super) fn beside_exit(&self, id: ClientOrderId, live: &OpenOrder) -> Size {
        if !live.reduce_only || live.held.is_some() {
            return Size::ZERO;
        }
        let beside = self.working(Group::of(id, live)) - i128::from(live.left().0);
        Size(i64::try_from(beside).unwrap_or(i64::MAX))
    }

    /// Has what is at work of the group leave room for `size`: first what is no stop, the newest first. What is larger than needed
    /// is made smaller. What executes at any price is left to do so. Returns whether all of the rest will make room.
    fn make_room(&mut self, group: Group, size: i128, at: Timestamp) -> bool {
        let working = self.orders.of(group.strategy);
        let working = working.filter(|(_, live)| group.has(live) && live.held.is_none());
        let (mut expected, mut executing) = (0, false);
        let mut yielding: Vec<(bool, Reverse<ClientOrderId>, i128)> = Vec::new();
        for (id, live) in working {
            let left = i128::from(live.expected_left().0);
            expected += left;
            let may_ask = !live.cancel_sent && live.host_cancels < MOST_CANCELS;
            executing |= live.takes_any_price();
            if left > 0 && may_ask && !live.takes_any_price() {
                yielding.push((live.kind.is_stop(), Reverse(id), left));
            }
        }
        yielding.sort_unstable();
        let mut need = size + expected - self.closing(group).max(0);
        for (_, Reverse(id), left) in yielding {
            if need <= 0 {
                break;
            }
            if left <= need {
                self.cancel(id, at, Reason::ReduceOnly);
            } else {
                self.shrink(id, left - need, at);
            }
            need -= left;
        }
        // What it fills, the position loses, and whatever waits is cut down by it.
        need <= 0 || executing
    }

    /// Asks the venue to leave only so much of an order.
    fn shrink(&mut self, id: ClientOrderId, left: i128, at: Timestamp) {
        let mut changed = None;
        self.orders.change(id, |live| {
            let left = i64::try_from(left).unwrap_or(i64::MAX);
            let terms = NewTerms {
                price: live.expected().0,
                // The venue keeps it.
                stop_price: Price::ZERO,
                size: Size(live.filled.0.saturating_add(left)),
            };
            live.asked.push_back(terms);
            live.host_cancels += 1;
            changed = Some((live.instrument, terms));
        });
        self.tell(id, OrderStatus::PendingModify, Reason::ReduceOnly, at);
        if let Some((instrument, terms)) = changed {
            let modify = Command::Modify {
                id,
                instrument,
                terms,
            };
            self.command(instrument, at, modify);
        }
    }

    /// The orders of the group that the host holds.
    fn held_of(&self, group: Group) -> Vec<ClientOrderId> {
        let held = self.orders.held_in(group.instrument).into_iter();
        let is_it = |id: &ClientOrderId| {
            id.strategy == group.strategy
                && self.orders.get(*id).is_some_and(|live| group.has(live))
        };
        held.filter(is_it).collect()
    }

    /// Whether an exit of the group, whose price was reached, waits for room: nothing else may take it.
    fn awaits_room(&self, group: Group) -> bool {
        self.orders.is_holding(group.instrument)
            && self
                .held_of(group)
                .iter()
                .any(|id| self.orders.get(*id).is_some_and(OpenOrder::is_reached))
    }

    /// Cuts the held exits of a group down to the position, and sends what there is room for.
    fn settle(&mut self, group: Group, at: Timestamp) {
        let held = self.held_of(group);
        if held.is_empty() {
            return;
        }
        let closing = self.closing(group).max(0);
        let mut exits: Vec<(bool, ClientOrderId)> = Vec::new();
        let mut others = Vec::new();
        for id in held {
            let Some(live) = self.orders.get(id) else {
                continue;
            };
            let waits_for_price = live
                .held
                .is_some_and(|held| !held.reached && is_watched(&held.order));
            if !live.reduce_only {
                if !waits_for_price {
                    others.push(id);
                }
            } else if closing == 0 {
                self.end_held(id, OrderStatus::Canceled, Reason::ReduceOnly, at);
            } else {
                if i128::from(live.left().0) > closing {
                    self.cut_to(id, closing, at);
                }
                let is_reached = self.orders.get(id).is_some_and(OpenOrder::is_reached);
                if !waits_for_price {
                    exits.push((!is_reached, id));
                }
            }
        }
        // Those whose price was reached come first, each in the order of their numbers.
        exits.sort_unstable();
        let mut room = closing - self.working(group);
        for (waits, id) in exits {
            let left = self.left(id);
            if waits && self.gate.is_stopping() {
                break;
            }
            if left <= room {
                self.release(id, at);
                room -= left;
            } else if !waits {
                // It goes once their ends are confirmed, cut down by what they still fill; until then nothing takes its place.
                if !self.make_room(group, left, at) {
                    let (order, problem) = (id, ExitProblem::Stuck);
                    self.outbox.notice(at, Notice::Exit { order, problem });
                }
                return;
            }
        }
        for id in others {
            room -= self.settle_other(id, (group, room), at);
        }
    }

    /// Sends an order that waits until the exits beside it are gone, if they are; returns its size. It ends where they stay, and where
    /// it could no longer be sent now.
    fn settle_other(
        &mut self,
        id: ClientOrderId,
        (group, room): (Group, i128),
        at: Timestamp,
    ) -> i128 {
        let left = self.left(id);
        let has_room = left <= room || self.working_exits(group).next().is_none();
        let place = self.strategies.place_of(id.strategy);
        let mode = place.map(|place| self.gate.mode_with(self.strategies.at(place).mode));
        let is_stale = self
            .markets
            .get(group.instrument)
            .is_none_or(|one| one.stale);
        let closes = left <= self.closing(group) - self.working(group);
        let why_not = match mode {
            // What only closes the position leaves as an exit would.
            _ if self.gate.is_stopping() => Some(Reason::ReduceOnly),
            _ if closes => None,
            Some(Mode::Trade) if is_stale => Some(Reason::StaleData),
            Some(Mode::Trade) => None,
            Some(Mode::Pause) => Some(Reason::Paused),
            Some(Mode::Reduce) | None => Some(Reason::ReduceOnly),
        };
        if has_room && let Some(reason) = why_not {
            self.end_held(id, OrderStatus::Canceled, reason, at);
        } else if !has_room && self.staying_exit(group).is_some() {
            self.end_held(id, OrderStatus::Canceled, Reason::ReduceOnly, at);
        } else if has_room {
            self.release(id, at);
            return left;
        }
        0
    }

    fn left(&self, id: ClientOrderId) -> i128 {
        let live = self.orders.get(id);
        live.map_or(0, |live| i128::from(live.left().0))
    }

    /// Sends an order that the host held.
    fn release(&mut self, id: ClientOrderId, at: Timestamp) {
        let mut sent = None;
        self.orders.change(id, |live| sent = live.held.take());
        if let Some(Held { order, .. }) = sent {
            self.tell(id, OrderStatus::Submitted, Reason::Normal, at);
            self.send(id, &order, at);
        }
    }

    /// Makes a held order smaller.
    fn cut_to(&mut self, id: ClientOrderId, size: i128, at: Timestamp) {
        let size = Size(i64::try_from(size).unwrap_or(i64::MAX));
        self.orders.change(id, |live| {
            live.size = size;
            if let Some(held) = &mut live.held {
                held.order.size = size;
            }
        });
        self.tell_change(id, Reason::ReduceOnly, at);
    }
}

fn conflict(exit: ClientOrderId, closes: bool) -> Denial {
    let instead = match closes {
        true => " or send this one reduce-only",
        false => "",
    };
    Denial {
        reason: Reason::ReduceOnly,
        values: format!(
            "exit {} is at work, and beside this order it could open a position: cancel it first{instead}",
            exit.number
        ),
    }
}

#[cfg(test)]
mod tests;

//! The desk of a simulated venue: what any venue does for our orders besides matching them.
//!
//! It holds the two links (commands under way, answers under way), the accounts with what working orders hold, the fee
//! schedule, the orders themselves and the one way their events are built. A venue keeps its own book and decides what
//! trades; the desk writes it down and answers. Nothing in here reads a clock: every call names its time.
//!
//! A venue's loop is: take what arrives with [`Broker::take_arrival`], ask [`Broker::check`], answer by [`Broker::accept`] or
//! [`Broker::reject`], match, write each trade with [`Broker::fill`], end with [`Broker::report_balances`], and hand out
//! [`Broker::take_answer`]. Which status an ending has: a rest that found nothing is `expired` for IOC and FOK, `canceled`
//! (no liquidity) for a market order; day's end is `expired`; a cancel is `canceled`.
//!
//! The account is a simulation with these limits. A working buy holds its worst price times what is left, and the
//! larger of the two fees on it. A working sell holds nothing while `allow_short` is on: the base balance may then go
//! below zero and short proceeds count as free; with it off, a sell holds what it would deliver. `account` events come
//! after fills only, not when a hold changes.

mod account;
mod delay;
mod links;
mod margin;
mod order;
mod terms;

pub use crate::broker::terms::{BrokerRules, FeeError, FeeRate, Fees, Latency};
pub use order::{BrokerOrder, Modified};

use crate::broker::account::{Account, Reservation};
use crate::broker::delay::DelayQueue;
use std::collections::{HashMap, VecDeque};
use tickdeck_engine::port::Command;
use tickdeck_model::{
    Amount, ClientOrderId, CurrencyId, Event, Fill, Instrument, InstrumentId, Liquidity,
    OrderStatus, OrderType, OrderUpdate, Pad, Price, Reason, Side, Size, Submit, Timestamp,
    VenueId, VenueOrderId,
};

/// Done orders remembered, so that their ids stay refused and a late cancel is answered with what they were.
const DONE_KEPT: usize = 65_536;

/// The desk.
#[derive(Debug)]
pub struct Broker {
    venue: VenueId,
    rules: BrokerRules,
    instruments: HashMap<InstrumentId, Instrument>,
    ledger: Account,
    arrivals: DelayQueue<Command>,
    answers: DelayQueue<Event>,
    working: HashMap<ClientOrderId, BrokerOrder>,
    done: HashMap<ClientOrderId, BrokerOrder>,
    done_order: VecDeque<ClientOrderId>,
    next_order: u64,
    next_trade: u64,
}

impl Broker {
    /// A desk without instruments and money.
    pub fn new(venue: VenueId, rules: BrokerRules) -> Self {
        Self {
            venue,
            rules,
            instruments: HashMap::new(),
            ledger: Account::default(),
            arrivals: DelayQueue::default(),
            answers: DelayQueue::default(),
            working: HashMap::new(),
            done: HashMap::new(),
            done_order: VecDeque::new(),
            next_order: 1,
            next_trade: 1,
        }
    }

    /// Keeps the account on margin instead of spot. Spot: a trade moves base against quote, so a balance's total is
    /// money in hand. Margin: a trade moves only what it realises and its fee, so the quote currency's total is money
    /// with open positions at cost, and base currencies stay as they are. Positions themselves need no margin.
    #[must_use]
    pub fn on_margin(mut self) -> Self {
        self.ledger.keep_on_margin();
        self
    }

    /// Lists an instrument; orders for any other are rejected.
    pub fn list(&mut self, instrument: Instrument) {
        self.instruments.insert(instrument.id, instrument);
    }

    /// Opens the account in a currency with a balance. Currencies not opened start at zero when first traded.
    pub fn deposit(&mut self, currency: CurrencyId, scale: u8, total: Amount) {
        self.ledger.deposit(currency, scale, total);
    }

    /// The account's balances, by order of opening.
    pub fn balances(&self) -> Vec<(CurrencyId, Amount)> {
        self.ledger.totals()
    }

    /// The terms of a listed instrument.
    pub fn instrument(&self, id: InstrumentId) -> Option<&Instrument> {
        self.instruments.get(&id)
    }

    // --- orders --------------------------------------------------------------------------------------------------

    /// A working order.
    pub fn order(&self, id: ClientOrderId) -> Option<&BrokerOrder> {
        self.working.get(&id)
    }

    /// The working orders, oldest first.
    pub fn orders(&self) -> Vec<BrokerOrder> {
        let mut orders: Vec<BrokerOrder> = self.working.values().copied().collect();
        orders.sort_by_key(|order| order.venue_id);
        orders
    }

    /// Whether no order works.
    pub fn is_quiet(&self) -> bool {
        self.working.is_empty()
    }

    /// Whether the venue takes the order: known instrument, new id, good form, money. `reference` prices the smallest
    /// notional of orders without a limit price (the best opposite price); `worst` is the highest price a market
    /// order would pay (nothing is held for one that would find no liquidity).
    ///
    /// # Errors
    /// The reason for the rejection.
    pub fn check(
        &self,
        id: ClientOrderId,
        order: &Submit,
        reference: Option<Price>,
        worst: Option<Price>,
    ) -> Result<(), Reason> {
        let terms = self
            .instruments
            .get(&order.instrument)
            .ok_or(Reason::UnknownInstrument)?;
        if self.working.contains_key(&id) || self.done.contains_key(&id) {
            return Err(Reason::Duplicate);
        }
        terms
            .check_form(order, reference)
            .map_err(|error| error.reason)?;
        let hold = self.hold_for(terms, order, order.size, worst);
        if self.ledger.can_hold(hold) {
            Ok(())
        } else {
            Err(Reason::InsufficientFunds)
        }
    }

    /// Takes an order that [`Broker::check`] let through, with the same `worst`.
    pub fn accept(
        &mut self,
        at: Timestamp,
        id: ClientOrderId,
        order: &Submit,
        worst: Option<Price>,
    ) {
        let hold = match self.instruments.get(&order.instrument) {
            Some(terms) => self.hold_for(terms, order, order.size, worst),
            None => Reservation::NOTHING,
        };
        self.ledger.hold(hold);
        let venue_id = VenueOrderId(self.next_order);
        self.next_order += 1;
        let order = BrokerOrder {
            id,
            venue_id,
            terms: *order,
            filled: Size::ZERO,
            triggered: false,
            hold,
        };
        self.working.insert(id, order);
        self.update(at, &order, OrderStatus::Accepted, Reason::Normal);
    }

    /// Refuses an order.
    pub fn reject(&mut self, at: Timestamp, id: ClientOrderId, order: &Submit, reason: Reason) {
        let rejected = BrokerOrder {
            id,
            venue_id: VenueOrderId(0),
            terms: *order,
            filled: Size::ZERO,
            triggered: false,
            hold: Reservation::NOTHING,
        };
        self.update(at, &rejected, OrderStatus::Rejected, reason);
        if reason != Reason::Duplicate {
            self.remember(rejected);
        }
    }

    /// A stop order's condition is met; `worst` as in [`Broker::check`], now that the book is known.
    ///
    /// # Errors
    /// The account cannot pay for it any more; the order is canceled.
    pub fn trigger(
        &mut self,
        at: Timestamp,
        id: ClientOrderId,
        worst: Option<Price>,
    ) -> Result<(), Reason> {
        let Some(mut order) = self.working.get(&id).copied() else {
            return Err(Reason::UnknownOrder);
        };
        order.triggered = true;
        self.working.insert(id, order);
        self.update(at, &order, OrderStatus::Triggered, Reason::Normal);
        if order.terms.kind == OrderType::Stop && !self.rehold(id, worst) {
            self.cancel(at, id, Reason::InsufficientFunds);
            return Err(Reason::InsufficientFunds);
        }
        Ok(())
    }

    /// Writes down a trade of ours: the fill, the fee, the money. Returns whether the order is now done.
    pub fn fill(
        &mut self,
        at: Timestamp,
        id: ClientOrderId,
        price: Price,
        size: Size,
        liquidity: Liquidity,
    ) -> bool {
        let trade_id = self.next_trade;
        self.next_trade += 1;
        self.fill_numbered(at, id, trade_id, price, size, liquidity)
    }

    /// As [`Broker::fill`], for a venue that numbers its trades itself because it publishes them.
    pub fn fill_numbered(
        &mut self,
        at: Timestamp,
        id: ClientOrderId,
        trade_id: u64,
        price: Price,
        size: Size,
        liquidity: Liquidity,
    ) -> bool {
        let Some(mut order) = self.working.get(&id).copied() else {
            return true;
        };
        let Some(terms) = self.instruments.get(&order.terms.instrument) else {
            return true;
        };
        debug_assert!(
            size.0 > 0 && size <= order.remaining(),
            "a fill is above zero and within what is left"
        );
        let fee = self.rules.fees.of(liquidity).fee(terms, price, size);
        self.ledger.trade(terms, order.terms.side, price, size, fee);
        let fill = Fill {
            instrument: order.terms.instrument,
            strategy: id.strategy,
            order: id.number,
            trade_id,
            price,
            size,
            fee,
            fee_currency: terms.quote,
            side: order.terms.side,
            liquidity,
            pad: Pad::ZERO,
        };
        order.filled = Size(order.filled.0 + size.0);
        let kept = order
            .hold
            .scaled(order.remaining(), Size(order.remaining().0 + size.0));
        self.ledger.release(order.hold);
        self.ledger.hold(kept);
        order.hold = kept;
        self.answer(at, fill);
        if order.remaining() == Size::ZERO {
            self.end(order);
            return true;
        }
        self.working.insert(id, order);
        false
    }

    /// Ends an order as canceled. An order that is not working is left alone.
    pub fn cancel(&mut self, at: Timestamp, id: ClientOrderId, reason: Reason) {
        self.finish(at, id, OrderStatus::Canceled, reason);
    }

    /// Ends an order by its time in force. An order that is not working is left alone.
    pub fn expire(&mut self, at: Timestamp, id: ClientOrderId, reason: Reason) {
        self.finish(at, id, OrderStatus::Expired, reason);
    }

    /// Answers a cancel of an order that is not working.
    pub fn reject_cancel(&mut self, at: Timestamp, id: ClientOrderId, instrument: InstrumentId) {
        let order = self.remembered(id, instrument);
        self.update(
            at,
            &order,
            OrderStatus::CancelRejected,
            Reason::UnknownOrder,
        );
    }

    /// Whether a modify may be done: a working order, good form, more than is filled, money.
    ///
    /// # Errors
    /// The reason for the refusal.
    pub fn check_modify(
        &self,
        id: ClientOrderId,
        price: Price,
        size: Size,
    ) -> Result<Modified, Reason> {
        let order = self.working.get(&id).ok_or(Reason::UnknownOrder)?;
        let terms = self
            .instruments
            .get(&order.terms.instrument)
            .ok_or(Reason::UnknownInstrument)?;
        terms.check_size(size).map_err(|error| error.reason)?;
        terms
            .check_price("price", order.terms.kind.has_price(), price)
            .map_err(|error| error.reason)?;
        if size <= order.filled {
            return Err(Reason::InvalidSize);
        }
        if order.terms.kind.has_price() {
            terms
                .check_min_notional(price, size)
                .map_err(|error| error.reason)?;
        }
        let changed = Submit {
            price,
            size,
            ..order.terms
        };
        let hold = self.hold_for(terms, &changed, Size(size.0 - order.filled.0), None);
        if !self.ledger.can_swap(order.hold, hold) {
            return Err(Reason::InsufficientFunds);
        }
        let keeps = price == order.terms.price && size <= order.terms.size;
        Ok(if keeps {
            Modified::KeepsPlace
        } else {
            Modified::LosesPlace
        })
    }

    /// Does a modify that [`Broker::check_modify`] let through.
    pub fn modify(&mut self, at: Timestamp, id: ClientOrderId, price: Price, size: Size) {
        let Some(mut order) = self.working.get(&id).copied() else {
            return;
        };
        order.terms = Submit {
            price,
            size,
            ..order.terms
        };
        self.working.insert(id, order);
        self.rehold(id, None);
        self.update(at, &order, OrderStatus::Replaced, Reason::Normal);
    }

    /// Answers a modify that is not done.
    pub fn reject_modify(
        &mut self,
        at: Timestamp,
        id: ClientOrderId,
        instrument: InstrumentId,
        reason: Reason,
    ) {
        let order = self
            .working
            .get(&id)
            .copied()
            .unwrap_or_else(|| self.remembered(id, instrument));
        self.update(at, &order, OrderStatus::ModifyRejected, reason);
    }

    /// Reports the balances that fills have changed since the last report.
    pub fn report_balances(&mut self, at: Timestamp) {
        for update in self.ledger.take_changes(self.venue) {
            self.answer(at, update);
        }
    }

    // --- private -------------------------------------------------------------------------------------------------

    fn hold_for(
        &self,
        terms: &Instrument,
        order: &Submit,
        left: Size,
        worst: Option<Price>,
    ) -> Reservation {
        let price = match order.kind {
            OrderType::Market => worst,
            OrderType::Limit => Some(order.price),
            OrderType::Stop => worst.or(Some(order.stop_price)),
            OrderType::StopLimit => Some(order.price),
        };
        match (order.side, price) {
            (Side::Buy, Some(price)) => {
                Reservation::buy(terms, price, left, self.rules.fees.larger())
            }
            (Side::Sell, _) if !self.rules.allow_short => Reservation::sell(terms, left),
            (Side::Buy, None) | (Side::Sell, _) => Reservation::NOTHING,
        }
    }

    /// Replaces an order's hold by one for what is left of it; `false`, and nothing changed, if it cannot be paid.
    fn rehold(&mut self, id: ClientOrderId, worst: Option<Price>) -> bool {
        let Some(mut order) = self.working.get(&id).copied() else {
            return false;
        };
        let Some(terms) = self.instruments.get(&order.terms.instrument) else {
            return false;
        };
        let hold = self.hold_for(terms, &order.terms, order.remaining(), worst);
        if !self.ledger.can_swap(order.hold, hold) {
            return false;
        }
        self.ledger.release(order.hold);
        self.ledger.hold(hold);
        order.hold = hold;
        self.working.insert(id, order);
        true
    }

    fn finish(&mut self, at: Timestamp, id: ClientOrderId, status: OrderStatus, reason: Reason) {
        if let Some(order) = self.working.get(&id).copied() {
            self.update(at, &order, status, reason);
            self.end(order);
        }
    }

    fn end(&mut self, order: BrokerOrder) {
        self.working.remove(&order.id);
        self.ledger.release(order.hold);
        self.remember(BrokerOrder {
            hold: Reservation::NOTHING,
            ..order
        });
    }

    fn remember(&mut self, order: BrokerOrder) {
        if self.done.insert(order.id, order).is_none() {
            self.done_order.push_back(order.id);
        }
        while self.done_order.len() > DONE_KEPT {
            if let Some(oldest) = self.done_order.pop_front() {
                self.done.remove(&oldest);
            }
        }
    }

    /// The done order of this id. One that never was, or was forgotten, is answered as an order of size zero: then the
    /// update's side means nothing.
    fn remembered(&self, id: ClientOrderId, instrument: InstrumentId) -> BrokerOrder {
        self.done.get(&id).copied().unwrap_or(BrokerOrder {
            id,
            venue_id: VenueOrderId(0),
            terms: Submit {
                order: id.number,
                instrument,
                side: Side::Buy,
                kind: OrderType::Market,
                time_in_force: tickdeck_model::TimeInForce::Gtc,
                post_only: false,
                reduce_only: false,
                pad: Pad::ZERO,
                size: Size::ZERO,
                price: Price::ZERO,
                stop_price: Price::ZERO,
            },
            filled: Size::ZERO,
            triggered: false,
            hold: Reservation::NOTHING,
        })
    }

    fn update(&mut self, at: Timestamp, order: &BrokerOrder, status: OrderStatus, reason: Reason) {
        let update = OrderUpdate {
            instrument: order.terms.instrument,
            strategy: order.id.strategy,
            order: order.id.number,
            price: order.terms.price,
            size: order.terms.size,
            filled: order.filled,
            status,
            reason,
            side: order.terms.side,
            pad: Pad::ZERO,
        };
        self.answer(at, update);
    }
}

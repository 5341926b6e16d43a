//! The broker of a simulated venue: everything a venue does for our orders besides matching them.
//!
//! It holds the two links (commands on their way to the venue, answers on their way back), the account with the
//! reservations of working orders, the fee schedule, the orders themselves, and the only code that builds their events.
//! A venue keeps its own book and decides what trades; the broker records it and answers. Nothing in here reads a
//! clock: every call names its time.
//!
//! A venue's loop: take each arrival with [`Broker::take_arrival`], ask [`Broker::check`], answer by [`Broker::accept`]
//! or [`Broker::reject`], match, record each trade with [`Broker::fill`], finish with [`Broker::report_balances`], and
//! deliver the results of [`Broker::take_answer`]. Final states: an unfilled remainder is `expired` for IOC and FOK and
//! `canceled` (no liquidity) for a market order; an order that ends with the day is `expired`; a cancel is `canceled`.
//!
//! The account is a simulation with these limits. A working buy reserves its worst price times its remaining size, and
//! the larger of the two fees on that. A working sell reserves nothing while `allow_short` is on: the base balance may
//! then fall below zero, and short proceeds count as free; with it off, a sell reserves what it would deliver. `account`
//! events follow fills only, not changes of reservations.

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
use tickdeck_engine::port::NewTerms;
use tickdeck_model::{
    AccountId, Amount, ClientOrderId, CurrencyId, Event, Fill, Instrument, InstrumentId, Liquidity,
    OrderStatus, OrderType, OrderUpdate, Pad, Price, Reason, Side, Size, Submit, Timestamp,
    VenueId, VenueOrderId,
};

/// Finished orders remembered, so that their ids stay refused and a late cancel is answered with their terms.
const MAX_DONE_ORDERS: usize = 65_536;

/// The broker of one venue.
#[derive(Debug)]
pub struct Broker {
    venue: VenueId,
    rules: BrokerRules,
    instruments: HashMap<InstrumentId, Instrument>,
    account: Account,
    arrivals: DelayQueue<Command>,
    answers: DelayQueue<Event>,
    working: HashMap<ClientOrderId, BrokerOrder>,
    done: HashMap<ClientOrderId, BrokerOrder>,
    done_order: VecDeque<ClientOrderId>,
    next_order: u64,
    next_trade: u64,
}

impl Broker {
    /// Creates a broker without instruments or money.
    pub fn new(venue: VenueId, rules: BrokerRules) -> Self {
        Self {
            venue,
            rules,
            instruments: HashMap::new(),
            account: Account::default(),
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
        self.account.use_margin();
        self
    }

    /// Lists an instrument; orders for any other are rejected.
    pub fn list(&mut self, instrument: Instrument) {
        self.instruments.insert(instrument.id, instrument);
    }

    /// Opens the account in a currency with a balance. Currencies not opened start at zero when first traded.
    pub fn deposit(&mut self, currency: CurrencyId, scale: u8, total: Amount) {
        self.account.deposit(currency, scale, total);
    }

    /// The account's balances, by order of opening.
    pub fn balances(&self) -> Vec<(CurrencyId, Amount)> {
        self.account.totals()
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

    /// Whether there is no working order.
    pub fn is_quiet(&self) -> bool {
        self.working.is_empty()
    }

    /// Whether the venue accepts the order: known instrument, new id, valid form, sufficient funds. `reference` prices the smallest
    /// notional of orders without a limit price (the best opposite price); `worst` is the highest price a market
    /// order would pay (nothing is reserved for one that would find no liquidity).
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
        let reservation = self.reservation_for(terms, order, order.size, worst);
        if self.account.can_reserve(reservation) {
            Ok(())
        } else {
            Err(Reason::InsufficientFunds)
        }
    }

    /// Accepts an order that passed [`Broker::check`], with the same `worst`.
    pub fn accept(
        &mut self,
        at: Timestamp,
        id: ClientOrderId,
        order: &Submit,
        worst: Option<Price>,
    ) {
        let reservation = match self.instruments.get(&order.instrument) {
            Some(terms) => self.reservation_for(terms, order, order.size, worst),
            None => Reservation::NOTHING,
        };
        self.account.reserve(reservation);
        let venue_id = VenueOrderId(self.next_order);
        self.next_order += 1;
        let order = BrokerOrder {
            id,
            venue_id,
            terms: *order,
            filled: Size::ZERO,
            triggered: false,
            reservation,
        };
        self.working.insert(id, order);
        self.update(at, &order, OrderStatus::Accepted, Reason::Normal);
    }

    /// Rejects an order.
    pub fn reject(&mut self, at: Timestamp, id: ClientOrderId, order: &Submit, reason: Reason) {
        let rejected = BrokerOrder {
            id,
            venue_id: VenueOrderId(0),
            terms: *order,
            filled: Size::ZERO,
            triggered: false,
            reservation: Reservation::NOTHING,
        };
        self.update(at, &rejected, OrderStatus::Rejected, reason);
        if reason != Reason::Duplicate {
            self.remember(rejected);
        }
    }

    /// Triggers a stop order whose condition is met; `worst` as in [`Broker::check`], now that the book is known.
    ///
    /// # Errors
    /// The account can no longer pay for it; the order is canceled.
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
        if order.terms.kind == OrderType::Stop && !self.update_reservation(id, worst) {
            self.cancel(at, id, Reason::InsufficientFunds);
            return Err(Reason::InsufficientFunds);
        }
        Ok(())
    }

    /// Records a trade of ours: fill, fee and balances. Returns whether the order is now finished.
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

    /// Like [`Broker::fill`], for a venue that numbers its trades itself because it publishes them.
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
            "a fill is positive and within the remaining size"
        );
        let fee = self.rules.fees.of(liquidity).fee(terms, price, size);
        self.account
            .trade(terms, order.terms.side, price, size, fee);
        let fill = Fill {
            account: AccountId(0),
            reserved: Pad::ZERO,
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
            .reservation
            .scaled(order.remaining(), Size(order.remaining().0 + size.0));
        self.account.release(order.reservation);
        self.account.reserve(kept);
        order.reservation = kept;
        self.answer(at, fill);
        if order.remaining() == Size::ZERO {
            self.end(order);
            return true;
        }
        self.working.insert(id, order);
        false
    }

    /// Ends an order as canceled. An order that is not working is ignored.
    pub fn cancel(&mut self, at: Timestamp, id: ClientOrderId, reason: Reason) {
        self.finish(at, id, OrderStatus::Canceled, reason);
    }

    /// Ends an order by its time in force. An order that is not working is ignored.
    pub fn expire(&mut self, at: Timestamp, id: ClientOrderId, reason: Reason) {
        self.finish(at, id, OrderStatus::Expired, reason);
    }

    /// Rejects a cancel of an order that is not working.
    pub fn reject_cancel(&mut self, at: Timestamp, id: ClientOrderId, instrument: InstrumentId) {
        let order = self.remembered(id, instrument);
        self.update(
            at,
            &order,
            OrderStatus::CancelRejected,
            Reason::UnknownOrder,
        );
    }

    /// Whether a modify is possible: working order, valid form, a size above the filled one, sufficient funds.
    ///
    /// # Errors
    /// The reason for the refusal.
    pub fn check_modify(&self, id: ClientOrderId, terms: &NewTerms) -> Result<Modified, Reason> {
        let NewTerms {
            price,
            size,
            stop_price,
        } = *terms;
        let order = self.working.get(&id).ok_or(Reason::UnknownOrder)?;
        let terms = self
            .instruments
            .get(&order.terms.instrument)
            .ok_or(Reason::UnknownInstrument)?;
        terms.check_size(size).map_err(|error| error.reason)?;
        terms
            .check_price("price", order.terms.kind.has_price(), price)
            .map_err(|error| error.reason)?;
        if stop_price.0 != 0 {
            terms
                .check_price("stop-price", order.waits_for_stop(), stop_price)
                .map_err(|error| error.reason)?;
        }
        if size <= order.filled {
            return Err(Reason::InvalidSize);
        }
        if order.terms.kind.has_price() {
            terms
                .check_min_notional(price, size)
                .map_err(|error| error.reason)?;
        }
        let changed = with_terms(&order.terms, price, stop_price, size);
        let reservation =
            self.reservation_for(terms, &changed, Size(size.0 - order.filled.0), None);
        if !self.account.can_replace(order.reservation, reservation) {
            return Err(Reason::InsufficientFunds);
        }
        let keeps = price == order.terms.price && size <= order.terms.size;
        Ok(if keeps {
            Modified::KeepsPriority
        } else {
            Modified::LosesPriority
        })
    }

    /// Applies a modify that passed [`Broker::check_modify`].
    pub fn modify(&mut self, at: Timestamp, id: ClientOrderId, terms: &NewTerms) {
        let Some(mut order) = self.working.get(&id).copied() else {
            return;
        };
        order.terms = with_terms(&order.terms, terms.price, terms.stop_price, terms.size);
        self.working.insert(id, order);
        self.update_reservation(id, None);
        self.update(at, &order, OrderStatus::Replaced, Reason::Normal);
    }

    /// Rejects a modify.
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
        for update in self.account.take_changes(self.venue) {
            self.answer(at, update);
        }
    }

    // --- private -------------------------------------------------------------------------------------------------

    fn reservation_for(
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
            // The host holds these, and sends what they become.
            OrderType::MarketIfTouched
            | OrderType::LimitIfTouched
            | OrderType::TrailingStop
            | OrderType::TrailingStopLimit
            | OrderType::Other => worst,
        };
        match (order.side, price) {
            (Side::Buy, Some(price)) => {
                Reservation::buy(terms, price, left, self.rules.fees.larger())
            }
            (Side::Sell, _) if !self.rules.allow_short => Reservation::sell(terms, left),
            (Side::Buy, None) | (Side::Sell, _) => Reservation::NOTHING,
        }
    }

    /// Replaces an order's reservation by one for what is left of it; `false`, and nothing changed, if it cannot be paid.
    fn update_reservation(&mut self, id: ClientOrderId, worst: Option<Price>) -> bool {
        let Some(mut order) = self.working.get(&id).copied() else {
            return false;
        };
        let Some(terms) = self.instruments.get(&order.terms.instrument) else {
            return false;
        };
        let reservation = self.reservation_for(terms, &order.terms, order.remaining(), worst);
        if !self.account.can_replace(order.reservation, reservation) {
            return false;
        }
        self.account.release(order.reservation);
        self.account.reserve(reservation);
        order.reservation = reservation;
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
        self.account.release(order.reservation);
        self.remember(BrokerOrder {
            reservation: Reservation::NOTHING,
            ..order
        });
    }

    fn remember(&mut self, order: BrokerOrder) {
        if self.done.insert(order.id, order).is_none() {
            self.done_order.push_back(order.id);
        }
        while self.done_order.len() > MAX_DONE_ORDERS {
            if let Some(oldest) = self.done_order.pop_front() {
                self.done.remove(&oldest);
            }
        }
    }

    /// The finished order of this id. An unknown or forgotten one is answered as an order of size zero, whose side means
    /// nothing.
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
                size: Size::ZERO,
                price: Price::ZERO,
                stop_price: Price::ZERO,
                ..Submit::EMPTY
            },
            filled: Size::ZERO,
            triggered: false,
            reservation: Reservation::NOTHING,
        })
    }

    fn update(&mut self, at: Timestamp, order: &BrokerOrder, status: OrderStatus, reason: Reason) {
        let update = OrderUpdate {
            account: AccountId(0),
            reserved: Pad::ZERO,
            stop_price: match order.waits_for_stop() {
                true => order.terms.stop_price,
                false => Price::ZERO,
            },
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

/// An order with other terms; a stop price of zero leaves it as it is.
fn with_terms(order: &Submit, price: Price, stop_price: Price, size: Size) -> Submit {
    Submit {
        price,
        size,
        stop_price: match stop_price.0 {
            0 => order.stop_price,
            _ => stop_price,
        },
        ..*order
    }
}

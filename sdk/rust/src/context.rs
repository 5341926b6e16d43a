//! What handlers act through: the event at hand, the parameters, orders, timers, signals.

use crate::action::{Action, Modify, Notify, SetTimer, Stream, Submit};
use crate::event::Event;
use crate::fixed::{Price, Size};
use crate::host::Host;
use crate::ids::{InstrumentId, OrderNumber, Timestamp};
use crate::manifest::Message;
use crate::strategy::Strategy;
use crate::terms::{OrderType, Severity, Side, TimeInForce};
use core::ops::Deref;

/// The most actions that one event may cause.
pub const MAX_ACTIONS: usize = 256;

/// What a strategy has at its start: instruments, the store, the log. It is a [`Host`] and can not send anything.
#[derive(Debug)]
pub struct Init {
    host: Host,
}

impl Init {
    pub(crate) const fn new() -> Self {
        Self { host: Host }
    }
}

impl Deref for Init {
    type Target = Host;

    fn deref(&self) -> &Host {
        &self.host
    }
}

/// The actions of one call and the next order number.
#[derive(Debug)]
pub(crate) struct Outbox {
    pub(crate) actions: Vec<Action>,
    pub(crate) next_order: u64,
}

impl Outbox {
    pub(crate) fn new(next_order: u64) -> Self {
        Self {
            actions: Vec::new(),
            next_order,
        }
    }

    fn push(&mut self, action: Action) {
        assert!(
            self.actions.len() < MAX_ACTIONS,
            "more than 256 actions for one event: the contract allows 256; spread them over events or use a timer"
        );
        self.actions.push(action);
    }
}

/// What a handler acts through. It is a [`Host`] too: `cx.position(..)`, `cx.instrument(..)`, `cx.info(..)`.
///
/// What is sent takes effect when the handler returns, in the order it was sent.
pub struct Context<'a, S: Strategy> {
    /// What the user set.
    pub params: &'a S::Params,
    pub(crate) event: &'a Event,
    pub(crate) desk: &'a mut Outbox,
}

impl<S: Strategy> Deref for Context<'_, S> {
    type Target = Host;

    fn deref(&self) -> &Host {
        &Host
    }
}

impl<S: Strategy> core::fmt::Debug for Context<'_, S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Context")
            .field("event", &self.event)
            .field("desk", &self.desk)
            .finish_non_exhaustive()
    }
}

impl<S: Strategy> Context<'_, S> {
    /// The event at hand, with its sequence and times.
    pub fn event(&self) -> &Event {
        self.event
    }

    /// When the host received the event at hand; the only clock there is.
    pub fn now(&self) -> Timestamp {
        self.event.ts_host
    }

    /// Starts an order to buy: a market order, until the builder is told otherwise.
    pub fn buy(&mut self, instrument: InstrumentId, size: Size) -> OrderBuilder<'_> {
        self.order_to(Side::Buy, instrument, size)
    }

    /// Starts an order to sell: a market order, until the builder is told otherwise.
    pub fn sell(&mut self, instrument: InstrumentId, size: Size) -> OrderBuilder<'_> {
        self.order_to(Side::Sell, instrument, size)
    }

    /// Starts an order of a side: a market order, until the builder is told otherwise.
    pub fn order_to(
        &mut self,
        side: Side,
        instrument: InstrumentId,
        size: Size,
    ) -> OrderBuilder<'_> {
        let submit = Submit {
            order: OrderNumber(self.desk.next_order),
            instrument,
            side,
            kind: OrderType::Market,
            time_in_force: TimeInForce::Gtc,
            post_only: false,
            reduce_only: false,
            size,
            price: Price::ZERO,
            stop_price: Price::ZERO,
        };
        OrderBuilder {
            desk: self.desk,
            submit,
        }
    }

    /// Changes a working order. `size` is the new whole size, what is filled included. The order loses its place in
    /// the queue unless only the size falls.
    pub fn modify(&mut self, order: OrderNumber, price: Price, size: Size) {
        self.desk
            .push(Action::Modify(Modify { order, price, size }));
    }

    /// Takes an order off the book. One that is done already is left alone without a word.
    pub fn cancel(&mut self, order: OrderNumber) {
        self.desk.push(Action::Cancel(order));
    }

    /// Takes all of the strategy's orders off the book.
    pub fn cancel_all(&mut self) {
        self.desk.push(Action::CancelAll(None));
    }

    /// Takes all of the strategy's orders in one instrument off the book.
    pub fn cancel_all_of(&mut self, instrument: InstrumentId) {
        self.desk.push(Action::CancelAll(Some(instrument)));
    }

    /// Asks for [`on_timer`](Strategy::on_timer) at `due`; replaces a timer of the same id. A time in the past fires
    /// at once.
    pub fn set_timer(&mut self, id: u32, due: Timestamp) {
        self.desk.push(Action::SetTimer(SetTimer { id, due }));
    }

    /// Forgets a timer. Unknown ids are fine.
    pub fn clear_timer(&mut self, id: u32) {
        self.desk.push(Action::ClearTimer(id));
    }

    /// Tells the operator, and publishes `value` as a signal under the message's text.
    ///
    /// # Panics
    /// The message is not in [`Strategy::MESSAGES`], or `value` is NaN.
    pub fn notify(&mut self, message: Message, value: f64) {
        self.alert(message, Severity::Info, value);
    }

    /// As [`notify`](Self::notify), with an urgency.
    ///
    /// # Panics
    /// The message is not in [`Strategy::MESSAGES`], or `value` is NaN.
    pub fn alert(&mut self, message: Message, severity: Severity, value: f64) {
        assert!(!value.is_nan(), "a notification's value must be a number");
        let index = S::MESSAGES.iter().position(|known| *known == message);
        let message = index.expect("a message must be listed in Strategy::MESSAGES") as u32;
        self.desk.push(Action::Notify(Notify {
            message,
            severity,
            value,
        }));
    }

    /// Starts a feed: its events follow from the next one on.
    pub fn subscribe(&mut self, stream: Stream) {
        self.desk.push(Action::Subscribe(stream));
    }

    /// Ends a feed.
    pub fn unsubscribe(&mut self, stream: Stream) {
        self.desk.push(Action::Unsubscribe(stream));
    }
}

/// An order in the making; nothing happens before [`send`](Self::send).
#[must_use = "nothing happens before `send`"]
#[derive(Debug)]
pub struct OrderBuilder<'a> {
    desk: &'a mut Outbox,
    submit: Submit,
}

impl OrderBuilder<'_> {
    /// Trades at `price` or better.
    pub fn limit(mut self, price: Price) -> Self {
        self.submit.kind = OrderType::Limit;
        self.submit.price = price;
        self
    }

    /// Becomes a market order once the market trades at `stop` or beyond.
    pub fn stop(mut self, stop: Price) -> Self {
        self.submit.kind = OrderType::Stop;
        self.submit.stop_price = stop;
        self
    }

    /// Becomes a limit order at `price` once the market trades at `stop` or beyond.
    pub fn stop_limit(mut self, stop: Price, price: Price) -> Self {
        self.submit.kind = OrderType::StopLimit;
        self.submit.stop_price = stop;
        self.submit.price = price;
        self
    }

    /// Rejected rather than traded at once; only for limit orders.
    pub fn post_only(mut self) -> Self {
        self.submit.post_only = true;
        self
    }

    /// Denied if it could open or enlarge a position.
    pub fn reduce_only(mut self) -> Self {
        self.submit.reduce_only = true;
        self
    }

    /// Fill what is there at once, cancel the rest.
    pub fn ioc(self) -> Self {
        self.time_in_force(TimeInForce::Ioc)
    }

    /// Fill all of it at once or nothing.
    pub fn fok(self) -> Self {
        self.time_in_force(TimeInForce::Fok)
    }

    /// Works until the venue's trading day ends.
    pub fn day(self) -> Self {
        self.time_in_force(TimeInForce::Day)
    }

    /// How long the order works; until filled or canceled, unless told otherwise.
    pub fn time_in_force(mut self, time_in_force: TimeInForce) -> Self {
        self.submit.time_in_force = time_in_force;
        self
    }

    /// Sends the order and returns its number, under which it can be changed and canceled at once.
    ///
    /// # Panics
    /// The event caused more than [`MAX_ACTIONS`] actions.
    pub fn send(self) -> OrderNumber {
        self.desk.push(Action::Submit(self.submit));
        self.desk.next_order += 1;
        self.submit.order
    }
}

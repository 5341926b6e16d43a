//! The context of a handler: the current event, the parameters, and methods for orders, timers and signals.
//!
//! This module and `strategy` refer to each other, the only such pair in the crate, by nature of the interface:
//! [`Strategy`]'s handlers take a [`Context`], and a [`Context`] is one of a [`Strategy`], so that `cx.params` has the
//! strategy's own type and [`Context::notify`] can check [`Strategy::MESSAGES`].

use crate::action::{Action, Modify, Notify, SetTimer, Stream, Submit};
use crate::event::Event;
use crate::fixed::{Price, Size};
use crate::host::Host;
use crate::ids::{InstrumentId, OrderNumber, Timestamp};
use crate::message::Message;
use crate::strategy::Strategy;
use crate::terms::{OrderType, Severity, Side, TimeInForce, TrailBasis, Trigger};
use core::ops::Deref;

/// The maximum number of actions that one event may cause.
pub const MAX_ACTIONS: usize = 256;

/// The context of a strategy at its start. It dereferences to [`Host`]: instruments, the store and the log. It cannot
/// send anything.
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

/// The context of a handler. It dereferences to [`Host`]: `cx.position(..)`, `cx.instrument(..)`, `cx.info(..)`.
///
/// Actions take effect when the handler returns, in the order in which they were sent.
pub struct Context<'a, S: Strategy> {
    /// The parameters that the user set.
    pub params: &'a S::Params,
    pub(crate) event: &'a Event,
    pub(crate) outbox: &'a mut Outbox,
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
            .field("outbox", &self.outbox)
            .finish_non_exhaustive()
    }
}

impl<S: Strategy> Context<'_, S> {
    /// Returns the current event, with its sequence and times.
    pub fn event(&self) -> &Event {
        self.event
    }

    /// Returns the time at which the host received the current event; the only clock there is.
    pub fn now(&self) -> Timestamp {
        self.event.ts_host
    }

    /// Builds a buy order: a market order, unless the builder changes it.
    pub fn buy(&mut self, instrument: InstrumentId, size: Size) -> OrderBuilder<'_> {
        self.order_to(Side::Buy, instrument, size)
    }

    /// Builds a sell order: a market order, unless the builder changes it.
    pub fn sell(&mut self, instrument: InstrumentId, size: Size) -> OrderBuilder<'_> {
        self.order_to(Side::Sell, instrument, size)
    }

    /// Builds an order of the given side: a market order, unless the builder changes it.
    pub fn order_to(
        &mut self,
        side: Side,
        instrument: InstrumentId,
        size: Size,
    ) -> OrderBuilder<'_> {
        let order = OrderNumber(self.outbox.next_order);
        let submit = Submit::market(order, instrument, side, size);
        OrderBuilder {
            outbox: self.outbox,
            submit,
        }
    }

    /// Modifies a working order. `size` is the new total size, including the filled part. The order loses its queue
    /// priority unless only its size decreases.
    pub fn modify(&mut self, order: OrderNumber, price: Price, size: Size) {
        self.change(Modify {
            price,
            size,
            ..Modify::of(order)
        });
    }

    /// Moves the stop price of a working order.
    pub fn modify_stop(&mut self, order: OrderNumber, stop_price: Price) {
        self.change(Modify {
            stop_price,
            ..Modify::of(order)
        });
    }

    /// Sends a change of a working order; what is zero in it stays.
    pub fn change(&mut self, modify: Modify) {
        self.outbox.push(Action::Modify(modify));
    }

    /// Cancels an order. Does nothing if the order is already done.
    pub fn cancel(&mut self, order: OrderNumber) {
        self.outbox.push(Action::Cancel(order));
    }

    /// Cancels all of the strategy's orders.
    pub fn cancel_all(&mut self) {
        self.outbox.push(Action::CancelAll(None));
    }

    /// Cancels all of the strategy's orders in one instrument.
    pub fn cancel_all_of(&mut self, instrument: InstrumentId) {
        self.outbox.push(Action::CancelAll(Some(instrument)));
    }

    /// Requests a call of [`on_timer`](Strategy::on_timer) at `due`; replaces a timer with the same id. A timer set for
    /// a time in the past fires at once.
    pub fn set_timer(&mut self, id: u32, due: Timestamp) {
        self.outbox.push(Action::SetTimer(SetTimer { id, due }));
    }

    /// Clears a timer. Does nothing if there is no timer with this id.
    pub fn clear_timer(&mut self, id: u32) {
        self.outbox.push(Action::ClearTimer(id));
    }

    /// Notifies the operator, and publishes `value` as a signal under the message's text.
    ///
    /// # Panics
    /// The message is not in [`Strategy::MESSAGES`], or `value` is NaN.
    pub fn notify(&mut self, message: Message, value: f64) {
        self.alert(message, Severity::Info, value);
    }

    /// Like [`notify`](Self::notify), with a severity.
    ///
    /// # Panics
    /// The message is not in [`Strategy::MESSAGES`], or `value` is NaN.
    pub fn alert(&mut self, message: Message, severity: Severity, value: f64) {
        assert!(!value.is_nan(), "a notification's value must be a number");
        let index = S::MESSAGES.iter().position(|known| *known == message);
        let message = index.expect("a message must be listed in Strategy::MESSAGES") as u32;
        self.outbox.push(Action::Notify(Notify {
            message,
            severity,
            value,
        }));
    }

    /// Starts a feed; its events arrive from the next event on.
    pub fn subscribe(&mut self, stream: Stream) {
        self.outbox.push(Action::Subscribe(stream));
    }

    /// Ends a feed.
    pub fn unsubscribe(&mut self, stream: Stream) {
        self.outbox.push(Action::Unsubscribe(stream));
    }
}

/// A builder for an order; nothing is sent before [`send`](Self::send).
#[must_use = "nothing is sent before `send`"]
#[derive(Debug)]
pub struct OrderBuilder<'a> {
    outbox: &'a mut Outbox,
    submit: Submit,
}

impl OrderBuilder<'_> {
    /// Makes it a limit order: trades at `price` or better.
    pub fn limit(mut self, price: Price) -> Self {
        self.submit.kind = OrderType::Limit;
        self.submit.price = price;
        self
    }

    /// Makes it a stop order: becomes a market order once the market trades at `stop` or beyond.
    pub fn stop(mut self, stop: Price) -> Self {
        self.submit.kind = OrderType::Stop;
        self.submit.stop_price = stop;
        self
    }

    /// Makes it a stop-limit order: becomes a limit order at `price` once the market trades at `stop` or beyond.
    pub fn stop_limit(mut self, stop: Price, price: Price) -> Self {
        self.submit.kind = OrderType::StopLimit;
        self.submit.stop_price = stop;
        self.submit.price = price;
        self
    }

    /// Makes it a market-if-touched order: becomes a market order once the market trades at `price` or better.
    pub fn touched(mut self, price: Price) -> Self {
        self.submit.kind = OrderType::MarketIfTouched;
        self.submit.stop_price = price;
        self
    }

    /// Makes it a limit-if-touched order: becomes a limit order at `limit` once the market trades at `price` or better.
    pub fn limit_if_touched(mut self, price: Price, limit: Price) -> Self {
        self.submit.kind = OrderType::LimitIfTouched;
        self.submit.stop_price = price;
        self.submit.price = limit;
        self
    }

    /// Makes it a trailing stop: becomes a market order once the market trades at `distance` from the best price since the order was
    /// sent. The host follows the price; the order update `triggered` says which stop price was met.
    pub fn trail(mut self, distance: Price) -> Self {
        self.submit.kind = OrderType::TrailingStop;
        (self.submit.trail, self.submit.trail_basis) = (distance.0, TrailBasis::Price);
        self
    }

    /// Like [`trail`](Self::trail), with a distance in hundredths of a percent of the best price.
    pub fn trail_basis_points(mut self, distance: u32) -> Self {
        self.submit.kind = OrderType::TrailingStop;
        (self.submit.trail, self.submit.trail_basis) =
            (i64::from(distance), TrailBasis::BasisPoints);
        self
    }

    /// Makes a trailing stop become a limit order, at its stop price plus this signed distance.
    pub fn trail_limit(mut self, from_stop: Price) -> Self {
        self.submit.kind = OrderType::TrailingStopLimit;
        self.submit.price = from_stop;
        self
    }

    /// Has the best price that the order could take move its trigger, instead of the last trade.
    pub fn on_quotes(mut self) -> Self {
        self.submit.trigger = Trigger::Quote;
        self
    }

    /// Good till date: works until `expires`, and ends with the first event from then on.
    pub fn gtd(mut self, expires: Timestamp) -> Self {
        self.submit.time_in_force = TimeInForce::Gtd;
        self.submit.expires = expires;
        self
    }

    /// Makes the venue reject the order if it would trade at once; only for limit orders.
    pub fn post_only(mut self) -> Self {
        self.submit.post_only = true;
        self
    }

    /// Makes it an exit: it only closes the position, in whichever order the venue fills.
    ///
    /// The host denies it if it is larger than the position. A stop and a target of the whole position can both stand: what leaves no
    /// room for the other is held by the host (`held`), and is sent when there is room, or in place of the other when the
    /// market reaches its price. What the one fills, the other loses.
    pub fn reduce_only(mut self) -> Self {
        self.submit.reduce_only = true;
        self
    }

    /// Immediate or cancel: fills what it can at once and cancels the rest.
    pub fn ioc(self) -> Self {
        self.time_in_force(TimeInForce::Ioc)
    }

    /// Fill or kill: fills completely at once or not at all.
    pub fn fok(self) -> Self {
        self.time_in_force(TimeInForce::Fok)
    }

    /// Works until the venue's trading day ends.
    pub fn day(self) -> Self {
        self.time_in_force(TimeInForce::Day)
    }

    /// Sets the time in force; the default is good till canceled.
    pub fn time_in_force(mut self, time_in_force: TimeInForce) -> Self {
        self.submit.time_in_force = time_in_force;
        self
    }

    /// Sends the order and returns its number, which can be used at once to modify or cancel it.
    ///
    /// # Panics
    /// The event caused more than [`MAX_ACTIONS`] actions.
    pub fn send(self) -> OrderNumber {
        self.outbox.push(Action::Submit(self.submit));
        self.outbox.next_order += 1;
        self.submit.order
    }
}

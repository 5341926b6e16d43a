//! The trait that an author implements. See `context` for why the two modules refer to each other.

use crate::context::{Context, Init};
use crate::event::{
    Account, Bar, Body, BookUpdate, Fill, Lagged, OrderUpdate, Quote, Signal, Timer, Trade,
    VenueStatus,
};
use crate::message::Message;
use crate::params::Parameters;
use crate::subscription::Subscription;
use crate::terms::{OrderPolicy, StopReason};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A trading strategy: its fields are its state, its handlers react to events.
///
/// The state is saved with serde when the strategy is swapped for a new build or the host restarts, and restored
/// into the new instance, so it should hold what was learned from events and nothing else. The user's settings are in
/// [`Params`](Self::Params); they are read again at every start and are available as `cx.params`.
///
/// Every handler does nothing by default. The strategy's own orders, fills and timers, venue status and `on_lagged`
/// arrive without a subscription.
pub trait Strategy: Serialize + DeserializeOwned + 'static {
    /// The parameters that the user can set; `()` for none.
    type Params: Parameters;

    /// The schema of the saved state. Increase it when the fields change.
    const STATE_VERSION: u32 = 1;
    /// The oldest schema that [`migrate`](Self::migrate) can read.
    const OLDEST_STATE: u32 = Self::STATE_VERSION;
    /// The policy for working orders when the strategy ends, for whatever reason.
    const ORDER_POLICY: OrderPolicy = OrderPolicy::Cancel;
    /// The texts under which [`Context::notify`] publishes values, at most 256.
    const MESSAGES: &'static [Message] = &[];

    /// Returns the feeds to receive from the first event on.
    fn subscriptions() -> Vec<Subscription>;

    /// Creates the strategy without a saved state.
    ///
    /// # Errors
    /// A text for the user that says why the strategy cannot start. The host then refuses it.
    fn new(params: &Self::Params, cx: &Init) -> Result<Self, String>;

    /// Called after the state was restored, with parameters that may differ from those before. Must change nothing but
    /// the state.
    ///
    /// # Errors
    /// A text for the user that says why the state does not fit. The old version then keeps running.
    fn on_restore(&mut self, _params: &Self::Params, _cx: &Init) -> Result<(), String> {
        Ok(())
    }

    /// Reads a state of an older schema, from [`OLDEST_STATE`](Self::OLDEST_STATE) on; returns `None` if it is damaged.
    fn migrate(_version: u32, _bytes: &[u8]) -> Option<Self> {
        None
    }

    /// Called when the best bid or ask changed.
    fn on_quote(&mut self, _cx: &mut Context<Self>, _quote: &Quote) {}

    /// Called for a public trade.
    fn on_trade(&mut self, _cx: &mut Context<Self>, _trade: &Trade) {}

    /// Called when one level of the order book changed.
    fn on_book(&mut self, _cx: &mut Context<Self>, _update: &BookUpdate) {}

    /// Called when a bar closed.
    fn on_bar(&mut self, _cx: &mut Context<Self>, _bar: &Bar) {}

    /// Called when one of the strategy's own orders changed.
    fn on_order(&mut self, _cx: &mut Context<Self>, _update: &OrderUpdate) {}

    /// Called when one of the strategy's own orders was filled, partially or completely.
    fn on_fill(&mut self, _cx: &mut Context<Self>, _fill: &Fill) {}

    /// Called when a value was published under a name that the strategy subscribed to.
    fn on_signal(&mut self, _cx: &mut Context<Self>, _signal: &Signal) {}

    /// Called when one of the strategy's own timers fires.
    fn on_timer(&mut self, _cx: &mut Context<Self>, _timer: &Timer) {}

    /// Called when the state of a venue, or of its data for an instrument, changed.
    fn on_venue(&mut self, _cx: &mut Context<Self>, _status: &VenueStatus) {}

    /// Called when the account's balance in one currency changed.
    fn on_account(&mut self, _cx: &mut Context<Self>, _account: &Account) {}

    /// Called when events were skipped because the strategy was too slow.
    fn on_lagged(&mut self, _cx: &mut Context<Self>, _lagged: &Lagged) {}

    /// Called once before the strategy ends. It can no longer send anything; [`ORDER_POLICY`](Self::ORDER_POLICY)
    /// decides what happens to working orders.
    fn on_stop(&mut self, _params: &Self::Params, _reason: StopReason) {}
}

/// Calls the handler of the context's event.
#[inline]
pub(crate) fn handle<S: Strategy>(strategy: &mut S, cx: &mut Context<S>) {
    match &cx.event.body {
        Body::Quote(quote) => strategy.on_quote(cx, quote),
        Body::Trade(trade) => strategy.on_trade(cx, trade),
        Body::Book(update) => strategy.on_book(cx, update),
        Body::Bar(bar) => strategy.on_bar(cx, bar),
        Body::Order(update) => strategy.on_order(cx, update),
        Body::Fill(fill) => strategy.on_fill(cx, fill),
        Body::Signal(signal) => strategy.on_signal(cx, signal),
        Body::Timer(timer) => strategy.on_timer(cx, timer),
        Body::Venue(status) => strategy.on_venue(cx, status),
        Body::Account(account) => strategy.on_account(cx, account),
        Body::Lagged(lagged) => strategy.on_lagged(cx, lagged),
    }
}

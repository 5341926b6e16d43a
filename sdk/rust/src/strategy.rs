//! What an author writes.

use crate::context::{Context, Init};
use crate::event::{
    Account, Bar, BookUpdate, Fill, Lagged, OrderUpdate, Quote, Signal, Timer, Trade, VenueStatus,
};
use crate::manifest::{Message, Subscription};
use crate::params::Parameters;
use crate::terms::{OrderPolicy, StopReason};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A trading strategy: its fields are its state, its handlers are what it does about events.
///
/// The state is saved with serde when the strategy is swapped for a new build or the host restarts, and restored
/// into the new instance, so it holds what was learned from events and nothing else. What the user sets is in
/// [`Params`](Self::Params), read anew at every start and at hand as `cx.params`.
///
/// Every handler does nothing unless it is written. Own orders, fills, timers, venue status and `on_lagged` come
/// without a subscription.
pub trait Strategy: Serialize + DeserializeOwned + 'static {
    /// What the user can set; `()` for nothing.
    type Params: Parameters;

    /// The schema of the saved state. Raise it when the fields change.
    const STATE_VERSION: u32 = 1;
    /// The oldest schema that [`migrate`](Self::migrate) can read.
    const OLDEST_STATE: u32 = Self::STATE_VERSION;
    /// What happens to working orders when the strategy ends, in whatever way.
    const ORDER_POLICY: OrderPolicy = OrderPolicy::Cancel;
    /// The texts that [`Context::notify`] publishes values under, at most 256.
    const MESSAGES: &'static [Message] = &[];

    /// The feeds wanted from the first event on.
    fn subscriptions() -> Vec<Subscription>;

    /// Starts afresh.
    ///
    /// # Errors
    /// A text for the user: why the strategy cannot start. It is then refused.
    fn new(params: &Self::Params, cx: &Init) -> Result<Self, String>;

    /// Called after the state was restored, with parameters that may be others than before. Must not change anything
    /// but the state.
    ///
    /// # Errors
    /// A text for the user: why the state does not fit. The old version then stays.
    fn on_restore(&mut self, _params: &Self::Params, _cx: &Init) -> Result<(), String> {
        Ok(())
    }

    /// Reads a state of an older schema, from [`OLDEST_STATE`](Self::OLDEST_STATE) on; `None` if it is damaged.
    fn migrate(_version: u32, _bytes: &[u8]) -> Option<Self> {
        None
    }

    /// The best bid or ask changed.
    fn on_quote(&mut self, _cx: &mut Context<Self>, _quote: &Quote) {}

    /// A public trade.
    fn on_trade(&mut self, _cx: &mut Context<Self>, _trade: &Trade) {}

    /// One level of the book changed.
    fn on_book(&mut self, _cx: &mut Context<Self>, _update: &BookUpdate) {}

    /// A bar closed.
    fn on_bar(&mut self, _cx: &mut Context<Self>, _bar: &Bar) {}

    /// An own order changed.
    fn on_order(&mut self, _cx: &mut Context<Self>, _update: &OrderUpdate) {}

    /// An own order was filled, in part or in whole.
    fn on_fill(&mut self, _cx: &mut Context<Self>, _fill: &Fill) {}

    /// A value was published under a name that the strategy subscribed to.
    fn on_signal(&mut self, _cx: &mut Context<Self>, _signal: &Signal) {}

    /// An own timer came due.
    fn on_timer(&mut self, _cx: &mut Context<Self>, _timer: &Timer) {}

    /// A venue, or its data for an instrument, changed its state.
    fn on_venue(&mut self, _cx: &mut Context<Self>, _status: &VenueStatus) {}

    /// The account's balance in one currency changed.
    fn on_account(&mut self, _cx: &mut Context<Self>, _account: &Account) {}

    /// Events were left out because the strategy was too slow.
    fn on_lagged(&mut self, _cx: &mut Context<Self>, _lagged: &Lagged) {}

    /// Called once before the end. Nothing can be sent any more; [`ORDER_POLICY`](Self::ORDER_POLICY) says what
    /// becomes of working orders.
    fn on_stop(&mut self, _params: &Self::Params, _reason: StopReason) {}
}

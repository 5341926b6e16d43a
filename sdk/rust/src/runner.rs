//! Runs a strategy: start, batches of events, save and restore. The same code in the sandbox and natively.

use crate::action::Action;
use crate::context::{Context, Desk, Init};
use crate::event::{Body, Event};
use crate::ids::OrderNumber;
use crate::params::Parameters;
use crate::strategy::Strategy;
use crate::terms::StopReason;

/// A strategy at work: its state, its parameters and the actions of the last call.
///
/// Natively, what the strategy reads of the store and of instruments comes from the [`World`](crate::harness::World)
/// that is entered around the calls; [`Harness`](crate::harness::Harness) does that for tests.
pub struct Runner<S: Strategy> {
    strategy: S,
    params: S::Params,
    desk: Desk,
}

impl<S: Strategy + core::fmt::Debug> core::fmt::Debug for Runner<S> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Runner").field("strategy", &self.strategy).field("desk", &self.desk).finish_non_exhaustive()
    }
}

impl<S: Strategy> Runner<S> {
    /// Starts afresh; `next_order` is the first order number that is free.
    ///
    /// # Errors
    /// A parameter cannot be read, or the strategy refuses to start.
    pub fn start(parameters: &[(String, String)], next_order: OrderNumber) -> Result<Self, String> {
        let params = S::Params::parse(parameters)?;
        let strategy = S::new(&params, &Init::new())?;
        Ok(Self { strategy, params, desk: Desk::new(next_order.0) })
    }

    /// Goes on from a saved state.
    ///
    /// # Errors
    /// A parameter cannot be read, the schema is not one that this strategy reads, the state is damaged, or the
    /// strategy refuses it.
    pub fn restore(
        parameters: &[(String, String)],
        next_order: OrderNumber,
        schema: u32,
        state: &[u8],
    ) -> Result<Self, String> {
        let params = S::Params::parse(parameters)?;
        let mut strategy = read_state::<S>(schema, state)?;
        strategy.on_restore(&params, &Init::new())?;
        Ok(Self { strategy, params, desk: Desk::new(next_order.0) })
    }

    /// The state, in the schema [`Strategy::STATE_VERSION`].
    ///
    /// # Errors
    /// The state has a type that postcard cannot write.
    pub fn save(&self) -> Result<Vec<u8>, String> {
        postcard::to_allocvec(&self.strategy).map_err(|error| format!("the state cannot be saved: {error}"))
    }

    /// Handles events in order up to and including the first that caused actions, and returns how many that were.
    pub fn on_events(&mut self, batch: &[Event]) -> usize {
        self.desk.actions.clear();
        for (index, event) in batch.iter().enumerate() {
            self.on_event(event);
            if !self.desk.actions.is_empty() {
                return index + 1;
            }
        }
        batch.len()
    }

    /// The actions of the last call of [`on_events`](Self::on_events).
    pub fn actions(&self) -> &[Action] {
        &self.desk.actions
    }

    /// Tells the strategy that this is the end.
    pub fn stop(&mut self, reason: StopReason) {
        self.strategy.on_stop(&self.params, reason);
    }

    /// The strategy.
    pub const fn strategy(&self) -> &S {
        &self.strategy
    }

    /// The parameters it runs with.
    pub const fn params(&self) -> &S::Params {
        &self.params
    }

    /// The number that its next order will have.
    pub const fn next_order(&self) -> OrderNumber {
        OrderNumber(self.desk.next_order)
    }

    #[inline]
    fn on_event(&mut self, event: &Event) {
        let Self { strategy, params, desk } = self;
        let cx = &mut Context { params, event, desk };
        match &event.body {
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
}

fn read_state<S: Strategy>(schema: u32, state: &[u8]) -> Result<S, String> {
    let damaged = || format!("the saved state (schema {schema}) cannot be read");
    if schema == S::STATE_VERSION {
        return match postcard::take_from_bytes(state) {
            Ok((strategy, [])) => Ok(strategy),
            _ => Err(damaged()),
        };
    }
    if !(S::OLDEST_STATE..S::STATE_VERSION).contains(&schema) {
        let (oldest, newest) = (S::OLDEST_STATE, S::STATE_VERSION);
        return Err(format!("the saved state has schema {schema}; this version reads {oldest} to {newest}"));
    }
    S::migrate(schema, state).ok_or_else(damaged)
}

//! A strategy of the SDK compiled natively, behind the same port as a module: the baseline for the sandbox.
//!
//! It reads the ring's own events, which have the layout of the SDK's (asserted on both sides), so its input needs no
//! conversion. Its store is the harness's world, which is updated from the strategy's book when that may have changed: after
//! an event that changes the portfolio, and after its own actions.

#![allow(
    unsafe_code,
    reason = "the native strategy reads a batch in place, as the guest does"
)]

use std::marker::PhantomData;
use std::sync::Arc;
use tickdeck_engine::port::{Code, Fault, State, StopReason, Strategy};
use tickdeck_model::{Action, Event, Instrument, Registry};
use tickdeck_portfolio::{Order, Position, StrategyBook};
use tickdeck_sdk as sdk;
use tickdeck_sdk::Runner;
use tickdeck_sdk::harness::World;

/// Creates the code of a native strategy from its parameters.
pub(crate) type NativeFactory = fn(&[(String, String)], &Arc<Registry>) -> Arc<dyn Code>;

/// Returns the factory for a strategy.
pub(crate) fn native_factory<S: sdk::Strategy + Send + 'static>() -> NativeFactory
where
    S::Params: Send,
{
    |parameters, registry| {
        Arc::new(Native::<S> {
            parameters: parameters.to_vec(),
            registry: Arc::clone(registry),
            strategy: PhantomData,
        })
    }
}

/// Returns a batch as the SDK's events.
pub(crate) const fn batch(events: &[Event]) -> &[sdk::Event] {
    const {
        assert!(size_of::<Event>() == size_of::<sdk::Event>());
        assert!(align_of::<Event>() == align_of::<sdk::Event>());
    };
    // SAFETY: both are the contract's event in the canonical layout, which each crate asserts field by field, and the
    // ring holds only values of the contract: guests receive the same bytes.
    unsafe { std::slice::from_raw_parts(events.as_ptr().cast(), events.len()) }
}

struct Native<S> {
    parameters: Vec<(String, String)>,
    registry: Arc<Registry>,
    strategy: PhantomData<fn() -> S>,
}

impl<S: sdk::Strategy + Send + 'static> Native<S>
where
    S::Params: Send,
{
    fn begin(
        &self,
        book: &StrategyBook,
        start: impl FnOnce(&[(String, String)], sdk::OrderNumber) -> Result<Runner<S>, String>,
    ) -> Result<Box<dyn Strategy>, Fault> {
        let mut world = World {
            instruments: self.registry.instruments().iter().map(terms).collect(),
            ..World::new()
        };
        bring_up(&mut world, book);
        let next = sdk::OrderNumber(book.next_order());
        let runner = world.enter(|| start(&self.parameters, next));
        Ok(Box::new(Running {
            runner: runner.map_err(Fault)?,
            world,
            acted: false,
        }))
    }
}

impl<S: sdk::Strategy + Send + 'static> Code for Native<S>
where
    S::Params: Send,
{
    fn start(&self, book: &mut Box<StrategyBook>) -> Result<Box<dyn Strategy>, Fault> {
        self.begin(book, |parameters, next| Runner::start(parameters, next))
    }

    fn restore(
        &self,
        book: &mut Box<StrategyBook>,
        state: &State,
    ) -> Result<Box<dyn Strategy>, Fault> {
        self.begin(book, |parameters, next| {
            Runner::restore(parameters, next, state.schema, &state.bytes)
        })
    }

    fn schema(&self) -> u32 {
        S::STATE_VERSION
    }

    fn restores(&self) -> &[u32] {
        &[]
    }
}

struct Running<S: sdk::Strategy> {
    runner: Runner<S>,
    world: World,
    /// Whether its last call sent actions, so that its own book has changed since.
    acted: bool,
}

impl<S: sdk::Strategy + Send> Strategy for Running<S>
where
    S::Params: Send,
{
    fn on_events(
        &mut self,
        events: &[Event],
        book: &mut Box<StrategyBook>,
        actions: &mut Vec<Action>,
    ) -> Result<usize, Fault> {
        if self.acted || events.first().is_some_and(Event::changes_portfolio) {
            bring_up(&mut self.world, book);
        }
        let Self { runner, world, .. } = self;
        let consumed = world.enter(|| runner.on_events(batch(events)));
        self.acted = !self.runner.actions().is_empty();
        for action in self.runner.actions() {
            let action = Action::from_bytes(&action.to_words().to_bytes());
            actions.push(action.map_err(|problem| Fault(problem.to_string()))?);
        }
        Ok(consumed)
    }

    fn save(&mut self) -> Result<Result<Vec<u8>, String>, Fault> {
        Ok(self.runner.save())
    }

    fn stop(&mut self, _: StopReason) -> Result<(), Fault> {
        let Self { runner, world, .. } = self;
        world.enter(|| runner.stop(sdk::StopReason::Shutdown));
        Ok(())
    }
}

/// The current positions and orders. The native plugins read nothing else.
fn bring_up(world: &mut World, book: &StrategyBook) {
    world.positions.clear();
    for position in book.positions() {
        let position = held(position);
        world.positions.insert(position.instrument, position);
    }
    world.orders.clear();
    for order in book.orders() {
        world
            .orders
            .insert(sdk::OrderNumber(order.number), working(order));
    }
    world.timestamp = book.timestamp();
}

fn held(position: &Position) -> sdk::Position {
    sdk::Position {
        account: sdk::AccountId(0),
        instrument: sdk::InstrumentId(position.instrument.0),
        size: sdk::Size(position.size.0),
        cost: sdk::Amount(0),
        average_price: sdk::Price(0),
        realised: sdk::Amount(0),
    }
}

fn working(order: &Order) -> sdk::WorkingOrder {
    const CASES: &str = "both enums have the cases of the contract";
    sdk::WorkingOrder {
        order: sdk::OrderNumber(order.number),
        instrument: sdk::InstrumentId(order.submit.instrument.0),
        side: sdk::Side::from_u8(order.submit.side as u8).expect(CASES),
        kind: sdk::OrderType(order.submit.kind.number()),
        time_in_force: sdk::TimeInForce(order.submit.time_in_force.number()),
        status: order
            .state
            .status()
            .map(|status| sdk::OrderStatus(status.number())),
        price: sdk::Price(order.price.0),
        stop_price: sdk::Price(order.stop_price.0),
        size: sdk::Size(order.size.0),
        filled: sdk::Size(order.filled.0),
        after: (order.submit.after > 0).then_some(sdk::OrderNumber(order.submit.after)),
        group: order.submit.group,
        trail: order.submit.trail,
        expires: order.submit.expires,
        reduce_only: order.submit.reduce_only(),
        account: sdk::AccountId(order.submit.account.0),
    }
}

fn terms(terms: &Instrument) -> sdk::Instrument {
    sdk::Instrument {
        id: sdk::InstrumentId(terms.id.0),
        venue: sdk::VenueId(terms.venue.0),
        symbol: terms.symbol.clone(),
        base: sdk::CurrencyId(terms.base.0),
        quote: sdk::CurrencyId(terms.quote.0),
        price_scale: terms.price_scale,
        size_scale: terms.size_scale,
        quote_scale: terms.quote_scale,
        tick: sdk::Price(terms.tick.0),
        lot: sdk::Size(terms.lot.0),
        min_notional: sdk::Amount(terms.min_notional.0),
    }
}

//! Drives a strategy natively: a world, a runner, and the events between them.

use super::World;
use crate::action::{Action, Submit};
use crate::event::{Body, Event, Fill, OrderUpdate, Quote, Signal, Timer, Trade, VenueStatus};
use crate::fixed::{Amount, Price, Size};
use crate::ids::{
    AccountId, CurrencyId, InstrumentId, OrderNumber, StrategyId, Timestamp, VenueId,
};
use crate::params::Parameters;
use crate::runner::Runner;
use crate::store::WorkingOrder;
use crate::strategy::Strategy;
use crate::subscription::Subscription;
use crate::terms::{
    Aggressor, Liquidity, OrderStatus, OrderType, Reason, Side, TimeInForce, VenueScope, VenueState,
};
use std::collections::BTreeMap;

/// The start time of a harness: 2024-08-08 00:00 UTC.
const START: Timestamp = 1_723_075_200_000_000_000;

/// Runs one strategy on events that a test makes up.
///
/// # Panics
/// Methods panic, like assertions, when the test or the strategy breaks the contract: an unknown order, a price that is
/// not a decimal, an order whose size is not in whole lots.
#[derive(Debug)]
pub struct Harness<S: Strategy> {
    world: World,
    runner: Runner<S>,
    parameters: Vec<(String, String)>,
    event: u64,
    now: Timestamp,
    timers: BTreeMap<u32, Timestamp>,
    touch: BTreeMap<InstrumentId, (Price, Price)>,
    fills_market_orders: bool,
}

impl<S: Strategy> Harness<S> {
    /// Starts the strategy in [`World::demo`]; omitted parameters have their defaults.
    ///
    /// # Errors
    /// The strategy refuses to start.
    pub fn new(parameters: &[(&str, &str)]) -> Result<Self, String> {
        Self::in_world(World::demo(), parameters)
    }

    /// Starts the strategy in the given world, in which its messages and signals are interned.
    ///
    /// # Errors
    /// The strategy refuses to start.
    pub fn in_world(mut world: World, parameters: &[(&str, &str)]) -> Result<Self, String> {
        let parameters: Vec<_> = parameters
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        for text in texts::<S>(&parameters) {
            world.intern(&text);
        }
        let runner = world.enter(|| Runner::start(&parameters, OrderNumber(1)))?;
        Ok(Self {
            world,
            runner,
            parameters,
            event: 0,
            now: START,
            timers: BTreeMap::new(),
            touch: BTreeMap::new(),
            fills_market_orders: false,
        })
    }

    /// Fills market and IOC orders at once from now on, at the last quote or trade.
    pub fn filling_market_orders(mut self) -> Self {
        self.fills_market_orders = true;
        self
    }

    /// Feeds an event and returns the strategy's actions on it and on the fills that followed.
    pub fn feed(&mut self, body: impl Into<Body>) -> Vec<Action> {
        let body = body.into();
        self.note_price(&body);
        self.event += 1;
        let event = Event {
            sequence: self.event,
            ts_venue: self.now,
            ts_host: self.now,
            body,
        };
        self.world.apply(&event);
        let Self { world, runner, .. } = self;
        world.enter(|| runner.on_events(&[event]));
        let mut actions = runner.actions().to_vec();
        for action in actions.clone() {
            self.apply(&action);
        }
        for action in actions.clone() {
            actions.extend(self.fill_at_once(&action));
        }
        actions
    }

    /// Feeds a quote with a size of one unit on both sides.
    pub fn quote(&mut self, instrument: InstrumentId, bid: &str, ask: &str) -> Vec<Action> {
        let [bid, ask] = [bid, ask].map(|text| self.world.price(instrument, text));
        self.feed(Quote {
            reserved: 0,
            instrument,
            bid,
            bid_size: Size(1),
            ask,
            ask_size: Size(1),
        })
    }

    /// Feeds a public trade of one unit.
    pub fn trade(&mut self, instrument: InstrumentId, price: &str) -> Vec<Action> {
        let price = self.world.price(instrument, price);
        let trade_id = self.event;
        self.feed(Trade {
            reserved: 0,
            instrument,
            aggressor: Aggressor::Undisclosed,
            price,
            size: Size(1),
            trade_id,
        })
    }

    /// Feeds a value that a collector publishes under a name.
    pub fn signal(&mut self, name: &str, value: f64) -> Vec<Action> {
        let name = self.world.intern(name);
        self.feed(Signal {
            reserved: 0,
            source: StrategyId(0),
            name,
            value,
        })
    }

    /// Feeds a state of the whole venue 1, on which all instruments of [`World::demo`] trade.
    pub fn venue(&mut self, state: VenueState) -> Vec<Action> {
        self.feed(VenueStatus {
            reserved: 0,
            venue: VenueId(1),
            instrument: InstrumentId(0),
            scope: VenueScope::Venue,
            state,
        })
    }

    /// Fills the remaining size of a working order.
    pub fn fill(&mut self, order: OrderNumber, price: &str) -> Vec<Action> {
        let working = self.working(order);
        let price = self.world.price(working.instrument, price);
        self.fill_rest(&working, price)
    }

    /// Feeds an update of a working order.
    pub fn update(
        &mut self,
        order: OrderNumber,
        status: OrderStatus,
        reason: Reason,
    ) -> Vec<Action> {
        let WorkingOrder {
            instrument,
            price,
            size,
            filled,
            side,
            ..
        } = self.working(order);
        let strategy = StrategyId(1);
        self.feed(OrderUpdate {
            account: AccountId(0),
            reserved: 0,
            stop_price: Price::ZERO,
            instrument,
            strategy,
            order,
            price,
            size,
            filled,
            status,
            reason,
            side,
        })
    }

    /// Advances the time; due timers fire in order.
    pub fn advance(&mut self, duration_ns: i64) -> Vec<Action> {
        let end = self.now + duration_ns;
        let mut actions = Vec::new();
        while let Some((due, id)) = self
            .timers
            .iter()
            .map(|(id, due)| (*due, *id))
            .min()
            .filter(|(due, _)| *due <= end)
        {
            self.timers.remove(&id);
            self.now = self.now.max(due);
            actions.extend(self.feed(Timer {
                reserved: 0,
                strategy: StrategyId(1),
                id,
                due,
            }));
        }
        self.now = end;
        actions
    }

    /// Saves the strategy and restores it into a new instance, as a swap does, with the given parameters changed.
    ///
    /// # Errors
    /// The state cannot be saved or restored.
    pub fn swap(&mut self, parameters: &[(&str, &str)]) -> Result<(), String> {
        let state = self.runner.save()?;
        for (name, value) in parameters {
            self.parameters.retain(|(known, _)| known != name);
            self.parameters
                .push(((*name).to_owned(), (*value).to_owned()));
        }
        let Self {
            world,
            runner,
            parameters,
            ..
        } = self;
        let next = runner.next_order();
        *runner = world.enter(|| Runner::restore(parameters, next, S::STATE_VERSION, &state))?;
        Ok(())
    }

    /// Returns the world in its current state.
    pub const fn world(&self) -> &World {
        &self.world
    }

    /// Returns the strategy.
    pub const fn strategy(&self) -> &S {
        self.runner.strategy()
    }

    /// Returns the time of the next event.
    pub const fn now(&self) -> Timestamp {
        self.now
    }

    fn working(&self, order: OrderNumber) -> WorkingOrder {
        *self
            .world
            .orders
            .get(&order)
            .unwrap_or_else(|| panic!("order {order} is not working"))
    }

    fn note_price(&mut self, body: &Body) {
        match body {
            Body::Quote(quote) => self.touch.insert(quote.instrument, (quote.bid, quote.ask)),
            Body::Trade(trade) => self
                .touch
                .insert(trade.instrument, (trade.price, trade.price)),
            _ => None,
        };
    }

    fn apply(&mut self, action: &Action) {
        match action {
            Action::Submit(submit) => self.world.send(submit),
            Action::SetTimer(timer) => drop(self.timers.insert(timer.id, timer.due)),
            Action::ClearTimer(id) => drop(self.timers.remove(id)),
            _ => {}
        }
    }

    fn fill_at_once(&mut self, action: &Action) -> Vec<Action> {
        let Action::Submit(Submit {
            order,
            instrument,
            side,
            kind,
            time_in_force,
            ..
        }) = action
        else {
            return Vec::new();
        };
        let at_once = *kind == OrderType::Market || *time_in_force == TimeInForce::Ioc;
        let (Some(touch), Some(working)) =
            (self.touch.get(instrument), self.world.orders.get(order))
        else {
            return Vec::new();
        };
        if !self.fills_market_orders || !at_once {
            return Vec::new();
        }
        let (working, price) = (*working, if *side == Side::Buy { touch.1 } else { touch.0 });
        self.fill_rest(&working, price)
    }

    fn fill_rest(&mut self, working: &WorkingOrder, price: Price) -> Vec<Action> {
        self.feed(Fill {
            account: AccountId(0),
            reserved: 0,
            instrument: working.instrument,
            strategy: StrategyId(1),
            order: working.order,
            trade_id: self.event,
            price,
            size: working.remaining(),
            fee: Amount::ZERO,
            fee_currency: CurrencyId(1),
            side: working.side,
            liquidity: if working.kind == OrderType::Market {
                Liquidity::Taker
            } else {
                Liquidity::Maker
            },
        })
    }
}

/// Returns the texts that the host interns for a strategy: its messages, and the signals it subscribes to.
fn texts<S: Strategy>(parameters: &[(String, String)]) -> Vec<String> {
    let schema = S::Params::schema();
    let value = |name: &str| {
        let given = parameters
            .iter()
            .find(|(given, _)| given == name)
            .map(|(_, value)| value.as_str());
        given.or_else(|| {
            schema
                .iter()
                .find(|known| known.name == name)
                .and_then(|known| known.default)
        })
    };
    let named = |text: &String| match text
        .strip_prefix('{')
        .and_then(|rest| rest.strip_suffix('}'))
    {
        Some(name) => value(name).unwrap_or_default().to_owned(),
        None => text.clone(),
    };
    let signals = S::subscriptions()
        .into_iter()
        .filter_map(|subscription| match subscription {
            Subscription::Signals(name) => {
                let name = named(&name);
                let signal = name.split_once('/').map(|(_, signal)| signal.to_owned());
                Some(signal.unwrap_or(name))
            }
            _ => None,
        });
    S::MESSAGES
        .iter()
        .map(|message| message.text().to_owned())
        .chain(signals)
        .collect()
}

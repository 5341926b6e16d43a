//! The strategy that is measured: a few hundred bytes within the binary.

use anyhow::Result;
use std::collections::BTreeMap;
use std::sync::Arc;
use tickdeck_engine::port::Strategy as _;
use tickdeck_model::{
    Action, Aggressor, Event, InstrumentId, Pad, Price, Quote, Registry, Size, Trade,
};
use tickdeck_portfolio::StrategyBook;
use tickdeck_strategy::{
    Discard, Instance, ResourceLimits, Runtime, RuntimeConfig, StartOptions, World, with_contract,
};

/// `guest.wat`, assembled.
const MODULE: &[u8] = include_bytes!("guest.wasm");
const NAME: &str = "bench";

/// A running strategy, called through the port that the engine calls. It averages trades and answers each quote with
/// an order.
pub(super) struct Guest {
    instance: Instance,
    book: Box<StrategyBook>,
    pub(super) actions: Vec<Action>,
}

impl Guest {
    /// Compiles and starts the strategy. Nothing is read or cached, so it is the same on every machine.
    pub(super) fn start() -> Result<Self> {
        let host = Runtime::new(RuntimeConfig::default())?;
        let limits = ResourceLimits::default();
        let module = with_contract(MODULE, World::Strategy, NAME)?;
        let module = host.load_bytes(&module, NAME, NAME, &limits)?;
        let parameters = module.manifest().resolve(&BTreeMap::new());
        let options = StartOptions {
            name: NAME.to_owned(),
            parameters: parameters.expect("it has no parameters"),
            limits,
            registry: Arc::new(Registry::new()),
            log: Arc::new(Discard),
        };
        let mut book = Box::default();
        Ok(Self {
            instance: module.start(options, &mut book)?,
            book,
            actions: Vec::new(),
        })
    }

    /// Passes a batch and returns the number of events handled. Its decisions are in `actions`.
    pub(super) fn call(&mut self, batch: &[Event]) -> Result<usize> {
        self.actions.clear();
        Ok(self
            .instance
            .on_events(batch, &mut self.book, &mut self.actions)?)
    }
}

/// Returns trades at one price, each of which updates the averages.
pub(super) fn trades(count: usize) -> Vec<Event> {
    let trade = |at: usize| Trade {
        reserved: Pad::ZERO,
        instrument: InstrumentId(0),
        aggressor: Aggressor::Buyer,
        pad: Pad::ZERO,
        price: Price(6_000_000),
        size: Size(1_000),
        trade_id: at as u64,
    };
    (0..count)
        .map(|at| Event::new(0, 0, trade(at)).with_sequence(at as u64))
        .collect()
}

/// Returns a quote, which the strategy answers with an order.
pub(super) fn quote() -> Event {
    let quote = Quote {
        reserved: Pad::ZERO,
        instrument: InstrumentId(0),
        pad: Pad::ZERO,
        bid: Price(6_000_000),
        bid_size: Size(1_000),
        ask: Price(6_000_100),
        ask_size: Size(1_000),
    };
    Event::new(0, 0, quote)
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_model::{OrderType, Side, TimeInForce};

    #[test]
    fn the_module_in_the_binary_is_what_its_text_says() {
        let assembled = wat::parse_str(include_str!("guest.wat")).unwrap();
        assert!(
            assembled == MODULE,
            "assemble it again: wasm-tools parse guest.wat -o guest.wasm"
        );
    }

    #[test]
    fn it_handles_trades_without_acting_and_answers_a_quote_with_an_order_at_its_bid() {
        let mut guest = Guest::start().unwrap();
        assert_eq!(guest.call(&trades(256)).unwrap(), 256);
        assert_eq!(guest.actions, []);
        let batch = [trades(1), vec![quote(), quote()]].concat();
        for order in 1..=2 {
            assert_eq!(
                guest.call(&batch).unwrap(),
                2,
                "it returns after the event it acts on"
            );
            let [Action::Submit(submit)] = guest.actions[..] else {
                panic!("{:?}", guest.actions)
            };
            assert_eq!(
                (submit.order, submit.price, submit.size),
                (order, Price(6_000_000), Size(1_000))
            );
            assert_eq!(
                (submit.side, submit.kind, submit.time_in_force),
                (Side::Buy, OrderType::Limit, TimeInForce::Gtc)
            );
        }
    }
}

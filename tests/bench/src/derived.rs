//! The same component through wasmtime's derived lowering: what the one memcpy is measured against.

use anyhow::{Context, Result};
use std::path::Path;
use wasmtime::component::{Component, HasSelf, Linker};
use wasmtime::{Config, Engine, Store};
use wit_component::ComponentEncoder;

mod generated {
    #![allow(
        missing_docs,
        unreachable_pub,
        dead_code,
        clippy::undocumented_unsafe_blocks,
        clippy::all,
        reason = "generated"
    )]
    wasmtime::component::bindgen!({ path: "../../wit", world: "strategy" });
}

use generated::exports::tickdeck::strategy::lifecycle::Start;
use generated::tickdeck::strategy::{events, instruments, log, store, types};

/// An instance behind derived lowering, with the engine flags of the strategy host.
pub(crate) struct Derived {
    store: Store<Deck>,
    strategy: generated::Strategy,
    batch: Vec<events::Event>,
}

/// A deck of one instrument and no positions.
struct Deck;

impl Derived {
    /// Starts a core module that carries its component type; `batch` is what every call gets.
    pub(crate) fn start(file: &Path, batch: &[tickdeck_model::Event]) -> Result<Self> {
        let core =
            std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))?;
        let component = ComponentEncoder::default()
            .validate(true)
            .module(&core)?
            .encode()?;
        let mut config = Config::new();
        config
            .epoch_interruption(true)
            .cranelift_nan_canonicalization(true);
        let engine = Engine::new(&config)?;
        let component = Component::new(&engine, component)?;
        let mut linker = Linker::new(&engine);
        generated::Strategy::add_to_linker::<_, HasSelf<_>>(&mut linker, |deck: &mut Deck| deck)?;
        let mut store = Store::new(&engine, Deck);
        store.set_epoch_deadline(u64::MAX / 2);
        let strategy = generated::Strategy::instantiate(&mut store, &component, &linker)?;
        let lifecycle = strategy.tickdeck_strategy_lifecycle();
        let manifest = lifecycle.call_describe(&mut store)?;
        let parameters = manifest.parameters.iter().map(|parameter| {
            (
                parameter.name.clone(),
                parameter.default.clone().unwrap_or_default(),
            )
        });
        let start = Start {
            parameters: parameters.collect(),
            next_order: 1,
        };
        lifecycle
            .call_init(&mut store, &start)?
            .map_err(anyhow::Error::msg)?;
        Ok(Self {
            store,
            strategy,
            batch: batch.iter().map(typed).collect(),
        })
    }

    /// Offers the batch once.
    pub(crate) fn call(&mut self) -> Result<usize> {
        let outcome = self
            .strategy
            .tickdeck_strategy_hot()
            .call_on_events(&mut self.store, &self.batch)?;
        Ok(outcome.consumed as usize)
    }
}

/// A trade as the derived types have it; the bench sends nothing else.
fn typed(event: &tickdeck_model::Event) -> events::Event {
    let tickdeck_model::Body::Trade(trade) = event.body() else {
        unreachable!("the batch is made of trades")
    };
    events::Event {
        sequence: event.sequence,
        ts_venue: event.ts_venue,
        ts_host: event.ts_host,
        body: events::Body::Trade(events::Trade {
            reserved_1: 0,
            instrument: trade.instrument.0,
            aggressor: events::Aggressor::Buyer,
            price: trade.price.0,
            size: trade.size.0,
            trade_id: trade.trade_id,
        }),
    }
}

fn bitcoin() -> instruments::Instrument {
    instruments::Instrument {
        id: 0,
        venue: 0,
        symbol: "BTCUSDT.BENCH".to_owned(),
        base: 0,
        quote: 1,
        price_scale: 2,
        size_scale: 5,
        quote_scale: 8,
        tick: 1,
        lot: 1,
        min_notional: 0,
    }
}

impl instruments::Host for Deck {
    fn get(&mut self, id: u32) -> Option<instruments::Instrument> {
        (id == 0).then(bitcoin)
    }
    fn find(&mut self, _: String) -> Option<u32> {
        Some(0)
    }
    fn list(&mut self) -> Vec<instruments::Instrument> {
        vec![bitcoin()]
    }
    fn text(&mut self, _: u32) -> Option<String> {
        None
    }
    fn find_text(&mut self, _: String) -> Option<u32> {
        Some(0)
    }
}

impl log::Host for Deck {
    fn write(&mut self, _: log::Level, _: String) {}
}

impl store::Host for Deck {
    fn capital(&mut self) -> Vec<store::CapitalIn> {
        Vec::new()
    }
    fn positions(&mut self) -> Vec<store::Position> {
        Vec::new()
    }
    fn position_size(&mut self, _: u32) -> i64 {
        0
    }
    fn orders(&mut self) -> Vec<store::WorkingOrder> {
        Vec::new()
    }
    fn order(&mut self, _: u64) -> Option<store::WorkingOrder> {
        None
    }
    fn timestamp(&mut self) -> i64 {
        0
    }
}

impl types::Host for Deck {}
impl events::Host for Deck {}
impl generated::tickdeck::strategy::actions::Host for Deck {}

//! A strategy reads its position through the store import, from the sandbox and back.
//!
//! Two instances of the strategy that counts handle the same trades; one of them reads its position at every trade, many
//! times. What it takes longer, per read, is what a read costs.

use crate::effort::Effort;
use crate::row::{Claim, Goal, Row, interleave};
use crate::{boundary, guests};
use anyhow::{Context, Result, ensure};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;
use tickdeck_engine::port::Strategy as _;
use tickdeck_model::{
    AccountId, Action, Amount, CurrencyId, Event, Fill, InstrumentId, Liquidity, Pad, Price,
    Registry, Side, Size, StrategyId,
};
use tickdeck_portfolio::{Portfolio, StrategyBook};
use tickdeck_strategy::{
    Discard, Instance, Module, ResourceLimits, Runtime, RuntimeConfig, StartOptions,
};
use wasmtime::component::{Component, Linker, TypedFunc};
use wasmtime::{Config, Engine, Store};

const BATCH: usize = 64;

/// Reads at one trade: enough that the trade itself hardly counts.
const READS: u32 = 64;

const STRATEGY: StrategyId = StrategyId(1);

pub(super) fn run(effort: &Effort) -> Result<Row> {
    let host = Runtime::new(RuntimeConfig::default())?;
    let module = host.load(&guests::counter()?, "counter", &ResourceLimits::default())?;
    let mut silent = Reader::start(&module, 0)?;
    let mut reader = Reader::start(&module, READS)?;
    let mut empty = Empty::start()?;
    let batch = boundary::trades(BATCH);
    let calls = (effort.events / (BATCH * READS as usize)).max(4);
    let reads = (calls * BATCH) as u32 * READS;
    let [read, called] = interleave(
        effort.rounds,
        [
            &mut || {
                let without = silent.time(calls, &batch)?;
                let with = reader.time(calls, &batch)?;
                Ok((with - without) / f64::from(reads))
            },
            &mut || empty.per_call(reads),
        ],
    )?;
    let claim = Claim {
        bench: "portfolio/read-position",
        unit: "ns/read",
        against: "an import of the same type that returns 0, through wasmtime alone",
        goal: Some(Goal::Value(150.0)),
        more_is_better: false,
    };
    Ok(claim.row(&read, &called))
}

/// An instance of the strategy that counts, with a position to read.
struct Reader {
    instance: Instance,
    book: Box<StrategyBook>,
    actions: Vec<Action>,
}

impl Reader {
    fn start(module: &Module, reads: u32) -> Result<Self> {
        let limits = ResourceLimits::default();
        let (registry, _) = guests::registry()?;
        let given = BTreeMap::from([("reads".to_owned(), reads.to_string())]);
        let parameters = module.manifest().resolve(&given);
        let mut book = book(&registry)?;
        let options = StartOptions {
            name: "reader".to_owned(),
            parameters: parameters.map_err(|errors| anyhow::anyhow!("{errors:?}"))?,
            limits,
            registry,
            log: Arc::new(Discard),
        };
        Ok(Self {
            instance: module.start(options, &mut book)?,
            book,
            actions: Vec::new(),
        })
    }

    /// Returns the time of `calls` calls, in ns.
    fn time(&mut self, calls: usize, batch: &[Event]) -> Result<f64> {
        let started = Instant::now();
        for _ in 0..calls {
            let (book, actions) = (&mut self.book, &mut self.actions);
            let handled = self.instance.on_events(batch, book, actions)?;
            ensure!(handled == batch.len(), "it handles whole batches");
        }
        Ok(started.elapsed().as_nanos() as f64)
    }
}

/// The book of a strategy that bought once.
fn book(registry: &Registry) -> Result<Box<StrategyBook>> {
    let quote = CurrencyId(1);
    let currencies: Vec<_> = [CurrencyId(0), quote]
        .into_iter()
        .filter_map(|id| registry.currency(id))
        .collect();
    let mut store = Portfolio::new(registry.instruments(), &currencies);
    store.open_strategy(STRATEGY, &[(quote, Amount(100_000 * 100_000_000))], 2);
    let fill = Fill {
        account: AccountId(0),
        reserved: Pad::ZERO,
        instrument: InstrumentId(0),
        strategy: STRATEGY,
        order: 1,
        trade_id: 1,
        price: Price(6_000_000),
        size: Size(1_000),
        fee: Amount(0),
        fee_currency: quote,
        side: Side::Buy,
        liquidity: Liquidity::Taker,
        pad: Pad::ZERO,
    };
    // The order is of an earlier run and no longer known, which is reported; the position is taken in all the same.
    let _ = store.apply(&Event::new(1, 1, fill));
    let book = store.close_strategy(STRATEGY).context("it was opened")?;
    ensure!(
        book.position_size(InstrumentId(0)) == Size(1_000),
        "there is a position to read"
    );
    Ok(book)
}

/// A component that calls an import in a loop, and a host that returns at once.
struct Empty {
    store: Store<()>,
    run: TypedFunc<(u32,), (i64,)>,
}

const EMPTY: &str = r#"(component
    (import "read" (func $read (param "instrument" u32) (result s64)))
    (core func $read (canon lower (func $read)))
    (core module $m
        (import "host" "read" (func $read (param i32) (result i64)))
        (func (export "run") (param $calls i32) (result i64) (local $mix i64)
            (loop $again
                (local.set $mix (i64.xor (local.get $mix) (call $read (i32.const 0))))
                (local.set $calls (i32.sub (local.get $calls) (i32.const 1)))
                (br_if $again (local.get $calls)))
            (local.get $mix)))
    (core instance $host (export "read" (func $read)))
    (core instance $i (instantiate $m (with "host" (instance $host))))
    (func (export "run") (param "calls" u32) (result s64) (canon lift (core func $i "run"))))"#;

impl Empty {
    fn start() -> Result<Self> {
        let mut config = Config::new();
        config.epoch_interruption(true);
        let engine = Engine::new(&config)?;
        let component = Component::from_binary(&engine, &wat::parse_str(EMPTY)?)?;
        let mut linker = Linker::new(&engine);
        linker
            .root()
            .func_wrap("read", |_, (_,): (u32,)| Ok((0i64,)))?;
        let mut store = Store::new(&engine, ());
        store.set_epoch_deadline(u64::MAX / 2);
        let instance = linker.instantiate(&mut store, &component)?;
        let run = instance.get_typed_func(&mut store, "run")?;
        Ok(Self { store, run })
    }

    fn per_call(&mut self, calls: u32) -> Result<f64> {
        let started = Instant::now();
        let (mix,) = self.run.call(&mut self.store, (calls,))?;
        ensure!(mix == 0, "every call gives 0");
        Ok(started.elapsed().as_nanos() as f64 / f64::from(calls))
    }
}

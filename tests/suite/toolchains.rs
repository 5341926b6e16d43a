//! One small strategy, built by the toolchain of every language (`tests/toolchains`): each loads under the default limits by the
//! way that a host takes, and all decide the same.
//!
//! Rust's modules are the example plugins, which the rest of the suite loads and runs.

use crate::support::plugins::root;
use crate::support::process::binary;
use flate2::read::GzDecoder;
use std::collections::BTreeMap;
use std::io::Read as _;
use std::sync::{Arc, Mutex, OnceLock};
use tickdeck_engine::port::{State, Strategy as _};
use tickdeck_model::{
    Action, Aggressor, Body, Event, InstrumentId, OrderNumber, OrderType, Pad, Price, Quote,
    Registry, Side, Size, StrategyId, Submit, TimeInForce, Trade,
};
use tickdeck_portfolio::{Portfolio, StrategyBook};
use tickdeck_strategy::compile::{ChildCompiler, ChildProgram, CompileLimits, Confinement};
use tickdeck_strategy::{
    Instance, LogLevel, LogSink, Module, ResourceLimits, Runtime, RuntimeConfig, StartOptions,
};

const EVENTS: u64 = 20_000;
const TRADES_PER_ORDER: u64 = 75;

/// The modules in the repository. Python's is too large for it: whoever has built it by `tests/toolchains/build` tests it too.
const COMMITTED: [&str; 5] = ["assemblyscript", "c", "go", "javascript", "zig"];

/// Every module by its file's name, loaded once.
fn modules() -> &'static [Module] {
    static MODULES: OnceLock<Vec<Module>> = OnceLock::new();
    MODULES.get_or_init(|| files().iter().map(load).collect())
}

fn files() -> Vec<(String, Vec<u8>)> {
    let folder = root().join("tests/toolchains");
    let mut files = Vec::new();
    for folder in [folder.join("modules"), folder.join("out")] {
        for entry in std::fs::read_dir(folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let file = path.file_name().unwrap().to_str().unwrap();
            let bytes = || std::fs::read(&path).unwrap();
            if let Some(name) = file.strip_suffix(".wasm") {
                files.push((name.to_owned(), bytes()));
            } else if let Some(name) = file.strip_suffix(".wasm.gz") {
                let mut module = Vec::new();
                GzDecoder::new(&bytes()[..])
                    .read_to_end(&mut module)
                    .unwrap();
                files.push((name.to_owned(), module));
            }
        }
    }
    let is_there = |name: &&str| files.iter().any(|(file, _)| file == name);
    assert!(COMMITTED.iter().all(is_there), "a module is missing");
    files
}

fn load((name, bytes): &(String, Vec<u8>)) -> Module {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    let runtime = RUNTIME.get_or_init(|| {
        let compiler = ChildCompiler::new(
            ChildProgram::at(binary()),
            CompileLimits::default(),
            Confinement::default(),
        );
        let config = RuntimeConfig {
            compiler: Arc::new(compiler),
            ..RuntimeConfig::default()
        };
        Runtime::new(config).unwrap()
    });
    let file = format!("{name}.wasm");
    let module = runtime.load_bytes(bytes, &file, name, &ResourceLimits::default());
    module.unwrap()
}

#[derive(Default)]
struct Lines(Mutex<Vec<(LogLevel, String)>>);

impl LogSink for Lines {
    fn line(&self, _strategy: &str, level: LogLevel, text: &str) {
        self.0.lock().unwrap().push((level, text.to_owned()));
    }
}

fn options(module: &Module, log: Arc<Lines>) -> StartOptions {
    let given = BTreeMap::from([("every".to_owned(), TRADES_PER_ORDER.to_string())]);
    StartOptions {
        name: module.name().to_owned(),
        parameters: module.manifest().resolve(&given).unwrap(),
        limits: ResourceLimits::default(),
        registry: Arc::new(Registry::new()),
        log,
    }
}

/// The view of a strategy that has used the numbers before this one.
fn book(next_order: OrderNumber) -> Box<StrategyBook> {
    let mut portfolio = Portfolio::default();
    portfolio.open_strategy(StrategyId(0), &[], next_order);
    portfolio.close_strategy(StrategyId(0)).unwrap()
}

fn start(module: &Module) -> Instance {
    let started = module.start(options(module, Arc::default()), &mut book(1));
    started.unwrap()
}

/// Trades around a price that wanders, a quote after every third. Sizes are above what a double holds exactly.
fn market() -> Vec<Event> {
    let (mut price, mut random) = (6_000_000i64, 7u64);
    (0..EVENTS)
        .map(|index| {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            price += (random % 201) as i64 - 100;
            let ts = index as i64 * 1_000;
            let event = if index % 4 == 3 {
                let quote = Quote {
                    reserved: Pad::ZERO,
                    instrument: InstrumentId(3),
                    pad: Pad::ZERO,
                    bid: Price(price - 1),
                    bid_size: Size(1),
                    ask: Price(price + 1),
                    ask_size: Size(1),
                };
                Event::new(ts, ts, quote)
            } else {
                let trade = Trade {
                    reserved: Pad::ZERO,
                    instrument: InstrumentId((random % 4) as u32),
                    aggressor: Aggressor::Seller,
                    pad: Pad::ZERO,
                    price: Price(price),
                    size: Size((1 << 53) + 1 + index as i64),
                    trade_id: u64::MAX - EVENTS + index,
                };
                Event::new(ts, ts, trade)
            };
            event.with_sequence(index)
        })
        .collect()
}

/// What every module is to do, in the language of the host.
fn expected(events: &[Event]) -> Vec<Action> {
    let (mut trades, mut mean, mut order) = (0, 0.0, 1);
    let mut actions = Vec::new();
    for event in events {
        let Body::Trade(trade) = event.body() else {
            continue;
        };
        let price = trade.price.0 as f64;
        mean = match trades {
            0 => price,
            _ => mean + (price - mean) / 64.0,
        };
        trades += 1;
        if trades % TRADES_PER_ORDER == 0 {
            actions.push(Action::Submit(Submit {
                order,
                instrument: trade.instrument,
                side: if price < mean { Side::Buy } else { Side::Sell },
                kind: OrderType::Limit,
                time_in_force: TimeInForce::Gtc,
                size: trade.size,
                price: trade.price,
                stop_price: Price(0),
                ..Submit::EMPTY
            }));
            order += 1;
        }
    }
    actions
}

/// What an instance decides if it gets at most so many events at a time.
fn decide(instance: &mut Instance, events: &[Event], batch: usize) -> Vec<Action> {
    let (mut book, mut actions) = (Box::default(), Vec::new());
    let mut left = events;
    while !left.is_empty() {
        let batch = &left[..batch.min(left.len())];
        let consumed = instance.on_events(batch, &mut book, &mut actions);
        left = &left[consumed.unwrap()..];
    }
    actions
}

#[test]
fn a_module_of_every_toolchain_loads_under_the_default_limits() {
    for module in modules() {
        let name = module.name();
        assert_eq!(module.manifest().name.to_string(), name);
        let log = Arc::new(Lines::default());
        module
            .start(options(module, Arc::clone(&log)), &mut book(1))
            .unwrap();
        let line = format!("an order every {TRADES_PER_ORDER} trades");
        assert_eq!(*log.0.lock().unwrap(), [(LogLevel::Info, line)], "{name}");
    }
}

#[test]
fn modules_of_all_toolchains_decide_the_same_in_batches_of_any_length() {
    let market = market();
    let expected = expected(&market);
    let buys =
        |action: &&Action| matches!(action, Action::Submit(order) if order.side == Side::Buy);
    let buys = expected.iter().filter(buys).count();
    assert!(expected.len() == 200 && (50..150).contains(&buys), "{buys}");
    for module in modules() {
        for batch in [1, 7, 256] {
            let decided = decide(&mut start(module), &market, batch);
            assert_eq!(decided, expected, "{} in batches of {batch}", module.name());
        }
    }
}

#[test]
fn modules_of_all_toolchains_go_on_from_a_saved_state() {
    let market = market();
    let expected = expected(&market);
    let (before, after) = market.split_at(market.len() / 2 + 1);
    for module in modules() {
        let mut first = start(module);
        let mut decided = decide(&mut first, before, 256);
        let state = State {
            schema: module.manifest().state_schema,
            bytes: first.save().unwrap().unwrap(),
        };
        drop(first);
        let next_order = decided.len() as OrderNumber + 1;
        let restored = module.restore(
            options(module, Arc::default()),
            &mut book(next_order),
            &state,
        );
        decided.extend(decide(&mut restored.unwrap(), after, 256));
        assert_eq!(decided, expected, "{}", module.name());
    }
}

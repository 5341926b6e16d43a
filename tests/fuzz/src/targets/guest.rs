//! Guests in the real host: loaded, described, started, given events, saved, restored, stopped. Whatever they are, each call ends
//! within its limits with a result or a fault.

#[path = "../../../support/guests.rs"]
mod guests;

use crate::dice::Dice;
use crate::targets::settings::registry;
use arbitrary::Unstructured;
pub(crate) use guests::Guest;
use std::sync::{Arc, OnceLock};
use tickdeck_engine::port::{State, StopReason, Strategy as _};
use tickdeck_model::{Aggressor, Event, InstrumentId, Pad, Price, Size, Trade};
use tickdeck_portfolio::StrategyBook;
use tickdeck_strategy::{
    LogLevel, LogSink, Module, ResourceLimits, Runtime, RuntimeConfig, StartOptions,
};
use wasm_smith::Config;

/// Short, so that a guest that spins costs little.
const LIMITS: ResourceLimits = ResourceLimits {
    memory_mib: 8,
    time_ms: 5,
    lifecycle_ms: 20,
    handover_ms: 20,
    log_lines_per_s: 100,
};

/// Bytes that a module of wasm-smith is made from.
const MOST_BYTES: usize = 4 << 10;

/// A module with the exports of a strategy and bodies by chance.
pub(crate) fn make(dice: &mut Dice) -> Vec<u8> {
    let length = 64 + dice.below(MOST_BYTES);
    let bytes = dice.bytes(length);
    let config = Config {
        exports: Some(shape().exports.clone()),
        export_everything: false,
        max_memories: 1 + dice.below(3),
        max_memory32_bytes: 1 << (16 + dice.below(8)),
        max_tables: 1 + dice.below(4),
        max_table_elements: 1 << dice.below(16),
        max_funcs: 16 + dice.below(64),
        max_instructions: 50 + dice.below(500),
        min_funcs: 8,
        allow_start_export: dice.one_in(4),
        simd_enabled: dice.one_in(2),
        // The rest is off in this host, and refusing it is not what is to be found here; now and then it is.
        threads_enabled: dice.one_in(40),
        gc_enabled: dice.one_in(40),
        exceptions_enabled: dice.one_in(40),
        memory64_enabled: dice.one_in(40),
        relaxed_simd_enabled: dice.one_in(40),
        tail_call_enabled: dice.one_in(8),
        ..Config::default()
    };
    let made = wasm_smith::Module::new(config, &mut Unstructured::new(&bytes));
    let module = made.map_or_else(|_| shape().exports.clone(), |module| module.to_bytes());
    [module, shape().component_type.clone()].concat()
}

/// What makes a module of wasm-smith a strategy.
struct Shape {
    /// A module with the exports.
    exports: Vec<u8>,
    /// The custom section with the type of the world.
    component_type: Vec<u8>,
}

fn shape() -> &'static Shape {
    static SHAPE: OnceLock<Shape> = OnceLock::new();
    SHAPE.get_or_init(|| {
        let guest = Guest::new();
        let exports = wat::parse_str(guest.wat()).expect("the text is right");
        let core = guests::embedded("(module)", &guests::contract(), "strategy");
        // Behind the header of an empty module.
        let component_type = core[8..].to_vec();
        Shape {
            exports,
            component_type,
        }
    })
}

/// Takes log lines and drops them.
struct Silent;

impl LogSink for Silent {
    fn line(&self, _: &str, _: LogLevel, _: &str) {}
}

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new(RuntimeConfig::default()).expect("the runtime starts"))
}

pub(crate) fn run(input: &[u8]) {
    if let Ok(module) = runtime().load_bytes(input, "guest.wasm", "guest", &LIMITS) {
        live(&module);
    }
}

/// Takes a strategy through its life.
fn live(module: &Module) {
    let parameters = module.manifest().resolve(&Default::default());
    let options = || StartOptions {
        name: "guest".to_owned(),
        parameters: parameters.clone().unwrap_or_default(),
        limits: LIMITS,
        registry: Arc::new(registry()),
        log: Arc::new(Silent),
    };
    let _ = module
        .manifest()
        .wants(&options().parameters, &mut registry());
    let mut book = Box::<StrategyBook>::default();
    let Ok(mut instance) = module.start(options(), &mut book) else {
        return;
    };
    let mut actions = Vec::new();
    for length in [1, 3, 8] {
        if instance
            .on_events(&batch(length), &mut book, &mut actions)
            .is_err()
        {
            break;
        }
    }
    let saved = instance.save();
    let _ = instance.stop(StopReason::Shutdown);
    if let Ok(Ok(bytes)) = saved {
        let state = State { schema: 1, bytes };
        let _ = module.restore(options(), &mut book, &state);
    }
}

fn batch(count: u64) -> Vec<Event> {
    let trade = Trade {
        reserved: Pad::ZERO,
        instrument: InstrumentId(0),
        aggressor: Aggressor::Buyer,
        pad: Pad::ZERO,
        price: Price(100),
        size: Size(5),
        trade_id: 7,
    };
    let event = |at: u64| Event::new(1, 1, trade).with_sequence(at);
    (0..count).map(event).collect()
}

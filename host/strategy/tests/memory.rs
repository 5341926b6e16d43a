//! All host memory that a guest uses counts towards one limit, is shown for its strategy, and is freed with it; and instances
//! are created and dropped where nobody waits.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, where a panic is the report"
)]

#[path = "../../../tests/support/guests.rs"]
mod guests;

use guests::Guest;
use rustix::time::{ClockId, clock_gettime};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tickdeck_engine::port::{Code as _, Strategy as _};
use tickdeck_model::{Aggressor, Event, InstrumentId, Pad, Price, Registry, Size, Trade};
use tickdeck_strategy::{
    Discard, Instance, LoadError, Module, Program, ResourceLimits, Runtime, RuntimeConfig,
    StartOptions,
};

const LIMITS: ResourceLimits = ResourceLimits {
    memory_mib: 2,
    time_ms: 2_000,
    lifecycle_ms: 10_000,
    handover_ms: 40,
    log_lines_per_s: 200,
};

/// How long anything expected may take on a busy machine.
const DEADLINE: Duration = Duration::from_secs(20);

fn runtime() -> Runtime {
    Runtime::new(RuntimeConfig::default()).unwrap()
}

fn options(name: &str) -> StartOptions {
    StartOptions {
        name: name.to_owned(),
        parameters: Vec::new(),
        limits: LIMITS,
        registry: Arc::new(Registry::new()),
        log: Arc::new(Discard),
    }
}

fn load(runtime: &Runtime, guest: &Guest) -> Result<Module, LoadError> {
    runtime.load_bytes(&guest.component(), "ema.wasm", "ema", &LIMITS)
}

fn refused(runtime: &Runtime, guest: &Guest) -> String {
    load(runtime, guest).unwrap_err().to_string()
}

fn start(runtime: &Runtime, guest: &Guest) -> Instance {
    let module = load(runtime, guest).unwrap();
    module.start(options("ema"), &mut Box::default()).unwrap()
}

fn event() -> Event {
    let trade = Trade {
        reserved: Pad::ZERO,
        instrument: InstrumentId(0),
        aggressor: Aggressor::Buyer,
        pad: Pad::ZERO,
        price: Price(100),
        size: Size(5),
        trade_id: 7,
    };
    Event::new(1, 1, trade).with_sequence(17)
}

fn attack(name: &str) -> Vec<u8> {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/sandbox");
    std::fs::read(format!("{folder}/{name}.wasm")).unwrap()
}

/// Waits for another thread to do something.
fn eventually(what: &str, mut look: impl FnMut() -> bool) {
    let deadline = Instant::now() + DEADLINE;
    while !look() {
        assert!(Instant::now() < deadline, "waited in vain: {what}");
        std::thread::yield_now();
    }
}

/// A guest with this many tables, which grow by 1,024 elements each at every batch until they are refused.
fn with_tables(tables: usize) -> Guest {
    let mut items = String::new();
    let mut grows = String::new();
    for table in 0..tables {
        items += &format!("(table $t{table} 0 funcref)");
        grows += &format!("(drop (table.grow $t{table} (ref.null func) (i32.const 1024)))");
    }
    Guest::new().item(&items).on_events(&format!(
        "{grows} (call $answer (local.get $len) (i32.const 0) (i32.const 0))"
    ))
}

#[test]
fn tables_count_towards_the_memory_limit_and_growth_is_refused_at_it() {
    let runtime = runtime();
    let mut instance = start(&runtime, &with_tables(20));
    let (mut book, mut actions) = (Box::default(), Vec::new());
    let before = instance.memory_bytes();
    for _ in 0..20 {
        assert_eq!(
            instance.on_events(&[event()], &mut book, &mut actions),
            Ok(1)
        );
    }
    let after = instance.memory_bytes();
    assert!(after > before + (1 << 20), "{before}, then {after}");
    assert!(after <= 2 << 20, "{after}");
}

#[test]
fn tables_that_are_large_from_the_start_are_refused_with_the_setting() {
    let large = Guest::new().item("(table 200000 funcref)");
    let text = refused(&runtime(), &large);
    assert!(
        text.contains("asked for 4 MiB of memory, the limit is 2 MiB: raise `memory_mib`"),
        "{text}"
    );
}

#[test]
fn globals_and_functions_count_towards_the_memory_limit() {
    let global = "(global (mut i64) (i64.const 0))";
    let few = start(&runtime(), &Guest::new().item(&global.repeat(1_000)));
    let none = start(&runtime(), &Guest::new());
    assert_eq!(few.memory_bytes() - none.memory_bytes(), 16_000);
    let text = refused(&runtime(), &Guest::new().item(&"(func)".repeat(40_000)));
    assert!(
        text.contains("functions take 3 MiB, the limit is 2 MiB: raise `memory_mib`"),
        "{text}"
    );
}

#[test]
fn the_attacks_on_memory_are_refused_or_held_to_their_limit() {
    let runtime = runtime();
    let limits = ResourceLimits::default();
    let load = |name: &str| runtime.load_bytes(&attack(name), name, name, &limits);
    let text = load("mems-250").unwrap_err().to_string();
    assert!(text.contains("memories, and the maximum is 8"), "{text}");
    let text = load("inst-30-2m").unwrap_err().to_string();
    assert!(text.contains("and the maximum is "), "{text}");
    // It is refused, or runs within its limit.
    if let Ok(module) = load("tables-100") {
        let options = StartOptions {
            limits,
            ..options("tables-100")
        };
        let mut instance = module.start(options, &mut Box::default()).unwrap();
        let (mut book, mut actions) = (Box::default(), Vec::new());
        for _ in 0..200 {
            let handled = instance.on_events(&[event()], &mut book, &mut actions);
            if handled.is_err() {
                break;
            }
        }
        assert!(instance.memory_bytes() <= 64 << 20);
    }
    assert!(runtime.memory().bytes() <= 64 << 20);
}

#[test]
fn the_account_shows_a_strategys_instances_and_is_empty_when_they_are_gone() {
    let runtime = runtime();
    let memory = runtime.memory();
    let grows = "(drop (memory.grow (i32.const 20))) (call $answer (local.get $len) (i32.const 0) (i32.const 0))";
    let limits = ResourceLimits {
        memory_mib: 8,
        ..LIMITS
    };
    let module = load(&runtime, &Guest::new().on_events(grows)).unwrap();
    assert_eq!((memory.bytes(), memory.addresses()), (0, 0), "no instance");
    let started = |name: &str| {
        let options = StartOptions {
            limits,
            ..options(name)
        };
        module.start(options, &mut Box::default()).unwrap()
    };
    let mut one = started("one");
    let two = started("two");
    assert_eq!(memory.bytes_of("one"), memory.bytes_of("two"));
    assert!(memory.addresses() >= 8 << 30);
    let (mut book, mut actions) = (Box::default(), Vec::new());
    for _ in 0..3 {
        one.on_events(&[event()], &mut book, &mut actions).unwrap();
    }
    assert!(memory.bytes_of("one") >= 4 << 20);
    assert_eq!(
        memory.bytes(),
        memory.bytes_of("one") + memory.bytes_of("two")
    );
    drop(two);
    assert_eq!(memory.bytes(), memory.bytes_of("one"));
    drop(one);
    assert_eq!((memory.bytes(), memory.addresses()), (0, 0));
}

#[test]
fn a_strategy_that_finds_the_decks_memory_used_up_faults_and_is_told_why() {
    let runtime = runtime();
    runtime.memory().set_bound(5 << 20);
    let grows = "(drop (memory.grow (i32.const 48))) (call $answer (local.get $len) (i32.const 0) (i32.const 0))";
    let limits = ResourceLimits {
        memory_mib: 64,
        ..LIMITS
    };
    let module = load(&runtime, &Guest::new().on_events(grows)).unwrap();
    let started = |name: &str| {
        let options = StartOptions {
            limits,
            ..options(name)
        };
        module.start(options, &mut Box::default())
    };
    let _modest = started("modest").unwrap();
    let mut greedy = started("greedy").unwrap();
    let (mut book, mut actions) = (Box::default(), Vec::new());
    let fault = greedy
        .on_events(&[event()], &mut book, &mut actions)
        .unwrap_err();
    let why =
        "all strategies together would take more than 5 MiB: raise `deck_memory_mib` under [wasm]";
    assert!(fault.0.contains(why), "{fault}");
    let third = started("third").unwrap_err();
    assert!(third.0.contains(why), "{third}");
    drop(greedy);
    started("third").unwrap();
    // A part of the bound is kept from new modules.
    let _third = started("third").unwrap();
    let text = refused(&runtime, &Guest::new().named("new"));
    assert!(text.contains(why), "{text}");
}

/// A guest whose instantiation takes this many turns of a loop.
fn heavy(turns: u64) -> Guest {
    Guest::new().item(&format!(
        "(func $heavy (local $left i64) (local.set $left (i64.const {turns}))
           (loop $again
             (local.set $left (i64.sub (local.get $left) (i64.const 1)))
             (br_if $again (i64.ne (local.get $left) (i64.const 0)))))
         (start $heavy)"
    ))
}

fn thread_time() -> Duration {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(
        now.tv_sec.unsigned_abs(),
        u32::try_from(now.tv_nsec).unwrap(),
    )
}

fn took<T>(call: impl FnOnce() -> T) -> (Duration, T) {
    let begun = thread_time();
    let done = call();
    (thread_time() - begun, done)
}

#[test]
fn a_spare_is_made_elsewhere_and_only_started_where_others_wait() {
    let runtime = runtime();
    runtime.make_spares();
    let module = load(&runtime, &heavy(200_000_000)).unwrap();
    let program = Program::new(module, options("ema"));
    let (making, first) = took(|| program.start(&mut Box::default()));
    let first = first.unwrap();
    for _ in 0..3 {
        eventually("a spare", || program.is_ready());
        let (starting, second) = took(|| program.start_in_place(&mut Box::default()));
        second.unwrap();
        assert!(
            starting < making / 4,
            "made in {making:?}, started in {starting:?}"
        );
    }
    drop(first);
}

#[test]
fn what_is_made_or_started_where_others_wait_has_the_limit_of_a_handover() {
    let runtime = runtime();
    // Without spares, as in a replay.
    let module = load(&runtime, &heavy(400_000_000)).unwrap();
    let program = Program::new(module, options("ema"));
    let fault = program.start_in_place(&mut Box::default()).err().unwrap();
    assert!(
        fault.0.contains("instantiation: endless loop") && fault.0.contains("`handover_ms`"),
        "{fault}"
    );
    let spins = Guest::new().init("(call $spin) (i32.const 0)");
    let program = Program::new(load(&runtime, &spins).unwrap(), options("ema"));
    let fault = program.start_in_place(&mut Box::default()).err().unwrap();
    assert!(
        fault.0.contains("init: endless loop") && fault.0.contains("`handover_ms`"),
        "{fault}"
    );
}

#[test]
fn a_part_of_the_decks_memory_is_kept_from_programs_that_never_ran() {
    let runtime = runtime();
    let module = load(&runtime, &Guest::new()).unwrap();
    runtime.memory().set_bound(5 << 20);
    let program = |name: &str| Program::new(module.clone(), options(name));
    let (known, new) = (program("known"), program("new"));
    let _first = known.start(&mut Box::default()).unwrap();
    let refused = new.start(&mut Box::default()).err().unwrap();
    assert!(refused.0.contains("`deck_memory_mib`"), "{refused}");
    known.start_in_place(&mut Box::default()).unwrap();
}

#[test]
fn a_program_that_had_no_memory_for_a_spare_is_started_once_there_is_some() {
    let runtime = runtime();
    runtime.make_spares();
    let program = Program::new(load(&runtime, &Guest::new()).unwrap(), options("ema"));
    runtime.memory().set_bound(3 << 20);
    let _first = program.start(&mut Box::default()).unwrap();
    eventually("an answer", || program.is_ready());
    runtime.memory().set_bound(64 << 20);
    program.start_in_place(&mut Box::default()).unwrap();
}

#[test]
fn an_instance_of_a_program_knows_the_cpu_time_of_its_thread() {
    let runtime = runtime();
    let program = Program::new(load(&runtime, &Guest::new()).unwrap(), options("ema"));
    let started = program.start(&mut Box::default()).unwrap();
    assert!(started.thread_time_ns().is_some());
}

#[test]
fn instances_of_a_program_are_dropped_elsewhere_and_leave_nothing() {
    let runtime = runtime();
    runtime.make_spares();
    let module = load(&runtime, &Guest::new()).unwrap();
    let program = Program::new(module, options("ema"));
    let one = program.start(&mut Box::default()).unwrap();
    eventually("a spare", || program.is_ready());
    assert!(
        runtime.memory().bytes_of("ema") >= 4 << 20,
        "with the spare"
    );
    drop(one);
    drop(program);
    eventually("nothing is left", || runtime.memory().bytes() == 0);
}

#[test]
fn a_spare_that_cannot_be_made_says_why_when_it_is_needed() {
    let runtime = runtime();
    runtime.make_spares();
    let program = Program::new(load(&runtime, &Guest::new()).unwrap(), options("ema"));
    runtime.memory().set_bound(3 << 20);
    let _first = program.start(&mut Box::default()).unwrap();
    eventually("an answer", || program.is_ready());
    let fault = program.start_in_place(&mut Box::default()).err().unwrap();
    assert!(fault.0.contains("`deck_memory_mib`"), "{fault}");
}

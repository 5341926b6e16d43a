//! Guests that misbehave: each is ended within its limits, with a text that says what, where and what to change; the
//! host and the caller's book come through.

#![allow(
    clippy::unwrap_used,
    reason = "helpers of tests, where a panic is the report"
)]

#[path = "../../../tests/support/guests.rs"]
mod guests;

use guests::Guest;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};
use tickdeck_engine::port::{State, StopReason, Strategy as _};
use tickdeck_model::{
    Action, Aggressor, Event, InstrumentId, Pad, Price, Registry, Size, Trade, Untrusted,
};
use tickdeck_portfolio::StrategyBook;
use tickdeck_strategy::{
    Instance, LoadError, LogLevel, LogSink, Module, ResourceLimits, Runtime, RuntimeConfig,
    StartOptions, World,
};

const LIMITS: ResourceLimits = ResourceLimits {
    memory_mib: 8,
    time_ms: 20,
    lifecycle_ms: 60,
    handover_ms: 40,
    log_lines_per_s: 200,
};

/// Time that a call may take beyond its limit on a busy machine.
const SLACK: Duration = Duration::from_secs(2);

fn runtime() -> &'static Runtime {
    static RUNTIME: OnceLock<Runtime> = OnceLock::new();
    RUNTIME.get_or_init(|| Runtime::new(RuntimeConfig::default()).unwrap())
}

#[derive(Default)]
struct Lines(Mutex<Vec<(LogLevel, String)>>);

impl LogSink for Lines {
    fn line(&self, _strategy: &str, level: LogLevel, text: &str) {
        self.0.lock().unwrap().push((level, text.to_owned()));
    }
}

fn options(log: Arc<Lines>) -> StartOptions {
    StartOptions {
        name: "ema".to_owned(),
        parameters: Vec::new(),
        limits: LIMITS,
        registry: Arc::new(Registry::new()),
        log,
    }
}

fn empty() -> State {
    State {
        schema: 1,
        bytes: Vec::new(),
    }
}

fn load_bytes(bytes: &[u8]) -> Result<Module, LoadError> {
    runtime().load_bytes(bytes, "ema.wasm", "ema", &LIMITS)
}

fn load(guest: &Guest) -> Module {
    load_bytes(&guest.component()).unwrap()
}

fn start(guest: &Guest) -> Instance {
    load(guest)
        .start(options(Arc::default()), &mut Box::default())
        .unwrap()
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
    (0..count)
        .map(|index| Event::new(1, 1, trade).with_sequence(17 + index))
        .collect()
}

/// Runs one batch and returns the fault's text.
fn fault_of(instance: &mut Instance, events: u64) -> String {
    let (mut book, mut actions) = (Box::<StrategyBook>::default(), Vec::new());
    let at = std::ptr::from_ref::<StrategyBook>(&book);
    let fault = instance
        .on_events(&batch(events), &mut book, &mut actions)
        .unwrap_err();
    assert!(
        std::ptr::eq(at, &*book),
        "the caller has its own book again"
    );
    assert!(actions.is_empty(), "nothing of a faulty answer is used");
    assert!(!instance.is_alive());
    let again = instance
        .on_events(&batch(1), &mut book, &mut actions)
        .unwrap_err();
    assert!(
        again.0.starts_with("ended earlier: ") && again.0.contains(&fault.0),
        "{again}"
    );
    fault.0
}

fn assert_has(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "`{part}` is not in: {text}");
    }
}

#[test]
fn a_state_is_saved_into_the_callers_buffer() {
    let mut instance = start(&Guest::new());
    let mut state = Vec::with_capacity(64);
    state.push(1);
    let address = state.as_ptr();
    instance.save_into(&mut state).unwrap().unwrap();
    assert_eq!(state, 0u64.to_le_bytes());
    assert_eq!(state.as_ptr(), address);
}

#[test]
fn modules_of_one_content_share_their_code_while_one_of_them_exists() {
    use tickdeck_strategy::CacheUse;
    let bytes = Guest::new().named("shared").component();
    let cache = |module: &Module| module.inspection().cache.clone();
    let first = load_bytes(&bytes).unwrap();
    let second = load_bytes(&bytes).unwrap();
    assert_eq!(
        [cache(&first), cache(&second)],
        [CacheUse::Off, CacheUse::Hit]
    );
    drop((first, second));
    assert_eq!(cache(&load_bytes(&bytes).unwrap()), CacheUse::Off);
}

#[test]
fn a_valid_guest_runs_saves_and_restores_in_both_worlds() {
    for (guest, world) in [
        (Guest::new(), World::Strategy),
        (Guest::new().bytes(), World::StrategyBytes),
    ] {
        let module = load(&guest);
        assert_eq!(module.world(), world);
        assert_eq!(
            module.manifest().messages,
            ["first", "second"].map(Untrusted::new)
        );
        let mut instance = module
            .start(options(Arc::default()), &mut Box::default())
            .unwrap();
        let (mut book, mut actions) = (Box::default(), Vec::new());
        assert_eq!(
            instance.on_events(&batch(3), &mut book, &mut actions),
            Ok(3)
        );
        assert_eq!(
            instance.on_events(&batch(64), &mut book, &mut actions),
            Ok(64)
        );
        let bytes = instance.save().unwrap().unwrap();
        assert_eq!(bytes, 67u64.to_le_bytes());
        let state = State { schema: 1, bytes };
        let other = State {
            schema: 2,
            ..state.clone()
        };
        instance.stop(StopReason::Replaced).unwrap();
        let mut next = module
            .restore(options(Arc::default()), &mut Box::default(), &state)
            .unwrap();
        assert_eq!(next.on_events(&batch(1), &mut book, &mut actions), Ok(1));
        assert_eq!(next.save().unwrap().unwrap(), 68u64.to_le_bytes());
        let refused = module
            .restore(options(Arc::default()), &mut Box::default(), &other)
            .unwrap_err();
        assert_has(&refused.0, &["cannot read states of schema 2", "[1]"]);
    }
}

#[test]
fn a_core_module_is_accepted_as_it_is() {
    let guest = Guest::new();
    let module = load_bytes(&guest.core()).unwrap();
    assert_eq!(module.manifest(), load(&guest).manifest());
    assert_ne!(module.hash(), load(&guest).hash(), "the hash is the file's");
}

#[test]
fn actions_come_through_in_both_worlds() {
    let body = "(call $put (i32.const 0) (i32.const 2) (i64.const 11)) (call $put (i32.const 1) (i32.const 5) (i64.const 12))
         (call $answer (i32.const 1) (i32.const 8192) (i32.const 2))";
    for guest in [Guest::new(), Guest::new().bytes()] {
        let mut instance = start(&guest.on_events(body));
        let (mut book, mut actions) = (Box::default(), Vec::new());
        assert_eq!(
            instance.on_events(&batch(3), &mut book, &mut actions),
            Ok(1)
        );
        assert_eq!(actions, [Action::Cancel(11), Action::ClearTimer(12)]);
    }
}

#[test]
fn an_endless_loop_ends_in_every_function() {
    let spin = |rest: &str| format!("(call $spin) {rest}");
    let within = |limit_ms: u32, what: &str, call: &mut dyn FnMut() -> String| {
        let begun = Instant::now();
        let text = call();
        let took = begun.elapsed();
        assert!(
            took >= Duration::from_millis(limit_ms.into()),
            "{what} took {took:?}: {text}"
        );
        assert!(
            took <= Duration::from_millis(limit_ms.into()) + SLACK,
            "{what} took {took:?}"
        );
        let stopped = format!("stopped after {limit_ms} ms of CPU time");
        assert_has(
            &text,
            &["`ema`", what, "endless loop", &stopped, "_ms` for `ema`"],
        );
    };
    let guest = Guest::new().on_events(&spin("(i32.const 0)"));
    within(20, "on-events (events 17 to 19)", &mut || {
        fault_of(&mut start(&guest), 3)
    });
    let guest = guest.bytes();
    within(20, "on-events (event 17)", &mut || {
        fault_of(&mut start(&guest), 1)
    });

    let guest = Guest::new().describe(&spin("(i32.const 0)"));
    within(60, "describe", &mut || {
        load_bytes(&guest.component()).unwrap_err().to_string()
    });
    let guest = Guest::new().init(&spin("(i32.const 0)"));
    within(60, "init", &mut || {
        load(&guest)
            .start(options(Arc::default()), &mut Box::default())
            .unwrap_err()
            .0
    });
    let guest = Guest::new().restore(&spin("(i32.const 0)"));
    within(40, "restore", &mut || {
        load(&guest)
            .restore(options(Arc::default()), &mut Box::default(), &empty())
            .unwrap_err()
            .0
    });
    let guest = Guest::new().save(&spin("(i32.const 0)"));
    within(40, "save", &mut || start(&guest).save().unwrap_err().0);
    let guest = Guest::new().stop(&spin(""));
    within(40, "stop", &mut || {
        start(&guest).stop(StopReason::Shutdown).unwrap_err().0
    });
    let guest = Guest::new().item("(start $spin)");
    within(60, "instantiation", &mut || {
        load_bytes(&guest.component()).unwrap_err().to_string()
    });
}

#[test]
fn memory_ends_at_its_limit_and_the_text_names_the_setting() {
    let text = fault_of(
        &mut start(&Guest::new().on_events("(call $bomb) (i32.const 0)")),
        1,
    );
    assert_has(
        &text,
        &["asked for 17 MiB of memory, the limit is 8 MiB: raise `memory_mib` for `ema`"],
    );
    let large = Guest::new()
        .item("(func (export \"grow\") unreachable)")
        .wat()
        .replace("\"memory\") 4)", "\"memory\") 256)");
    let large = guests::encoded(&guests::embedded(&large, &guests::contract(), "strategy"));
    let text = load_bytes(&large).unwrap_err().to_string();
    assert_has(
        &text,
        &[
            "instantiation",
            "asked for 17 MiB of memory, the limit is 8 MiB",
        ],
    );
}

#[test]
fn a_guest_that_is_refused_memory_may_continue_without_it() {
    let body = "(drop (memory.grow (i32.const 1000))) (call $answer (local.get $len) (i32.const 0) (i32.const 0))";
    let mut instance = start(&Guest::new().on_events(body));
    let (mut book, mut actions) = (Box::default(), Vec::new());
    assert_eq!(
        instance.on_events(&batch(2), &mut book, &mut actions),
        Ok(2)
    );
    let bytes = instance.memory_bytes();
    assert_eq!(bytes / 65_536, 4, "and little besides its memory: {bytes}");
}

#[test]
fn deep_recursion_is_a_trap_on_a_small_stack_too() {
    let mut instance = start(&Guest::new().on_events("(call $dive)"));
    assert_has(
        &fault_of(&mut instance, 1),
        &["stack overflow", "\n  at ", "dive"],
    );
}

#[test]
fn a_panic_reports_the_last_log_line_and_the_place() {
    let guest = Guest::new().says("panicked at src/lib.rs:10").on_events(
        "(call $take (local.get $len)) (if (i64.gt_u (global.get $seen) (i64.const 5)) (then (call $say) unreachable))
         (call $answer (local.get $len) (i32.const 0) (i32.const 0))",
    );
    let log = Arc::new(Lines::default());
    let mut instance = load(&guest)
        .start(options(log.clone()), &mut Box::default())
        .unwrap();
    let (mut book, mut actions) = (Box::default(), Vec::new());
    assert_eq!(
        instance.on_events(&batch(5), &mut book, &mut actions),
        Ok(5)
    );
    let text = fault_of(&mut instance, 1);
    assert_has(
        &text,
        &[
            "strategy `ema`, on-events (event 17): unreachable executed",
            "its last log line: panicked at src/lib.rs:10",
            "\n  at ",
            "handle",
        ],
    );
    assert_eq!(
        *log.0.lock().unwrap(),
        [(LogLevel::Error, "panicked at src/lib.rs:10".to_owned())]
    );
}

#[test]
fn too_many_actions_are_refused_before_they_are_copied() {
    // A million actions of the typed world would be 56 MB, far beyond the guest's memory.
    for (count, said) in [
        (257, "returned 257 actions, the limit is 256"),
        (1_000_000, "returned 1000000 actions"),
    ] {
        let body = format!("(call $answer (i32.const 1) (i32.const 8192) (i32.const {count}))");
        for guest in [Guest::new(), Guest::new().bytes()] {
            assert_has(&fault_of(&mut start(&guest.on_events(&body)), 1), &[said]);
        }
    }
    let mut most = start(&Guest::new().on_events(
        "(local $i i32) (loop $next (call $put (local.get $i) (i32.const 5) (i64.const 1))
           (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 256))))
         (call $answer (i32.const 1) (i32.const 8192) (i32.const 256))",
    ));
    let (mut book, mut actions) = (Box::default(), Vec::new());
    assert_eq!(most.on_events(&batch(1), &mut book, &mut actions), Ok(1));
    assert_eq!(actions.len(), 256);
}

#[test]
fn a_malformed_answer_is_named() {
    let answer = |consumed: u32, pointer: u32, count: u32| {
        format!("(call $answer (i32.const {consumed}) (i32.const {pointer}) (i32.const {count}))")
    };
    let put = |action: u8, word: u64| {
        format!("(call $put (i32.const 1) (i32.const {action}) (i64.const {word}))")
    };
    let good = "(call $put (i32.const 0) (i32.const 2) (i64.const 1))";
    let two = answer(1, 8_192, 2);
    let cases = [
        (answer(0, 0, 0), "consumed 0 events of a batch of 3"),
        (answer(4, 0, 0), "consumed 4 events of a batch of 3"),
        (answer(u32::MAX, 0, 0), "consumed 4294967295 events"),
        (
            format!("{good}{}{two}", put(200, 0)),
            "action 1 of its answer: discriminant 200 is not an action",
        ),
        (
            format!("{good}{}{two}", put(3, 9 << 32)),
            "action 1 of its answer: a field of `cancel-all`",
        ),
        (
            format!("{good}{}{two}", put(6, 2)),
            "`notify` of message 2, but the manifest lists 2",
        ),
        (answer(1, u32::MAX, 1), "list pointer"),
        (answer(1, 8_193, 1), "list pointer is not aligned"),
    ];
    for (body, said) in cases {
        assert_has(
            &fault_of(&mut start(&Guest::new().on_events(&body)), 3),
            &["on-events (events 17 to 19)", said],
        );
    }
    let torn = "(drop (call $answer (i32.const 1) (i32.const 8192) (i32.const 1))) (i32.store (i32.const 24) (i32.const 127)) (i32.const 16)";
    let text = fault_of(&mut start(&Guest::new().bytes().on_events(torn)), 1);
    assert_has(
        &text,
        &["returned 127 bytes of actions, which is not a multiple of 128"],
    );
}

#[test]
fn the_reason_of_a_refusal_is_passed_on() {
    let text = load(&Guest::new().init("(call $error)"))
        .start(options(Arc::default()), &mut Box::default())
        .unwrap_err()
        .0;
    assert_eq!(text, "strategy `ema`, init: refused: no");
    let mut instance = start(&Guest::new().save("(call $error)"));
    assert_eq!(
        instance.save().unwrap().unwrap_err(),
        "strategy `ema`, save: refused: no"
    );
    assert!(instance.is_alive(), "a refusal does not end it");
    let text = load(&Guest::new().restore("(call $error)"))
        .restore(options(Arc::default()), &mut Box::default(), &empty())
        .unwrap_err()
        .0;
    assert_eq!(text, "strategy `ema`, restore: refused: no");
}

#[test]
fn a_state_up_to_the_limit_is_saved_and_a_larger_one_is_refused() {
    let state = |bytes: u32| format!("(call $state (i32.const 0) (i32.const {bytes}))");
    let limits = ResourceLimits {
        memory_mib: 32,
        ..LIMITS
    };
    let most = 16 << 20;
    for (bytes, good) in [(most, true), (most + 1, false), (24 << 20, false)] {
        let guest = Guest::new().item("(func $grow (drop (memory.grow (i32.const 400))))");
        let guest = guest.save(&format!("(call $grow) {}", state(bytes)));
        let module = runtime()
            .load_bytes(&guest.component(), "ema.wasm", "ema", &limits)
            .unwrap();
        let mut instance = module
            .start(
                StartOptions {
                    limits,
                    ..options(Arc::default())
                },
                &mut Box::default(),
            )
            .unwrap();
        match instance.save() {
            Ok(Ok(state)) => assert!(good && state.len() == bytes as usize),
            Ok(Err(why)) => assert!(!good && why.contains("16 MiB"), "{why}"),
            Err(fault) => assert!(!good && fault.0.contains("16 MiB"), "{fault}"),
        }
    }
}

#[test]
fn the_store_can_be_read_only_while_the_strategy_runs() {
    let import = r#"(import "tickdeck:strategy/store@0.1.0" "position-size" (func $size (param i32) (result i64)))"#;
    let guest = Guest::new()
        .import(import)
        .item("(func $reads (drop (call $size (i32.const 0))))");
    let good = guest
        .clone()
        .init("(call $reads) (call $ok)")
        .on_events("(call $reads) (call $answer (local.get $len) (i32.const 0) (i32.const 0))");
    let (mut book, mut actions) = (Box::default(), Vec::new());
    let taken = start(&good).on_events(&batch(2), &mut book, &mut actions);
    assert_eq!(taken, Ok(2));
    let text = start(&guest.clone().save("(call $reads) (call $ok)"))
        .save()
        .unwrap_err()
        .0;
    assert_has(
        &text,
        &[
            "save",
            "the store can be read only in `init`, `restore` and `on-events`",
        ],
    );
    let text = start(&guest.stop("(call $reads)"))
        .stop(StopReason::Shutdown)
        .unwrap_err()
        .0;
    assert_has(&text, &["stop", "the store can be read only in"]);
}

#[test]
fn describe_may_only_log() {
    let import =
        r#"(import "tickdeck:strategy/instruments@0.1.0" "list" (func $list (param i32)))"#;
    let asks = Guest::new()
        .import(import)
        .describe("(call $list (i32.const 512)) (call $manifest)");
    let text = load_bytes(&asks.component()).unwrap_err().to_string();
    assert_has(
        &text,
        &["ema.wasm", "describe", "may call only the import `log`"],
    );
    let says = Guest::new()
        .says("hello")
        .describe("(call $say) (call $manifest)");
    assert_eq!(load(&says).manifest().name, "guest");
}

#[test]
fn a_log_is_limited_in_rate_and_sanitized() {
    let guest = Guest::new().says("red \\1b[31m").on_events(
        "(local $i i32) (loop $next (call $say)
           (br_if $next (i32.lt_u (local.tee $i (i32.add (local.get $i) (i32.const 1))) (i32.const 250))))
         (call $answer (local.get $len) (i32.const 0) (i32.const 0))",
    );
    let log = Arc::new(Lines::default());
    let mut instance = load(&guest)
        .start(options(log.clone()), &mut Box::default())
        .unwrap();
    let (mut book, mut actions) = (Box::default(), Vec::new());
    instance
        .on_events(&batch(1), &mut book, &mut actions)
        .unwrap();
    drop(instance);
    let lines = log.0.lock().unwrap();
    assert_has(&lines[0].1, &["red \\u{1b}["]);
    assert_eq!(lines.len(), 201);
    assert_eq!(lines[200].1, "50 lines dropped: more than 200 in a second");
}

#[test]
fn a_manifest_that_breaks_its_rules_is_refused_with_every_problem() {
    let guest = Guest::new()
        .named("no spaces please")
        .version("one")
        .messages(&[""]);
    let text = load_bytes(&guest.component()).unwrap_err().to_string();
    assert_has(
        &text,
        &[
            "ema.wasm: its manifest is not valid",
            "`no spaces please`",
            "`one`",
            "message 0",
        ],
    );
    let guest = Guest::new().parameter("symbol", None).trades("{symbol}");
    let text = load_bytes(&guest.component()).unwrap_err().to_string();
    assert_has(
        &text,
        &["needs parameter `symbol` to be of kind instrument, but it is text"],
    );
}

#[test]
fn a_core_module_that_does_not_match_its_type_is_refused() {
    let text = load_bytes(&Guest::new().without("save").core())
        .unwrap_err()
        .to_string();
    assert_has(
        &text,
        &[
            "ema.wasm: the core module does not match its component type",
            "save",
        ],
    );
}

#[test]
fn a_truncated_or_corrupted_file_is_never_accepted() {
    let component = Guest::new().component();
    for length in (0..component.len()).step_by(component.len() / 64) {
        let error = load_bytes(&component[..length]).unwrap_err().to_string();
        assert_has(&error, &["ema.wasm: "]);
    }
    let mut noise = component.clone();
    let mut seed = 1u64;
    for byte in &mut noise[8..] {
        seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        *byte = (seed >> 56) as u8;
    }
    let error = load_bytes(&noise).unwrap_err();
    assert!(matches!(error, LoadError::Damaged { .. }), "{error}");
    assert_has(
        &error.to_string(),
        &["ema.wasm: is damaged at byte", "build or copy it again"],
    );
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() })]

    /// A module with a few wrong bytes is loaded or refused; the host never panics.
    #[test]
    fn a_damaged_module_is_loaded_or_refused(
        core: bool,
        damage in proptest::collection::vec((0usize..100_000, 0u8..255), 1..4),
    ) {
        let guest = Guest::new();
        let mut bytes = if core { guest.core() } else { guest.component() };
        for (at, value) in damage {
            let at = at % bytes.len();
            bytes[at] = value;
        }
        if let Err(error) = load_bytes(&bytes) {
            proptest::prop_assert!(error.to_string().starts_with("ema.wasm: "));
        }
    }
}

/// `wit-component` recurses endlessly over packages that use each other; one wrong byte in a name is enough.
#[test]
fn packages_that_use_each_other_do_not_abort_the_host() {
    let core = Guest::new().core();
    let names = (0..core.len()).filter(|at| core[*at..].starts_with(b"tickdeck:"));
    let texts: Vec<String> = names
        .filter_map(|at| {
            let mut damaged = core.clone();
            damaged[at + 7] = b'j';
            load_bytes(&damaged).err().map(|error| error.to_string())
        })
        .collect();
    let undescribed = "its component type does not describe `hot`";
    assert!(
        texts.iter().any(|text| text.contains(undescribed)),
        "{texts:#?}"
    );
}

#[test]
fn another_layout_under_the_right_names_is_refused() {
    let wit = guests::wit_folder();
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(wit).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace(
            "bid-size: size,\n    /// Zero",
            "bid-size: u32,\n    /// Zero",
        );
        std::fs::write(folder.path().join(path.file_name().unwrap()), text).unwrap();
    }
    let mut resolve = wit_parser::Resolve::default();
    resolve.push_dir(folder.path()).unwrap();
    let core = guests::embedded(&Guest::new().wat(), &resolve, "strategy");
    let text = load_bytes(&guests::encoded(&core)).unwrap_err().to_string();
    assert_has(
        &text,
        &[
            "ema.wasm",
            "`on-events` does not match the contract",
            "bid-size",
            "expected `s64` found `u32`",
        ],
    );
    let text = load_bytes(&core).unwrap_err().to_string();
    assert_has(
        &text,
        &["ema.wasm", "its `events` differs from this host's contract"],
    );
}

#[test]
fn an_import_of_another_type_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    for entry in std::fs::read_dir(guests::wit_folder()).unwrap() {
        let path = entry.unwrap().path();
        let text = std::fs::read_to_string(&path).unwrap();
        let text = text.replace("write: func(level: level, ", "write: func(level: u32, ");
        std::fs::write(folder.path().join(path.file_name().unwrap()), text).unwrap();
    }
    let mut resolve = wit_parser::Resolve::default();
    resolve.push_dir(folder.path()).unwrap();
    let guest = Guest::new().says("hello").stop("(call $say)");
    let core = guests::embedded(&guest.wat(), &resolve, "strategy");
    let text = load_bytes(&core).unwrap_err().to_string();
    assert_has(&text, &["its `log` differs from this host's contract"]);
    let text = load_bytes(&guests::encoded(&core)).unwrap_err().to_string();
    assert_has(&text, &["ema.wasm: does not match contract 0.1.0", "write"]);
}

#[test]
fn compiled_code_is_cached_and_a_damaged_entry_is_compiled_again() {
    use tickdeck_strategy::{CacheConfig, CacheUse};
    let folder = tempfile::tempdir().unwrap();
    let cache = folder.path().join("cache");
    let component = Guest::new().component();
    let load = || {
        let config = RuntimeConfig {
            cache: Some(CacheConfig {
                folder: cache.clone(),
                key: folder.path().join("key"),
            }),
            ..RuntimeConfig::default()
        };
        let module = Runtime::new(config)
            .unwrap()
            .load_bytes(&component, "ema.wasm", "ema", &LIMITS)
            .unwrap();
        module
            .start(options(Arc::default()), &mut Box::default())
            .unwrap();
        module.inspection().cache.clone()
    };
    assert_eq!([load(), load()], [CacheUse::Stored, CacheUse::Hit]);
    let entries: Vec<_> = std::fs::read_dir(&cache)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    assert_eq!(entries.len(), 1, "{entries:?}");
    let mut damaged = std::fs::read(&entries[0]).unwrap();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    std::fs::write(&entries[0], damaged).unwrap();
    assert_eq!([load(), load()], [CacheUse::Stored, CacheUse::Hit]);
    std::fs::remove_dir_all(&cache).unwrap();
    assert_eq!(load(), CacheUse::Stored, "the folder may go at any time");
}

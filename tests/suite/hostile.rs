//! Hostile components in a deck: the others never notice, and the message says which, what and why.

use crate::support::deck::{Play, Played};
use crate::support::guests::Guest;
use crate::support::plugins::{modules, plugins};
use crate::support::process::{deck, last_object, tickdeck};
use tickdeck_engine::{Notice, StrategyState};

const SETTINGS: &str = "[venue]\nkind = \"sim\"\nseed = 7\n[wasm]\nmemory_mib = 8\n\
                        [strategies.ema-cross.parameters]\nfast = 5\nslow = 12\n";
const EVENTS: u64 = 6_000;

fn play(hostile: &[(&str, Vec<u8>)]) -> Played {
    let folder = tempfile::tempdir().unwrap();
    let mut files = modules(plugins(), &["ema-cross"]);
    for (name, bytes) in hostile {
        let file = folder.path().join(format!("{name}.wasm"));
        std::fs::write(&file, bytes).unwrap();
        files.push(file);
    }
    Play {
        settings: SETTINGS.to_owned(),
        modules: files,
        events: Some(EVENTS),
        split_seed: None,
    }
    .run()
}

fn ema_cross(played: &Played) -> (u64, u64, String) {
    let strategy = played
        .report
        .status
        .strategies
        .iter()
        .find(|strategy| strategy.name == "ema-cross")
        .unwrap();
    (
        strategy.events,
        strategy.actions,
        format!("{:?} {:?}", strategy.results, strategy.positions),
    )
}

fn guest() -> Guest {
    Guest::new().trades("*").quotes("*")
}

fn skipped<'p>(played: &'p Played, name: &str) -> &'p str {
    let found = played.skipped.iter().find(|(other, _)| other == name);
    found
        .map(|(_, why)| why.as_str())
        .unwrap_or_else(|| panic!("{name} runs, among {:?}", played.skipped))
}

fn ended(played: &Played, name: &str) -> String {
    let strategy = played
        .report
        .status
        .strategies
        .iter()
        .find(|strategy| strategy.name == name);
    let strategy =
        strategy.unwrap_or_else(|| panic!("{name} was not seated: {:?}", played.skipped));
    assert_eq!(strategy.state, StrategyState::Quarantined, "{name}");
    let problem = played.notices.iter().find_map(|notice| match notice {
        Notice::Ended {
            strategy: id,
            problem,
        } if *id == strategy.id => Some(problem.clone()),
        _ => None,
    });
    problem.unwrap_or_else(|| panic!("nobody said why {name} ended: {:?}", played.notices))
}

#[test]
fn a_guest_that_misbehaves_on_events_ends_alone_and_says_why() {
    let calm = play(&[("calm", guest().component())]);
    let nth = "(call $take (local.get $len))
               (if (i64.gt_u (global.get $seen) (i64.const 500)) (then unreachable))
               (call $answer (local.get $len) (i32.const 0) (i32.const 0))";
    let act = |count: u32, body: &str| {
        format!("{body} (call $answer (i32.const 1) (i32.const 8192) (i32.const {count}))")
    };
    let cases: Vec<(&str, String, &[&str])> = vec![
        (
            "spins",
            "(call $spin) (i32.const 16)".to_owned(),
            &["15 ms", "time_ms"],
        ),
        (
            "bombs",
            "(call $bomb) (i32.const 16)".to_owned(),
            &["8 MiB", "memory_mib"],
        ),
        (
            "dives",
            "(drop (call $dive)) (i32.const 16)".to_owned(),
            &["stack"],
        ),
        ("traps", nth.to_owned(), &["unreachable"]),
        ("floods", act(1_000_000, ""), &["1000000", "256"]),
        (
            "alien",
            act(1, "(call $put (i32.const 0) (i32.const 77) (i64.const 1))"),
            &["77"],
        ),
        (
            "nothing",
            "(call $answer (i32.const 0) (i32.const 0) (i32.const 0))".to_owned(),
            &["consumed 0"],
        ),
        (
            "too-much",
            "(call $answer (i32.const 9999) (i32.const 0) (i32.const 0))".to_owned(),
            &["9999"],
        ),
        (
            "far-message",
            act(1, "(call $put (i32.const 0) (i32.const 6) (i64.const 7))"),
            &["notify", "7"],
        ),
    ];
    let hostile: Vec<(&str, Vec<u8>)> = cases
        .iter()
        .map(|(name, body, _)| (*name, guest().on_events(body).component()))
        .collect();
    let played = play(&hostile);
    assert_eq!(ema_cross(&played), ema_cross(&calm), "ema-cross noticed");
    for (name, _, words) in &cases {
        let problem = ended(&played, name);
        for word in *words {
            assert!(
                problem.contains(word),
                "{name}: `{word}` is missing in: {problem}"
            );
        }
    }
}

/// A guest that an attack on the sandbox was made of.
fn attack(name: &str) -> (&str, Vec<u8>) {
    let file = crate::support::plugins::root().join(format!("tests/fixtures/sandbox/{name}.wasm"));
    (name, std::fs::read(file).unwrap())
}

#[test]
fn a_guest_that_would_abort_the_process_is_refused_before_it_is_compiled() {
    let calm = play(&[]);
    let played = play(&[attack("reftest"), attack("abort")]);
    assert_eq!(ema_cross(&played), ema_cross(&calm), "ema-cross noticed");
    for name in ["reftest", "abort"] {
        let why = skipped(&played, name);
        assert!(
            why.contains("uses a WebAssembly proposal that strategies may not use"),
            "{why}"
        );
    }
}

#[test]
fn a_guest_with_names_that_take_for_ever_to_demangle_ends_like_any_other() {
    let calm = play(&[]);
    let played = play(&[attack("demangle-16-8")]);
    assert_eq!(ema_cross(&played), ema_cross(&calm), "ema-cross noticed");
    let problem = ended(&played, "demangle-16-8");
    let longest = problem.lines().map(str::len).max();
    assert!(longest < Some(600), "{longest:?}: {problem}");
}

#[test]
fn an_id_that_does_not_exist_is_answered_and_not_believed() {
    // A submit of size 0 for instrument 0 with number 1, then cancel of order 99: refused or left alone, never a crash.
    let body = "(if (result i32) (i64.eqz (global.get $seen))
        (then (call $take (local.get $len))
              (call $put (i32.const 0) (i32.const 0) (i64.const 1))
              (i32.store (i32.add (i32.const 8192) (i32.const 96)) (i32.const 4000000000))
              (call $put (i32.const 1) (i32.const 2) (i64.const 99))
              (call $answer (i32.const 1) (i32.const 8192) (i32.const 2)))
        (else (call $answer (local.get $len) (i32.const 0) (i32.const 0))))";
    let played = play(&[("stranger", guest().on_events(body).component())]);
    let denied = played.notices.iter().any(
        |notice| matches!(notice, Notice::Denied { values, .. } if values.contains("4000000000")),
    );
    assert!(denied, "{:?}", played.notices);
    let stranger = played
        .report
        .status
        .strategies
        .iter()
        .find(|strategy| strategy.name == "stranger")
        .unwrap();
    assert_eq!(
        stranger.state,
        StrategyState::Stopped,
        "a wrong id is no reason to end it"
    );
}

#[test]
fn what_names_an_instrument_that_does_not_exist_is_recorded_replayed_exported_and_imported() {
    // At the first event an order for instrument 4,000,000,000; later a cancel-all of it, and the end of a feed of it.
    let put = |action: u32, field: u32, fill: &str| {
        format!(
            "(call $put (i32.const 0) (i32.const {action}) (i64.const 1))
             (i32.store (i32.add (i32.const 8192) (i32.const {field})) (i32.const 4000000000)) {fill}
             (call $answer (i32.const 1) (i32.const 8192) (i32.const 1))"
        )
    };
    // The record of an action is at 8: `submit` has its instrument at 96, the others begin with theirs.
    let submit = put(0, 96, "");
    let cancel_all = put(
        3,
        8,
        "(i32.store (i32.add (i32.const 8192) (i32.const 12)) (i32.const 1))",
    );
    let unsubscribe = put(
        8,
        8,
        "(i32.store (i32.add (i32.const 8192) (i32.const 16)) (i32.const 0))",
    );
    let body = format!(
        "(call $take (i32.const 1))
         (if (result i32) (i64.eq (global.get $seen) (i64.const 1)) (then {submit})
         (else (if (result i32) (i64.eq (global.get $seen) (i64.const 2)) (then {cancel_all})
         (else (if (result i32) (i64.eq (global.get $seen) (i64.const 3)) (then {unsubscribe})
         (else (call $answer (i32.const 1) (i32.const 0) (i32.const 0))))))))"
    );
    let deck = deck("[venue]\nseed = 7\n");
    let plugins = deck.path().join("plugins");
    std::fs::write(
        plugins.join("stranger.wasm"),
        guest().on_events(&body).component(),
    )
    .unwrap();
    let command = |line: &str| {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let output = tickdeck(deck.path(), &arguments);
        assert!(output.status.success(), "{line}: {output:?}");
        output
    };
    let summary = last_object(&command("run --events 3000 --pace max --no-watch --json"));
    assert_eq!(summary["denied"]["UNKNOWN_INSTRUMENT"], 1, "{summary}");
    let strategies = summary["strategies"].as_array().unwrap();
    let stranger = strategies
        .iter()
        .find(|one| one["name"] == "stranger")
        .unwrap();
    assert_eq!(
        (&stranger["state"], &stranger["actions"]),
        (&"stopped".into(), &3.into())
    );
    assert_eq!(last_object(&command("replay data --json"))["equal"], true);
    for format in ["jsonl", "csv", "parquet"] {
        command(&format!(
            "journal export data --format {format} --out {format}"
        ));
    }
    command("journal import jsonl --into again");
    command("journal verify again");
    let orders = std::fs::read_to_string(deck.path().join("jsonl/orders.jsonl")).unwrap();
    assert!(orders.contains("\"#4000000000\""), "{orders}");
}

#[test]
fn a_guest_that_misbehaves_at_the_start_or_the_end_is_named_and_the_deck_runs() {
    let calm = play(&[]);
    let hostile = [
        (
            "describe-spins",
            guest().describe("(call $spin) (i32.const 0)").component(),
        ),
        (
            "init-spins",
            guest().init("(call $spin) (i32.const 0)").component(),
        ),
        ("init-refuses", guest().init("(call $error)").component()),
        ("stop-spins", guest().stop("(call $spin)").component()),
        ("cut", {
            let mut bytes = guest().component();
            bytes.truncate(bytes.len() / 2);
            bytes
        }),
        ("noise", noise(64 << 20)),
        ("empty", Vec::new()),
        ("foreign", foreign()),
    ];
    let played = play(&hostile);
    assert_eq!(ema_cross(&played), ema_cross(&calm), "ema-cross noticed");
    for (name, words) in [
        ("describe-spins", "describe"),
        ("init-spins", "init"),
        ("init-refuses", "no"),
        ("cut", "cut.wasm"),
        ("noise", "noise.wasm"),
        ("empty", "empty.wasm"),
        ("foreign", "wasi:cli/environment"),
    ] {
        let why = skipped(&played, name);
        assert!(
            why.contains(words),
            "{name}: `{words}` is missing in: {why}"
        );
    }
    assert!(
        played
            .report
            .status
            .strategies
            .iter()
            .any(|strategy| strategy.name == "stop-spins")
    );
}

fn noise(bytes: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()
    };
    std::iter::repeat_with(next)
        .take(bytes / 8)
        .flatten()
        .collect()
}

/// A component that wants the environment of WASI.
fn foreign() -> Vec<u8> {
    let wat = r#"(component
        (import "wasi:cli/environment@0.2.6" (instance (export "get-arguments" (func (result (list string)))))))"#;
    wat::parse_str(wat).unwrap()
}

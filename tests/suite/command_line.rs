//! The command line as a user meets it: the real binary, real processes.

use crate::support::plugins::{EXAMPLES, plugins, root, sample};
use crate::support::process::{binary, command, deck, error_of, last_object, signal, tickdeck};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::thread::JoinHandle;

#[test]
fn demo_prints_one_object_with_every_figure_and_the_same_hashes_for_any_number_of_workers() {
    let demo = |workers: &str| {
        let arguments = [
            "demo",
            "--seed",
            "7",
            "--events",
            "20000",
            "--pace",
            "max",
            "--json",
            "--workers",
            workers,
        ];
        last_object(&tickdeck(root(), &arguments))
    };
    let one = demo("1");
    for key in [
        "events",
        "events_per_second",
        "actions",
        "orders",
        "fills",
        "capital",
        "first_decision_ms",
    ] {
        assert!(one[key].is_number(), "{key}: {one}");
    }
    assert!(one["denied"].is_object(), "{one}");
    assert!(one["events"].as_u64().unwrap() >= 20_000);
    assert!(
        one["fills"].as_u64().unwrap() > 0,
        "the demo must trade: {one}"
    );
    let strategies = one["strategies"].as_array().unwrap();
    assert_eq!(strategies.len(), EXAMPLES.len(), "{one}");
    for strategy in strategies {
        for key in [
            "name",
            "version",
            "events",
            "actions",
            "ns_per_event",
            "realised",
            "unrealised",
            "fees",
            "position",
        ] {
            assert!(!strategy[key].is_null(), "{key}: {strategy}");
        }
    }
    let three = demo("3");
    assert_eq!(one["tape_hash"], three["tape_hash"]);
    assert_eq!(one["actions_hash"], three["actions_hash"]);
}

#[test]
fn demo_plays_a_capture() {
    let sample = sample().display().to_string();
    let one = last_object(&tickdeck(
        root(),
        &["demo", "--capture", &sample, "--pace", "max", "--json"],
    ));
    assert!(one["events"].as_u64().unwrap() > 1_000, "{one}");
    assert!(one["orders"].as_u64().unwrap() > 0, "{one}");
}

#[test]
fn data_check_counts_a_capture_against_the_exchange_s_own_quotes() {
    let sample = sample().display().to_string();
    let checked = last_object(&tickdeck(root(), &["data", "check", &sample, "--json"]));
    let file = &checked["files"][0];
    assert!(file["lines"].as_u64().unwrap() > 1_000, "{checked}");
    assert_eq!(file["oracle_checked"], file["oracle_agreed"]);
    assert!(file["oracle_checked"].as_u64().unwrap() > 50);
    assert_eq!(
        (file["gaps"].as_u64(), file["duplicates"].as_u64()),
        (Some(0), Some(0))
    );
}

#[test]
fn a_deck_trades_a_capture_in_another_quote_currency_from_the_balance_that_it_sets() {
    let settings = format!(
        "[venue]\nkind = \"capture\"\nfiles = [\"{}\"]\nbalance = 500_000\n\
         [strategies.market-maker.parameters]\ninstrument = \"BTCFDUSD\"\n",
        case("quote-is-fdusd.gz")
    );
    let deck = deck(&settings);
    std::fs::copy(
        plugins().join("market-maker.wasm"),
        deck.path().join("plugins/market-maker.wasm"),
    )
    .unwrap();
    let arguments = ["run", "--pace", "max", "--no-watch", "--json"];
    let summary = last_object(&tickdeck(deck.path(), &arguments));
    assert!(summary["fills"].as_u64() > Some(0), "{summary}");
    assert_eq!(summary["currency"], "FDUSD");
    let capital = summary["capital"].as_f64().unwrap();
    assert!((499_000.0..501_000.0).contains(&capital), "{summary}");
    assert_eq!(summary["balances"]["USDT"], Value::Null, "{summary}");
}

/// A capture with a known fault.
fn case(name: &str) -> String {
    let cases = root().join("host/gateway/tests/data/cases");
    cases.join(name).display().to_string()
}

#[test]
fn data_check_has_a_verdict_and_an_exit_code_of_each() {
    let folder = tempfile::tempdir().unwrap();
    let cut = folder.path().join("cut.gz");
    let whole = std::fs::read(sample()).unwrap();
    std::fs::write(&cut, &whole[..whole.len() / 2]).unwrap();
    let cut = cut.display().to_string();
    let (good, faulty) = (case("zero-padded.gz"), case("ids-went-back.txt"));
    for (files, verdict, code) in [
        (vec![&good], "complete", 0),
        (vec![&faulty, &good], "faulty", 4),
        (vec![&good, &cut, &faulty], "broken", 5),
        (vec![&cut, &"nowhere.gz".to_owned()], "unreadable", 1),
    ] {
        let mut arguments = vec!["data", "check", "--json"];
        arguments.extend(files.iter().map(|file| file.as_str()));
        let output = tickdeck(root(), &arguments);
        assert_eq!(output.status.code(), Some(code), "{output:?}");
        let checked: Value = serde_json::from_slice(&output.stdout).unwrap();
        assert_eq!(checked["verdict"], verdict, "{checked}");
        assert_eq!(checked["files"].as_array().unwrap().len(), files.len());
    }
    let output = tickdeck(root(), &["data", "check", &case("crossed-book.txt")]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(text.contains("bid 101.50 x 10.00000"), "{text}");
    assert!(!text.contains("Price("), "{text}");
}

#[test]
fn a_run_on_faulty_data_says_so_in_words_in_json_and_by_its_exit_code() {
    for (file, code, words) in [
        (case("usdm-futures-head.gz"), 0, None),
        (
            case("ids-went-back.txt"),
            4,
            Some("the update ids went back from 5 to 1 in a newer diff"),
        ),
    ] {
        let arguments = ["demo", "--capture", &file, "--pace", "max"];
        let output = tickdeck(root(), &arguments);
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert_eq!(output.status.code(), Some(code), "{file}: {text}");
        match words {
            Some(words) => assert!(text.contains(words), "{text}"),
            None => assert!(!text.contains("data of"), "{text}"),
        }
        let output = tickdeck(root(), &[&arguments[..], &["--json"]].concat());
        assert_eq!(output.status.code(), Some(code));
        let summary: Value = serde_json::from_slice(&output.stdout).unwrap();
        let data = &summary["data"][0];
        assert_eq!(data["venue"], "BINANCE", "{summary}");
        assert_eq!(data["faults"].as_u64() > Some(0), code == 4, "{summary}");
    }
}

#[test]
fn check_shows_what_a_module_is_and_refuses_what_is_none() {
    let module = plugins().join("ema-cross.wasm").display().to_string();
    let checked = last_object(&tickdeck(root(), &["check", &module, "--json"]));
    assert_eq!(checked["world"], "strategy");
    assert_eq!(checked["contract"], "0.1.0");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("note.wasm");
    std::fs::write(&file, "this is no module").unwrap();
    let error = error_of(&tickdeck(folder.path(), &["check", "note.wasm"]));
    assert!(
        error.contains("note.wasm") && error.trim_end().lines().count() == 1,
        "{error}"
    );
}

#[test]
fn bench_needs_nothing_but_the_binary_and_prints_every_figure_beside_what_is_usual() {
    let folder = tempfile::tempdir().unwrap();
    let output = Command::new(binary())
        .args(["bench", "--for", "200ms", "--json"])
        .current_dir(folder.path())
        .env_clear()
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let object = last_object(&output);
    assert!(object["fit"].is_boolean(), "{object}");
    let figures = object["figures"].as_array().unwrap();
    let names: Vec<&str> = figures
        .iter()
        .map(|figure| figure["name"].as_str().unwrap())
        .collect();
    assert_eq!(
        names,
        [
            "boundary/batch-256",
            "boundary/batch-1",
            "ring",
            "latency/p50",
            "latency/p99",
            "latency/p99.9"
        ]
    );
    for figure in figures {
        assert!(figure["value"].as_f64().unwrap() > 0.0, "{figure}");
        assert!(figure["usual"].as_f64().unwrap() > 0.0, "{figure}");
    }
    let checks = object["checks"].as_array().unwrap();
    for what in ["cores", "cpu governor", "huge pages", "stolen time"] {
        assert!(checks.iter().any(|check| check["what"] == what), "{object}");
    }
    let progress = String::from_utf8_lossy(&output.stderr);
    assert_eq!(progress.matches("measuring").count(), 3, "{progress}");
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "it leaves nothing behind");
}

#[test]
fn an_interrupt_ends_bench_without_a_result() {
    let folder = tempfile::tempdir().unwrap();
    let mut child = Command::new(binary())
        .args(["bench", "--for", "5m", "--json"])
        .current_dir(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut progress = BufReader::new(child.stderr.take().unwrap()).lines();
    progress.next().unwrap().unwrap();
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(130));
    assert_eq!(output.stdout, b"");
    let rest: Vec<String> = progress.map_while(Result::ok).collect();
    assert!(rest[0].starts_with("interrupted"), "{rest:?}");
}

#[test]
fn a_deck_with_mistakes_in_its_settings_names_all_of_them_with_their_lines() {
    let folder = deck("[engine]\nworkres = 2\n[risk]\nmax_notional = \"lots\"\n");
    let error = error_of(&tickdeck(folder.path(), &["run"]));
    assert!(
        error.contains("tickdeck.toml:2") && error.contains("workers"),
        "{error}"
    );
    assert!(
        error.contains("tickdeck.toml:4") && error.contains("max_notional"),
        "{error}"
    );
}

/// Starts a deck that plays as fast as it can and waits until it has printed a line of figures.
fn running(folder: &Path) -> (Child, JoinHandle<Vec<String>>) {
    let mut child = command(folder, &["run", "--pace", "fast"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let started = lines.any(|line| line.is_ok_and(|line| line.contains("orders")));
    assert!(started, "the deck ended before it traded");
    // What follows must not fill the pipe.
    let rest = std::thread::spawn(move || lines.map_while(Result::ok).collect());
    (child, rest)
}

#[test]
fn an_interrupt_under_load_stops_the_strategies_and_ends_with_code_0() {
    let folder = deck("[venue]\nkind = \"sim\"\nseed = 7\n");
    let (child, rest) = running(folder.path());
    signal(&child, "-INT");
    let output = child.wait_with_output().unwrap();
    assert_eq!(
        output.status.code(),
        Some(0),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let rest = rest.join().unwrap();
    let table: Vec<&String> = rest
        .iter()
        .skip_while(|line| !line.contains("stopped cleanly"))
        .collect();
    let stopped = table
        .iter()
        .filter(|line| line.contains(" stopped  "))
        .count();
    assert_eq!(stopped, EXAMPLES.len(), "{rest:#?}");
}

#[test]
fn a_second_host_on_the_same_data_folder_is_refused_by_name() {
    let folder = deck("[venue]\nkind = \"sim\"\nseed = 7\n");
    let (mut child, _) = running(folder.path());
    let error = error_of(&tickdeck(folder.path(), &["run", "--pace", "fast"]));
    assert!(error.contains("data"), "{error}");
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn a_new_strategy_builds_and_its_test_passes() {
    let folder = tempfile::tempdir().unwrap();
    let created = tickdeck(folder.path(), &["new", "my-idea"]);
    assert!(
        created.status.success(),
        "{}",
        String::from_utf8_lossy(&created.stderr)
    );
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let tested = Command::new(cargo)
        .args(["test", "--quiet", "--offline"])
        .current_dir(folder.path().join("my-idea"))
        .env("CARGO_TARGET_DIR", root().join("target/test-new"))
        .output()
        .unwrap();
    assert!(
        tested.status.success(),
        "{}",
        String::from_utf8_lossy(&tested.stderr)
    );
    let again = error_of(&tickdeck(folder.path(), &["new", "my-idea"]));
    assert!(again.contains("my-idea"), "{again}");
}

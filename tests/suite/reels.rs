//! Runs that are kept: done again to the last byte, gone on with after a kill, and explained.

use crate::support::guests::Guest;
use crate::support::host::{Folder, Hosted};
use crate::support::plugins::{module, root};
use crate::support::process::{
    command, cut_off, deck, error_of, last_object, records, tickdeck, wait_for,
};
use crate::support::random::{Dice, seed};
use crate::support::versions::{counting, ticking, traps_after};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Stdio;
use tickdeck_deck::affinity::run_for_strategies;
use tickdeck_deck::compiling::Compiling;
use tickdeck_deck::lifecycle::StrategyCommand;
use tickdeck_deck::replay::{ReplayScope, prepare_replay};
use tickdeck_engine::CancelToken;
use tickdeck_engine::{NullObserver, OperatorCommand, Replayed};
use tickdeck_journal::{Reader, Reel, ReelConfig};
use tickdeck_model::{Action, Body, Kind, ModuleHash};
use tickdeck_recording::{
    ACTIONS, DataReels, EVENTS, RecordKind, SCHEMA, effects, recorded_actions, recorded_event,
};
use tickdeck_settings::config::WasmSettings;

/// Does the last run of a data folder again.
pub(crate) fn replay(data: &Path) -> Replayed {
    let reels = DataReels::in_folder(data);
    let run = reels.run(None).unwrap();
    let compiling = |_: &WasmSettings| Compiling::in_process();
    let stop = CancelToken::default();
    let replayed = ReplayScope::default().replay(|scope| {
        let again = prepare_replay(&reels, &run, scope, compiling, &stop)?;
        let mut tape = again.tape;
        let work = move || again.engine.replay(&mut tape, &mut NullObserver).unwrap();
        let replayed = run_for_strategies("replay", work)?;
        let differs = replayed
            .divergence
            .as_ref()
            .and_then(|first| first.strategy);
        Ok((replayed, differs))
    });
    replayed.unwrap()
}

/// The market with few quotes, so that quotes are conflated too.
const CONFLATED: &str = "[venue]\nkind = \"sim\"\nseed = 7\n[middleware]\nconflate_quotes_ms = 5\n";

#[test]
fn a_session_with_swaps_traps_rollbacks_and_conflation_comes_out_the_same() {
    let (folder, data) = (Folder::new(), tempfile::tempdir().unwrap());
    folder.put("maker", &module("market-maker"));
    folder.put("guest", &counting("1.0.0").component());
    let mut host = Hosted::recorded(CONFLATED, folder, data.path());
    host.keeps_trading("maker");
    // Another version; one that traps in its trial and is rolled back; other settings of a real strategy.
    let second = counting("1.1.0").component();
    host.folder.put("guest", &second);
    host.runs("guest", &second);
    host.folder
        .put("guest", &traps_after("1.2.0", 7_000).component());
    host.await_line(&["guest", "trapped within its trial"]);
    host.controls.order(OperatorCommand::Pause(None));
    host.keeps_trading("maker");
    host.controls.order(OperatorCommand::Resume(None));
    host.keeps_trading("maker");
    let third = counting("1.3.0").component();
    host.folder.put("guest", &third);
    host.runs("guest", &third);
    // One that traps and recovers, and in the end is quarantined; one that comes late, and one that leaves.
    host.folder
        .put("trapping", &traps_after("1.0.0", 3_000).component());
    host.await_line(&["trapping", "recovered"]);
    host.ask("guest", StrategyCommand::Remove);
    host.keeps_trading("maker");
    let (report, _) = host.stop();
    assert!(
        report.status.fills > 0,
        "it must trade: {:?}",
        report.status
    );
    let replayed = replay(data.path());
    assert_eq!(replayed.divergence, None);
    assert!(replayed.ended);
    assert_eq!(replayed.report.actions_hash, report.actions_hash);
    assert_eq!(replayed.report.tape_hash, report.tape_hash);
    assert_eq!(replayed.report.status.fills, report.status.fills);
    assert_eq!(replayed.report.status.capital, report.status.capital);
}

#[test]
fn a_changed_constant_shows_exactly_the_decisions_that_differ() {
    let deck = deck("[venue]\nseed = 5\n");
    let plugins = deck.path().join("plugins");
    std::fs::write(plugins.join("guest.wasm"), ticking(100)).unwrap();
    std::fs::write(deck.path().join("same.wasm"), ticking(100)).unwrap();
    std::fs::write(deck.path().join("other.wasm"), ticking(150)).unwrap();
    let run = ["run", "--events", "20000", "--pace", "max", "--json"];
    let summary = last_object(&tickdeck(deck.path(), &run));
    let guest = summary["strategies"].as_array().unwrap().iter();
    let guest = guest.clone().find(|one| one["name"] == "guest").unwrap();
    let events = guest["events"].as_u64().unwrap();
    let compared = |file: &str| {
        let strategy = format!("guest={file}");
        let arguments = ["replay", "data", "--json", "--strategy", &strategy];
        last_object(&tickdeck(deck.path(), &arguments))
    };
    assert_eq!(compared("same.wasm")["differences"], 0);
    let other = compared("other.wasm");
    let row = |outcome: &Value, name: &str| {
        let rows = outcome["strategies"].as_array().unwrap();
        rows.iter().find(|row| row["name"] == name).unwrap().clone()
    };
    let guest = row(&other, "guest");
    let same = events / 300;
    assert_eq!(guest["same"], same);
    assert_eq!(guest["only_recorded"], events / 100 - same);
    assert_eq!(guest["only_new"], events / 150 - same);
    for name in [
        "breakout",
        "ema-cross",
        "market-maker",
        "pairs",
        "trend-follower",
    ] {
        let row = row(&other, name);
        assert_eq!(
            (&row["only_recorded"], &row["only_new"]),
            (&0.into(), &0.into())
        );
        assert_eq!(row["recorded"]["pnl"], row["new"]["pnl"], "{name}");
    }
    // A version that ends early decides less, and earns what it did until then: that is said.
    let traps = traps_after("1.0.0", 1_000).component();
    std::fs::write(deck.path().join("traps.wasm"), traps).unwrap();
    assert_eq!(other["faults"].as_array().map(Vec::len), Some(0));
    let trapped = compared("traps.wasm");
    let faults = trapped["faults"].as_array().unwrap();
    let end = faults.iter().find(|fault| fault["is_end"] == true).unwrap();
    assert_eq!(end["strategy"], "guest", "{end}");
    let arguments = ["replay", "data", "--strategy", "guest=traps.wasm"];
    let output = tickdeck(deck.path(), &arguments);
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        text.contains("guest ended and decided nothing from there: "),
        "{text}"
    );
    // With the recorded modules, everything is as it was.
    let equal = last_object(&tickdeck(deck.path(), &["replay", "data", "--json"]));
    assert_eq!(equal["equal"], true);
    assert_eq!(equal["actions_hash"], summary["actions_hash"]);
}

/// Kills of one run.
const KILLS: u32 = 50;
/// Market events of the run.
const EVENTS_PLAYED: &str = "90000";

#[test]
fn a_host_that_is_killed_again_and_again_ends_like_its_unkilled_twin() {
    let seed = seed();
    let mut dice = Dice::from(seed);
    let deck = deck("[venue]\nseed = 11\n");
    let (killed, twin) = (deck.path().join("killed"), deck.path().join("twin"));
    let host = |data: &Path| {
        let data = data.display().to_string();
        let line = [
            "demo",
            "--events",
            EVENTS_PLAYED,
            "--pace",
            "max",
            "--json",
            "--data",
            &data,
        ];
        command(deck.path(), &line)
    };
    let unkilled = last_object(&host(&twin).output().unwrap());
    let whole = unkilled["events"].as_u64().unwrap();
    // From nothing at all to a little further than the last one came, and in all not to the end.
    let further = (whole / u64::from(2 * KILLS)) as u32;
    for kill in 1..=KILLS {
        let mut host = host(&killed)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let aim = records(&killed) + u64::from(dice.below(further));
        assert!(
            !wait_for(&killed, aim, &mut host),
            "it ended before kill {kill}"
        );
        host.kill().unwrap();
        host.wait().unwrap();
    }
    assert!(records(&killed) < whole, "the last kill came after the end");
    let output = host(&killed).output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        words.contains("was interrupted and resumes at event"),
        "{words}"
    );
    let last = last_object(&output);
    ends_like(&last, &unkilled, seed);
    let replayed = replay(&killed);
    assert_eq!(replayed.divergence, None);
    assert_eq!(replayed.compared, last["actions"].as_u64().unwrap());
    let run = DataReels::in_folder(&killed).run(None).unwrap();
    let mut numbers = BTreeSet::new();
    for acted in recorded_actions(&run).unwrap() {
        if let Action::Submit(order) = acted.action {
            assert!(
                numbers.insert((acted.strategy, order.order)),
                "{} was used twice",
                order.order
            );
        }
    }
    assert!(numbers.len() > 100, "{}", numbers.len());
}

/// One run came out as another one.
fn ends_like(one: &Value, other: &Value, seed: u64) {
    for figure in [
        "events",
        "actions",
        "orders",
        "fills",
        "capital",
        "balances",
        "tape_hash",
        "actions_hash",
    ] {
        assert_eq!(one[figure], other[figure], "{figure}; TICKDECK_SEED={seed}");
    }
}

/// A run that was cut off, of which the end of the `machine` then took something, is done again as far as it is whole, goes on
/// from there, and ends like its twin.
fn goes_on_after(seed: u64, machine: impl FnOnce(&Path, &mut Dice)) {
    let mut dice = Dice::from(seed);
    let deck = deck("[venue]\nseed = 11\n");
    let host = |data: &str| {
        let line = ["demo", "--events", "20000", "--pace", "max", "--json"];
        command(deck.path(), &[&line[..], &["--data", data]].concat())
    };
    let twin = last_object(&host("twin").output().unwrap());
    let data = deck.path().join("cut");
    cut_off(host("cut"), &data, 9_000);
    machine(
        &DataReels::in_folder(&data).run(None).unwrap().folder,
        &mut dice,
    );
    let replayed = || {
        let replayed = last_object(&tickdeck(deck.path(), &["replay", "cut", "--json"]));
        ["equal", "ended", "left_out"].map(|what| replayed[what].as_bool().unwrap())
    };
    assert_eq!(replayed(), [true, false, true], "TICKDECK_SEED={seed}");
    let output = host("cut").output().unwrap();
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    let what = "the machine ended before everything was on the disk";
    assert!(words.contains(what), "{words}");
    ends_like(&last_object(&output), &twin, seed);
    assert_eq!(replayed(), [true, true, false], "TICKDECK_SEED={seed}");
    let verify = ["journal", "verify", "cut", "--json"];
    let verified = last_object(&tickdeck(deck.path(), &verify));
    assert_eq!(verified["damage"], serde_json::json!([]));
}

#[test]
fn a_run_whose_last_events_never_reached_the_disk_goes_on_before_them_and_ends_like_its_twin() {
    // Each reel is made durable by itself, so the end of the machine may leave more of the actions than of the events.
    goes_on_after(seed(), |folder, dice| {
        let mut reader = Reader::open(folder, EVENTS).unwrap();
        while reader.next().unwrap().is_some() {}
        let until = reader.position() - u64::from(dice.below(3_000)) - 100;
        let (_, opened) = Reel::open_until(folder, EVENTS, &current(), until).unwrap();
        std::fs::remove_file(opened.beyond.unwrap().file).unwrap();
    });
}

#[test]
fn a_run_whose_last_actions_never_reached_the_disk_goes_on_before_their_events_and_ends_like_its_twin()
 {
    // With the first two, a recorded batch reached beyond the events that are left.
    for seed in [14, 16, seed()] {
        goes_on_after(seed, |folder, dice| {
            in_another_start_of_the_machine(folder, u64::from(dice.below(200)) + 20);
        });
    }
}

/// Makes the actions reel one of an earlier start of the machine, without its last records.
fn in_another_start_of_the_machine(folder: &Path, lost: u64) {
    let mut reader = Reader::open(folder, ACTIONS).unwrap();
    let mut records = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        records.push((record.kind, record.payload.to_vec()));
    }
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path
            .file_name()
            .unwrap()
            .to_str()
            .unwrap()
            .starts_with(ACTIONS)
        {
            std::fs::remove_file(path).unwrap();
        }
    }
    let (mut reel, _) = Reel::open(folder, ACTIONS, &current()).unwrap();
    records.truncate(records.len() - lost as usize);
    for (kind, payload) in &mut records {
        if *kind == RecordKind::Mark as u16 {
            payload[8] ^= 1;
        }
        reel.append(*kind, payload).unwrap();
    }
}

#[test]
fn a_run_that_goes_on_is_replayed_as_far_as_it_has_come_and_nothing_is_said_to_be_lost() {
    let deck = deck("[venue]\nseed = 11\n");
    let data = deck.path().join("tape");
    let demo = ["demo", "--pace", "fast", "--json", "--data", "tape"];
    let mut host = command(deck.path(), &demo)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert!(!wait_for(&data, 2_000, &mut host));
    // Again and again, so that it also hits moments in which the kernel is between its events and what it does about them.
    for _ in 0..3 {
        let replayed = last_object(&tickdeck(deck.path(), &["replay", "tape", "--json"]));
        let said = ["equal", "running", "ended", "left_out"];
        let said = said.map(|what| replayed[what].as_bool().unwrap());
        assert_eq!(said, [true, true, false, false], "{replayed}");
    }
    let words = tickdeck(deck.path(), &["replay", "tape"]);
    let words = String::from_utf8_lossy(&words.stdout).into_owned();
    let halfway = tickdeck(deck.path(), &["replay", "tape", "--until", "1000"]);
    assert!(
        host.try_wait().unwrap().is_none(),
        "it went on all the time"
    );
    host.kill().unwrap();
    host.wait().unwrap();
    let keeps_trading = "the run is still running; compared up to event ";
    assert!(words.contains(keeps_trading), "{words}");
    for wrong in ["interrupted", "the machine went down"] {
        assert!(!words.contains(wrong), "{words}");
    }
    let halfway = String::from_utf8_lossy(&halfway.stdout).into_owned();
    assert!(
        halfway.contains("equal: ") && !halfway.contains(keeps_trading),
        "{halfway}"
    );
    // Once it is killed, it is a run that was cut off.
    let replayed = last_object(&tickdeck(deck.path(), &["replay", "tape", "--json"]));
    assert_eq!(
        (&replayed["running"], &replayed["ended"]),
        (&false.into(), &false.into())
    );
}

#[test]
fn a_run_that_was_cut_off_is_not_gone_on_with_under_other_settings_unless_it_is_left_behind() {
    let deck = deck("[venue]\nseed = 3\n");
    let data = deck.path().join("data");
    let endless = ["run", "--pace", "max", "--json", "--events", "100000000"];
    cut_off(command(deck.path(), &endless), &data, 2_000);
    std::fs::write(deck.path().join("tickdeck.toml"), "[venue]\nseed = 4\n").unwrap();
    let run = ["run", "--events", "500", "--pace", "max", "--json"];
    let error = error_of(&tickdeck(deck.path(), &run));
    assert!(
        error.contains("run 1 was interrupted, and the seed changed since (3 then, 4 now)"),
        "{error}"
    );
    assert!(error.contains("--fresh"), "{error}");
    let fresh = [&run[..], &["--afresh"]].concat();
    last_object(&tickdeck(deck.path(), &fresh));
    let equal = |run: &str| {
        let arguments = ["replay", "--json", "--run", run];
        last_object(&tickdeck(deck.path(), &arguments))
    };
    assert_eq!(
        (&equal("2")["equal"], &equal("2")["ended"]),
        (&true.into(), &true.into())
    );
    // What was left behind can still be looked at.
    assert_eq!(
        (&equal("1")["equal"], &equal("1")["ended"]),
        (&true.into(), &false.into())
    );
}

/// Sends one order far from the market.
fn far() -> Vec<u8> {
    Guest::new()
        .version("1.0.0")
        .quotes("BTCUSDT")
        .item("(global $next (mut i64) (i64.const 0))")
        .init("(global.set $next (local.get $next)) (call $ok)")
        .on_events(
            "(if (i32.wrap_i64 (global.get $seen))
               (then (return (call $answer (local.get $len) (i32.const 0) (i32.const 0)))))
             (call $take (i32.const 1))
             ;; buys 0.00100 at 1.00, good till canceled
             (call $bid (i32.const 0) (global.get $next) (i64.const 100) (i64.const 100))
             (call $answer (i32.const 1) (i32.const 8192) (i32.const 1))",
        )
        .component()
}

#[test]
fn an_order_is_explained_from_its_cause_to_what_became_of_it() {
    let deck = deck("[venue]\nseed = 3\n");
    std::fs::write(deck.path().join("plugins/far.wasm"), far()).unwrap();
    let run = ["run", "--events", "20000", "--pace", "max", "--json"];
    last_object(&tickdeck(deck.path(), &run));
    let explained = |order: &str| {
        let outcome = last_object(&tickdeck(deck.path(), &["explain", order, "--json"]));
        let steps = outcome["steps"].as_array().unwrap().clone();
        let steps = steps.into_iter().map(|step| {
            let text = |key: &str| step[key].as_str().unwrap().to_owned();
            (text("step"), text("words"))
        });
        steps.collect::<Vec<_>>()
    };
    let whole = last_object(&tickdeck(
        deck.path(),
        &["explain", "market-maker/1", "--json", "--state", "state"],
    ));
    let module = std::fs::read(deck.path().join("plugins/market-maker.wasm")).unwrap();
    assert_eq!(whole["module"], ModuleHash::of(&module).to_string());
    assert_eq!(whole["version"], "0.1.0");
    // The one with which it met the event, and no later one.
    let (state, cause) = (&whole["state"], &whole["steps"][0]);
    assert_eq!(state["before_event"], cause["event"]);
    let written = std::fs::read(deck.path().join("state")).unwrap();
    assert_eq!(state["bytes"], written.len());
    let filled = explained("market-maker/1");
    let kinds: Vec<&str> = filled.iter().map(|(step, _)| step.as_str()).collect();
    assert_eq!(
        kinds[..5],
        ["cause", "saw", "decided", "checks", "sent"],
        "{filled:?}"
    );
    assert!(kinds.contains(&"answer"), "{filled:?}");
    assert_eq!(filled[3].1, "every check passed");
    let denied = explained("far/1");
    assert!(denied[0].1.contains("connected"), "{denied:?}");
    assert!(
        denied[2].1.contains("limit buy 0.001 BTCUSDT.SIM at 1.00"),
        "{denied:?}"
    );
    assert!(denied[3].1.starts_with("denied: "), "{denied:?}");
    assert!(!denied.iter().any(|(step, _)| step == "sent"), "{denied:?}");
    let error = error_of(&tickdeck(deck.path(), &["explain", "market-make/1"]));
    assert!(error.contains("did you mean `market-maker`?"), "{error}");
    let error = error_of(&tickdeck(deck.path(), &["explain", "far/9"]));
    assert!(
        error.contains("run 1 has no order 9 of far: it sent 1 to 1"),
        "{error}"
    );
}

#[test]
fn a_second_host_on_a_data_folder_is_refused_by_name() {
    let deck = deck("");
    let data = deck.path().join("tape");
    let demo = ["demo", "--pace", "real", "--json", "--data", "tape"];
    let mut host = command(deck.path(), &demo)
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert!(!wait_for(&data, 1, &mut host));
    let error = error_of(&tickdeck(deck.path(), &demo));
    host.kill().unwrap();
    let id = host.id();
    host.wait().unwrap();
    assert!(
        error.contains(&format!("another tickdeck runs this deck, process {id}")),
        "{error}"
    );
}

#[test]
fn a_run_can_be_gone_through_event_by_event() {
    let deck = deck("[venue]\nseed = 3\n");
    let run = ["run", "--events", "3000", "--pace", "max", "--json"];
    last_object(&tickdeck(deck.path(), &run));
    let keys = deck.path().join("keys");
    std::fs::write(&keys, "\n\n2\nq\n").unwrap();
    let output = command(deck.path(), &["replay", "--step", "--from", "1000"])
        .stdin(std::fs::File::open(keys).unwrap())
        .output()
        .unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let shown: Vec<&str> = text
        .lines()
        .filter_map(|line| line.split_whitespace().next())
        .filter(|word| word.parse::<u64>().is_ok())
        .collect();
    assert_eq!(shown, ["1000", "1001", "1002", "1003", "1004"], "{text}");
    assert!(output.status.success());
}

/// How a reel of today is written.
fn current() -> ReelConfig {
    ReelConfig {
        schema: SCHEMA,
        ..ReelConfig::default()
    }
}

/// A run of the first schema, as it was written when the schema was made. It stays here and is read for ever: a change of
/// what a record means comes with a new number and keeps the old reading.
fn first_schema() -> std::path::PathBuf {
    root().join("tests/fixtures/reel-schema-1")
}

#[test]
fn a_run_of_the_first_schema_is_read() {
    let reels = DataReels::in_folder(&first_schema());
    let run = reels.run(None).unwrap();
    let session = tickdeck_recording::RunManifest::read(&run.folder).unwrap();
    assert_eq!(session.strategies.len(), 1);
    assert_eq!(session.strategies[0].name, "guest");
    let mut reader = Reader::open(&run.folder, EVENTS).unwrap();
    let (mut kinds, mut orders) = (BTreeMap::<Kind, u32>::new(), Vec::new());
    while let Some(record) = reader.next().unwrap() {
        if record.kind == RecordKind::Event as u16 {
            let event = recorded_event(record.payload).unwrap();
            *kinds.entry(event.kind()).or_default() += 1;
            if let Body::Order(update) = event.body() {
                orders.push((update.status, update.reason));
            }
        }
    }
    assert_eq!(kinds.values().sum::<u32>(), 305);
    assert!(
        kinds[&Kind::Quote] > 20 && kinds[&Kind::Trade] > 20,
        "{kinds:?}"
    );
    assert_eq!(effects(&run).unwrap().len(), 5);
    assert_eq!(orders, [], "the guest sends none");
    // Its module was built for the layout of then.
    let folder = tempfile::tempdir().unwrap();
    let output = tickdeck(folder.path(), &["replay", first_schema().to_str().unwrap()]);
    let error = error_of(&output);
    let said = "run 1 was recorded with schema 1, under an earlier layout of the contract, so its strategies can't be called any more";
    assert!(error.contains(said), "{error}");
}

#[test]
fn a_run_that_was_cut_off_is_left_behind_by_nothing_but_fresh() {
    let deck = deck("[venue]\nseed = 3\n");
    let data = deck.path().join("data");
    let endless = ["run", "--pace", "max", "--json", "--events", "100000000"];
    cut_off(command(deck.path(), &endless), &data, 2_000);
    let run = ["run", "--events", "500", "--pace", "max", "--json"];
    let settings = deck.path().join("tickdeck.toml");
    std::fs::write(&settings, "[venue]\nseed = 3\n[journal]\nenabled = false\n").unwrap();
    let error = error_of(&tickdeck(deck.path(), &run));
    assert!(
        error.contains("run 1 was interrupted, and with `[journal] enabled = false`"),
        "{error}"
    );
    // What is imported meanwhile is no host's run, and how settings are written is nothing.
    std::fs::write(&settings, "# the same\n[venue]\nseed = 3\n").unwrap();
    let export = [
        "journal", "export", "data", "--format", "jsonl", "--out", "tables",
    ];
    assert!(tickdeck(deck.path(), &export).status.success());
    let import = ["journal", "import", "tables"];
    assert!(tickdeck(deck.path(), &import).status.success());
    let output = tickdeck(deck.path(), &run);
    let words = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(
        words.contains("run 1 was interrupted and resumes"),
        "{words}"
    );
}

//! Strategies that keep the others waiting, as real guests in a real deck: each is held long before the others are late,
//! and a replay of the run holds it at the same event.

use crate::reels::replay;
use crate::support::deck::Play;
use crate::support::guests::Guest;
use crate::support::host::{Folder, Hosted, SIM};
use crate::support::plugins::{module, root};
use crate::support::versions::counting;
use tickdeck_deck::clock::Pace;
use tickdeck_engine::{Effect, Report, StrategyState};
use tickdeck_recording::{DataReels, effects};

/// Where strategies share something: a worker, or in lockstep the end of a window.
const PLACES: [(&str, usize); 4] = [("lockstep", 1), ("lockstep", 2), ("free", 1), ("free", 2)];

/// What the figures of the issue allow for holding a strategy; a test leaves room for a busy machine.
const HELD_WITHIN_NS: u64 = 500_000_000;

/// What is in time on a machine that is busy with other things.
const IN_TIME_NS: u64 = 20_000_000;

fn settings(stepping: &str, workers: usize) -> String {
    // The guests count rounds, so they take longer on a slower machine, and time that a hypervisor takes away counts as theirs;
    // no call is to be stopped for either.
    format!(
        "{SIM}[engine]\nstepping = \"{stepping}\"\nworkers = {workers}\n[wasm]\ntime_ms = 1000\n"
    )
}

/// The guest of the attack: 8 ms an event, one event a call.
fn slow10() -> Vec<u8> {
    std::fs::read(root().join("tests/fixtures/sandbox/slow10.wasm")).unwrap()
}

/// Takes some milliseconds, wherever the body says.
fn burning(body: &str) -> Guest {
    counting("1.0.0")
        .item(
            "(func $burn (param $rounds i64)
               (loop $again
                 (local.set $rounds (i64.sub (local.get $rounds) (i64.const 1)))
                 (br_if $again (i64.gt_s (local.get $rounds) (i64.const 0)))))",
        )
        .on_events(body)
}

/// Some milliseconds at one event in so many.
fn slow_at_every(n: u32) -> Vec<u8> {
    let body = format!(
        "(call $take (i32.const 1))
         (if (i64.eqz (i64.rem_u (global.get $seen) (i64.const {n})))
           (then (call $burn (i64.const 6000000))))
         (call $answer (i32.const 1) (i32.const 0) (i32.const 0))"
    );
    burning(&body).component()
}

/// Less than a millisecond at each event, so that no call is long.
fn slow_in_short_calls() -> Vec<u8> {
    let body = "(call $take (i32.const 1))
                (call $burn (i64.const 500000))
                (call $answer (i32.const 1) (i32.const 0) (i32.const 0))";
    burning(body).component()
}

/// Sets a timer at each market event, due at once, and takes its time at each timer.
fn slow_in_timers() -> Vec<u8> {
    let body = "(call $take (i32.const 1))
        (if (result i32) (i32.eq (i32.load8_u offset=24 (local.get $ptr)) (i32.const 7))
          (then (call $burn (i64.const 6000000))
                (call $answer (i32.const 1) (i32.const 0) (i32.const 0)))
          (else (call $put (i32.const 0) (i32.const 4) (i64.rem_u (global.get $seen) (i64.const 512)))
                (i64.store (i32.const 8208) (i64.load offset=16 (local.get $ptr)))
                (call $answer (i32.const 1) (i32.const 8192) (i32.const 1))))";
    burning(body).component()
}

/// Whether a strategy was ended.
fn held(report: &Report, name: &str) -> bool {
    let mut all = report.status.strategies.iter();
    let one = all.find(|one| one.name == name).unwrap();
    one.state == StrategyState::Quarantined
}

/// Runs a guest called `slow` beside honest strategies until it is held, for a while longer, and once more from the reel.
fn held_beside_others(guest: &[u8], (stepping, workers): (&str, usize)) {
    let place = format!("{stepping}, {workers} workers");
    let (folder, data) = (Folder::new(), tempfile::tempdir().unwrap());
    for name in ["ema-cross", "market-maker"] {
        folder.put(name, &module(name));
    }
    folder.put("slow", guest);
    let settings = settings(stepping, workers);
    let mut host = Hosted::recorded_at(Pace::REAL, &settings, folder, data.path());
    host.await_line(&["slow ended", "kept the other strategies waiting"]);
    let slow = host.until("it is shown", |host| {
        host.find("slow")
            .filter(|one| one.state == StrategyState::Quarantined)
    });
    assert!(
        slow.held_up_ns < HELD_WITHIN_NS,
        "{place}: {} ns",
        slow.held_up_ns
    );
    // What it held up is made good, and the others go on.
    host.until("the others are in time again", |host| {
        let status = host.status();
        let mut honest = status.strategies.iter().filter(|one| one.name != "slow");
        honest.all(|one| one.lag_ns < IN_TIME_NS).then_some(())
    });
    for name in ["ema-cross", "market-maker"] {
        let honest = host.keeps_trading(name);
        assert_eq!(honest.state, StrategyState::Running, "{place}: {name}");
        assert_eq!(honest.traps, 0, "{place}: {name}");
    }
    let (report, _) = host.stop();
    assert!(held(&report, "slow"), "{place}");
    let again = replay(data.path());
    assert_eq!(again.divergence, None, "{place}");
    assert!(again.ended, "{place}");
    assert_eq!(again.report.actions_hash, report.actions_hash, "{place}");
    assert!(held(&again.report, "slow"), "{place}");
}

#[test]
fn eight_milliseconds_an_event_are_held_before_the_others_are_late() {
    for place in PLACES {
        held_beside_others(&slow10(), place);
    }
}

#[test]
fn a_guest_that_is_slow_at_some_events_only_is_held_all_the_same() {
    for place in PLACES {
        held_beside_others(&slow_at_every(40), place);
    }
}

#[test]
fn a_guest_that_is_slow_in_short_calls_is_held_all_the_same() {
    for place in PLACES {
        held_beside_others(&slow_in_short_calls(), place);
    }
}

#[test]
fn a_guest_that_is_slow_in_its_timers_is_held_all_the_same() {
    for place in PLACES {
        held_beside_others(&slow_in_timers(), place);
    }
}

/// Traps once, and then takes some 25 us for each event that it handles once more.
fn slow_when_it_was_restored() -> Vec<u8> {
    let traps_at = 2_000;
    let body = format!(
        "(call $take (i32.const 1))
         (if (i64.lt_u (global.get $seen) (i64.const {traps_at}))
           (then (if (global.get $restored) (then (call $burn (i64.const 20000)))))
           (else (if (i32.eqz (global.get $restored)) (then unreachable))))
         (call $answer (i32.const 1) (i32.const 0) (i32.const 0))"
    );
    burning(&body)
        .item("(global $restored (mut i32) (i32.const 0))")
        .restore(
            "(global.set $restored (i32.const 1))
             (global.set $seen (i64.load (local.get $ptr))) (call $ok)",
        )
        .component()
}

#[test]
fn a_guest_that_is_slow_in_the_events_that_it_handles_once_more_comes_back_in_slices() {
    for (stepping, workers) in PLACES {
        let place = format!("{stepping}, {workers} workers");
        let (folder, data) = (Folder::new(), tempfile::tempdir().unwrap());
        folder.put("market-maker", &module("market-maker"));
        folder.put("slow", &slow_when_it_was_restored());
        let settings = settings(stepping, workers);
        let mut host = Hosted::recorded_at(Pace::REAL, &settings, folder, data.path());
        host.await_line(&["slow recovered"]);
        assert_eq!(host.keeps_trading("slow").traps, 1, "{place}");
        host.keeps_trading("market-maker");
        let (report, _) = host.stop();
        let run = DataReels::in_folder(data.path()).run(None).unwrap();
        let began = |effect: &Effect| matches!(effect, Effect::CatchingUp { .. });
        let began = effects(&run).unwrap().into_iter().filter(began).count();
        // Running freely, nobody waits for a strategy that has a worker of its own.
        let is_awaited = (stepping, workers) != ("free", 2);
        assert_eq!(began, usize::from(is_awaited), "{place}");
        let again = replay(data.path());
        assert_eq!(again.divergence, None, "{place}");
        assert_eq!(again.report.actions_hash, report.actions_hash, "{place}");
    }
}

#[test]
fn a_guest_that_is_alone_is_behind_and_shown_so_but_not_held() {
    let folder = Folder::new();
    folder.put("slow", &slow10());
    let mut host = Hosted::start(&settings("free", 1), folder);
    host.await_line(&["slow is", "events behind"]);
    let slow = host.strategy("slow");
    assert_eq!(slow.state, StrategyState::Running);
    assert!(slow.lag_events > 0 && slow.lag_ns > 0, "{slow:?}");
    host.keeps_trading("slow");
}

#[test]
fn where_the_operator_decides_the_guest_is_shown_and_goes_on() {
    let folder = Folder::new();
    folder.put("calm", &counting("1.0.0").component());
    folder.put("slow", &slow10());
    let settings = settings("lockstep", 1) + "[budget]\noverload = \"alert\"\n";
    let mut host = Hosted::start(&settings, folder);
    host.await_line(&["slow kept the others waiting"]);
    assert_eq!(host.keeps_trading("slow").state, StrategyState::Running);
}

#[test]
fn no_guest_is_held_where_no_time_goes_by() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("slow.wasm");
    std::fs::write(&file, slow10()).unwrap();
    let calm = folder.path().join("calm.wasm");
    std::fs::write(&calm, counting("1.0.0").component()).unwrap();
    let played = Play {
        settings: settings("lockstep", 1),
        modules: vec![file, calm],
        events: Some(60),
        split_seed: None,
    }
    .run();
    assert!(!held(&played.report, "slow"));
}

//! Results never depend on batching, on workers, or on the world a strategy was built for.

use crate::support::deck::{Play, Played};
use crate::support::plugins::{EXAMPLES, bytes_plugins, modules, plugins, sample};
use proptest::prelude::*;
use std::path::Path;
use tickdeck_engine::Notice;

/// A market with everything in it, small enough to be played many times.
const EVENTS: u64 = 12_000;

fn sim(seed: u64, workers: usize, batch: usize) -> String {
    format!(
        "[engine]\nworkers = {workers}\nbatch = {batch}\n[venue]\nkind = \"sim\"\nseed = {seed}\n"
    )
}

/// Periods short enough to trade often in a short run; settings may only name strategies that are there.
fn hurried(names: &[&str]) -> String {
    let parameters = [
        ("ema-cross", "fast = 5\nslow = 12"),
        ("breakout", "bars = 2\ntarget_bps = 1\nstop_bps = 1"),
        ("trend-follower", "fast = 2\nslow = 3\ntrail_bps = 1"),
        ("pairs", "period = 12\nsample_ms = 10\nentry = 1.2"),
    ];
    let sections = parameters.iter().filter(|(name, _)| names.contains(name));
    sections
        .map(|(name, set)| format!("[strategies.{name}.parameters]\n{set}\n"))
        .collect()
}

fn capture(workers: usize, batch: usize) -> String {
    format!(
        "[engine]\nworkers = {workers}\nbatch = {batch}\n[venue]\nkind = \"capture\"\nfiles = [{:?}]\n",
        sample().display().to_string()
    )
}

fn play(settings: String, folder: &Path, names: &[&str], split_seed: Option<u64>) -> Played {
    let settings = settings + &hurried(names);
    let played = Play {
        settings,
        modules: modules(folder, names),
        events: Some(EVENTS),
        split_seed,
    }
    .run();
    let anomaly = played
        .notices
        .iter()
        .find(|notice| matches!(notice, Notice::Anomaly { .. }));
    assert_eq!(anomaly, None, "an order lost its thread");
    played
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(6))]

    #[test]
    fn random_batches_and_any_number_of_workers_give_the_same_actions(
        seed in 1u64..1_000,
        split_seed: u64,
        batch in 1usize..4_097,
        workers in 1usize..5,
    ) {
        let expected = play(sim(seed, 1, 1_024), plugins(), &EXAMPLES, None);
        let cut = play(sim(seed, workers, batch), plugins(), &EXAMPLES, Some(split_seed));
        prop_assert!(expected.report.status.orders > 50, "the test must trade: {:?}", expected.report.status);
        prop_assert_eq!(cut.outcome(), expected.outcome());
    }
}

#[test]
fn every_example_plugin_acts_the_same_however_its_batches_are_cut() {
    for name in [
        "breakout",
        "ema-cross",
        "market-maker",
        "pairs",
        "trend-follower",
    ] {
        let whole = play(sim(7, 1, 4_096), plugins(), &[name], None);
        assert!(
            whole.actions(name) > 5,
            "{name} must act for this to prove anything: {}",
            whole.actions(name)
        );
        for batch in [1, 2, 3, 17, 256] {
            let cut = play(sim(7, 1, batch), plugins(), &[name], Some(batch as u64 + 1));
            assert_eq!(
                cut.outcome(),
                whole.outcome(),
                "{name} at batches of at most {batch}"
            );
        }
    }
    // It acts on another's signals, so it needs company.
    let pair = ["ema-cross", "signal-follower"];
    let whole = play(sim(7, 1, 4_096), plugins(), &pair, None);
    assert!(
        whole.actions("signal-follower") > 10,
        "{}",
        whole.actions("signal-follower")
    );
    for batch in [1, 3, 256] {
        let cut = play(sim(7, 1, batch), plugins(), &pair, Some(batch as u64));
        assert_eq!(
            cut.outcome(),
            whole.outcome(),
            "signal-follower at batches of at most {batch}"
        );
    }
}

#[test]
fn batches_never_matter_on_a_real_market_with_orders_working() {
    let names = ["ema-cross", "market-maker", "signal-follower"];
    let whole = play(capture(1, 4_096), plugins(), &names, None);
    assert!(whole.report.status.orders > 20, "{:?}", whole.report.status);
    for (batch, workers) in [(1, 1), (7, 2), (300, 3)] {
        let cut = play(
            capture(workers, batch),
            plugins(),
            &names,
            Some(batch as u64),
        );
        assert_eq!(
            cut.outcome(),
            whole.outcome(),
            "batches of at most {batch}, {workers} workers"
        );
    }
}

#[test]
fn both_worlds_of_a_plugin_give_the_same_actions() {
    let typed = play(sim(7, 1, 256), plugins(), &EXAMPLES, None);
    let bytes = play(sim(7, 1, 256), bytes_plugins(), &EXAMPLES, None);
    assert!(typed.report.status.orders > 50);
    assert_eq!(bytes.outcome(), typed.outcome());
}

#[test]
fn another_seed_is_another_market() {
    let one = play(sim(1, 1, 256), plugins(), &EXAMPLES, None);
    let other = play(sim(2, 1, 256), plugins(), &EXAMPLES, None);
    assert_ne!(one.report.tape_hash, other.report.tape_hash);
    assert_ne!(one.report.actions_hash, other.report.actions_hash);
}

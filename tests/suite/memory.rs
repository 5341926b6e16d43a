//! What strategies make the host hold, and what they make it wait for, in a host that trades.

use crate::reels::replay;
use crate::support::guests::Guest;
use crate::support::host::{Folder, Hosted, SIM};
use crate::support::plugins::root;
use crate::support::process::files;
use crate::support::versions::counting;
use std::path::Path;

/// A guest that an attack on the sandbox was made of.
fn attack(name: &str) -> Vec<u8> {
    std::fs::read(root().join(format!("tests/fixtures/sandbox/{name}.wasm"))).unwrap()
}

/// A version with 256 messages of its own.
fn talkative(version: u32) -> Guest {
    let messages: Vec<String> = (0..256).map(|text| format!("v{version}.{text}")).collect();
    let messages: Vec<&str> = messages.iter().map(String::as_str).collect();
    counting(&format!("1.{version}.0")).messages(&messages)
}

/// How often a text is in the files of the last run.
fn on_the_reel(data: &Path, text: &str) -> usize {
    let run = data.join("reels/000001");
    let read = |file| std::fs::read(file).unwrap();
    let count = |bytes: Vec<u8>| {
        let windows = bytes.windows(text.len());
        windows.filter(|window| *window == text.as_bytes()).count()
    };
    files(&run).into_iter().map(read).map(count).sum()
}

#[test]
fn names_are_on_the_reel_once_and_bounded() {
    let (folder, data) = (Folder::new(), tempfile::tempdir().unwrap());
    folder.put("guest", &talkative(1).component());
    let mut host = Hosted::recorded(SIM, folder, data.path());
    host.keeps_trading("guest");
    for version in 2..=5 {
        let module = talkative(version).component();
        host.folder.put("guest", &module);
        host.runs("guest", &module);
    }
    host.folder.put("guest", &talkative(6).component());
    host.await_line(&[
        "guest",
        "brought 1280 names",
        "limit is 1024 for a strategy",
    ]);
    // One without new names is taken.
    let quiet = counting("2.0.0").messages(&["v1.0", "v5.7"]).component();
    host.folder.put("guest", &quiet);
    host.runs("guest", &quiet);
    let (report, _) = host.stop();
    for text in ["v2.7\\", "v5.255\\"] {
        assert_eq!(on_the_reel(data.path(), text), 1, "{text}");
    }
    let replayed = replay(data.path());
    assert_eq!(replayed.divergence, None);
    assert_eq!(replayed.report.actions_hash, report.actions_hash);
}

#[test]
fn a_guest_with_a_heavy_start_that_traps_costs_the_others_nothing_and_ends() {
    let (folder, data) = (Folder::new(), tempfile::tempdir().unwrap());
    folder.put("calm", &counting("1.0.0").component());
    folder.put("heavy", &attack("startspin-trap"));
    let mut host = Hosted::recorded(SIM, folder, data.path());
    host.keeps_trading("calm");
    host.until("heavy is quarantined", |host| {
        (host.strategy("heavy").state.as_str() == "quarantined").then_some(())
    });
    host.keeps_trading("calm");
    let (report, _) = host.stop();
    let replayed = replay(data.path());
    assert_eq!(replayed.divergence, None);
    assert_eq!(replayed.report.actions_hash, report.actions_hash);
}

#[test]
fn a_version_that_starts_afresh_too_slowly_is_refused_before_others_wait_for_it() {
    let folder = Folder::new();
    folder.settings("guest", "[swap]\nother_schema = \"fresh\"\n");
    folder.put("guest", &counting("1.0.0").component());
    let mut host = Hosted::start(SIM, folder);
    let before = host.keeps_trading("guest");
    let slow = counting("2.0.0")
        .restores(&[])
        .init("(if (i64.gt_u (local.get $next) (i64.const 0)) (then (call $spin))) (call $ok)");
    host.folder.put("guest", &slow.component());
    host.await_line(&[
        "guest",
        "was refused",
        "init: endless loop",
        "`handover_ms`",
    ]);
    host.keeps_running(&before);
}

//! Upgrades that go wrong, and those that need someone's word: through the plugins folder, the watcher and the loader.
//! Whatever comes, the old version trades on, and the operator is told once, in a line.

use crate::support::host::{Folder, Hosted, SIM};
use crate::support::versions::{counting, hash, marked, traps_after};
use tickdeck_deck::lifecycle::StrategyCommand;
use tickdeck_engine::StrategyState;
use tickdeck_settings::signature::{NewKey, SigningKey};

/// More events than a rehearsal has, and fewer than a trial.
const IN_TRIAL: u32 = 7_000;

/// A file that nothing is the matter with comes behind a bad one, so that it is known that the bad one was judged.
fn taken(host: &mut Hosted, version: &str) {
    let good = counting(version).component();
    host.folder.put("guest", &good);
    host.runs("guest", &good);
}

#[test]
fn a_new_version_whose_restore_traps_spins_or_refuses_is_refused_in_a_line_and_the_old_one_trades_on()
 {
    let mut host = Hosted::with(SIM, &counting("1.0.0").component());
    let before = host.strategy("guest");
    for (version, body, words) in [
        ("1.1.0", "unreachable", "unreachable"),
        ("1.2.0", "(call $spin) (call $ok)", "20 ms"),
        ("1.3.0", "(call $error)", "no"),
    ] {
        host.forget();
        let bad = counting(version).restore(body).component();
        host.folder.put("guest", &bad);
        let line = host.await_line(&["guest: a new version was refused"]);
        assert!(line.contains(words), "`{words}` is missing in: {line}");
        assert!(line.ends_with("; the old version keeps running"), "{line}");
        host.keeps_running(&before);
        let note = host.record("guest").note.unwrap();
        assert!(note.contains(words), "{note}");
    }
    taken(&mut host, "1.4.0");
    assert_eq!(host.record("guest").note, None, "what was refused is past");
}

#[test]
fn a_reload_that_is_faster_than_the_watcher_is_answered_and_nothing_is_told_twice() {
    let mut host = Hosted::with(SIM, &counting("1.0.0").component());
    let before = host.strategy("guest");
    let bad = counting("1.1.0").restore("unreachable").component();
    host.folder.put("guest", &bad);
    let why = host.refused("guest", StrategyCommand::Reload);
    assert!(why.contains("unreachable"), "{why}");
    // What was put there later is looked at later.
    let other = counting("1.0.0").component();
    host.folder.put("other", &other);
    host.runs("other", &other);
    host.await_line(&["guest: a new version was refused"]);
    assert!(
        !host
            .said()
            .iter()
            .any(|text| text.contains("failed before"))
    );
    let note = host.record("guest").note.unwrap();
    assert!(note.contains("unreachable"), "{note}");
    host.keeps_running(&before);
}

#[test]
fn a_restore_that_tries_to_submit_is_not_heard() {
    let mut host = Hosted::with(SIM, &counting("1.0.0").component());
    let submits = "(call $put (i32.const 0) (i32.const 0) (i64.const 1))
                   (drop (call $answer (i32.const 0) (i32.const 8192) (i32.const 1)))
                   (global.set $seen (i64.load (local.get $ptr)))
                   (call $answer (i32.const 0) (i32.const 8192) (i32.const 1))";
    let sly = counting("1.1.0").restore(submits).component();
    host.folder.put("guest", &sly);
    host.runs("guest", &sly);
    host.keeps_trading("guest");
    let (report, _) = host.stop();
    assert_eq!((report.status.actions, report.status.orders), (0, 0));
}

#[test]
fn an_old_version_whose_save_traps_spins_refuses_or_is_too_large_never_blocks_an_upgrade() {
    for body in [
        "unreachable",
        "(call $spin) (call $ok)",
        "(call $error)",
        "(call $state (i32.const 0) (i32.const 0x40000000))",
    ] {
        let old = counting("1.0.0").save(body).component();
        let mut host = Hosted::with(SIM, &old);
        let new = counting("2.0.0").component();
        host.folder.put("guest", &new);
        let line = host.await_line(&["guest: 1.0.0 -> 2.0.0"]);
        assert!(
            line.contains("without state; the old version could not save: "),
            "{body}: {line}"
        );
        let now = host.runs("guest", &new);
        assert_eq!(now.generation, 2, "{body}");
        host.keeps_trading("guest");
    }
}

#[test]
fn a_version_that_asks_for_more_waits_while_the_old_one_trades_until_it_is_approved() {
    let mut host = Hosted::with(SIM, &counting("1.0.0").component());
    let before = host.strategy("guest");
    host.folder
        .settings("guest", "[permissions]\nmax_notional = 50_000\n");
    let new = counting("2.0.0").component();
    host.folder.put("guest", &new);
    let line = host.await_line(&["guest: version 2.0.0 waits"]);
    assert!(
        line.contains("max_notional: asks for 50,000, granted 25,000")
            && line.contains("`tickdeck strategies approve guest`"),
        "{line}"
    );
    host.keeps_running(&before);
    let note = host.record("guest").note.unwrap();
    assert!(line.ends_with(&note), "{note}");
    let done = host.ask("guest", StrategyCommand::Approve(None));
    assert!(done.contains("guest is 2.0.0"), "{done}");
    host.await_line(&["operator: guest: granted (max_notional"]);
    host.runs("guest", &new);
    host.keeps_trading("guest");
    assert_eq!(host.record("guest").note, None);
    let why = host.refused("guest", StrategyCommand::Approve(None));
    assert!(why.contains("requests nothing beyond"), "{why}");
}

#[test]
fn nothing_waits_any_more_once_the_version_that_asked_was_taken_back() {
    let old = counting("1.0.0").component();
    let mut host = Hosted::with(SIM, &old);
    let before = host.strategy("guest");
    host.folder
        .settings("guest", "[permissions]\nmax_notional = 50_000\n");
    host.await_line(&["guest: version 1.0.0 waits"]);
    std::fs::remove_file(host.folder.file("guest.toml")).unwrap();
    host.until("the note is gone", |host| {
        host.record("guest").note.is_none().then_some(())
    });
    let why = host.refused("guest", StrategyCommand::Approve(None));
    assert!(why.contains("requests nothing beyond"), "{why}");
    host.keeps_running(&before);
}

#[test]
fn a_strategy_that_is_gone_while_it_waits_for_an_approval_waits_no_more() {
    let folder = Folder::new();
    folder.put("calm", &counting("1.0.0").component());
    folder.settings("guest", "[permissions]\nmax_notional = 50_000\n");
    folder.put("guest", &counting("1.0.0").component());
    let mut host = Hosted::start(SIM, folder);
    let before = host.keeps_trading("calm");
    assert_eq!(host.record("guest").inactive, Some("waiting for approval"));
    std::fs::remove_file(host.folder.file("guest.wasm")).unwrap();
    host.until("guest is gone", |host| {
        let record = host.record("guest");
        (record.inactive == Some("removed") && record.note.is_none()).then_some(())
    });
    let why = host.refused("guest", StrategyCommand::Approve(None));
    assert!(why.contains("requests nothing beyond"), "{why}");
    host.keeps_running(&before);
    let problems: Vec<_> = host.said();
    assert!(
        !problems.iter().any(|text| text.contains("does not run")),
        "nothing failed: {problems:?}"
    );
}

#[test]
fn a_version_of_the_other_world_takes_the_state_over_and_an_older_one_takes_it_back() {
    let one = counting("1.0.0").component();
    let mut host = Hosted::with(SIM, &one);
    let bytes = counting("1.1.0").bytes().component();
    host.folder.put("guest", &bytes);
    let line = host.await_line(&["guest: 1.0.0 -> 1.1.0"]);
    assert!(line.ends_with("with 8 bytes of state"), "{line}");
    host.runs("guest", &bytes);
    host.keeps_trading("guest");
    // A downgrade is an upgrade.
    host.folder.put("guest", &one);
    let line = host.await_line(&["guest: 1.1.0 -> 1.0.0"]);
    assert!(line.ends_with("with 8 bytes of state"), "{line}");
    assert_eq!(host.runs("guest", &one).generation, 3);
    host.keeps_trading("guest");
}

#[test]
fn a_state_of_another_schema_is_refused_unless_the_settings_say_to_start_afresh() {
    let mut host = Hosted::with(SIM, &counting("1.0.0").component());
    let before = host.strategy("guest");
    let other = counting("2.0.0").restores(&[2]).component();
    host.folder.put("guest", &other);
    let line = host.await_line(&["guest: a new version was refused"]);
    assert!(
        line.contains("reads states of schema [2], the running version saves 1")
            && line.contains("other_schema = \"fresh\""),
        "{line}"
    );
    host.keeps_running(&before);
    host.folder
        .settings("guest", "[swap]\nother_schema = \"fresh\"\n");
    let line = host.await_line(&["guest: 1.0.0 -> 2.0.0"]);
    assert!(line.ends_with("without state"), "{line}");
    host.runs("guest", &other);
    host.keeps_trading("guest");
}

#[test]
fn a_version_that_traps_within_its_trial_is_rolled_back_and_not_taken_again_by_itself() {
    let old = counting("1.0.0").component();
    let mut host = Hosted::with(SIM, &old);
    let bad = traps_after("2.0.0", IN_TRIAL).component();
    host.folder.put("guest", &bad);
    let line = host.await_line(&["guest: 2.0.0 trapped within its trial, rolled back to 1.0.0"]);
    assert!(line.contains("unreachable"), "{line}");
    let back = host.runs("guest", &old);
    assert_eq!(back.generation, 3);
    host.keeps_trading("guest");

    // The same bytes come again, behind others.
    host.folder.put("guest", &old);
    host.await_line(&["guest: the file is the version that trades"]);
    host.folder.put("guest", &bad);
    host.await_line(&["guest: this version failed before and is not loaded again"]);
    host.keeps_running(&back);

    let record = host.record("guest");
    let hashes: Vec<&str> = record.generations.iter().map(|one| &*one.hash).collect();
    let (old, bad) = (hash(&old), hash(&bad));
    assert_eq!(hashes, [&*old, &*bad, &*old]);
    assert!(
        record.generations[2].reason.starts_with("rolled back: "),
        "{record:?}"
    );

    // Unless someone insists.
    let done = host.ask("guest", StrategyCommand::Reload);
    assert!(done.contains("guest is 2.0.0"), "{done}");
}

#[test]
fn a_strategy_that_traps_three_times_is_quarantined_until_a_better_version_comes() {
    let bad = traps_after("1.0.0", 2_000).component();
    let folder = Folder::new();
    folder.put("guest", &bad);
    folder.put("calm", &counting("1.0.0").component());
    let mut host = Hosted::start(SIM, folder);
    let line = host.await_line(&["guest ended: "]);
    assert!(line.contains("unreachable"), "{line}");
    let ended = host.until("it is quarantined", |host| {
        let strategy = host.find("guest")?;
        (strategy.state == StrategyState::Quarantined).then_some(strategy)
    });
    assert_eq!(ended.traps, 3);
    host.keeps_trading("calm");
    let good = counting("1.1.0").component();
    host.folder.put("guest", &good);
    let back = host.runs("guest", &good);
    assert_eq!(back.generation, 2);
    host.keeps_trading("guest");
}

#[test]
fn a_version_in_the_shadow_trades_once_it_is_promoted_and_the_one_before_once_it_is_rolled_back() {
    let old = counting("1.0.0").component();
    let mut host = Hosted::with(SIM, &old);
    let before = host.strategy("guest");
    host.folder.settings("guest", "[swap]\nshadow = true\n");
    let new = counting("2.0.0").component();
    host.folder.put("guest", &new);
    let shadow_hash = hash(&new);
    host.until("the new version runs as a shadow", |host| {
        let shadow = host.find("guest")?.shadow?;
        (shadow.hash == shadow_hash && shadow.differed == 0).then_some(())
    });
    let now = host.keeps_trading("guest");
    assert_eq!((now.hash, now.generation), (before.hash, before.generation));
    assert_eq!(host.record("guest").generations.len(), 1);

    let done = host.ask("guest", StrategyCommand::Promote);
    assert!(done.starts_with("guest is 2.0.0"), "{done}");
    let promoted = host.runs("guest", &new);
    assert_eq!((promoted.generation, promoted.shadow), (2, None));
    assert_eq!(host.record("guest").note, None);
    host.keeps_trading("guest");
    let why = host.refused("guest", StrategyCommand::Promote);
    assert!(why.contains("no shadow version"), "{why}");

    let done = host.ask("guest", StrategyCommand::RollBack);
    assert!(done.starts_with("guest is 1.0.0 again"), "{done}");
    assert_eq!(host.runs("guest", &old).generation, 3);
    host.keeps_trading("guest");
    let (old, new) = (hash(&old), hash(&new));
    host.until("the generations are written down", |host| {
        let record = host.record("guest");
        let hashes: Vec<&str> = record.generations.iter().map(|one| &*one.hash).collect();
        (hashes == [&*old, &*new, &*old]).then_some(())
    });
}

#[test]
fn a_second_rollback_takes_the_first_one_back() {
    let folder = Folder::new();
    let (one, two) = (counting("1.0.0").component(), counting("2.0.0").component());
    // A trial that is over with the first events.
    folder.settings("guest", "[swap]\ntrial_events = 1\n");
    folder.put("guest", &one);
    let mut host = Hosted::start(SIM, folder);
    host.keeps_trading("guest");
    host.folder.put("guest", &two);
    host.runs("guest", &two);
    for (words, module) in [
        ("guest is 1.0.0 again", &one),
        ("guest is 2.0.0 again", &two),
    ] {
        host.keeps_trading("guest");
        let done = host.ask("guest", StrategyCommand::RollBack);
        assert!(done.starts_with(words), "{done}");
        assert!(done.ends_with("with 8 bytes of state"), "{done}");
        host.runs("guest", module);
    }
    host.keeps_trading("guest");
    // What was rolled back last stays out; what trades is known to trade.
    host.folder.put("guest", &one);
    host.await_line(&["guest: this version failed before"]);
    host.folder.put("guest", &two);
    host.await_line(&["guest: the file is the version that trades"]);
    assert_eq!(host.runs("guest", &two).generation, 4);
}

#[test]
fn a_version_in_the_shadow_that_traps_or_is_rolled_back_leaves_the_running_one_alone() {
    let mut host = Hosted::with(SIM, &counting("1.0.0").component());
    let before = host.strategy("guest");
    host.folder.settings("guest", "[swap]\nshadow = true\n");
    let bad = traps_after("2.0.0", IN_TRIAL).component();
    host.folder.put("guest", &bad);
    let line = host.await_line(&["guest: the shadow failed: "]);
    assert!(line.contains("unreachable"), "{line}");
    host.keeps_running(&before);
    let good = counting("2.1.0").component();
    host.folder.put("guest", &good);
    let shadow_hash = hash(&good);
    host.until("the better one runs as a shadow", |host| {
        let shadow = host.find("guest")?.shadow?;
        (shadow.hash == shadow_hash).then_some(())
    });
    let done = host.ask("guest", StrategyCommand::RollBack);
    assert_eq!(done, "version 2.1.0 no longer runs as a shadow of guest");
    host.keeps_running(&before);
}

#[test]
fn a_change_of_parameters_alone_is_a_swap() {
    let guest = counting("1.0.0").parameter("speed", Some("slow"));
    let module = guest.component();
    let mut host = Hosted::with(SIM, &module);
    host.folder
        .settings("guest", "[parameters]\nspeed = \"fast\"\n");
    let line = host.await_line(&["guest: 1.0.0 -> another 1.0.0"]);
    assert!(line.ends_with("with 8 bytes of state"), "{line}");
    let now = host.until("the second generation runs", |host| {
        host.find("guest").filter(|one| one.generation == 2)
    });
    assert_eq!(now.hash, hash(&module));
    let given = host.record("guest").parameters.remove(0);
    assert_eq!((&*given.name, &*given.value), ("speed", "fast"));
    assert!(given.source.ends_with("guest.toml"), "{given:?}");
    // Values that it does not have are refused, and what runs keeps its own.
    host.folder
        .settings("guest", "[parameters]\nsped = \"faster\"\n");
    host.await_line(&["guest: a new version was refused", "sped", "guest.toml:2"]);
    host.keeps_running(&now);
    let given = host.record("guest").parameters.remove(0);
    assert_eq!((&*given.name, &*given.value), ("speed", "fast"));
}

#[test]
fn what_show_says_of_parameters_is_what_runs_after_a_refusal_and_after_a_rollback() {
    let module = counting("1.0.0")
        .parameter("speed", Some("slow"))
        .component();
    let mut host = Hosted::with(SIM, &module);
    let speed = |host: &Hosted| host.record("guest").parameters[0].value.clone();
    // It is refused only when it is tried, after its parameters were read.
    let bad = counting("2.0.0")
        .parameter("speed", Some("none"))
        .restore("unreachable")
        .init("unreachable");
    host.folder.put("guest", &bad.component());
    host.await_line(&["guest: a new version was refused", "unreachable"]);
    assert_eq!(speed(&host), "slow");
    host.folder.put("guest", &module);
    host.await_line(&["guest: the file is the version that trades"]);
    host.folder
        .settings("guest", "[parameters]\nspeed = \"fast\"\n");
    host.until("its parameters are those of the file", |host| {
        (speed(host) == "fast").then_some(())
    });
    host.ask("guest", StrategyCommand::RollBack);
    host.until("its parameters are the earlier ones", |host| {
        (speed(host) == "slow").then_some(())
    });
}

#[test]
fn a_module_that_is_not_signed_by_a_trusted_key_is_refused_and_one_that_is_is_taken() {
    let key = NewKey::make(None).unwrap();
    let keys = Folder::new();
    std::fs::write(keys.file("secret"), &key.secret).unwrap();
    let signer = SigningKey::read(&keys.file("secret"), || Ok(String::new())).unwrap();
    let sign = |module: &[u8]| signer.sign("guest.wasm", 0, module).unwrap();
    let folder = Folder::new();
    let old = counting("1.0.0").component();
    std::fs::write(folder.file("guest.wasm.minisig"), sign(&old)).unwrap();
    folder.put("guest", &old);
    let settings = format!("{SIM}[wasm]\ntrusted_keys = [\"{}\"]\n", key.line);
    let mut host = Hosted::start(&settings, folder);
    let before = host.keeps_trading("guest");

    // The old signature does not fit the new bytes.
    let new = counting("2.0.0").component();
    host.folder.put("guest", &new);
    host.await_line(&["guest: a new version was refused", "sign"]);
    host.keeps_running(&before);
    host.forget();
    std::fs::remove_file(host.folder.file("guest.wasm.minisig")).unwrap();
    host.await_line(&["guest: a new version was refused", "sign"]);
    host.keeps_running(&before);
    std::fs::write(host.folder.file("guest.wasm.minisig"), sign(&new)).unwrap();
    host.runs("guest", &new);
    host.keeps_trading("guest");
}

#[test]
fn a_module_that_was_refused_at_the_start_is_started_once_it_is_fixed() {
    let folder = Folder::new();
    folder.put("calm", &counting("1.0.0").component());
    folder.put("broken", b"this is no module");
    folder.put(
        "unwilling",
        &counting("1.0.0").init("(call $error)").component(),
    );
    let mut host = Hosted::start(SIM, folder);
    host.keeps_trading("calm");
    for name in ["broken", "unwilling"] {
        assert_eq!(host.record(name).inactive, Some("refused"), "{name}");
        let good = counting("1.1.0").component();
        host.folder.put(name, &good);
        host.runs(name, &good);
        host.keeps_trading(name);
        let record = host.record(name);
        assert_eq!((record.inactive, record.note), (None, None), "{name}");
    }
}

#[test]
fn a_strategy_that_was_removed_is_started_again_by_a_reload_or_by_a_new_file() {
    let one = counting("1.0.0").component();
    let mut host = Hosted::with(SIM, &one);
    let done = host.ask("guest", StrategyCommand::Remove);
    assert_eq!(
        done,
        "guest stopped cleanly, with no position; its file stays, and the next start runs it again"
    );
    host.until("it stopped", |host| {
        (host.find("guest")?.state == StrategyState::Stopped).then_some(())
    });
    let why = host.refused("guest", StrategyCommand::Remove);
    assert!(why.contains("does not run"), "{why}");
    let done = host.ask("guest", StrategyCommand::Reload);
    assert_eq!(done, "guest 1.0.0 trades");
    host.runs("guest", &one);
    host.keeps_trading("guest");
    std::fs::remove_file(host.folder.file("guest.wasm")).unwrap();
    host.until("it stopped with its file", |host| {
        (host.find("guest")?.state == StrategyState::Stopped).then_some(())
    });
    let why = host.refused("guest", StrategyCommand::Reload);
    assert!(why.contains("guest.wasm"), "{why}");
    let two = counting("2.0.0").component();
    host.folder.put("guest", &two);
    host.runs("guest", &two);
    host.keeps_trading("guest");
}

#[test]
fn a_deck_whose_folder_is_empty_starts_and_waits_for_its_first_strategy() {
    let mut host = Hosted::start(SIM, Folder::new());
    host.until("the market goes by", |host| {
        (host.status().now > 0).then_some(())
    });
    assert!(host.status().strategies.is_empty());
    let first = counting("1.0.0").component();
    host.folder.put("guest", &first);
    host.runs("guest", &first);
    host.keeps_trading("guest");
}

#[test]
fn strategies_that_share_a_module_change_together_and_disabled_ones_never_run() {
    let settings = format!(
        "{SIM}[strategies.second]\nplugin = \"guest\"\n[strategies.off]\nplugin = \"guest\"\nenabled = false\n\
         [strategies.never]\nenabled = false\n"
    );
    let folder = Folder::new();
    folder.put("guest", &counting("1.0.0").component());
    folder.put("never", &counting("1.0.0").component());
    let mut host = Hosted::start(&settings, folder);
    let two = counting("2.0.0").component();
    host.folder.put("guest", &two);
    host.folder.put("never", &two);
    for name in ["guest", "second"] {
        assert_eq!(host.runs(name, &two).generation, 2);
        host.keeps_trading(name);
    }
    let three = counting("3.0.0").component();
    host.folder.put("never", &three);
    std::fs::remove_file(host.folder.file("guest.wasm")).unwrap();
    for name in ["guest", "second"] {
        host.until("both stop", |host| {
            (host.find(name)?.state == StrategyState::Stopped).then_some(())
        });
    }
    for name in ["off", "never"] {
        assert!(host.find(name).is_none() && host.history.record(name).is_none());
        let why = host.refused(name, StrategyCommand::Reload);
        assert!(why.contains("there are guest, second"), "{why}");
    }
}

#[test]
fn a_flood_of_versions_ends_with_the_last_one() {
    let mut host = Hosted::with(SIM, &counting("1.0.0").component());
    let module = counting("2.0.0").component();
    let last = marked(&module, 200);
    for mark in 0..=200 {
        host.folder.put("guest", &marked(&module, mark));
    }
    host.runs("guest", &last);
    host.keeps_trading("guest");
}

#[test]
fn an_operators_command_goes_before_the_modules_that_lie_in_the_folder() {
    let mut host = Hosted::with(SIM, &counting("1.0.0").component());
    // Each takes a second to load, until its time limit; one is a new version of what is removed.
    let slow = counting("2.0.0").describe("(loop $spin (br $spin)) unreachable");
    let others = ["a1", "a2", "a3", "z1", "z2"];
    for name in others.iter().chain(&["guest"]) {
        host.folder.put(name, &slow.component());
    }
    let refused = |host: &mut Hosted| {
        let said = host.said();
        let lines = said.iter().filter(|text| text.contains("was refused"));
        lines.count()
    };
    host.until("the first one is refused", |host| {
        (refused(host) > 0).then_some(())
    });
    let done = host.ask("guest", StrategyCommand::Remove);
    assert!(done.starts_with("guest stopped cleanly"), "{done}");
    let before = host.until("what was said so far is read", |host| Some(refused(host)));
    assert!(before < others.len(), "it waited for all of them");
    host.await_line(&["z2: a new version was refused"]);
    assert_eq!(refused(&mut host), others.len(), "guest was loaded again");
}

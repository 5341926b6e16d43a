//! Untrusted text, names and authority: what a guest, its files and their names say is shown as one visible line, kept
//! within bounds, and never taken for what somebody else said.

use crate::support::deck::{Play, Played, parts};
use crate::support::guests::Guest;
use crate::support::host::{Folder, Hosted, SIM};
use crate::support::plugins::{module, modules, plugins, root};
use crate::support::process::{command, deck};
use crate::support::versions::counting;
use proptest::prelude::*;
use std::path::Path;
use tickdeck_deck::assemble::assemble;
use tickdeck_model::untrusted::printable;
use tickdeck_settings::config::PluginSettings;
use tickdeck_settings::signature::{NewKey, SigningKey};

/// Bytes of a reason that is kept: a few lines.
const REASON: usize = 8 << 10;

/// What an attacker writes wherever it may write.
const HOSTILE: &str = "\u{1b}]0;owned\u{7}\u{1b}[2J\u{9b}31m\r\n00:00:00 all is well \u{202e}\u{200b}\u{2028}\u{e0041}";

/// A guest that an attack on the sandbox was made of.
fn attack(name: &str) -> Vec<u8> {
    std::fs::read(root().join(format!("tests/fixtures/sandbox/{name}.wasm"))).unwrap()
}

fn steers_nothing(text: &str) {
    assert_eq!(printable(text), text);
}

/// Runs the real binary and returns all that it printed, which must be fit for a terminal.
fn printed(folder: &Path, arguments: &[&str]) -> String {
    let output = command(folder, arguments).output().unwrap();
    let text =
        String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap();
    steers_nothing(&text);
    text
}

fn play(settings: &str, examples: &[&str], guests: &[(&str, Vec<u8>)]) -> Played {
    let folder = tempfile::tempdir().unwrap();
    let mut files = modules(plugins(), examples);
    for (name, bytes) in guests {
        let file = folder.path().join(format!("{name}.wasm"));
        std::fs::write(&file, bytes).unwrap();
        files.push(file);
    }
    Play {
        settings: settings.to_owned(),
        modules: files,
        events: Some(6_000),
        split_seed: None,
    }
    .run()
}

#[test]
fn a_module_cannot_steer_the_terminal_of_whoever_checks_it() {
    let folder = tempfile::tempdir().unwrap();
    let odd = "odd\u{1b}[2J\nhash 0000.wasm";
    std::fs::write(folder.path().join("t-doc.wasm"), attack("t-doc")).unwrap();
    std::fs::write(folder.path().join("x.wasm"), attack("x")).unwrap();
    std::fs::write(folder.path().join(odd), attack("t-doc")).unwrap();
    std::fs::write(folder.path().join("junk\u{1b}c.wasm"), "junk").unwrap();
    for file in ["t-doc.wasm", "x.wasm", odd, "junk\u{1b}c.wasm"] {
        let text = printed(folder.path(), &["check", file]);
        let hashes = text.lines().filter(|line| line.starts_with("hash"));
        assert!(hashes.count() <= 1, "{text}");
        assert!(!text.lines().any(|line| line.starts_with("FAKE")), "{text}");
        printed(folder.path(), &["check", file, "--json"]);
    }
    let text = printed(folder.path(), &["check", "t-doc.wasm"]);
    assert!(
        text.contains("hello \\u{1b}]0;PWNED") && text.contains("\\u{1b}[31mSIGNED BY OPERATOR"),
        "{text}"
    );
}

#[test]
fn a_deck_shows_what_hostile_files_say_without_obeying_it() {
    let deck = deck(&format!("{SIM}[risk]\npublish = []\n"));
    let plugins = deck.path().join("plugins");
    let toml = |text: &str| -> String {
        text.chars()
            .map(|char| format!("\\U{:08x}", u32::from(char)))
            .collect()
    };
    for (name, text) in [
        ("key", format!("\"{}\" = 1\n", toml(HOSTILE))),
        (
            "parameter",
            format!(
                "[parameters]\n\"{}\" = \"{}\"\n",
                toml(HOSTILE),
                toml(HOSTILE)
            ),
        ),
        (
            "value",
            format!("[swap]\nother_schema = \"{}\"\n", toml(HOSTILE)),
        ),
        (
            "symbol",
            format!("[permissions]\ninstruments = [\"{}\"]\n", toml(HOSTILE)),
        ),
        (
            "signal",
            format!(
                "[permissions]\npublish = [\"a{}\"]\n",
                toml("\u{202e}\u{200b}")
            ),
        ),
        ("grammar", format!("a = \u{1b}[2J{HOSTILE}\n")),
    ] {
        std::fs::write(
            plugins.join(format!("{name}.wasm")),
            Guest::new().trades("*").component(),
        )
        .unwrap();
        std::fs::write(plugins.join(format!("{name}.toml")), text).unwrap();
    }
    std::fs::write(plugins.join("x.wasm"), attack("x")).unwrap();
    std::fs::write(
        plugins.join(format!("{}.wasm", HOSTILE.replace('/', ""))),
        attack("t-doc"),
    )
    .unwrap();
    let logs = Guest::new().trades("*").says("fine\\0a\\1b[2J00:00:00 error: forged").on_events(
        "(call $say) (call $take (local.get $len)) (call $answer (local.get $len) (i32.const 0) (i32.const 0))",
    );
    std::fs::write(plugins.join("logs.wasm"), logs.component()).unwrap();
    let text = printed(
        deck.path(),
        &["run", "--events", "3000", "--pace", "max", "--plain"],
    );
    assert!(
        !text
            .lines()
            .any(|line| line.starts_with("00:00:00 all is well")),
        "{text}"
    );
    assert!(
        !text
            .lines()
            .any(|line| line.contains("error: forged") && !line.contains("logs: fine\\n")),
        "{text}"
    );
    for name in ["key", "parameter", "value", "symbol", "grammar"] {
        assert!(
            text.contains(&format!("{name} does not run: ")),
            "{name}: {text}"
        );
    }
    assert!(text.contains("signal waits: publish"), "{text}");
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]
    #[test]
    fn whatever_a_settings_file_holds_its_mistakes_are_told_in_a_few_visible_lines(text in "[\\PC\u{1b}\n\r\u{202e}\"\\[\\]=.#a-c]{0,200}") {
        if let Err(problems) = PluginSettings::parse("p.toml", &text) {
            let told = problems.to_string();
            steers_nothing(&told);
            prop_assert!(told.len() < 32 << 10, "{}", told.len());
        }
    }
}

#[test]
fn a_reason_names_the_first_problems_and_counts_the_rest() {
    let played = play(
        SIM,
        &["ema-cross"],
        &[("params", attack("d-params-100000"))],
    );
    let (name, why) = &played.skipped[0];
    assert_eq!(name, "params");
    assert!(why.contains("100000 parameters, the limit is 256"), "{why}");
    assert!(why.len() < REASON, "{}", why.len());
    // The same for settings: a hundred thousand unknown keys, and one of a megabyte.
    let many: String = (0..100_000).map(|key| format!("k{key}=1\n")).collect();
    let why = PluginSettings::parse("p.toml", &many)
        .unwrap_err()
        .to_string();
    assert!(
        why.ends_with("and 99980 more mistakes in p.toml") && why.len() < REASON,
        "{why}"
    );
    let long = format!("[parameters]\n{} = []\n", "k".repeat(1 << 20));
    let why = PluginSettings::parse("p.toml", &long)
        .unwrap_err()
        .to_string();
    assert!(why.len() < REASON, "{}", why.len());
}

#[test]
fn versions_with_a_hundred_thousand_problems_do_not_fill_the_history_or_the_log() {
    let folder = Folder::new();
    folder.put("guest", &counting("1.0.0").component());
    let mut host = Hosted::start(SIM, folder);
    let before = host.keeps_trading("guest");
    for round in 0..3 {
        // With a custom section of one letter: a content that failed before is not even looked at.
        let module = [&attack("d-params-100000")[..], &[0, 2, 1, b'a' + round]].concat();
        host.folder.put("guest", &module);
        host.await_line(&["guest: a new version was refused"]);
        host.forget();
        host.folder.put("guest", &counting("1.0.0").component());
        host.await_line(&["guest: the file is the version that trades"]);
        host.forget();
    }
    let parameters: String = (0..1_500).map(|key| format!("p{key} = 1\n")).collect();
    host.folder
        .settings("guest", &format!("[parameters]\n{parameters}"));
    let line = host.await_line(&["guest: a new version was refused"]);
    assert!(line.len() < REASON, "{}", line.len());
    let record = host.record("guest");
    let kept: usize = record.faults.iter().map(|(_, why)| why.len()).sum();
    assert!(kept < REASON * record.faults.len(), "{kept}");
    assert!(
        record
            .note
            .is_some_and(|note| note.len() < REASON && !note.contains('\n'))
    );
    host.keeps_running(&before);
}

#[test]
fn a_file_whose_name_is_not_a_name_is_refused_with_the_rule_and_host_is_the_host() {
    let names = [
        "-rf",
        "*",
        " ",
        "ema cross",
        "ema\u{200b}-cross",
        "\u{435}ma-cross",
        "ema-cr\u{43e}ss",
        "2nd",
        "host",
        "HOST",
        "a\nb",
        "\u{202e}ssorc-ame",
    ];
    let guests: Vec<(&str, Vec<u8>)> = names
        .iter()
        .map(|name| (*name, attack("o-spoof")))
        .collect();
    let calm = play(SIM, &["ema-cross"], &[]);
    let played = play(SIM, &["ema-cross"], &guests);
    assert_eq!(played.outcome(), calm.outcome());
    assert_eq!(played.skipped.len(), names.len(), "{:?}", played.skipped);
    for (name, why) in &played.skipped {
        steers_nothing(name);
        steers_nothing(why);
        assert!(
            why.contains("has a name that is not valid for a strategy: rename it; "),
            "{why}"
        );
        let rule = ["starts with a letter", "is the host's own name"];
        assert!(rule.iter().any(|part| why.contains(part)), "{why}");
    }
}

#[test]
fn a_section_of_the_settings_gives_no_strategy_a_name_that_is_not_one() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("ema-cross.wasm"), module("ema-cross")).unwrap();
    for name in ["host", "HOST", "\u{435}ma", "a b", "\\u001B[2J"] {
        let settings = format!("{SIM}[strategies.\"{name}\"]\nplugin = \"ema-cross\"\n");
        let error = assemble(parts(&settings, folder.path())).err().unwrap();
        let text = format!("{error:#}");
        steers_nothing(&text);
        assert!(
            text.contains(" at tickdeck.toml:4, rename its section"),
            "{text}"
        );
    }
}

#[test]
fn a_loose_settings_file_does_not_steer_a_signed_module() {
    let key = NewKey::make(None).unwrap();
    let keys = Folder::new();
    std::fs::write(keys.file("secret"), &key.secret).unwrap();
    let signer = SigningKey::read(&keys.file("secret"), || Ok(String::new())).unwrap();
    let module = counting("1.0.0")
        .parameter("speed", Some("slow"))
        .component();
    let fast = "[parameters]\nspeed = \"fast\"\n";
    let signed = |settings: Option<&str>| {
        let settings = settings.map(str::as_bytes);
        signer
            .sign_with("guest.wasm", 0, settings, &module[..])
            .unwrap()
    };
    let folder = Folder::new();
    std::fs::write(folder.file("guest.wasm.minisig"), signed(None)).unwrap();
    folder.put("guest", &module);
    let trusting = format!("{SIM}[wasm]\ntrusted_keys = [\"{}\"]\n", key.line);
    let mut host = Hosted::start(&trusting, folder);
    let before = host.keeps_trading("guest");

    host.folder.settings("guest", fast);
    host.await_line(&[
        "guest: a new version was refused",
        "guest.toml is not covered by the signature",
    ]);
    host.keeps_running(&before);
    host.forget();
    std::fs::write(
        host.folder.file("guest.wasm.minisig"),
        signed(Some("[swap]\n")),
    )
    .unwrap();
    host.await_line(&[
        "guest: a new version was refused",
        "guest.toml does not match the signature",
    ]);
    host.keeps_running(&before);
    std::fs::write(host.folder.file("guest.wasm.minisig"), signed(Some(fast))).unwrap();
    host.until(
        "it runs with the settings that were signed with it",
        |host| {
            let parameters = host.record("guest").parameters;
            parameters
                .iter()
                .any(|one| one.value == "fast")
                .then_some(())
        },
    );
    host.forget();
    std::fs::remove_file(host.folder.file("guest.toml")).unwrap();
    host.await_line(&[
        "guest: a new version was refused",
        "guest.toml",
        "is missing",
    ]);
}

/// What a strategy did and what came of it.
fn deeds(played: &Played, name: &str) -> String {
    let mut strategies = played.report.status.strategies.iter();
    let strategy = strategies.find(|one| one.name == name).unwrap();
    format!(
        "{} {:?} {:?}",
        strategy.actions, strategy.results, strategy.positions
    )
}

#[test]
fn a_strategy_that_publishes_under_another_ones_signal_moves_nobody_who_names_the_publisher() {
    const SETTINGS: &str = "[venue]\nkind = \"sim\"\nseed = 7\n[strategies.ema-cross.parameters]\nfast = 5\nslow = 12\n";
    const ANYONE: &str = "[strategies.signal-follower.parameters]\nsignal = \"cross\"\n";
    let examples = ["ema-cross", "signal-follower"];
    let forger = [("o-spoof", attack("o-spoof"))];
    let calm = play(SETTINGS, &examples, &[]);
    assert!(calm.actions("signal-follower") > 10);
    let forged = play(SETTINGS, &examples, &forger);
    assert!(forged.actions("o-spoof") > 100, "{:?}", forged.skipped);
    assert_eq!(
        deeds(&forged, "signal-follower"),
        deeds(&calm, "signal-follower")
    );

    // Who follows anyone is moved, unless the forger may not publish that signal.
    let anyone = format!("{SETTINGS}{ANYONE}");
    let calm = play(&anyone, &examples, &[]);
    let forged = play(&anyone, &examples, &forger);
    assert_ne!(
        deeds(&forged, "signal-follower"),
        deeds(&calm, "signal-follower")
    );
    for publish in ["[]", "[\"other\"]"] {
        let settings = format!("{anyone}[strategies.o-spoof.risk]\npublish = {publish}\n");
        let denied = play(&settings, &examples, &forger);
        assert!(
            denied.actions("o-spoof") > 100,
            "its messages still reach the operator"
        );
        assert_eq!(
            deeds(&denied, "signal-follower"),
            deeds(&calm, "signal-follower"),
            "{publish}"
        );
    }
    let settings = format!("{anyone}[strategies.ema-cross.risk]\npublish = [\"other\"]\n");
    let silent = play(&settings, &examples, &[]);
    assert_eq!(
        silent.actions("signal-follower"),
        0,
        "nobody publishes `cross`"
    );
}

#[test]
fn a_module_that_does_not_fit_the_settings_is_left_out_and_the_others_start() {
    let folder = Folder::new();
    folder.put("honest", &counting("1.0.0").component());
    let settings = format!("{SIM}[strategies.guest.parameters]\ninstrument = \"DOGE-USD\"\n");
    let takes = counting("1.0.0").parameter("instrument", Some("any"));
    for (guest, setting) in [
        (
            counting("1.0.0").component(),
            "tickdeck.toml:5: no parameter `instrument`",
        ),
        (
            takes.parameter("mandatory", None).component(),
            "parameter `mandatory` (text) has no default: give it a value in [strategies.guest.parameters] of tickdeck.toml",
        ),
        (
            module("ema-cross"),
            "tickdeck.toml:5: trades of `{instrument}`: no instrument `DOGE-USD` in this deck",
        ),
    ] {
        folder.put("guest", &guest);
        let deck = assemble(parts(&settings, folder.path())).unwrap();
        let why = &deck.skipped["guest"];
        assert!(
            why.contains("guest.wasm does not fit: ") && why.contains(setting),
            "{why}"
        );
        let started = deck.setup.started.iter().map(|one| one.name.as_str());
        assert_eq!(started.collect::<Vec<_>>(), ["honest"]);
    }
}

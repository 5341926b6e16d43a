//! Resuming an interrupted run when not everything is as it was: a strategy that may no longer trade, one that decides differently,
//! one that ends the host. The others go on, and nothing is repeated.

use crate::support::host::put;
use crate::support::plugins::{EXAMPLES, module, root};
use crate::support::process::{
    command, cut_off, deck, last_object, records, signal, tickdeck, wait_for,
};
use crate::support::versions::{counting, marked, ticking};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Child, Output, Stdio};
use std::time::{Duration, Instant};
use tickdeck_engine::{Effect, QuarantineCause, RecordedChange, SentKind};
use tickdeck_journal::{Reader, Record, Reel, ReelConfig};
use tickdeck_model::{ClientOrderId, Registry, StrategyId};
use tickdeck_recording::data_folder::latch_kill;
use tickdeck_recording::{
    ACTIONS, ActionsRecord, DataReels, EVENTS, RecordKind, RecordedRun, RunManifest, SCHEMA,
};
use tickdeck_settings::signature::{NewKey, SigningKey};

const SETTINGS: &str = "[venue]\nseed = 11\n";
/// How long anything that is expected may take on a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(120);

/// A deck in which `big` trades with the orders of a market maker, though nobody else does so much.
struct Setup {
    folder: tempfile::TempDir,
}

impl Setup {
    fn new(settings: &str) -> Self {
        let folder = deck(settings);
        let setup = Self { folder };
        std::fs::write(setup.plugin("big.wasm"), module("market-maker")).unwrap();
        setup
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    fn plugin(&self, file: &str) -> PathBuf {
        self.path().join("plugins").join(file)
    }

    fn data(&self) -> PathBuf {
        self.path().join("data")
    }

    /// Lets `big` have the orders that it asks for.
    fn grants(&self, max_notional: u32) {
        std::fs::create_dir_all(self.data()).unwrap();
        let grant = format!(
            "[big]\nmax_notional = {max_notional}\nmodule = \"x\"\napproved_at = \"2026-11-30T00:00:00Z\"\n"
        );
        std::fs::write(self.data().join("grants.toml"), grant).unwrap();
    }

    fn asks_for(&self, max_notional: u32) {
        let text = format!("[permissions]\nmax_notional = {max_notional}\n");
        std::fs::write(self.plugin("big.toml"), text).unwrap();
    }

    /// Runs the deck without an end, and kills it.
    fn run_and_kill(&self, events: u64) {
        let endless = ["run", "--pace", "max", "--json", "--events", "100000000"];
        cut_off(command(self.path(), &endless), &self.data(), events);
    }

    /// Starts it again, for so many market events in all.
    fn start_again(&self, events: u64) -> Output {
        let events = events.to_string();
        tickdeck(
            self.path(),
            &["run", "--pace", "max", "--json", "--events", &events],
        )
    }

    fn run(&self) -> RecordedRun {
        DataReels::in_folder(&self.data()).run(Some(1)).unwrap()
    }

    /// The run is resumed, `big` ends there, and its words are among those of the host.
    fn goes_on_without_big(&self, words: &[&str]) -> Value {
        let before = records(&self.data());
        let output = self.start_again(before + 20_000);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        let last = last_object(&output);
        for words in words {
            assert!(said.contains(words), "`{words}` is missing in: {said}");
        }
        assert!(said.contains("run 1 was interrupted and resumes"), "{said}");
        let run = self.run();
        let after = after_quarantine(&run, "big");
        assert_eq!(after.cause, QuarantineCause::NotAllowed);
        assert_eq!(after.decided, 0, "it trades on: {said}");
        assert!(after.others > 10, "the others trade: {}", after.others);
        assert!(after.sent > 0 && after.sent == after.canceled, "{said}");
        let replayed = last_object(&tickdeck(
            self.path(),
            &["replay", "data", "--run", "1", "--json"],
        ));
        assert_eq!(replayed["equal"], true, "{replayed}");
        last
    }
}

/// What the reel has from where a strategy was quarantined.
struct After {
    cause: QuarantineCause,
    /// Its decisions.
    decided: usize,
    /// The decisions of the others.
    others: usize,
    /// Commands about its orders.
    sent: usize,
    /// Cancels among them.
    canceled: usize,
}

fn id_of(run: &RecordedRun, name: &str) -> StrategyId {
    let names = RunManifest::read(&run.folder).unwrap().names;
    let registry = Registry::from_text(&names).unwrap();
    let mut ids = (0..).map(StrategyId);
    ids.find(|id| registry.strategy(*id) == Some(name)).unwrap()
}

fn after_quarantine(run: &RecordedRun, name: &str) -> After {
    let id = id_of(run, name);
    let items = all_effects(run);
    let quarantined = items.iter().position(|effect| {
        matches!(effect, Effect::Changed { what: RecordedChange::Quarantine { strategy, .. }, .. } if *strategy == id)
    });
    let at = quarantined.unwrap_or_else(|| panic!("{name} was not quarantined"));
    let Effect::Changed {
        what: RecordedChange::Quarantine { cause, .. },
        ..
    } = &items[at]
    else {
        unreachable!();
    };
    let decided = |of_it: bool| {
        let after = items[at..].iter().filter(|effect| {
            matches!(effect, Effect::Applied(applied) if (applied.strategy == id) == of_it)
        });
        after.count()
    };
    let kinds = items[at..].iter().filter_map(|effect| match effect {
        Effect::Sent { order, what, .. } if order.strategy == id => Some(*what),
        _ => None,
    });
    let kinds: Vec<SentKind> = kinds.collect();
    let cancels = kinds.iter().filter(|what| **what == SentKind::Cancel);
    After {
        cause: *cause,
        decided: decided(true),
        others: decided(false),
        sent: kinds.len(),
        canceled: cancels.count(),
    }
}

fn all_effects(run: &RecordedRun) -> Vec<Effect> {
    let mut reader = Reader::open(&run.folder, ACTIONS).unwrap();
    let mut effects = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        use tickdeck_recording::ActionsRecord::{Effect as Other, Sent};
        match tickdeck_recording::decode(record.kind, record.payload).unwrap() {
            Other(_, effect) | Sent(_, effect, _) => effects.push(effect),
            _ => {}
        }
    }
    effects
}

#[test]
fn a_strategy_whose_grant_was_revoked_does_not_trade_on_after_a_crash() {
    let setup = Setup::new(SETTINGS);
    setup.asks_for(60_000);
    setup.grants(60_000);
    setup.run_and_kill(4_000);
    std::fs::remove_file(setup.data().join("grants.toml")).unwrap();
    setup.goes_on_without_big(&[
        "big: it may not continue trading: what it needs is no longer granted (max_notional: asks for 60,000, granted 25,000); \
         `tickdeck strategies approve big` grants it; its orders are canceled",
    ]);
}

#[test]
fn a_strategy_whose_grant_was_narrowed_does_not_trade_on_after_a_crash() {
    let setup = Setup::new(SETTINGS);
    setup.asks_for(60_000);
    setup.grants(60_000);
    setup.run_and_kill(4_000);
    setup.grants(40_000);
    setup.goes_on_without_big(&["asks for 60,000, granted 40,000"]);
}

#[test]
fn a_strategy_whose_module_was_deleted_does_not_trade_on_after_a_crash() {
    let setup = Setup::new(SETTINGS);
    setup.run_and_kill(4_000);
    std::fs::remove_file(setup.plugin("big.wasm")).unwrap();
    setup.goes_on_without_big(&[
        "big: it may not continue trading: its module `big.wasm` is no longer in the plugins folder; its orders are canceled",
    ]);
}

#[test]
fn a_shadow_version_whose_grant_was_revoked_ends_alone_after_a_crash() {
    let setup = Setup::new(SETTINGS);
    setup.grants(60_000);
    let mut host = command(setup.path(), &["run", "--pace", "fast", "--json"])
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    assert!(!wait_for(&setup.data(), 1_000, &mut host));
    // Another module that asks for more, to run beside the one that trades.
    let settings = "[permissions]\nmax_notional = 60000\n[swap]\nshadow = true\n";
    std::fs::write(setup.plugin("big.toml"), settings).unwrap();
    put(
        &setup.path().join("plugins"),
        "big",
        &marked(&module("market-maker"), 1),
    );
    let begun = Instant::now();
    loop {
        let shown = tickdeck(setup.path(), &["strategies", "show", "big", "--json"]);
        if shown.status.success() && last_object(&shown)["strategy"]["line"]["shadow"].is_object() {
            break;
        }
        assert!(begun.elapsed() < DEADLINE, "there is no shadow version");
    }
    let seen = records(&setup.data());
    assert!(!wait_for(&setup.data(), seen + 1_000, &mut host));
    host.kill().unwrap();
    host.wait().unwrap();
    std::fs::remove_file(setup.data().join("grants.toml")).unwrap();
    let output = setup.start_again(records(&setup.data()) + 10_000);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    last_object(&output);
    assert!(
        said.contains("may not continue: what it needs is no longer granted"),
        "{said}"
    );
    assert!(!said.contains("big: it may not continue trading"), "{said}");
    let (run, id) = (setup.run(), id_of(&setup.run(), "big"));
    let ended = |effect: &Effect| matches!(effect, Effect::Changed { what: RecordedChange::RollBack(strategy), .. } if *strategy == id);
    assert_eq!(all_effects(&run).iter().filter(|one| ended(one)).count(), 1);
    let replay = ["replay", "data", "--run", "1", "--json"];
    let replayed = last_object(&tickdeck(setup.path(), &replay));
    assert_eq!(replayed["equal"], true, "{replayed}");
}

#[test]
fn a_grant_that_was_widened_and_a_module_that_is_the_same_go_on() {
    let setup = Setup::new(SETTINGS);
    setup.asks_for(60_000);
    setup.grants(60_000);
    setup.run_and_kill(4_000);
    setup.grants(70_000);
    let output = setup.start_again(20_000);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    last_object(&output);
    assert!(!said.contains("may not continue trading"), "{said}");
    let (run, id) = (setup.run(), id_of(&setup.run(), "big"));
    let quarantined = |effect: &Effect| matches!(effect, Effect::Changed { what: RecordedChange::Quarantine { strategy, .. }, .. } if *strategy == id);
    assert!(!all_effects(&run).iter().any(quarantined));
}

/// A deck whose modules are all signed by one key, and another key.
struct Signed {
    setup: Setup,
    settings: [String; 2],
    other: SigningKey,
}

impl Signed {
    fn new() -> Self {
        let [one, other] = [key(), key()];
        let both = format!(
            "{SETTINGS}[wasm]\ntrusted_keys = [\"{}\", \"{}\"]\n",
            one.1, other.1
        );
        let one_only = format!("{SETTINGS}[wasm]\ntrusted_keys = [\"{}\"]\n", one.1);
        let setup = Setup::new(&both);
        for name in EXAMPLES {
            sign(&setup, name, &one.0);
        }
        sign(&setup, "big", &other.0);
        Self {
            setup,
            settings: [both, one_only],
            other: other.0,
        }
    }
}

/// A new key, and the line that trusts it.
fn key() -> (SigningKey, String) {
    let (key, folder) = (NewKey::make(None).unwrap(), tempfile::tempdir().unwrap());
    let file = folder.path().join("secret");
    std::fs::write(&file, &key.secret).unwrap();
    let signing = SigningKey::read(&file, || Ok(String::new())).unwrap();
    (signing, key.line)
}

fn sign(setup: &Setup, name: &str, key: &SigningKey) {
    let file = format!("{name}.wasm");
    let module = std::fs::read(setup.plugin(&file)).unwrap();
    let signature = key.sign_with(&file, 0, None, &module[..]).unwrap();
    std::fs::write(setup.plugin(&format!("{file}.minisig")), signature).unwrap();
}

#[test]
fn a_strategy_signed_by_a_key_that_is_no_longer_trusted_does_not_trade_on_after_a_crash() {
    let signed = Signed::new();
    signed.setup.run_and_kill(4_000);
    let [_, one_only] = &signed.settings;
    std::fs::write(signed.setup.path().join("tickdeck.toml"), one_only).unwrap();
    signed
        .setup
        .goes_on_without_big(&["which is not among the trusted_keys"]);
}

#[test]
fn a_strategy_whose_signature_was_replaced_does_not_trade_on_after_a_crash() {
    let signed = Signed::new();
    signed.setup.run_and_kill(4_000);
    let wrong = signed
        .other
        .sign_with("big.wasm", 0, None, &b"another module"[..]);
    std::fs::write(signed.setup.plugin("big.wasm.minisig"), wrong.unwrap()).unwrap();
    signed
        .setup
        .goes_on_without_big(&["does not match its signature"]);
}

#[test]
fn a_signed_deck_goes_on_as_it_was() {
    let signed = Signed::new();
    signed.setup.run_and_kill(4_000);
    let output = signed.setup.start_again(20_000);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    last_object(&output);
    assert!(said.contains("run 1 was interrupted and resumes"), "{said}");
    assert!(!said.contains("may not continue trading"), "{said}");
}

/// Takes one decision of a strategy out of the reel of its run.
fn forget_a_decision(run: &RecordedRun, strategy: StrategyId) {
    let mut forgotten = false;
    rewrite(run, ACTIONS, |kept, record| {
        let its = record.kind == RecordKind::Applied as u16
            && record.payload[32..36] == strategy.0.to_le_bytes();
        let forgets = its && !forgotten && kept > 100;
        forgotten |= forgets;
        !forgets
    });
    assert!(forgotten);
}

/// Takes the last decisions, and all that came of them, out of the reels of a run, as a machine crash may.
fn forget_the_last_decisions(run: &RecordedRun, decisions: usize) {
    let is_decision = |record: &Record<'_>| record.kind == RecordKind::Applied as u16;
    let mut left = 0;
    rewrite(run, ACTIONS, |_, record| {
        left += usize::from(is_decision(record));
        true
    });
    assert!(left > decisions);
    left -= decisions;
    let mut first_forgotten = None;
    rewrite(run, ACTIONS, |_, record| {
        if first_forgotten.is_none() && is_decision(record) {
            if left > 0 {
                left -= 1;
                return true;
            }
            let decoded = tickdeck_recording::decode(record.kind, record.payload).unwrap();
            let ActionsRecord::Effect(position, _) = decoded else {
                panic!("a decision is an effect: {decoded:?}");
            };
            first_forgotten = Some(position as usize);
        }
        first_forgotten.is_none()
    });
    // The rest of its window is on the ring before anything is decided on it; what follows from a decision comes later.
    let end = first_forgotten.unwrap();
    rewrite(run, EVENTS, |kept, _| kept < end);
}

/// Writes a reel of a run again, with the records that are to be kept; `keep` gets the number of those before.
fn rewrite(run: &RecordedRun, reel: &str, mut keep: impl FnMut(usize, &Record<'_>) -> bool) {
    let mut reader = Reader::open(&run.folder, reel).unwrap();
    let mut kept = Vec::new();
    while let Some(record) = reader.next().unwrap() {
        if keep(kept.len(), &record) {
            kept.push((record.kind, record.payload.to_vec()));
        }
    }
    for entry in std::fs::read_dir(&run.folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_str().unwrap();
        if name.starts_with(reel) {
            std::fs::remove_file(path).unwrap();
        }
    }
    let config = ReelConfig {
        schema: SCHEMA,
        ..ReelConfig::default()
    };
    let (mut reel, _) = Reel::open(&run.folder, reel, &config).unwrap();
    for (kind, payload) in &kept {
        reel.append(*kind, payload).unwrap();
    }
}

/// The orders that left for the venues, with how often each was submitted, and the number of changes.
fn opened(run: &RecordedRun) -> (BTreeMap<ClientOrderId, usize>, usize) {
    let (mut submitted, mut changes) = (BTreeMap::new(), 0);
    for effect in all_effects(run) {
        match effect {
            Effect::Sent {
                order,
                what: SentKind::Submit,
                ..
            } => {
                *submitted.entry(order).or_default() += 1;
            }
            Effect::Sent { what, .. } if what != SentKind::Cancel => changes += 1,
            _ => {}
        }
    }
    (submitted, changes)
}

#[test]
fn what_was_decided_and_not_recorded_does_not_leave_where_the_kill_switch_is_on() {
    let setup = Setup::new(SETTINGS);
    setup.run_and_kill(4_000);
    forget_the_last_decisions(&setup.run(), 20);
    let before = opened(&setup.run());
    latch_kill(&setup.data().join("killed")).unwrap();
    let output = setup.start_again(records(&setup.data()) + 10_000);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(last_object(&output)["killed"], true, "{said}");
    assert!(said.contains("run 1 was interrupted and resumes"), "{said}");
    assert_eq!(opened(&setup.run()), before, "{said}");
    let replay = ["replay", "data", "--run", "1", "--json"];
    let replayed = last_object(&tickdeck(setup.path(), &replay));
    assert_eq!(replayed["equal"], true, "{replayed}");
}

#[test]
fn without_a_kill_what_was_decided_and_not_recorded_leaves_when_the_run_is_resumed() {
    let setup = Setup::new(SETTINGS);
    setup.run_and_kill(4_000);
    let (all, _) = opened(&setup.run());
    forget_the_last_decisions(&setup.run(), 20);
    let (kept, _) = opened(&setup.run());
    let mut forgotten = all.keys().filter(|order| !kept.contains_key(order));
    assert!(forgotten.clone().count() > 0);
    last_object(&setup.start_again(records(&setup.data()) + 10_000));
    let (sent, _) = opened(&setup.run());
    assert!(forgotten.all(|order| sent.get(order) == Some(&1)));
}

#[test]
fn a_strategy_that_decides_differently_is_quarantined_alone_and_stays_so() {
    let setup = Setup::new(SETTINGS);
    std::fs::write(setup.plugin("guest.wasm"), ticking(50)).unwrap();
    setup.run_and_kill(6_000);
    forget_a_decision(&setup.run(), id_of(&setup.run(), "guest"));
    let output = setup.start_again(20_000);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    last_object(&output);
    let words = "its decision differs from the one recorded in run 1; `tickdeck strategies reload guest` brings it back";
    assert!(said.contains(words), "{said}");
    assert!(!said.contains("--fresh"), "{said}");
    let after = after_quarantine(&setup.run(), "guest");
    assert_eq!(after.cause, QuarantineCause::NotRepeatable);
    assert_eq!(after.decided, 0);
    assert!(after.others > 10, "{}", after.others);
    let replayed = ["replay", "data", "--run", "1", "--json"];
    assert_eq!(
        last_object(&tickdeck(setup.path(), &replayed))["equal"],
        true
    );
    // The next run starts without it, and says why and how it is brought back.
    let next = last_object(&setup.start_again(500));
    let running = next["strategies"].as_array().unwrap();
    assert!(!running.iter().any(|one| one["name"] == "guest"), "{next}");
    assert!(running.iter().any(|one| one["name"] == "big"), "{next}");
    let text = next.to_string();
    assert!(text.contains("tickdeck strategies reload guest"), "{text}");
    // Another module is another strategy.
    std::fs::write(setup.plugin("guest.wasm"), ticking(60)).unwrap();
    let next = last_object(&setup.start_again(500));
    let running = next["strategies"].as_array().unwrap();
    assert!(running.iter().any(|one| one["name"] == "guest"), "{next}");
}

#[test]
fn an_operator_brings_a_quarantined_strategy_back_and_the_run_replays_equal() {
    let setup = Setup::new(SETTINGS);
    std::fs::write(setup.plugin("guest.wasm"), ticking(50)).unwrap();
    setup.run_and_kill(6_000);
    forget_a_decision(&setup.run(), id_of(&setup.run(), "guest"));
    let run = ["run", "--pace", "fast", "--json"];
    let mut host = command(setup.path(), &run)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let ask = |what: &str, words: &str, line: &[&str]| {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let answer = tickdeck(setup.path(), line);
            let text = String::from_utf8_lossy(&answer.stdout).into_owned();
            if text.contains(words) {
                return text;
            }
            let error = String::from_utf8_lossy(&answer.stderr).into_owned();
            assert!(Instant::now() < deadline, "{what}: {text}{error}");
        }
    };
    let shown = ["strategies", "show", "guest"];
    ask(
        "it is quarantined",
        "tickdeck strategies reload guest",
        &shown,
    );
    let kept = std::fs::read_to_string(setup.data().join("quarantine")).unwrap();
    assert!(kept.contains("guest"), "{kept}");
    ask(
        "it trades again",
        "guest 1.0.0 trades",
        &["strategies", "reload", "guest"],
    );
    let kept = std::fs::read_to_string(setup.data().join("quarantine")).unwrap();
    assert!(!kept.contains("guest"), "{kept}");
    // It decides once more, under its old number.
    let id = id_of(&setup.run(), "guest");
    let deadline = Instant::now() + DEADLINE;
    while decided_after_quarantine(&setup.run(), id) == 0 {
        assert!(Instant::now() < deadline, "it never decides");
        std::thread::yield_now();
    }
    signal(&host, "-INT");
    host.wait().unwrap();
    let replay = ["replay", "data", "--run", "1", "--json"];
    let replayed = last_object(&tickdeck(setup.path(), &replay));
    assert_eq!(
        (&replayed["equal"], &replayed["ended"]),
        (&true.into(), &true.into())
    );
    assert_eq!(replayed["not_called"][0], "guest");
}

/// The decisions of a strategy behind its quarantine.
fn decided_after_quarantine(run: &RecordedRun, id: StrategyId) -> usize {
    let effects = all_effects(run).into_iter();
    let after = effects.skip_while(|effect| {
        !matches!(effect, Effect::Changed { what: RecordedChange::Quarantine { strategy, .. }, .. } if *strategy == id)
    });
    let decided =
        after.filter(|effect| matches!(effect, Effect::Applied(applied) if applied.strategy == id));
    decided.count()
}

/// The numbers of functions in the marks.
const DESCRIBE: u64 = 1;
const ON_EVENTS: u64 = 4;

/// Waits until the marks say that a strategy is being called in this phase, for so many milliseconds already.
fn await_call(data: &Path, phase: u64, (strategy, function): (&str, u64), host: &mut Child) {
    let deadline = Instant::now() + DEADLINE;
    loop {
        if is_called(data, phase, (strategy, function)) {
            return;
        }
        assert!(host.try_wait().unwrap().is_none(), "the host ended");
        assert!(Instant::now() < deadline, "{strategy} is never called");
        std::thread::yield_now();
    }
}

fn is_called(data: &Path, phase: u64, (strategy, function): (&str, u64)) -> bool {
    let bytes = std::fs::read(data.join("calls")).unwrap_or_default();
    let (words, _) = bytes.as_chunks::<8>();
    let words: Vec<u64> = words.iter().map(|word| u64::from_le_bytes(*word)).collect();
    if words.first() != Some(&phase) {
        return false;
    }
    let (slots, _) = words[8..].as_chunks::<16>();
    slots.iter().any(|slot| {
        let name: Vec<u8> = slot[4..]
            .iter()
            .flat_map(|word| word.to_le_bytes())
            .collect();
        let name = String::from_utf8_lossy(&name)
            .trim_end_matches('\0')
            .to_owned();
        let long = phase != 2 || words[2].saturating_sub(slot[3]) >= 4;
        slot[0] == function && name == strategy && long
    })
}

/// Takes a tenth of a second an event: whoever ends the host ends it in such a call.
fn burning() -> Vec<u8> {
    counting("1.0.0")
        .on_events(
            "(local $left i64)
             (local.set $left (i64.const 100000000))
             (loop $burn
               (local.set $left (i64.sub (local.get $left) (i64.const 1)))
               (br_if $burn (i64.gt_s (local.get $left) (i64.const 0))))
             (call $take (i32.const 1))
             (call $answer (i32.const 1) (i32.const 0) (i32.const 0))",
        )
        .component()
}

#[test]
fn a_resume_that_dies_in_a_call_again_is_done_without_that_strategy() {
    let setup = Setup::new(&format!("{SETTINGS}[wasm]\ntime_ms = 2000\n"));
    std::fs::write(setup.plugin("slow.wasm"), burning()).unwrap();
    let endless = ["run", "--pace", "max", "--json", "--events", "100000000"];
    let host = || {
        command(setup.path(), &endless)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    // While it trades, and while the run is resumed.
    for phase in [3, 2] {
        let mut host = host();
        if phase == 3 {
            assert!(!wait_for(&setup.data(), 40, &mut host));
        }
        await_call(&setup.data(), phase, ("slow", ON_EVENTS), &mut host);
        host.kill().unwrap();
        host.wait().unwrap();
    }
    let output = setup.start_again(20_000);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = last_object(&output);
    let words = "slow: quarantined: the host repeatedly died in its on-events at event ";
    assert!(said.contains(words), "{said}");
    assert!(
        said.contains("`tickdeck strategies reload slow` brings it back"),
        "{said}"
    );
    let after = after_quarantine(&setup.run(), "slow");
    assert_eq!(after.cause, QuarantineCause::NotRepeatable);
    assert!(after.others > 10, "{}", after.others);
    assert!(last["fills"].as_u64() > Some(0), "{last}");
    assert!(!setup.data().join("attempts").exists());
    let replayed = ["replay", "data", "--run", "1", "--json"];
    assert_eq!(
        last_object(&tickdeck(setup.path(), &replayed))["equal"],
        true
    );
}

/// Mixes the lengths of its batches into its state, and acts by it.
fn looking() -> Vec<u8> {
    counting("1.0.0")
        .item("(global $mix (mut i64) (i64.const 0))")
        .on_events(
            "(global.set $mix
               (i64.add (i64.mul (global.get $mix) (i64.const 31)) (i64.extend_i32_u (local.get $len))))
             (if (i64.eqz (i64.rem_u (global.get $mix) (i64.const 7)))
               (then
                 (call $take (i32.const 1))
                 (call $put (i32.const 0) (i32.const 5) (i64.const 7))
                 (return (call $answer (i32.const 1) (i32.const 8192) (i32.const 1)))))
             (call $take (local.get $len))
             (call $answer (local.get $len) (i32.const 0) (i32.const 0))",
        )
        .save("(i64.store (i32.const 512) (global.get $mix)) (call $state (i32.const 512) (i32.const 8))")
        .restore("(global.set $mix (i64.load (local.get $ptr))) (call $ok)")
        .component()
}

#[test]
fn a_strategy_that_acts_on_the_length_of_its_batches_is_resumed_and_replays_equal() {
    let setup = Setup::new(SETTINGS);
    let file = root().join("tests/fixtures/sandbox/batchlen.wasm");
    std::fs::copy(file, setup.plugin("batchlen.wasm")).unwrap();
    std::fs::write(setup.plugin("looking.wasm"), looking()).unwrap();
    let equal = || {
        let replay = ["replay", "data", "--run", "1", "--json"];
        let replayed = last_object(&tickdeck(setup.path(), &replay));
        assert_eq!(replayed["equal"], true, "{replayed}");
    };
    for events in [3_000, 8_000, 15_000] {
        setup.run_and_kill(events);
        equal();
    }
    let output = setup.start_again(40_000);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    let last = last_object(&output);
    assert!(said.contains("run 1 was interrupted and resumes"), "{said}");
    assert!(!said.contains("quarantined"), "{said}");
    let strategies = last["strategies"].as_array().unwrap();
    let looking = strategies.iter().find(|one| one["name"] == "looking");
    assert!(looking.unwrap()["actions"].as_u64() > Some(100), "{last}");
    equal();
}

#[test]
fn a_module_that_ends_the_host_while_it_is_loaded_is_not_loaded_a_third_time() {
    let setup = Setup::new(SETTINGS);
    let run = ["run", "--pace", "fast", "--json"];
    let start = || {
        command(setup.path(), &run)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap()
    };
    let is_described = || is_called(&setup.data(), 3, ("spinning", DESCRIBE));
    // What the last host left says nothing of the next one.
    let await_own_marks = |host: &mut Child| {
        while is_described() {
            assert!(host.try_wait().unwrap().is_none(), "the host ended");
            std::thread::yield_now();
        }
    };
    for attempt in 0..2 {
        let mut host = start();
        await_own_marks(&mut host);
        if attempt == 0 {
            assert!(!wait_for(&setup.data(), 100, &mut host));
            // Takes as long as it may to describe itself.
            let spinning = counting("1.0.0").describe("(call $spin) (i32.const 0)");
            put(
                &setup.path().join("plugins"),
                "spinning",
                &spinning.component(),
            );
        }
        await_call(&setup.data(), 3, ("spinning", DESCRIBE), &mut host);
        host.kill().unwrap();
        host.wait().unwrap();
    }
    let mut host = start();
    await_own_marks(&mut host);
    let deadline = Instant::now() + DEADLINE;
    loop {
        let shown = tickdeck(setup.path(), &["strategies", "show", "spinning"]);
        let text = String::from_utf8_lossy(&shown.stdout).into_owned();
        if text.contains("the host repeatedly died in its describe, when it was loaded") {
            break;
        }
        assert!(!is_described(), "it is loaded again");
        assert!(
            host.try_wait().unwrap().is_none() && Instant::now() < deadline,
            "{text}"
        );
    }
    signal(&host, "-INT");
    host.wait().unwrap();
}

#[test]
fn a_folder_full_of_other_files_ends_no_strategy_after_a_crash() {
    let setup = Setup::new(SETTINGS);
    setup.run_and_kill(4_000);
    for n in 0..1_000 {
        std::fs::write(setup.plugin(&format!("a{n}.wasm")), b"").unwrap();
    }
    let output = setup.start_again(records(&setup.data()) + 20_000);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    last_object(&output);
    assert!(said.contains("more than 1000 modules"), "{said}");
    assert!(said.contains("run 1 was interrupted and resumes"), "{said}");
    assert!(!said.contains("may not continue"), "{said}");
}

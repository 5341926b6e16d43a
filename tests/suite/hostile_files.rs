//! Hostile files given to the real binary: whatever a reel, a capture or a table claims, the command ends soon, with a result or an
//! error that names the place, and never by a panic.

use crate::support::plugins::root;
use crate::support::process::{command, deck, error_of, tickdeck};
use crate::support::versions::counting;
use serde_json::{Value, json};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Output;
use std::sync::LazyLock;
use std::sync::mpsc::channel;
use std::time::Duration;
use tickdeck_journal::{Reader, Reel, ReelConfig};
use tickdeck_model::{Event, InstrumentId, Pad, Price, Size, Timestamp, Trade};
use tickdeck_recording::{ACTIONS, EVENTS, RecordKind, SCHEMA};
use zerocopy::IntoBytes as _;

/// A generous bound for a loaded machine: what hangs would hang for ever.
const DEADLINE: Duration = Duration::from_secs(60);

fn fixture(name: &str) -> PathBuf {
    root().join("tests/fixtures/hostile-files").join(name)
}

/// Runs a command to its end, and kills it after the deadline.
fn ends(folder: &Path, arguments: &[&str]) -> Output {
    let child = command(folder, arguments)
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let id = child.id().to_string();
    let (sender, done) = channel();
    std::thread::spawn(move || drop(sender.send(child.wait_with_output())));
    let Ok(output) = done.recv_timeout(DEADLINE) else {
        let _ = std::process::Command::new("kill")
            .args(["-KILL", &id])
            .status();
        panic!("{arguments:?} did not end");
    };
    let output = output.unwrap();
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.code().is_some_and(|code| code != 101) && !error.contains("panicked"),
        "{arguments:?}: {:?} {error}",
        output.status
    );
    output
}

/// Puts a FIFO, whose opening waits for ever, where a file was.
fn replace_by_fifo(file: &Path) {
    let _ = std::fs::remove_file(file);
    let made = std::process::Command::new("mkfifo").arg(file).status();
    assert!(made.unwrap().success());
}

#[test]
fn a_fifo_in_the_place_of_any_file_is_an_error_and_nothing_waits_for_it() {
    let folder = Forgery::new().write();
    let put = |name: &str| {
        let file = folder.path().join(name);
        replace_by_fifo(&file);
    };
    for name in ["x.wasm", "x.gz", "tickdeck.toml"] {
        put(name);
    }
    std::fs::write(folder.path().join("good.wasm"), b"\0asm").unwrap();
    put("good.wasm.minisig");
    for arguments in [
        &["check", "x.wasm"][..],
        &["check", "good.wasm"],
        &["data", "check", "x.gz"],
        &["demo", "--capture", "x.gz"],
        &["sign", "x.wasm", "--key", "key"],
        &["sign", "good.wasm", "--key", "x.gz"],
        &["replay", "--strategy", "guest=x.wasm"],
        &["journal", "import", "x.wasm", "--into", "into"],
        &["run"],
        &["doctor"],
    ] {
        let output = ends(folder.path(), arguments);
        assert!(!output.status.success(), "{arguments:?}: {output:?}");
    }
    // An endless module is refused like one that is too long.
    std::os::unix::fs::symlink("/dev/zero", folder.path().join("endless.wasm")).unwrap();
    let big = File::create(folder.path().join("big.wasm")).unwrap();
    big.set_len(8 << 30).unwrap();
    for module in ["endless.wasm", "big.wasm"] {
        let strategy = format!("guest={module}");
        let arguments = ["replay", "--strategy", &strategy];
        let error = error_of(&ends(folder.path(), &arguments));
        assert!(error.contains(module), "{error}");
    }
    for reel in [
        "events-000001.reel",
        "actions-000001.reel",
        "events.lock",
        "actions.lock",
    ] {
        let folder = Forgery::new().write();
        replace_by_fifo(&folder.path().join("data/reels/000001").join(reel));
        for arguments in [
            &["journal", "ls", "data"][..],
            &["journal", "verify", "data"],
            &["journal", "prune", "data", "--keep-runs", "1"],
            &["replay"],
        ] {
            // With a FIFO in the place of a lock nobody can hold it, so some of them work.
            let output = ends(folder.path(), arguments);
            let fails = reel.ends_with(".reel") && arguments.contains(&"verify");
            assert!(!fails || !output.status.success(), "{reel}: {output:?}");
        }
    }
}

/// The folder of an honest run of a small guest, recorded once.
fn honest_run() -> &'static Path {
    static RUN: LazyLock<tempfile::TempDir> = LazyLock::new(|| {
        let folder = deck("[venue]\nseed = 5\n");
        let plugins = folder.path().join("plugins");
        for example in std::fs::read_dir(&plugins).unwrap() {
            std::fs::remove_file(example.unwrap().path()).unwrap();
        }
        let guest = counting("1.0.0").trades("BTCUSDT").component();
        std::fs::write(plugins.join("guest.wasm"), guest).unwrap();
        let run = ["run", "--pace", "max", "--json", "--events", "300"];
        let output = tickdeck(folder.path(), &run);
        assert!(output.status.success(), "{output:?}");
        folder
    });
    RUN.path()
}

/// The records of a run, to be changed and written again with right checksums.
struct Forgery {
    events: Vec<(u16, Vec<u8>)>,
    actions: Vec<(u16, Vec<u8>)>,
}

impl Forgery {
    fn new() -> Self {
        let folder = honest_run().join("data/reels/000001");
        let read = |name| {
            let mut reader = Reader::open(&folder, name).unwrap();
            let mut records = Vec::new();
            while let Some(record) = reader.next().unwrap() {
                records.push((record.kind, record.payload.to_vec()));
            }
            records
        };
        Self {
            events: read(EVENTS),
            actions: read(ACTIONS),
        }
    }

    fn manifest(mut self, change: impl FnOnce(&mut Value)) -> Self {
        let mut manifest: Value = serde_json::from_slice(&self.events[0].1).unwrap();
        change(&mut manifest);
        let bytes = serde_json::to_vec(&manifest).unwrap();
        self.events[0].1.clone_from(&bytes);
        self.actions[0].1 = bytes;
        self
    }

    fn names(self, is: &str, becomes: &str) -> Self {
        self.manifest(|manifest| {
            let names = manifest["names"].as_str().unwrap();
            assert!(names.contains(is), "{names}");
            manifest["names"] = json!(names.replacen(is, becomes, 1));
        })
    }

    /// Changes the event of this sequence.
    fn event(mut self, sequence: usize, change: impl FnOnce(&mut Event)) -> Self {
        let record = &mut self.events[sequence + 1];
        assert_eq!(record.0, RecordKind::Event as u16);
        let mut event = Event::from_bytes(&record.1).unwrap();
        change(&mut event);
        record.1 = event.as_bytes().to_vec();
        self
    }

    /// Puts an effect in JSON behind the manifest of the actions reel.
    fn effect(mut self, effect: Value) -> Self {
        let bytes = serde_json::to_vec(&json!([1, effect])).unwrap();
        self.actions.insert(1, (RecordKind::Effect as u16, bytes));
        self
    }

    fn write(&self) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let from = honest_run().join("data");
        let data = folder.path().join("data");
        std::fs::create_dir_all(data.join("modules")).unwrap();
        std::fs::copy(from.join("ids"), data.join("ids")).unwrap();
        for module in std::fs::read_dir(from.join("modules")).unwrap() {
            let module = module.unwrap();
            std::fs::copy(module.path(), data.join("modules").join(module.file_name())).unwrap();
        }
        let run = data.join("reels/000001");
        for (name, records) in [(EVENTS, &self.events), (ACTIONS, &self.actions)] {
            let config = ReelConfig {
                schema: SCHEMA,
                ..ReelConfig::default()
            };
            let (mut reel, _) = Reel::open(&run, name, &config).unwrap();
            for (kind, payload) in records {
                reel.append(*kind, payload).unwrap();
            }
            reel.close().unwrap();
        }
        folder
    }
}

fn trade(instrument: u32) -> Trade {
    Trade {
        reserved: Pad::ZERO,
        instrument: InstrumentId(instrument),
        aggressor: tickdeck_model::Aggressor::Buyer,
        pad: Pad::ZERO,
        price: Price(1),
        size: Size(1),
        trade_id: 1,
    }
}

#[test]
fn a_reel_that_is_whole_and_lies_is_refused_by_every_command_that_reads_it() {
    let start = |strategy: u32, currency: u32, spec: Value| {
        json!({"did": "seat", "at": 0, "strategy": strategy, "name": "guest", "allocation": [[currency, 5]],
               "next_order": 1, "last_order": 1, "recipe": spec.to_string()})
    };
    let spec =
        |module: &str| json!({"plugin": "guest", "module": module, "beside": null, "grants": ""});
    let retime =
        |to: Timestamp| move |event: &mut Event| (event.ts_host, event.ts_venue) = (to, to);
    let retrade = |event: &mut Event| {
        *event = Event::new(event.ts_venue, event.ts_host, trade(u32::MAX))
            .with_sequence(event.sequence);
    };
    let cases: Vec<(&str, Forgery, &str)> = vec![
        (
            "a scale",
            Forgery::new().names("currency\tUSDT\t8", "currency\tUSDT\t38"),
            "damaged",
        ),
        (
            "a venue",
            Forgery::new().manifest(|it| it["venues"][0]["venue"] = json!(99)),
            "it has venue 99",
        ),
        (
            "an instrument",
            Forgery::new().manifest(|it| it["venues"][0]["instruments"] = json!([7_000])),
            "lists instrument 7000",
        ),
        (
            "a balance",
            Forgery::new()
                .manifest(|it| it["venues"][0]["balances"] = json!([[4_000_000_000u32, 5]])),
            "currency 4000000000",
        ),
        (
            "a lookahead",
            Forgery::new().manifest(|it| it["venues"][0]["lookahead_ns"] = json!(u64::MAX)),
            "answers after",
        ),
        (
            "no lookahead",
            Forgery::new().manifest(|it| it["venues"][0]["lookahead_ns"] = json!(0)),
            "answers after 0 ns",
        ),
        (
            "the end of time",
            Forgery::new().event(5, retime(Timestamp::MAX)),
            "not within event time",
        ),
        (
            "before time",
            Forgery::new().event(5, retime(Timestamp::MIN)),
            "not within event time",
        ),
        (
            "a sequence",
            Forgery::new().event(5, |event| event.sequence = u64::MAX),
            "where 5 should be",
        ),
        (
            "an unknown instrument",
            Forgery::new().event(5, retrade),
            "instrument 4294967295",
        ),
        (
            "a strategy's number",
            Forgery::new().effect(start(u32::MAX, 0, spec("x"))),
            "strategy 4294967295",
        ),
        (
            "a strategy's capital",
            Forgery::new().effect(start(1, 77, spec("x"))),
            "currency 77",
        ),
        (
            "a module's path",
            Forgery::new().manifest(|it| {
                let module = spec("../../../../../../dev/zero").to_string();
                it["seats"][0]["recipe"] = json!(module);
            }),
            "is not a module hash",
        ),
    ];
    for (what, forgery, said) in cases {
        let folder = forgery.write();
        let replayed = ends(folder.path(), &["replay", "data"]);
        let error = error_of(&replayed);
        assert!(error.contains(said), "{what}: {error}");
        for reads in [
            &["journal", "show", "--at", "5"][..],
            &["journal", "show", "--at", "5", "--json"],
            &["journal", "tail", "-n", "400"],
            &["journal", "ls"],
            &["journal", "verify"],
            &["journal", "export", "--out", "tables"],
            &[
                "journal", "export", "--format", "jsonl", "--out", "lines", "--from", "2",
            ],
            &["explain", "guest/1"],
        ] {
            ends(folder.path(), reads);
        }
    }
}

#[test]
fn the_honest_run_that_is_forged_above_is_replayed() {
    let folder = Forgery::new().write();
    let output = ends(folder.path(), &["replay", "data"]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
}

#[test]
fn a_capture_at_the_end_of_time_is_refused_by_line_and_the_host_does_not_spin() {
    let folder = deck("[venue]\nseed = 3\n");
    let jump = fixture("timejump.txt.gz");
    let jump = jump.to_str().unwrap();
    let run = |file: &str, stepping: &str| {
        let settings = format!("[venue]\nkind = \"capture\"\nfiles = [\"{file}\"]\n{stepping}");
        std::fs::write(folder.path().join("tickdeck.toml"), settings).unwrap();
        ends(
            folder.path(),
            &["run", "--pace", "max", "--fresh", "--no-watch", "--json"],
        )
    };
    let played = run(jump, "");
    let text = String::from_utf8_lossy(&played.stderr).into_owned()
        + &String::from_utf8_lossy(&played.stdout);
    assert_eq!(played.status.code(), Some(4), "{text}");
    let max = fixture("timemax.txt.gz");
    let error = error_of(&run(max.to_str().unwrap(), ""));
    assert!(
        error.contains("line 1: its local time is not between 2000 and 2250"),
        "{error}"
    );
    let checked = ends(folder.path(), &["data", "check", jump, "--json"]);
    let checked: Value = serde_json::from_slice(&checked.stdout).unwrap();
    let problem = checked["files"][0]["problems"][0].as_object().unwrap();
    assert_eq!(
        problem["problem"],
        "its local time is not between 2000 and 2250 in s, ms, us or ns"
    );
    assert!(problem["line"].as_u64().unwrap() > 1);
}

#[test]
fn tables_that_are_damaged_endless_or_out_of_time_are_refused_by_name_and_place() {
    let folder = Forgery::new().write();
    let import = |tables: &str| {
        let output = ends(
            folder.path(),
            &["journal", "import", tables, "--into", "into"],
        );
        error_of(&output)
    };
    let export = |format: &str, out: &str| {
        let arguments = ["journal", "export", "--format", format, "--out", out];
        assert!(tickdeck(folder.path(), &arguments).status.success());
    };
    export("parquet", "parquet");
    std::fs::copy(
        fixture("damaged-trades.parquet"),
        folder.path().join("parquet/trades.parquet"),
    )
    .unwrap();
    let error = import("parquet");
    assert!(error.contains("trades.parquet"), "{error}");
    export("jsonl", "lines");
    let trades = folder.path().join("lines/trades.jsonl");
    let good = std::fs::read_to_string(&trades).unwrap();
    // A line of a gigabyte, which takes no space on the disk.
    let endless = File::create(&trades).unwrap();
    endless.set_len(1 << 30).unwrap();
    let error = import("lines");
    assert!(
        error.contains("trades.jsonl: line 1: it is longer than 1 MiB"),
        "{error}"
    );
    let first = good.lines().next().unwrap();
    let mut late: Value = serde_json::from_str(first).unwrap();
    for time in [
        "2262-04-11T23:47:16.854775807Z",
        "1677-09-21T00:12:43.145224192Z",
        "2250-01-01",
    ] {
        late["ts_host"] = json!(time);
        let mut file = File::create(&trades).unwrap();
        writeln!(file, "{late}").unwrap();
        let error = import("lines");
        assert!(
            error.contains("trades.jsonl: row 1") && error.contains("event time"),
            "{error}"
        );
    }
}

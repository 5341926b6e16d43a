//! `tickdeck journal` on folders that real hosts recorded.

use crate::support::host::{Folder, Hosted};
use crate::support::plugins::{plugins, root};
use crate::support::process::{command, files, signal, tickdeck};
use crate::support::versions::{counting, ticking};
use serde_json::Value;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};
use tickdeck_engine::CancelToken;
use tickdeck_journal::{Reader, Reel, ReelConfig};
use tickdeck_recording::{
    ACTIONS, DataReels, EVENTS, RecordKind, RetentionBudget, VerifiedFolder, verify_folder,
};

const DEADLINE: Duration = Duration::from_secs(60);

/// A deck with one strategy, and its runs.
struct Deck(tempfile::TempDir);

impl Deck {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("plugins")).unwrap();
        let module = folder.path().join("plugins/market-maker.wasm");
        std::fs::copy(plugins().join("market-maker.wasm"), module).unwrap();
        std::fs::write(
            folder.path().join("tickdeck.toml"),
            "[journal]\nsegment_mib = 1\n",
        )
        .unwrap();
        Self(folder)
    }

    /// With runs of so many market events.
    fn recorded(runs: &[&str]) -> Self {
        let deck = Self::new();
        for events in runs {
            deck.json(&format!(
                "run --seed 3 --pace max --no-watch --json --events {events}"
            ));
        }
        deck
    }

    /// With a strategy that does something at every other event, so that segments of actions are soon full.
    fn busy() -> Self {
        let deck = Self::new();
        std::fs::write(deck.path("plugins/guest.wasm"), ticking(2)).unwrap();
        let settings = "[journal]\nsegment_mib = 1\n[engine]\nmax_actions_per_s = 4000000000\n";
        std::fs::write(deck.path("tickdeck.toml"), settings).unwrap();
        deck
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn say(&self, line: &str) -> Output {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        tickdeck(self.0.path(), &arguments)
    }

    fn text(&self, line: &str) -> String {
        let output = self.say(line);
        let (out, err) = (
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr),
        );
        assert!(output.status.success(), "{line}: {out}{err}");
        out.into_owned()
    }

    fn json(&self, line: &str) -> Value {
        let text = self.text(line);
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{line}: {error}: {text}"))
    }

    fn verified(&self) -> VerifiedFolder {
        verified(&self.path("data"))
    }
}

fn verified(data: &Path) -> VerifiedFolder {
    let reels = DataReels::in_folder(data);
    verify_folder(&reels, &CancelToken::default(), &mut |_, _| {})
        .unwrap()
        .unwrap()
}

/// The bits of a file that are changed one by one: all of its head and tail, and every so-manieth between.
fn bits(length: usize) -> Vec<usize> {
    const EDGE: usize = 96;
    const BETWEEN: usize = 120;
    let all = length * 8;
    let edges = (0..EDGE * 8).chain(all.saturating_sub(EDGE * 8)..all);
    let mut bits: Vec<usize> = edges
        .chain((0..all).step_by(all / BETWEEN + 1))
        // The last words of a segment's header page: its checksum, and how far it is durable.
        .chain((4_096 - 16) * 8..4_096 * 8)
        .filter(|bit| *bit < all)
        .collect();
    bits.sort_unstable();
    bits.dedup();
    bits
}

#[test]
fn verify_finds_any_changed_bit_of_any_file_and_names_it() {
    let deck = Deck::recorded(&["150"]);
    deck.json("journal prune --keep-runs 5 --json");
    let data = deck.path("data");
    // A host that was killed leaves its number.
    std::fs::write(data.join("lock"), tickdeck_journal::sealed::seal("4711\n")).unwrap();
    let before = verified(&data);
    assert_eq!(before.damage, [], "{before:?}");
    let mut changed = 0;
    for file in files(&data) {
        let good = std::fs::read(&file).unwrap();
        for bit in bits(good.len()) {
            let mut bytes = good.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            std::fs::write(&file, &bytes).unwrap();
            let checked = verified(&data);
            let named = checked.damage.iter().any(|found| found.file == file);
            assert!(named, "bit {bit} of {}: {checked:?}", file.display());
            changed += 1;
        }
        std::fs::write(&file, &good).unwrap();
    }
    assert!(changed > 4_000, "{changed}");
    assert_eq!(verified(&data), before);
}

#[test]
fn verify_tells_what_is_missing_what_is_strange_and_what_it_can_not_know() {
    let deck = Deck::recorded(&["300"]);
    let data = deck.path("data");
    std::fs::write(data.join("killed"), "by hand").unwrap();
    std::fs::write(data.join("notes.txt"), "mine").unwrap();
    std::fs::write(data.join("reels/000001/.tickdeck-x.tmp"), "half").unwrap();
    let module = files(&data.join("modules")).remove(0);
    std::fs::remove_file(&module).unwrap();
    let output = deck.say("journal verify --json");
    assert_eq!(output.status.code(), Some(1));
    let await_line: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(await_line["whole"], false);
    let names = |list: &str| -> Vec<String> {
        let list = await_line[list].as_array().unwrap();
        let file = |one: &Value| {
            Path::new(one["file"].as_str().unwrap())
                .file_name()
                .unwrap()
                .to_owned()
        };
        list.iter()
            .map(|one| file(one).into_string().unwrap())
            .collect()
    };
    let module = module.file_name().unwrap().to_str().unwrap();
    assert_eq!(names("damage"), ["notes.txt", module]);
    assert_eq!(names("not_covered"), ["killed", ".tickdeck-x.tmp"]);
    let missing = deck.say("journal verify nowhere");
    assert_eq!(missing.status.code(), Some(1));
    let error = String::from_utf8_lossy(&missing.stderr).into_owned();
    assert!(error.contains("nowhere is no data folder"), "{error}");
}

/// The segments of a reel of a run, first to last.
fn segments(run: &Path, reel: &str) -> Vec<PathBuf> {
    let mut files = files(run);
    let is_of = |file: &PathBuf| {
        let name = file.file_name().unwrap().to_str().unwrap();
        name.starts_with(&format!("{reel}-")) && name.ends_with(".reel")
    };
    files.retain(is_of);
    files
}

/// Where something is damaged, and where something can't be told.
fn places(checked: &VerifiedFolder) -> [Vec<&Path>; 2] {
    [&checked.damage, &checked.uncovered]
        .map(|found| found.iter().map(|found| found.file.as_path()).collect())
}

#[test]
fn verify_tells_every_segment_that_is_missing_at_either_end_of_a_reel() {
    let deck = Deck::busy();
    for events in [150_000, 300] {
        deck.json(&format!(
            "run --seed 3 --pace max --no-watch --json --events {events}"
        ));
    }
    let before = deck.verified();
    assert_eq!(before.damage, [], "{before:?}");
    let mut taken = 0;
    for run in ["data/reels/000001", "data/reels/000002"] {
        for reel in [EVENTS, ACTIONS] {
            let segments = segments(&deck.path(run), reel);
            assert!(run.ends_with('2') || segments.len() > 1, "{segments:?}");
            for at in [0, segments.len() - 1] {
                let aside = deck.path("aside");
                std::fs::rename(&segments[at], &aside).unwrap();
                let checked = deck.verified();
                let [damaged, _] = places(&checked);
                assert!(damaged.contains(&segments[at].as_path()), "{checked:?}");
                std::fs::rename(&aside, &segments[at]).unwrap();
                taken += 1;
            }
        }
    }
    assert_eq!(taken, 8);
    assert_eq!(deck.verified(), before);
    // Another run's file in its place is whole in itself.
    let [own, other] = [1, 2].map(|run| {
        let file = format!("data/reels/{run:06}/{ACTIONS}-000001.reel");
        deck.path(&file)
    });
    std::fs::copy(&own, deck.path("aside")).unwrap();
    std::fs::copy(&other, &own).unwrap();
    let checked = deck.verified();
    assert!(places(&checked)[0].contains(&own.as_path()), "{checked:?}");
    std::fs::rename(deck.path("aside"), &own).unwrap();
    // What the host was doing when it was killed is known from the order of its doing it: it closes the events first.
    let last = segments(&deck.path("data/reels/000002"), EVENTS).remove(0);
    unclose(&last);
    let checked = deck.verified();
    assert_eq!(places(&checked), [vec![last.as_path()], vec![]]);
    let actions = segments(&deck.path("data/reels/000002"), ACTIONS).remove(0);
    unclose(&actions);
    let checked = deck.verified();
    assert_eq!(places(&checked), [vec![], vec![actions.as_path()]]);
}

/// Takes the end frame from the last segment of a reel, as if its writer had been killed before it.
fn unclose(segment: &Path) {
    const SEAL: usize = 32;
    let mut bytes = std::fs::read(segment).unwrap();
    let end = bytes.len() - SEAL;
    bytes[end..].fill(0);
    // The length of a segment that is open, and the mark of one of which nothing is known to be durable.
    bytes.resize(1 << 20, 0);
    bytes[4_096 - 8..4_096].fill(0);
    std::fs::write(segment, bytes).unwrap();
}

#[test]
fn verify_calls_neither_a_run_that_goes_on_nor_one_that_was_cut_off_damaged() {
    let deck = Deck::busy();
    let data = deck.path("data");
    let line = [
        "run",
        "--seed",
        "3",
        "--pace",
        "max",
        "--no-watch",
        "--json",
    ];
    let mut host = command(deck.0.path(), &line)
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + DEADLINE;
    let mut looks = 0;
    // Over several segments of both reels.
    let folder = data.join("reels/000001");
    let begun = || tickdeck_journal::segments(&folder, ACTIONS).map_or(0, |begun| begun.len());
    while looks < 20 || begun() < 2 {
        assert!(Instant::now() < deadline, "the host does not get on");
        if folder.is_dir() {
            let checked = verified(&data);
            assert_eq!(checked.damage, [], "look {looks}");
            looks += 1;
        }
    }
    host.kill().unwrap();
    host.wait().unwrap();
    assert_eq!(verified(&data).damage, [], "it was killed");
    // The end of the machine takes more of the events than of the actions, or the other way round.
    let run = DataReels::in_folder(&data).run(None).unwrap();
    for reel in [EVENTS, ACTIONS] {
        let config = ReelConfig::default();
        let (open, opened) = Reel::open(&run.folder, reel, &config).unwrap();
        drop(open);
        let until = opened.records - 500;
        drop(Reel::open_until(&run.folder, reel, &config, until).unwrap());
        assert_eq!(verified(&data).damage, [], "less of the {reel}");
    }
}

#[test]
fn verify_knows_what_a_host_leaves_that_is_cut_off_as_it_begins_and_tells_a_session_that_can_not_be_read()
 {
    let deck = Deck::recorded(&["300"]);
    let reels = deck.path("data/reels");
    std::fs::create_dir(reels.join("000002")).unwrap();
    std::fs::write(reels.join("000002/events.lock"), "").unwrap();
    let begun = |run: u32, payload: &[u8]| {
        let folder = reels.join(format!("{run:06}"));
        let (mut reel, _) = Reel::open(&folder, EVENTS, &ReelConfig::default()).unwrap();
        reel.append(RecordKind::Session as u16, payload).unwrap();
        reel.close().unwrap();
    };
    let mut reader = Reader::open(&reels.join("000001"), EVENTS).unwrap();
    let session = reader.next().unwrap().unwrap().payload.to_vec();
    begun(3, &session);
    std::fs::write(reels.join("000003/actions.next"), "half").unwrap();
    let checked = deck.verified();
    let [nothing, half] = [reels.join("000002"), reels.join("000003/actions.next")];
    assert_eq!(places(&checked), [vec![], vec![&*nothing, &*half]]);
    begun(4, b"{\"tickdeck\": 9}");
    let checked = deck.verified();
    let newer = &checked.damage[0];
    assert_eq!(newer.file, reels.join("000004"), "{checked:?}");
    assert!(newer.what.contains("can't be read"), "{checked:?}");
}

#[test]
fn ls_and_show_say_what_is_there_in_words_and_json() {
    let deck = Deck::recorded(&["2000", "100"]);
    let listed = deck.json("journal ls --json");
    let runs = listed["runs"].as_array().unwrap();
    assert_eq!(runs.len(), 2);
    assert_eq!(
        (&runs[0]["run"], &runs[0]["state"]),
        (&1.into(), &"ended".into())
    );
    let events = runs[0]["events"].as_u64().unwrap();
    let actions = runs[0]["actions"].as_u64().unwrap();
    assert!(
        events >= 2_000 && actions > 0 && runs[0]["seconds"].as_f64().unwrap() > 0.0,
        "{listed}"
    );
    let words = deck.text("journal ls");
    assert!(
        words.contains("ended") && words.contains("run on"),
        "{words}"
    );

    // The cause of an action shows the action.
    let tail = deck.text(&format!(
        "journal tail --run 1 --json -n {}",
        events + 10_000
    ));
    let lines: Vec<Value> = tail
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    let await_line =
        |table: &str| lines.iter().filter(|line| line["table"] == table).count() as u64;
    assert_eq!(await_line("actions"), actions);
    let action = lines
        .iter()
        .find(|line| line["action"] == "submit")
        .unwrap();
    let shown = deck.json(&format!(
        "journal show --run 1 --json --at {}",
        action["cause"]
    ));
    assert_eq!(shown["event"]["sequence"], action["cause"]);
    assert!(
        shown["decided"].as_array().unwrap().contains(action),
        "{shown}"
    );
    assert!(
        shown["decided"]
            .as_array()
            .unwrap()
            .iter()
            .any(|effect| effect["table"] == "commands"),
        "{shown}"
    );
    // And so does its time.
    let at = shown["event"]["ts_host"].as_str().unwrap();
    let same = deck.json(&format!("journal show --run 1 --json --at {at}"));
    assert!(
        same["event"]["sequence"].as_u64() <= shown["event"]["sequence"].as_u64(),
        "{same}"
    );
    assert_eq!(same["event"]["ts_host"], shown["event"]["ts_host"]);
    let words = deck.text(&format!("journal show --run 1 --at {}", action["cause"]));
    assert!(words.contains("=> market-maker: limit"), "{words}");

    let beyond = deck.say("journal show --at 9999999");
    let error = String::from_utf8_lossy(&beyond.stderr).into_owned();
    assert!(error.contains("none at that place"), "{error}");
}

#[test]
fn what_was_exported_and_imported_exports_to_the_same_tables() {
    let deck = Deck::recorded(&["3000"]);
    for (format, end) in [("parquet", "parquet"), ("jsonl", "jsonl")] {
        let first = deck.json(&format!(
            "journal export --format {format} --out first-{end} --json"
        ));
        let imported = deck.json(&format!(
            "journal import first-{end} --into again-{end} --json"
        ));
        assert_eq!(
            (&imported["gaps"], &imported["events"]),
            (&0.into(), &first["events"])
        );
        deck.json(&format!(
            "journal export again-{end} --format {format} --out second-{end} --json"
        ));
        for table in tickdeck_recording::rows::EVENT_TABLES {
            let read = |folder: &str| {
                std::fs::read(deck.path(&format!("{folder}-{end}/{}.{end}", table.name))).unwrap()
            };
            assert!(read("first") == read("second"), "{}.{end}", table.name);
        }
        let checked = verified(&deck.path(&format!("again-{end}")));
        assert_eq!(checked.damage, []);
    }
    // A part of it, numbered anew; what is left out is told.
    let imported = deck.json("journal import first-parquet/trades.parquet --into part --json");
    assert!(imported["gaps"].as_u64().unwrap() > 0, "{imported}");
    assert_eq!(
        deck.json("journal ls part --json")["runs"][0]["events"],
        imported["events"]
    );
    // Nobody knows what prices mean without the instruments.
    std::fs::remove_file(deck.path("first-jsonl/instruments.jsonl")).unwrap();
    let refused = deck.say("journal import first-jsonl --into part");
    let error = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(error.contains("no table `instruments`"), "{error}");
    assert_eq!(
        deck.json("journal ls part --json")["runs"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
}

#[test]
fn a_run_that_was_imported_is_not_replayed_and_the_refusal_says_what_it_is_for() {
    let deck = Deck::recorded(&["1000"]);
    deck.json("journal export --out tables --json");
    deck.json("journal import tables --into again --json");
    let own = deck.path("plugins/market-maker.wasm");
    let other = format!("replay again --strategy market-maker={}", own.display());
    for line in ["replay again", "replay again --json", other.as_str()] {
        let refused = deck.say(line);
        assert_eq!(refused.status.code(), Some(1), "{line}");
        assert!(refused.stdout.is_empty(), "{line}: {refused:?}");
        let error = String::from_utf8_lossy(&refused.stderr).into_owned();
        for words in [
            "run 1 was imported",
            "nothing to compare",
            "`tickdeck journal show`",
        ] {
            assert!(error.contains(words), "{line}: {error}");
        }
        assert_eq!(error.trim_end().lines().count(), 1, "{error}");
    }
}

#[test]
fn an_export_takes_a_part_by_number_and_by_time() {
    let deck = Deck::recorded(&["2000"]);
    let shown = deck.json("journal show --at 700 --around 0 --json");
    let time = shown["event"]["ts_host"].as_str().unwrap();
    let part = deck.json("journal export --format csv --out part --from 100 --until 700 --json");
    assert_eq!(part["events"], 600);
    let before = deck.json(&format!(
        "journal export --format csv --out early --until {time} --json"
    ));
    let after = deck.json(&format!(
        "journal export --format csv --out late --from {time} --json"
    ));
    let whole = deck.json("journal export --format csv --out whole --json");
    let sum = |key: &str| before[key].as_u64().unwrap() + after[key].as_u64().unwrap();
    assert_eq!(Some(sum("events")), whole["events"].as_u64());
    assert_eq!(Some(sum("deeds")), whole["deeds"].as_u64());
    let header = std::fs::read_to_string(deck.path("whole/bars.csv")).unwrap();
    assert!(
        header.starts_with("sequence,ts_venue,ts_host,instrument,basis"),
        "{header}"
    );
}

#[test]
fn prune_removes_the_oldest_finished_runs_and_never_the_last_or_one_that_was_cut_off() {
    let deck = Deck::recorded(&["100", "100", "100", "100"]);
    let data = deck.path("data");
    let runs = || -> Vec<u32> {
        DataReels::in_folder(&data)
            .runs()
            .unwrap()
            .iter()
            .map(|run| run.number)
            .collect()
    };
    // The second was cut off: neither its last record, which says that it ended, nor the seal is there.
    let cut = data.join("reels/000002/actions-000001.reel");
    let mut bytes = std::fs::read(&cut).unwrap();
    let end = bytes.len();
    bytes[end - 48..].fill(0);
    std::fs::write(&cut, bytes).unwrap();

    let dry = deck.json("journal prune --keep-runs 1 --dry-run --json");
    assert_eq!(dry["runs"].as_array().unwrap().len(), 2, "{dry}");
    assert_eq!(runs(), [1, 2, 3, 4]);
    let done = deck.json("journal prune --keep-runs 3 --json");
    assert_eq!(done["runs"][0]["run"], 1);
    assert!(done["freed"].as_u64().unwrap() > 0);
    assert_eq!(runs(), [2, 3, 4]);
    let done = deck.json("journal prune --keep-gib 0 --roll parquet --json");
    assert_eq!((&done["runs"][0]["run"], runs()), (&3.into(), vec![2, 4]));
    let rolled = data.join("parquet/000003/quotes.parquet");
    assert!(rolled.exists());
    assert_eq!(
        deck.text("journal prune --keep-gib 0"),
        "nothing to remove\n"
    );

    // What was rolled is verified too.
    let mut bytes = std::fs::read(&rolled).unwrap();
    let damaged = |checked: VerifiedFolder| checked.damage.iter().any(|found| found.file == rolled);
    assert!(!damaged(deck.verified()));
    bytes[40] ^= 4;
    std::fs::write(&rolled, bytes).unwrap();
    assert!(damaged(deck.verified()));
    // The oldest runs go by themselves where the settings say so; these are far from a GiB.
    std::fs::write(deck.path("tickdeck.toml"), "[journal]\nkeep_gib = 1\n").unwrap();
    deck.json("run --seed 3 --pace max --no-watch --json --events 100 --afresh");
    assert_eq!(runs(), [2, 4, 5]);
    let said = RetentionBudget::new(DataReels::in_folder(&data), 0).enforce();
    assert!(
        said.len() == 1 && said[0].line().starts_with("removed run 4, "),
        "{said:?}"
    );
    assert_eq!(runs(), [2, 5]);
}

#[test]
fn a_host_that_runs_removes_old_runs_by_itself_and_warns_once_that_its_own_run_is_too_large() {
    let deck = Deck::recorded(&["100", "100"]);
    let data = deck.path("data");
    let reels = DataReels::in_folder(&data);
    let runs = || -> Vec<u32> { reels.runs().unwrap().iter().map(|run| run.number).collect() };
    let old = reels.run(Some(1)).unwrap().folder;
    let kept: Vec<(PathBuf, Vec<u8>)> = files(&old)
        .into_iter()
        .map(|file| (file.clone(), std::fs::read(&file).unwrap()))
        .collect();
    let folder = Folder::new();
    folder.put("guest", &counting("1.0.0").component());
    let mut host = Hosted::recorded("[venue]\nseed = 7\n", folder, &data);
    host.keeps_trading("guest");
    assert_eq!(runs(), [1, 2, 3], "nobody set a limit");
    host.keeps_to(
        RetentionBudget::new(reels.clone(), 0),
        Duration::from_millis(5),
    );
    host.await_line(&["removed run 1"]);
    host.await_line(&["removed run 2"]);
    host.await_line(&["run 3 alone takes", "keep_gib"]);
    assert_eq!(runs(), [3]);
    // At a later look there is something to remove again, and nothing to warn of again.
    host.forget();
    std::fs::create_dir(deck.path("copy")).unwrap();
    for (file, bytes) in kept {
        std::fs::write(deck.path("copy").join(file.file_name().unwrap()), bytes).unwrap();
    }
    std::fs::rename(deck.path("copy"), &old).unwrap();
    host.await_line(&["removed run 1"]);
    assert_eq!(host.failures(), Vec::<&str>::new());
    host.keeps_trading("guest");
    host.stop();
    assert_eq!(verified(&data).damage, []);
    assert!(reels.run(Some(3)).unwrap().has_ended());
}

#[test]
fn tail_follows_a_running_host_to_its_end() {
    let deck = Deck::new();
    let started = |line: &str| {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let mut command = command(deck.0.path(), &arguments);
        command.stdout(Stdio::piped()).spawn().unwrap()
    };
    let mut host = started("run --seed 3 --pace 1 --no-watch --plain");
    let deadline = Instant::now() + DEADLINE;
    while !deck.say("journal ls").status.success() {
        assert!(Instant::now() < deadline, "the host does not begin");
    }
    let listed = deck.json("journal ls --json");
    assert_eq!(listed["runs"][0]["state"], "running", "{listed}");
    let mut tail = started("journal tail -f -n 0 --json");
    let mut lines = BufReader::new(tail.stdout.take().unwrap()).lines();
    let mut sequence = None;
    for _ in 0..500 {
        let line = lines.next().expect("the host goes on").unwrap();
        let line: Value = serde_json::from_str(&line).unwrap();
        if let Some(next) = line["sequence"].as_u64() {
            assert!(
                sequence.is_none_or(|before| next == before + 1),
                "{line} after {sequence:?}"
            );
            sequence = Some(next);
        }
    }
    // It sees the end of the run, and ends too.
    signal(&host, "-INT");
    let last = lines.map(Result::unwrap).last().unwrap();
    assert!(host.wait().unwrap().success());
    assert!(tail.wait().unwrap().success());
    let end: Value = serde_json::from_str(&last).unwrap();
    assert!(
        end["position"].is_u64() || end["sequence"].is_u64(),
        "{last}"
    );
}

/// What reads the tables of an export as others do, and prints what it finds.
const READER: &str = r#"
import json, sys
import pyarrow.parquet as parquet
import pyarrow.compute as compute

folder, found = sys.argv[1], {}
for name in sys.argv[2:]:
    table = parquet.read_table(f"{folder}/{name}.parquet")
    found[name] = {
        "rows": table.num_rows,
        "types": {field.name: str(field.type) for field in table.schema},
        "sums": {
            field.name: str(compute.sum(table[field.name]).as_py() or 0)
            for field in table.schema
            if str(field.type).startswith(("int", "uint", "decimal"))
        },
        "first": {
            field.name: table[field.name][0].as_py()
            for field in table.schema
            if str(field.type) == "string" and table.num_rows
        },
    }
print(json.dumps(found))
"#;

/// A Python that has pyarrow: the one that `.ci/run` makes, or the system's.
fn python() -> Option<PathBuf> {
    let candidates = [
        root().join("target/python/bin/python"),
        PathBuf::from("python3"),
    ];
    candidates.into_iter().find(|python| {
        let has = Command::new(python)
            .args(["-c", "import pyarrow"])
            .stderr(Stdio::null())
            .status();
        has.is_ok_and(|status| status.success())
    })
}

/// The type that pyarrow gives a column.
fn arrow_type(kind: tickdeck_tables::Kind) -> &'static str {
    use tickdeck_tables::Kind;
    match kind {
        Kind::Time => "timestamp[ns, tz=UTC]",
        Kind::Integer => "int64",
        Kind::Number => "uint64",
        Kind::Decimal => "decimal128(28, 9)",
        Kind::Text => "string",
        Kind::Bool => "bool",
        Kind::Float => "double",
    }
}

/// Exact decimals, as units of the ninth digit.
fn units(decimal: &str) -> i128 {
    let (whole, fraction) = decimal.split_once('.').unwrap_or((decimal, ""));
    format!("{whole}{fraction:0<9}").parse().unwrap()
}

#[test]
fn pyarrow_reads_the_rows_the_sums_and_the_types_that_are_in_the_reel() {
    let Some(python) = python() else {
        println!(
            "left out: no Python with pyarrow is here; .ci/run installs one into target/python"
        );
        return;
    };
    let deck = Deck::recorded(&["5000"]);
    let exported = deck.json("journal export --out tables --json");
    deck.json("journal export --out lines --format jsonl --json");
    let names: Vec<&str> = tickdeck_recording::rows::all()
        .map(|table| table.name)
        .collect();
    let output = Command::new(python)
        .args(["-c", READER])
        .arg(deck.path("tables"))
        .args(&names)
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let found: Value = serde_json::from_slice(&output.stdout).unwrap();
    let mut events = 0;
    for table in tickdeck_recording::rows::all() {
        let (found, text) = (
            &found[table.name],
            deck.path(&format!("lines/{}.jsonl", table.name)),
        );
        let text = std::fs::read_to_string(text).unwrap();
        let rows: Vec<Value> = text
            .lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect();
        assert_eq!(found["rows"], rows.len(), "{}", table.name);
        if table.columns[0].name == "sequence" {
            events += rows.len() as u64;
        }
        for column in table.columns {
            let (name, of) = (column.name, format!("{}.{}", table.name, column.name));
            assert_eq!(found["types"][name], arrow_type(column.kind), "{of}");
            if column.kind == tickdeck_tables::Kind::Decimal {
                let sum: i128 = rows
                    .iter()
                    .filter_map(|row| row[name].as_str())
                    .map(units)
                    .sum();
                assert_eq!(units(found["sums"][name].as_str().unwrap()), sum, "{of}");
            }
            if column.kind == tickdeck_tables::Kind::Integer {
                let sum: i128 = rows
                    .iter()
                    .filter_map(|row| row[name].as_i64())
                    .map(i128::from)
                    .sum();
                assert_eq!(found["sums"][name], sum.to_string(), "{of}");
            }
        }
    }
    assert_eq!(exported["events"], events);
    assert_eq!(found["instruments"]["first"]["instrument"], "BTCUSDT.SIM");
    assert!(
        found["fills"]["rows"].as_u64().unwrap() > 0,
        "{}",
        found["fills"]
    );
}

#[test]
fn the_tables_in_the_docs_are_those_of_the_code() {
    let read = |name: &str| std::fs::read_to_string(root().join(name)).unwrap();
    let (of_events, of_effects) = ("docs/LAYOUT.md", "docs/JOURNAL.md");
    let docs = [of_events, of_effects].map(|name| (name, read(name)));
    for table in tickdeck_recording::rows::all() {
        let is_of_events = tickdeck_recording::rows::EVENT_TABLES.contains(&table);
        let (name, docs) = &docs[usize::from(!is_of_events)];
        let columns = table.columns.iter().map(|column| {
            let kind = format!("{:?}", column.kind).to_lowercase();
            let maybe = if column.optional { "?" } else { "" };
            format!("`{}` {kind}{maybe}", column.name)
        });
        let row = format!(
            "| `{}` | {} |",
            table.name,
            columns.collect::<Vec<_>>().join(", ")
        );
        assert!(docs.contains(&row), "{name} lacks\n{row}");
    }
}

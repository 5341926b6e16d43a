//! The folder in virtual time, on real files.

mod fuzz;
mod outside;
mod threads;

use super::*;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt as _, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tempfile::TempDir;

const fn ms(ms: u64) -> Duration {
    Duration::from_millis(ms)
}

/// A module as far as the watcher is concerned: the header, and a section of this content.
fn module(content: &str) -> Vec<u8> {
    let mut bytes = b"\0asm\x01\0\0\0\0".to_vec();
    bytes.push(u8::try_from(content.len()).unwrap());
    bytes.extend(content.as_bytes());
    bytes
}

/// A folder, its observed state, the time, and the reported changes.
struct Bench {
    root: TempDir,
    folder: Folder,
    now: Duration,
    said: Vec<PluginChange>,
}

impl Bench {
    fn new() -> Self {
        let root = tempfile::tempdir().unwrap();
        let path = root.path().join("plugins");
        fs::create_dir(&path).unwrap();
        Self {
            folder: Folder::new(WatchConfig::new(&path)),
            root,
            now: ms(7),
            said: Vec::new(),
        }
    }

    /// Creates a bench with these plugins, reported and long unchanged.
    fn with(plugins: &[(&str, &str)]) -> Self {
        let mut bench = Self::new();
        for (name, content) in plugins {
            bench.put(&format!("{name}.wasm"), &module(content));
        }
        bench.rest();
        assert_eq!(bench.take().len(), plugins.len());
        bench
    }

    fn path(&self, file: &str) -> PathBuf {
        self.root.path().join("plugins").join(file)
    }

    fn put(&self, file: &str, bytes: &[u8]) {
        fs::write(self.path(file), bytes).unwrap();
    }

    /// Replaces by rename.
    fn swap(&self, file: &str, bytes: &[u8]) {
        let temporary = self.path(&format!("{file}.tmp"));
        fs::write(&temporary, bytes).unwrap();
        fs::rename(temporary, self.path(file)).unwrap();
    }

    fn delete(&self, file: &str) {
        fs::remove_file(self.path(file)).unwrap();
    }

    /// Lets time pass and polls when due; `hint` says that something just changed.
    fn pass(&mut self, by: Duration, hint: bool) {
        let end = self.now + by;
        if hint {
            self.folder.hint();
        }
        for _ in 0..100_000 {
            let next = self.folder.next_poll(self.now);
            assert!(next >= self.now);
            if next > end {
                self.now = end;
                return;
            }
            self.now = next;
            self.said
                .extend(self.folder.poll(next).into_iter().map(held));
        }
        panic!("polls for ever");
    }

    /// Until everything has settled, without a hint.
    fn rest(&mut self) {
        self.pass(ms(10_000), false);
    }

    /// Takes the reported changes, abbreviated.
    fn take(&mut self) -> Vec<String> {
        self.said.drain(..).map(|change| short(&change)).collect()
    }

    fn rest_and_take(&mut self) -> Vec<String> {
        self.rest();
        self.take()
    }
}

/// Loads the content of a plugin as it is when it is reported.
fn held(mut change: PluginChange) -> PluginChange {
    if let PluginChange::Ready(plugin) = &mut change {
        plugin.content = ModuleContent::Held(plugin.bytes().unwrap());
    }
    change
}

fn short(change: &PluginChange) -> String {
    match change {
        PluginChange::Ready(plugin) => {
            let content = plugin.bytes().unwrap_or_default();
            let content = String::from_utf8_lossy(content.get(10..).unwrap_or_default());
            let settings = plugin
                .settings
                .as_ref()
                .map(|sidecar| sidecar.text.as_str());
            let mut line = format!("ready {} {content}", plugin.name);
            line.extend(settings.map(|text| format!(" with {text}")));
            line.extend(plugin.signature.as_ref().map(|_| " signed"));
            line
        }
        PluginChange::Removed { name } => format!("removed {name}"),
        PluginChange::Refused(refused) => format!("refused {}: {}", refused.name, refused.why),
        PluginChange::FolderUnavailable { why } => format!("folder unavailable: {why}"),
        PluginChange::FolderAvailable => "folder available".to_owned(),
        PluginChange::Note(note) => format!("note: {note}"),
    }
}

#[test]
fn a_report_that_was_outrun_is_made_again_of_the_same_content_too() {
    let mut bench = Bench::with(&[("ema", "one")]);
    // Its files were away just when the content was read again.
    bench.delete("ema.wasm");
    bench.put("ema.wasm", &module("one"));
    assert_eq!(bench.rest_and_take(), [""; 0]);
    bench.folder.report_again("ema");
    let again = bench.rest_and_take();
    assert_eq!(again.len(), 1, "{again:?}");
    assert!(again[0].contains("ema"), "{again:?}");
    assert_eq!(bench.rest_and_take(), [""; 0], "once");
    bench.delete("ema.wasm");
    assert_eq!(bench.rest_and_take().len(), 1, "its removal is reported");
}

#[test]
fn a_module_that_is_renamed_into_place_is_ready_after_one_settle() {
    let mut bench = Bench::with(&[("ema", "old")]);
    bench.swap("ema.wasm", &module("new"));
    bench.pass(ms(199), true);
    assert_eq!(bench.take(), [""; 0]);
    bench.pass(ms(1), false);
    assert_eq!(bench.take(), ["ready ema new"]);
    assert_eq!(bench.rest_and_take(), [""; 0], "once");
}

#[test]
fn without_hints_a_rescan_finds_a_change() {
    let mut bench = Bench::with(&[("ema", "old")]);
    bench.swap("ema.wasm", &module("new"));
    bench.pass(ms(2_200), false);
    assert_eq!(bench.take(), ["ready ema new"]);
}

#[test]
fn a_module_written_in_chunks_is_read_when_it_is_whole() {
    let mut bench = Bench::with(&[("ema", "old")]);
    let whole = module("one two three");
    // A writer that empties the file first and makes pauses longer than a settle.
    for cut in [0, 9, 14, whole.len() - 1] {
        bench.put("ema.wasm", &whole[..cut]);
        bench.pass(ms(333), true);
        assert_eq!(bench.take(), [""; 0], "half-written at {cut}");
    }
    bench.put("ema.wasm", &whole);
    bench.pass(ms(200), true);
    assert_eq!(bench.take(), ["ready ema one two three"]);
}

#[test]
fn a_module_that_stays_half_written_is_refused_after_the_cap() {
    let mut bench = Bench::with(&[("ema", "old")]);
    bench.put("ema.wasm", &module("new")[..11]);
    bench.pass(ms(1_999), true);
    assert_eq!(bench.take(), [""; 0]);
    bench.pass(ms(1), false);
    let said = bench.take();
    assert_eq!(said.len(), 1);
    assert!(said[0].contains("is truncated after 11 bytes"), "{said:?}");
    assert_eq!(bench.rest_and_take(), [""; 0], "once");
}

#[test]
fn a_module_that_is_rewritten_for_ever_is_read_at_the_cap_if_two_polls_agree() {
    let mut bench = Bench::new();
    for round in 0..18 {
        bench.swap("ema.wasm", &module(&round.to_string()));
        bench.pass(ms(150), true);
    }
    // The first poll that finds it at rest for half a settle after 2 s.
    assert_eq!(bench.take()[0], "ready ema 13");
    let mut bench = Bench::new();
    for round in 0..60 {
        bench.swap("ema.wasm", &module(&round.to_string()));
        bench.pass(ms(90), true);
        assert_eq!(bench.take(), [""; 0], "never at rest");
    }
    assert_eq!(bench.rest_and_take(), ["ready ema 59"]);
}

#[test]
fn a_rewrite_with_the_same_content_is_not_reported() {
    let mut bench = Bench::with(&[("ema", "same")]);
    bench.swap("ema.wasm", &module("same"));
    assert_eq!(bench.rest_and_take(), [""; 0]);
    bench.swap("ema.wasm", &module("other"));
    bench.pass(ms(100), true);
    bench.swap("ema.wasm", &module("same"));
    assert_eq!(bench.rest_and_take(), [""; 0], "back before it settled");
}

#[test]
fn a_redirected_link_is_a_change() {
    let mut bench = Bench::new();
    for version in ["one", "two"] {
        fs::write(bench.root.path().join(version), module(version)).unwrap();
    }
    symlink("../one", bench.path("ema.wasm")).unwrap();
    assert_eq!(bench.rest_and_take(), ["ready ema one"]);
    symlink("../two", bench.path("next")).unwrap();
    fs::rename(bench.path("next"), bench.path("ema.wasm")).unwrap();
    assert_eq!(bench.rest_and_take(), ["ready ema two"]);
    fs::write(bench.root.path().join("two"), module("three")).unwrap();
    assert_eq!(
        bench.rest_and_take(),
        ["ready ema three"],
        "the target counts"
    );
}

#[test]
fn an_editor_that_keeps_a_backup_is_a_replacement() {
    let mut bench = Bench::with(&[("ema", "old")]);
    fs::rename(bench.path("ema.wasm"), bench.path("ema.wasm~")).unwrap();
    bench.pass(ms(150), true);
    bench.put("ema.wasm", &module("new"));
    bench.pass(ms(50), true);
    bench.put(".ema.wasm.swp", &module("junk"));
    assert_eq!(bench.rest_and_take(), ["ready ema new"]);
}

#[test]
fn a_file_deleted_and_restored_within_a_settle_is_replaced_and_later_removed_and_ready() {
    let mut bench = Bench::with(&[("ema", "a")]);
    for (content, said) in [("a", &[][..]), ("b", &["ready ema b"])] {
        bench.delete("ema.wasm");
        bench.pass(ms(199), true);
        bench.put("ema.wasm", &module(content));
        assert_eq!(bench.rest_and_take(), said);
    }
    bench.delete("ema.wasm");
    bench.pass(ms(200), true);
    assert_eq!(bench.take(), ["removed ema"]);
    bench.put("ema.wasm", &module("b"));
    assert_eq!(bench.rest_and_take(), ["ready ema b"]);
}

#[test]
fn a_rebuild_that_deletes_repeatedly_is_not_a_removal_at_the_cap() {
    let mut bench = Bench::with(&[("ema", "a")]);
    for round in 0..20 {
        bench.delete("ema.wasm");
        bench.pass(ms(190), true);
        bench.put("ema.wasm", &module(&format!("build {round}")));
        bench.pass(ms(10), true);
    }
    assert!(!bench.take().iter().any(|line| line.starts_with("removed")));
    bench.rest();
}

#[test]
fn two_hundred_modules_that_change_at_once_are_each_reported_once_in_order_of_name() {
    let mut bench = Bench::new();
    let expected: Vec<String> = (0..200).map(|n| format!("ready s{n:03} new")).collect();
    for content in ["old", "new"] {
        for n in 0..200 {
            bench.swap(&format!("s{n:03}.wasm"), &module(content));
        }
        // Looks that hints ask for are at least half a settle apart.
        bench.pass(ms(300), true);
        assert_eq!(bench.said.len(), 200);
        if content == "old" {
            bench.take();
        }
    }
    bench.rest();
    assert_eq!(bench.take(), expected);
}

#[test]
fn a_rescan_reads_no_file_that_is_unchanged_for_longer_than_a_tick() {
    let mut bench = Bench::new();
    for n in 0..200 {
        bench.put(&format!("s{n}.wasm"), &module("same"));
    }
    // As if the files had just changed: each poll reads them again.
    bench.pass(ms(200), true);
    assert_eq!(bench.folder.plugins_read, 200);
    bench.folder.wall = || SystemTime::now() + Duration::from_secs(3_600);
    bench.pass(ms(2_000), false);
    let read = bench.folder.plugins_read;
    bench.pass(ms(60_000), false);
    assert_eq!(bench.folder.plugins_read, read);
    assert_eq!(bench.take().len(), 200);
    bench.folder.recheck();
    bench.pass(ms(2_000), false);
    assert_eq!(
        bench.folder.plugins_read,
        read + 200,
        "the operator's reload"
    );
}

thread_local! {
    static WALL: Cell<SystemTime> = const { Cell::new(SystemTime::UNIX_EPOCH) };
}

#[test]
fn a_file_is_read_again_until_it_was_read_a_tick_after_its_last_change() {
    let mut bench = Bench::new();
    bench.folder.wall = || WALL.get();
    bench.put("ema.wasm", &module("a"));
    let about = fs::metadata(bench.path("ema.wasm")).unwrap();
    let changed = Duration::new(about.ctime() as u64, about.ctime_nsec() as u32);
    let changed = SystemTime::UNIX_EPOCH + changed;
    let mut reads_of_five_looks_at = |wall| {
        WALL.set(wall);
        let before = bench.folder.plugins_read;
        bench.pass(ms(10_000), false);
        bench.folder.plugins_read - before
    };
    assert_eq!(reads_of_five_looks_at(changed + ms(49)), 5);
    assert_eq!(reads_of_five_looks_at(changed + ms(51)), 1);
    assert_eq!(reads_of_five_looks_at(changed + ms(51)), 0);
    assert_eq!(bench.take(), ["ready ema a"]);
}

#[test]
fn a_change_within_a_tick_of_being_read_is_noticed() {
    let mut bench = Bench::new();
    let mut last = String::new();
    for round in 0..300 {
        // Of one length, in place, at once: often nothing but the content tells them apart.
        last = format!("{round:03}");
        bench.put("ema.wasm", &module(&last));
        bench.pass(ms(450), true);
    }
    bench.rest();
    assert_eq!(bench.take().pop(), Some(format!("ready ema {last}")));
}

#[test]
fn settings_and_signature_are_part_of_a_plugin() {
    let mut bench = Bench::with(&[("ema", "a")]);
    bench.put("ema.toml", b"fast = 3");
    assert_eq!(bench.rest_and_take(), ["ready ema a with fast = 3"]);
    bench.put("ema.wasm.minisig", b"\xff signature");
    assert_eq!(bench.rest_and_take(), ["ready ema a with fast = 3 signed"]);
    bench.put("ema.toml", b"fast = 4");
    bench.pass(ms(100), true);
    bench.put("ema.wasm", &module("b"));
    assert_eq!(
        bench.rest_and_take(),
        ["ready ema b with fast = 4 signed"],
        "they settle together"
    );
    bench.delete("ema.toml");
    assert_eq!(bench.rest_and_take(), ["ready ema b signed"]);
    bench.delete("ema.wasm");
    assert_eq!(bench.rest_and_take(), ["removed ema"]);
    bench.put("ema.toml", b"fast = 5");
    assert_eq!(bench.rest_and_take(), [""; 0], "settings of nothing");
}

#[test]
fn plugins_loaded_at_the_start_are_not_reported_again() {
    let mut bench = Bench::new();
    bench.put("a.wasm", &module("a"));
    bench.put("b.wasm", &module("b"));
    bench.put("c.wasm", b"junk");
    bench.put("d\n.wasm", b"junk");
    let found = scan(&bench.path(""), &[]).unwrap();
    let names: Vec<&str> = found.plugins.iter().map(|p| p.name.as_str()).collect();
    assert_eq!(names, ["a", "b"]);
    assert_eq!(found.refused.len(), 2);
    bench.folder.seed_scan(&found);
    bench.swap("b.wasm", &module("changed before the first poll"));
    assert_eq!(
        bench.rest_and_take(),
        ["ready b changed before the first poll"]
    );
    bench.delete("a.wasm");
    assert_eq!(bench.rest_and_take(), ["removed a"]);
}

#[test]
fn one_plugin_too_many_is_noted_and_the_first_by_name_are_used() {
    let mut bench = Bench::new();
    for n in 0..=MAX_MODULES {
        bench.put(&format!("s{n:04}.wasm"), &module(""));
    }
    let found = scan(&bench.path(""), &[]).unwrap();
    assert_eq!(found.plugins.len(), MAX_MODULES);
    assert!(found.note.unwrap().contains("more than 1000 modules"));
    let said = bench.rest_and_take();
    assert!(said[0].starts_with("note: "), "{}", said[0]);
    assert_eq!(said.len(), 1 + MAX_MODULES);
    assert_eq!(said[MAX_MODULES], "ready s0999 ");
    bench.put("a.wasm", &module(""));
    assert_eq!(bench.rest_and_take(), [""; 0], "those that run stay");
    bench.delete("s0000.wasm");
    assert_eq!(bench.rest_and_take(), ["removed s0000", "ready a "]);
}

#[test]
fn plugins_that_the_deck_knows_are_found_behind_a_thousand_others() {
    let mut bench = Bench::new();
    for n in 0..=MAX_MODULES {
        bench.put(&format!("a{n}.wasm"), b"");
    }
    bench.put("ema.wasm", &module("ema"));
    let known = ["ema", "../plugins/ema", "absent"].map(str::to_owned);
    let found = scan(&bench.path(""), &known).unwrap();
    assert_eq!(found.plugins.len(), 1, "under its name only");
    assert_eq!(found.refused.len(), MAX_MODULES - 1);
    assert!(found.note.as_ref().unwrap().contains("1000 modules"));
    assert!(!found.is_missing("a999"), "it was left out");
    assert!(found.is_missing("absent") && found.is_missing("../plugins/ema"));

    bench.folder = Folder::new(WatchConfig {
        known: known.into(),
        ..WatchConfig::new(bench.path(""))
    });
    bench.folder.seed_scan(&found);
    bench.delete("ema.wasm");
    let said = bench.rest_and_take();
    assert_eq!(said[0], "removed ema");
    assert!(said[1].starts_with("refused a99"), "another took its place");
    bench.put("ema.wasm", &module("back"));
    assert_eq!(bench.rest_and_take(), ["ready ema back"]);
}

#[test]
fn a_storm_of_hints_causes_one_poll_per_half_settle() {
    let mut bench = Bench::with(&[("ema", "a")]);
    let polled = bench.now;
    bench.folder.poll(polled);
    assert_eq!(bench.folder.next_poll(polled), polled + ms(2_000));
    for _ in 0..1_000 {
        bench.folder.hint();
        assert_eq!(bench.folder.next_poll(polled), polled + ms(100));
    }
    assert_eq!(
        bench.folder.next_poll(polled + ms(500)),
        polled + ms(500),
        "at once if the last one is longer ago"
    );
}

#[test]
fn a_poll_that_has_used_its_budget_leaves_the_rest_to_the_next_one() {
    let mut bench = Bench::new();
    bench.folder.budget = 17;
    for name in ["a", "b", "c", "d", "e"] {
        bench.put(&format!("{name}.wasm"), &module("8 bytes"));
    }
    bench.folder.poll(ms(0));
    assert_eq!(bench.folder.poll(ms(200)).len(), 1);
    assert_eq!(bench.folder.next_poll(ms(200)), ms(200), "goes on at once");
    bench.now = ms(200);
    let said = bench.rest_and_take();
    assert_eq!(said.len(), 4);
    assert_eq!(said[3], "ready e 8 bytes");
}

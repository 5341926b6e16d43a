//! The thread in real time: tests wait for a change, never for a time.

use super::*;
use std::sync::mpsc::{Receiver, channel};

/// Much longer than anything takes, and shorter than [`NEVER`].
const PATIENCE: Duration = Duration::from_secs(60);
/// A rescan that no test waits for: a change found in time was found by a hint.
const NEVER: Duration = Duration::from_secs(3_600);
const SOON: Duration = ms(50);

fn plugins() -> (TempDir, PathBuf) {
    let root = tempfile::tempdir().unwrap();
    let path = root.path().join("plugins");
    fs::create_dir(&path).unwrap();
    (root, path)
}

fn watch(path: &Path, rescan: Duration, hints: Hints) -> (Watcher, Receiver<String>) {
    let (sender, said) = channel();
    let config = WatchConfig {
        rescan,
        ..WatchConfig::new(path)
    };
    let on_change = move |change: PluginChange| {
        let _ = sender.send(short(&change));
    };
    let watcher = Watcher::start(config, &Scan::default(), hints, on_change).unwrap();
    (watcher, said)
}

fn next(said: &Receiver<String>) -> String {
    said.recv_timeout(PATIENCE).unwrap()
}

fn swap(path: &Path, name: &str, content: &str) {
    let temporary = path.join(".new");
    fs::write(&temporary, module(content)).unwrap();
    fs::rename(temporary, path.join(format!("{name}.wasm"))).unwrap();
}

#[test]
fn what_a_scan_of_a_relative_folder_refused_is_not_reported_again() {
    let here = std::env::current_dir().unwrap();
    let root = tempfile::tempdir_in(&here).unwrap();
    let path = root.path().strip_prefix(&here).unwrap();
    fs::write(path.join("junk.wasm"), "nothing like a module").unwrap();
    let seen = scan(path, &[]).unwrap();
    assert_eq!(seen.refused.len(), 1);
    let (sender, said) = channel();
    let on_change = move |change: PluginChange| {
        let _ = sender.send(short(&change));
    };
    let config = WatchConfig {
        settle_cap: WatchConfig::new(path).settle,
        ..WatchConfig::new(path)
    };
    let _watcher = Watcher::start(config, &seen, Hints::System, on_change).unwrap();
    // By the time that the second one has settled, what was there before them has.
    for name in ["ema", "pairs"] {
        swap(path, name, "new");
        assert_eq!(next(&said), format!("ready {name} new"));
    }
}

#[test]
fn the_system_notifies_when_a_module_is_renamed_into_place() {
    let (_root, path) = plugins();
    swap(&path, "first", "");
    let (watcher, said) = watch(&path, NEVER, Hints::System);
    // By then it watches.
    assert_eq!(next(&said), "ready first ");
    swap(&path, "ema", "new");
    assert_eq!(next(&said), "ready ema new");
    fs::write(path.join("ema.toml"), "fast = 3").unwrap();
    assert_eq!(next(&said), "ready ema new with fast = 3");
    fs::remove_file(path.join("ema.wasm")).unwrap();
    assert_eq!(next(&said), "removed ema");
    assert!(watcher.is_alive());
}

#[test]
fn the_system_notifies_when_the_folder_returns_and_of_later_changes_in_it() {
    let (_root, path) = plugins();
    swap(&path, "ema", "a");
    let (_watcher, said) = watch(&path, NEVER, Hints::System);
    assert_eq!(next(&said), "ready ema a");
    for content in ["b", "c"] {
        fs::remove_dir_all(&path).unwrap();
        let mut lines = Vec::new();
        until(&said, &mut lines, "folder unavailable");
        fs::create_dir(&path).unwrap();
        until(&said, &mut lines, "folder available");
        // By then nothing is settling any more, and only the system can say that there is something to poll at.
        until(&said, &mut lines, "removed ema");
        swap(&path, "ema", content);
        assert_eq!(next(&said), format!("ready ema {content}"));
    }
}

/// Waits until such a line was said.
fn until(said: &Receiver<String>, lines: &mut Vec<String>, start: &str) {
    while !lines.iter().any(|line| line.starts_with(start)) {
        lines.push(next(said));
    }
}

#[test]
fn a_watcher_without_hints_reports_that_once_and_rescans() {
    let (_root, path) = plugins();
    let (_watcher, said) = watch(&path, SOON, Hints::Failing);
    let note = next(&said);
    assert!(
        note.starts_with("note: the system does not report file changes"),
        "{note}"
    );
    assert!(note.contains("max_user_watches"), "{note}");
    swap(&path, "ema", "new");
    assert_eq!(next(&said), "ready ema new");
}

#[test]
fn hints_that_end_during_watching_are_noted_once_and_rescans_continue() {
    let (_root, path) = plugins();
    swap(&path, "first", "");
    let (watcher, said) = watch(&path, SOON, Hints::System);
    assert_eq!(next(&said), "ready first ");
    watcher.signal.fail("hints ended".to_owned());
    assert_eq!(next(&said), "note: hints ended");
    watcher.signal.fail("hints ended again".to_owned());
    swap(&path, "ema", "new");
    assert_eq!(next(&said), "ready ema new");
}

#[test]
fn the_operator_can_request_a_poll() {
    let (_root, path) = plugins();
    swap(&path, "first", "");
    let (watcher, said) = watch(&path, NEVER, Hints::None);
    assert_eq!(next(&said), "ready first ");
    swap(&path, "ema", "new");
    watcher.rescan_now();
    assert_eq!(next(&said), "ready ema new");
}

#[test]
fn a_dropped_watcher_ends_its_thread_and_reports_nothing_more() {
    let (_root, path) = plugins();
    let (watcher, said) = watch(&path, NEVER, Hints::System);
    drop(watcher);
    // The thread owned the sender.
    assert!(
        said.recv_timeout(PATIENCE)
            .is_err_and(|error| { error == std::sync::mpsc::RecvTimeoutError::Disconnected })
    );
}

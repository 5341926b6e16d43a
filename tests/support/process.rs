//! The real binary in processes of its own: commands, signals, and the files that it leaves.

use crate::support::plugins::{EXAMPLES, plugins, root};
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;
use tickdeck_journal::Reader;
use tickdeck_recording::EVENTS;

/// Returns the binary, built the way the suite was.
pub(crate) fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let status = Command::new(cargo)
            // The same selection as that of `cargo test`: by another one, shared crates would have other features, and
            // cargo would compile wasmtime and a dozen other crates a second time.
            .args([
                "build",
                "--quiet",
                "--workspace",
                "--bin",
                "tickdeck",
                "--test",
                "suite",
            ])
            .current_dir(root())
            .status();
        assert!(status.unwrap().success(), "the binary does not build");
        // This test lies in target/debug/deps.
        let here = std::env::current_exe().unwrap();
        here.parent().unwrap().parent().unwrap().join("tickdeck")
    })
}

/// Returns a command of the binary in a folder, with the code cache that all tests share.
pub(crate) fn command(folder: &Path, arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    command
        .args(arguments)
        .current_dir(folder)
        .env("XDG_CACHE_HOME", root().join("target/test-cache"))
        .env("XDG_DATA_HOME", root().join("target/test-data"))
        .stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub(crate) fn tickdeck(folder: &Path, arguments: &[&str]) -> Output {
    command(folder, arguments).output().unwrap()
}

/// Returns the object on the last line of a command that succeeded.
pub(crate) fn last_object(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success(),
        "{text}\n{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let last = text
        .lines()
        .last()
        .unwrap_or_else(|| panic!("nothing was printed"));
    serde_json::from_str(last).unwrap_or_else(|error| panic!("{error}: {last}"))
}

/// Returns the error output of a command that failed.
pub(crate) fn error_of(output: &Output) -> String {
    assert!(!output.status.success());
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// Creates a deck in a folder of its own with the example plugins.
pub(crate) fn deck(settings: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("plugins")).unwrap();
    for name in EXAMPLES {
        let file = format!("{name}.wasm");
        std::fs::copy(
            plugins().join(&file),
            folder.path().join("plugins").join(&file),
        )
        .unwrap();
    }
    std::fs::write(folder.path().join("tickdeck.toml"), settings).unwrap();
    folder
}

/// Sends a signal, such as `-INT`, to a process.
pub(crate) fn signal(process: &Child, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &process.id().to_string()])
        .status();
    assert!(sent.unwrap().success());
}

/// Starts a command without output, and kills it once its run in `data` has recorded so many events.
pub(crate) fn cut_off(mut command: Command, data: &Path, events: u64) {
    let mut host = command.stdout(Stdio::null()).spawn().unwrap();
    assert!(!wait_for(data, events, &mut host), "the host ended first");
    host.kill().unwrap();
    host.wait().unwrap();
}

/// Returns every file below a folder, sorted.
pub(crate) fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(files(&path));
        } else {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Counts the events that the first run of a data folder has recorded.
pub(crate) fn records(data: &Path) -> u64 {
    let folder = data.join("reels/000001");
    let Ok(mut reader) = Reader::open(&folder, EVENTS) else {
        return 0;
    };
    let mut count = 0;
    while let Ok(Some(_)) = reader.next() {
        count += 1;
    }
    count
}

/// Waits until the first run has recorded so many events; returns true if the host ended first.
pub(crate) fn wait_for(data: &Path, events: u64, host: &mut std::process::Child) -> bool {
    let (mut count, mut reel) = (0, None);
    loop {
        let folder = data.join("reels/000001");
        reel = reel.or_else(|| Reader::open(&folder, EVENTS).ok());
        while let Some(Ok(Some(_))) = reel.as_mut().map(Reader::next) {
            count += 1;
        }
        if count >= events {
            return false;
        }
        if host.try_wait().unwrap().is_some() {
            return true;
        }
        std::thread::yield_now();
    }
}

//! `tickdeck dev` as an author meets it: the real binary on a copy of an example, edited while it trades.

use crate::support::plugins::root;
use crate::support::process::{command, signal};
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

/// Within which anything must happen: a first build on a busy machine takes its time.
const DEADLINE: Duration = Duration::from_secs(240);

/// A line of the example that the tests break.
const LINE: &str = "let price = trade.price.0 as f64;";

/// A copy of `plugins/ema-cross` with a workspace and a name of its own.
struct Copy {
    folder: tempfile::TempDir,
    name: &'static str,
}

impl Copy {
    /// Copies share a target folder, in which cargo tells them apart by their names alone.
    fn new(name: &'static str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let copy = Self { folder, name };
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2024\"\n\n\
             [lib]\ncrate-type = [\"cdylib\", \"rlib\"]\n\n\
             [dependencies]\ntickdeck-sdk = {{ path = {:?} }}\n\
             serde = {{ version = \"1.0\", features = [\"derive\"] }}\n\n[workspace]\n",
            root().join("sdk/rust")
        );
        std::fs::write(copy.path("Cargo.toml"), manifest).unwrap();
        std::fs::copy(root().join("Cargo.lock"), copy.path("Cargo.lock")).unwrap();
        std::fs::create_dir(copy.path("src")).unwrap();
        for file in ["lib.rs", "tests.rs"] {
            let original = root().join("plugins/ema-cross/src").join(file);
            std::fs::copy(original, copy.path("src").join(file)).unwrap();
        }
        // What all copies depend on is built once.
        let shared = root().join("target/test-dev");
        std::fs::create_dir_all(&shared).unwrap();
        std::os::unix::fs::symlink(shared, copy.path("target")).unwrap();
        copy
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Replaces a text in the source as editors do: a new file is renamed over the old one.
    fn edit(&self, from: &str, to: &str) {
        let (source, new) = (self.path("src/lib.rs"), self.path("src/.lib.rs.new"));
        let text = std::fs::read_to_string(&source).unwrap();
        assert!(text.contains(from), "{from} is not in the source");
        std::fs::write(&new, text.replace(from, to)).unwrap();
        std::fs::rename(new, source).unwrap();
    }

    /// Where the compiler finds something in the line that has this text.
    fn place(&self, text: &str) -> String {
        let source = std::fs::read_to_string(self.path("src/lib.rs")).unwrap();
        let line = source.lines().position(|line| line.contains(text)).unwrap();
        format!("src/lib.rs:{}:", line + 1)
    }

    fn dev(&self, arguments: &[&str]) -> Dev {
        let mut child = command(self.folder.path(), &["dev", ".", "--plain"])
            .args(arguments)
            .env("CARGO_NET_OFFLINE", "true")
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (await_line, lines) = channel();
        listen(child.stdout.take().unwrap(), await_line.clone());
        listen(child.stderr.take().unwrap(), await_line);
        Dev {
            name: self.name,
            child,
            lines,
            heard: Vec::new(),
        }
    }
}

fn listen(pipe: impl Read + Send + 'static, await_line: Sender<String>) {
    std::thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            let _ = await_line.send(line);
        }
    });
}

/// A running `tickdeck dev`.
struct Dev {
    name: &'static str,
    child: Child,
    lines: Receiver<String>,
    heard: Vec<String>,
}

impl Dev {
    /// The next line that has all of these texts.
    fn await_line(&mut self, texts: &[&str]) -> String {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let left = deadline.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                panic!("no line has {texts:?}:\n{}", self.heard.join("\n"));
            };
            self.heard.push(line.clone());
            if texts.iter().all(|text| line.contains(text)) {
                return line;
            }
        }
    }

    /// The next line about the strategy that starts so.
    fn tells(&mut self, text: &str) -> String {
        let text = format!("{}: {text}", self.name);
        self.await_line(&[&text])
    }

    /// Orders so far, from the next line of figures.
    fn orders(&mut self) -> u64 {
        let line = self.await_line(&[" ev ", " orders "]);
        let after = line.split(" orders ").nth(1).unwrap();
        after.split(' ').next().unwrap().parse().unwrap()
    }

    fn interrupt(mut self) -> ExitStatus {
        signal(&self.child, "-INT");
        self.child.wait().unwrap()
    }
}

impl Drop for Dev {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

#[test]
fn a_save_becomes_the_version_that_trades_and_one_that_does_not_build_leaves_it_trading() {
    let copy = Copy::new("dev-swaps");
    let mut dev = copy.dev(&["--pace", "10"]);
    dev.orders();
    copy.edit("default = 20", "default = 22");
    let swap = dev.tells("0.1.0 -> another 0.1.0 ");
    assert!(
        // A module that was built before is in the cache.
        (swap.contains(" compiled in ") || swap.contains(" loaded in "))
            && swap.contains("handed over in "),
        "{swap}"
    );
    let live = dev.tells("saved -> live in ");
    for part in ["(build ", " settle ", " swap "] {
        assert!(live.contains(part), "{live}");
    }
    println!("{live}");

    copy.edit(LINE, LINE.trim_end_matches(';'));
    dev.tells("does not build, 1 error; the previous version keeps running");
    dev.await_line(&[&copy.place(LINE.trim_end_matches(';'))]);
    let before = dev.orders();
    while dev.orders() <= before {}

    copy.edit(LINE.trim_end_matches(';'), LINE);
    dev.tells("built, with no change to the module");
    copy.edit("default = 22", "default = 24");
    dev.tells("saved -> live in ");
    assert_eq!(dev.interrupt().code(), Some(0));
}

#[test]
fn what_does_not_build_at_first_is_waited_for_and_goes_into_a_deck_that_is_named() {
    let (copy, deck) = (Copy::new("dev-waits"), tempfile::tempdir().unwrap());
    let plugins = deck.path().join("plugins");
    std::fs::create_dir(&plugins).unwrap();
    copy.edit(LINE, "let price: u32 = 1.5;");
    let mut dev = copy.dev(&["--deck", &deck.path().display().to_string()]);
    let broken = dev.tells("does not build, ");
    assert!(broken.contains("waiting for the next save"), "{broken}");
    dev.await_line(&[&copy.place("let price: u32")]);
    assert!(!plugins.join("dev-waits.wasm").exists());
    copy.edit("let price: u32 = 1.5;", LINE);
    dev.tells("built in ");
    assert!(plugins.join("dev-waits.wasm").is_file());
    assert_eq!(dev.interrupt().code(), Some(0));
}

#[test]
fn what_does_not_build_at_first_ends_a_command_that_has_a_time_limit() {
    let copy = Copy::new("dev-limited");
    copy.edit(LINE, "let price: u32 = 1.5;");
    let mut dev = copy.dev(&["--for", "1s"]);
    dev.await_line(&["error: the first build failed"]);
    assert_eq!(dev.child.wait().unwrap().code(), Some(1));
}

#[test]
#[cfg(target_os = "linux")]
fn an_interrupt_during_a_build_leaves_no_compiler_behind() {
    let copy = Copy::new("dev-ends");
    let mut dev = copy.dev(&[]);
    dev.orders();
    copy.edit("default = 20", "default = 26");
    let deadline = Instant::now() + DEADLINE;
    let cargo = loop {
        let cargo = processes()
            .into_iter()
            .find(|one| one.parent == dev.child.id());
        if let Some(cargo) = cargo {
            break cargo.id;
        }
        assert!(Instant::now() < deadline, "nothing was built");
        std::thread::yield_now();
    };
    assert_eq!(dev.interrupt().code(), Some(0));
    // What was killed may take a moment to be gone.
    while processes().iter().any(|one| one.group == cargo) {
        assert!(Instant::now() < deadline, "compilers go on");
        std::thread::yield_now();
    }
}

#[cfg(target_os = "linux")]
struct Process {
    id: u32,
    parent: u32,
    group: u32,
}

/// The processes of this machine that are not merely waiting to be buried.
#[cfg(target_os = "linux")]
fn processes() -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let stat = |entry: std::fs::DirEntry| {
        let id: u32 = entry.file_name().to_str()?.parse().ok()?;
        let stat = std::fs::read_to_string(entry.path().join("stat")).ok()?;
        // The name in parentheses may hold anything.
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let alive = fields.next()? != "Z";
        let parent = fields.next()?.parse().ok()?;
        let group = fields.next()?.parse().ok()?;
        alive.then_some(Process { id, parent, group })
    };
    entries.filter_map(stat).collect()
}

fn refused(folder: &Path) -> String {
    let output = command(folder, &["dev", "."])
        .env("CARGO_NET_OFFLINE", "true")
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    String::from_utf8(output.stderr).unwrap()
}

#[test]
fn what_is_no_strategy_is_refused_in_a_sentence_with_the_fix() {
    let folder = tempfile::tempdir().unwrap();
    let error = refused(folder.path());
    assert!(error.contains("is not a Rust crate"), "{error}");
    let manifest =
        "[package]\nname = \"x\"\nversion = \"0.1.0\"\nedition = \"2024\"\n[workspace]\n";
    std::fs::write(folder.path().join("Cargo.toml"), manifest).unwrap();
    std::fs::create_dir(folder.path().join("src")).unwrap();
    std::fs::write(folder.path().join("src/lib.rs"), "").unwrap();
    let error = refused(folder.path());
    assert!(error.contains("crate-type"), "{error}");
    let library = format!("{manifest}[lib]\ncrate-type = [\"cdylib\"]\n");
    std::fs::write(folder.path().join("Cargo.toml"), library).unwrap();
    let error = refused(folder.path());
    assert!(
        error.contains("does not depend on tickdeck-sdk") && error.contains("tickdeck new"),
        "{error}"
    );
    assert_eq!(error.trim_end().lines().count(), 1, "{error}");
}

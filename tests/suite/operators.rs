//! Operators as they work: the real binary runs a deck, and other processes of it speak to that over the socket.

use crate::support::host::{Folder, SIM, put};
use crate::support::plugins::module;
use crate::support::process::{command, files};
use crate::support::versions::{cannot_keep_up, counting, hash, marked};
use serde_json::Value;
use std::io::{BufRead, BufReader, Read};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// How long anything that is expected may take on a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);

/// The exit code without a host.
const NO_HOST: i32 = 3;

/// What an operator can do to one strategy.
const ACTIONS: [&str; 9] = [
    "show", "pause", "reduce", "resume", "reload", "rollback", "promote", "remove", "approve",
];

/// A deck on disk, and the folder that its socket lies in.
struct Deck {
    folder: Folder,
    plugins: PathBuf,
    runtime: PathBuf,
}

impl Deck {
    fn new(settings: &str) -> Self {
        let folder = Folder::new();
        let (plugins, runtime) = (folder.file("plugins"), folder.file("runtime"));
        for made in [&plugins, &runtime] {
            std::fs::create_dir(made).unwrap();
        }
        std::fs::write(folder.file("tickdeck.toml"), settings).unwrap();
        Self {
            folder,
            plugins,
            runtime,
        }
    }

    fn put(&self, name: &str, module: &[u8]) {
        put(&self.plugins, name, module);
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = command(self.folder.path(), arguments);
        command.env("XDG_RUNTIME_DIR", &self.runtime);
        command
    }

    fn ask(&self, line: &str) -> Answer {
        let arguments: Vec<&str> = line.split_whitespace().collect();
        let output = self.command(&arguments).output().unwrap();
        Answer(line.to_owned(), output)
    }

    fn sockets(&self) -> usize {
        files(&self.runtime)
            .iter()
            .filter(|file| file.extension().is_some_and(|end| end == "sock"))
            .count()
    }
}

/// What a command came to.
struct Answer(String, Output);

impl Answer {
    fn words(&self) -> String {
        let Self(line, output) = self;
        format!(
            "tickdeck {line}: {:?}\n{}{}",
            output.status.code(),
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        )
    }

    /// What was printed by a command that worked.
    fn text(&self) -> String {
        assert_eq!(self.1.status.code(), Some(0), "{}", self.words());
        assert!(self.1.stderr.is_empty(), "{}", self.words());
        String::from_utf8(self.1.stdout.clone()).unwrap()
    }

    fn json(&self) -> Value {
        let text = self.text();
        assert_eq!(text.lines().count(), 1, "{text}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The sentence of a command that failed with this code.
    fn error(&self, code: i32) -> String {
        assert_eq!(self.1.status.code(), Some(code), "{}", self.words());
        assert!(self.1.stdout.is_empty(), "{}", self.words());
        let error = String::from_utf8(self.1.stderr.clone()).unwrap();
        assert!(error.starts_with("error: "), "{error}");
        assert_eq!(error.lines().count(), 1, "{error}");
        error
    }
}

fn run(deck: &Deck) -> Child {
    let mut child = deck
        .command(&["run", "--pace", "4", "--plain"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // What it prints must not fill the pipes; a test that fails shows it.
    let streams: [Box<dyn Read + Send>; 2] = [
        Box::new(child.stdout.take().unwrap()),
        Box::new(child.stderr.take().unwrap()),
    ];
    for stream in streams {
        std::thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                println!("{line}");
            }
        });
    }
    child
}

/// A host that runs a deck.
struct Running {
    deck: Deck,
    child: Child,
}

impl Running {
    /// Starts it and waits until the strategies named have handled events.
    fn start(deck: Deck, names: &[&str]) -> Self {
        let child = run(&deck);
        let mut host = Self { deck, child };
        host.trades(names);
        host
    }

    /// Starts it again, after it ended.
    fn restart(&mut self, names: &[&str]) {
        self.child = run(&self.deck);
        self.trades(names);
    }

    fn trades(&mut self, names: &[&str]) {
        for name in names {
            let what = format!("{name} handles events");
            self.until(&what, |one| one["events"].as_u64() > Some(0), name);
        }
    }

    fn ask(&self, line: &str) -> Answer {
        self.deck.ask(line)
    }

    /// Waits until a strategy's line in the list says what is expected of it.
    fn until(&mut self, what: &str, fits: impl Fn(&Value) -> bool, name: &str) -> Value {
        let deadline = Instant::now() + DEADLINE;
        loop {
            let answer = self.ask("strategies --json");
            if answer.1.status.success() {
                let list = answer.json()["strategies"].clone();
                let lines = list.as_array().unwrap();
                if let Some(line) = lines.iter().find(|line| line["name"] == name)
                    && fits(line)
                {
                    return line.clone();
                }
            }
            let ended = self.child.try_wait().unwrap();
            assert_eq!(ended, None, "{what}: the host ended");
            assert!(
                Instant::now() < deadline,
                "waited in vain: {what}\n{}",
                answer.words()
            );
            std::thread::park_timeout(LOOK);
        }
    }

    fn state(&mut self, name: &str, state: &str) -> Value {
        let what = format!("{name} is {state}");
        self.until(&what, |one| one["state"] == state, name)
    }

    /// Waits until a strategy has handled further events in the version that it is in.
    fn keeps_running(&mut self, name: &str) {
        let before = self.until(name, |_| true, name);
        let after = self.until(
            "it goes on",
            |one| one["events"].as_u64() > before["events"].as_u64(),
            name,
        );
        assert_eq!(after["hash"], before["hash"]);
    }

    /// Ends it by a signal; the code that it ends with.
    fn signal(&mut self, signal: &str) -> Option<i32> {
        crate::support::process::signal(&self.child, signal);
        self.child.wait().unwrap().code()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It has ended, unless the test failed.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

#[test]
fn every_command_answers_people_in_words_and_programs_in_json() {
    let deck = Deck::new(SIM);
    deck.put("market-maker", &module("market-maker"));
    deck.put("calm", &counting("1.0.0").component());
    let mut host = Running::start(deck, &["calm", "market-maker"]);
    for line in ["status", "top"] {
        let text = host.ask(line).text();
        for words in [
            "run on the simulated exchange, seed 7: trading",
            "market-maker  0.1.0",
            "BTCUSDT.SIM",
        ] {
            assert!(text.contains(words), "{line}: {words}: {text}");
        }
        let status = host.ask(&format!("{line} --json")).json()["status"].clone();
        assert_eq!(status["pid"], host.child.id());
        let strategies = status["strategies"].as_array().unwrap();
        assert_eq!(strategies.len(), 2);
        let bytes = |value: &Value| value.as_u64().unwrap_or_else(|| panic!("{line}: {status}"));
        let of_strategies = strategies.iter().map(|one| bytes(&one["memory_bytes"]));
        let memory = &status["memory"];
        assert!(bytes(&memory["bytes"]) >= of_strategies.sum(), "{status}");
        assert!(bytes(&memory["most_bytes"]) > bytes(&memory["bytes"]));
        assert!(text.contains("strategies take "), "{text}");
        for strategy in strategies {
            let times = strategy["event_times"].as_array().unwrap();
            assert!(times[0]["count"].as_u64() > Some(0), "{line}: {strategy}");
        }
    }
    let text = host.ask("top").text();
    assert!(text.contains("\ntime per event "), "{text}");
    let text = host.ask("strategies").text();
    assert!(text.starts_with("strategy "), "{text}");
    let text = host.ask("strategies show market-maker").text();
    for words in [
        "market-maker 0.1.0: running",
        "half_spread_ticks",
        "max_notional",
        "started",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let shown = host.ask("strategies show market-maker --json").json()["strategy"].clone();
    assert_eq!(shown["line"]["name"], "market-maker");
    assert_eq!(shown["generations"].as_array().unwrap().len(), 1);

    for (command, words, state) in [
        ("pause", "market-maker is paused\n", "paused"),
        ("reduce", "market-maker is reduce-only\n", "reducing"),
        ("resume", "market-maker has resumed\n", "running"),
    ] {
        let done = host.ask(&format!("strategies {command} market-maker"));
        assert_eq!(done.text(), words);
        host.state("market-maker", state);
        let done = host
            .ask(&format!("strategies {command} --all --json"))
            .json();
        assert!(done["done"]["message"].is_string(), "{done}");
        // Whoever was told of a change sees it at once.
        let list = host.ask("strategies --json").json()["strategies"].clone();
        let states: Vec<&Value> = list
            .as_array()
            .unwrap()
            .iter()
            .map(|one| &one["state"])
            .collect();
        assert_eq!(states, [state, state], "{command}");
        host.state("calm", state);
        host.ask("strategies resume --all").text();
        host.state("calm", "running");
        host.ask("strategies resume market-maker").text();
    }
    host.state("market-maker", "running");
}

#[test]
fn versions_come_and_go_at_the_operators_word() {
    let deck = Deck::new(SIM);
    let one = counting("1.0.0").component();
    deck.put("guest", &one);
    let mut host = Running::start(deck, &["guest"]);
    let refused = host.ask("strategies rollback guest").error(1);
    assert!(refused.contains("no earlier version"), "{refused}");
    let refused = host.ask("strategies promote guest").error(1);
    assert!(refused.contains("no shadow version"), "{refused}");
    let refused = host.ask("strategies approve guest").error(1);
    assert!(refused.contains("requests nothing beyond"), "{refused}");

    let done = host.ask("strategies reload guest").text();
    assert!(done.starts_with("guest is 1.0.0: loaded in "), "{done}");
    host.deck.put("guest", &counting("1.1.0").component());
    host.until("1.1.0 runs", |one| one["version"] == "1.1.0", "guest");
    let done = host.ask("strategies rollback guest").text();
    assert!(done.starts_with("guest is 1.0.0 again, "), "{done}");
    host.until("1.0.0 runs", |one| one["version"] == "1.0.0", "guest");

    std::fs::write(
        host.deck.plugins.join("guest.toml"),
        "[swap]\nshadow = true\n",
    )
    .unwrap();
    host.deck.put("guest", &counting("1.2.0").component());
    let shadow = |one: &Value| one["shadow"]["version"] == "1.2.0";
    host.until("1.2.0 runs as a shadow", shadow, "guest");
    let text = host.ask("strategies").text();
    let await_line = text
        .lines()
        .filter(|line| line.contains("strategies promote guest"));
    assert_eq!(await_line.count(), 1, "{text}");
    let done = host.ask("strategies promote guest").text();
    assert!(done.starts_with("guest is 1.2.0, "), "{done}");
    host.until("1.2.0 runs", |one| one["version"] == "1.2.0", "guest");

    let text = host.ask("strategies show guest --json").json()["strategy"].clone();
    let generations = text["generations"].as_array().unwrap();
    let versions: Vec<&str> = generations
        .iter()
        .map(|one| one["version"].as_str().unwrap())
        .collect();
    assert_eq!(versions, ["1.0.0", "1.0.0", "1.1.0", "1.0.0", "1.2.0"]);
    assert_eq!(generations[0]["hash"], generations[3]["hash"]);

    let done = host.ask("strategies remove guest").text();
    assert_eq!(
        done,
        "guest stopped cleanly, with no position; its file stays, and the next start runs it again\n"
    );
    host.state("guest", "removed");
    let refused = host.ask("strategies remove guest").error(1);
    assert!(refused.contains("guest does not run"), "{refused}");
    let done = host.ask("strategies reload guest --json").json();
    assert_eq!(done["done"]["message"], "guest 1.2.0 trades");
    host.state("guest", "running");
}

#[test]
fn what_was_approved_stays_approved_for_the_next_run() {
    let deck = Deck::new(SIM);
    deck.put("calm", &counting("1.0.0").component());
    deck.put("guest", &counting("1.0.0").component());
    let asks = "[permissions]\nmax_notional = 50_000\n";
    std::fs::write(deck.plugins.join("guest.toml"), asks).unwrap();
    let mut host = Running::start(deck, &["calm"]);
    host.state("guest", "waiting for approval");
    let text = host.ask("status").text();
    assert!(
        text.contains("asks for 50,000, granted 25,000; `tickdeck strategies approve guest`"),
        "{text}"
    );
    let text = host.ask("strategies show guest").text();
    assert!(text.contains("guest 1.0.0: waiting for approval"), "{text}");
    // Without a terminal, nobody can be asked.
    let Answer(_, unasked) = host.ask("strategies approve guest");
    assert_eq!(unasked.status.code(), Some(2), "{unasked:?}");
    let shown = String::from_utf8(unasked.stderr).unwrap();
    assert!(
        shown.contains("asks for 50,000") && shown.contains("approve guest --yes`"),
        "{shown}"
    );
    host.state("guest", "waiting for approval");
    let Answer(_, done) = host.ask("strategies approve guest --yes");
    assert_eq!(done.status.code(), Some(0), "{done:?}");
    assert_eq!(done.stdout, b"guest 1.0.0 trades\n");
    let granted = String::from_utf8(done.stderr).unwrap();
    assert!(granted.contains("asks for 50,000"), "{granted}");
    host.state("guest", "running");
    assert_eq!(host.signal("-TERM"), Some(0));
    let grants = std::fs::read_to_string(host.deck.folder.file("data/grants.toml")).unwrap();
    assert!(grants.contains("max_notional = 50000"), "{grants}");
    host.restart(&["calm", "guest"]);
    host.state("guest", "running");
}

#[test]
fn a_strategy_that_nobody_knows_is_refused_with_those_that_there_are() {
    let deck = Deck::new(SIM);
    deck.put("calm", &counting("1.0.0").component());
    deck.put("guest", &counting("1.0.0").component());
    let host = Running::start(deck, &["calm"]);
    for action in ACTIONS {
        let error = host.ask(&format!("strategies {action} geust")).error(1);
        assert_eq!(
            error, "error: there is no strategy `geust`; there are calm, guest\n",
            "{action}"
        );
    }
}

#[test]
fn without_a_host_every_command_says_so_with_a_code_of_its_own() {
    let deck = Deck::new(SIM);
    let mut lines = ["status", "top", "strategies", "kill --yes", "status --json"]
        .map(str::to_owned)
        .to_vec();
    lines.extend(ACTIONS.map(|action| format!("strategies {action} guest")));
    for line in lines {
        let error = deck.ask(&line).error(NO_HOST);
        assert!(error.contains("`tickdeck run`"), "{line}: {error}");
    }
}

#[test]
fn a_kill_needs_a_yes_and_holds_until_it_is_cleared() {
    let deck = Deck::new(SIM);
    deck.put("market-maker", &module("market-maker"));
    let mut host = Running::start(deck, &["market-maker"]);
    let error = host.ask("kill").error(2);
    assert!(error.contains("--yes"), "{error}");
    let status = host.ask("status --json").json();
    assert_eq!(status["status"]["killed"], false);
    let done = host.ask("kill --yes").text();
    let mut lines = done.lines();
    assert_eq!(
        lines.next(),
        Some("killed: canceling every order, denying new ones")
    );
    // What came true of it follows: it is on the disk, and no order is left.
    let facts: Vec<&str> = lines.collect();
    let latched = "the kill is on disk and outlasts the host";
    assert!(facts.contains(&latched), "{facts:?}");
    let gone = |fact: &&str| fact.starts_with("gone: market-maker/");
    let last_gone = facts.iter().rfind(|fact| gone(fact));
    assert!(
        last_gone.is_none_or(|fact| fact.ends_with("no order is working any more")),
        "{facts:?}"
    );
    let deadline = Instant::now() + DEADLINE;
    loop {
        let status = host.ask("status --json").json()["status"].clone();
        if status["killed"] == true && status["working_orders"] == 0 {
            assert_eq!(status["mode"], "killed");
            break;
        }
        assert!(Instant::now() < deadline, "{status}");
        std::thread::park_timeout(LOOK);
    }
    // A resume does not lift it, nor does a restart.
    host.ask("strategies resume --all").text();
    let text = host.ask("status").text();
    assert!(text.contains("--clear-kill"), "{text}");
    assert_eq!(host.signal("-INT"), Some(0));
    host.restart(&["market-maker"]);
    let status = host.ask("status --json").json();
    assert_eq!(status["status"]["killed"], true);
}

#[test]
fn a_kill_holds_and_a_signal_ends_the_host_behind_a_strategy_that_cannot_keep_up() {
    for stepping in ["free", "lockstep"] {
        // It would be ended for it before an operator can do anything.
        let settings = format!(
            "{SIM}[engine]\nstepping = \"{stepping}\"\nring_capacity = 1024\n[budget]\noverload = \"alert\"\n"
        );
        let deck = Deck::new(&settings);
        deck.put("market-maker", &module("market-maker"));
        deck.put("slow", &cannot_keep_up().component());
        let mut host = Running::start(deck, &["slow", "market-maker"]);
        host.ask("strategies pause market-maker").text();
        host.state("market-maker", "paused");
        let Answer(_, output) = host.ask("kill --yes --json");
        let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
        let done = &answer["done"]["message"];
        assert_eq!(*done, "killed: canceling every order, denying new ones");
        // What is shown is the kernel's last word, some milliseconds old.
        let deadline = Instant::now() + DEADLINE;
        while host.ask("status --json").json()["status"]["killed"] != true {
            assert!(Instant::now() < deadline, "{stepping}: not shown as killed");
            std::thread::park_timeout(LOOK);
        }
        let asked = Instant::now();
        assert_eq!(host.signal("-TERM"), Some(0), "{stepping}");
        let took = asked.elapsed();
        assert!(took < Duration::from_secs(5), "{stepping}: {took:?}");
    }
}

#[test]
fn an_interrupt_ends_the_host_and_takes_its_socket_along() {
    let deck = Deck::new(SIM);
    deck.put("guest", &counting("1.0.0").component());
    let mut host = Running::start(deck, &["guest"]);
    assert_eq!(host.deck.sockets(), 1);
    assert_eq!(host.signal("-INT"), Some(0));
    assert_eq!(host.deck.sockets(), 0);
    host.ask("status").error(NO_HOST);
}

#[test]
fn a_host_that_was_killed_leaves_a_socket_that_the_next_one_replaces() {
    let deck = Deck::new(SIM);
    deck.put("guest", &counting("1.0.0").component());
    let mut host = Running::start(deck, &["guest"]);
    assert_eq!(host.signal("-KILL"), None);
    assert_eq!(host.deck.sockets(), 1);
    host.ask("status").error(NO_HOST);
    host.restart(&["guest"]);
    assert_eq!(host.signal("-INT"), Some(0));
    assert_eq!(host.deck.sockets(), 0);
}

#[test]
fn replacements_that_spin_wherever_they_can_disturb_neither_the_deck_nor_its_operators() {
    let deck = Deck::new(SIM);
    let good = counting("1.0.0");
    deck.put("guest", &good.component());
    deck.put("calm", &good.component());
    let mut host = Running::start(deck, &["guest", "calm"]);
    let spin = "(call $spin) (call $ok)";
    let versions = [
        ("1.1.0", counting("1.1.0").on_events(spin)),
        ("1.2.0", counting("1.2.0").restore(spin).init(spin)),
        (
            "1.3.0",
            counting("1.3.0").describe("(call $spin) (call $manifest)"),
        ),
        ("1.4.0", counting("1.4.0").item("(start $spin)")),
    ];
    for (mark, (version, bad)) in (0..).zip(versions) {
        host.deck.put("guest", &bad.component());
        let refused = |one: &Value| {
            one["note"]
                .as_str()
                .is_some_and(|note| note.contains("refused"))
        };
        host.until(&format!("{version} is refused"), refused, "guest");
        host.keeps_running("guest");
        host.keeps_running("calm");
        // One that runs: nothing stands against it.
        let mended = marked(&good.component(), mark);
        host.deck.put("guest", &mended);
        let runs = |one: &Value| one["hash"] == hash(&mended) && one["note"].is_null();
        host.until("it is mended", runs, "guest");
    }
    // Nor does a module that was cut off, or one that is none.
    let whole = good.component();
    std::fs::write(
        host.deck.plugins.join("guest.wasm"),
        &whole[..whole.len() / 2],
    )
    .unwrap();
    std::fs::write(host.deck.plugins.join("note.wasm"), "this is no module").unwrap();
    host.keeps_running("guest");
    host.keeps_running("calm");
    assert_eq!(host.signal("-INT"), Some(0));
}

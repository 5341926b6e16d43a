//! A host inside the test process, on a plugins folder of its own: the engine on its thread, the real loader and the
//! real watcher on theirs. Tests wait for an expected state, with a deadline, and never for a fixed time.

use crate::support::deck::parts;
use crate::support::versions::hash;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};
use tickdeck_deck::affinity::spawn_for_strategies;
use tickdeck_deck::assemble::{DeckParts, Journaling};
use tickdeck_deck::clock::Pace;
use tickdeck_deck::feed::{FeedLine, OperatorFeed, Topic};
use tickdeck_deck::lifecycle::{
    ManagerHandle, StrategyCommand, StrategyHistory, StrategyManager, StrategyRecord,
};
use tickdeck_deck::start;
use tickdeck_engine::CancelToken;
use tickdeck_engine::{EngineError, EngineHandle, Report, Status, StrategyStatus};
use tickdeck_recording::names::Names;
use tickdeck_recording::{DataReels, RetentionBudget, RunOverrides};

/// How long anything that is expected may take on a machine that is busy with other things.
const DEADLINE: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(5);
/// Event time in wall time: fast enough for trials to pass, slow enough to leave a core to the loader.
const PACE: Pace = Pace::Times(4.0);

/// A market without an end.
pub(crate) const SIM: &str = "[venue]\nkind = \"sim\"\nseed = 7\n";

/// A plugins folder.
pub(crate) struct Folder(tempfile::TempDir);

impl Folder {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    pub(crate) fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// Puts a module there in one step, as builds and careful copies do.
    pub(crate) fn put(&self, name: &str, module: &[u8]) {
        put(self.path(), name, module);
    }

    /// Writes `NAME.toml`. Written before the module that it is meant for, it never comes too late for it.
    pub(crate) fn settings(&self, name: &str, text: &str) {
        std::fs::write(self.file(&format!("{name}.toml")), text).unwrap();
    }
}

/// Puts a module into a plugins folder in one step, as builds and careful copies do.
pub(crate) fn put(folder: &Path, name: &str, module: &[u8]) {
    let unfinished = folder.join(format!(".{name}"));
    std::fs::write(&unfinished, module).unwrap();
    std::fs::rename(unfinished, folder.join(format!("{name}.wasm"))).unwrap();
}

/// A running host.
pub(crate) struct Hosted {
    pub(crate) folder: Folder,
    pub(crate) feed: OperatorFeed,
    pub(crate) history: StrategyHistory,
    pub(crate) manager: ManagerHandle,
    pub(crate) controls: EngineHandle,
    names: Names,
    stop: CancelToken,
    lifecycle: Option<StrategyManager>,
    engine: Option<JoinHandle<Result<Report, EngineError>>>,
    lines: Vec<FeedLine>,
}

impl Hosted {
    /// Starts a deck with these settings on a folder.
    pub(crate) fn start(settings: &str, folder: Folder) -> Self {
        Self::start_at(PACE, settings, folder)
    }

    /// Starts it at a pace.
    pub(crate) fn start_at(pace: Pace, settings: &str, folder: Folder) -> Self {
        Self::start_with(pace, settings, folder, None)
    }

    /// Starts it, and keeps the run in a data folder.
    pub(crate) fn recorded(settings: &str, folder: Folder, data: &Path) -> Self {
        Self::recorded_at(PACE, settings, folder, data)
    }

    /// Starts it at a pace, and keeps the run in a data folder.
    pub(crate) fn recorded_at(pace: Pace, settings: &str, folder: Folder, data: &Path) -> Self {
        let journal = Journaling {
            reels: DataReels::in_folder(data),
            played: RunOverrides::default(),
            fresh: false,
        };
        Self::start_with(pace, settings, folder, Some(journal))
    }

    fn start_with(pace: Pace, settings: &str, folder: Folder, journal: Option<Journaling>) -> Self {
        let parts = DeckParts {
            pace,
            journal,
            ..parts(settings, folder.path())
        };
        Self::of(parts, folder)
    }

    /// Starts the deck of these parts, which are those of the folder.
    pub(crate) fn of(parts: DeckParts, folder: Folder) -> Self {
        let stop = CancelToken::default();
        let parts = DeckParts {
            folder: Some(folder.path().to_owned()),
            stop: stop.clone(),
            ..parts
        };
        let deck = start(parts).unwrap_or_else(|error| panic!("{error:#}"));
        let controls = deck.engine.controls();
        let (engine, mut observer) = (deck.engine, deck.feed.clone());
        let kernel = spawn_for_strategies("kernel", move || engine.run(&mut observer)).unwrap();
        Self {
            folder,
            feed: deck.feed,
            history: deck.history,
            manager: deck.lifecycle.handle(),
            controls,
            names: deck.names,
            stop,
            lifecycle: Some(deck.lifecycle),
            engine: Some(kernel),
            lines: Vec::new(),
        }
    }

    /// Starts a deck with one module called `guest`, and waits until it trades.
    pub(crate) fn with(settings: &str, guest: &[u8]) -> Self {
        let folder = Folder::new();
        folder.put("guest", guest);
        let mut host = Self::start(settings, folder);
        host.keeps_trading("guest");
        host
    }

    /// Has the host look so often that its reels keep to a budget.
    pub(crate) fn keeps_to(&self, budget: RetentionBudget, every: Duration) {
        let lifecycle = self.lifecycle.as_ref().expect("it runs");
        lifecycle.keep_to_budget(budget, every);
    }

    /// How things stand.
    pub(crate) fn status(&self) -> Status {
        Status::clone(&self.feed.latest())
    }

    /// How a strategy stands, if it runs or ran.
    pub(crate) fn find(&self, name: &str) -> Option<StrategyStatus> {
        let strategies = self.status().strategies;
        strategies.into_iter().find(|one| one.name == name)
    }

    pub(crate) fn strategy(&self, name: &str) -> StrategyStatus {
        self.find(name)
            .unwrap_or_else(|| panic!("{name} does not run"))
    }

    pub(crate) fn record(&self, name: &str) -> StrategyRecord {
        self.history.record(name).unwrap_or_default()
    }

    /// Looks until there is something to see.
    pub(crate) fn until<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut(&mut Self) -> Option<T>,
    ) -> T {
        let deadline = Instant::now() + DEADLINE;
        loop {
            self.listen();
            if let Some(seen) = look(self) {
                return seen;
            }
            assert!(
                Instant::now() < deadline,
                "waited in vain: {what}\n{:#?}\n{:#?}",
                self.said(),
                self.brief()
            );
            std::thread::park_timeout(LOOK);
        }
    }

    /// What stands of every strategy, for a test that failed.
    fn brief(&self) -> Vec<String> {
        let strategies = self.status().strategies.into_iter();
        let running = strategies.map(|one| {
            let state = one.state.as_str();
            format!(
                "{} {} {} {state}: generation {}, {} events, shadow {:?}",
                one.name, one.version, one.hash, one.generation, one.events, one.shadow
            )
        });
        let records = self.history.all().into_iter();
        let known = records.map(|(name, record)| format!("{name}: {record:?}"));
        running.chain(known).collect()
    }

    fn listen(&mut self) {
        self.lines.extend(self.feed.lines(&self.names).list);
    }

    /// Everything that the operator was told.
    pub(crate) fn said(&self) -> Vec<&str> {
        self.lines.iter().map(|line| line.text.as_str()).collect()
    }

    /// What should never be told, whatever is done to a strategy.
    pub(crate) fn failures(&self) -> Vec<&str> {
        let failures = self
            .lines
            .iter()
            .filter(|line| matches!(line.topic, Topic::Failure | Topic::Anomaly));
        failures.map(|line| line.text.as_str()).collect()
    }

    /// Waits until a line with all of these words was told, and checks that it was told once and is one line.
    pub(crate) fn await_line(&mut self, words: &[&str]) -> String {
        let fits = |text: &str| words.iter().all(|word| text.contains(word));
        self.until(&format!("a line with {words:?}"), |host| {
            host.said().into_iter().any(fits).then_some(())
        });
        let said = self.said();
        let lines: Vec<&&str> = said.iter().filter(|text| fits(text)).collect();
        assert_eq!(lines.len(), 1, "{words:?}: {said:#?}");
        // The frames of a trap follow in lines of their own.
        let mut more = lines[0].lines().skip(1);
        assert!(more.all(|line| line.starts_with("  at ")), "{}", lines[0]);
        (*lines[0]).to_owned()
    }

    /// Forgets what was told, so that the same may be told again.
    pub(crate) fn forget(&mut self) {
        self.listen();
        self.lines.clear();
    }

    /// Waits until a strategy runs that module and nothing else is on its way.
    pub(crate) fn runs(&mut self, name: &str, module: &[u8]) -> StrategyStatus {
        let hash = hash(module);
        self.until(&format!("{name} runs {hash}"), |host| {
            let strategy = host.find(name)?;
            (strategy.hash == hash && strategy.state.as_str() == "running").then_some(strategy)
        })
    }

    /// Waits until a strategy has handled further events, and says how it stands then.
    pub(crate) fn keeps_trading(&mut self, name: &str) -> StrategyStatus {
        let before = self.find(name).map_or(0, |one| one.events);
        self.until(&format!("{name} handles events"), |host| {
            host.find(name).filter(|one| one.events > before)
        })
    }

    /// Checks that a strategy still is in the version that it was in, and handles events.
    pub(crate) fn keeps_running(&mut self, before: &StrategyStatus) {
        let now = self.keeps_trading(&before.name);
        assert_eq!(
            (now.hash, now.generation, now.state, now.shadow),
            (
                before.hash.clone(),
                before.generation,
                before.state,
                before.shadow.clone()
            )
        );
    }

    /// Asks the loader for something and takes it for done.
    pub(crate) fn ask(&self, name: &str, command: StrategyCommand) -> String {
        let answer = self.manager.ask(name, command.clone());
        answer.unwrap_or_else(|why| panic!("{command:?} {name}: {why}"))
    }

    /// Asks the loader for something that it can't do.
    pub(crate) fn refused(&self, name: &str, command: StrategyCommand) -> String {
        match self.manager.ask(name, command.clone()) {
            Ok(done) => panic!("{command:?} {name}: {done}"),
            Err(why) => why,
        }
    }

    /// Stops the host in order.
    pub(crate) fn stop(mut self) -> (Report, OperatorFeed) {
        let report = self.end().expect("it ran");
        (report, self.feed.clone())
    }

    /// Whether the tape is over.
    pub(crate) fn is_over(&self) -> bool {
        self.engine.as_ref().is_none_or(JoinHandle::is_finished)
    }

    /// Waits for the end of a tape that has one.
    pub(crate) fn join(mut self) -> Report {
        let engine = self.engine.take().expect("it runs");
        engine.join().unwrap().unwrap()
    }

    fn end(&mut self) -> Option<Report> {
        self.stop.ask();
        self.controls.stop();
        let engine = self.engine.take()?;
        let report = engine.join().unwrap().unwrap();
        self.lifecycle.take();
        Some(report)
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        // After a failure there is enough to read.
        if !std::thread::panicking() {
            self.end();
        }
        self.stop.ask();
        self.controls.stop();
    }
}

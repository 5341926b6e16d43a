//! The loop behind `tickdeck dev`: watch, build, install, and report the outcome.

use crate::dev::build_news::{BuildNews, BuildReporter, BuildTimes, FeedReporter};
use anyhow::{Context, Result, bail};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use tickdeck_deck::feed::OperatorFeed;
use tickdeck_engine::CancelToken;
use tickdeck_engine::{StrategyStatus, VersionChange};
use tickdeck_files::read_bounded;
use tickdeck_journal::atomic_file::install;
use tickdeck_model::ModuleHash;
use tickdeck_model::Untrusted;
use tickdeck_recording::sentence::sentence;
use tickdeck_toolchain::rust::{Job, Outcome, Project};
use tickdeck_toolchain::watch::debounce::{Debounce, DebounceStep, SourceState};
use tickdeck_toolchain::watch::sources::{Changed, LOOK_EVERY, Sources};

/// A message that wakes the loop before its next poll.
enum Message {
    /// The build of this number has ended.
    Ended(u64),
    /// The host changed the strategy's version.
    Version(Instant, VersionChange),
}

/// A running build.
struct RunningBuild {
    number: u64,
    since: Instant,
    job: Job,
}

/// A module between its installation and its first event.
struct Delivery {
    hash: String,
    saved: Instant,
    build: Duration,
    installed: Instant,
    /// When it took over, and how long the handover took, in nanoseconds.
    swapped: Option<(Instant, u64)>,
    /// When it got its first event, was started, or started in the shadow.
    arrived: Option<Instant>,
}

/// Builds a strategy whenever its sources change, and installs the module in a plugins folder.
pub struct DevLoop {
    project: Project,
    plugins: PathBuf,
    /// Whether to install `NAME.toml` of the crate too.
    with_settings: bool,
    sources: Sources,
    debounce: Debounce,
    epoch: Instant,
    last_look: Instant,
    saved: Instant,
    building: Option<RunningBuild>,
    builds: u64,
    /// Whether to show cargo's progress.
    verbose: bool,
    installed: Option<(ModuleHash, Option<Vec<u8>>)>,
    delivery: Option<Delivery>,
    feed: Option<OperatorFeed>,
    mailbox: Sender<Message>,
    inbox: Receiver<Message>,
}

/// Settings of a strategy that has none: during development, losing a state whose fields changed does no harm.
const SETTINGS: &[u8] = b"[swap]\nother_schema = \"fresh\"\n";

impl DevLoop {
    /// Creates a loop for a strategy that installs its module in `plugins`, and with `with_settings` also `NAME.toml` of the
    /// crate's folder.
    pub fn new(project: Project, plugins: PathBuf, with_settings: bool) -> Self {
        let (mailbox, inbox) = channel();
        let now = Instant::now();
        Self {
            sources: Sources::new(project.folder(), project.name()),
            project,
            plugins,
            with_settings,
            debounce: Debounce::default(),
            epoch: now,
            last_look: now,
            saved: now,
            building: None,
            builds: 0,
            verbose: true,
            installed: None,
            delivery: None,
            feed: None,
            mailbox,
            inbox,
        }
    }

    /// Returns the strategy's name.
    pub fn name(&self) -> &str {
        self.project.name()
    }

    /// Returns the crate's folder.
    pub fn folder(&self) -> &Path {
        self.project.folder()
    }

    /// Builds, and rebuilds on every save until a build succeeds; only `once` if nobody is there to save. Returns `false` if asked
    /// to stop before that.
    ///
    /// # Errors
    /// The only build failed.
    pub fn build_first(
        &mut self,
        once: bool,
        stop: &CancelToken,
        reporter: &mut dyn BuildReporter,
    ) -> Result<bool> {
        self.debounce = Debounce::Building;
        self.build(reporter);
        while self.installed.is_none() {
            if stop.asked() {
                return Ok(false);
            }
            self.turn(reporter);
            // A save that cancels the build begins another one.
            let ended = matches!(self.debounce, Debounce::Idle);
            if once && ended && self.installed.is_none() {
                bail!("the first build failed, and with --for nobody is waited for to mend it");
            }
        }
        (self.verbose, self.delivery) = (false, None);
        Ok(true)
    }

    /// Watches and builds until asked to stop.
    pub fn work(&mut self, stop: &CancelToken, reporter: &mut dyn BuildReporter) {
        reporter.report(
            self.project.name(),
            &BuildNews::Watching(self.project.folder().to_owned()),
        );
        while !stop.asked() {
            self.turn(reporter);
        }
        // Cancels a running build.
        self.building = None;
    }

    /// Watches and builds on a thread of its own, for the host of this feed.
    ///
    /// # Errors
    /// The thread cannot be started.
    pub fn spawn(mut self, feed: OperatorFeed) -> Result<DevLoopHandle> {
        let mailbox = self.mailbox.clone();
        // Only this strategy is in that deck.
        feed.follow(move |reported| {
            let change = reported.change.clone();
            let _ = mailbox.send(Message::Version(Instant::now(), change));
        });
        self.feed = Some(feed.clone());
        let stop = CancelToken::default();
        let asked = stop.clone();
        let thread = std::thread::Builder::new()
            .name("dev".to_owned())
            .spawn(move || self.work(&asked, &mut FeedReporter(feed)))
            .context("cannot start a thread")?;
        Ok(DevLoopHandle {
            stop,
            thread: Some(thread),
        })
    }

    /// Waits for a message or for the next poll, and handles it.
    fn turn(&mut self, reporter: &mut dyn BuildReporter) {
        // It never disconnects: `self` holds a sender.
        match self.inbox.recv_timeout(LOOK_EVERY) {
            Ok(Message::Ended(number)) => self.ended(number, reporter),
            Ok(Message::Version(at, change)) => self.follow(at, &change),
            Err(_) => {}
        }
        self.look(reporter);
        self.deliver(reporter);
    }

    fn look(&mut self, reporter: &mut dyn BuildReporter) {
        let before = std::mem::replace(&mut self.last_look, Instant::now());
        let seen = match self.sources.look() {
            Some(changed) => {
                self.saved = moment(changed, before, self.last_look);
                SourceState::Changed
            }
            None => SourceState::Same,
        };
        match self.debounce.advance(seen, self.epoch.elapsed()) {
            DebounceStep::Wait => {}
            DebounceStep::Cancel => self.building = None,
            DebounceStep::Build => self.build(reporter),
        }
    }

    fn build(&mut self, reporter: &mut dyn BuildReporter) {
        reporter.report(self.project.name(), &BuildNews::Building);
        self.builds += 1;
        let (number, mailbox) = (self.builds, self.mailbox.clone());
        // The loop may have ended.
        let on_end = move || drop(mailbox.send(Message::Ended(number)));
        let since = Instant::now();
        match Job::start(&self.project, self.verbose, on_end) {
            Ok(job) => self.building = Some(RunningBuild { number, since, job }),
            Err(error) => {
                self.debounce
                    .advance(SourceState::Ended, self.epoch.elapsed());
                reporter.report(self.project.name(), &BuildNews::Trouble(sentence(&error)));
            }
        }
    }

    fn ended(&mut self, number: u64, reporter: &mut dyn BuildReporter) {
        let Some(building) = self.building.take_if(|building| building.number == number) else {
            return; // It was canceled.
        };
        self.debounce
            .advance(SourceState::Ended, self.epoch.elapsed());
        let outcome = building.job.finish().and_then(|outcome| {
            let took = building.since.elapsed();
            match outcome {
                Outcome::Built { module, warnings } => self.install(&module, took, warnings),
                Outcome::Failed(failure) => Ok(BuildNews::Broken(failure)),
            }
        });
        let news = outcome.unwrap_or_else(|error| BuildNews::Trouble(sentence(&error)));
        reporter.report(self.project.name(), &news);
    }

    /// Installs the module in the plugins folder, each file atomically.
    fn install(&mut self, module: &Path, build: Duration, warnings: usize) -> Result<BuildNews> {
        let bytes =
            read_bounded(module, tickdeck_strategy::MAX_MODULE as u64).with_context(|| {
                format!(
                    "cannot read the module that cargo built, {}",
                    Untrusted::path(module)
                )
            })?;
        let settings = match self.with_settings {
            // Unreadable settings count as none.
            true => read_bounded(
                self.sources.settings(),
                tickdeck_strategy::watch::MAX_SETTINGS,
            )
            .ok()
            .or_else(|| Some(SETTINGS.to_vec())),
            false => None,
        };
        let hash = ModuleHash::of(&bytes);
        if self.installed.as_ref() == Some(&(hash, settings.clone())) {
            return Ok(BuildNews::Unchanged);
        }
        let name = self.project.name();
        let settings_file = self.plugins.join(format!("{name}.toml"));
        match &settings {
            Some(settings) => install(&settings_file, settings)?,
            None if matches!(&self.installed, Some((_, Some(_)))) => {
                std::fs::remove_file(&settings_file)
                    .with_context(|| format!("cannot remove {}", Untrusted::path(&settings_file)))?
            }
            None => {}
        }
        let file = self.plugins.join(format!("{name}.wasm"));
        install(&file, &bytes)?;
        self.installed = Some((hash, settings));
        self.delivery = Some(Delivery {
            hash: hash.to_string(),
            saved: self.saved,
            build,
            installed: Instant::now(),
            swapped: None,
            arrived: None,
        });
        Ok(BuildNews::Built {
            took: build,
            warnings,
            file,
        })
    }

    /// Records when the host changed the version that is being delivered.
    fn follow(&mut self, at: Instant, change: &VersionChange) {
        let Some(delivery) = &mut self.delivery else {
            return;
        };
        match change {
            VersionChange::Swapped { took_ns, .. } => {
                (delivery.swapped, delivery.arrived) = (Some((at, *took_ns)), None);
            }
            VersionChange::Live { .. }
            | VersionChange::Started { .. }
            | VersionChange::Shadow { .. } => delivery.arrived = Some(at),
            _ => {}
        }
    }

    /// Reports that the version has arrived, once the host's status has this very module.
    fn deliver(&mut self, reporter: &mut dyn BuildReporter) {
        let (Some(delivery), Some(feed)) = (&self.delivery, &self.feed) else {
            return;
        };
        let Some(arrived) = delivery.arrived else {
            return;
        };
        let name = self.project.name();
        let status = feed.latest();
        let strategy = status.strategies.iter().find(|one| one.name == name);
        let news = strategy.and_then(|strategy| delivery.news(strategy, arrived));
        if let Some(news) = news {
            reporter.report(name, &news);
            self.delivery = None;
        }
    }
}

impl Delivery {
    /// Returns the news of the arrival, if this module is the running version or the one in the shadow.
    fn news(&self, strategy: &StrategyStatus, arrived: Instant) -> Option<BuildNews> {
        let (took_over, swap_ns) = match self.swapped {
            Some((at, took_ns)) => (at, Some(took_ns)),
            None => (arrived, None),
        };
        let times = BuildTimes {
            total: arrived.saturating_duration_since(self.saved),
            build: self.build,
            settle: took_over.saturating_duration_since(self.installed),
            swap_ns,
        };
        let shadow = strategy.shadow.as_ref();
        if strategy.hash == self.hash {
            Some(BuildNews::Live(times))
        } else {
            shadow
                .filter(|shadow| shadow.hash == self.hash)
                .map(|_| BuildNews::Shadow(times))
        }
    }
}

/// Estimates when a change detected between two polls happened: the file's time if it lies between them, otherwise the
/// time of the first poll.
fn moment(changed: Changed, before: Instant, now: Instant) -> Instant {
    let since = changed
        .at
        .and_then(|at| SystemTime::now().duration_since(at).ok());
    since
        .and_then(|since| now.checked_sub(since))
        .map_or(before, |at| at.clamp(before, now))
}

/// A running development loop. Dropping it ends the loop and cancels its build.
pub struct DevLoopHandle {
    stop: CancelToken,
    thread: Option<JoinHandle<()>>,
}

impl Drop for DevLoopHandle {
    fn drop(&mut self) {
        self.stop.ask();
        if let Some(thread) = self.thread.take() {
            // A panic has been reported where it happened.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_of_a_save_is_the_files_time_if_that_is_possible() {
        let now = Instant::now() + Duration::from_secs(1_000);
        let before = now - Duration::from_millis(50);
        let of = |ago: Duration| {
            let at = Some(SystemTime::now() - ago);
            now.saturating_duration_since(moment(Changed { at }, before, now))
        };
        let recent = of(Duration::from_millis(20));
        assert!((Duration::from_millis(20)..Duration::from_millis(50)).contains(&recent));
        // Files copied with their times, and files from the future.
        assert_eq!(of(Duration::from_secs(500)), Duration::from_millis(50));
        let future = Some(SystemTime::now() + Duration::from_secs(9));
        assert_eq!(moment(Changed { at: future }, before, now), before);
        assert_eq!(moment(Changed { at: None }, before, now), before);
    }
}

//! The loop behind `tickdeck dev`: look, build, install, and say what became of it.

use crate::dev::build_news::{BuildNews, BuildReporter, BuildTimes, FeedReporter};
use anyhow::{Context, Result};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant, SystemTime};
use tickdeck_deck::feed::OperatorFeed;
use tickdeck_engine::CancelToken;
use tickdeck_engine::{StrategyStatus, VersionChange};
use tickdeck_journal::atomic_file::install;
use tickdeck_model::ModuleHash;
use tickdeck_recording::sentence::sentence;
use tickdeck_toolchain::rust::{Job, Outcome, Project};
use tickdeck_toolchain::watch::debounce::{Debounce, DebounceStep, SourceState};
use tickdeck_toolchain::watch::sources::{Changed, LOOK_EVERY, Sources};

/// What wakes the workshop before its next look.
enum Message {
    /// The build of this number has ended.
    Ended(u64),
    /// The host changed the strategy's version.
    Version(Instant, VersionChange),
}

/// A build at work.
struct Building {
    number: u64,
    since: Instant,
    job: Job,
}

/// A module on its way from the plugins folder to its first event.
struct Delivery {
    hash: String,
    saved: Instant,
    build: Duration,
    installed: Instant,
    /// When it took over, and how long that took.
    swapped: Option<(Instant, u64)>,
    /// When it was offered its first event, took its seat, or came to run beside.
    there: Option<Instant>,
}

/// Builds a strategy whenever its sources change, and puts the module into a plugins folder.
pub struct DevLoop {
    project: Project,
    plugins: PathBuf,
    /// Whether `NAME.toml` of the crate goes along.
    with_settings: bool,
    sources: Sources,
    rhythm: Debounce,
    epoch: Instant,
    last_look: Instant,
    saved: Instant,
    building: Option<Building>,
    builds: u64,
    /// Whether cargo's progress is shown.
    aloud: bool,
    installed: Option<(ModuleHash, Option<Vec<u8>>)>,
    delivery: Option<Delivery>,
    feed: Option<OperatorFeed>,
    mailbox: Sender<Message>,
    inbox: Receiver<Message>,
}

/// The settings of a strategy that brings none: while it is worked on, a state whose fields changed is no loss.
const SETTINGS: &[u8] = b"[swap]\nother_schema = \"fresh\"\n";

impl DevLoop {
    /// For a strategy and the folder that its module goes to. With `with_settings`, `NAME.toml` of the crate's folder
    /// goes there too.
    pub fn new(project: Project, plugins: PathBuf, with_settings: bool) -> Self {
        let (mailbox, inbox) = channel();
        let now = Instant::now();
        Self {
            sources: Sources::new(project.folder(), project.name()),
            project,
            plugins,
            with_settings,
            rhythm: Debounce::default(),
            epoch: now,
            last_look: now,
            saved: now,
            building: None,
            builds: 0,
            aloud: true,
            installed: None,
            delivery: None,
            feed: None,
            mailbox,
            inbox,
        }
    }

    /// The strategy's name.
    pub fn name(&self) -> &str {
        self.project.name()
    }

    /// The crate's folder.
    pub fn folder(&self) -> &Path {
        self.project.folder()
    }

    /// Builds for the first time, and again at every save until it succeeds; `false` if it is asked to stop before.
    pub fn build_first(&mut self, stop: &CancelToken, teller: &mut dyn BuildReporter) -> bool {
        self.rhythm = Debounce::Building;
        self.build(teller);
        while self.installed.is_none() {
            if stop.asked() {
                return false;
            }
            self.turn(teller);
        }
        (self.aloud, self.delivery) = (false, None);
        true
    }

    /// Goes on until it is asked to stop.
    pub fn work(&mut self, stop: &CancelToken, teller: &mut dyn BuildReporter) {
        teller.tell(
            self.project.name(),
            &BuildNews::Watching(self.project.folder().to_owned()),
        );
        while !stop.asked() {
            self.turn(teller);
        }
        // Given up, should it be at work.
        self.building = None;
    }

    /// Goes on beside a host, on a thread of its own, and tells its board.
    ///
    /// # Errors
    /// There is no thread to be had.
    pub fn beside(mut self, feed: OperatorFeed) -> Result<DevLoopHandle> {
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

    /// Waits for something to happen, or for the next look, and sees to it.
    fn turn(&mut self, teller: &mut dyn BuildReporter) {
        // It never disconnects: a sender is in here.
        match self.inbox.recv_timeout(LOOK_EVERY) {
            Ok(Message::Ended(number)) => self.ended(number, teller),
            Ok(Message::Version(at, change)) => self.follow(at, &change),
            Err(_) => {}
        }
        self.look(teller);
        self.deliver(teller);
    }

    fn look(&mut self, teller: &mut dyn BuildReporter) {
        let before = std::mem::replace(&mut self.last_look, Instant::now());
        let sight = match self.sources.look() {
            Some(changed) => {
                self.saved = moment(changed, before, self.last_look);
                SourceState::Changed
            }
            None => SourceState::Same,
        };
        match self.rhythm.go_on(sight, self.epoch.elapsed()) {
            DebounceStep::Wait => {}
            DebounceStep::GiveUp => self.building = None,
            DebounceStep::Build => self.build(teller),
        }
    }

    fn build(&mut self, teller: &mut dyn BuildReporter) {
        teller.tell(self.project.name(), &BuildNews::Builds);
        self.builds += 1;
        let (number, mailbox) = (self.builds, self.mailbox.clone());
        // Whoever would hear it may be gone.
        let on_end = move || drop(mailbox.send(Message::Ended(number)));
        let since = Instant::now();
        match Job::start(&self.project, self.aloud, on_end) {
            Ok(job) => self.building = Some(Building { number, since, job }),
            Err(error) => {
                self.rhythm.go_on(SourceState::Ended, self.epoch.elapsed());
                teller.tell(self.project.name(), &BuildNews::Trouble(sentence(&error)));
            }
        }
    }

    fn ended(&mut self, number: u64, teller: &mut dyn BuildReporter) {
        let Some(building) = self.building.take_if(|building| building.number == number) else {
            return; // It was given up.
        };
        self.rhythm.go_on(SourceState::Ended, self.epoch.elapsed());
        let came_of_it = building.job.finish().and_then(|outcome| {
            let took = building.since.elapsed();
            match outcome {
                Outcome::Built { module, warnings } => self.install(&module, took, warnings),
                Outcome::Failed(failure) => Ok(BuildNews::Broken(failure)),
            }
        });
        let news = came_of_it.unwrap_or_else(|error| BuildNews::Trouble(sentence(&error)));
        teller.tell(self.project.name(), &news);
    }

    /// Puts what was built into the plugins folder, each file whole.
    fn install(&mut self, module: &Path, build: Duration, warnings: usize) -> Result<BuildNews> {
        let bytes = std::fs::read(module)
            .with_context(|| format!("cannot read what cargo built, {}", module.display()))?;
        let settings = match self.with_settings {
            // Unreadable settings are as good as none here; the build goes on.
            true => std::fs::read(self.sources.settings())
                .ok()
                .or_else(|| Some(SETTINGS.to_vec())),
            false => None,
        };
        let hash = ModuleHash::of(&bytes);
        if self.installed.as_ref() == Some(&(hash, settings.clone())) {
            return Ok(BuildNews::Same);
        }
        let name = self.project.name();
        let beside = self.plugins.join(format!("{name}.toml"));
        match &settings {
            Some(settings) => install(&beside, settings)?,
            None if matches!(&self.installed, Some((_, Some(_)))) => std::fs::remove_file(&beside)
                .with_context(|| format!("cannot remove {}", beside.display()))?,
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
            there: None,
        });
        Ok(BuildNews::Built {
            took: build,
            warnings,
            file,
        })
    }

    /// Notes when the host did what with the version that is on its way.
    fn follow(&mut self, at: Instant, change: &VersionChange) {
        let Some(delivery) = &mut self.delivery else {
            return;
        };
        match change {
            VersionChange::Swapped { took_ns, .. } => {
                (delivery.swapped, delivery.there) = (Some((at, *took_ns)), None);
            }
            VersionChange::Live { .. }
            | VersionChange::Started { .. }
            | VersionChange::Shadow { .. } => delivery.there = Some(at),
            _ => {}
        }
    }

    /// Tells that the version on its way has arrived, once the host says that it is this very module.
    fn deliver(&mut self, teller: &mut dyn BuildReporter) {
        let (Some(delivery), Some(feed)) = (&self.delivery, &self.feed) else {
            return;
        };
        let Some(there) = delivery.there else {
            return;
        };
        let name = self.project.name();
        let status = feed.latest();
        let strategy = status.strategies.iter().find(|one| one.name == name);
        let news = strategy.and_then(|strategy| delivery.arrival(strategy, there));
        if let Some(news) = news {
            teller.tell(name, &news);
            self.delivery = None;
        }
    }
}

impl Delivery {
    /// That it arrived, if it is what counts or runs beside.
    fn arrival(&self, strategy: &StrategyStatus, there: Instant) -> Option<BuildNews> {
        let (took_over, swap_ns) = match self.swapped {
            Some((at, took_ns)) => (at, Some(took_ns)),
            None => (there, None),
        };
        let times = BuildTimes {
            total: there.saturating_duration_since(self.saved),
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

/// When a change that was found between two looks happened: what the file says, if it lies between them.
fn moment(changed: Changed, before: Instant, now: Instant) -> Instant {
    let since = changed
        .at
        .and_then(|at| SystemTime::now().duration_since(at).ok());
    since
        .and_then(|since| now.checked_sub(since))
        .map_or(before, |at| at.clamp(before, now))
}

/// A workshop at work beside a host. Dropped, it ends, and the build with it.
pub struct DevLoopHandle {
    stop: CancelToken,
    thread: Option<JoinHandle<()>>,
}

impl Drop for DevLoopHandle {
    fn drop(&mut self) {
        self.stop.ask();
        if let Some(thread) = self.thread.take() {
            // A panic was reported where it happened.
            let _ = thread.join();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_moment_of_a_save_is_what_the_file_says_if_that_can_be() {
        let now = Instant::now() + Duration::from_secs(1_000);
        let before = now - Duration::from_millis(50);
        let of = |ago: Duration| {
            let at = Some(SystemTime::now() - ago);
            now.saturating_duration_since(moment(Changed { at }, before, now))
        };
        let recent = of(Duration::from_millis(20));
        assert!((Duration::from_millis(20)..Duration::from_millis(50)).contains(&recent));
        // Files that are copied with their times, and files from a future.
        assert_eq!(of(Duration::from_secs(500)), Duration::from_millis(50));
        let future = Some(SystemTime::now() + Duration::from_secs(9));
        assert_eq!(moment(Changed { at: future }, before, now), before);
        assert_eq!(moment(Changed { at: None }, before, now), before);
    }
}

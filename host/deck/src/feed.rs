//! The operator's feed: the kernel's thread puts status and notices in, displays take them out.
//!
//! The kernel only copies the status and appends notices under a mutex. Between two fetches the number of entries of a
//! kind is bounded; those beyond it are counted, and the count is shown.

mod entry;
mod line;

pub use entry::{describe_loss, describe_state, micros};
pub use line::{BuildPhase, BuildProgress, FeedLine, FeedLines, Topic, Weight};

use entry::{FeedEntry, describe};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};
use tickdeck_engine::{ChangeOrigin, Notice, Observer, Status, VersionChange};
use tickdeck_model::format::time_of_day;
use tickdeck_model::untrusted::{kept, log_entry};
use tickdeck_model::{StrategyId, Timestamp, Untrusted};
use tickdeck_recording::names::Names;
use tickdeck_strategy::{LogLevel, LogSink};

/// Entries per kind that are kept between two fetches.
const KEPT_PER_KIND: usize = 20;

/// Entries of a kind that are kept where each one matters: a deck has fewer strategies and venues than this, and an operator types
/// slower.
const KEPT_OF_RARE: usize = 4_096;

#[derive(Default)]
struct Inner {
    status: Arc<Status>,
    /// How many statuses came so far, and which one shows everything that was answered.
    statuses: u64,
    settled_with: u64,
    entries: Vec<(Timestamp, FeedEntry)>,
    kept: [usize; Topic::ALL.len()],
    left_out: [u64; Topic::ALL.len()],
    /// Each strategy's last lines of log.
    logs: BTreeMap<String, VecDeque<TimedText>>,
    /// Each strategy's last messages to the operator.
    messages: BTreeMap<StrategyId, VecDeque<TimedText>>,
    /// Each strategy's last faults.
    faults: BTreeMap<StrategyId, VecDeque<TimedText>>,
    followers: Vec<Follower>,
    progress: Option<BuildProgress>,
}

/// How long a question waits for a status that shows the last change: two of its intervals and a little.
const SETTLES_WITHIN: Duration = Duration::from_millis(250);
/// Polling interval.
const LOOK: Duration = Duration::from_millis(2);

/// Event time and text.
type TimedText = (Timestamp, String);

/// A change of a strategy's versions, as the engine reported it.
#[derive(Debug, Clone)]
pub struct ReportedChange {
    /// Event time.
    pub at: Timestamp,
    /// The strategy.
    pub strategy: StrategyId,
    /// The change.
    pub change: VersionChange,
    /// The origin that came with the request; `None` if the engine acted by itself.
    pub origin: Option<ChangeOrigin>,
}

/// Called with every change of a version.
type Follower = Box<dyn Fn(&ReportedChange) + Send>;

/// The operator's feed; clones share it.
#[derive(Clone, Default)]
pub struct OperatorFeed(Arc<Mutex<Inner>>);

impl OperatorFeed {
    /// Returns the last status.
    pub fn latest(&self) -> Arc<Status> {
        Arc::clone(&self.inner().status)
    }

    /// Notes that an operator was told of a change: the next status shows it, and the last one may not.
    pub(crate) fn changed(&self) {
        let mut inner = self.inner();
        inner.settled_with = inner.statuses + 1;
    }

    /// Returns the first status that shows every change that an operator was told of. If it does not come soon, the last one.
    pub(crate) fn settled(&self) -> Arc<Status> {
        let begun = Instant::now();
        loop {
            let inner = self.inner();
            if inner.statuses >= inner.settled_with || begun.elapsed() >= SETTLES_WITHIN {
                return Arc::clone(&inner.status);
            }
            drop(inner);
            std::thread::sleep(LOOK);
        }
    }

    /// Calls `follower` with every change of a version from now on, on the kernel's thread: it must be quick.
    pub fn follow(&self, follower: impl Fn(&ReportedChange) + Send + 'static) {
        self.inner().followers.push(Box::new(follower));
    }

    /// Adds a line about a strategy, or another subject.
    pub fn say(&self, topic: Topic, subject: &str, level: LogLevel, text: &str) {
        let text = kept(text);
        if topic == Topic::Log {
            let mut inner = self.inner();
            let line = (inner.status.now, format!("{} {text}", level_label(level)));
            keep_last(inner.logs.entry(subject.to_owned()).or_default(), line);
        }
        self.add(
            None,
            FeedEntry::Text {
                topic,
                subject: subject.to_owned(),
                level,
                text,
            },
        );
    }

    /// Returns the state of the build of the next version.
    pub fn build_progress(&self) -> Option<BuildProgress> {
        self.inner().progress.clone()
    }

    /// Shows the state of the build of the next version.
    pub fn show_build_progress(&self, progress: BuildProgress) {
        self.inner().progress = Some(progress);
    }

    /// Whether there are lines about a build, which its author waits for.
    pub fn is_awaited(&self) -> bool {
        self.inner().kept[Topic::Build as usize] > 0
    }

    /// Returns a strategy's last log lines and messages, oldest first; give `id` once it has been started.
    pub fn tail(&self, strategy: &str, id: Option<StrategyId>) -> Vec<String> {
        let inner = self.inner();
        let messages = id.and_then(|id| inner.messages.get(&id));
        let logs = inner.logs.get(strategy).into_iter().chain(messages);
        let mut lines: Vec<&TimedText> = logs.flatten().collect();
        lines.sort_by_key(|(at, _)| *at);
        let last = &lines[lines.len().saturating_sub(TAIL)..];
        let line = |(at, text): &&TimedText| format!("{} {text}", time_of_day(*at));
        last.iter().map(line).collect()
    }

    /// Returns a strategy's last faults, oldest first.
    pub fn faults(&self, strategy: StrategyId) -> Vec<(Timestamp, String)> {
        let inner = self.inner();
        let faults = inner.faults.get(&strategy).into_iter().flatten();
        faults.cloned().collect()
    }

    /// Takes the lines since the last fetch.
    pub fn lines(&self, names: &Names) -> FeedLines {
        let (entries, left_out) = {
            let mut inner = self.inner();
            inner.kept = Default::default();
            (
                std::mem::take(&mut inner.entries),
                std::mem::take(&mut inner.left_out),
            )
        };
        let shown = |(at, entry): &(Timestamp, FeedEntry)| FeedLine {
            at: *at,
            topic: entry.topic(),
            weight: entry.weight(),
            text: log_entry(&describe(entry, names)),
        };
        let left_out = Topic::ALL
            .into_iter()
            .zip(left_out)
            .filter(|(_, count)| *count > 0);
        FeedLines {
            list: entries.iter().map(shown).collect(),
            left_out: left_out.collect(),
        }
    }

    fn add(&self, at: Option<Timestamp>, entry: FeedEntry) {
        let most = match entry.topic().stays() {
            true => KEPT_OF_RARE,
            false => KEPT_PER_KIND,
        };
        let topic = entry.topic() as usize;
        let mut inner = self.inner();
        if inner.kept[topic] >= most {
            inner.left_out[topic] += 1;
            return;
        }
        inner.kept[topic] += 1;
        let at = at.unwrap_or(inner.status.now);
        inner.entries.push((at, entry));
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for OperatorFeed {
    fn notice(&mut self, at: Timestamp, notice: Notice) {
        match &notice {
            Notice::Version {
                strategy,
                change,
                origin,
            } => {
                let reported = ReportedChange {
                    at,
                    strategy: *strategy,
                    change: change.clone(),
                    origin: origin.clone(),
                };
                for follower in &self.inner().followers {
                    follower(&reported);
                }
            }
            Notice::Notified {
                strategy,
                message,
                value,
                ..
            } => {
                let mut inner = self.inner();
                let messages = inner.messages.entry(*strategy).or_default();
                let message = Untrusted::new(message);
                keep_last(messages, (at, format!("{message} {value}")));
            }
            Notice::Recovered {
                strategy, problem, ..
            }
            | Notice::Ended { strategy, problem } => {
                let mut inner = self.inner();
                let faults = inner.faults.entry(*strategy).or_default();
                keep_last(faults, (at, kept(problem)));
            }
            _ => {}
        }
        self.add(Some(at), FeedEntry::Notice(notice));
    }

    fn status(&mut self, status: &Status) {
        // Copied before the lock is taken, and the one before is dropped after it, so that nobody waits for either.
        let status = Arc::new(status.clone());
        let before = {
            let mut inner = self.inner();
            inner.statuses += 1;
            std::mem::replace(&mut inner.status, status)
        };
        drop(before);
    }
}

impl LogSink for OperatorFeed {
    fn line(&self, strategy: &str, level: LogLevel, text: &str) {
        self.say(Topic::Log, strategy, level, text);
    }
}

/// Lines, and faults, that are kept for a strategy.
const TAIL: usize = 20;

fn keep_last<T>(tail: &mut VecDeque<T>, line: T) {
    if tail.len() == TAIL {
        tail.pop_front();
    }
    tail.push_back(line);
}

const fn level_label(level: LogLevel) -> &'static str {
    match level {
        LogLevel::Error => "error:",
        LogLevel::Warn => "warn:",
        LogLevel::Info => "info:",
        LogLevel::Debug => "debug:",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::change_cause::{ChangeCause, Requester, content};
    use tickdeck_model::{ClientOrderId, Reason, Registry, StrategyId};

    fn names() -> Names {
        let mut registry = Registry::new();
        registry.add_strategy("ema");
        Names::new(Arc::new(registry), None)
    }

    fn denied(number: u64) -> Notice {
        let order = ClientOrderId {
            strategy: StrategyId(1),
            number,
        };
        Notice::Denied {
            order,
            reason: Reason::MaxNotional,
            values: "notional=31000.00, limit=25000".to_owned(),
        }
    }

    #[test]
    fn a_flood_of_one_kind_is_counted_and_hides_no_other() {
        let mut feed = OperatorFeed::default();
        for number in 0..1_000 {
            feed.notice(5, denied(number));
        }
        feed.notice(
            6,
            Notice::Ended {
                strategy: StrategyId(1),
                problem: "trapped".to_owned(),
            },
        );
        let lines = feed.lines(&names());
        assert_eq!(lines.list.len(), KEPT_PER_KIND + 1);
        assert_eq!(
            lines.list[0].text,
            "ema: order 0 denied, MAX_NOTIONAL: notional=31000.00, limit=25000"
        );
        let ended = &lines.list[KEPT_PER_KIND];
        assert_eq!(
            (ended.text.as_str(), ended.weight),
            ("ema ended: trapped", Weight::Error)
        );
        assert_eq!(
            lines.with_omissions().last().unwrap().text,
            "... and 980 more orders denied"
        );
        assert_eq!(
            feed.lines(&names()),
            FeedLines::default(),
            "fetched lines are not returned again"
        );
    }

    fn notice(change: VersionChange, preparation: Option<&str>) -> Notice {
        let origin = preparation.map(|preparation| {
            ChangeOrigin::new(ChangeCause::Module {
                requester: Requester::Folder,
                content: content(b"guest"),
                preparation: preparation.to_owned(),
            })
        });
        Notice::Version {
            strategy: StrategyId(1),
            change,
            origin,
        }
    }

    #[test]
    fn a_handover_is_one_line_that_says_how_the_module_was_prepared() {
        let mut feed = OperatorFeed::default();
        let swapped = VersionChange::Swapped {
            from: "0.1.0".to_owned(),
            to: "0.2.0".to_owned(),
            hash: String::new(),
            generation: 2,
            lost: None,
            inherited: tickdeck_engine::StateSource::Saved { bytes: 38 },
            took_ns: 85_000,
        };
        feed.notice(7, notice(swapped.clone(), Some("compiled in 31 ms")));
        feed.notice(7, notice(swapped, None));
        feed.notice(8, notice(VersionChange::Live { pause_ns: 130_000 }, None));
        let lines = feed.lines(&names()).list.into_iter();
        let texts: Vec<String> = lines.map(|line| line.text).collect();
        assert_eq!(
            texts,
            [
                "ema: 0.1.0 -> 0.2.0 compiled in 31 ms, handed over in 85 us with 38 bytes of state",
                "ema: 0.1.0 -> 0.2.0 handed over in 85 us with 38 bytes of state",
                "ema: first event 130 us after the old version's last",
            ]
        );
    }

    #[test]
    fn a_log_line_carries_the_time_of_the_last_status() {
        let mut feed = OperatorFeed::default();
        feed.status(&Status {
            now: 42,
            ..Status::default()
        });
        feed.line("ema", LogLevel::Warn, "thin book");
        let line = feed.lines(&names()).list.remove(0);
        assert_eq!(
            (line.at, line.weight, line.text.as_str()),
            (42, Weight::Warning, "ema: thin book")
        );
    }
}

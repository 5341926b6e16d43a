//! Where the kernel's thread leaves what the operator is shown, and the display fetches it.
//!
//! The kernel only copies the status and appends notices under a mutex. What piles up between two fetches is bounded
//! by kind, and what was left out is counted and said.

mod entry;
mod line;

pub use entry::{inherited_words, lost_words, micros};
pub use line::{BuildPhase, BuildProgress, FeedLine, FeedLines, Topic, Weight};

use entry::{FeedEntry, say};
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tickdeck_engine::{Notice, Observer, Status, VersionChange};
use tickdeck_model::format::time_of_day;
use tickdeck_model::{StrategyId, Timestamp};
use tickdeck_recording::names::Names;
use tickdeck_strategy::{LogLevel, LogSink};

/// Entries of one kind that are kept between two fetches.
const KEPT_PER_KIND: usize = 20;

#[derive(Default)]
struct Inner {
    status: Status,
    entries: Vec<(Timestamp, FeedEntry)>,
    kept: [usize; Topic::ALL.len()],
    left_out: [u64; Topic::ALL.len()],
    /// Each strategy's last words, for whoever asks about it.
    tails: BTreeMap<String, VecDeque<Said>>,
    /// Each strategy's last messages to the operator.
    messages: BTreeMap<StrategyId, VecDeque<Said>>,
    /// Each strategy's last faults.
    faults: BTreeMap<StrategyId, VecDeque<Said>>,
    followers: Vec<Follower>,
    /// How the module was compiled that is about to take over.
    compiled: BTreeMap<StrategyId, String>,
    draft: Option<BuildProgress>,
}

/// Event time, and what was said.
type Said = (Timestamp, String);

/// Told of every change of a version: event time, whose, what.
type Follower = Box<dyn Fn(Timestamp, StrategyId, &VersionChange) + Send>;

/// The board; clones share it.
#[derive(Clone, Default)]
pub struct OperatorFeed(Arc<Mutex<Inner>>);

impl OperatorFeed {
    /// The last status.
    pub fn latest(&self) -> Status {
        self.inner().status.clone()
    }

    /// Tells `follower` of every change of a version from now on. It is called on the kernel's thread: be quick.
    pub fn follow(
        &self,
        follower: impl Fn(Timestamp, StrategyId, &VersionChange) + Send + 'static,
    ) {
        self.inner().followers.push(Box::new(follower));
    }

    /// Says something about a strategy, or another subject.
    pub fn say(&self, topic: Topic, subject: &str, level: LogLevel, text: &str) {
        if topic == Topic::Log {
            let mut inner = self.inner();
            let line = (inner.status.now, format!("{} {text}", level_words(level)));
            keep_last(inner.tails.entry(subject.to_owned()).or_default(), line);
        }
        self.add(
            None,
            FeedEntry::Words {
                topic,
                subject: subject.to_owned(),
                level,
                text: text.to_owned(),
            },
        );
    }

    /// How the module was compiled that is about to take over: the change itself tells it then. `None` when it did
    /// not, after all.
    pub fn compiled(&self, strategy: StrategyId, words: Option<String>) {
        let compiled = &mut self.inner().compiled;
        match words {
            Some(words) => drop(compiled.insert(strategy, words)),
            None => drop(compiled.remove(&strategy)),
        }
    }

    /// How the next version stands that someone works on.
    pub fn draft(&self) -> Option<BuildProgress> {
        self.inner().draft.clone()
    }

    /// Shows how the next version stands.
    pub fn show_draft(&self, draft: BuildProgress) {
        self.inner().draft = Some(draft);
    }

    /// Whether there are lines that the author of a strategy waits for.
    pub fn is_awaited(&self) -> bool {
        self.inner().kept[Topic::Build as usize] > 0
    }

    /// A strategy's last lines of log and messages, oldest first; `id` once it has a seat.
    pub fn tail(&self, strategy: &str, id: Option<StrategyId>) -> Vec<String> {
        let inner = self.inner();
        let messages = id.and_then(|id| inner.messages.get(&id));
        let tails = inner.tails.get(strategy).into_iter().chain(messages);
        let mut said: Vec<&Said> = tails.flatten().collect();
        said.sort_by_key(|(at, _)| *at);
        let last = &said[said.len().saturating_sub(TAIL)..];
        let line = |(at, text): &&Said| format!("{} {text}", time_of_day(*at));
        last.iter().map(line).collect()
    }

    /// A strategy's last faults, oldest first.
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
            text: say(entry, names),
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

    fn version(&self, at: Timestamp, strategy: StrategyId, change: VersionChange) {
        let mut inner = self.inner();
        for follower in &inner.followers {
            follower(at, strategy, &change);
        }
        let compiled = match change {
            VersionChange::Started { .. }
            | VersionChange::Swapped { .. }
            | VersionChange::Shadow { .. } => inner.compiled.remove(&strategy),
            _ => None,
        };
        drop(inner);
        let entry = FeedEntry::Version {
            strategy,
            change,
            compiled,
        };
        self.add(Some(at), entry);
    }

    fn add(&self, at: Option<Timestamp>, entry: FeedEntry) {
        let topic = entry.topic() as usize;
        let mut inner = self.inner();
        if inner.kept[topic] >= KEPT_PER_KIND {
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
            Notice::Version { strategy, change } => {
                return self.version(at, *strategy, change.clone());
            }
            Notice::Notified {
                strategy,
                message,
                value,
                ..
            } => {
                let mut inner = self.inner();
                let messages = inner.messages.entry(*strategy).or_default();
                keep_last(messages, (at, format!("{message} {value}")));
            }
            Notice::Recovered {
                strategy, problem, ..
            }
            | Notice::Ended { strategy, problem } => {
                let mut inner = self.inner();
                let faults = inner.faults.entry(*strategy).or_default();
                keep_last(faults, (at, problem.clone()));
            }
            _ => {}
        }
        self.add(Some(at), FeedEntry::Notice(notice));
    }

    fn status(&mut self, status: &Status) {
        // Cloned before the lock is taken, so that the display never waits for the copy.
        let status = status.clone();
        self.inner().status = status;
    }
}

impl LogSink for OperatorFeed {
    fn line(&self, strategy: &str, level: LogLevel, text: &str) {
        self.say(Topic::Log, strategy, level, text);
    }
}

/// Lines and faults that are kept of one strategy.
const TAIL: usize = 20;

fn keep_last<T>(tail: &mut VecDeque<T>, line: T) {
    if tail.len() == TAIL {
        tail.pop_front();
    }
    tail.push_back(line);
}

const fn level_words(level: LogLevel) -> &'static str {
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
            lines.told().last().unwrap().text,
            "... and 980 more orders denied"
        );
        assert_eq!(
            feed.lines(&names()),
            FeedLines::default(),
            "what was fetched is gone"
        );
    }

    fn swapped(feed: &mut OperatorFeed) {
        let change = VersionChange::Swapped {
            from: "0.1.0".to_owned(),
            to: "0.2.0".to_owned(),
            hash: String::new(),
            generation: 2,
            lost: None,
            inherited: tickdeck_engine::StateSource::Saved { bytes: 38 },
            took_ns: 85_000,
        };
        let strategy = StrategyId(1);
        feed.notice(7, Notice::Version { strategy, change });
    }

    #[test]
    fn a_handover_is_one_line_with_the_time_of_its_compilation_which_is_told_once() {
        let mut feed = OperatorFeed::default();
        feed.compiled(StrategyId(1), Some("compiled in 31 ms".to_owned()));
        swapped(&mut feed);
        swapped(&mut feed);
        let change = VersionChange::Live { pause_ns: 130_000 };
        let strategy = StrategyId(1);
        feed.notice(8, Notice::Version { strategy, change });
        let lines = feed.lines(&names()).list.into_iter();
        let texts: Vec<String> = lines.map(|line| line.text).collect();
        assert_eq!(
            texts,
            [
                "ema: 0.1.0 -> 0.2.0 compiled in 31 ms, handed over in 85 us with 38 bytes of state",
                "ema: 0.1.0 -> 0.2.0 handed over in 85 us with 38 bytes of state",
                "ema: first event 130 us after the old one's last",
            ]
        );
    }

    #[test]
    fn a_strategys_words_carry_the_time_of_the_last_status() {
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

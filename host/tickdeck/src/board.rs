//! Where the kernel's thread leaves what the operator is shown, and the display fetches it.
//!
//! The kernel only copies the status and appends notices under a mutex. What piles up between two fetches is bounded
//! by kind, and what was left out is counted and said.

use crate::names::Names;
use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tickdeck_engine::{Inherited, Notice, Observer, Status, VersionChange};
use tickdeck_model::{Severity, StrategyId, Timestamp, VenueState};
use tickdeck_strategy::{LogLevel, LogSink};

/// Entries of one kind that are kept between two fetches.
const KEPT_PER_KIND: usize = 20;

/// What a line is about. Lines are limited kind by kind, so that a flood of one never hides another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Topic {
    /// Orders that we refused.
    Denied,
    /// Orders that a venue refused.
    Refused,
    /// What strategies tell the operator.
    Notified,
    /// What strategies write to their log.
    Log,
    /// Venues that came, went or grew old.
    Venue,
    /// What should not happen: an impossible transition of an order, a fill of an unknown one.
    Anomaly,
    /// Versions of strategies that came, went or trapped.
    Version,
    /// Strategies that ended, sources that broke.
    Failure,
}

impl Topic {
    const ALL: [Self; 8] = [
        Self::Denied,
        Self::Refused,
        Self::Notified,
        Self::Log,
        Self::Venue,
        Self::Anomaly,
        Self::Version,
        Self::Failure,
    ];

    pub(crate) const fn plural(self) -> &'static str {
        match self {
            Self::Denied => "orders denied",
            Self::Refused => "orders refused by the venue",
            Self::Notified => "notifications",
            Self::Log => "lines of log",
            Self::Venue => "changes of venues",
            Self::Anomaly => "anomalies",
            Self::Version => "changes of versions",
            Self::Failure => "failures",
        }
    }
}

/// How much a line matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Weight {
    /// For the record.
    Note,
    /// Look at it.
    Warning,
    /// Something failed.
    Error,
}

/// A line for the operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// Event time.
    pub at: Timestamp,
    /// What it is about.
    pub topic: Topic,
    /// How much it matters.
    pub weight: Weight,
    /// What it says.
    pub text: String,
}

/// What was fetched from the board.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Lines {
    /// The lines, oldest first.
    pub list: Vec<Line>,
    /// How many more there were that were not kept.
    pub left_out: BTreeMap<Topic, u64>,
}

impl Lines {
    /// The lines, and one more for each kind of which some were left out.
    pub fn told(self) -> Vec<Line> {
        let at = self.list.last().map_or(0, |line| line.at);
        let more = self.left_out.into_iter().map(|(topic, count)| Line {
            at,
            topic,
            weight: Weight::Note,
            text: format!("... and {count} more {}", topic.plural()),
        });
        self.list.into_iter().chain(more).collect()
    }
}

enum Entry {
    Notice(Notice),
    Log {
        strategy: String,
        level: LogLevel,
        text: String,
    },
}

impl Entry {
    const fn topic(&self) -> Topic {
        match self {
            Self::Notice(Notice::Denied { .. }) => Topic::Denied,
            Self::Notice(Notice::Refused { .. }) => Topic::Refused,
            Self::Notice(Notice::Notified { .. }) => Topic::Notified,
            Self::Notice(Notice::Venue { .. }) => Topic::Venue,
            Self::Notice(Notice::Anomaly { .. }) => Topic::Anomaly,
            Self::Notice(Notice::Version { .. } | Notice::Recovered { .. }) => Topic::Version,
            Self::Notice(_) => Topic::Failure,
            Self::Log { .. } => Topic::Log,
        }
    }

    const fn weight(&self) -> Weight {
        match self {
            Self::Notice(Notice::Ended { .. } | Notice::Broken { .. } | Notice::Anomaly { .. }) => {
                Weight::Error
            }
            Self::Notice(Notice::Notified {
                severity: Severity::Critical,
                ..
            }) => Weight::Error,
            Self::Notice(Notice::Notified {
                severity: Severity::Info,
                ..
            }) => Weight::Note,
            Self::Notice(Notice::Venue {
                state: VenueState::Connected | VenueState::Live,
                ..
            }) => Weight::Note,
            Self::Notice(Notice::Version { change, .. }) => match change {
                VersionChange::RolledBack { .. } => Weight::Warning,
                VersionChange::BesideEnded { problem } if !problem.is_empty() => Weight::Warning,
                _ => Weight::Note,
            },
            Self::Notice(_) => Weight::Warning,
            Self::Log {
                level: LogLevel::Error,
                ..
            } => Weight::Error,
            Self::Log {
                level: LogLevel::Warn,
                ..
            } => Weight::Warning,
            Self::Log { .. } => Weight::Note,
        }
    }
}

#[derive(Default)]
struct Inner {
    status: Status,
    entries: Vec<(Timestamp, Entry)>,
    kept: [usize; Topic::ALL.len()],
    left_out: [u64; Topic::ALL.len()],
    /// Each strategy's last words, for whoever asks about it.
    tails: BTreeMap<String, VecDeque<String>>,
    /// Each strategy's last faults.
    faults: BTreeMap<StrategyId, VecDeque<(Timestamp, String)>>,
    follower: Option<Follower>,
}

/// Told of every change of a version: event time, whose, what.
type Follower = Box<dyn Fn(Timestamp, StrategyId, &VersionChange) + Send>;

/// The board; clones share it.
#[derive(Clone, Default)]
pub struct Board(Arc<Mutex<Inner>>);

impl Board {
    /// The last status.
    pub fn latest(&self) -> Status {
        self.inner().status.clone()
    }

    /// Tells `follower` of every change of a version from now on. It is called on the kernel's thread: be quick.
    pub fn follow(
        &self,
        follower: impl Fn(Timestamp, StrategyId, &VersionChange) + Send + 'static,
    ) {
        self.inner().follower = Some(Box::new(follower));
    }

    /// A strategy's last lines of log, oldest first.
    pub fn tail(&self, strategy: &str) -> Vec<String> {
        let inner = self.inner();
        let tail = inner.tails.get(strategy).into_iter().flatten();
        tail.cloned().collect()
    }

    /// A strategy's last faults, oldest first.
    pub fn faults(&self, strategy: StrategyId) -> Vec<(Timestamp, String)> {
        let inner = self.inner();
        let faults = inner.faults.get(&strategy).into_iter().flatten();
        faults.cloned().collect()
    }

    /// Takes the lines since the last fetch.
    pub fn lines(&self, names: &Names) -> Lines {
        let (entries, left_out) = {
            let mut inner = self.inner();
            inner.kept = Default::default();
            (
                std::mem::take(&mut inner.entries),
                std::mem::take(&mut inner.left_out),
            )
        };
        let shown = |(at, entry): &(Timestamp, Entry)| Line {
            at: *at,
            topic: entry.topic(),
            weight: entry.weight(),
            text: say(entry, names),
        };
        let left_out = Topic::ALL
            .into_iter()
            .zip(left_out)
            .filter(|(_, count)| *count > 0);
        Lines {
            list: entries.iter().map(shown).collect(),
            left_out: left_out.collect(),
        }
    }

    fn add(&self, at: Option<Timestamp>, entry: Entry) {
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

impl Observer for Board {
    fn notice(&mut self, at: Timestamp, notice: Notice) {
        match &notice {
            Notice::Version { strategy, change } => {
                if let Some(follower) = &self.inner().follower {
                    follower(at, *strategy, change);
                }
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
        self.add(Some(at), Entry::Notice(notice));
    }

    fn status(&mut self, status: &Status) {
        // Cloned before the lock is taken, so that the display never waits for the copy.
        let status = status.clone();
        self.inner().status = status;
    }
}

impl LogSink for Board {
    fn line(&self, strategy: &str, level: LogLevel, text: &str) {
        let tail = format!("{} {text}", level_words(level));
        keep_last(
            self.inner().tails.entry(strategy.to_owned()).or_default(),
            tail,
        );
        self.add(
            None,
            Entry::Log {
                strategy: strategy.to_owned(),
                level,
                text: text.to_owned(),
            },
        );
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

fn say(entry: &Entry, names: &Names) -> String {
    let notice = match entry {
        Entry::Log { strategy, text, .. } => return format!("{strategy}: {text}"),
        Entry::Notice(notice) => notice,
    };
    match notice {
        Notice::Denied {
            order,
            reason,
            values,
        } => {
            let name = names.strategy(order.strategy);
            format!(
                "{name}: order {} denied, {}: {values}",
                order.number,
                reason.code()
            )
        }
        Notice::Refused { order, reason } => {
            format!(
                "{}: order {} refused by the venue, {reason}",
                names.strategy(order.strategy),
                order.number
            )
        }
        Notice::Notified {
            strategy,
            message,
            value,
            ..
        } => format!("{}: {message} {value}", names.strategy(*strategy)),
        Notice::Ended { strategy, problem } => {
            format!("{} ended: {problem}", names.strategy(*strategy))
        }
        Notice::Version { strategy, change } => {
            format!("{}: {}", names.strategy(*strategy), version_words(change))
        }
        Notice::Recovered {
            strategy,
            problem,
            events,
        } => format!(
            "{} recovered from its last snapshot and {events} events: {problem}",
            names.strategy(*strategy)
        ),
        Notice::Venue {
            venue,
            instrument,
            state,
        } => match instrument {
            Some(instrument) => format!("{} is {state}", names.symbol(*instrument)),
            None => format!("{} is {state}", names.venue(*venue)),
        },
        Notice::Broken { problem } | Notice::Anomaly { problem } => problem.clone(),
    }
}

fn version_words(change: &VersionChange) -> String {
    match change {
        VersionChange::Seated { to, .. } => format!("version {to} trades"),
        VersionChange::Swapped {
            from,
            to,
            inherited,
            took_ns,
            ..
        } => format!(
            "{from} handed over to {to} in {}, {}",
            micros(*took_ns),
            inherited_words(*inherited)
        ),
        VersionChange::Live { pause_ns } => format!(
            "the new version handles events, {} after the old one's last",
            micros(*pause_ns)
        ),
        VersionChange::Beside { version } => {
            format!("version {version} runs beside, nothing of it is sent")
        }
        VersionChange::BesideEnded { problem } if problem.is_empty() => {
            "no version runs beside any more".to_owned()
        }
        VersionChange::BesideEnded { problem } => {
            format!("the version beside ended: {problem}")
        }
        VersionChange::RolledBack {
            from, to, problem, ..
        } => {
            format!("{from} trapped within its trial, {to} is back: {problem}")
        }
        VersionChange::Removed => "left in order".to_owned(),
    }
}

/// What a version took over, in words.
pub(crate) fn inherited_words(inherited: Inherited) -> String {
    match inherited {
        Inherited::Saved { bytes } => format!("with {bytes} bytes of state"),
        Inherited::Snapshot { bytes, events } => format!(
            "with a snapshot of {bytes} bytes and the {events} events since, caught up with too late to act on"
        ),
        Inherited::Nothing => "without state".to_owned(),
    }
}

/// A time in microseconds, or in milliseconds from ten of them on.
pub(crate) fn micros(ns: u64) -> String {
    match ns {
        0..10_000_000 => format!("{} us", ns.div_ceil(1_000)),
        _ => format!("{} ms", ns / 1_000_000),
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
        let mut board = Board::default();
        for number in 0..1_000 {
            board.notice(5, denied(number));
        }
        board.notice(
            6,
            Notice::Ended {
                strategy: StrategyId(1),
                problem: "trapped".to_owned(),
            },
        );
        let lines = board.lines(&names());
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
            board.lines(&names()),
            Lines::default(),
            "what was fetched is gone"
        );
    }

    #[test]
    fn a_strategys_words_carry_the_time_of_the_last_status() {
        let mut board = Board::default();
        board.status(&Status {
            now: 42,
            ..Status::default()
        });
        board.line("ema", LogLevel::Warn, "thin book");
        let line = board.lines(&names()).list.remove(0);
        assert_eq!(
            (line.at, line.weight, line.text.as_str()),
            (42, Weight::Warning, "ema: thin book")
        );
    }
}

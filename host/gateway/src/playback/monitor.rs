//! Progress and faults of a capture, visible from outside while it plays.

use serde::Serialize;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use tickdeck_engine::port::{DataMonitor, DataQuality};

/// A line that was skipped, or that shows a fault.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LineProblem {
    /// The file.
    pub file: String,
    /// The line, from 1.
    pub line: u64,
    /// The problem.
    pub problem: String,
}

impl std::fmt::Display for LineProblem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}:{}: {}", self.file, self.line, self.problem)
    }
}

/// Counts so far. With `preload`, the whole capture at once.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PlaybackStats {
    /// Bytes read from the files, as stored on disk.
    pub read_bytes: u64,
    /// Their length.
    pub total_bytes: u64,
    /// Lines read.
    pub lines: u64,
    /// Lines skipped because they could not be read.
    pub damaged: u64,
    /// Lines of kinds or symbols that are not played.
    pub ignored: u64,
    /// Lines whose time is before that of the previous line; they play at that line's time.
    pub time_went_back: u64,
    /// Gaps in the depth stream.
    pub gaps: u64,
    /// Times a book contradicted itself or the exchange's own quotes.
    pub contradictions: u64,
    /// Depth lines that repeated known ids.
    pub duplicates: u64,
    /// Sizes of levels that were finer than the instrument's scale and cut down to it.
    pub cut_sizes: u64,
    /// The first damaged lines, gaps, contradictions and times that went back.
    pub problems: Vec<LineProblem>,
}

#[derive(Debug, Default)]
struct Counters {
    read_bytes: AtomicU64,
    total_bytes: AtomicU64,
    lines: AtomicU64,
    damaged: AtomicU64,
    ignored: AtomicU64,
    time_went_back: AtomicU64,
    gaps: AtomicU64,
    contradictions: AtomicU64,
    duplicates: AtomicU64,
    cut_sizes: AtomicU64,
    problems: Mutex<Vec<LineProblem>>,
}

/// The counters that advance by one.
#[derive(Debug, Clone, Copy)]
pub(super) enum Count {
    Line,
    Ignored,
    Duplicate,
}

/// A fault of the data that is counted and described.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Damaged,
    Gap,
    Contradiction,
    TimeWentBack,
}

impl Fault {
    /// How many of them are described; further ones are only counted. Each kind has its own limit: a thousand damaged lines must not
    /// hide the book that was lost to them.
    pub(super) fn most_described(self) -> u64 {
        match self {
            Self::Damaged | Self::Gap | Self::Contradiction => 20,
            Self::TimeWentBack => 5,
        }
    }
}

impl DataMonitor for PlaybackMonitor {
    fn quality(&self) -> DataQuality {
        let stats = self.stats();
        DataQuality {
            messages: stats.lines,
            damaged: stats.damaged,
            ignored: stats.ignored,
            gaps: stats.gaps,
            contradictions: stats.contradictions,
            time_went_back: stats.time_went_back,
            duplicates: stats.duplicates,
            cut_sizes: stats.cut_sizes,
            problems: stats.problems.iter().map(LineProblem::to_string).collect(),
        }
    }
}

/// A handle on the counters of one capture.
#[derive(Debug, Clone, Default)]
pub struct PlaybackMonitor(Arc<Counters>);

impl PlaybackMonitor {
    /// The counts as they are now.
    pub fn stats(&self) -> PlaybackStats {
        let load = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        PlaybackStats {
            read_bytes: load(&self.0.read_bytes),
            total_bytes: load(&self.0.total_bytes),
            lines: load(&self.0.lines),
            damaged: load(&self.0.damaged),
            ignored: load(&self.0.ignored),
            time_went_back: load(&self.0.time_went_back),
            gaps: load(&self.0.gaps),
            contradictions: load(&self.0.contradictions),
            duplicates: load(&self.0.duplicates),
            cut_sizes: load(&self.0.cut_sizes),
            problems: self.load_problems(),
        }
    }

    fn load_problems(&self) -> Vec<LineProblem> {
        let problems = self.0.problems.lock();
        problems.unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn set_total_bytes(&self, bytes: u64) {
        self.0.total_bytes.store(bytes, Ordering::Relaxed);
    }

    pub(super) fn add_bytes(&self, bytes: u64) {
        self.0.read_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(super) fn add_cut_sizes(&self, sizes: u64) {
        if sizes > 0 {
            self.0.cut_sizes.fetch_add(sizes, Ordering::Relaxed);
        }
    }

    pub(super) fn count(&self, what: Count) {
        let counter = match what {
            Count::Line => &self.0.lines,
            Count::Ignored => &self.0.ignored,
            Count::Duplicate => &self.0.duplicates,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn fault(&self, what: Fault, problem: LineProblem) {
        let counter = match what {
            Fault::Damaged => &self.0.damaged,
            Fault::Gap => &self.0.gaps,
            Fault::Contradiction => &self.0.contradictions,
            Fault::TimeWentBack => &self.0.time_went_back,
        };
        let before = counter.fetch_add(1, Ordering::Relaxed);
        if before >= what.most_described() {
            return;
        }
        let mut problems = self
            .0
            .problems
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        problems.push(problem);
    }
}

//! The figures of a run.

use std::fmt;
use std::time::Duration;

/// What was played, and what was found.
#[derive(Debug, Default)]
pub(crate) struct Figures {
    pub(crate) inputs: u64,
    pub(crate) elapsed: Duration,
    pub(crate) peak_kib: u64,
    pub(crate) findings: Vec<Finding>,
}

/// Something that must not be.
#[derive(Debug, Clone)]
pub(crate) struct Finding {
    pub(crate) target: &'static str,
    pub(crate) seed: u64,
    pub(crate) number: u64,
    pub(crate) kind: FindingKind,
}

#[derive(Debug, Clone)]
pub(crate) enum FindingKind {
    /// A panic, with its message.
    Panic(String),
    /// The process ended: an abort, or a signal.
    Crash(String),
    /// It took longer than two seconds; milliseconds, as far as they were counted.
    Hang(u128),
}

impl Figures {
    pub(crate) const HEAD: &'static str =
        "target          inputs   crashes     hangs   peak MiB   seconds   inputs/s";

    pub(crate) fn row(&self, name: &str) -> String {
        let hangs = self
            .findings
            .iter()
            .filter(|finding| matches!(finding.kind, FindingKind::Hang(_)));
        let hangs = hangs.count();
        let seconds = self.elapsed.as_secs_f64();
        format!(
            "{name:<10} {:>11} {:>9} {hangs:>9} {:>10} {seconds:>9.0} {:>10.0}",
            self.inputs,
            self.findings.len() - hangs,
            self.peak_kib >> 10,
            self.inputs as f64 / seconds.max(1e-9)
        )
    }

    pub(crate) fn add(&mut self, other: Self) {
        self.inputs += other.inputs;
        self.elapsed += other.elapsed;
        self.peak_kib = self.peak_kib.max(other.peak_kib);
        self.findings.extend(other.findings);
    }
}

impl fmt::Display for Finding {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            FindingKind::Panic(message) => write!(f, "panic: {message}")?,
            FindingKind::Crash(how) => write!(f, "crash: {how}")?,
            FindingKind::Hang(ms) => write!(f, "hang: {ms} ms")?,
        }
        let Self {
            target,
            seed,
            number,
            ..
        } = self;
        write!(
            f,
            "\n  again: cargo run -p tickdeck-fuzz -- {target} --seed {seed} --only {number}"
        )
    }
}

//! Rates figures against the usual ones, and formats both.

use super::latency::{self, quantile};
use crate::cli::finding::{Finding, Level};
use serde::Serialize;
use tickdeck_model::format::{grouped, short};

/// The JSON output.
#[derive(Debug, Serialize)]
pub(super) struct SelfCheck {
    /// Whether no check failed and no figure is far from the usual one.
    pub(super) fit: bool,
    pub(super) checks: Vec<Finding>,
    pub(super) figures: Vec<Figure>,
}

/// A measured figure.
#[derive(Debug, Serialize)]
pub(super) struct Figure {
    pub(super) name: &'static str,
    pub(super) value: f64,
    pub(super) unit: &'static str,
    /// The lowest of the rounds, if it was measured in rounds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) least: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) most: Option<f64>,
    /// The figure on an ordinary machine.
    pub(super) usual: f64,
    pub(super) level: Level,
}

/// Multiples of the usual figure at which a figure is worth a warning, and at which the machine is unfit.
const REMARKABLE: f64 = 1.5;
const UNFIT: f64 = 4.0;

/// The usual figures, measured by `tickdeck-bench` on a virtual machine with two cores of an Intel Xeon (Sapphire Rapids);
/// see `docs/PERFORMANCE.md`. Some processors of other vendors need half the time per call.
const USUAL: Usual = Usual {
    per_event_ns: 18.0,
    per_call_ns: 260.0,
    ring_per_s: 100e6,
    latency_ns: [2_000.0, 10_000.0, 400_000.0],
};

struct Usual {
    per_event_ns: f64,
    per_call_ns: f64,
    ring_per_s: f64,
    /// Latency at each of the [`QUANTILES`].
    latency_ns: [f64; 3],
}

const QUANTILES: [(&str, f64); 3] = [
    ("latency/p50", 0.5),
    ("latency/p99", 0.99),
    ("latency/p99.9", 0.999),
];

/// Returns the figures for batched events and for single-event calls.
pub(super) fn boundary([per_event, per_call]: &[Vec<f64>; 2]) -> Vec<Figure> {
    vec![
        of_rounds(
            "boundary/batch-256",
            "ns/event",
            per_event,
            USUAL.per_event_ns,
        ),
        of_rounds("boundary/batch-1", "ns/call", per_call, USUAL.per_call_ns),
    ]
}

pub(super) fn ring(per_s: &[f64]) -> Vec<Figure> {
    vec![of_rounds("ring", "events/s", per_s, USUAL.ring_per_s)]
}

pub(super) fn latency(ascending_ns: &[u64]) -> Vec<Figure> {
    let figure = |((name, part), usual): ((&'static str, f64), f64)| Figure {
        name,
        value: quantile(ascending_ns, part) as f64,
        unit: "ns",
        least: None,
        most: None,
        usual,
        level: level(quantile(ascending_ns, part) as f64 / usual),
    };
    QUANTILES
        .into_iter()
        .zip(USUAL.latency_ns)
        .map(figure)
        .collect()
}

fn of_rounds(name: &'static str, unit: &'static str, rounds: &[f64], usual: f64) -> Figure {
    let mut ascending = rounds.to_vec();
    ascending.sort_by(f64::total_cmp);
    let value = ascending
        .get(ascending.len() / 2)
        .copied()
        .unwrap_or(f64::NAN);
    let slower = if unit == "events/s" {
        usual / value
    } else {
        value / usual
    };
    Figure {
        name,
        value,
        unit,
        least: ascending.first().copied(),
        most: ascending.last().copied(),
        usual,
        level: level(slower),
    }
}

/// Rates how many times slower a figure is than usual.
fn level(slower: f64) -> Level {
    match slower {
        slower if slower < REMARKABLE => Level::Ok,
        slower if slower < UNFIT => Level::Warn,
        _ => Level::Fail,
    }
}

/// Reports a debug build, whose figures mean little.
pub(super) fn build() -> Option<Finding> {
    cfg!(debug_assertions).then(|| {
        let found = "this binary is a debug build: it is many times slower";
        Finding::warn("build", found, "build it with `cargo build --release`")
    })
}

/// Rates the machine.
pub(super) fn rate(checks: Vec<Finding>, figures: Vec<Figure>) -> SelfCheck {
    let levels = checks.iter().map(|finding| finding.level);
    let mut levels = levels.chain(figures.iter().map(|figure| figure.level));
    SelfCheck {
        fit: levels.all(|level| level != Level::Fail),
        checks,
        figures,
    }
}

/// Formats the result, one line per finding and figure.
pub(super) fn text(result: &SelfCheck) -> String {
    let checks = result.checks.iter().map(Finding::line);
    let figures = result.figures.iter().map(|figure| finding(figure).line());
    let levels = result.checks.iter().map(|finding| finding.level);
    let levels = levels.chain(result.figures.iter().map(|figure| figure.level));
    let remarks = levels.filter(|level| *level != Level::Ok).count();
    checks.chain(figures).collect::<String>() + "\n" + &verdict(result.fit, remarks) + "\n"
}

fn verdict(fit: bool, remarks: usize) -> String {
    match (fit, remarks) {
        (true, 0) => "This machine is fit.".to_owned(),
        (true, _) => format!(
            "This machine is fit, with remarks ({remarks}) above; measure again when nothing else is running."
        ),
        (false, _) => "This machine is not fit for low latency: see the remarks above, and measure again when nothing else is \
             running. Decisions of strategies never depend on it."
            .to_owned(),
    }
}

/// Converts a figure to a finding.
fn finding(figure: &Figure) -> Finding {
    let (what, text) = describe(figure);
    let spread = match (figure.least, figure.most) {
        (Some(least), Some(most)) => {
            let (least, most) = (amount(least, figure.unit), amount(most, figure.unit));
            format!(" ({least} to {most})")
        }
        _ => String::new(),
    };
    let rating = match figure.level {
        Level::Ok => "",
        Level::Warn => ": slower here",
        Level::Fail => ": far slower here",
    };
    let found = format!(
        "{} {text}{spread}; about {} is usual{rating}",
        amount(figure.value, figure.unit),
        amount(figure.usual, figure.unit),
    );
    Finding::new(what, figure.level, found, None)
}

/// Returns the subject of a figure and its description.
fn describe(figure: &Figure) -> (&'static str, String) {
    let latency = |quantile: &str| format!("from event to decision and back, {quantile}");
    match figure.name {
        "boundary/batch-256" => (
            "boundary",
            "per event passed to a strategy, 256 at a time".to_owned(),
        ),
        "boundary/batch-1" => ("", "per call with one event".to_owned()),
        "ring" => ("ring", "events/s from thread to thread".to_owned()),
        "latency/p50" => {
            let pace = short(latency::PACE as f64);
            (
                "latency",
                latency(&format!("half of the events, at {pace}/s")),
            )
        }
        "latency/p99" => ("", latency("99 of 100")),
        _ => ("", latency("999 of 1,000")),
    }
}

fn amount(value: f64, unit: &str) -> String {
    match unit {
        "events/s" => short(value),
        _ if value < 99.95 => format!("{value:.1} ns"),
        _ if value < 9_999.5 => format!("{} ns", grouped(value.round() as u64)),
        _ => format!("{} us", grouped((value / 1e3).round() as u64)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn latencies(ns: u64) -> Vec<Figure> {
        latency(&[ns; 100])
    }

    #[test]
    fn a_figure_is_rated_against_the_usual_one() {
        let level = |figures: Vec<Figure>| figures[0].level;
        let per_event = |ns: f64| level(boundary(&[vec![ns], vec![1.0]]));
        assert_eq!(per_event(USUAL.per_event_ns), Level::Ok);
        assert_eq!(per_event(USUAL.per_event_ns * 2.0), Level::Warn);
        assert_eq!(per_event(USUAL.per_event_ns * 5.0), Level::Fail);
        assert_eq!(
            level(ring(&[USUAL.ring_per_s * 2.0])),
            Level::Ok,
            "more is better"
        );
        assert_eq!(level(ring(&[USUAL.ring_per_s / 2.0])), Level::Warn);
        assert_eq!(level(latencies(1)), Level::Ok);
        assert_eq!(level(ring(&[])), Level::Fail, "nothing is no figure");
    }

    #[test]
    fn rounds_become_their_median_with_minimum_and_maximum() {
        let figures = boundary(&[vec![12.0, 10.0, 11.0], vec![200.0]]);
        let figure = &figures[0];
        assert_eq!(
            (figure.value, figure.least, figure.most),
            (11.0, Some(10.0), Some(12.0))
        );
        assert_eq!(
            finding(figure).line(),
            "ok    boundary       11.0 ns per event passed to a strategy, 256 at a time (10.0 ns to 12.0 ns); about 18.0 ns \
             is usual\n"
        );
    }

    #[test]
    fn a_machine_is_fit_unless_something_is_wrong_with_it() {
        let of = |checks, figures| rate(checks, figures);
        let fine = of(vec![Finding::ok("cores", "2")], latencies(1));
        assert!(fine.fit && text(&fine).ends_with("\nThis machine is fit.\n"));
        let remark = of(vec![Finding::warn("load", "9", "wait")], latencies(1));
        assert!(remark.fit && text(&remark).contains("fit, with remarks (1) above"));
        let slow = of(Vec::new(), latencies(60_000_000));
        assert!(!slow.fit);
        let text = text(&slow);
        assert!(
            text.contains("FAIL  latency        60,000 us") && text.contains("not fit"),
            "{text}"
        );
    }
}

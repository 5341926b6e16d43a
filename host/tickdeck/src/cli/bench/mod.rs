//! `tickdeck bench`: measures the speed of this machine, and suggests improvements.
//!
//! It needs nothing but the binary, which contains the strategy that is measured.

mod boundary;
mod guest;
mod latency;
mod result;
mod ring;
mod span;

use super::machine::{self, CpuTimes};
use crate::cli::run_options::duration;
use crate::display::console::on_interrupt;
use crate::exit::INTERRUPTED;
use crate::output::{note, print, print_json};
use anyhow::Result;
use clap::Args;
use result::Figure;
use span::Span;
use std::process::ExitCode;
use std::time::Duration;
use tickdeck_engine::CancelToken;

/// Bounds on the measuring time.
const SHORTEST: Duration = Duration::from_millis(200);
const LONGEST: Duration = Duration::from_secs(300);

/// Measure this machine for a few seconds and rate it: sandbox boundary, ring, latency.
///
/// Needs no deck, compiler or network, and writes nothing. Each figure is shown next to the typical value for an ordinary
/// two-core machine. The exit code is 0 whatever the result.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck bench
  tickdeck bench --for 60s
  tickdeck bench --json | jq .figures")]
pub(super) struct Bench {
    /// Total time to measure
    #[arg(long = "for", value_name = "TIME", default_value = "10s", value_parser = time)]
    time: Duration,
    /// Print one JSON object
    #[arg(long)]
    json: bool,
}

impl Bench {
    pub(super) fn run(self) -> Result<ExitCode> {
        let stop = CancelToken::default();
        on_interrupt(stop.clone(), None)?;
        let mut checks = machine::findings();
        let before = CpuTimes::now();
        let figures = measure(self.time, &stop)?;
        if stop.asked() {
            note("interrupted: no measurement was completed");
            return Ok(ExitCode::from(INTERRUPTED));
        }
        checks.push(machine::steal(before, CpuTimes::now()));
        checks.extend(result::build());
        let result = result::rate(checks, figures);
        if self.json {
            print_json(&result)?;
        } else {
            print(&result::text(&result))?;
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Measures all figures within `time`; fewer if interrupted.
fn measure(time: Duration, stop: &CancelToken) -> Result<Vec<Figure>> {
    let span = |tenths: u32, what: &str| {
        let time = time * tenths / 10;
        note(format!("measuring {what}, {:.1} s", time.as_secs_f64()));
        Span::start(time, stop)
    };
    let mut figures = Vec::new();
    let boundary = boundary::measure(&span(4, "calls of a strategy"))?;
    figures.extend(result::boundary(&boundary));
    if !stop.asked() {
        let ring = ring::measure(&span(2, "the ring between two threads"))?;
        figures.extend(result::ring(&ring));
    }
    if !stop.asked() {
        let latency = latency::measure(&span(4, "the latency from event to decision"))?;
        figures.extend(result::latency(&latency));
    }
    Ok(figures)
}

fn time(text: &str) -> Result<Duration, String> {
    let time = duration(text)?;
    if (SHORTEST..=LONGEST).contains(&time) {
        Ok(time)
    } else {
        Err("it must be from 200ms to 5m".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_neither_too_short_nor_too_long() {
        assert_eq!(time("10s"), Ok(Duration::from_secs(10)));
        assert_eq!(time("200ms"), Ok(SHORTEST));
        for text in ["199ms", "301s", "1h", "soon"] {
            assert!(time(text).is_err(), "{text}");
        }
    }
}

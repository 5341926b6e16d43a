//! `--compare`: two builds of this binary in alternating runs, so that a noisy machine disturbs both alike.
//!
//! Every round runs both builds once, in turn the one and the other first. A row's difference is the mean of the rounds'
//! differences of logarithms, with its 95 % confidence interval by Student's t distribution (W. S. Gosset, "The probable
//! error of a mean", Biometrika 6, 1908).

use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Command, Stdio};

/// A loss that the interval must exclude, as a part of the other build's result.
const TOLERATED: f64 = 0.03;

/// The least number of rounds from which an interval says something.
const FEWEST_ROUNDS: usize = 5;

/// After so many rounds, the results so far are shown.
const SHOWN_EVERY: usize = 10;

/// What is read of a row that a run printed.
#[derive(Deserialize)]
struct Measured {
    bench: String,
    value: f64,
    unit: String,
    /// Builds that are older than the comparison do not say so; this build does.
    more_is_better: Option<bool>,
}

/// The results of one row in every round, before and after.
struct Pairs {
    unit: String,
    more_is_better: bool,
    rounds: Vec<(f64, f64)>,
}

/// A row of both builds.
#[derive(Debug, Serialize)]
pub(crate) struct Comparison {
    bench: String,
    unit: String,
    /// Medians over the rounds.
    before: f64,
    after: f64,
    /// How much better this build is than the other, as a part of the other's result; negative: a loss.
    gain: f64,
    /// The 95 % confidence interval of the gain.
    low: f64,
    high: f64,
    /// Whether the interval excludes a loss above 3 %.
    excludes_loss: bool,
    /// Whether the interval proves a loss above 3 %.
    proves_loss: bool,
    rounds: usize,
}

/// Runs `before` and this build `rounds` times each with the same arguments.
pub(crate) fn run(before: &Path, rounds: usize, arguments: &[String]) -> Result<Vec<Comparison>> {
    ensure!(
        rounds >= FEWEST_ROUNDS,
        "--compare needs at least {FEWEST_ROUNDS} rounds, 20 for figures to quote"
    );
    let after = std::env::current_exe().context("cannot find this binary")?;
    let mut rows: BTreeMap<String, Pairs> = BTreeMap::new();
    for round in 0..rounds {
        eprintln!("round {} of {rounds}", round + 1);
        let (before, after) = if round.is_multiple_of(2) {
            let before = measure(before, arguments)?;
            (before, measure(&after, arguments)?)
        } else {
            let after = measure(&after, arguments)?;
            (measure(before, arguments)?, after)
        };
        let earlier: BTreeMap<_, _> = before
            .into_iter()
            .map(|row| (row.bench, row.value))
            .collect();
        for row in after {
            let Some(before) = earlier.get(&row.bench) else {
                continue;
            };
            let pairs = rows.entry(row.bench).or_insert_with(|| Pairs {
                unit: row.unit,
                more_is_better: row.more_is_better.unwrap_or_default(),
                rounds: Vec::new(),
            });
            pairs.rounds.push((*before, row.value));
        }
        // A long comparison that is ended early has not been for nothing.
        if (round + 1).is_multiple_of(SHOWN_EVERY) && round + 1 < rounds {
            eprint!("{}", table(&compared(&rows)));
        }
    }
    Ok(compared(&rows))
}

fn compared(rows: &BTreeMap<String, Pairs>) -> Vec<Comparison> {
    rows.iter()
        .filter_map(|(bench, pairs)| pairs.compare(bench))
        .collect()
}

fn measure(binary: &Path, arguments: &[String]) -> Result<Vec<Measured>> {
    let output = Command::new(binary)
        .args(["--json", "--rounds", "1"])
        .args(arguments)
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("cannot run {}", binary.display()))?;
    if !output.status.success() {
        bail!("{} ended with {}", binary.display(), output.status);
    }
    let text = String::from_utf8(output.stdout)?;
    let rows = text.lines().map(serde_json::from_str);
    rows.collect::<Result<_, _>>()
        .with_context(|| format!("{} printed no rows", binary.display()))
}

impl Pairs {
    /// Returns nothing if there is nothing to compare: too few rounds, or a count that is zero.
    fn compare(&self, bench: &str) -> Option<Comparison> {
        let sign = if self.more_is_better { 1.0 } else { -1.0 };
        let gains: Vec<f64> = self
            .rounds
            .iter()
            .filter(|(before, after)| *before > 0.0 && *after > 0.0)
            .map(|(before, after)| sign * (after / before).ln())
            .collect();
        let rounds = gains.len();
        if rounds < FEWEST_ROUNDS {
            return None;
        }
        let mean = gains.iter().sum::<f64>() / rounds as f64;
        let squares: f64 = gains.iter().map(|gain| (gain - mean).powi(2)).sum();
        let error = (squares / (rounds - 1) as f64 / rounds as f64).sqrt();
        let reach = student_t(rounds - 1) * error;
        let (low, high) = ((mean - reach).exp_m1(), (mean + reach).exp_m1());
        let median = |of: fn(&(f64, f64)) -> f64| {
            crate::row::median(&self.rounds.iter().map(of).collect::<Vec<_>>())
        };
        Some(Comparison {
            bench: bench.to_owned(),
            unit: self.unit.clone(),
            before: median(|pair| pair.0),
            after: median(|pair| pair.1),
            gain: mean.exp_m1(),
            low,
            high,
            excludes_loss: low > -TOLERATED,
            proves_loss: high < -TOLERATED,
            rounds,
        })
    }
}

/// The 97.5 % quantile of Student's t distribution, by the expansion of Abramowitz and Stegun, 26.7.5: within 0.5 % from
/// four degrees of freedom on.
fn student_t(degrees: usize) -> f64 {
    let (x, n) = (1.959_964_f64, degrees as f64);
    let terms = [
        (x.powi(3) + x) / 4.0,
        (5.0 * x.powi(5) + 16.0 * x.powi(3) + 3.0 * x) / 96.0,
        (3.0 * x.powi(7) + 19.0 * x.powi(5) + 17.0 * x.powi(3) - 15.0 * x) / 384.0,
    ];
    let corrections = terms
        .iter()
        .zip(1..)
        .map(|(term, power)| term / n.powi(power));
    x + corrections.sum::<f64>()
}

/// Returns the rows as a table.
pub(crate) fn table(rows: &[Comparison]) -> String {
    let mut table = format!(
        "{:<34} {:>12} {:>12} {:<12} {:>8} {:>20} {:>6}  a loss above 3 %\n",
        "bench", "before", "after", "unit", "gain", "95 % interval", "rounds"
    );
    for row in rows {
        let percent = |part: f64| format!("{:+.1} %", 100.0 * part);
        let verdict = match (row.excludes_loss, row.proves_loss) {
            (true, _) => "is excluded",
            (false, true) => "is PROVED",
            (false, false) => "can't be told",
        };
        table += &format!(
            "{:<34} {:>12} {:>12} {:<12} {:>8} {:>20} {:>6}  {verdict}\n",
            row.bench,
            crate::row::number(row.before),
            crate::row::number(row.after),
            row.unit,
            percent(row.gain),
            format!("{} to {}", percent(row.low), percent(row.high)),
            row.rounds,
        );
    }
    table
}

//! A row of results, and the interleaved rounds that it comes from.

use serde::Serialize;

/// A measured claim.
#[derive(Debug, Serialize)]
pub(crate) struct Row {
    /// `boundary/batch-256`
    pub(crate) bench: String,
    /// Median over the rounds.
    pub(crate) value: f64,
    pub(crate) unit: &'static str,
    /// The baseline's median over the same rounds, and its description.
    pub(crate) baseline: f64,
    pub(crate) against: &'static str,
    /// Median of the rounds' own ratios of value to baseline.
    pub(crate) ratio: f64,
    /// The bound that the value or ratio must not exceed (times) or must reach (rates).
    pub(crate) goal: Option<f64>,
    /// `value` or `ratio`.
    pub(crate) goal_is_for: &'static str,
    pub(crate) holds: Option<bool>,
    pub(crate) more_is_better: bool,
    pub(crate) rounds: usize,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

/// The goal of a row.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Goal {
    Value(f64),
    /// A goal for the ratio of value to baseline.
    Ratio(f64),
}

/// The claim of a row.
pub(crate) struct Claim {
    pub(crate) bench: &'static str,
    pub(crate) unit: &'static str,
    pub(crate) against: &'static str,
    pub(crate) goal: Option<Goal>,
    /// Whether a larger value is better, as for rates.
    pub(crate) more_is_better: bool,
}

impl Claim {
    /// Creates the row from the results of each round, in the same order for both.
    pub(crate) fn row(self, values: &[f64], baselines: &[f64]) -> Row {
        let ratios: Vec<f64> = values
            .iter()
            .zip(baselines)
            .map(|(value, baseline)| value / baseline)
            .collect();
        let figures = (median(values), median(baselines), median(&ratios));
        self.filled(figures, values)
    }

    /// Creates the row from single samples, by a quantile of them: 0.5 for the median, 1.0 for the maximum.
    pub(crate) fn quantile(self, samples: &[f64], baselines: &[f64], part: f64) -> Row {
        let (value, baseline) = (quantile(samples, part), quantile(baselines, part));
        self.filled((value, baseline, value / baseline), samples)
    }

    fn filled(self, (value, baseline, ratio): (f64, f64, f64), samples: &[f64]) -> Row {
        let (reached, goal, goal_is_for) = match self.goal {
            None => (value, None, "value"),
            Some(Goal::Value(goal)) => (value, Some(goal), "value"),
            Some(Goal::Ratio(goal)) => (ratio, Some(goal), "ratio"),
        };
        let holds = goal.map(|goal| {
            if self.more_is_better {
                reached >= goal
            } else {
                reached <= goal
            }
        });
        Row {
            bench: self.bench.to_owned(),
            value,
            unit: self.unit,
            baseline,
            against: self.against,
            ratio,
            goal,
            goal_is_for,
            holds,
            more_is_better: self.more_is_better,
            rounds: samples.len(),
            min: samples.iter().copied().fold(f64::INFINITY, f64::min),
            max: samples.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        }
    }
}

/// Runs several measurements alternately, `rounds` times, after one warm-up round; returns the rounds of each.
pub(crate) fn interleave<const N: usize>(
    rounds: usize,
    mut measures: [&mut dyn FnMut() -> anyhow::Result<f64>; N],
) -> anyhow::Result<[Vec<f64>; N]> {
    let mut results = [const { Vec::new() }; N];
    for round in 0..=rounds {
        for (measure, results) in measures.iter_mut().zip(&mut results) {
            let result = measure()?;
            if round > 0 {
                results.push(result);
            }
        }
    }
    Ok(results)
}

pub(crate) fn median(values: &[f64]) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let middle = sorted.len() / 2;
    if sorted.len().is_multiple_of(2) {
        f64::midpoint(sorted[middle - 1], sorted[middle])
    } else {
        sorted[middle]
    }
}

/// Returns the sample that the given part of all samples does not exceed; 0 if there are no samples.
pub(crate) fn quantile(samples: &[f64], part: f64) -> f64 {
    let mut sorted = samples.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (part * sorted.len() as f64).ceil() as usize;
    sorted
        .get(rank.saturating_sub(1))
        .copied()
        .unwrap_or_default()
}

pub(crate) fn print_table(rows: &[Row]) {
    println!(
        "{:<34} {:>12} {:<12} {:>11} {:>11} {:>11} {:>7} {:>9} {:>6}  baseline is",
        "bench", "median", "unit", "min", "max", "baseline", "ratio", "goal", "met"
    );
    for row in rows {
        let goal = match (row.goal, row.goal_is_for) {
            (None, _) => "-".to_owned(),
            (Some(goal), "ratio") => format!("{goal:.2}x"),
            (Some(goal), _) => number(goal),
        };
        let holds = match row.holds {
            None => "-",
            Some(true) => "yes",
            Some(false) => "NO",
        };
        println!(
            "{:<34} {:>12} {:<12} {:>11} {:>11} {:>11} {:>7.2} {:>9} {:>6}  {}",
            row.bench,
            number(row.value),
            row.unit,
            number(row.min),
            number(row.max),
            number(row.baseline),
            row.ratio,
            goal,
            holds,
            row.against
        );
    }
}

pub(crate) fn number(value: f64) -> String {
    if value >= 1e6 {
        format!("{:.2} M", value / 1e6)
    } else {
        format!("{value:.1}")
    }
}

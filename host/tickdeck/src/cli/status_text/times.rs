//! Time per event of each strategy: quantiles, and a histogram in a line of text.
//!
//! The host counts in buckets that double in width, so a quantile is an upper bound.

use crate::text_table::aligned;
use tickdeck_control::protocol::{StrategyLine, TimeBucket};
use tickdeck_model::format::grouped;

/// Heights of a bar; even the smallest count gets the lowest.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
/// Index of the last bucket, which has no bound.
const LAST: u32 = 31;

/// Formats a table of the strategies that were timed, after an empty line; empty if none was.
pub(super) fn times(lines: &[StrategyLine]) -> String {
    let timed = lines.iter().filter(|line| !line.event_times.is_empty());
    let timed: Vec<&StrategyLine> = timed.collect();
    let places = || timed.iter().flat_map(|line| &line.event_times).map(place);
    // One scale for all strategies.
    let (Some(from), Some(to)) = (places().min(), places().max()) else {
        return String::new();
    };
    let above = if from == 0 { 0 } else { up_to(from - 1) };
    let scale = format!("<{} to {}", bound(above), bound(up_to(to)));
    let row = |line: &&StrategyLine| {
        let times = &line.event_times;
        let quantile = |part| quantile(times, part).map_or_else(|| "-".to_owned(), bound);
        [
            line.name.clone(),
            quantile(0.5),
            quantile(0.99),
            quantile(1.0),
            bars(times, from, to),
        ]
    };
    let rows: Vec<[String; 5]> = timed.iter().map(row).collect();
    let header = ["<time per event", "p50", "p99", "max", scale.as_str()];
    format!("\n{}", aligned(&header, &rows))
}

/// Returns the index of a bucket: bucket `n` counts times below `2^n` nanoseconds.
fn place(bucket: &TimeBucket) -> u32 {
    bucket.up_to_ns.max(1).ilog2().min(LAST)
}

const fn up_to(place: u32) -> u64 {
    if place == LAST { u64::MAX } else { 1 << place }
}

fn bound(ns: u64) -> String {
    match ns {
        u64::MAX => "longer".to_owned(),
        ns => format!("{} ns", grouped(ns)),
    }
}

/// Returns the bound that the fraction `part` of the counts does not exceed; none if the histogram is empty.
fn quantile(buckets: &[TimeBucket], part: f64) -> Option<u64> {
    let all: u128 = buckets.iter().map(|bucket| u128::from(bucket.count)).sum();
    let wanted = ((all as f64 * part).ceil() as u128).clamp(1, all.max(1));
    let mut counted = 0;
    let reached = buckets.iter().find(|bucket| {
        counted += u128::from(bucket.count);
        counted >= wanted
    });
    reached.map(|bucket| bucket.up_to_ns)
}

/// Draws one character per bucket, its height relative to the fullest bucket.
fn bars(buckets: &[TimeBucket], from: u32, to: u32) -> String {
    let count = |at| -> u128 {
        let here = buckets.iter().filter(|bucket| place(bucket) == at);
        here.map(|bucket| u128::from(bucket.count)).sum()
    };
    let most = (from..=to).map(count).max().unwrap_or(0).max(1);
    let bar = |at| match count(at) {
        0 => ' ',
        count => {
            let height = (count * BARS.len() as u128 / most) as usize;
            BARS[height.saturating_sub(1)]
        }
    };
    (from..=to).map(bar).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(name: &str, times: &[(u64, u64)]) -> StrategyLine {
        StrategyLine {
            name: name.to_owned(),
            event_times: times
                .iter()
                .map(|&(up_to_ns, count)| TimeBucket { up_to_ns, count })
                .collect(),
            ..StrategyLine::default()
        }
    }

    #[test]
    fn histograms_share_one_scale() {
        let lines = [
            line("a", &[(256, 1_000), (512, 500), (4_096, 1)]),
            line("untimed", &[]),
            line("b", &[(128, 8)]),
        ];
        let text = [
            "",
            "time per event     p50     p99       max  64 ns to 4,096 ns",
            "a               256 ns  512 ns  4,096 ns   █▄  ▁",
            "b               128 ns  128 ns    128 ns  █",
            "",
        ];
        assert_eq!(times(&lines), text.join("\n"));
        assert_eq!(times(&lines[1..2]), "");
    }

    #[test]
    fn the_last_bucket_has_no_bound_and_senseless_bounds_do_no_harm() {
        let text = times(&[line("a", &[(1, 1), (u64::MAX, 3)])]);
        assert!(
            text.contains("longer  longer  longer  ▂                              █"),
            "{text}"
        );
        let text = times(&[line("a", &[(0, u64::MAX), (7, 0), (1 << 40, u64::MAX)])]);
        assert!(text.contains("1,099,511,627,776 ns"), "{text}");
        let text = times(&[line("a", &[(64, 0)])]);
        assert!(text.contains("a                 -    -    -"), "{text}");
    }

    #[test]
    fn a_quantile_is_the_bound_that_its_part_does_not_exceed() {
        let times = line("a", &[(2, 98), (4, 1), (8, 1)]).event_times;
        let of = |part| quantile(&times, part);
        assert_eq!(
            [of(0.5), of(0.98), of(0.99), of(1.0)],
            [Some(2), Some(2), Some(4), Some(8)]
        );
        assert_eq!(quantile(&[], 0.5), None);
    }
}

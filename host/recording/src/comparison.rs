//! Compares the decisions of two runs: which of them are the same, and which only one run made.

use std::collections::{BTreeMap, HashMap};
use tickdeck_engine::AppliedAction;
use tickdeck_model::{Action, OrderNumber, StrategyId, Timestamp};

/// The decisions in which two runs differ.
#[derive(Debug, Default, PartialEq)]
pub struct Comparison {
    /// The counts of each strategy.
    pub strategies: BTreeMap<StrategyId, Counts>,
    /// Decisions of one run only, ordered by time.
    pub differences: Vec<Difference>,
}

/// Counts of one strategy's decisions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Made by both runs.
    pub same: u64,
    /// Made by the recorded run only.
    pub only_recorded: u64,
    /// Made by the new run only.
    pub only_new: u64,
}

/// A decision of one run only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Whether the recorded run made it, or the new one.
    pub recorded: bool,
    /// The decision.
    pub applied: AppliedAction,
}

/// A decision without its order number: one order more or less shifts all numbers after it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    at: Timestamp,
    strategy: StrategyId,
    action: [u8; Action::SIZE],
    /// When the order that it concerns was sent, and its place among the orders of that time.
    about: Option<(Timestamp, u32)>,
}

/// Compares the decisions of two runs.
pub fn compare(recorded: &[AppliedAction], new: &[AppliedAction]) -> Comparison {
    let (before, after) = (keys(recorded), keys(new));
    let mut open: HashMap<&Key, u64> = HashMap::new();
    for key in &before {
        *open.entry(key).or_default() += 1;
    }
    let mut comparison = Comparison::default();
    for (key, applied) in after.iter().zip(new) {
        let counts = comparison.strategies.entry(applied.strategy).or_default();
        match open.get_mut(key).filter(|left| **left > 0) {
            Some(left) => {
                *left -= 1;
                counts.same += 1;
            }
            None => {
                counts.only_new += 1;
                let (recorded, applied) = (false, *applied);
                comparison
                    .differences
                    .push(Difference { recorded, applied });
            }
        }
    }
    // From the end: of equal ones, the first were found.
    for (key, applied) in before.iter().zip(recorded).rev() {
        if let Some(left) = open.get_mut(key).filter(|left| **left > 0) {
            *left -= 1;
            comparison
                .strategies
                .entry(applied.strategy)
                .or_default()
                .only_recorded += 1;
            let (recorded, applied) = (true, *applied);
            comparison
                .differences
                .push(Difference { recorded, applied });
        }
    }
    comparison.differences.sort_by_key(|difference| {
        (
            difference.applied.at,
            difference.applied.strategy,
            !difference.recorded,
        )
    });
    comparison
}

fn keys(applied: &[AppliedAction]) -> Vec<Key> {
    let mut sent: HashMap<(StrategyId, OrderNumber), (Timestamp, u32)> = HashMap::new();
    let mut last: HashMap<StrategyId, (Timestamp, u32)> = HashMap::new();
    let mut keys = Vec::with_capacity(applied.len());
    for AppliedAction {
        at,
        strategy,
        action,
        ..
    } in applied
    {
        let (mut action, mut about) = (*action, None);
        match &mut action {
            Action::Submit(order) => {
                let name = match last.get(strategy) {
                    Some((time, count)) if time == at => (*at, count + 1),
                    _ => (*at, 0),
                };
                last.insert(*strategy, name);
                sent.insert((*strategy, order.order), name);
                order.order = 0;
            }
            Action::Modify(modify) => {
                about = sent.get(&(*strategy, modify.order)).copied();
                modify.order = 0;
            }
            Action::Cancel(number) => {
                about = sent.get(&(*strategy, *number)).copied();
                *number = 0;
            }
            _ => {}
        }
        keys.push(Key {
            at: *at,
            strategy: *strategy,
            action: action.to_bytes(),
            about,
        });
    }
    keys
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cancel(at: Timestamp, number: OrderNumber) -> AppliedAction {
        AppliedAction {
            cause: at.unsigned_abs(),
            at,
            leaves_at: Timestamp::MIN,
            strategy: StrategyId(1),
            ordinal: 0,
            late: false,
            action: Action::Cancel(number),
        }
    }

    fn timer(at: Timestamp, id: u32) -> AppliedAction {
        AppliedAction {
            action: Action::ClearTimer(id),
            ..cancel(at, 0)
        }
    }

    #[test]
    fn an_additional_decision_is_the_only_difference() {
        let recorded = [timer(1, 1), timer(2, 2), timer(2, 2)];
        let new = [timer(1, 1), timer(2, 2), timer(2, 2), timer(2, 2)];
        let comparison = compare(&recorded, &new);
        assert_eq!(
            comparison.differences,
            [Difference {
                recorded: false,
                applied: timer(2, 2)
            }]
        );
        let counts = comparison.strategies[&StrategyId(1)];
        assert_eq!(
            (counts.same, counts.only_recorded, counts.only_new),
            (3, 0, 1)
        );
    }

    #[test]
    fn a_decision_at_another_time_counts_once_for_each_run() {
        let comparison = compare(&[timer(1, 1), timer(5, 2)], &[timer(1, 1), timer(4, 2)]);
        let found: Vec<_> = comparison
            .differences
            .iter()
            .map(|difference| (difference.recorded, difference.applied.at))
            .collect();
        assert_eq!(found, [(false, 4), (true, 5)]);
    }

    #[test]
    fn order_numbers_alone_are_no_difference() {
        // Orders that were never seen sent count as one.
        assert!(
            compare(&[cancel(3, 7)], &[cancel(3, 9)])
                .differences
                .is_empty()
        );
    }
}

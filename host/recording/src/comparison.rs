//! Two runs side by side: which decisions are the same, and which only one of them made.

use std::collections::{BTreeMap, HashMap};
use tickdeck_engine::AppliedAction;
use tickdeck_model::{Action, OrderNumber, StrategyId, Timestamp};

/// What two runs decided differently.
#[derive(Debug, Default, PartialEq)]
pub struct Comparison {
    /// By strategy.
    pub strategies: BTreeMap<StrategyId, Counts>,
    /// Decisions of one run only, by time.
    pub differences: Vec<Difference>,
}

/// Decisions of one strategy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Of both runs.
    pub same: u64,
    /// Of the recorded run only.
    pub gone: u64,
    /// Of the new run only.
    pub new: u64,
}

/// A decision of one run only.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Difference {
    /// Whether the recorded run made it, or the new one.
    pub recorded: bool,
    /// The decision.
    pub acted: AppliedAction,
}

/// A decision apart from how orders are numbered: numbers shift with the first order more or less.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Key {
    at: Timestamp,
    strategy: StrategyId,
    action: [u8; Action::SIZE],
    /// When the order that it is about was sent, and as which of that time.
    about: Option<(Timestamp, u32)>,
}

/// Compares what two runs decided.
pub fn compare(recorded: &[AppliedAction], new: &[AppliedAction]) -> Comparison {
    let (before, after) = (keys(recorded), keys(new));
    let mut open: HashMap<&Key, u64> = HashMap::new();
    for key in &before {
        *open.entry(key).or_default() += 1;
    }
    let mut comparison = Comparison::default();
    for (key, acted) in after.iter().zip(new) {
        let counts = comparison.strategies.entry(acted.strategy).or_default();
        match open.get_mut(key).filter(|left| **left > 0) {
            Some(left) => {
                *left -= 1;
                counts.same += 1;
            }
            None => {
                counts.new += 1;
                let (recorded, acted) = (false, *acted);
                comparison.differences.push(Difference { recorded, acted });
            }
        }
    }
    // From the end: of equal ones, the first were found.
    for (key, acted) in before.iter().zip(recorded).rev() {
        if let Some(left) = open.get_mut(key).filter(|left| **left > 0) {
            *left -= 1;
            comparison
                .strategies
                .entry(acted.strategy)
                .or_default()
                .gone += 1;
            let (recorded, acted) = (true, *acted);
            comparison.differences.push(Difference { recorded, acted });
        }
    }
    comparison.differences.sort_by_key(|difference| {
        (
            difference.acted.at,
            difference.acted.strategy,
            !difference.recorded,
        )
    });
    comparison
}

fn keys(acted: &[AppliedAction]) -> Vec<Key> {
    let mut sent: HashMap<(StrategyId, OrderNumber), (Timestamp, u32)> = HashMap::new();
    let mut last: HashMap<StrategyId, (Timestamp, u32)> = HashMap::new();
    let mut keys = Vec::with_capacity(acted.len());
    for AppliedAction {
        at,
        strategy,
        action,
        ..
    } in acted
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
    fn a_decision_more_is_the_only_difference() {
        let recorded = [timer(1, 1), timer(2, 2), timer(2, 2)];
        let new = [timer(1, 1), timer(2, 2), timer(2, 2), timer(2, 2)];
        let comparison = compare(&recorded, &new);
        assert_eq!(
            comparison.differences,
            [Difference {
                recorded: false,
                acted: timer(2, 2)
            }]
        );
        let counts = comparison.strategies[&StrategyId(1)];
        assert_eq!((counts.same, counts.gone, counts.new), (3, 0, 1));
    }

    #[test]
    fn a_decision_at_another_time_is_one_less_and_one_more() {
        let comparison = compare(&[timer(1, 1), timer(5, 2)], &[timer(1, 1), timer(4, 2)]);
        let found: Vec<_> = comparison
            .differences
            .iter()
            .map(|difference| (difference.recorded, difference.acted.at))
            .collect();
        assert_eq!(found, [(false, 4), (true, 5)]);
    }

    #[test]
    fn numbers_of_orders_alone_are_no_difference() {
        // Orders that were never seen sent count as one.
        assert!(
            compare(&[cancel(3, 7)], &[cancel(3, 9)])
                .differences
                .is_empty()
        );
    }
}

//! Orders that work until a date, which the host watches: not every venue does, and it holds some of them itself.

use std::collections::BTreeSet;
use tickdeck_model::{ClientOrderId, Timestamp};

/// Entries of which some may be of orders that have ended, before those are looked for.
const MOST_STALE: usize = 1_024;

/// When orders expire, soonest first, and of one time in the order of their ids.
#[derive(Debug, Default)]
pub(super) struct Expiries {
    due: BTreeSet<(Timestamp, ClientOrderId)>,
    /// The number of entries from which on those of ended orders are removed.
    most: usize,
}

impl Expiries {
    /// Notes when an order expires.
    pub(super) fn add(
        &mut self,
        at: Timestamp,
        id: ClientOrderId,
        is_live: impl Fn(ClientOrderId) -> bool,
    ) {
        if self.due.len() >= self.most.max(MOST_STALE) {
            self.due.retain(|(_, id)| is_live(*id));
            self.most = 2 * self.due.len();
        }
        self.due.insert((at, id));
    }

    /// Takes an order whose time has come.
    pub(super) fn take_due(&mut self, now: Timestamp) -> Option<ClientOrderId> {
        let (at, id) = *self.due.first().filter(|(at, _)| *at <= now)?;
        self.due.remove(&(at, id));
        Some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_model::StrategyId;

    #[test]
    fn what_ended_before_its_date_is_forgotten_and_the_rest_is_due_in_order() {
        let id = |number| ClientOrderId {
            strategy: StrategyId(1),
            number,
        };
        let mut expiries = Expiries::default();
        for number in 0..10_000 {
            expiries.add(20_000 - number as i64, id(number), |id| {
                id.number % 1_000 == 0
            });
            assert!(expiries.due.len() <= 2 * MOST_STALE, "{number}");
        }
        assert_eq!(expiries.take_due(10_000), None);
        let due: Vec<u64> = std::iter::from_fn(|| expiries.take_due(30_000))
            .map(|id| id.number)
            .filter(|number| number % 1_000 == 0)
            .collect();
        assert_eq!(
            due,
            [
                9_000, 8_000, 7_000, 6_000, 5_000, 4_000, 3_000, 2_000, 1_000, 0
            ]
        );
    }
}

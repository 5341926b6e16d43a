//! Timers of strategies, fired by event time.

use std::collections::{BTreeMap, BTreeSet};
use tickdeck_model::{END_OF_TIME, Event, Pad, StrategyId, Timer, Timestamp};

/// Timers waiting to fire.
#[derive(Debug, Default)]
pub(crate) struct Timers {
    /// When to fire, when it was due, and what for. What fires at the same time fires in the order in which it was due.
    queue: BTreeSet<(Timestamp, Timestamp, StrategyId, u32)>,
    /// By strategy and timer id: when to fire, and when it was due.
    set: BTreeMap<(StrategyId, u32), (Timestamp, Timestamp)>,
}

impl Timers {
    /// Sets or replaces a timer. It fires at `due`, but not before `earliest`; one beyond the end of time never does.
    pub(crate) fn set(
        &mut self,
        strategy: StrategyId,
        id: u32,
        due: Timestamp,
        earliest: Timestamp,
    ) {
        self.clear(strategy, id);
        let fires = due.max(earliest);
        self.set.insert((strategy, id), (fires, due));
        self.queue.insert((fires, due, strategy, id));
    }

    pub(crate) fn clear(&mut self, strategy: StrategyId, id: u32) {
        if let Some((fires, due)) = self.set.remove(&(strategy, id)) {
            self.queue.remove(&(fires, due, strategy, id));
        }
    }

    pub(crate) fn clear_all(&mut self, strategy: StrategyId) {
        let ids: Vec<u32> = self
            .set
            .range((strategy, 0)..=(strategy, u32::MAX))
            .map(|((_, id), _)| *id)
            .collect();
        ids.into_iter().for_each(|id| self.clear(strategy, id));
    }

    /// When the next one fires.
    pub(crate) fn next_due(&self) -> Option<Timestamp> {
        let next = self.queue.first().map(|(fires, ..)| *fires);
        next.filter(|fires| *fires < END_OF_TIME)
    }

    /// Appends the firing of every timer before `until`.
    pub(crate) fn fire(&mut self, until: Timestamp, out: &mut Vec<Event>) {
        while let Some((fires, due, strategy, id)) = self
            .queue
            .first()
            .copied()
            .filter(|(fires, ..)| *fires < until.min(END_OF_TIME))
        {
            self.clear(strategy, id);
            out.push(Event::new(
                fires,
                fires,
                Timer {
                    reserved: Pad::ZERO,
                    strategy,
                    id,
                    due,
                },
            ));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_model::Body;

    #[test]
    fn a_timer_behind_the_end_of_time_never_fires_and_is_never_due() {
        let mut timers = Timers::default();
        for (id, due) in [(1, END_OF_TIME), (2, Timestamp::MAX), (3, END_OF_TIME - 1)] {
            timers.set(StrategyId(1), id, due, 10);
        }
        assert_eq!(timers.next_due(), Some(END_OF_TIME - 1));
        let mut out = Vec::new();
        timers.fire(Timestamp::MAX, &mut out);
        assert_eq!(out.len(), 1);
        assert_eq!(timers.next_due(), None);
        timers.clear_all(StrategyId(1));
        assert!(timers.queue.is_empty());
    }

    #[test]
    fn a_timer_fires_once_in_order_and_never_before_it_may() {
        let mut timers = Timers::default();
        let (first, second) = (StrategyId(1), StrategyId(2));
        timers.set(second, 7, 50, 10);
        timers.set(first, 7, 5, 10);
        timers.set(first, 8, 20, 10);
        timers.set(first, 8, 60, 10);
        timers.clear(first, 99);
        assert_eq!(timers.next_due(), Some(10));
        let mut out = Vec::new();
        timers.fire(60, &mut out);
        let fired: Vec<_> = out
            .iter()
            .map(|event| match event.body() {
                Body::Timer(timer) => (event.ts_host, timer.strategy, timer.id, timer.due),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(fired, [(10, first, 7, 5), (50, second, 7, 50)]);
        timers.clear_all(first);
        assert_eq!(timers.next_due(), None);
    }

    #[test]
    fn overdue_timers_fire_in_the_order_in_which_they_were_due() {
        let mut timers = Timers::default();
        let (first, second) = (StrategyId(1), StrategyId(2));
        timers.set(first, 1, 5, 10);
        timers.set(first, 2, 3, 10);
        timers.set(second, 1, 4, 10);
        let mut out = Vec::new();
        timers.fire(60, &mut out);
        let fired: Vec<_> = out
            .iter()
            .map(|event| match event.body() {
                Body::Timer(timer) => (timer.due, timer.strategy, timer.id),
                other => panic!("{other:?}"),
            })
            .collect();
        assert_eq!(fired, [(3, first, 2), (4, second, 1), (5, first, 1)]);
    }
}

//! Quotas of a strategy: named bounds on what its actions set in motion, beyond the 256 of one call.
//!
//! Otherwise, a strategy that answers its own timers or signals would keep event time from advancing, and one that names
//! ever new feeds would fill the memory. Everything is counted by event time, so the bounds apply at the same action in
//! every run.

use crate::port::{Fault, ORDERS_PER_RUN};
use std::collections::{HashMap, HashSet};
use tickdeck_model::{Action, Feed, FeedRequest, Instrument, OrderNumber, Timer, Timestamp};

/// Maximum number of pending timers.
const MAX_TIMERS: usize = 1_024;
/// Maximum number of feeds at a time.
const MAX_FEEDS: usize = 4_096;
/// Maximum number of kinds of bars at a time; each adds a cost to every event.
const MAX_BARS: usize = 64;

const NS_PER_SECOND: i64 = 1_000_000_000;

/// What one strategy has used of its quota.
#[derive(Debug, Clone)]
pub(crate) struct Quota {
    instruments: u32,
    max_actions_per_s: u32,
    feeds: HashSet<FeedRequest>,
    /// When each pending timer is due, by its id.
    timers: HashMap<u32, Timestamp>,
    /// The current second of event time, and the actions in it.
    second: (Timestamp, u32),
    last_order: OrderNumber,
}

impl Quota {
    pub(crate) fn new(
        instruments: &[Instrument],
        max_actions_per_s: u32,
        feeds: &[FeedRequest],
        last_order: OrderNumber,
    ) -> Self {
        Self {
            instruments: instruments.len() as u32,
            max_actions_per_s,
            feeds: feeds.iter().copied().collect(),
            timers: HashMap::new(),
            second: (0, 0),
            last_order,
        }
    }

    /// Admits an action, or returns the bound that it exceeds.
    pub(crate) fn admit(&mut self, at: Timestamp, action: &Action) -> Result<(), Fault> {
        self.count(at)?;
        match action {
            Action::Submit(order) if order.order > self.last_order => Err(Fault(format!(
                "order number {} is beyond the {ORDERS_PER_RUN} set aside for this run: count up by one",
                order.order
            ))),
            Action::SetTimer(timer) => {
                self.timers.insert(timer.id, timer.due);
                within("timers waiting", self.timers.len(), MAX_TIMERS)
            }
            Action::ClearTimer(id) => {
                self.timers.remove(id);
                Ok(())
            }
            Action::Subscribe(request) => self.subscribe(request),
            Action::Unsubscribe(request) => {
                self.feeds.remove(request);
                Ok(())
            }
            _ => Ok(()),
        }
    }

    /// Switches to another version, with other feeds in its manifest.
    pub(crate) fn change_feeds(&mut self, before: &[FeedRequest], after: &[FeedRequest]) {
        self.feeds
            .retain(|feed| !before.contains(feed) || after.contains(feed));
        self.feeds.extend(after);
    }

    /// Clears the timers of a strategy that ended.
    pub(crate) fn timers_are_gone(&mut self) {
        self.timers.clear();
    }

    /// Bytes that its timers and feeds use, here and where they are served.
    pub(crate) fn bytes(&self) -> usize {
        2 * (self.feeds.capacity() * size_of::<FeedRequest>()
            + self.timers.capacity() * size_of::<(u32, Timestamp)>())
    }

    /// Takes a timer that fires. Returns false if it is not pending: the strategy cleared or replaced it in the meantime, when
    /// the event was under way.
    pub(crate) fn take_timer(&mut self, timer: &Timer) -> bool {
        let is_pending = self.timers.get(&timer.id) == Some(&timer.due);
        if is_pending {
            self.timers.remove(&timer.id);
        }
        is_pending
    }

    fn count(&mut self, at: Timestamp) -> Result<(), Fault> {
        let second = at.div_euclid(NS_PER_SECOND);
        if self.second.0 != second {
            self.second = (second, 0);
        }
        self.second.1 += 1;
        if self.second.1 > self.max_actions_per_s {
            return Err(Fault(format!(
                "more than {} actions in a second of event time; the limit is `max_actions_per_s`",
                self.max_actions_per_s
            )));
        }
        Ok(())
    }

    fn subscribe(&mut self, request: &FeedRequest) -> Result<(), Fault> {
        if request.feed != Feed::Signals && request.target >= self.instruments {
            return Err(Fault(format!(
                "subscribe: there is no instrument {}, the last is {}",
                request.target,
                self.instruments.saturating_sub(1)
            )));
        }
        if request.feed == Feed::Bars && request.step == 0 {
            return Err(Fault("subscribe: bars need a step above 0".to_owned()));
        }
        self.feeds.insert(*request);
        let bars = self.feeds.iter().filter(|feed| feed.feed == Feed::Bars);
        within("kinds of bar", bars.count(), MAX_BARS)?;
        within("feeds", self.feeds.len(), MAX_FEEDS)
    }
}

fn within(what: &str, count: usize, limit: usize) -> Result<(), Fault> {
    if count > limit {
        return Err(Fault(format!("{count} {what}; the limit is {limit}")));
    }
    Ok(())
}

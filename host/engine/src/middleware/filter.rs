//! Filters for duplicate and stale events.

use super::event::{Derived, Middleware, Verdict};
use tickdeck_model::{Event, Kind, View};

/// Drops public trades whose number is not above the last one of their instrument.
#[derive(Debug, Default)]
pub struct DropDuplicates {
    /// The number that the next trade must reach, by instrument.
    next_trade: Vec<u64>,
}

impl Middleware for DropDuplicates {
    fn on_event(&mut self, event: &Event, _: &mut Derived) -> Verdict {
        let View::Trade(trade) = event.view() else {
            return Verdict::Pass;
        };
        let at = trade.instrument.index();
        if at >= self.next_trade.len() {
            self.next_trade.resize(at + 1, 0);
        }
        if trade.trade_id < self.next_trade[at] {
            return Verdict::Drop;
        }
        self.next_trade[at] = trade.trade_id.saturating_add(1);
        Verdict::Pass
    }
}

/// Drops quotes and trades that were too old on arrival.
///
/// Book updates pass: a book with gaps is worse than a late one, and the gateway marks a stale one.
#[derive(Debug)]
pub struct DropStale {
    max_age_ns: i64,
}

impl DropStale {
    /// Drops events that were older than `max_age_ns` on arrival.
    pub fn new(max_age_ns: u64) -> Self {
        Self {
            max_age_ns: i64::try_from(max_age_ns).unwrap_or(i64::MAX),
        }
    }
}

impl Middleware for DropStale {
    fn on_event(&mut self, event: &Event, _: &mut Derived) -> Verdict {
        let ages = matches!(event.kind(), Kind::Quote | Kind::Trade);
        if ages && event.ts_host.saturating_sub(event.ts_venue) > self.max_age_ns {
            Verdict::Drop
        } else {
            Verdict::Pass
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tickdeck_model::{Aggressor, InstrumentId, Pad, Price, Size, Trade};

    fn trade(instrument: u32, trade_id: u64, age: i64) -> Event {
        let trade = Trade {
            reserved: Pad::ZERO,
            instrument: InstrumentId(instrument),
            aggressor: Aggressor::Buyer,
            pad: Pad::ZERO,
            price: Price(1),
            size: Size(1),
            trade_id,
        };
        Event::new(1_000 - age, 1_000, trade)
    }

    #[test]
    fn a_trade_that_comes_again_is_dropped_for_its_instrument_only() {
        let mut filter = DropDuplicates::default();
        let mut run =
            |instrument, id| filter.on_event(&trade(instrument, id, 0), &mut Derived::default());
        assert_eq!(run(0, 5), Verdict::Pass);
        assert_eq!(run(0, 5), Verdict::Drop);
        assert_eq!(run(0, 4), Verdict::Drop);
        assert_eq!(run(1, 5), Verdict::Pass);
        assert_eq!(run(0, 6), Verdict::Pass);
    }

    #[test]
    fn an_event_older_than_the_limit_is_dropped() {
        let mut filter = DropStale::new(100);
        assert_eq!(
            filter.on_event(&trade(0, 1, 100), &mut Derived::default()),
            Verdict::Pass
        );
        assert_eq!(
            filter.on_event(&trade(0, 2, 101), &mut Derived::default()),
            Verdict::Drop
        );
    }
}

//! Bars by time, trade count and volume.
//!
//! Time bars are aligned to 1970-01-01 UTC on host time, because only host time never decreases: a bar, once sent, is
//! complete. They are closed by the first event of any kind at or after their end, and are sent before it. A bar that had begun
//! before its builder saw the first event is a part and is not sent: so everybody gets the same bars, whenever they subscribed, and
//! the first one whole. Count and volume bars begin with the subscription. They are closed by the trade that fills them, and are
//! sent after it; a trade is never split.

use super::event::{Derived, Middleware, Verdict};
use tickdeck_model::{Bar, BarBasis, Body, Event, InstrumentId, Kind, Pad, Size, Timestamp, Trade};

/// A specification of bars.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct BarSpec {
    /// The instrument.
    pub instrument: InstrumentId,
    /// What closes a bar.
    pub basis: BarBasis,
    /// Milliseconds, trades or lots; above zero.
    pub step: u32,
}

/// Builds one kind of bar.
#[derive(Debug)]
pub struct BarBuilder {
    spec: BarSpec,
    /// Size at which a volume bar is full.
    full_volume: i64,
    /// The host time of the first event that it saw.
    since: Option<Timestamp>,
    open: Option<Open>,
}

#[derive(Debug)]
struct Open {
    bar: Bar,
    /// For time bars, the first host time of it, and the first beyond it.
    begin: Timestamp,
    end: Timestamp,
}

const NS_PER_MS: i64 = 1_000_000;

impl BarBuilder {
    /// Creates a builder for `spec`; `lot` is the instrument's lot size, in which volume steps are counted.
    pub fn new(spec: BarSpec, lot: Size) -> Self {
        Self {
            spec,
            full_volume: i64::from(spec.step).saturating_mul(lot.0),
            since: None,
            open: None,
        }
    }

    /// Returns the specification of its bars.
    pub fn spec(&self) -> BarSpec {
        self.spec
    }

    fn add(&mut self, trade: &Trade, ts_host: Timestamp) {
        let spec = self.spec;
        let open = self.open.get_or_insert_with(|| {
            let (begin, end) = interval(spec, ts_host);
            Open {
                bar: first(spec, trade),
                begin,
                end,
            }
        });
        let bar = &mut open.bar;
        bar.high = bar.high.max(trade.price);
        bar.low = bar.low.min(trade.price);
        bar.close = trade.price;
        bar.volume = Size(bar.volume.0.saturating_add(trade.size.0));
        bar.trades = bar.trades.saturating_add(1);
    }

    fn is_full(&self) -> bool {
        self.open
            .as_ref()
            .is_some_and(|open| match self.spec.basis {
                BarBasis::Time => false,
                BarBasis::Trades => open.bar.trades >= self.spec.step,
                BarBasis::Volume => open.bar.volume.0 >= self.full_volume,
            })
    }
}

/// An empty bar at the trade's price.
fn first(spec: BarSpec, trade: &Trade) -> Bar {
    Bar {
        reserved: Pad::ZERO,
        instrument: spec.instrument,
        step: spec.step,
        open: trade.price,
        high: trade.price,
        low: trade.price,
        close: trade.price,
        volume: Size::ZERO,
        trades: 0,
        basis: spec.basis,
        pad: Pad::ZERO,
    }
}

/// The first host time of a bar, and the first beyond it.
fn interval(spec: BarSpec, ts_host: Timestamp) -> (Timestamp, Timestamp) {
    let step = i64::from(spec.step) * NS_PER_MS;
    let number = ts_host.div_euclid(step.max(1));
    match spec.basis {
        BarBasis::Time => (
            number.saturating_mul(step),
            (number + 1).saturating_mul(step),
        ),
        BarBasis::Trades | BarBasis::Volume => (Timestamp::MIN, Timestamp::MAX),
    }
}

impl Middleware for BarBuilder {
    fn on_event(&mut self, event: &Event, derived: &mut Derived) -> Verdict {
        let since = *self.since.get_or_insert(event.ts_host);
        let ended = self.open.take_if(|open| event.ts_host >= open.end);
        if let Some(open) =
            ended.filter(|open| self.spec.basis != BarBasis::Time || open.begin >= since)
        {
            derived.before(event, Event::new(open.end, event.ts_host, open.bar));
        }
        if event.kind() == Kind::Trade
            && event.instrument() == Some(self.spec.instrument)
            && let Body::Trade(trade) = event.body()
        {
            self.add(&trade, event.ts_host);
            if self.is_full()
                && let Some(open) = self.open.take()
            {
                derived.after(event, Event::new(event.ts_venue, event.ts_host, open.bar));
            }
        }
        Verdict::Pass
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::middleware::Chain;
    use tickdeck_model::{Aggressor, Price};

    fn trade(sequence: u64, at_ms: i64, price: i64, size: i64) -> Event {
        let trade = Trade {
            reserved: Pad::ZERO,
            instrument: InstrumentId(0),
            aggressor: Aggressor::Buyer,
            pad: Pad::ZERO,
            price: Price(price),
            size: Size(size),
            trade_id: sequence,
        };
        Event::new(at_ms * NS_PER_MS, at_ms * NS_PER_MS, trade).with_sequence(sequence)
    }

    fn bars(basis: BarBasis, step: u32, events: &[Event]) -> Vec<(u64, [i64; 6])> {
        let mut chain = Chain::default();
        let spec = BarSpec {
            instrument: InstrumentId(0),
            basis,
            step,
        };
        chain.start_bars(BarBuilder::new(spec, Size(10)), vec![0]);
        let mut seen = Vec::new();
        for event in events {
            chain.run(event, |out, _| {
                if let Body::Bar(bar) = out.body() {
                    let prices = [bar.open, bar.high, bar.low, bar.close].map(|price| price.0);
                    let [open, high, low, close] = prices;
                    seen.push((
                        out.sequence,
                        [open, high, low, close, bar.volume.0, i64::from(bar.trades)],
                    ));
                }
            });
        }
        seen
    }

    #[test]
    fn a_time_bar_holds_the_trades_of_its_interval_and_carries_the_sequence_that_closed_it() {
        let events = [
            trade(1, 0, 5, 1),
            trade(2, 999, 9, 2),
            trade(3, 1_000, 7, 4),
            trade(4, 3_500, 1, 8),
        ];
        let expected = [(3, [5, 9, 5, 9, 3, 2]), (4, [7, 7, 7, 7, 4, 1])];
        assert_eq!(bars(BarBasis::Time, 1_000, &events), expected);
    }

    #[test]
    fn whoever_subscribes_within_a_bar_gets_the_next_one_first_and_then_those_of_all_others() {
        let events: Vec<Event> = (1..40)
            .map(|number| trade(number, 90 * number as i64, 7 + number as i64 % 5, 1))
            .collect();
        let all = bars(BarBasis::Time, 1_000, &events);
        assert_eq!(all.len(), 2, "the first second had begun: {all:?}");
        for later in 1..events.len() {
            let late = bars(BarBasis::Time, 1_000, &events[later..]);
            assert!(all.ends_with(&late), "{later}: {late:?} of {all:?}");
        }
    }

    #[test]
    fn a_count_bar_closes_with_its_last_trade() {
        let events = [trade(1, 0, 5, 1), trade(2, 0, 4, 1), trade(3, 0, 6, 1)];
        assert_eq!(
            bars(BarBasis::Trades, 2, &events),
            [(2, [5, 5, 4, 4, 2, 2])]
        );
    }

    #[test]
    fn a_volume_bar_closes_once_its_lots_are_reached() {
        let events = [trade(1, 0, 5, 15), trade(2, 0, 4, 20), trade(3, 0, 6, 1)];
        assert_eq!(
            bars(BarBasis::Volume, 3, &events),
            [(2, [5, 5, 4, 4, 35, 2])]
        );
    }
}

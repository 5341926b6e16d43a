//! Conflation of quotes by event time.

use super::event::{Derived, Middleware, Verdict};
use tickdeck_model::{Body, Event, InstrumentId, Kind, Quote, Timestamp};

/// Passes at most one quote per instrument in an interval of event time. Of the quotes held back, the latest is sent before
/// the first event after the interval, unless that is a newer quote of the instrument, which passes instead.
#[derive(Debug)]
pub struct ConflateQuotes {
    interval_ns: i64,
    by_instrument: Vec<Option<Held>>,
    /// Earliest end among the intervals that hold a quote back.
    next_due: Timestamp,
}

#[derive(Debug, Clone, Copy)]
struct Held {
    until: Timestamp,
    quote: Option<(Timestamp, Quote)>,
}

impl ConflateQuotes {
    /// Passes at most one quote per instrument in `interval_ns`.
    pub fn new(interval_ns: u64) -> Self {
        let interval_ns = i64::try_from(interval_ns).unwrap_or(i64::MAX);
        Self {
            interval_ns,
            by_instrument: Vec::new(),
            next_due: Timestamp::MAX,
        }
    }

    fn release_due(&mut self, cause: &Event, derived: &mut Derived) {
        self.next_due = Timestamp::MAX;
        let newer = match cause.kind() {
            Kind::Quote => cause.instrument(),
            _ => None,
        };
        for (index, held) in self.by_instrument.iter_mut().enumerate() {
            let Some(held) = held else {
                continue;
            };
            if held.until > cause.ts_host {
                if held.quote.is_some() {
                    self.next_due = self.next_due.min(held.until);
                }
            } else if newer.is_some_and(|newer| newer.index() == index) {
                held.quote = None;
            } else if let Some((ts_venue, quote)) = held.quote.take() {
                derived.before(cause, Event::new(ts_venue, cause.ts_host, quote));
                held.until = cause.ts_host.saturating_add(self.interval_ns);
            }
        }
    }

    fn slot(&mut self, instrument: InstrumentId) -> &mut Option<Held> {
        let at = instrument.index();
        if at >= self.by_instrument.len() {
            self.by_instrument.resize(at + 1, None);
        }
        &mut self.by_instrument[at]
    }
}

impl Middleware for ConflateQuotes {
    fn on_event(&mut self, event: &Event, derived: &mut Derived) -> Verdict {
        if event.ts_host >= self.next_due {
            self.release_due(event, derived);
        }
        if event.kind() != Kind::Quote {
            return Verdict::Pass;
        }
        let Body::Quote(quote) = event.body() else {
            return Verdict::Pass;
        };
        let (now, interval_ns) = (event.ts_host, self.interval_ns);
        match self.slot(quote.instrument) {
            Some(held) if held.until > now => {
                held.quote = Some((event.ts_venue, quote));
                let until = held.until;
                self.next_due = self.next_due.min(until);
                Verdict::Drop
            }
            slot => {
                *slot = Some(Held {
                    until: now.saturating_add(interval_ns),
                    quote: None,
                });
                Verdict::Pass
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::middleware::Chain;
    use proptest::prelude::*;
    use tickdeck_model::{Aggressor, Pad, Price, Size, Trade};

    fn quote(sequence: u64, at: Timestamp, bid: i64) -> Event {
        quote_of(0, sequence, at, bid)
    }

    fn trade(at: Timestamp) -> Event {
        let trade = Trade {
            reserved: Pad::ZERO,
            instrument: InstrumentId(0),
            aggressor: Aggressor::Buyer,
            pad: Pad::ZERO,
            price: Price(1),
            size: Size(1),
            trade_id: 1,
        };
        Event::new(at, at, trade)
    }

    fn quote_of(instrument: u32, sequence: u64, at: Timestamp, bid: i64) -> Event {
        let quote = Quote {
            reserved: Pad::ZERO,
            instrument: InstrumentId(instrument),
            pad: Pad::ZERO,
            bid: Price(bid),
            bid_size: Size(1),
            ask: Price(bid + 1),
            ask_size: Size(1),
        };
        Event::new(at, at, quote).with_sequence(sequence)
    }

    #[test]
    fn the_latest_quote_of_an_interval_follows_it_and_the_others_are_gone() {
        let mut chain = Chain::default();
        chain.push(Box::new(ConflateQuotes::new(100)));
        let mut seen = Vec::new();
        for event in [
            quote(1, 0, 10),
            quote(2, 30, 11),
            quote(3, 60, 12),
            quote(4, 100, 13),
            quote(5, 250, 14),
        ] {
            chain.run(&event, |out, _| {
                let Body::Quote(quote) = out.body() else {
                    panic!("only quotes went in")
                };
                seen.push((out.sequence, out.ts_host, quote.bid.0));
            });
        }
        assert_eq!(seen, [(1, 0, 10), (4, 100, 13), (5, 250, 14)]);
    }

    proptest! {
        /// Whoever decides by a quote decides by one that was the newest of its instrument within the interval before.
        #[test]
        fn no_quote_is_delivered_after_a_newer_one_arrived(
            steps in proptest::collection::vec((0..60i64, 0..3u32, proptest::bool::ANY), 1..100),
            interval in 1..200u64,
        ) {
            let mut chain = Chain::default();
            chain.push(Box::new(ConflateQuotes::new(interval)));
            let (mut at, mut newest) = (0, [None; 3]);
            for (number, (step, instrument, is_quote)) in steps.into_iter().enumerate() {
                at += step;
                let number = number as i64 + 1;
                let event = match is_quote {
                    true => quote_of(instrument, number.unsigned_abs(), at, number),
                    false => trade(at),
                };
                let before = newest;
                if is_quote {
                    newest[instrument as usize] = Some(number);
                }
                chain.run(&event, |out, _| {
                    if let Body::Quote(quote) = out.body() {
                        let place = quote.instrument.index();
                        // A quote that goes before its cause was the newest until the cause came.
                        let newest = if is_quote && place == instrument as usize { newest } else { before };
                        assert_eq!(Some(quote.bid.0), newest[place]);
                    }
                });
            }
        }
    }
}

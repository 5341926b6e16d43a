//! Conflation of quotes by event time.

use super::event::{Derived, Middleware, Verdict};
use tickdeck_model::{Body, Event, InstrumentId, Kind, Quote, Timestamp};

/// Passes at most one quote per instrument in an interval of event time. Of the quotes held back, the latest is sent before
/// the first event after the interval.
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
        for held in self.by_instrument.iter_mut().flatten() {
            if held.until > cause.ts_host {
                if held.quote.is_some() {
                    self.next_due = self.next_due.min(held.until);
                }
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
    use tickdeck_model::{Pad, Price, Size};

    fn quote(sequence: u64, at: Timestamp, bid: i64) -> Event {
        let quote = Quote {
            instrument: InstrumentId(0),
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
        // 12 is released by the event at 100 and opens an interval in which 13 waits for the event at 250.
        assert_eq!(seen, [(1, 0, 10), (4, 100, 12), (5, 250, 13)]);
    }
}

//! A venue that deals trades of fifty instruments in turn, all at one price, and takes no orders.

use anyhow::{Context, Result};
use std::sync::{Arc, OnceLock};
use tickdeck_engine::port::{Command, Continuity, Due, Gateway, GatewayError, VenueTerms};
use tickdeck_model::{
    Aggressor, Amount, Event, Instrument, InstrumentId, Pad, Price, Registry, Size, Timestamp,
    Trade,
};

pub(super) const INSTRUMENTS: usize = 50;

/// Trades in a millisecond, which is a window: 100,000 a second, two of each instrument in a window.
pub(super) const PER_MS_BUSY: usize = 100;

/// A million a second, twenty of each instrument in a window.
pub(super) const PER_MS_WILD: usize = 1_000;

const WINDOW_NS: u64 = 1_000_000;

const KIB_PER_PAGE: f64 = 4.0;

/// The symbol of an instrument, without the venue.
pub(super) fn ticker(at: usize) -> String {
    format!("I{at}USDT")
}

pub(super) struct Dealer {
    events: u64,
    gap_ns: i64,
    dealt: u64,
    first: InstrumentId,
    /// Resident memory of the process in KiB, shortly before the end, if that is looked at.
    seen: Option<Arc<OnceLock<f64>>>,
}

impl Dealer {
    pub(super) fn new(events: u64, per_ms: usize) -> Self {
        Self {
            events,
            gap_ns: WINDOW_NS as i64 / per_ms as i64,
            dealt: 0,
            first: InstrumentId(0),
            seen: None,
        }
    }

    /// Looks at the process's memory before the end.
    pub(super) fn looking(mut self) -> Self {
        self.seen = Some(Arc::default());
        self
    }

    /// Returns the cell that receives the figure.
    pub(super) fn seen(&self) -> Arc<OnceLock<f64>> {
        self.seen.clone().unwrap_or_default()
    }

    fn due(&self) -> Timestamp {
        1_000_000_000 + self.dealt as i64 * self.gap_ns
    }

    fn deal(&self) -> Event {
        let of_all = (self.dealt % INSTRUMENTS as u64) as u32;
        let trade = Trade {
            reserved: Pad::ZERO,
            instrument: InstrumentId(self.first.0 + of_all),
            aggressor: Aggressor::Buyer,
            pad: Pad::ZERO,
            price: Price(6_000_000),
            size: Size(1_000),
            trade_id: self.dealt + 1,
        };
        Event::new(self.due(), self.due(), trade)
    }
}

impl Gateway for Dealer {
    fn register(&mut self, registry: &mut Registry) -> Result<VenueTerms, GatewayError> {
        let venue = registry.add_venue("BENCH");
        let quote = registry.add_currency("USDT", 8)?;
        let mut instruments = Vec::new();
        for at in 0..INSTRUMENTS {
            let base = registry.add_currency(&format!("I{at}"), 8)?;
            instruments.push(registry.add_instrument(Instrument {
                id: InstrumentId(0),
                venue,
                symbol: format!("{}.BENCH", ticker(at)),
                base,
                quote,
                price_scale: 2,
                size_scale: 5,
                quote_scale: 8,
                tick: Price(1),
                lot: Size(1),
                min_notional: Amount(0),
            })?);
        }
        self.first = instruments[0];
        Ok(VenueTerms {
            venue,
            instruments,
            balances: vec![(quote, Amount(1_000_000 * 100_000_000))],
            lookahead_ns: WINDOW_NS,
            continuity: Continuity::Repeats,
        })
    }

    fn send(&mut self, _: Timestamp, _: Command) {}

    fn next_due(&mut self) -> Due {
        if self.dealt < self.events {
            Due::At(self.due())
        } else {
            Due::Over
        }
    }

    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        while self.dealt < self.events && self.due() < until {
            out.push(self.deal());
            self.dealt += 1;
        }
        if self.dealt == self.events
            && let Some(seen) = &self.seen
            && let Ok(kib) = resident_kib()
        {
            // The last window is still to be played, with every strategy there.
            seen.get_or_init(|| kib);
        }
        Ok(())
    }
}

fn resident_kib() -> Result<f64> {
    let statm = std::fs::read_to_string("/proc/self/statm").context("no /proc/self/statm")?;
    let pages = statm.split_whitespace().nth(1);
    let pages: f64 = pages.context("no second number in statm")?.parse()?;
    Ok(pages * KIB_PER_PAGE)
}

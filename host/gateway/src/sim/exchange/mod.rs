//! The simulated exchange: one clock, in event time, for the flow, our commands and the books in which they meet.

mod core;
#[cfg(test)]
mod tests;

use self::core::ExchangeCore;
use super::config::SimConfig;
use crate::broker::{Broker, BrokerRules};
use tickdeck_engine::port::{Command, Continuity, Due, Gateway, GatewayError, VenueTerms};
use tickdeck_model::{Amount, Event, Instrument, InstrumentId, Registry, Timestamp, VenueId};

/// A simulated exchange.
///
/// - Arrivals are processed in order of venue time; at the same nanosecond first the end of the day, then the others, then
///   our commands in the order they were sent. Commands take the order latency and a jitter, and never overtake.
/// - Events caused by an arrival carry its time as `ts_venue`, and that plus the feed latency as `ts_host`: first those
///   of our orders, then trades, then one book message, then the quote if it changed.
/// - Day orders expire at 00:00 UTC.
/// - Orders of the deck never trade with each other, whatever their strategy: they share the account.
/// - Once the feed has ended, our commands still meet the final books, but no market data follows.
#[derive(Debug)]
pub struct Exchange {
    config: SimConfig,
    /// Open once the venue is registered.
    core: Option<ExchangeCore>,
}

impl Exchange {
    /// Creates an exchange that checks its configuration and opens when it is registered.
    pub fn new(config: SimConfig) -> Self {
        Self { config, core: None }
    }

    /// The configuration.
    pub fn config(&self) -> &SimConfig {
        &self.config
    }

    /// Number of market events so far: quotes, trades and book updates.
    pub fn market_events(&self) -> u64 {
        self.core.as_ref().map_or(0, ExchangeCore::market_events)
    }

    fn list(
        &self,
        registry: &mut Registry,
        venue: VenueId,
        broker: &mut Broker,
    ) -> Result<Vec<InstrumentId>, GatewayError> {
        let mut ids = Vec::with_capacity(self.config.instruments.len());
        for listed in &self.config.instruments {
            let base = registry.add_currency(&listed.base.0, listed.base.1)?;
            let quote = registry.add_currency(&listed.quote.0, listed.quote.1)?;
            // Opened at their own scale, which need not be that of the instrument's sizes.
            broker.deposit(base, listed.base.1, Amount::ZERO);
            broker.deposit(quote, listed.quote.1, Amount::ZERO);
            let mut terms = Instrument {
                id: InstrumentId(0),
                venue,
                symbol: format!("{}.{}", listed.ticker, self.config.venue),
                base,
                quote,
                price_scale: listed.price_scale,
                size_scale: listed.size_scale,
                quote_scale: listed.quote.1,
                tick: listed.tick,
                lot: listed.lot,
                min_notional: listed.min_notional,
            };
            terms.id = registry.add_instrument(terms.clone())?;
            ids.push(terms.id);
            broker.list(terms);
        }
        Ok(ids)
    }
}

impl Gateway for Exchange {
    fn register(&mut self, registry: &mut Registry) -> Result<VenueTerms, GatewayError> {
        self.config.check()?;
        let latency = self.config.latency();
        let venue = registry.add_venue(&self.config.venue);
        let rules = BrokerRules {
            latency,
            fees: self.config.fees,
            allow_short: self.config.allow_short,
        };
        let mut broker = Broker::new(venue, rules);
        for balance in &self.config.balances {
            let currency = registry.add_currency(&balance.currency, balance.scale)?;
            broker.deposit(currency, balance.scale, balance.total);
        }
        let instruments = self.list(registry, venue, &mut broker)?;
        let balances = broker.balances();
        self.core = Some(ExchangeCore::new(&self.config, venue, &instruments, broker));
        Ok(VenueTerms {
            venue,
            instruments,
            balances,
            lookahead_ns: latency.lookahead_ns(),
            continuity: Continuity::Repeats,
        })
    }

    fn send(&mut self, at: Timestamp, command: Command) {
        if let Some(core) = &mut self.core {
            core.send(at, command);
        }
    }

    fn next_due(&mut self) -> Due {
        self.core.as_ref().map_or(Due::Idle, ExchangeCore::next_due)
    }

    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        if let Some(core) = &mut self.core {
            core.run(until, out);
        }
        Ok(())
    }
}

//! The simulated exchange: one clock, in event time, over the flow, our commands and the books they meet in.

mod core;
#[cfg(test)]
mod tests;

use super::config::SimConfig;
use crate::broker::{Broker, BrokerRules};
use crate::sim::exchange::core::ExchangeCore;
use tickdeck_engine::port::{Command, Continuity, Due, Gateway, GatewayError, VenueTerms};
use tickdeck_model::{Amount, Event, Instrument, InstrumentId, Registry, Timestamp, VenueId};

/// A simulated exchange.
///
/// - Arrivals are worked in order of venue time; at the same nanosecond first the day's end, then the others, then our
///   commands in the order they were sent. Commands take the order latency and a jitter, and never overtake.
/// - What an arrival leads to carries its time as `ts_venue`, and as `ts_host` that plus the feed latency: first what
///   concerns our orders, then trades, then one book message, then the quote if it changed.
/// - Day orders expire at 00:00 UTC.
/// - Orders of the deck never trade with each other, whichever strategy they are from: they share the account.
/// - Once the feed has ended our commands still meet the books as they stand, but no market data follows.
#[derive(Debug)]
pub struct Exchange {
    config: SimConfig,
    /// Open once the venue is registered.
    floor: Option<ExchangeCore>,
}

impl Exchange {
    /// An exchange that opens once it is registered, which is also when the configuration is checked.
    pub fn new(config: SimConfig) -> Self {
        Self {
            config,
            floor: None,
        }
    }

    /// What it was made of.
    pub fn config(&self) -> &SimConfig {
        &self.config
    }

    /// Market events given so far: quotes, trades and book updates.
    pub fn market_events(&self) -> u64 {
        self.floor.as_ref().map_or(0, ExchangeCore::market_events)
    }

    fn list(
        &self,
        registry: &mut Registry,
        venue: VenueId,
        desk: &mut Broker,
    ) -> Result<Vec<InstrumentId>, GatewayError> {
        let mut ids = Vec::with_capacity(self.config.instruments.len());
        for listed in &self.config.instruments {
            let base = registry.add_currency(&listed.base.0, listed.base.1)?;
            let quote = registry.add_currency(&listed.quote.0, listed.quote.1)?;
            // Opened at their own scale, which need not be that of the instrument's sizes.
            desk.deposit(base, listed.base.1, Amount::ZERO);
            desk.deposit(quote, listed.quote.1, Amount::ZERO);
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
            desk.list(terms);
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
        let mut desk = Broker::new(venue, rules);
        for balance in &self.config.balances {
            let currency = registry.add_currency(&balance.currency, balance.scale)?;
            desk.deposit(currency, balance.scale, balance.total);
        }
        let instruments = self.list(registry, venue, &mut desk)?;
        let balances = desk.balances();
        self.floor = Some(ExchangeCore::new(&self.config, venue, &instruments, desk));
        Ok(VenueTerms {
            venue,
            instruments,
            balances,
            lookahead_ns: latency.lookahead_ns(),
            continuity: Continuity::Repeats,
        })
    }

    fn send(&mut self, at: Timestamp, command: Command) {
        if let Some(floor) = &mut self.floor {
            floor.send(at, command);
        }
    }

    fn next_due(&mut self) -> Due {
        self.floor
            .as_ref()
            .map_or(Due::Idle, ExchangeCore::next_due)
    }

    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        if let Some(floor) = &mut self.floor {
            floor.run(until, out);
        }
        Ok(())
    }
}

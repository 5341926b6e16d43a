//! A minimal venue that plays a script: quotes and trades at given times, and our orders filled against the quotes.
//!
//! For tests and golden accounts. The [`broker`](crate::broker) keeps the account, with its fees and rounding. There is
//! no book behind the quotes:
//! - a quote offers its sizes until the next one; size that we take is used up. Bid and ask may be equal;
//! - an order that meets its price trades at the quote; the remainder of a resting limit order is filled at its own
//!   limit once a later quote reaches it, as maker, oldest order first;
//! - stops trigger on the script's trades, or on a quote whose price for them is at the stop price or beyond.

mod parts;
#[cfg(test)]
mod tests;

pub use parts::{Script, ScriptStep, ScriptedInstrument, ScriptedTick};

use crate::broker::{Broker, BrokerOrder, BrokerRules, Latency};
use std::collections::HashMap;
use tickdeck_engine::port::{Command, Continuity, Due, Gateway, GatewayError, VenueTerms};
use tickdeck_model::{
    Amount, ClientOrderId, Event, Instrument, InstrumentId, Liquidity, Pad, Price, Quote, Reason,
    Registry, Side, Size, Submit, TimeInForce, Timestamp, Trade, VenueId, VenueScope, VenueState,
    VenueStatus,
};

/// A venue that plays a [`Script`].
#[derive(Debug)]
pub struct ScriptedVenue {
    script: Script,
    open: Option<OpenVenue>,
}

#[derive(Debug)]
struct OpenVenue {
    venue: VenueId,
    broker: Broker,
    latency: Latency,
    instruments: Vec<InstrumentId>,
    quotes: HashMap<InstrumentId, Quoted>,
    steps: Vec<ScriptStep>,
    next_step: usize,
    connected: bool,
    trades: u64,
}

/// The remainder of the last quote: price and size of each side, `None` where it quotes nothing.
#[derive(Debug, Clone, Copy, Default)]
struct Quoted {
    bid: Option<(Price, Size)>,
    ask: Option<(Price, Size)>,
}

impl ScriptedVenue {
    /// Creates a venue for this script. Steps are played in time order, those with equal times in the given order.
    pub fn new(script: Script) -> Self {
        Self { script, open: None }
    }

    fn broker(&self, venue: VenueId, latency: Latency) -> Broker {
        let Script {
            fees,
            allow_short,
            margin,
            ..
        } = self.script;
        let broker = Broker::new(
            venue,
            BrokerRules {
                latency,
                fees,
                allow_short,
            },
        );
        if margin { broker.on_margin() } else { broker }
    }
}

impl Gateway for ScriptedVenue {
    fn register(&mut self, registry: &mut Registry) -> Result<VenueTerms, GatewayError> {
        let script = &self.script;
        let latency = script.latency.at_least_one_ns();
        let venue = registry.add_venue(&script.venue);
        let mut broker = self.broker(venue, latency);
        for (code, scale, total) in &script.balances {
            broker.deposit(registry.add_currency(code, *scale)?, *scale, *total);
        }
        let mut instruments = Vec::new();
        for listed in &script.instruments {
            let terms = list(registry, venue, &script.venue, listed, &mut broker)?;
            instruments.push(terms.id);
            broker.list(terms);
        }
        if let Some(step) = script
            .steps
            .iter()
            .find(|step| step.instrument >= instruments.len())
        {
            let problem = format!(
                "a step names instrument {}, but there are only {}",
                step.instrument,
                instruments.len()
            );
            return Err(GatewayError::Source {
                source_name: format!("script `{}`", script.venue),
                problem,
            });
        }
        let mut steps = script.steps.clone();
        steps.sort_by_key(|step| step.at);
        let terms = VenueTerms {
            venue,
            instruments: instruments.clone(),
            balances: broker.balances(),
            lookahead_ns: latency.lookahead_ns(),
            continuity: Continuity::Repeats,
        };
        let quotes = instruments
            .iter()
            .map(|id| (*id, Quoted::default()))
            .collect();
        let (next_step, connected, trades) = (0, false, 0);
        self.open = Some(OpenVenue {
            venue,
            broker,
            latency,
            instruments,
            quotes,
            steps,
            next_step,
            connected,
            trades,
        });
        Ok(terms)
    }

    fn send(&mut self, at: Timestamp, command: Command) {
        if let Some(venue) = &mut self.open {
            venue.broker.send(at, command);
        }
    }

    fn next_due(&mut self) -> Due {
        let Some(venue) = &self.open else {
            return Due::Idle;
        };
        match venue.next() {
            Some((at, _)) => Due::At(at.saturating_add_unsigned(venue.latency.answer_ns)),
            None => Due::Over,
        }
    }

    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        let Some(venue) = &mut self.open else {
            return Ok(());
        };
        let until = until.saturating_sub_unsigned(venue.latency.answer_ns);
        while let Some((at, next)) = venue.next().filter(|(at, _)| *at < until) {
            match next {
                Next::Step(step) => venue.play(step, out),
                Next::Command => venue.take_command(at),
            }
            while let Some(answer) = venue.broker.take_answer(Timestamp::MAX) {
                out.push(answer);
            }
        }
        Ok(())
    }
}

/// The next action; at equal times steps go first.
#[derive(Debug, Clone, Copy)]
enum Next {
    Step(ScriptStep),
    Command,
}

impl OpenVenue {
    fn next(&self) -> Option<(Timestamp, Next)> {
        let step = self
            .steps
            .get(self.next_step)
            .map(|step| (step.at, Next::Step(*step)));
        let command = self.broker.next_arrival().map(|at| (at, Next::Command));
        match (step, command) {
            (Some(step), Some(command)) if command.0 < step.0 => Some(command),
            (Some(step), _) => Some(step),
            (None, command) => command,
        }
    }

    /// Publishes a step, then fills the orders that it reaches.
    fn play(&mut self, step: ScriptStep, out: &mut Vec<Event>) {
        self.next_step += 1;
        let at = step.at;
        let ts_host = at.saturating_add_unsigned(self.latency.answer_ns);
        let instrument = self.instruments[step.instrument];
        if !self.connected {
            self.connected = true;
            let (scope, state, pad) = (VenueScope::Venue, VenueState::Connected, Pad::ZERO);
            let status = VenueStatus {
                reserved: Pad::ZERO,
                venue: self.venue,
                instrument: InstrumentId(0),
                scope,
                state,
                pad,
            };
            out.push(Event::new(at, ts_host, status));
        }
        match step.tick {
            ScriptedTick::Quote {
                bid: (bid, bid_size),
                ask: (ask, ask_size),
            } => {
                out.push(Event::new(
                    at,
                    ts_host,
                    Quote {
                        reserved: Pad::ZERO,
                        instrument,
                        pad: Pad::ZERO,
                        bid,
                        bid_size,
                        ask,
                        ask_size,
                    },
                ));
                let shown = |price, size: Size| (size > Size::ZERO).then_some((price, size));
                self.quotes.insert(
                    instrument,
                    Quoted {
                        bid: shown(bid, bid_size),
                        ask: shown(ask, ask_size),
                    },
                );
                self.trigger_stops(at, instrument, None);
            }
            ScriptedTick::Trade {
                aggressor,
                price,
                size,
            } => {
                self.trades += 1;
                let trade = Trade {
                    reserved: Pad::ZERO,
                    instrument,
                    aggressor,
                    pad: Pad::ZERO,
                    price,
                    size,
                    trade_id: self.trades,
                };
                out.push(Event::new(at, ts_host, trade));
                self.trigger_stops(at, instrument, Some(price));
            }
        }
        for order in self.resting(instrument) {
            self.match_order(at, order, Liquidity::Maker);
        }
        self.broker.report_balances(at);
    }

    fn resting(&self, instrument: InstrumentId) -> Vec<BrokerOrder> {
        let mut orders = self.broker.orders();
        orders.retain(|order| order.terms.instrument == instrument && !order.waits_for_stop());
        orders
    }

    fn trigger_stops(&mut self, at: Timestamp, instrument: InstrumentId, traded: Option<Price>) {
        for order in self.broker.orders() {
            let side = order.terms.side;
            let price = traded.or_else(|| self.offer(instrument, side).map(|(price, _)| price));
            let reached =
                price.is_some_and(|price| !is_beyond(side, price, order.terms.stop_price));
            let concerned = order.terms.instrument == instrument && order.waits_for_stop();
            if concerned && reached && self.broker.trigger(at, order.id, None).is_ok() {
                self.work_off(at, order.id);
            }
        }
    }

    fn take_command(&mut self, at: Timestamp) {
        match self.broker.take_arrival(Timestamp::MAX) {
            Some((_, Command::Submit { id, order })) => self.submit(at, id, &order),
            Some((
                _,
                Command::Modify {
                    id,
                    instrument,
                    terms,
                },
            )) => match self.broker.check_modify(id, &terms) {
                Ok(_) => {
                    self.broker.modify(at, id, &terms);
                    self.work_off(at, id);
                }
                Err(reason) => self.broker.reject_modify(at, id, instrument, reason),
            },
            Some((_, Command::Cancel { id, instrument })) => {
                if self.broker.order(id).is_some() {
                    self.broker.cancel(at, id, Reason::Normal);
                } else {
                    self.broker.reject_cancel(at, id, instrument);
                }
            }
            // A script has no book to show.
            Some((_, Command::Snapshot { .. })) | None => {}
        }
        self.broker.report_balances(at);
    }

    fn submit(&mut self, at: Timestamp, id: ClientOrderId, order: &Submit) {
        let offer = self.offer(order.instrument, order.side);
        let price = offer.map(|(price, _)| price);
        let crosses = price.is_some_and(|price| {
            !order.kind.has_price() || !is_beyond(order.side, order.price, price)
        });
        if let Err(reason) = self.broker.check(id, order, price, price) {
            self.broker.reject(at, id, order, reason);
            return;
        }
        if order.post_only() && crosses {
            self.broker.reject(at, id, order, Reason::WouldCross);
            return;
        }
        self.broker.accept(at, id, order, price);
        let offered = offer
            .filter(|_| crosses)
            .map_or(Size::ZERO, |(_, size)| size);
        if order.time_in_force == TimeInForce::Fok && offered < order.size {
            self.broker.expire(at, id, Reason::FokUnfilled);
            return;
        }
        self.work_off(at, id);
    }

    /// Trades an order that just became active; a remainder that cannot rest ends.
    fn work_off(&mut self, at: Timestamp, id: ClientOrderId) {
        let Some(order) = self
            .broker
            .order(id)
            .filter(|order| !order.waits_for_stop())
            .copied()
        else {
            return;
        };
        if self.match_order(at, order, Liquidity::Taker) {
            return;
        }
        if !order.terms.kind.has_price() {
            self.broker.cancel(at, id, Reason::NoLiquidity);
        } else if order.terms.time_in_force == TimeInForce::Ioc {
            self.broker.expire(at, id, Reason::IocRemainder);
        }
    }

    /// Fills the order with the quote's size within its limit; returns whether the order is finished.
    fn match_order(&mut self, at: Timestamp, order: BrokerOrder, liquidity: Liquidity) -> bool {
        let side = order.terms.side;
        let Some((offered, size)) = self.offer(order.terms.instrument, side) else {
            return false;
        };
        if order
            .limit()
            .is_some_and(|limit| is_beyond(side, limit, offered))
        {
            return false;
        }
        let taken = size.min(order.remaining());
        self.take_offer(order.terms.instrument, side, taken);
        let price = match (liquidity, order.limit()) {
            (Liquidity::Maker, Some(limit)) => limit,
            _ => offered,
        };
        self.broker.fill(at, order.id, price, taken, liquidity)
    }

    /// Price and size that an order of `side` could trade at.
    fn offer(&self, instrument: InstrumentId, side: Side) -> Option<(Price, Size)> {
        let quoted = self.quotes.get(&instrument)?;
        match side {
            Side::Buy => quoted.ask,
            Side::Sell => quoted.bid,
        }
    }

    fn take_offer(&mut self, instrument: InstrumentId, side: Side, taken: Size) {
        if let Some(quoted) = self.quotes.get_mut(&instrument) {
            let offer = match side {
                Side::Buy => &mut quoted.ask,
                Side::Sell => &mut quoted.bid,
            };
            *offer = offer
                .map(|(price, size)| (price, Size(size.0 - taken.0)))
                .filter(|(_, left)| *left > Size::ZERO);
        }
    }
}

/// Whether `price` is worse than `limit` for an order of `side`.
fn is_beyond(side: Side, limit: Price, price: Price) -> bool {
    match side {
        Side::Buy => price > limit,
        Side::Sell => price < limit,
    }
}

fn list(
    registry: &mut Registry,
    venue: VenueId,
    venue_name: &str,
    listed: &ScriptedInstrument,
    broker: &mut Broker,
) -> Result<Instrument, GatewayError> {
    let base = registry.add_currency(&listed.base.0, listed.base.1)?;
    let quote = registry.add_currency(&listed.quote.0, listed.quote.1)?;
    broker.deposit(base, listed.base.1, Amount::ZERO);
    broker.deposit(quote, listed.quote.1, Amount::ZERO);
    let mut terms = Instrument {
        id: InstrumentId(0),
        venue,
        symbol: format!("{}.{venue_name}", listed.ticker),
        base,
        quote,
        price_scale: listed.price_scale,
        size_scale: listed.size_scale,
        quote_scale: listed.quote.1,
        tick: Price(1),
        lot: Size(1),
        min_notional: Amount::ZERO,
    };
    terms.id = registry.add_instrument(terms.clone())?;
    Ok(terms)
}

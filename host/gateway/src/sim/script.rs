//! A tiny venue that plays a script: quotes and trades at given times, and our orders filled against the quotes.
//!
//! For tests and golden accounts. The account is the desk's, with its fees and rounding; there is no book behind the
//! quotes:
//! - a quote offers its sizes until the next one; what we take of it is gone. Bid and ask may be equal;
//! - an order that finds its price takes it at the quote; what is left of a resting limit order is filled at its own
//!   limit once a later quote reaches it, as maker, oldest order first;
//! - stops trigger on the script's trades, or on a quote whose price for them is at the stop price or beyond.

mod parts;
#[cfg(test)]
mod tests;

pub use parts::{Beat, Script, ScriptedInstrument, ScriptedTick};

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
    stage: Option<Stage>,
}

#[derive(Debug)]
struct Stage {
    venue: VenueId,
    desk: Broker,
    latency: Latency,
    instruments: Vec<InstrumentId>,
    quotes: HashMap<InstrumentId, Quoted>,
    beats: Vec<Beat>,
    next_beat: usize,
    connected: bool,
    trades: u64,
}

/// What is left of the last quote, a pair of price and size for each side; `None` where it quotes nothing.
#[derive(Debug, Clone, Copy, Default)]
struct Quoted {
    bid: Option<(Price, Size)>,
    ask: Option<(Price, Size)>,
}

impl ScriptedVenue {
    /// A venue for this script; beats are played in order of time, those of one time in the order given.
    pub fn new(script: Script) -> Self {
        Self {
            script,
            stage: None,
        }
    }

    fn desk(&self, venue: VenueId, latency: Latency) -> Broker {
        let Script {
            fees,
            allow_short,
            margin,
            ..
        } = self.script;
        let desk = Broker::new(
            venue,
            BrokerRules {
                latency,
                fees,
                allow_short,
            },
        );
        if margin { desk.on_margin() } else { desk }
    }
}

impl Gateway for ScriptedVenue {
    fn register(&mut self, registry: &mut Registry) -> Result<VenueTerms, GatewayError> {
        let script = &self.script;
        let latency = script.latency.at_least_one_ns();
        let venue = registry.add_venue(&script.venue);
        let mut desk = self.desk(venue, latency);
        for (code, scale, total) in &script.balances {
            desk.deposit(registry.add_currency(code, *scale)?, *scale, *total);
        }
        let mut instruments = Vec::new();
        for listed in &script.instruments {
            let terms = list(registry, venue, &script.venue, listed, &mut desk)?;
            instruments.push(terms.id);
            desk.list(terms);
        }
        if let Some(beat) = script
            .beats
            .iter()
            .find(|beat| beat.instrument >= instruments.len())
        {
            let problem = format!(
                "a beat is about instrument {}, of {}",
                beat.instrument,
                instruments.len()
            );
            return Err(GatewayError::Source {
                source_name: format!("script `{}`", script.venue),
                problem,
            });
        }
        let mut beats = script.beats.clone();
        beats.sort_by_key(|beat| beat.at);
        let terms = VenueTerms {
            venue,
            instruments: instruments.clone(),
            balances: desk.balances(),
            lookahead_ns: latency.lookahead_ns(),
            continuity: Continuity::Repeats,
        };
        let quotes = instruments
            .iter()
            .map(|id| (*id, Quoted::default()))
            .collect();
        let (next_beat, connected, trades) = (0, false, 0);
        self.stage = Some(Stage {
            venue,
            desk,
            latency,
            instruments,
            quotes,
            beats,
            next_beat,
            connected,
            trades,
        });
        Ok(terms)
    }

    fn send(&mut self, at: Timestamp, command: Command) {
        if let Some(stage) = &mut self.stage {
            stage.desk.send(at, command);
        }
    }

    fn next_due(&mut self) -> Due {
        let Some(stage) = &self.stage else {
            return Due::Idle;
        };
        match stage.next() {
            Some((at, _)) => Due::At(at.saturating_add_unsigned(stage.latency.answer_ns)),
            None => Due::Over,
        }
    }

    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        let Some(stage) = &mut self.stage else {
            return Ok(());
        };
        let until = until.saturating_sub_unsigned(stage.latency.answer_ns);
        while let Some((at, next)) = stage.next().filter(|(at, _)| *at < until) {
            match next {
                Next::Beat(beat) => stage.play(beat, out),
                Next::Command => stage.take_command(at),
            }
            while let Some(answer) = stage.desk.take_answer(Timestamp::MAX) {
                out.push(answer);
            }
        }
        Ok(())
    }
}

/// What comes next; at the same time beats go first.
#[derive(Debug, Clone, Copy)]
enum Next {
    Beat(Beat),
    Command,
}

impl Stage {
    fn next(&self) -> Option<(Timestamp, Next)> {
        let beat = self
            .beats
            .get(self.next_beat)
            .map(|beat| (beat.at, Next::Beat(*beat)));
        let command = self.desk.next_arrival().map(|at| (at, Next::Command));
        match (beat, command) {
            (Some(beat), Some(command)) if command.0 < beat.0 => Some(command),
            (Some(beat), _) => Some(beat),
            (None, command) => command,
        }
    }

    /// Shows a beat to the public, then lets our orders meet it.
    fn play(&mut self, beat: Beat, out: &mut Vec<Event>) {
        self.next_beat += 1;
        let at = beat.at;
        let ts_host = at.saturating_add_unsigned(self.latency.answer_ns);
        let instrument = self.instruments[beat.instrument];
        if !self.connected {
            self.connected = true;
            let (scope, state, pad) = (VenueScope::Venue, VenueState::Connected, Pad::ZERO);
            let status = VenueStatus {
                venue: self.venue,
                instrument: InstrumentId(0),
                scope,
                state,
                pad,
            };
            out.push(Event::new(at, ts_host, status));
        }
        match beat.tick {
            ScriptedTick::Quote {
                bid: (bid, bid_size),
                ask: (ask, ask_size),
            } => {
                out.push(Event::new(
                    at,
                    ts_host,
                    Quote {
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
        self.desk.report_balances(at);
    }

    fn resting(&self, instrument: InstrumentId) -> Vec<BrokerOrder> {
        let mut orders = self.desk.orders();
        orders.retain(|order| order.terms.instrument == instrument && !order.waits_for_stop());
        orders
    }

    fn trigger_stops(&mut self, at: Timestamp, instrument: InstrumentId, traded: Option<Price>) {
        for order in self.desk.orders() {
            let side = order.terms.side;
            let price = traded.or_else(|| self.offer(instrument, side).map(|(price, _)| price));
            let reached =
                price.is_some_and(|price| !is_beyond(side, price, order.terms.stop_price));
            let concerned = order.terms.instrument == instrument && order.waits_for_stop();
            if concerned && reached && self.desk.trigger(at, order.id, None).is_ok() {
                self.work_off(at, order.id);
            }
        }
    }

    fn take_command(&mut self, at: Timestamp) {
        match self.desk.take_arrival(Timestamp::MAX) {
            Some((_, Command::Submit { id, order })) => self.submit(at, id, &order),
            Some((
                _,
                Command::Modify {
                    id,
                    instrument,
                    price,
                    size,
                },
            )) => match self.desk.check_modify(id, price, size) {
                Ok(_) => {
                    self.desk.modify(at, id, price, size);
                    self.work_off(at, id);
                }
                Err(reason) => self.desk.reject_modify(at, id, instrument, reason),
            },
            Some((_, Command::Cancel { id, instrument })) => {
                if self.desk.order(id).is_some() {
                    self.desk.cancel(at, id, Reason::Normal);
                } else {
                    self.desk.reject_cancel(at, id, instrument);
                }
            }
            // A script has no book to show.
            Some((_, Command::Snapshot { .. })) | None => {}
        }
        self.desk.report_balances(at);
    }

    fn submit(&mut self, at: Timestamp, id: ClientOrderId, order: &Submit) {
        let offer = self.offer(order.instrument, order.side);
        let price = offer.map(|(price, _)| price);
        let crosses = price.is_some_and(|price| {
            !order.kind.has_price() || !is_beyond(order.side, order.price, price)
        });
        if let Err(reason) = self.desk.check(id, order, price, price) {
            self.desk.reject(at, id, order, reason);
            return;
        }
        if order.post_only && crosses {
            self.desk.reject(at, id, order, Reason::WouldCross);
            return;
        }
        self.desk.accept(at, id, order, price);
        let offered = offer
            .filter(|_| crosses)
            .map_or(Size::ZERO, |(_, size)| size);
        if order.time_in_force == TimeInForce::Fok && offered < order.size {
            self.desk.expire(at, id, Reason::FokUnfilled);
            return;
        }
        self.work_off(at, id);
    }

    /// Lets an order that just became active take what it finds; what can't rest ends.
    fn work_off(&mut self, at: Timestamp, id: ClientOrderId) {
        let Some(order) = self
            .desk
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
            self.desk.cancel(at, id, Reason::NoLiquidity);
        } else if order.terms.time_in_force == TimeInForce::Ioc {
            self.desk.expire(at, id, Reason::IocRemainder);
        }
    }

    /// Fills what the quote offers within the order's limit; true if the order is done.
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
            (Liquidity::Maker | Liquidity::Taker, _) => offered,
        };
        self.desk.fill(at, order.id, price, taken, liquidity)
    }

    /// What an order of `side` could trade with.
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
    desk: &mut Broker,
) -> Result<Instrument, GatewayError> {
    let base = registry.add_currency(&listed.base.0, listed.base.1)?;
    let quote = registry.add_currency(&listed.quote.0, listed.quote.1)?;
    desk.deposit(base, listed.base.1, Amount::ZERO);
    desk.deposit(quote, listed.quote.1, Amount::ZERO);
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

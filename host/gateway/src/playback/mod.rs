//! Plays captures of Binance, and fills our orders in a simulation against the recorded book.
//!
//! A capture is one or several files, plain, gzip or zstd, of `<local time> <json>` lines; several are merged by local
//! time into one tape, and those of one symbol change one book. They are read while they play, or in advance
//! ([`PlaybackConfig::preload`]).
//!
//! What a file is, is read from it: Spot or USD-M futures, the unit of its times, the digits of its numbers.
//!
//! # Time
//!
//! The venue's clock is the capture's local clock: an order sent at `t` meets the book of `t + order latency` as our
//! side saw it then, and its answer comes `answer latency` later. Market data therefore comes without the answer latency,
//! and matching runs behind the tape by that latency, so that the same calls give the same events however they are split
//! into polls. At equal times market data comes first, then the events of our orders.
//!
//! # Fills
//!
//! The model is hftbacktest's `PartialFillExchange` with its `RiskAverseQueueModel` (`docs/order_fill.rst` of
//! nkaz001/hftbacktest), extended to remember the liquidity that we took:
//! - The top of the book is the newest `bookTicker`; deeper levels are the depth book's. While the book is stale only
//!   the top counts. Without any ticker the depth book's top counts.
//! - A taker walks these levels. Liquidity that it took stays taken until the exchange reports another size for the level.
//! - A resting order queues behind the total size at its price. Trades at its price first use up that queue, then fill
//!   it; a level reported smaller than the queue ahead shortens the queue; added size queues behind us.
//! - A trade through its price, or the opposite best reaching its price, fills it completely, at its own price. The remainder
//!   of an order that took the opposite best itself only gets the sizes shown there until that has moved away.
//! - A stop is triggered by the last trade's price.
//!
//! Limits of the model: the market does not react to us; a cancel ahead of us only counts once the level is smaller than our
//! queue; a trade and the ticker that reports its effect may both shorten a queue; after a gap, levels of a book proven
//! without a snapshot may be missing, where an order then queues behind nothing.

mod book;
mod check;
mod config;
mod describe;
mod exchange_info;
mod feed;
mod fills;
mod lines;
mod monitor;
mod step;
mod symbols;
mod tape;

pub use check::{CaptureVerdict, CheckReport, CheckedBook, check};
pub use config::{Market, PlaybackConfig, SymbolSettings, SymbolTerms};
pub use exchange_info::read_exchange_info;
pub use monitor::{LineProblem, PlaybackMonitor, PlaybackStats};
pub use step::Step;

use crate::binance::Symbol;
use crate::broker::Broker;
use config::CURRENCY_SCALE;
use fills::FillSimulator;
use std::sync::Arc;
use symbols::{Head, read_head, terms_of};
use tape::Tape;
use tickdeck_engine::port::{
    Command, Continuity, DataMonitor, Due, Gateway, GatewayError, VenueTerms,
};
use tickdeck_model::{
    Event, Instrument, InstrumentId, Pad, Registry, Timestamp, VenueScope, VenueState, VenueStatus,
};

/// A venue that plays a capture.
#[derive(Debug)]
pub struct Playback {
    config: PlaybackConfig,
    /// The terms of each symbol.
    symbols: Vec<SymbolTerms>,
    /// For each file, its symbols and their places in `symbols`.
    files: Vec<(Vec<Symbol>, Vec<usize>)>,
    monitor: PlaybackMonitor,
    session: Option<PlaybackSession>,
}

/// The state of a playback once it is registered.
#[derive(Debug)]
struct PlaybackSession {
    tape: Tape,
    fills: FillSimulator,
}

impl Playback {
    /// Reads the head of each file to find its market, its symbols and their scales.
    ///
    /// # Errors
    /// A file cannot be read, has no Binance frame near its start, is of another market than the first, or has a symbol whose terms
    /// must be configured.
    pub fn open(config: PlaybackConfig) -> Result<Self, GatewayError> {
        if config.files.is_empty() {
            let problem = "no capture file was named; give at least one".to_owned();
            return Err(GatewayError::Source {
                source_name: config.venue,
                problem,
            });
        }
        let heads = config.files.iter().map(|path| read_head(path));
        let heads: Vec<Head> = heads.collect::<Result<_, _>>()?;
        let symbols = terms_of(&heads, &config)?;
        let monitor = PlaybackMonitor::default();
        monitor.set_total_bytes(heads.iter().map(|head| head.bytes).sum());
        let of_file = |head: &Head| {
            let names = head.symbols.iter().map(|found| &found.name);
            let places = names.filter_map(|name| symbols.iter().position(|it| it.name == *name));
            let places: Vec<usize> = places.collect();
            let decoded = places.iter().map(|at| symbols[*at].symbol()).collect();
            (decoded, places)
        };
        let files = heads.iter().map(of_file).collect();
        Ok(Self {
            config,
            symbols,
            files,
            monitor,
            session: None,
        })
    }

    /// Returns a handle that shows progress and skipped lines while the engine owns the playback.
    pub fn monitor(&self) -> PlaybackMonitor {
        self.monitor.clone()
    }
}

impl Gateway for Playback {
    fn register(&mut self, registry: &mut Registry) -> Result<VenueTerms, GatewayError> {
        let venue = registry.add_venue(&self.config.venue);
        let rules = self.config.rules();
        let mut broker = Broker::new(venue, rules);
        let mut opened = Vec::new();
        for symbol in &self.symbols {
            let quote = registry.add_currency(&symbol.quote, CURRENCY_SCALE)?;
            if !opened.contains(&quote) {
                broker.deposit(quote, CURRENCY_SCALE, self.config.balance);
                opened.push(quote);
            }
        }
        let mut instruments: Vec<InstrumentId> = Vec::new();
        for symbol in &self.symbols {
            let terms = add_symbol(registry, &mut broker, venue, &self.config.venue, symbol)?;
            instruments.push(terms.id);
            broker.list(terms);
        }
        let connected = VenueStatus {
            reserved: Pad::ZERO,
            venue,
            instrument: InstrumentId(0),
            scope: VenueScope::Venue,
            state: VenueState::Connected,
            pad: Pad::ZERO,
        };
        let mut tape = Tape::open(
            &self.config,
            &self.files,
            &instruments,
            connected,
            &self.monitor,
        )?;
        if self.config.preload {
            tape = tape.preload();
        }
        let balances = broker.balances();
        self.session = Some(PlaybackSession {
            tape,
            fills: FillSimulator::new(broker, rules.latency.answer_ns, &instruments),
        });
        Ok(VenueTerms {
            venue,
            instruments,
            balances,
            lookahead_ns: rules.latency.lookahead_ns(),
            continuity: Continuity::Repeats,
        })
    }

    fn data_monitor(&self) -> Option<Arc<dyn DataMonitor>> {
        Some(Arc::new(self.monitor()))
    }

    fn send(&mut self, at: Timestamp, command: Command) {
        if let Some(session) = &mut self.session {
            session.fills.send(at, command);
        }
    }

    fn next_due(&mut self) -> Due {
        let Some(session) = &mut self.session else {
            return Due::Idle;
        };
        let market = session.tape.next_due();
        let ours = session.fills.next_due(&session.tape);
        match ours.into_iter().chain(market).min() {
            Some(due) => Due::At(due),
            None => Due::Over,
        }
    }

    fn poll(&mut self, until: Timestamp, out: &mut Vec<Event>) -> Result<(), GatewayError> {
        let Some(session) = &mut self.session else {
            return Ok(());
        };
        let start = out.len();
        let read = session.tape.poll(until, out);
        let market_end = out.len();
        session.fills.run(&mut session.tape, until);
        session.fills.take_events(until, out);
        if out.len() > market_end {
            // Stable: at equal times market data stays first. Three runs, each in order: a cheap merge.
            out[start..].sort_by_key(|event| event.ts_host);
        }
        read
    }
}

fn add_symbol(
    registry: &mut Registry,
    broker: &mut Broker,
    venue: tickdeck_model::VenueId,
    venue_name: &str,
    symbol: &SymbolTerms,
) -> Result<Instrument, GatewayError> {
    let mut currency = |code: &str| -> Result<_, GatewayError> {
        let id = registry.add_currency(code, CURRENCY_SCALE)?;
        broker.deposit(id, CURRENCY_SCALE, tickdeck_model::Amount::ZERO);
        Ok(id)
    };
    let (base, quote) = (currency(&symbol.base)?, currency(&symbol.quote)?);
    let mut terms = Instrument {
        id: InstrumentId(0),
        venue,
        symbol: format!("{}.{venue_name}", symbol.name),
        base,
        quote,
        price_scale: symbol.price_scale,
        size_scale: symbol.size_scale,
        quote_scale: CURRENCY_SCALE,
        tick: symbol.tick,
        lot: symbol.lot,
        min_notional: symbol.min_notional,
    };
    terms.id = registry.add_instrument(terms.clone())?;
    Ok(terms)
}

//! Plays captures of Binance, and fills our orders in a simulation against the recorded book.
//!
//! A capture is one or several files, gzip or plain, of `<local nanoseconds> <json>` lines; several are merged by local
//! time into one tape. They are read while they play, or in advance ([`PlaybackConfig::preload`]).
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
mod feed;
mod fills;
mod lines;
mod monitor;
mod symbols;
mod tape;

pub use check::{CheckReport, CheckedBook, check};
pub use config::{PlaybackConfig, SymbolTerms};

use config::CURRENCY_SCALE;
pub use monitor::{LineProblem, PlaybackMonitor, PlaybackStats};

use crate::broker::Broker;
use crate::playback::fills::FillSimulator;
use crate::playback::symbols::CaptureFile;
use tape::Tape;
use tickdeck_engine::port::{Command, Continuity, Due, Gateway, GatewayError, VenueTerms};
use tickdeck_model::{
    Event, Instrument, InstrumentId, Pad, Registry, Timestamp, VenueScope, VenueState, VenueStatus,
};

/// A venue that plays a capture.
#[derive(Debug)]
pub struct Playback {
    config: PlaybackConfig,
    files: Vec<CaptureFile>,
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
    /// Reads the head of each file to find its symbols and their scales.
    ///
    /// # Errors
    /// A file cannot be read, has no Binance frame near its start, or has a symbol whose terms must be configured.
    pub fn open(config: PlaybackConfig) -> Result<Self, GatewayError> {
        let monitor = PlaybackMonitor::default();
        let files: Result<Vec<CaptureFile>, GatewayError> = config
            .files
            .iter()
            .map(|path| symbols::read_symbols(path, &config.symbols, config.time_unit))
            .collect();
        let files = files?;
        if files.is_empty() {
            let problem = "no capture file was named; give at least one".to_owned();
            return Err(GatewayError::Source {
                source_name: config.venue,
                problem,
            });
        }
        monitor.set_total_bytes(files.iter().map(|file| file.bytes).sum());
        Ok(Self {
            config,
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
        for (code, amount) in &self.config.balances {
            broker.deposit(
                registry.add_currency(code, CURRENCY_SCALE)?,
                CURRENCY_SCALE,
                *amount,
            );
        }
        let mut instruments: Vec<InstrumentId> = Vec::new();
        let mut numbered = Vec::new();
        for file in &self.files {
            let mut of_file = Vec::new();
            for symbol in &file.symbols {
                let terms = add_symbol(registry, &mut broker, venue, &self.config.venue, symbol)?;
                if !instruments.contains(&terms.id) {
                    instruments.push(terms.id);
                }
                of_file.push(terms.id);
                broker.list(terms);
            }
            numbered.push(of_file);
        }
        let connected = VenueStatus {
            venue,
            instrument: InstrumentId(0),
            scope: VenueScope::Venue,
            state: VenueState::Connected,
            pad: Pad::ZERO,
        };
        let mut tape = Tape::open(
            &self.config,
            &self.files,
            &numbered,
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

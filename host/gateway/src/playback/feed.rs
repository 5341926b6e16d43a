//! Turns the frames of one file into market data events: a decoder and its books.

use crate::binance::{
    BookSync, BookTicker, DecodeError, Decoder, Frame, Levels, Recovery, SyncStep, TradeTick,
};
use tickdeck_model::{
    Body, Event, InstrumentId, Pad, Price, Quote, Size, Timestamp, Trade, VenueId,
};

/// Maximum number of levels of a book, both sides. The deepest real books have a tenth; a hostile file has a new price in
/// every line.
const MAX_LEVELS: usize = 1 << 20;

/// Decoder and books of one file.
#[derive(Debug)]
pub(super) struct Feed {
    decoder: Decoder,
    books: Vec<BookSync>,
    instruments: Vec<InstrumentId>,
    levels: Levels,
    bodies: Vec<Body>,
}

/// The result of one frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) frame: Frame,
    /// The effect on the book.
    pub(super) step: Option<SyncStep>,
    /// Sizes of levels that were cut down to the scale.
    pub(super) cut_sizes: u64,
}

impl Feed {
    /// `instruments` are those of the decoder's symbols, in its order.
    pub(super) fn new(
        decoder: Decoder,
        instruments: &[InstrumentId],
        venue: VenueId,
        agreements: u32,
    ) -> Self {
        let recovery = Recovery::Evidence { agreements };
        let books = instruments
            .iter()
            .map(|id| BookSync::new(*id, venue, recovery))
            .collect();
        let instruments = instruments.to_vec();
        Self {
            decoder,
            books,
            instruments,
            levels: Levels::default(),
            bodies: Vec::new(),
        }
    }

    /// A symbol's book.
    pub(super) fn book(&self, symbol: usize) -> &BookSync {
        &self.books[symbol]
    }

    /// Decodes a frame received at `at` and appends its events.
    pub(super) fn frame(
        &mut self,
        at: Timestamp,
        json: &[u8],
        out: &mut Vec<Event>,
    ) -> Result<Seen, DecodeError> {
        let frame = self.decoder.decode(json, &mut self.levels)?;
        self.bodies.clear();
        let (ts_venue, step) = match &frame {
            Frame::Depth(update) => {
                self.check_room(update.symbol)?;
                let step = self.books[update.symbol].depth(update, &self.levels, &mut self.bodies);
                (update.ts_venue, Some(step))
            }
            Frame::Snapshot(snapshot) => {
                // The decoder refuses snapshots unless the file has one symbol.
                self.check_room(0)?;
                let step = self.books[0].snapshot(snapshot, &self.levels, &mut self.bodies);
                (at, Some(step))
            }
            Frame::BookTicker(ticker) => {
                self.bodies
                    .push(quote(self.instruments[ticker.symbol], ticker).into());
                (
                    at,
                    self.books[ticker.symbol].ticker(ticker, &mut self.bodies),
                )
            }
            Frame::Trade(tick) => {
                self.bodies
                    .push(trade(self.instruments[tick.symbol], tick).into());
                (tick.ts_venue, None)
            }
        };
        out.extend(
            self.bodies
                .drain(..)
                .map(|body| Event::new(ts_venue, at, body)),
        );
        Ok(Seen {
            frame,
            step,
            cut_sizes: self.levels.cut_sizes,
        })
    }
}

impl Feed {
    /// Refuses levels for which a book has no room.
    fn check_room(&self, symbol: usize) -> Result<(), DecodeError> {
        match self.books[symbol].book().len() + self.levels.count() > MAX_LEVELS {
            true => Err(DecodeError::Levels { most: MAX_LEVELS }),
            false => Ok(()),
        }
    }
}

fn quote(instrument: InstrumentId, ticker: &BookTicker) -> Quote {
    // The contract's form of an empty side is price and size zero.
    let side = |(price, size): (Price, Size)| {
        if size > Size::ZERO {
            (price, size)
        } else {
            (Price::ZERO, Size::ZERO)
        }
    };
    let ((bid, bid_size), (ask, ask_size)) = (side(ticker.bid), side(ticker.ask));
    Quote {
        instrument,
        pad: Pad::ZERO,
        bid,
        bid_size,
        ask,
        ask_size,
    }
}

fn trade(instrument: InstrumentId, tick: &TradeTick) -> Trade {
    Trade {
        instrument,
        aggressor: tick.aggressor,
        pad: Pad::ZERO,
        price: tick.price,
        size: tick.size,
        trade_id: tick.trade_id,
    }
}

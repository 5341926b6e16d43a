//! Turns frames into market data events: the books of a market, and the decoder of each file.

use super::describe::describe;
use crate::binance::{
    BookSync, BookTicker, DecodeError, Decoder, Frame, Levels, Recovery, Symbol, SyncStep,
    TradeTick,
};
use tickdeck_model::{
    Body, Event, InstrumentId, Pad, Price, Quote, Size, Timestamp, Trade, VenueId,
};

/// Maximum number of levels of a book, both sides. The deepest real books have a tenth; a hostile file has a new price in
/// every line.
const MAX_LEVELS: usize = 1 << 20;

/// Unreadable lines in a row, without a diff in between, after which a book is no longer believed.
const MAX_UNREADABLE: u32 = 10;

/// The books of a market, which the frames of one or several files change.
#[derive(Debug)]
pub(super) struct Feed {
    books: Vec<Book>,
    levels: Levels,
    bodies: Vec<Body>,
}

#[derive(Debug)]
struct Book {
    instrument: InstrumentId,
    sync: BookSync,
    /// Lines since the last diff that could not be read and may have been one.
    unreadable: u32,
}

/// The frames of one file, and the books that they belong to.
#[derive(Debug)]
pub(super) struct Source {
    decoder: Decoder,
    /// The book of each of the decoder's symbols.
    books: Vec<usize>,
}

/// The result of one line.
#[derive(Debug)]
pub(super) enum Read {
    /// It has a frame.
    Seen(Seen),
    /// It has a frame that is not for these books.
    Other,
    /// It could not be read.
    Damaged {
        problem: String,
        /// Why a book is no longer believed, if so.
        contradiction: Option<String>,
    },
}

/// The result of one frame.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seen {
    pub(super) frame: Frame,
    /// The book that it belongs to.
    pub(super) book: usize,
    /// The effect on the book.
    pub(super) step: Option<SyncStep>,
    /// Sizes of levels that were cut down to the scale.
    pub(super) cut_sizes: u64,
}

impl Source {
    /// `books` are those of the decoder's symbols, in its order.
    pub(super) fn new(decoder: Decoder, books: Vec<usize>) -> Self {
        Self { decoder, books }
    }

    /// The symbol of a frame.
    pub(super) fn symbol(&self, frame: &Frame) -> &Symbol {
        &self.decoder.symbols()[frame.symbol()]
    }
}

impl Feed {
    pub(super) fn new(instruments: &[InstrumentId], venue: VenueId, agreements: u32) -> Self {
        let recovery = Recovery::Evidence { agreements };
        let book = |id: &InstrumentId| Book {
            instrument: *id,
            sync: BookSync::new(*id, venue, recovery),
            unreadable: 0,
        };
        Self {
            books: instruments.iter().map(book).collect(),
            levels: Levels::default(),
            bodies: Vec::new(),
        }
    }

    /// A book.
    pub(super) fn book(&self, at: usize) -> &BookSync {
        &self.books[at].sync
    }

    /// Reads a line received at `at` and appends its events. `json` is its frame, or why it has none.
    pub(super) fn line(
        &mut self,
        source: &Source,
        at: Timestamp,
        line: &[u8],
        json: Result<&[u8], &'static str>,
        out: &mut Vec<Event>,
    ) -> Read {
        let (problem, may_be_a_diff) = match json {
            Err(why) => (why.to_owned(), true),
            Ok(json) => match self.frame(source, at, json, out) {
                Ok(seen) => return Read::Seen(seen),
                Err(error) if error.is_other() => return Read::Other,
                Err(error) => {
                    let may_be_a_diff = error.may_be_a_diff() && !Decoder::is_no_diff(line);
                    (error.to_string(), may_be_a_diff)
                }
            },
        };
        let contradiction = self.unreadable(source, at, (line, may_be_a_diff), out);
        Read::Damaged {
            problem,
            contradiction,
        }
    }

    /// Decodes a frame received at `at` and appends its events.
    fn frame(
        &mut self,
        source: &Source,
        at: Timestamp,
        json: &[u8],
        out: &mut Vec<Event>,
    ) -> Result<Seen, DecodeError> {
        let frame = source.decoder.decode(json, &mut self.levels)?;
        self.bodies.clear();
        let book_at = source.books[frame.symbol()];
        let Book {
            instrument,
            sync,
            unreadable,
        } = &mut self.books[book_at];
        let (ts_venue, step) = match &frame {
            Frame::Depth(update) => {
                check_room(sync, &self.levels)?;
                *unreadable = 0;
                let step = sync.depth(update, &self.levels, &mut self.bodies);
                (update.ts_venue, Some(step))
            }
            Frame::Snapshot(snapshot) => {
                check_room(sync, &self.levels)?;
                let step = sync.snapshot(at, snapshot, &self.levels, &mut self.bodies);
                if matches!(step, SyncStep::Synced(_)) {
                    *unreadable = 0;
                }
                (at, Some(step))
            }
            Frame::BookTicker(ticker) => {
                let step = sync.ticker(at, ticker, &mut self.bodies);
                // What the quote says about the book comes first.
                self.bodies.push(quote(*instrument, ticker).into());
                (at, step)
            }
            Frame::Trade(tick) => {
                let step = sync.trade(at, tick.ts_venue, &mut self.bodies);
                self.bodies.push(trade(*instrument, tick).into());
                (tick.ts_venue, step)
            }
        };
        self.append(ts_venue, at, out);
        Ok(Seen {
            frame,
            book: book_at,
            step,
            cut_sizes: self.levels.cut_sizes,
        })
    }

    /// Notes a line that could not be read, received at `at`: it may have been of the symbol that it names, else of any, a quote, or
    /// a diff unless its error says that it was none. Appends what follows from it. Returns why a book is no longer believed, if so.
    fn unreadable(
        &mut self,
        source: &Source,
        at: Timestamp,
        (line, may_be_a_diff): (&[u8], bool),
        out: &mut Vec<Event>,
    ) -> Option<String> {
        self.bodies.clear();
        let named = source.decoder.symbol_in(line);
        let mut first = None;
        for (symbol, book) in source.decoder.symbols().iter().zip(&source.books) {
            let book = &mut self.books[*book];
            if named.is_some_and(|named| named.name != symbol.name) {
                continue;
            }
            book.sync.quote_may_be_missing();
            book.unreadable = (book.unreadable).saturating_add(u32::from(may_be_a_diff));
            if may_be_a_diff
                && book.unreadable >= MAX_UNREADABLE
                && let Some(SyncStep::Contradicted(what)) =
                    book.sync.unreadable(book.unreadable, &mut self.bodies)
            {
                first.get_or_insert_with(|| describe(what, symbol));
            }
        }
        self.append(at, at, out);
        first
    }

    fn append(&mut self, ts_venue: Timestamp, at: Timestamp, out: &mut Vec<Event>) {
        let bodies = self.bodies.drain(..);
        out.extend(bodies.map(|body| Event::new(ts_venue, at, body)));
    }
}

/// Refuses levels for which a book has no room.
fn check_room(sync: &BookSync, levels: &Levels) -> Result<(), DecodeError> {
    match sync.book().len() + levels.count() > MAX_LEVELS {
        true => Err(DecodeError::Levels { most: MAX_LEVELS }),
        false => Ok(()),
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
        reserved: Pad::ZERO,
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
        reserved: Pad::ZERO,
        instrument,
        aggressor: tick.aggressor,
        pad: Pad::ZERO,
        price: tick.price,
        size: tick.size,
        trade_id: tick.trade_id,
    }
}

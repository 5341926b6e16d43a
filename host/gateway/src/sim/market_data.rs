//! Public market data of one instrument: turns changes of the book into events.

use super::matching::{LevelView, Match, MatchOutcome, OrderBook};
use tickdeck_model::{
    Aggressor, Body, BookChange, BookUpdate, Event, InstrumentId, Pad, Price, Quote, Side, Size,
    Timestamp, Trade,
};

/// The time of an event at the venue, and the time at which it reaches us.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) ts_venue: Timestamp,
    pub(super) ts_host: Timestamp,
}

impl Moment {
    pub(super) fn event(self, body: impl Into<Body>) -> Event {
        Event::new(self.ts_venue, self.ts_host, body)
    }
}

/// The public market data of one instrument. Each method that appends events returns their number.
#[derive(Debug)]
pub(super) struct MarketData {
    instrument: InstrumentId,
    last_update: u64,
    last_trade: u64,
    quoted: Quote,
}

impl MarketData {
    pub(super) fn new(instrument: InstrumentId) -> Self {
        Self {
            instrument,
            last_update: 0,
            last_trade: 0,
            quoted: quote(instrument, None, None),
        }
    }

    /// Numbers the next trade.
    pub(super) fn number_trade(&mut self) -> u64 {
        self.last_trade += 1;
        self.last_trade
    }

    /// The trades among `outcomes`, which were the last to be numbered.
    pub(super) fn trades(
        &self,
        when: Moment,
        outcomes: &[MatchOutcome],
        out: &mut Vec<Event>,
    ) -> u64 {
        let matches = || {
            outcomes.iter().filter_map(|outcome| {
                if let MatchOutcome::Traded(trade) = outcome {
                    Some(trade)
                } else {
                    None
                }
            })
        };
        let count = matches().count() as u64;
        let first = self.last_trade - count + 1;
        out.extend(
            matches()
                .zip(first..)
                .map(|(trade, number)| when.event(self.trade(trade, number))),
        );
        count
    }

    /// One message with every level that changed; empties `changes`.
    pub(super) fn deltas(
        &mut self,
        when: Moment,
        changes: &mut Vec<(Side, LevelView)>,
        out: &mut Vec<Event>,
    ) -> u64 {
        let count = changes.len();
        if count == 0 {
            return 0;
        }
        self.last_update += 1;
        for (at, (side, level)) in changes.drain(..).enumerate() {
            let update = self.update(
                BookChange::Delta,
                side,
                level.price,
                level.size,
                at + 1 == count,
            );
            out.push(when.event(update));
        }
        count as u64
    }

    /// The best prices, if they or their sizes changed.
    pub(super) fn quote(&mut self, when: Moment, book: &OrderBook, out: &mut Vec<Event>) -> u64 {
        let now = quote(self.instrument, book.best(Side::Buy), book.best(Side::Sell));
        if now == self.quoted {
            return 0;
        }
        self.quoted = now;
        out.push(when.event(now));
        1
    }

    /// The whole book: a clear and every level.
    pub(super) fn snapshot(&mut self, when: Moment, book: &OrderBook, out: &mut Vec<Event>) -> u64 {
        self.last_update += 1;
        let before = out.len();
        let clear = self.update(BookChange::Clear, Side::Buy, Price::ZERO, Size::ZERO, false);
        out.push(when.event(clear));
        for side in [Side::Buy, Side::Sell] {
            let levels = book.levels(side).map(|level| {
                self.update(BookChange::Snapshot, side, level.price, level.size, false)
            });
            out.extend(levels.map(|update| when.event(update)));
        }
        // The last one closes the message.
        if let Some(event) = out.last_mut()
            && let Body::Book(update) = event.body()
        {
            *event = when.event(BookUpdate {
                last: true,
                ..update
            });
        }
        (out.len() - before) as u64
    }

    fn trade(&self, trade: &Match, trade_id: u64) -> Trade {
        Trade {
            reserved: Pad::ZERO,
            instrument: self.instrument,
            aggressor: match trade.side {
                Side::Buy => Aggressor::Buyer,
                Side::Sell => Aggressor::Seller,
            },
            pad: Pad::ZERO,
            price: trade.price,
            size: trade.size,
            trade_id,
        }
    }

    fn update(
        &self,
        change: BookChange,
        side: Side,
        price: Price,
        size: Size,
        last: bool,
    ) -> BookUpdate {
        let (instrument, update_id) = (self.instrument, self.last_update);
        BookUpdate {
            reserved: Pad::ZERO,
            instrument,
            change,
            side,
            last,
            pad: Pad::ZERO,
            price,
            size,
            update_id,
        }
    }
}

fn quote(instrument: InstrumentId, bid: Option<LevelView>, ask: Option<LevelView>) -> Quote {
    let shown = |level: Option<LevelView>| {
        level.map_or((Price::ZERO, Size::ZERO), |level| (level.price, level.size))
    };
    let ((bid, bid_size), (ask, ask_size)) = (shown(bid), shown(ask));
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

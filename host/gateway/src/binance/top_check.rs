//! Compares the exchange's own best bid and ask with the local book's.
//!
//! After the depth event whose last id is `u`, the book's top must equal the newest `bookTicker` whose `u` is not
//! greater. The two streams race, so a verdict waits until a ticker beyond the depth event has arrived: then every
//! relevant ticker has.

use super::book::{Level, LocalBook};
use super::wire::BookTicker;
use std::collections::VecDeque;
use tickdeck_model::{Price, Size};

/// Maximum number of tickers and tops kept; at 100 ms between depth events this is minutes of one stream without the other.
const MAX_KEPT: usize = 8_192;

/// Best bid and ask with their sizes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Top {
    /// The best bid, if there is one.
    pub bid: Option<Level>,
    /// The best ask, if there is one.
    pub ask: Option<Level>,
}

impl Top {
    /// The book's.
    pub fn of_book(book: &LocalBook) -> Self {
        Self {
            bid: book.best_bid(),
            ask: book.best_ask(),
        }
    }

    /// The ticker's.
    pub fn of_ticker(ticker: &BookTicker) -> Self {
        let level =
            |(price, size): (Price, Size)| (size > Size::ZERO).then_some(Level { price, size });
        Self {
            bid: level(ticker.bid),
            ask: level(ticker.ask),
        }
    }
}

/// The result of the comparison after one depth event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TopVerdict {
    /// Both tops are equal.
    Agrees,
    /// The tops differ.
    Differs {
        /// Last id of the depth event.
        last_id: u64,
        /// The local book's.
        local: Top,
        /// The exchange's.
        exchange: Top,
    },
    /// There was no ticker as old as the depth event.
    Unchecked,
}

/// Pairs tops with tickers.
#[derive(Debug, Clone, Default)]
pub struct TopCheck {
    tickers: VecDeque<(u64, Top)>,
    tops: VecDeque<(u64, Top)>,
}

impl TopCheck {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.tickers.clear();
        self.tops.clear();
    }

    /// Forgets the tops of a book that another one replaces.
    pub fn forget_tops(&mut self) {
        self.tops.clear();
    }

    /// Records a ticker. One whose id goes back is ignored.
    pub fn ticker(&mut self, ticker: &BookTicker) {
        if self
            .tickers
            .back()
            .is_some_and(|(newest, _)| *newest >= ticker.update_id)
        {
            return;
        }
        if self.tickers.len() == MAX_KEPT {
            self.tickers.pop_front();
        }
        self.tickers
            .push_back((ticker.update_id, Top::of_ticker(ticker)));
    }

    /// Records the book's top after the depth event of `last_id`.
    pub fn depth(&mut self, last_id: u64, top: Top) {
        if self.tops.len() == MAX_KEPT {
            self.tops.pop_front();
        }
        self.tops.push_back((last_id, top));
    }

    /// The next verdict that no later ticker can change.
    pub fn next_verdict(&mut self) -> Option<TopVerdict> {
        let (last_id, _) = self.tops.front()?;
        let (newest, _) = self.tickers.back()?;
        if newest > last_id {
            self.final_verdict()
        } else {
            None
        }
    }

    /// The next verdict based on what has been seen; for the end of the streams.
    pub fn final_verdict(&mut self) -> Option<TopVerdict> {
        let (last_id, local) = self.tops.pop_front()?;
        while self.tickers.get(1).is_some_and(|(id, _)| *id <= last_id) {
            self.tickers.pop_front();
        }
        Some(match self.tickers.front() {
            Some((id, exchange)) if *id <= last_id && *exchange == local => TopVerdict::Agrees,
            Some((id, exchange)) if *id <= last_id => TopVerdict::Differs {
                last_id,
                local,
                exchange: *exchange,
            },
            _ => TopVerdict::Unchecked,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ticker(update_id: u64, bid: i64) -> BookTicker {
        BookTicker {
            symbol: 0,
            update_id,
            bid: (Price(bid), Size(1)),
            ask: (Price(100), Size(1)),
        }
    }

    fn top(bid: i64) -> Top {
        Top::of_ticker(&ticker(0, bid))
    }

    #[test]
    fn the_newest_ticker_that_is_not_ahead_decides_whichever_stream_comes_first() {
        let mut top_check = TopCheck::default();
        top_check.depth(10, top(8));
        assert_eq!(
            top_check.next_verdict(),
            None,
            "a ticker of id 9 may still come"
        );
        top_check.ticker(&ticker(7, 6));
        top_check.ticker(&ticker(9, 8));
        assert_eq!(top_check.next_verdict(), None);
        top_check.ticker(&ticker(11, 9));
        assert_eq!(top_check.next_verdict(), Some(TopVerdict::Agrees));
        top_check.depth(12, top(8));
        assert_eq!(
            top_check.final_verdict(),
            Some(TopVerdict::Differs {
                last_id: 12,
                local: top(8),
                exchange: top(9)
            })
        );
    }

    #[test]
    fn a_depth_event_older_than_every_ticker_is_not_judged() {
        let mut top_check = TopCheck::default();
        top_check.ticker(&ticker(9, 8));
        top_check.depth(8, top(8));
        assert_eq!(top_check.next_verdict(), Some(TopVerdict::Unchecked));
    }
}

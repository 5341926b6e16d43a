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

/// Rising ids in a row, all below the newest, that show that the newest is wrong: a changed digit, or ids that began anew.
const MAX_BELOW: u32 = 8;

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
        /// Id of the ticker: of the same state of the book, or the newest that came before it.
        quote_id: u64,
        /// The local book's.
        local: Top,
        /// The exchange's.
        exchange: Top,
    },
    /// There was no ticker as old as the depth event, or the newest such one may be missing.
    Unchecked,
}

/// A ticker.
#[derive(Debug, Clone, Copy)]
struct Known {
    id: u64,
    top: Top,
    /// Whether one may be missing between it and the next.
    has_hole_behind: bool,
}

/// Pairs tops with tickers.
#[derive(Debug, Clone, Default)]
pub struct TopCheck {
    tickers: VecDeque<Known>,
    tops: VecDeque<(u64, Top)>,
    /// Rising tickers in a row below the newest: how many, and the id of the last.
    below: (u32, u64),
}

impl TopCheck {
    /// Forgets everything.
    pub fn clear(&mut self) {
        self.tickers.clear();
        self.tops.clear();
        self.below = (0, 0);
    }

    /// Forgets the tops of a book that another one replaces.
    pub fn forget_tops(&mut self) {
        self.tops.clear();
    }

    /// Records a ticker; returns whether it counts. One whose id goes back is ignored; several in a row that rise show that the newest
    /// was wrong, and replace it.
    pub fn ticker(&mut self, ticker: &BookTicker) -> bool {
        let id = ticker.update_id;
        if self.tickers.back().is_some_and(|newest| newest.id >= id) {
            let (count, last) = self.below;
            self.below = match id > last {
                true => (count + 1, id),
                false => (1, id),
            };
            if self.below.0 < MAX_BELOW {
                return false;
            }
            self.tickers.clear();
        }
        self.below = (0, 0);
        if self.tickers.len() == MAX_KEPT {
            self.tickers.pop_front();
        }
        self.tickers.push_back(Known {
            id,
            top: Top::of_ticker(ticker),
            has_hole_behind: false,
        });
        true
    }

    /// Notes that a ticker may be missing here.
    pub fn hole(&mut self) {
        if let Some(newest) = self.tickers.back_mut() {
            newest.has_hole_behind = true;
        }
    }

    /// The newest ticker.
    pub fn newest(&self) -> Option<Top> {
        self.tickers.back().map(|newest| newest.top)
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
        if self.tickers.back()?.id > *last_id {
            self.final_verdict()
        } else {
            None
        }
    }

    /// The next verdict based on what has been seen; for the end of the streams.
    pub fn final_verdict(&mut self) -> Option<TopVerdict> {
        let (last_id, local) = self.tops.pop_front()?;
        while self.tickers.get(1).is_some_and(|next| next.id <= last_id) {
            self.tickers.pop_front();
        }
        let Some(quote) = self.tickers.front().filter(|quote| quote.id <= last_id) else {
            return Some(TopVerdict::Unchecked);
        };
        Some(match quote.top == local {
            true => TopVerdict::Agrees,
            false if quote.has_hole_behind && quote.id < last_id => TopVerdict::Unchecked,
            false => TopVerdict::Differs {
                last_id,
                quote_id: quote.id,
                local,
                exchange: quote.top,
            },
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
                quote_id: 11,
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

    #[test]
    fn a_ticker_before_a_hole_decides_only_about_its_own_id() {
        let mut top_check = TopCheck::default();
        top_check.ticker(&ticker(7, 6));
        top_check.hole();
        top_check.ticker(&ticker(9, 6));
        for (last_id, bid, verdict) in [(7, 5, false), (8, 5, true)] {
            top_check.depth(last_id, top(bid));
            let said = top_check.next_verdict();
            assert_eq!(said == Some(TopVerdict::Unchecked), verdict, "{last_id}");
        }
    }

    #[test]
    fn one_ticker_with_an_id_far_ahead_does_not_silence_the_others() {
        let mut top_check = TopCheck::default();
        top_check.ticker(&ticker(1_000_000, 5));
        let accepted = (1..20).filter(|id| top_check.ticker(&ticker(*id, 6)));
        assert_eq!(accepted.count(), 20 - MAX_BELOW as usize);
        top_check.depth(18, top(6));
        assert_eq!(top_check.next_verdict(), Some(TopVerdict::Agrees));
        // Repeated ones are no rise.
        for _ in 0..50 {
            assert!(!top_check.ticker(&ticker(7, 6)));
        }
    }
}

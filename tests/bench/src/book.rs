//! `book`: a level of the real depth streams into the local book, and reading its best bid and ask.
//!
//! The levels are decoded beforehand. Every round starts with an empty book for each capture, so it pays for growing it
//! too, and for finding the next best level when the best is gone: the reading itself is of books as the captures leave
//! them. The baseline is what one would write first: an ordered map a side.

use crate::effort::Effort;
use crate::frames::Frames;
use crate::row::{Claim, Goal, Row, interleave};
use anyhow::{Result, ensure};
use std::collections::BTreeMap;
use std::hint::black_box;
use std::time::Instant;
use tickdeck_gateway::binance::{Frame, Levels, LocalBook};
use tickdeck_model::{Price, Side, Size};

type Change = (Side, Price, Size);

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let mut markets: Vec<Vec<Change>> = Frames::of(&effort.captures)?.iter().map(changes).collect();
    for market in &mut markets {
        market.truncate(effort.events);
        check(market)?;
    }
    let (our_books, map_books) = (filled::<LocalBook>(&markets), filled::<Maps>(&markets));
    let [ours, maps, our_tops, map_tops] = interleave(
        effort.rounds,
        [
            &mut || Ok(per_level::<LocalBook>(&markets)),
            &mut || Ok(per_level::<Maps>(&markets)),
            &mut || Ok(per_read(&our_books, effort.events)),
            &mut || Ok(per_read(&map_books, effort.events)),
        ],
    )?;
    let claim = |bench, unit, goal| Claim {
        bench,
        unit,
        against: "a BTreeMap a side",
        goal: Some(Goal::Value(goal)),
        more_is_better: false,
    };
    Ok(vec![
        claim("book/apply", "ns/level", 30.0).row(&ours, &maps),
        claim("book/best", "ns/both", 3.0).row(&our_tops, &map_tops),
    ])
}

/// Every level of a capture's depth stream, snapshots included, in its order.
fn changes(frames: &Frames) -> Vec<Change> {
    let (mut changes, mut levels) = (Vec::new(), Levels::default());
    for frame in frames.iter() {
        if let Ok(Frame::Depth(_) | Frame::Snapshot(_)) = frames.decoder.decode(frame, &mut levels)
        {
            for (side, of_side) in [(Side::Buy, &levels.bids), (Side::Sell, &levels.asks)] {
                changes.extend(of_side.iter().map(|(price, size)| (side, *price, *size)));
            }
        }
    }
    changes
}

trait Book: Default {
    fn set(&mut self, change: &Change);
    fn tops(&self) -> [Option<(Price, Size)>; 2];
}

impl Book for LocalBook {
    fn set(&mut self, (side, price, size): &Change) {
        self.set(*side, *price, *size);
    }

    fn tops(&self) -> [Option<(Price, Size)>; 2] {
        [self.best_bid(), self.best_ask()].map(|top| top.map(|top| (top.price, top.size)))
    }
}

#[derive(Default)]
struct Maps {
    bids: BTreeMap<Price, Size>,
    asks: BTreeMap<Price, Size>,
}

impl Book for Maps {
    fn set(&mut self, (side, price, size): &Change) {
        let map = match side {
            Side::Buy => &mut self.bids,
            Side::Sell => &mut self.asks,
        };
        if *size == Size::ZERO {
            map.remove(price);
        } else {
            map.insert(*price, *size);
        }
    }

    fn tops(&self) -> [Option<(Price, Size)>; 2] {
        let level = |(price, size): (&Price, &Size)| (*price, *size);
        [
            self.bids.last_key_value().map(level),
            self.asks.first_key_value().map(level),
        ]
    }
}

/// A book of each capture, as its last frame leaves it.
fn filled<B: Book>(markets: &[Vec<Change>]) -> Vec<B> {
    let fill = |changes: &Vec<Change>| {
        let mut book = B::default();
        changes.iter().for_each(|change| book.set(change));
        book
    };
    markets.iter().map(fill).collect()
}

/// Nanoseconds a level.
fn per_level<B: Book>(markets: &[Vec<Change>]) -> f64 {
    let start = Instant::now();
    let books: Vec<B> = filled(markets);
    let took = start.elapsed().as_nanos() as f64;
    black_box(&books);
    took / markets.iter().map(Vec::len).sum::<usize>().max(1) as f64
}

/// Nanoseconds for both tops of a book.
fn per_read<B: Book>(books: &[B], reads: usize) -> f64 {
    let each = reads / books.len().max(1);
    let mut seen = 0;
    let start = Instant::now();
    for book in books {
        for _ in 0..each {
            seen += sum(black_box(book).tops());
        }
    }
    let took = start.elapsed().as_nanos() as f64;
    black_box(seen);
    took / (each * books.len()).max(1) as f64
}

/// Something that needs both.
fn sum(tops: [Option<(Price, Size)>; 2]) -> i64 {
    let of = |top: Option<(Price, Size)>| top.map_or(0, |(price, size)| price.0 ^ size.0);
    of(tops[0]).wrapping_sub(of(tops[1])) & 0xff
}

/// Checks that both measure the same book.
fn check(changes: &[Change]) -> Result<()> {
    let (mut ours, mut maps) = (LocalBook::default(), Maps::default());
    for change in changes {
        Book::set(&mut ours, change);
        maps.set(change);
        ensure!(ours.tops() == maps.tops(), "the books' tops differ");
    }
    ensure!(
        ours.len() == maps.bids.len() + maps.asks.len(),
        "the books differ"
    );
    Ok(())
}

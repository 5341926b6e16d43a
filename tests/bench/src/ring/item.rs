//! The items that go through the rings, and the check on the other side.

use anyhow::Result;
use tickdeck_model::Event;

const WORDS: usize = Event::SIZE / 8;
/// Producers that a tally tells apart, a power of two.
const PRODUCERS: usize = 4;
/// Items in the table of a producer: three bursts of the largest size.
const TABLE: usize = 3 * 64;

/// As large as an event and as plain; the first word names the producer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Item([u64; WORDS]);

const _: () = assert!(size_of::<Item>() == size_of::<Event>());

impl Item {
    pub(super) const EMPTY: Self = Self([0; WORDS]);

    fn new(producer: usize, number: usize) -> Self {
        let seed = ((producer << 32) | (number + 1)) as u64;
        let mut words = std::array::from_fn(|word| {
            (seed ^ (word as u64) << 56).wrapping_mul(0x9e37_79b9_7f4a_7c15)
        });
        words[0] = producer as u64;
        Self(words)
    }

    fn sum(&self) -> u64 {
        self.0.iter().fold(0, |sum, word| sum.wrapping_add(*word))
    }
}

/// The items of one producer: a table, gone through again and again.
pub(super) struct Source {
    table: Vec<Item>,
    burst: usize,
    laps: usize,
}

impl Source {
    pub(super) fn new(producer: usize, burst: usize, laps: usize) -> Self {
        Self {
            table: (0..TABLE)
                .map(|number| Item::new(producer, number))
                .collect(),
            burst,
            laps,
        }
    }

    /// Returns the laps through the table that yield at least this many items.
    pub(super) fn laps(items: usize) -> usize {
        items.div_ceil(TABLE)
    }

    /// Hands out burst after burst.
    pub(super) fn for_each(&self, mut publish: impl FnMut(&[Item]) -> Result<()>) -> Result<()> {
        for _ in 0..self.laps {
            for burst in self.table.chunks_exact(self.burst) {
                publish(burst)?;
            }
        }
        Ok(())
    }
}

/// A consumer's result: the number of items, and an order-dependent fold over those of each producer.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    count: u64,
    folds: [u64; PRODUCERS],
}

impl Tally {
    pub(super) fn add(&mut self, item: &Item) {
        self.count += 1;
        let fold = &mut self.folds[item.0[0] as usize % PRODUCERS];
        *fold = fold.rotate_left(1).wrapping_add(item.sum());
    }

    /// Returns the result that each consumer must have.
    pub(super) fn expected(producers: usize, laps: usize) -> Self {
        let mut tally = Self::default();
        for producer in 0..producers {
            let table = Source::new(producer, 1, laps).table;
            (0..laps)
                .flat_map(|_| &table)
                .for_each(|item| tally.add(item));
        }
        tally
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

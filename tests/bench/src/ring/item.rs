//! What goes through the rings, and how it is checked on the other side.

use super::Topology;
use tickdeck_model::Event;

const WORDS: usize = Event::SIZE / 8;
const BURSTS: usize = 3;
pub(super) const MAX_PRODUCERS: usize = 3;

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

/// The items of one producer: so many bursts, taken from a table again and again.
pub(super) struct Source {
    table: Vec<Item>,
    burst: usize,
    bursts: usize,
}

impl Source {
    pub(super) fn new(producer: usize, burst: usize, bursts: usize) -> Self {
        // As many items whatever the burst, so that the table costs the same.
        let table = (0..BURSTS * 64).map(|number| Item::new(producer, number)).collect();
        Self {
            table,
            burst,
            bursts,
        }
    }

    pub(super) fn bursts(&self) -> impl Iterator<Item = &[Item]> {
        self.table.chunks_exact(self.burst).cycle().take(self.bursts)
    }
}

/// What a consumer saw: how many items, and a fold over each producer's that depends on their order.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tally {
    count: u64,
    folds: [u64; MAX_PRODUCERS],
}

impl Tally {
    pub(super) fn add(&mut self, item: &Item) {
        self.count += 1;
        let fold = &mut self.folds[item.0[0] as usize % MAX_PRODUCERS];
        *fold = fold.rotate_left(1).wrapping_add(item.sum());
    }

    /// What each consumer must see.
    pub(super) fn expected(topology: Topology, bursts: usize) -> Self {
        let mut tally = Self::default();
        for producer in 0..topology.producers {
            let source = Source::new(producer, topology.burst, bursts);
            source.bursts().flatten().for_each(|item| tally.add(item));
        }
        tally
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }
}

//! Threads at full speed: nothing is lost, doubled, reordered or torn, and all consumers see one order.
//!
//! Each item names its producer, counts within it and carries a checksum over all its words. The order is proved
//! by recording, for every sequence, whichever item a consumer saw there first, and comparing all others with it.
#![cfg(not(loom))]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use tickdeck_ring::{Consumer, Read, Ring, RingConfig, RingError, SlowPolicy, Wait, Wake, ring};

const PRODUCERS: u64 = 3;
const WORDS: usize = 16;

#[derive(Clone, Copy)]
struct Item {
    producer: u64,
    count: u64,
    sequence: u64,
    filler: [u64; WORDS],
    checksum: u64,
}

impl Item {
    fn new(producer: u64, count: u64) -> Self {
        let filler = std::array::from_fn(|word| mix(producer << 40 ^ count << 8 ^ word as u64));
        Self {
            producer,
            count,
            sequence: u64::MAX,
            filler,
            checksum: 0,
        }
    }

    fn stamp(&mut self, sequence: u64) {
        self.sequence = sequence;
        self.checksum = self.sum();
    }

    fn sum(&self) -> u64 {
        let words = self
            .filler
            .iter()
            .chain([&self.producer, &self.count, &self.sequence]);
        words.fold(0, |sum, word| mix(sum ^ word))
    }

    /// The item's identity, never zero.
    fn name(&self) -> u64 {
        (self.producer + 1) << 40 | self.count
    }
}

/// The finaliser of splitmix64.
fn mix(mut word: u64) -> u64 {
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// A pseudo-random number below `bound`, from a counter.
fn draw(state: &mut u64, bound: u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mix(*state) % bound
}

/// The one order: for each sequence the name of the item that was seen there.
struct Order(Vec<AtomicU64>);

impl Order {
    fn of(total: u64) -> Self {
        Self((0..total).map(|_| AtomicU64::new(0)).collect())
    }

    /// Checks an item that was read at `sequence`.
    fn check(&self, sequence: u64, item: &Item) {
        assert_eq!(item.checksum, item.sum(), "torn item at {sequence}");
        assert_eq!(item.sequence, sequence, "item in the wrong place");
        let place = &self.0[usize::try_from(sequence).unwrap()];
        let seen = place.compare_exchange(0, item.name(), Ordering::Relaxed, Ordering::Relaxed);
        assert!(
            seen.is_ok() || seen == Err(item.name()),
            "two orders at {sequence}"
        );
    }

    /// Checks that the items of each producer all occur once, in the order in which it published them.
    fn check_complete(&self, each: u64) {
        let mut counts = [0; PRODUCERS as usize];
        for place in &self.0 {
            let name = place.load(Ordering::Relaxed);
            let producer = usize::try_from((name >> 40) - 1).unwrap();
            assert_eq!(
                name & ((1 << 40) - 1),
                counts[producer],
                "producer {producer} out of order"
            );
            counts[producer] += 1;
        }
        assert_eq!(counts, [each; PRODUCERS as usize]);
    }
}

/// Publishes `each` items in runs of varying length, mixing the ways to publish.
fn produce(ring: &Ring<Item>, which: u64, each: u64) {
    let mut producer = ring.producer();
    let mut random = which;
    let mut count = 0;
    while count < each {
        let len = (1 + draw(&mut random, ring.max_batch() as u64)).min(each - count);
        let items: Vec<_> = (count..count + len)
            .map(|count| Item::new(which, count))
            .collect();
        if draw(&mut random, 2) == 0 {
            match producer.try_publish_with(&items, Item::stamp) {
                Ok(_) => {}
                Err(RingError::Full { needed }) => {
                    assert_eq!(needed, items.len());
                    thread::yield_now();
                    continue;
                }
                Err(other) => panic!("{other}"),
            }
        } else {
            producer.publish_with(&items, Item::stamp).unwrap();
        }
        count += len;
    }
}

/// Reads in place until the end, or until `limit` items were read. Returns how many.
fn consume(consumer: &mut Consumer<Item>, order: &Order, limit: u64) -> u64 {
    let mut seen = 0;
    while seen < limit && consumer.wait(|| false).unwrap() == Wake::Ready {
        let first = consumer.position();
        let slots = consumer.peek(usize::try_from(limit - seen).unwrap_or(usize::MAX));
        (first..)
            .zip(slots)
            .for_each(|(sequence, item)| order.check(sequence, item));
        let len = slots.len();
        // In two steps, so that gates also stand in the middle of a run.
        consumer.release(len / 2);
        consumer.release(len - len / 2);
        seen += len as u64;
    }
    seen
}

/// Reads by copy to the end or the drop-out. Returns how many items were seen and how many were missed.
fn observe(consumer: &mut Consumer<Item>, order: &Order, mut next: u64) -> (u64, u64) {
    let mut out = Vec::new();
    let (mut seen, mut missed) = (0, 0);
    loop {
        out.clear();
        match consumer.read(&mut out, 7) {
            Ok(Read::Items { first, count }) => {
                assert_eq!((first, count), (next, out.len()), "an unaccounted gap");
                (first..)
                    .zip(&out)
                    .for_each(|(sequence, item)| order.check(sequence, item));
                next += count as u64;
                seen += count as u64;
            }
            Ok(Read::Lagged { from, to }) => {
                assert!(from == next && to > from, "a lag that does not fit");
                next = to;
                missed += to - from;
            }
            Ok(Read::Empty) => drop(consumer.wait(|| false)),
            Ok(Read::Closed) => return (seen, missed),
            Err(RingError::DroppedOut { at }) => {
                assert_eq!(at, next);
                return (seen, missed);
            }
            Err(other) => panic!("{other}"),
        }
        assert_eq!(consumer.position(), next);
    }
}

/// Attaches, reads a little and detaches, again and again until `done`.
fn come_and_go(ring: &Ring<Item>, order: &Order, done: &AtomicBool, seed: u64) -> u64 {
    let mut random = seed;
    let mut visits = 0;
    while !done.load(Ordering::Relaxed) {
        let before = ring.published();
        let back = draw(&mut random, ring.max_batch() as u64);
        match draw(&mut random, 4) {
            0 => {
                let mut consumer = ring.attach(SlowPolicy::Wait);
                assert!(
                    consumer.position() >= before,
                    "a consumer attached in the past"
                );
                consume(&mut consumer, order, 1 + back);
            }
            1 => match ring.attach_at(before.saturating_sub(back), SlowPolicy::Wait) {
                Ok(mut consumer) => {
                    assert_eq!(consumer.position(), before.saturating_sub(back));
                    consume(&mut consumer, order, back);
                }
                Err(refused) => assert!(matches!(refused, RingError::Overwritten { .. })),
            },
            2 => {
                let mut consumer = ring.attach(SlowPolicy::DropOut);
                let start = consumer.position();
                if draw(&mut random, 8) == 0 {
                    observe(&mut consumer, order, start);
                }
            }
            _ => drop(ring.attach(SlowPolicy::Conflate)),
        }
        visits += 1;
        thread::yield_now();
    }
    visits
}

fn storm(capacity: usize, wait: Wait, each: u64) {
    let total = PRODUCERS * each;
    let ring = ring::<Item>(RingConfig { capacity, wait }).unwrap();
    let order = Order::of(total);
    let done = AtomicBool::new(false);
    let (ring, order, done) = (&ring, &order, &done);
    let waiting = [(); 2].map(|()| ring.attach(SlowPolicy::Wait));
    let mut conflating = ring.attach(SlowPolicy::Conflate);
    thread::scope(|scope| {
        let producers: Vec<_> = (0..PRODUCERS)
            .map(|which| scope.spawn(move || produce(ring, which, each)))
            .collect();
        let waiting = waiting
            .map(|mut consumer| scope.spawn(move || consume(&mut consumer, order, u64::MAX)));
        let conflating = scope.spawn(move || observe(&mut conflating, order, 0));
        let visitors = [7, 8].map(|seed| scope.spawn(move || come_and_go(ring, order, done, seed)));
        producers
            .into_iter()
            .for_each(|producer| producer.join().unwrap());
        ring.close();
        for consumer in waiting {
            assert_eq!(
                consumer.join().unwrap(),
                total,
                "a consumer that waits lost something"
            );
        }
        let (seen, missed) = conflating.join().unwrap();
        assert_eq!(
            seen + missed,
            total,
            "the lags do not account for what is missing"
        );
        done.store(true, Ordering::Relaxed);
        let visits: u64 = visitors
            .into_iter()
            .map(|visitor| visitor.join().unwrap())
            .sum();
        assert!(visits > 0);
        println!(
            "capacity {capacity}, {wait:?}: {total} items, {missed} conflated, {visits} visits"
        );
    });
    assert_eq!(ring.published(), total);
    order.check_complete(each);
}

#[test]
fn nothing_is_lost_doubled_reordered_or_torn_while_consumers_come_and_go() {
    for wait in [
        Wait::Spin,
        Wait::SpinThenPark { spins: 8 },
        Wait::SpinThenPark { spins: 0 },
    ] {
        storm(16, wait, 20_000);
        storm(512, wait, 80_000);
    }
}

#[test]
fn the_smallest_ring_bears_the_same_storm() {
    storm(2, Wait::SpinThenPark { spins: 4 }, 2_000);
}

#[test]
fn a_producer_never_waits_for_a_lapsable_consumer_that_does_not_read() {
    let ring = ring::<Item>(RingConfig {
        capacity: 16,
        wait: Wait::Spin,
    })
    .unwrap();
    let order = Order::of(PRODUCERS * 100);
    let mut conflating = ring.attach(SlowPolicy::Conflate);
    let mut dropping = ring.attach(SlowPolicy::DropOut);
    (0..PRODUCERS).for_each(|which| produce(&ring, which, 100));
    ring.close();
    let (seen, missed) = observe(&mut conflating, &order, 0);
    assert_eq!(seen + missed, PRODUCERS * 100);
    assert!(seen > 0 && missed > 0);
    assert_eq!(observe(&mut dropping, &order, 0), (0, 0));
}

//! Models of the claim protocol, run over all interleavings (with a bound on preemptions) by loom.
//!
//! Every access to a slot is mirrored on one of loom's tracked cells, so a model fails not only when it sees a
//! wrong value, but as soon as a slot is written while it may be read. A wake-up that is lost shows as a deadlock.
//!
//! `RUSTFLAGS="--cfg loom" cargo test -p tickdeck-ring --release --test loom`
#![cfg(loom)]
#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use loom::sync::Arc;
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use loom::thread;
use tickdeck_ring::{
    Consumer, PARK_LIMIT, Read, Ring, RingConfig, RingError, SlowPolicy, Wait, Wake, ring,
};

/// Two words, which tear if anything does.
type Item = (u64, u64);

/// Parks at once: spinning would only multiply the interleavings.
const PARK: Wait = Wait::SpinThenPark { spins: 0 };

fn model(preemptions: usize, check: impl Fn() + Sync + Send + 'static) {
    let mut builder = loom::model::Builder::new();
    builder.preemption_bound = builder.preemption_bound.or(Some(preemptions));
    builder.check(check);
}

fn ring_of(capacity: usize) -> Ring<Item> {
    ring(RingConfig {
        capacity,
        wait: PARK,
    })
    .unwrap()
}

/// Publishes `runs` runs of one item each, which carries its own sequence.
fn publish_stamped(ring: &Ring<Item>, runs: usize) {
    let mut producer = ring.producer();
    for _ in 0..runs {
        producer
            .publish_with(&[(0, 0)], |item, sequence| *item = (sequence, !sequence))
            .unwrap();
    }
}

/// Reads one item in place; the slot is released only after it was looked at.
fn take_one(consumer: &mut Consumer<Item>) -> Option<Item> {
    match consumer.wait(|| false).unwrap() {
        Wake::Ready => {
            let item = consumer.peek(1)[0];
            consumer.release(1);
            Some(item)
        }
        Wake::Closed => None,
        Wake::Stopped => unreachable!("`stop` is never true"),
    }
}

fn assert_whole((one, two): Item, sequence: u64) {
    assert_eq!((one, two), (sequence, !sequence));
}

#[test]
fn two_producers_claim_different_sequences_and_both_become_visible() {
    model(2, || {
        let ring = ring_of(4);
        let mut consumer = ring.attach(SlowPolicy::Wait);
        let claimed = [1, 2].map(|tag| {
            let mut producer = ring.producer();
            thread::spawn(move || producer.publish(&[(tag, 0), (tag, 1)]).unwrap())
        });
        let mut seen = Vec::new();
        for _ in 0..4 {
            seen.extend(take_one(&mut consumer));
        }
        for (tag, claim) in [1, 2].into_iter().zip(claimed) {
            let first = claim.join().unwrap() as usize;
            assert_eq!(seen[first..first + 2], [(tag, 0), (tag, 1)]);
        }
    });
}

#[test]
fn a_published_item_is_whole_when_it_becomes_visible() {
    model(4, || {
        let ring = ring_of(2);
        let mut consumer = ring.attach(SlowPolicy::Wait);
        let producing = thread::spawn({
            let ring = ring.clone();
            move || publish_stamped(&ring, 2)
        });
        assert_whole(take_one(&mut consumer).unwrap(), 0);
        assert_whole(take_one(&mut consumer).unwrap(), 1);
        producing.join().unwrap();
    });
}

#[test]
fn gating_never_lets_an_unread_slot_be_overwritten() {
    model(3, || {
        let ring = ring_of(2);
        let mut consumer = ring.attach(SlowPolicy::Wait);
        let producing = thread::spawn({
            let ring = ring.clone();
            move || publish_stamped(&ring, 4)
        });
        for sequence in 0..4 {
            assert_whole(take_one(&mut consumer).unwrap(), sequence);
        }
        producing.join().unwrap();
    });
}

#[test]
fn a_consumer_attached_during_publishing_sees_everything_from_its_position_on() {
    model(3, || {
        let ring = ring_of(2);
        let producing = thread::spawn({
            let ring = ring.clone();
            move || {
                publish_stamped(&ring, 4);
                ring.close();
            }
        });
        let before = ring.published();
        let mut consumer = ring.attach(SlowPolicy::Wait);
        assert!(consumer.position() >= before);
        while let Some(item) = take_one(&mut consumer) {
            assert_whole(item, consumer.position() - 1);
        }
        assert_eq!(consumer.position(), 4);
        producing.join().unwrap();
    });
}

#[test]
fn a_consumer_attached_back_in_time_reads_what_is_still_there_or_is_refused() {
    model(3, || {
        let ring = ring_of(4);
        publish_stamped(&ring, 1);
        let producing = thread::spawn({
            let ring = ring.clone();
            move || {
                publish_stamped(&ring, 4);
                ring.close();
            }
        });
        match ring.attach_at(1, SlowPolicy::Wait) {
            Ok(mut consumer) => {
                for sequence in 1..5 {
                    assert_whole(take_one(&mut consumer).unwrap(), sequence);
                }
            }
            Err(refused) => assert!(matches!(refused, RingError::Overwritten { asked: 1, .. })),
        }
        producing.join().unwrap();
    });
}

#[test]
fn detaching_releases_a_waiting_producer() {
    model(4, || {
        let ring = ring_of(2);
        let consumer = ring.attach(SlowPolicy::Wait);
        publish_stamped(&ring, 2);
        let producing = thread::spawn({
            let ring = ring.clone();
            move || publish_stamped(&ring, 2)
        });
        drop(consumer);
        producing.join().unwrap();
        assert_eq!(ring.published(), 4);
    });
}

#[test]
fn a_gate_changes_hands_without_losing_what_its_last_owner_read() {
    model(3, || {
        let ring = ring_of(2);
        let mut first = ring.attach(SlowPolicy::Wait);
        let producing = thread::spawn({
            let ring = ring.clone();
            move || publish_stamped(&ring, 3)
        });
        assert_whole(take_one(&mut first).unwrap(), 0);
        drop(first);
        let mut second = ring.attach(SlowPolicy::Wait);
        while second.position() < 3 {
            let item = take_one(&mut second).unwrap();
            assert_whole(item, second.position() - 1);
        }
        producing.join().unwrap();
    });
}

#[test]
fn producers_never_overtake_an_unpublished_run_though_nobody_reads() {
    model(2, || {
        let ring = ring_of(2);
        let other = thread::spawn({
            let ring = ring.clone();
            move || publish_stamped(&ring, 3)
        });
        publish_stamped(&ring, 3);
        other.join().unwrap();
        assert_eq!(ring.published(), 6);
    });
}

/// Reads what there is; returns the next sequence, having checked that nothing is unaccounted for.
fn read_lapsable(consumer: &mut Consumer<Item>, mut next: u64, reads: usize) -> u64 {
    for _ in 0..reads {
        let mut out = Vec::new();
        match consumer.read(&mut out, 2).unwrap() {
            Read::Items { first, count } => {
                assert_eq!((first, count), (next, out.len()));
                for item in out {
                    assert_whole(item, next);
                    next += 1;
                }
            }
            Read::Lagged { from, to } => {
                assert!(from == next && to > from);
                next = to;
            }
            Read::Empty => {}
            Read::Closed => break,
        }
        assert_eq!(consumer.position(), next);
    }
    next
}

/// The second lap begins with a limit found before the reader pinned: the case that the window is for.
#[test]
fn a_conflating_consumer_never_sees_a_torn_item() {
    for (capacity, runs, wait) in [
        (2, 5, PARK),
        (4, 8, PARK),
        (2, 5, Wait::Spin),
        (4, 8, Wait::Spin),
    ] {
        model(3, move || {
            let ring = ring::<Item>(RingConfig { capacity, wait }).unwrap();
            let mut consumer = ring.attach(SlowPolicy::Conflate);
            let producing = thread::spawn({
                let ring = ring.clone();
                move || publish_stamped(&ring, runs)
            });
            let next = read_lapsable(&mut consumer, 0, 3);
            producing.join().unwrap();
            ring.close();
            assert_eq!(read_lapsable(&mut consumer, next, 4), runs as u64);
        });
    }
}

/// Runs of two and of one share the ring, so a lap also begins in the middle of an older run. Spinning rings no
/// bell, whose fences would hide a missing order.
#[test]
fn a_conflating_consumer_is_not_overrun_by_two_producers_in_turn() {
    model(2, || {
        let ring = ring::<Item>(RingConfig {
            capacity: 4,
            wait: Wait::Spin,
        })
        .unwrap();
        let mut consumer = ring.attach(SlowPolicy::Conflate);
        let producing = thread::spawn({
            let ring = ring.clone();
            move || {
                let mut producer = ring.producer();
                for _ in 0..3 {
                    let stamp = |item: &mut Item, sequence| *item = (sequence, !sequence);
                    let _ = producer.try_publish_with(&[(0, 0); 2], stamp);
                }
            }
        });
        publish_stamped(&ring, 1);
        read_lapsable(&mut consumer, 0, 2);
        producing.join().unwrap();
    });
}

#[test]
fn a_conflating_consumer_next_to_one_that_waits_never_sees_a_torn_item() {
    model(1, || {
        let ring = ring_of(2);
        let mut waiting = ring.attach(SlowPolicy::Wait);
        let mut conflating = ring.attach(SlowPolicy::Conflate);
        let producing = thread::spawn({
            let ring = ring.clone();
            move || publish_stamped(&ring, 3)
        });
        let reading = thread::spawn(move || {
            read_lapsable(&mut conflating, 0, 2);
        });
        for sequence in 0..3 {
            assert_whole(take_one(&mut waiting).unwrap(), sequence);
        }
        producing.join().unwrap();
        reading.join().unwrap();
    });
}

#[test]
fn whatever_was_published_before_the_close_is_read_before_the_end() {
    model(3, || {
        let ring = ring_of(2);
        let mut consumer = ring.attach(SlowPolicy::Wait);
        let mut producer = ring.producer();
        let producing = thread::spawn(move || producer.publish(&[(0, !0)]));
        let closing = thread::spawn({
            let ring = ring.clone();
            move || ring.close()
        });
        let item = take_one(&mut consumer);
        match producing.join().unwrap() {
            Ok(sequence) => assert_whole(item.unwrap(), sequence),
            Err(refused) => assert_eq!((refused, item), (RingError::Closed, None)),
        }
        closing.join().unwrap();
    });
}

/// Publishes as a sole producer, then closes: with the drop the end is told.
fn publish_alone(ring: &Ring<Item>, runs: usize) {
    let mut producer = ring.sole_producer().unwrap();
    for _ in 0..runs {
        producer
            .publish_with(&[(0, 0)], |item, sequence| *item = (sequence, !sequence))
            .unwrap();
    }
    ring.close();
}

#[test]
fn a_sole_producer_never_overwrites_what_is_unread_and_loses_nothing() {
    for (capacity, runs, wait) in [(2, 3, PARK), (2, 4, Wait::Spin)] {
        model(2, move || {
            let ring = ring::<Item>(RingConfig { capacity, wait }).unwrap();
            let mut consumer = ring.attach(SlowPolicy::Wait);
            let producing = thread::spawn({
                let ring = ring.clone();
                move || publish_alone(&ring, runs)
            });
            for sequence in 0..runs as u64 {
                assert_whole(take_one(&mut consumer).unwrap(), sequence);
            }
            assert_eq!(take_one(&mut consumer), None);
            producing.join().unwrap();
        });
    }
}

#[test]
fn a_consumer_attached_while_a_sole_producer_publishes_sees_everything_from_its_position_on() {
    model(2, || {
        let ring = ring_of(2);
        let producing = thread::spawn({
            let ring = ring.clone();
            move || publish_alone(&ring, 4)
        });
        let before = ring.published();
        let mut consumer = ring.attach(SlowPolicy::Wait);
        assert!(consumer.position() >= before);
        while let Some(item) = take_one(&mut consumer) {
            assert_whole(item, consumer.position() - 1);
        }
        assert_eq!(consumer.position(), 4);
        producing.join().unwrap();
    });
}

#[test]
fn a_conflating_consumer_never_sees_a_torn_item_of_a_sole_producer() {
    for (capacity, runs) in [(2, 5), (4, 8)] {
        model(2, move || {
            let ring = ring::<Item>(RingConfig {
                capacity,
                wait: Wait::Spin,
            })
            .unwrap();
            let mut consumer = ring.attach(SlowPolicy::Conflate);
            let producing = thread::spawn({
                let ring = ring.clone();
                move || publish_alone(&ring, runs)
            });
            let next = read_lapsable(&mut consumer, 0, 3);
            producing.join().unwrap();
            assert_eq!(read_lapsable(&mut consumer, next, 4), runs as u64);
        });
    }
}

/// The sole producer comes while a run of another is claimed and not yet published, and goes while a third waits.
#[test]
fn a_sole_producer_comes_and_goes_among_others() {
    model(2, || {
        let ring = ring_of(4);
        let mut consumer = ring.attach(SlowPolicy::Wait);
        let other = thread::spawn({
            let ring = ring.clone();
            move || {
                let mut producer = ring.producer();
                let stamp = |item: &mut Item, sequence| *item = (sequence, !sequence);
                let published = [(); 2].map(|()| producer.publish_with(&[(0, 0)], stamp));
                published.iter().filter(|result| result.is_ok()).count()
            }
        });
        let mut sole = ring.sole_producer().unwrap();
        for _ in 0..2 {
            sole.publish_with(&[(0, 0)], |item, sequence| *item = (sequence, !sequence))
                .unwrap();
        }
        drop(sole);
        let total = 2 + other.join().unwrap() as u64;
        for sequence in 0..total {
            assert_whole(take_one(&mut consumer).unwrap(), sequence);
        }
        assert_eq!(ring.published(), total);
    });
}

#[test]
fn a_close_from_elsewhere_ends_the_ring_where_the_sole_producer_meets_it() {
    model(2, || {
        let ring = ring_of(2);
        let mut consumer = ring.attach(SlowPolicy::Wait);
        let mut sole = ring.sole_producer().unwrap();
        let producing = thread::spawn(move || sole.publish(&[(0, !0)]).is_ok());
        let closing = thread::spawn({
            let ring = ring.clone();
            move || ring.close()
        });
        let item = take_one(&mut consumer);
        assert_eq!(producing.join().unwrap(), item.is_some());
        assert_eq!(take_one(&mut consumer), None);
        closing.join().unwrap();
    });
}

#[test]
fn a_barrier_orders_what_the_consumers_did_before_it() {
    model(3, || {
        let ring = ring_of(2);
        let mut consumer = ring.attach(SlowPolicy::Wait);
        let folded = loom::sync::Arc::new(loom::cell::UnsafeCell::new(0));
        let consuming = thread::spawn({
            let folded = folded.clone();
            move || {
                consumer.wait(|| false).unwrap();
                let item = consumer.peek(1)[0];
                // SAFETY: the other thread looks only after the barrier; loom checks it.
                folded.with_mut(|folded| unsafe { *folded = item.1 });
                consumer.release(1);
                consumer
            }
        });
        publish_stamped(&ring, 1);
        assert!(ring.wait_until_passed(1, || false));
        // SAFETY: the consumer does not touch it after its release; loom checks it.
        assert_eq!(folded.with(|folded| unsafe { *folded }), !0);
        consuming.join().unwrap();
    });
}

/// What another thread has made ready without the ring, and its call to look at it: the protocol of the engine's waker.
#[derive(Default)]
struct Call {
    ready: AtomicUsize,
    requested: AtomicBool,
}

impl Call {
    fn make_ready(&self, ring: &Ring<Item>) {
        self.ready.fetch_add(1, Ordering::Relaxed);
        if !self.requested.swap(true, Ordering::AcqRel) {
            ring.wake();
        }
    }

    fn take_request(&self) -> bool {
        self.requested.load(Ordering::Relaxed) && self.requested.swap(false, Ordering::AcqRel)
    }
}

#[test]
fn a_call_is_not_lost_between_the_last_look_and_the_parking() {
    model(3, || {
        let ring = ring_of(4);
        let mut consumer = ring.attach(SlowPolicy::Wait);
        let call = Arc::new(Call::default());
        let caller = {
            let (ring, call) = (ring.clone(), Arc::clone(&call));
            thread::spawn(move || (0..2).for_each(|_| call.make_ready(&ring)))
        };
        while call.ready.load(Ordering::Relaxed) < 2 {
            let look = || (!call.take_request()).then_some(PARK_LIMIT);
            let woken = consumer.wait_for(look, || call.requested.load(Ordering::Relaxed));
            assert_eq!(woken, Ok(Wake::Stopped));
        }
        caller.join().unwrap();
    });
}

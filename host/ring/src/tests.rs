//! The behaviour of the ring as sentences. Interleavings are the business of `tests/loom.rs` and `tests/stress.rs`.

#![allow(clippy::unwrap_used, reason = "a helper of a test fails the test")]

use crate::{
    Consumer, MAX_CONSUMERS, PARK_LIMIT, Read, Ring, RingConfig, RingError, SlowPolicy, Wait, Wake,
    ring,
};
use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

const PARKING: Wait = Wait::SpinThenPark { spins: 2 };

fn ring_of(capacity: usize) -> Ring<u64> {
    ring(RingConfig {
        capacity,
        wait: PARKING,
    })
    .unwrap()
}

fn read_all(consumer: &mut Consumer<u64>) -> Vec<u64> {
    let mut out = Vec::new();
    while let Read::Items { .. } = consumer.read(&mut out, usize::MAX).unwrap() {}
    out
}

#[test]
fn refuses_a_capacity_that_is_no_power_of_two() {
    for capacity in [0, 1, 3, 12, usize::MAX] {
        let refused = ring::<u64>(RingConfig {
            capacity,
            wait: Wait::Spin,
        })
        .unwrap_err();
        assert!(
            matches!(refused, RingError::Capacity { capacity: given, .. } if given == capacity)
        );
    }
}

#[test]
fn the_first_item_has_sequence_zero_and_batches_follow_without_a_gap() {
    let ring = ring_of(8);
    let mut consumer = ring.attach(SlowPolicy::Wait);
    let mut producer = ring.producer();
    assert_eq!(producer.publish(&[10, 11]), Ok(0));
    assert_eq!(ring.producer().publish(&[12]), Ok(2));
    assert_eq!(ring.published(), 3);
    let mut out = Vec::new();
    assert_eq!(
        consumer.read(&mut out, 8),
        Ok(Read::Items { first: 0, count: 3 })
    );
    assert_eq!(out, [10, 11, 12]);
}

#[test]
fn a_peek_is_the_memory_of_the_ring_and_ends_where_it_wraps() {
    let ring = ring_of(4);
    let mut consumer = ring.attach(SlowPolicy::Wait);
    let mut other = ring.attach(SlowPolicy::Wait);
    let mut producer = ring.producer();
    producer.publish(&[0, 1]).unwrap();
    producer.publish(&[2]).unwrap();
    assert!(std::ptr::eq(consumer.peek(9), other.peek(9)));
    assert_eq!(consumer.peek(9), [0, 1, 2]);
    consumer.release(3);
    other.release(3);
    producer.publish(&[3, 4]).unwrap();
    assert_eq!(consumer.peek(9), [3]);
    consumer.release(1);
    assert_eq!(consumer.peek(9), [4]);
    assert_eq!(consumer.position(), 4);
}

#[test]
fn a_peek_respects_the_maximum_and_repeats_what_was_not_released() {
    let ring = ring_of(8);
    let mut consumer = ring.attach(SlowPolicy::Wait);
    ring.producer().publish(&[0, 1, 2, 3]).unwrap();
    assert_eq!(consumer.peek(3), [0, 1, 2]);
    consumer.release(1);
    assert_eq!(consumer.peek(2), [1, 2]);
    assert_eq!(consumer.peek(0), []);
}

#[test]
#[should_panic(expected = "released 2 slots of 1 peeked")]
fn releasing_more_than_was_peeked_panics() {
    let ring = ring_of(8);
    let mut consumer = ring.attach(SlowPolicy::Wait);
    ring.producer().publish(&[0, 1]).unwrap();
    consumer.peek(1);
    consumer.release(2);
}

#[test]
#[should_panic(expected = "only a consumer that is waited for can peek")]
fn a_consumer_that_can_be_lapped_must_not_peek() {
    let _ = ring_of(8).attach(SlowPolicy::Conflate).peek(1);
}

#[test]
fn a_consumer_attached_late_sees_only_what_follows() {
    for policy in [SlowPolicy::Wait, SlowPolicy::Conflate, SlowPolicy::DropOut] {
        let ring = ring_of(8);
        let mut producer = ring.producer();
        producer.publish(&[1, 2, 3]).unwrap();
        let mut consumer = ring.attach(policy);
        assert_eq!(consumer.position(), 3);
        assert_eq!(read_all(&mut consumer), []);
        producer.publish(&[4, 5]).unwrap();
        assert_eq!(read_all(&mut consumer), [4, 5]);
    }
}

#[test]
fn a_consumer_can_attach_half_a_ring_back_and_no_further() {
    for policy in [SlowPolicy::Wait, SlowPolicy::Conflate] {
        let ring = ring_of(8);
        let mut producer = ring.producer();
        for run in 0..3 {
            producer.publish(&[run; 4]).unwrap();
        }
        assert_eq!(
            ring.attach_at(7, policy).unwrap_err(),
            RingError::Overwritten {
                asked: 7,
                oldest: 8
            }
        );
        assert_eq!(
            ring.attach_at(13, policy).unwrap_err(),
            RingError::NotYetPublished {
                asked: 13,
                published: 12
            }
        );
        assert_eq!(read_all(&mut ring.attach_at(9, policy).unwrap()), [2, 2, 2]);
        assert_eq!(read_all(&mut ring.attach_at(12, policy).unwrap()), []);
    }
}

#[test]
fn a_consumer_attached_back_in_time_holds_the_producers_at_its_position() {
    let ring = ring_of(8);
    let mut producer = ring.producer();
    producer.publish(&[0, 1, 2, 3]).unwrap();
    let mut consumer = ring.attach_at(1, SlowPolicy::Wait).unwrap();
    producer.publish(&[4, 5, 6, 7]).unwrap();
    producer.publish(&[8]).unwrap();
    assert_eq!(
        producer.try_publish(&[9]),
        Err(RingError::Full { needed: 1 })
    );
    assert_eq!(read_all(&mut consumer), [1, 2, 3, 4, 5, 6, 7, 8]);
}

#[test]
fn a_full_ring_refuses_without_waiting_and_takes_again_after_a_release() {
    let ring = ring_of(4);
    let mut consumer = ring.attach(SlowPolicy::Wait);
    let mut producer = ring.producer();
    producer.publish(&[0, 1]).unwrap();
    producer.publish(&[2, 3]).unwrap();
    let refused = producer.try_publish_with(&[4], |_, _| panic!("nothing was claimed"));
    assert_eq!(refused, Err(RingError::Full { needed: 1 }));
    consumer.peek(1);
    consumer.release(1);
    assert_eq!(producer.try_publish(&[4]), Ok(4));
    assert_eq!(read_all(&mut consumer), [1, 2, 3, 4]);
}

#[test]
fn a_batch_longer_than_half_the_ring_is_refused() {
    let ring = ring_of(8);
    assert_eq!(ring.max_batch(), 4);
    assert_eq!(
        ring.producer().publish(&[0; 5]),
        Err(RingError::BatchTooLarge { len: 5, max: 4 })
    );
    assert_eq!(ring.published(), 0);
}

#[test]
fn an_empty_batch_publishes_nothing() {
    let ring = ring_of(2);
    let mut producer = ring.producer();
    producer.publish(&[7]).unwrap();
    assert_eq!(producer.publish(&[]), Ok(1));
    assert_eq!(ring.published(), 1);
}

#[test]
fn every_item_is_stamped_with_its_own_sequence() {
    let ring = ring_of(4);
    let mut consumer = ring.attach(SlowPolicy::Wait);
    let mut producer = ring.producer();
    for first in [0, 2, 4, 6] {
        let stamped = producer.publish_with(&[100, 200], |item, sequence| *item += sequence);
        assert_eq!(stamped, Ok(first));
        assert_eq!(read_all(&mut consumer), [100 + first, 201 + first]);
    }
}

#[test]
fn a_panicking_stamp_ends_the_ring_at_its_item_and_tells_everyone() {
    let ring = ring_of(8);
    let mut waiting = ring.attach(SlowPolicy::Wait);
    let mut conflating = ring.attach(SlowPolicy::Conflate);
    let mut producer = ring.producer();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        producer.publish_with(&[0, 1, 2], |_, sequence| assert_ne!(sequence, 1, "stamp"))
    }));
    assert!(unwound.is_err());
    let end = RingError::Poisoned { at: 1 };
    assert_eq!(producer.publish(&[3]), Err(end));
    for consumer in [&mut waiting, &mut conflating] {
        assert_eq!(consumer.wait(|| false), Ok(Wake::Ready));
        let mut out = Vec::new();
        assert_eq!(
            consumer.read(&mut out, 9),
            Ok(Read::Items { first: 0, count: 1 })
        );
        assert_eq!(consumer.read(&mut out, 9), Err(end));
        assert_eq!(consumer.wait(|| false), Err(end));
        assert_eq!(out, [0]);
    }
}

#[test]
fn a_closed_ring_is_drained_before_it_ends() {
    for policy in [SlowPolicy::Wait, SlowPolicy::Conflate, SlowPolicy::DropOut] {
        let ring = ring_of(8);
        let mut consumer = ring.attach(policy);
        let mut producer = ring.producer();
        producer.publish(&[1, 2]).unwrap();
        ring.close();
        assert!(ring.is_closed());
        assert_eq!(producer.publish(&[3]), Err(RingError::Closed));
        assert_eq!(consumer.wait(|| false), Ok(Wake::Ready));
        let mut out = Vec::new();
        assert_eq!(
            consumer.read(&mut out, 9),
            Ok(Read::Items { first: 0, count: 2 })
        );
        assert_eq!(consumer.read(&mut out, 9), Ok(Read::Closed));
        assert_eq!(consumer.wait(|| false), Ok(Wake::Closed));
        assert_eq!(out, [1, 2]);
    }
}

#[test]
fn closing_turns_away_a_producer_that_waits_for_room() {
    let ring = ring_of(2);
    let _gate = ring.attach(SlowPolicy::Wait);
    let mut producer = ring.producer();
    producer.publish(&[0]).unwrap();
    producer.publish(&[1]).unwrap();
    thread::scope(|scope| {
        let waiting = scope.spawn(move || producer.publish(&[2]));
        ring.close();
        assert_eq!(waiting.join().unwrap(), Err(RingError::Closed));
    });
}

#[test]
fn dropping_a_consumer_lets_a_waiting_producer_go_on() {
    for wait in [Wait::BusySpin, Wait::Spin, PARKING] {
        let ring = ring(RingConfig { capacity: 2, wait }).unwrap();
        let gate = ring.attach(SlowPolicy::Wait);
        let mut producer = ring.producer();
        producer.publish(&[0]).unwrap();
        producer.publish(&[1]).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(move || producer.publish(&[2]));
            drop(gate);
            assert_eq!(waiting.join().unwrap(), Ok(2));
        });
    }
}

#[test]
fn a_conflating_consumer_holds_nobody_back_and_learns_exactly_what_it_missed() {
    let ring = ring_of(8);
    let mut consumer = ring.attach(SlowPolicy::Conflate);
    let mut producer = ring.producer();
    for item in 0..20 {
        producer.try_publish(&[item]).unwrap();
    }
    let mut out = Vec::new();
    assert_eq!(
        consumer.read(&mut out, 9),
        Ok(Read::Lagged { from: 0, to: 18 })
    );
    assert_eq!(
        consumer.read(&mut out, 9),
        Ok(Read::Items {
            first: 18,
            count: 2
        })
    );
    assert_eq!(consumer.read(&mut out, 9), Ok(Read::Empty));
    assert_eq!(out, [18, 19]);
}

#[test]
fn a_conflating_consumer_misses_nothing_while_it_is_within_half_a_ring() {
    let ring = ring_of(8);
    let mut consumer = ring.attach(SlowPolicy::Conflate);
    let mut producer = ring.producer();
    for base in (0..40).step_by(4) {
        producer
            .publish(&[base, base + 1, base + 2, base + 3])
            .unwrap();
        assert_eq!(
            read_all(&mut consumer),
            [base, base + 1, base + 2, base + 3]
        );
    }
}

#[test]
fn a_lapped_consumer_drops_out_for_good() {
    let ring = ring_of(4);
    let mut consumer = ring.attach(SlowPolicy::DropOut);
    let mut producer = ring.producer();
    producer.publish(&[0]).unwrap();
    assert_eq!(read_all(&mut consumer), [0]);
    for item in 1..6 {
        producer.try_publish(&[item]).unwrap();
    }
    let out = RingError::DroppedOut { at: 1 };
    assert_eq!(consumer.read(&mut Vec::new(), 9), Err(out));
    assert_eq!(consumer.read(&mut Vec::new(), 9), Err(out));
    assert_eq!(consumer.wait(|| false), Err(out));
}

#[test]
fn the_slowest_position_counts_only_consumers_that_wait() {
    let ring = ring_of(8);
    let mut producer = ring.producer();
    producer.publish(&[0, 1]).unwrap();
    assert_eq!(ring.slowest(), 2);
    let mut slow = ring.attach(SlowPolicy::Wait);
    let _lapsable = ring.attach(SlowPolicy::Conflate);
    producer.publish(&[2, 3]).unwrap();
    assert_eq!((ring.slowest(), ring.published()), (2, 4));
    slow.peek(1);
    slow.release(1);
    assert_eq!(ring.slowest(), 3);
    assert!(!ring.wait_until_passed(4, || true));
    drop(slow);
    assert_eq!(ring.slowest(), 4);
}

#[test]
fn a_barrier_ends_once_every_consumer_has_passed() {
    let ring = ring_of(8);
    let mut consumer = ring.attach(SlowPolicy::Wait);
    let mut producer = ring.producer();
    thread::scope(|scope| {
        scope.spawn(move || {
            for _ in 0..4 {
                consumer.wait(|| false).unwrap();
                consumer.peek(1);
                consumer.release(1);
            }
        });
        producer.publish(&[0, 1, 2, 3]).unwrap();
        assert!(ring.wait_until_passed(4, || false));
        assert_eq!(ring.slowest(), 4);
    });
}

#[test]
fn a_waiting_consumer_obeys_stop_after_a_wake() {
    let ring = ring_of(8);
    let mut consumer = ring.attach(SlowPolicy::Wait);
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        let waiting = scope.spawn(|| consumer.wait(|| stop.load(Ordering::Relaxed)));
        stop.store(true, Ordering::Relaxed);
        ring.wake();
        assert_eq!(waiting.join().unwrap(), Ok(Wake::Stopped));
    });
}

#[test]
fn a_call_after_the_last_look_keeps_a_consumer_from_parking() {
    let ring = ring_of(8);
    let mut consumer = ring.attach(SlowPolicy::Wait);
    let (looks, calls) = (Cell::new(0), Cell::new(0));
    let look = || {
        looks.set(looks.get() + 1);
        (calls.get() == 0).then_some(PARK_LIMIT)
    };
    // Asked for the first time right before the consumer would park.
    let is_called = || {
        calls.set(calls.get() + 1);
        true
    };
    assert_eq!(consumer.wait_for(look, is_called), Ok(Wake::Stopped));
    assert_eq!((looks.get(), calls.get()), (4, 1), "after two spins");
}

#[test]
fn a_sole_producer_shuts_all_others_out_until_it_is_dropped() {
    let ring = ring_of(8);
    let mut consumer = ring.attach(SlowPolicy::Wait);
    let mut other = ring.producer();
    other.publish(&[0]).unwrap();
    let mut sole = ring.sole_producer().unwrap();
    assert_eq!(sole.publish(&[1, 2]), Ok(1));
    assert_eq!(other.publish(&[9]), Err(RingError::Occupied));
    assert_eq!(other.try_publish(&[9]), Err(RingError::Occupied));
    assert_eq!(ring.sole_producer().unwrap_err(), RingError::Occupied);
    assert_eq!(sole.publish(&[3]), Ok(3));
    drop(sole);
    assert_eq!(other.publish(&[4]), Ok(4));
    assert_eq!(ring.sole_producer().unwrap().publish(&[5]), Ok(5));
    assert_eq!(ring.published(), 6);
    assert_eq!(read_all(&mut consumer), [0, 1, 2, 3, 4, 5]);
}

#[test]
fn sole_and_other_producers_take_turns_over_many_laps() {
    let ring = ring_of(8);
    let mut waiting = ring.attach(SlowPolicy::Wait);
    let mut conflating = ring.attach(SlowPolicy::Conflate);
    let mut other = ring.producer();
    for turn in 0..50 {
        let mut expected = vec![10 * turn];
        other.publish(&expected).unwrap();
        let mut sole = ring.sole_producer().unwrap();
        for item in 1..=turn % 4 {
            sole.publish(&[10 * turn + item]).unwrap();
            expected.push(10 * turn + item);
        }
        assert_eq!(read_all(&mut waiting), expected);
        assert_eq!(read_all(&mut conflating), expected);
    }
}

#[test]
fn a_sole_producer_stops_at_the_gate_and_goes_on_after_a_release() {
    let ring = ring_of(4);
    let mut consumer = ring.attach(SlowPolicy::Wait);
    let mut sole = ring.sole_producer().unwrap();
    for item in 0..4 {
        sole.try_publish(&[item]).unwrap();
    }
    assert_eq!(sole.try_publish(&[4]), Err(RingError::Full { needed: 1 }));
    consumer.peek(1);
    consumer.release(1);
    assert_eq!(sole.try_publish(&[4]), Ok(4));
    assert_eq!(sole.try_publish(&[5]), Err(RingError::Full { needed: 1 }));
    assert_eq!(read_all(&mut consumer), [1, 2, 3, 4]);
}

#[test]
fn a_ring_with_a_sole_producer_ends_where_that_learns_of_the_close() {
    for dropped in [false, true] {
        let ring = ring_of(8);
        let mut consumer = ring.attach(SlowPolicy::Wait);
        let mut sole = ring.sole_producer().unwrap();
        sole.publish(&[1, 2]).unwrap();
        ring.close();
        assert_eq!(read_all(&mut consumer), [1, 2]);
        assert_eq!(consumer.read(&mut Vec::new(), 9), Ok(Read::Empty));
        if dropped {
            drop(sole);
        } else {
            assert_eq!(sole.publish(&[3]), Err(RingError::Closed));
            assert_eq!(sole.publish(&[3]), Err(RingError::Closed));
        }
        assert_eq!(consumer.read(&mut Vec::new(), 9), Ok(Read::Closed));
        assert_eq!(consumer.wait(|| false), Ok(Wake::Closed));
        assert_eq!(ring.sole_producer().unwrap_err(), RingError::Closed);
    }
}

#[test]
fn a_panicking_stamp_of_a_sole_producer_ends_the_ring_at_its_item() {
    let ring = ring_of(8);
    let mut consumer = ring.attach(SlowPolicy::Wait);
    let mut sole = ring.sole_producer().unwrap();
    let unwound = catch_unwind(AssertUnwindSafe(|| {
        sole.publish_with(&[0, 1, 2], |_, sequence| assert_ne!(sequence, 1, "stamp"))
    }));
    assert!(unwound.is_err());
    let mut out = Vec::new();
    consumer.read(&mut out, 9).unwrap();
    assert_eq!(out, [0]);
    let end = RingError::Poisoned { at: 1 };
    assert_eq!(consumer.read(&mut out, 9), Err(end));
    assert_eq!(sole.publish(&[3]), Err(end));
    assert_eq!(ring.sole_producer().unwrap_err(), end);
}

#[test]
fn closing_turns_away_a_sole_producer_that_waits_for_room() {
    for wait in [Wait::BusySpin, Wait::Spin, PARKING] {
        let ring = ring(RingConfig { capacity: 2, wait }).unwrap();
        let _gate = ring.attach(SlowPolicy::Wait);
        let mut sole = ring.sole_producer().unwrap();
        sole.publish(&[0]).unwrap();
        sole.publish(&[1]).unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(move || sole.publish(&[2]));
            ring.close();
            assert_eq!(waiting.join().unwrap(), Err(RingError::Closed));
        });
    }
}

#[test]
fn consumers_in_threads_see_all_of_a_sole_producer_under_miri_too() {
    let count = if cfg!(miri) { 60 } else { 6_000 };
    for wait in [Wait::BusySpin, Wait::Spin, PARKING] {
        let ring = ring::<u64>(RingConfig { capacity: 8, wait }).unwrap();
        let consumers = [SlowPolicy::Wait, SlowPolicy::Wait, SlowPolicy::Conflate]
            .map(|policy| ring.attach(policy));
        thread::scope(|scope| {
            let reading =
                consumers.map(|mut consumer| scope.spawn(move || read_to_the_end(&mut consumer)));
            let mut sole = ring.sole_producer().unwrap();
            for item in (0..count).step_by(3) {
                sole.publish(&[item]).unwrap();
                sole.publish(&[item + 1, item + 2]).unwrap();
            }
            ring.close();
            drop(sole);
            let [one, two, some] = reading.map(|thread| thread.join().unwrap());
            assert!(one.iter().copied().eq((0..count).zip(0..count)));
            assert_eq!(one, two);
            assert!(some.iter().all(|(sequence, item)| sequence == item));
        });
    }
}

#[test]
fn gates_are_limited_and_used_again() {
    let ring = ring_of(8);
    let mut attached: Vec<_> = (0..MAX_CONSUMERS)
        .map(|_| ring.attach(SlowPolicy::Wait))
        .collect();
    assert_eq!(
        ring.try_attach(SlowPolicy::DropOut).unwrap_err(),
        RingError::TooManyConsumers { max: MAX_CONSUMERS }
    );
    attached.pop();
    assert!(ring.try_attach(SlowPolicy::Wait).is_ok());
}

#[test]
fn items_of_odd_layout_survive_the_way() {
    #[derive(Debug, Clone, Copy, PartialEq)]
    struct Odd(u8, u64, Option<char>);
    let ring = ring(RingConfig {
        capacity: 4,
        wait: Wait::Spin,
    })
    .unwrap();
    let mut waiting = ring.attach(SlowPolicy::Wait);
    let mut conflating = ring.attach(SlowPolicy::Conflate);
    let items = [Odd(1, 2, None), Odd(3, 4, Some('x'))];
    ring.producer().publish(&items).unwrap();
    assert_eq!(waiting.peek(9), items);
    let mut out = Vec::new();
    conflating.read(&mut out, 9).unwrap();
    assert_eq!(out, items);
}

#[test]
fn threads_agree_on_one_order_under_miri_too() {
    let count = if cfg!(miri) { 40 } else { 4_000 };
    for wait in [Wait::BusySpin, Wait::Spin, PARKING] {
        let ring = ring::<u64>(RingConfig { capacity: 8, wait }).unwrap();
        let consumers = [SlowPolicy::Wait, SlowPolicy::Wait, SlowPolicy::Conflate]
            .map(|policy| ring.attach(policy));
        thread::scope(|scope| {
            let producing = [0, 1].map(|which| {
                let mut producer = ring.producer();
                scope.spawn(move || {
                    for item in (0..count).step_by(2) {
                        producer
                            .publish(&[which << 32 | item, which << 32 | (item + 1)])
                            .unwrap();
                    }
                })
            });
            let reading =
                consumers.map(|mut consumer| scope.spawn(move || read_to_the_end(&mut consumer)));
            producing
                .into_iter()
                .for_each(|thread| thread.join().unwrap());
            ring.close();
            let [one, two, some] = reading.map(|thread| thread.join().unwrap());
            assert_eq!(one.len() as u64, 2 * count);
            assert_eq!(one, two);
            assert!(some.iter().all(|seen| one.contains(seen)));
        });
    }
}

fn read_to_the_end(consumer: &mut Consumer<u64>) -> Vec<(u64, u64)> {
    let mut seen = Vec::new();
    while consumer.wait(|| false).unwrap() == Wake::Ready {
        let mut out = Vec::new();
        if let Read::Items { first, .. } = consumer.read(&mut out, 3).unwrap() {
            seen.extend((first..).zip(out));
        }
    }
    seen
}

//! `ring`: items per second from producers to consumers through our ring, the `disruptor` crate and crossbeam-channel.
//!
//! # What is measured
//!
//! Producers put in prepared items as large as an event, one by one or 64 at a time. Every consumer reads every word of
//! every item and folds it, and the folds must come out as computed beforehand: a ring that loses, doubles or tears
//! an item, or changes the order in which a producer put it in, fails
//! instead of winning. The clock runs from the first producer's first item to the last consumer's end. An item counts
//! once, however many consumers read it.
//!
//! # What is fair
//!
//! - Capacity, items, threads and folds are the same for all. The items come from a table whose length does not divide
//!   the capacity, so a slot gets another item on the next lap: with the same one a stale read would not show.
//! - Each ring is used at its best. Where there is one producer, the disruptor's is the kind for one producer, ours is
//!   [`Ring::sole_producer`](tickdeck_ring::Ring::sole_producer); where there are three, both are of the kind for
//!   many. Bursts go through `try_batch_publish` there and `publish` here. Consumers take all there is and then release it.
//! - The waits are the same. The disruptor's own strategies spin without end, and so do its producers that find no room:
//!   with four threads on two cores that measures the system's time slices, and nobody would use it so. Our
//!   [`Wait::Spin`](tickdeck_ring::Wait::Spin) is crossbeam's `Backoff`: it spins, longer each time, and
//!   after some microseconds gives its time slice away. The disruptor is driven through its `EventPoller` and `try_publish` with the same
//!   `Backoff`, started anew for each wait, as ours. Channels wait as they always do: the same backoff, then parked.
//! - Channels have neither bursts nor several readers of one item: a burst is sent item by item, and each of three
//!   consumers has a channel of its own.

mod channel;
mod disruptor;
mod item;
mod ours;
mod topology;

use crate::effort::Effort;
use crate::row::{Claim, Goal, Row, interleave};
use anyhow::{Result, ensure};
use item::{Source, Tally};
use std::sync::Barrier;
use std::thread;
use std::time::Instant;
use topology::{Threads, Topology};

/// The measurements, with the names of their row and of the row for channels.
const CASES: [(Topology, &str, &str); 6] = [
    case(1, 1, 1, "ring/1-1/burst-1", "ring/1-1/burst-1/crossbeam"),
    case(1, 1, 64, "ring/1-1/burst-64", "ring/1-1/burst-64/crossbeam"),
    case(3, 1, 1, "ring/3-1/burst-1", "ring/3-1/burst-1/crossbeam"),
    case(3, 1, 64, "ring/3-1/burst-64", "ring/3-1/burst-64/crossbeam"),
    case(1, 3, 1, "ring/1-3/burst-1", "ring/1-3/burst-1/crossbeam"),
    case(1, 3, 64, "ring/1-3/burst-64", "ring/1-3/burst-64/crossbeam"),
];

const fn case(
    producers: usize,
    consumers: usize,
    burst: usize,
    name: &'static str,
    channel_row: &'static str,
) -> (Topology, &'static str, &'static str) {
    let topology = Topology {
        producers,
        consumers,
        burst,
    };
    (topology, name, channel_row)
}

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (topology, name, channel_row) in CASES {
        let laps = Source::laps(effort.events * 8 / topology.producers);
        let expected = Tally::expected(topology.producers, laps);
        let [ours, disruptor, channel] = interleave(
            effort.rounds,
            [
                &mut || rate(topology, laps, &expected, ours::threads(topology)?),
                &mut || rate(topology, laps, &expected, disruptor::threads(topology)),
                &mut || rate(topology, laps, &expected, channel::threads(topology)),
            ],
        )?;
        let claim = |bench, against, goal| Claim {
            bench,
            unit: "items/s",
            against,
            goal,
            more_is_better: true,
        };
        let goal = Some(Goal::Ratio(1.0));
        rows.push(claim(name, "the disruptor crate", goal).row(&ours, &disruptor));
        rows.push(claim(channel_row, "our ring", None).row(&channel, &ours));
    }
    Ok(rows)
}

/// Runs the threads, checks what the consumers received, and returns the items per second.
fn rate(topology: Topology, laps: usize, expected: &Tally, threads: Threads) -> Result<f64> {
    let start = &Barrier::new(topology.producers + topology.consumers);
    let (begins, ends) = thread::scope(|scope| {
        let producing = threads.producers.into_iter().enumerate();
        let producing: Vec<_> = producing
            .map(|(number, produce)| {
                let source = Source::new(number, topology.burst, laps);
                scope.spawn(move || timed(start, || produce(source)))
            })
            .collect();
        let consuming = threads.consumers.into_iter();
        let consuming: Vec<_> = consuming
            .map(|consume| scope.spawn(move || timed(start, consume)))
            .collect();
        let (mut begins, mut ends) = (Vec::new(), Vec::new());
        for produced in producing {
            let (begin, _, ()) = produced.join().expect("a producer does not panic")?;
            begins.push(begin);
        }
        for consumed in consuming {
            let (_, end, tally) = consumed.join().expect("a consumer does not panic")?;
            ensure!(
                tally == *expected,
                "a consumer saw {tally:?} instead of {expected:?}"
            );
            ends.push(end);
        }
        Ok((begins, ends))
    })?;
    let begin = begins.into_iter().min().expect("there is a producer");
    let end = ends.into_iter().max().expect("there is a consumer");
    Ok(expected.count() as f64 / (end - begin).as_secs_f64())
}

/// Times a thread by its own clock: one that waits for it may itself have to wait for a core.
fn timed<R>(start: &Barrier, work: impl FnOnce() -> Result<R>) -> Result<(Instant, Instant, R)> {
    start.wait();
    let begin = Instant::now();
    let result = work()?;
    Ok((begin, Instant::now(), result))
}

//! `ring`: items per second from producers to consumers through our ring, the `disruptor` crate and crossbeam-channel.
//!
//! # What is measured
//!
//! Producers put prepared items of the size of an event in, one at a time or 64 at a time; every consumer reads every
//! word of every item and folds it, and the folds must come out as computed beforehand: nothing lost, doubled, torn or
//! out of its producer's order. The clock runs from the moment at which all threads have started to the last consumer's
//! end. A rate counts each item once, however many consumers see it.
//!
//! # What is fair
//!
//! - The same capacity, items, threads and folds for all. The source of the items is the same too: a table of a
//!   producer's own. It has three bursts, so that no slot gets the same item on the next lap, which would hide a stale read.
//! - The disruptor is set up at its best for each topology: its single-producer variant, which claims without any
//!   read-modify-write, wherever there is one producer (ours knows only the general case); batches through
//!   `batch_publish`; consumers that take all there is and release it at once, as ours do.
//! - Waiting decides the result where there are more threads than cores. The disruptor's own strategies spin without
//!   end, also its producers when there is no room: with four threads on two cores that measures how long the system's
//!   time slices are, and no user would choose it there. Both rings therefore wait the same way: our [`Wait::Spin`] is
//!   crossbeam's backoff, which spins for some microseconds and then gives its time slice away, and the disruptor is
//!   driven through `EventPoller` and `try_publish` with the very same backoff. Channels wait as they do by themselves:
//!   the same backoff, then parked.
//! - crossbeam-channel has neither batches nor several readers of an item: a burst is sent one by one, and three
//!   consumers have a channel each.

mod channel;
mod disruptor;
mod item;
mod ours;

use crate::Effort;
use crate::row::{Claim, Goal, Row, interleave};
use anyhow::{Result, ensure};
use item::{Source, Tally};
use std::sync::Barrier;
use std::thread;
use std::time::Instant;

/// Slots of each ring and of each channel.
const CAPACITY: usize = 1 << 12;

/// Who writes, who reads, and how many at once.
#[derive(Debug, Clone, Copy)]
struct Topology {
    producers: usize,
    consumers: usize,
    burst: usize,
}

/// What one thread does: nothing before it is called, everything in it.
type Produce = Box<dyn FnOnce(Source) -> Result<()> + Send>;
type Consume = Box<dyn FnOnce() -> Result<Tally> + Send>;

/// The threads of one measurement, connected already.
struct Threads {
    producers: Vec<Produce>,
    consumers: Vec<Consume>,
}

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    for (producers, consumers, names) in [
        (1, 1, NAMES[0]),
        (3, 1, NAMES[1]),
        (1, 3, NAMES[2]),
    ] {
        for (burst, names) in [(1, names[0]), (64, names[1])] {
            if std::env::var("RB").is_ok_and(|f| !names[0].contains(&f)) { continue; } // SCRATCH
            let topology = Topology {
                producers,
                consumers,
                burst,
            };
            rows.extend(rows_of(topology, names, effort)?);
        }
    }
    Ok(rows)
}

/// By topology and burst: ours, and the channels beside it.
const NAMES: [[[&str; 2]; 2]; 3] = [
    [
        ["ring/1-1/burst-1", "ring/1-1/burst-1/crossbeam"],
        ["ring/1-1/burst-64", "ring/1-1/burst-64/crossbeam"],
    ],
    [
        ["ring/3-1/burst-1", "ring/3-1/burst-1/crossbeam"],
        ["ring/3-1/burst-64", "ring/3-1/burst-64/crossbeam"],
    ],
    [
        ["ring/1-3/burst-1", "ring/1-3/burst-1/crossbeam"],
        ["ring/1-3/burst-64", "ring/1-3/burst-64/crossbeam"],
    ],
];

fn rows_of(topology: Topology, [name, beside]: [&'static str; 2], effort: &Effort) -> Result<Vec<Row>> {
    let laps = Tally::laps(effort.events * 4 / topology.producers);
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
    Ok(vec![
        claim(name, "the disruptor crate", Some(Goal::Ratio(1.0))).row(&ours, &disruptor),
        claim(beside, "our ring", None).row(&channel, &ours),
    ])
}

/// Runs the threads and checks what the consumers saw; items per second.
fn rate(topology: Topology, laps: usize, expected: &Tally, threads: Threads) -> Result<f64> {
    let start = Barrier::new(topology.producers + topology.consumers + 1);
    let start = &start;
    let elapsed = thread::scope(|scope| {
        let mut producing = Vec::new();
        for (number, produce) in threads.producers.into_iter().enumerate() {
            let source = Source::new(number, topology.burst, laps);
            producing.push(scope.spawn(move || {
                start.wait();
                produce(source)
            }));
        }
        let mut consuming = Vec::new();
        for consume in threads.consumers {
            consuming.push(scope.spawn(move || {
                start.wait();
                consume()
            }));
        }
        start.wait();
        let started = Instant::now();
        for produced in producing {
            produced.join().expect("a producer does not panic")?;
        }
        for consumed in consuming {
            let tally = consumed.join().expect("a consumer does not panic")?;
            ensure!(tally == *expected, "a consumer saw {tally:?} instead of {expected:?}");
        }
        anyhow::Ok(started.elapsed())
    })?;
    Ok(expected.count() as f64 / elapsed.as_secs_f64())
}
// SCRATCH BEGIN
pub(crate) fn only(which: &str, producers: usize, consumers: usize, burst: usize, rounds: usize) -> Result<()> {
    let topology = Topology { producers, consumers, burst };
    let laps = Tally::laps((1 << 20) / producers);
    let expected = Tally::expected(topology.producers, laps);
    let mut v = Vec::new();
    for _ in 0..rounds {
        let t = if which == "ours" { ours::threads(topology)? } else if which == "dis" { disruptor::threads(topology) } else { channel::threads(topology) };
        v.push(rate(topology, laps, &expected, t)? / 1e6);
    }
    v.sort_by(f64::total_cmp);
    println!("{which} {producers}-{consumers} {burst}: median {:.1} p10 {:.1} p90 {:.1}", v[v.len()/2], v[v.len()/10], v[v.len()*9/10]);
    Ok(())
}
// SCRATCH END

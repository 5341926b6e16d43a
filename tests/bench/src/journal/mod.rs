//! `journal`: records per second that a reel accepts for a minute, and the cost of one append, compared with the crates
//! `tickertape` and `open-wal` and with a writer that calls `pwrite` for each record.
//!
//! # What is measured
//!
//! One thread appends records of 104 bytes, an event with its prefix, as fast as it can, for [`FULL`]. Every 16th append is timed
//! by itself. All are asked to be durable every 50 ms and to keep at most [`base::KEEP`] bytes of closed segments. The clock for the
//! rate runs to the end of the last append; what is not durable by then is not waited for, so it is at most some 50 ms' worth
//! where the disk keeps up.
//!
//! # What is fair
//!
//! - Segments of 128 MiB for all, on the file system of the temporary folder.
//! - What each does for durability, it does where its design has it: ours and `pwrite` in a thread of their own, `tickertape`
//!   (`checkpoint`) and `open-wal` (`commit`) on the writer's thread, since they take `&mut self`. The append that meets it
//!   pays for it, if it is one that is timed.
//! - They do not promise the same. A record appended to `open-wal` is in the process's memory until the next `commit`: the end of
//!   the process loses up to 50 ms. With the others it is in the file. See decision 11.

mod base;
mod open_wal;
mod ours;
mod pwrite;
mod tickertape;

use crate::effort::Effort;
use crate::row::{Claim, Goal, Row};
use anyhow::Result;
use base::{Base, RECORD};
use hdrhistogram::Histogram;
use std::path::Path;
use std::time::{Duration, Instant};

/// The duration of each base's appends.
const FULL: Duration = Duration::from_secs(60);
const SHORT: Duration = Duration::from_millis(300);

/// One append in this many is timed: reading the clock twice costs as much as half an append.
const TIMED: u64 = 16;

/// Appends between two readings of the clock.
const BATCH: u64 = 1_024;

const LONGEST_NS: u64 = 60_000_000_000;

/// The results of one base.
struct Measured {
    rate: f64,
    times: Histogram<u64>,
}

type Open = fn(&Path) -> Result<Box<dyn Base>>;

const BASES: [(&str, Open); 4] = [
    ("ours", ours::open),
    ("tickertape", tickertape::open),
    ("open-wal", open_wal::open),
    ("pwrite", pwrite::open),
];

pub(crate) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let time = if effort.full { FULL } else { SHORT };
    let mut measured = Vec::new();
    for (name, open) in BASES {
        let folder = tempfile::tempdir()?;
        measured.push((name, measure(open(folder.path())?, time)?));
    }
    let (ours, peers) = measured.split_first().expect("ours is the first");
    let mut rows = Vec::new();
    for (name, peer) in peers {
        rows.extend(compare(name, &ours.1, peer, rows.is_empty()));
    }
    Ok(rows)
}

/// Appends records for the given time.
fn measure(mut base: Box<dyn Base>, time: Duration) -> Result<Measured> {
    let mut times = Histogram::new_with_bounds(1, LONGEST_NS, 3)?;
    let mut record = [7u8; RECORD];
    let begin = Instant::now();
    let mut count = 0u64;
    while begin.elapsed() < time {
        for _ in 0..BATCH {
            record[..8].copy_from_slice(&count.to_le_bytes());
            if count.is_multiple_of(TIMED) {
                let before = Instant::now();
                base.append(&record)?;
                times.saturating_record(before.elapsed().as_nanos() as u64);
            } else {
                base.append(&record)?;
            }
            count += 1;
        }
    }
    let rate = count as f64 / begin.elapsed().as_secs_f64();
    base.close()?;
    Ok(Measured { rate, times })
}

/// Compares ours with one other base; only the first comparison has the goals.
fn compare(name: &str, ours: &Measured, peer: &Measured, first: bool) -> Vec<Row> {
    let rate = Claim {
        bench: "journal",
        unit: "records/s",
        against: "",
        goal: first.then_some(Goal::Value(2e6)),
        more_is_better: true,
    };
    let mut rows = vec![Row {
        bench: format!("journal/beside-{name}/rate"),
        ..rate.row(&[ours.rate], &[peer.rate])
    }];
    let parts = [
        ("p50", 0.5, None),
        ("p99", 0.99, Some(1_000.0)),
        ("p99.9", 0.999, None),
    ];
    for (label, part, goal) in parts {
        let claim = Claim {
            bench: "journal",
            unit: "ns",
            against: "",
            goal: goal.filter(|_| first).map(Goal::Value),
            more_is_better: false,
        };
        let value = |one: &Measured| one.times.value_at_quantile(part) as f64;
        rows.push(Row {
            bench: format!("journal/beside-{name}/{label}"),
            ..claim.row(&[value(ours)], &[value(peer)])
        });
    }
    let against = match name {
        "tickertape" => "tickertape 0.4",
        "open-wal" => "open-wal 0.2.1, not yet visible",
        _ => "a pwrite for each record",
    };
    rows.iter_mut().for_each(|row| row.against = against);
    rows
}

//! A writing process is killed, a thousand times.

use crate::child::{self, RUN, run_payload};
use crate::records::{NAME, Random, folder, kind, payload};
use crate::{independent, records};
use std::io::{BufRead, BufReader, Read};
use std::path::Path;
use std::time::{Duration, Instant, UNIX_EPOCH};

const KILLS: u64 = 1_000;

/// How long one may live.
const LONGEST: Duration = Duration::from_millis(12);

#[test]
fn a_killed_process_loses_no_record_that_append_has_returned() {
    let seed = UNIX_EPOCH.elapsed().unwrap().as_nanos() as u64;
    println!("seed {seed}");
    let folder = folder();
    let mut random = Random(seed);
    let (mut known, mut torn) = (0, 0);
    for kill in 0..KILLS {
        let report = killed(folder.path(), &mut random);
        let mut next = known;
        for line in &report {
            let (what, number) = line.split_once(' ').unwrap();
            let number = number.parse::<u64>().unwrap_or_else(|_| panic!("{line}"));
            match what {
                // The reel itself agrees with the independent reader on what the one before left.
                "opened" => assert_eq!(number, known, "kill {kill}, seed {seed}"),
                "appended" => next = number,
                _ => panic!("kill {kill}, seed {seed}: {line}"),
            }
        }
        let found = check(folder.path());
        assert!(
            found >= next,
            "kill {kill}, seed {seed}: {next} were appended and {found} are there"
        );
        torn += u64::from(!report.is_empty() && found > next);
        known = found;
    }
    println!("{known} records, {torn} kills between a record and the word of it");
}

/// Runs the other process until it is killed; returns the whole lines that it reported.
fn killed(folder: &Path, random: &mut Random) -> Vec<String> {
    let mut child = child::command("appends", folder, random.next())
        .spawn()
        .unwrap();
    let spawned = Instant::now();
    let mut report = BufReader::new(child.stderr.take().unwrap());
    let mut lines = Vec::new();
    // Some while it opens, most after a number of records, all with a moment more.
    let wait = random.below(8);
    for _ in 0..if wait == 0 { 0 } else { random.below(400) } {
        let mut line = String::new();
        if report.read_line(&mut line).unwrap() == 0 {
            break;
        }
        lines.push(line.trim_end().to_owned());
        if spawned.elapsed() > LONGEST {
            break;
        }
    }
    let until =
        Instant::now() + Duration::from_micros(random.below(if wait == 0 { 8_000 } else { 300 }));
    while Instant::now() < until {
        std::hint::spin_loop();
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let mut rest = String::new();
    report.read_to_string(&mut rest).unwrap();
    let whole = rest.rfind('\n').map_or("", |end| &rest[..end]);
    lines.extend(whole.lines().map(str::to_owned));
    lines
}

/// Checks every record that is there; the index after the last.
fn check(folder: &Path) -> u64 {
    if records::files(folder).is_empty() {
        return 0;
    }
    let segments = independent::read(folder, NAME);
    for record in segments.iter().flat_map(|segment| &segment.records) {
        if record.kind == RUN {
            assert_eq!(record.payload, run_payload(record.index));
        } else {
            assert_eq!(
                (record.kind, &record.payload),
                (kind(record.index), &payload(record.index))
            );
        }
    }
    segments.last().map_or(0, independent::Segment::next)
}

//! A write or a sync fails, injected below our code and below std's.

use crate::child::{self, FAULTY_RECORDS};
use crate::records::{NAME, folder, kind, payload, small};
use crate::support::shim;
use crate::{independent, records};
use std::path::Path;
use tickdeck_journal::{Reader, Reel, verify};

/// Which call fails.
const UP_TO: u64 = 200;

/// The lines that the other process reported.
struct Report {
    lines: Vec<String>,
}

impl Report {
    /// Runs the other process with these calls of the family failing.
    fn run(shim: &Path, folder: &Path, family: &str, from: u64, to: u64) -> Self {
        let output = child::command("meets-faults", folder, 0)
            .env("LD_PRELOAD", shim)
            .env("FAULT_FAMILY", family)
            .env("FAULT_FROM", from.to_string())
            .env("FAULT_TO", to.to_string())
            .output()
            .unwrap();
        let report = String::from_utf8(output.stderr).unwrap();
        assert!(output.status.success(), "{family} {from} to {to}: {report}");
        Self {
            lines: report.lines().map(str::to_owned).collect(),
        }
    }

    fn all<'a>(&'a self, what: &'a str) -> impl DoubleEndedIterator<Item = &'a str> + 'a {
        let lines = self.lines.iter();
        lines.filter_map(move |line| line.strip_prefix(what)?.strip_prefix(' '))
    }

    fn last(&self, what: &str) -> u64 {
        self.all(what)
            .next_back()
            .map_or(0, |number| number.parse().unwrap())
    }
}

/// Exactly the reported records are there, and the reel can be opened and continued.
fn check(folder: &Path, report: &Report, what: &str) {
    let appended = report.last("appended");
    if !records::files(folder).is_empty() {
        let segments = independent::read(folder, NAME);
        let next = segments.last().map_or(0, independent::Segment::next);
        assert_eq!(next, appended, "{what}");
        assert!(segments.iter().any(|segment| segment.mark > 0) || report.last("durable") == 0);
    }
    let (reel, opened) = Reel::open(folder, NAME, &small()).unwrap();
    assert_eq!((opened.records, opened.torn), (appended, None), "{what}");
    reel.close().unwrap();
    let mut reader = Reader::open(folder, NAME).unwrap();
    for index in 0..appended {
        let record = reader.next().unwrap().unwrap();
        assert_eq!(
            (record.index, record.kind, record.payload),
            (index, kind(index), &payload(index)[..])
        );
    }
    assert!(reader.next().unwrap().is_none());
    assert_eq!(verify(folder, NAME, &mut |_, _| {}).unwrap().damage, []);
}

#[test]
fn after_the_nth_write_failed_every_record_is_there_and_appending_continues() {
    let library = folder();
    let shim = shim(library.path());
    let (mut refused, mut unaffected) = (0, 0);
    for n in 1..=UP_TO {
        let folder = folder();
        let report = Report::run(&shim, folder.path(), "write", n, n);
        let what = format!("write {n}: {:?}", report.lines.last());
        let errors = ["not-opened", "refused", "unclosed"]
            .into_iter()
            .flat_map(|what| report.all(what));
        for error in errors {
            assert!(
                error.contains("events") && error.contains("No space left"),
                "{what}: {error}"
            );
        }
        assert_eq!(report.all("unsynced").count(), 0, "{what}");
        let opened = report.all("opened").count() == 1;
        if opened && report.all("unclosed").count() == 0 {
            assert_eq!(report.last("closed"), FAULTY_RECORDS, "{what}");
        }
        refused += report.all("refused").count() + report.all("not-opened").count();
        unaffected += u64::from(report.lines.iter().all(|line| !line.contains("No space")));
        check(folder.path(), &report, &what);
    }
    println!(
        "{refused} errors reported, {unaffected} met and mended by the preparing thread, or not reached"
    );
    assert!(refused > 0);
}

#[test]
fn while_every_write_from_the_nth_on_fails_no_record_is_appended_that_is_not_there() {
    let library = folder();
    let shim = shim(library.path());
    for n in 1..=UP_TO {
        let folder = folder();
        let report = Report::run(&shim, folder.path(), "write", n, u64::MAX >> 1);
        let what = format!("writes from {n}: {:?}", report.lines.last());
        let refused = report.all("refused").count() + report.all("not-opened").count();
        let unclosed = report.all("unclosed").count();
        assert!(
            refused > 0 || unclosed > 0 || report.last("closed") == FAULTY_RECORDS,
            "{what}"
        );
        check(folder.path(), &report, &what);
    }
}

#[test]
fn after_the_nth_sync_failed_no_more_records_are_accepted_and_all_earlier_ones_are_there() {
    let library = folder();
    let shim = shim(library.path());
    let mut terminal = 0;
    for n in 1..=UP_TO {
        let folder = folder();
        let report = Report::run(&shim, folder.path(), "sync", n, n);
        let what = format!("sync {n}: {:?}", report.lines.last());
        let errors: Vec<&str> = ["unsynced", "refused", "unclosed"]
            .into_iter()
            .flat_map(|what| report.all(what))
            .collect();
        assert!(!errors.is_empty(), "{what}");
        for error in errors {
            assert!(
                error.contains(".reel durable: Input/output error"),
                "{what}: {error}"
            );
        }
        terminal += report
            .lines
            .iter()
            .filter(|line| *line == "terminal")
            .count();
        check(folder.path(), &report, &what);
    }
    println!("{terminal} of {UP_TO} were terminal before the end");
    assert!(terminal as u64 > UP_TO / 2);
}

#[test]
fn a_sync_longer_than_a_second_is_reported_until_it_ends() {
    let (library, folder) = (folder(), folder());
    let output = child::command("waits-for-a-slow-disk", folder.path(), 0)
        .env("LD_PRELOAD", shim(library.path()))
        .env("FAULT_FAMILY", "sync")
        .env("FAULT_SLOW_MS", "1500")
        .env("FAULT_FROM", "1")
        .env("FAULT_TO", "1")
        .output()
        .unwrap();
    let report = String::from_utf8(output.stderr).unwrap();
    assert!(output.status.success(), "{report}");
    assert!(
        report.contains("events has 10 records that have waited"),
        "{report}"
    );
    assert!(report.contains("closed 20"), "{report}");
}

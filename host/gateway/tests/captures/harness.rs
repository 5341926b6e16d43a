//! Reads, changes and plays captures.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests too")]
#![allow(dead_code, reason = "each test file uses some of these")]

use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use tickdeck_engine::port::Gateway;
use tickdeck_gateway::playback::{CheckReport, Playback, PlaybackConfig, PlaybackStats, check};
use tickdeck_model::{Amount, Body, Event, Instrument, Registry, Timestamp, VenueState};

pub(crate) fn case(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/data/cases")
        .join(name)
}

pub(crate) fn checked(name: &str) -> CheckReport {
    check(&case(name)).unwrap()
}

/// What playing files gives.
pub(crate) struct Played {
    pub(crate) events: Vec<Event>,
    pub(crate) instruments: Vec<Instrument>,
    pub(crate) balances: Vec<(String, Amount)>,
    pub(crate) stats: PlaybackStats,
}

pub(crate) fn play(config: PlaybackConfig) -> Played {
    let mut registry = Registry::new();
    let mut playback = Playback::open(config).unwrap();
    let terms = playback.register(&mut registry).unwrap();
    let mut events = Vec::new();
    playback.poll(Timestamp::MAX, &mut events).unwrap();
    let balance =
        |(id, amount): &(_, Amount)| (registry.currency(*id).unwrap().code.clone(), *amount);
    Played {
        events,
        instruments: registry.instruments().to_vec(),
        balances: terms.balances.iter().map(balance).collect(),
        stats: playback.monitor().stats(),
    }
}

pub(crate) fn played(names: &[&str]) -> Played {
    play(PlaybackConfig::new(
        names.iter().map(|name| case(name)).collect(),
    ))
}

impl Played {
    /// The states of the books, with how many milliseconds after the first event each was told.
    pub(crate) fn states(&self) -> Vec<(VenueState, i64)> {
        let start = self.events[0].ts_host;
        let state = |event: &Event| match event.body() {
            Body::Venue(status) => Some((status.state, (event.ts_host - start) / 1_000_000)),
            _ => None,
        };
        self.events.iter().filter_map(state).collect()
    }

    pub(crate) fn count(&self, is_it: impl Fn(&Body) -> bool) -> usize {
        self.events
            .iter()
            .filter(|event| is_it(&event.body()))
            .count()
    }
}

/// The lines of the sample, a real capture of 46 s.
pub(crate) fn sample_lines() -> Vec<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/btcusdt_sample.gz");
    let file = std::fs::File::open(path).unwrap();
    let lines = BufReader::new(flate2::read::GzDecoder::new(file)).lines();
    lines.map(Result::unwrap).collect()
}

pub(crate) fn is_depth(line: &str) -> bool {
    line.contains("depthUpdate")
}

/// A folder of captures.
pub(crate) struct Captures(tempfile::TempDir);

impl Captures {
    pub(crate) fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    pub(crate) fn write<'a>(
        &self,
        name: &str,
        lines: impl IntoIterator<Item = &'a String>,
    ) -> PathBuf {
        let file = self.0.path().join(name);
        let lines: Vec<&str> = lines.into_iter().map(String::as_str).collect();
        std::fs::write(&file, lines.join("\n") + "\n").unwrap();
        file
    }
}

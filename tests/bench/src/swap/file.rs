//! From a file in its place to the first event in the new code: the watcher, the loader and the engine of `tickdeck`, on
//! the simulated exchange at its own pace.

use crate::effort::Effort;
use crate::guests;
use crate::row::{Claim, Goal, Row};
use anyhow::{Context, Result, anyhow};
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};
use tickdeck_deck::assemble::DeckParts;
use tickdeck_deck::clock::Pace;
use tickdeck_deck::compiling::Compiling;
use tickdeck_deck::feed::OperatorFeed;
use tickdeck_deck::start;
use tickdeck_engine::CancelToken;
use tickdeck_engine::{Notice, Observer, Status, VersionChange};
use tickdeck_model::Timestamp;
use tickdeck_settings::config::{Config, WasmSettings};
use tickdeck_strategy::CacheConfig;
use tickdeck_strategy::watch::scan;

const PLUGIN: &str = "ema-cross";

/// A new version that is not there by then never comes.
const PATIENCE: Duration = Duration::from_secs(20);

/// Between two files, so that one is not held up by the watcher's look at the one before.
const REST: Duration = Duration::from_millis(400);

/// Rounds, unless it is to be short.
const ROUNDS: usize = 10;

/// The variants between which the warm rounds alternate; cold rounds use higher numbers.
const WARM: [u64; 2] = [1, 2];

pub(super) fn run(effort: &Effort) -> Result<Vec<Row>> {
    let rounds = effort.rounds.min(ROUNDS);
    let folders = tempfile::tempdir()?;
    let plugins = folders.path().join("plugins");
    std::fs::create_dir(&plugins)?;
    for (name, file) in guests::modules()? {
        std::fs::copy(file, plugins.join(format!("{name}.wasm")))?;
    }
    let stop = CancelToken::default();
    let deck = start(DeckParts {
        folder: Some(plugins.clone()),
        compiling: Compiling {
            cache: Some(CacheConfig {
                folder: folders.path().join("cache"),
                key: folders.path().join("key"),
            }),
            ..Compiling::of_host(&WasmSettings::default())
        },
        pace: Pace::REAL,
        stop: stop.clone(),
        ..DeckParts::new(Config::default(), scan(&plugins, &[])?)
    })?;
    let controls = deck.engine.controls();
    let (tell, live) = channel();
    let mut observer = Forwarding {
        feed: deck.feed,
        live: tell,
    };
    let (warm, cold) = std::thread::scope(|scope| {
        let engine = scope.spawn(|| deck.engine.run(&mut observer));
        let measured = measure(&plugins, &live, rounds);
        stop.ask();
        controls.stop();
        engine
            .join()
            .map_err(|_| anyhow!("the engine panicked"))??;
        measured
    })?;
    drop(deck.lifecycle);
    let claim = |bench, goal| Claim {
        bench,
        unit: "ms",
        against: "the settle time",
        goal: Some(Goal::Value(goal)),
        more_is_better: false,
    };
    let settle = vec![200.0; rounds];
    Ok(vec![
        claim("swap/file-to-event/warm-cache", 400.0).row(&warm, &settle),
        claim("swap/file-to-event/cold-cache", 1_500.0).row(&cold, &settle),
    ])
}

/// Milliseconds of every round, with code from the cache and with code that has to be compiled.
fn measure(
    plugins: &Path,
    live: &Receiver<Instant>,
    rounds: usize,
) -> Result<(Vec<f64>, Vec<f64>)> {
    let file = plugins.join(format!("{PLUGIN}.wasm"));
    let module = std::fs::read(&file)?;
    let place = |number| -> Result<f64> {
        std::thread::sleep(REST);
        let beside = plugins.join(".next");
        std::fs::write(&beside, guests::variant(&module, number))?;
        let placed = Instant::now();
        std::fs::rename(&beside, &file)?;
        let alive = live.recv_timeout(PATIENCE);
        let alive = alive.context("the new version never got an event")?;
        Ok((alive - placed).as_secs_f64() * 1e3)
    };
    for number in WARM {
        place(number)?;
    }
    let (mut warm, mut cold) = (Vec::new(), Vec::new());
    for round in 0..rounds as u64 {
        cold.push(place(WARM[1] + 1 + round)?);
        warm.push(place(WARM[round as usize % WARM.len()])?);
    }
    Ok((warm, cold))
}

/// Notes when a new version got its first event, and passes everything on.
struct Forwarding {
    feed: OperatorFeed,
    live: Sender<Instant>,
}

impl Observer for Forwarding {
    fn notice(&mut self, at: Timestamp, notice: Notice) {
        if let Notice::Version {
            change: VersionChange::Live { .. },
            ..
        } = &notice
        {
            // Nobody listens any more once all is measured.
            let _ = self.live.send(Instant::now());
        }
        self.feed.notice(at, notice);
    }

    fn status(&mut self, status: &Status) {
        self.feed.status(status);
    }
}

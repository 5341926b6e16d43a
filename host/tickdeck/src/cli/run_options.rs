//! What `demo`, `dev` and `run` share: how the tape is played, how it is shown, and what is printed at the end.

use crate::dev::DevLoop;
use crate::display::closing::closing;
use crate::display::console::{Console, Display};
use crate::display::summary::{RunFacts, summary};
use crate::output::print;
use anyhow::{Result, bail};
use clap::Args;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use tickdeck_control::{Server, socket_path};
use tickdeck_deck::assemble::{AssembledDeck, DeckParts, Journaling, Overrides};
use tickdeck_deck::clock::Pace;
use tickdeck_deck::folder::scan;
use tickdeck_deck::lifecycle::{Keep, StrategyManager};
use tickdeck_deck::operator::Operator;
use tickdeck_engine::CancelToken;
use tickdeck_engine::{Ending, Report};
use tickdeck_model::{OrderNumber, Registry};
use tickdeck_recording::{DataReels, RunOverrides};
use tickdeck_settings::config::{Config, VenueKind};
use tickdeck_settings::grants::Grants;

/// How long a demonstration plays when nobody can press a key.
const UNATTENDED: Duration = Duration::from_secs(30);

/// How often it is looked whether the reels keep to their budget.
const LOOK_AT_BUDGET: Duration = Duration::from_secs(60);

/// How the tape is played.
#[derive(Debug, Clone, Args)]
pub(super) struct RunOptions {
    /// Seed of everything random: the same seed gives the same market [default: 7]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(..=i64::MAX as u64))]
    seed: Option<u64>,
    /// Stop after this many market events (quotes, trades, book updates)
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    events: Option<u64>,
    /// Speed of event time: real, fast (one minute per second), max, or a factor such as 10
    #[arg(long, default_value = "real")]
    pace: Pace,
    /// Play Binance captures instead of the simulated exchange
    #[arg(long, value_name = "FILE", num_args = 1..)]
    capture: Vec<PathBuf>,
    /// Number of threads that run strategies; does not affect results in lockstep [default: 1]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=64))]
    workers: Option<u16>,
    /// Most events in one call of a strategy; does not affect results in lockstep [default: 1024]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: Option<u32>,
    /// Split batches at random places from this seed, to test that it changes nothing
    #[arg(long, value_name = "N")]
    split_seed: Option<u64>,
    /// Stop after this much wall time, such as 30s or 5m
    #[arg(long = "for", value_name = "TIME", value_parser = duration)]
    time: Option<Duration>,
    /// Do not watch the plugins folder for changes
    #[arg(long)]
    no_watch: bool,
    /// Print lines instead of the live view, even on a terminal
    #[arg(long)]
    plain: bool,
    /// Print one JSON object at the end and nothing else
    #[arg(long)]
    pub(super) json: bool,
}

/// What there is to be played.
pub(super) struct RunRequest {
    pub(super) config: Config,
    /// The deck's folder, by which operators find the host.
    pub(super) deck: PathBuf,
    pub(super) plugins: PathBuf,
    pub(super) grants: Grants,
    pub(super) registry: Registry,
    /// Keeps names; called before anything runs on them.
    pub(super) keep: Keep,
    /// The first order number that was never used.
    pub(super) first_order: OrderNumber,
    pub(super) killed: bool,
    /// When the command started.
    pub(super) since: Instant,
    /// `demo`, `run` or `dev NAME`.
    pub(super) command: String,
    pub(super) latch: Option<PathBuf>,
    /// Whether it ends by itself when nobody can press a key.
    pub(super) ends_unattended: bool,
    /// The wish to stop, which may come before anything runs.
    pub(super) stop: CancelToken,
    /// Builds the strategy while it trades.
    pub(super) workshop: Option<DevLoop>,
    /// The data folder that keeps the run, and whether a run that was cut off is left behind.
    pub(super) kept: Option<(PathBuf, bool)>,
}

/// A deck that keeps nothing would not go on with a run that was cut off.
fn refuse_to_forget(kept: Option<&(PathBuf, bool)>) -> Result<()> {
    let Some((data, false)) = kept else {
        return Ok(());
    };
    if let Some(run) = DataReels::in_folder(data).interrupted()? {
        bail!(
            "run {} was cut off, and with `[journal] enabled = false` it and its positions would be left behind: take that \
             out to go on with it, or leave it with --fresh ({})",
            run.number,
            run.folder.display()
        );
    }
    Ok(())
}

impl RunOptions {
    /// Plays it and prints what came of it.
    pub(super) fn play(self, source: RunRequest) -> Result<ExitCode> {
        let display = self.display();
        let config = self.over(source.config);
        let limit = self.limit(source.ends_unattended && display != Display::Live, &config);
        let stop = source.stop;
        if config.journal.off {
            refuse_to_forget(source.kept.as_ref())?;
        }
        let kept = source.kept.filter(|_| !config.journal.off);
        let journal = kept.map(|(data, fresh)| self.journaling(&data, fresh, &source.command));
        let parts = DeckParts {
            config,
            scan: scan(&source.plugins)?,
            folder: (!self.no_watch).then_some(source.plugins),
            grants: source.grants,
            registry: source.registry,
            keep: source.keep,
            cache: tickdeck_deck::folder::cache_folder(),
            pace: self.pace,
            stop: stop.clone(),
            overrides: Overrides {
                events: self.events,
                split_seed: self.split_seed,
                idle: source.workshop.is_some(),
            },
            first_order: source.first_order,
            killed: source.killed,
            journal,
        };
        let budget = parts.budget();
        let wired = parts.wire()?;
        tell_left_out(&wired);
        let title = format!("{} on {}", source.command, wired.title);
        if display == Display::Lines {
            let time = limit.map_or_else(String::new, |limit| {
                format!(", for {} s", limit.as_secs_f64())
            });
            print(&format!("{title}{time}\n"))?;
        }
        let mut about = RunFacts {
            seed: wired.seed,
            workers: wired.workers,
            start_up: Duration::ZERO,
            skipped: wired.skipped.clone(),
        };
        let (names, latch) = (wired.names.clone(), source.latch);
        let bench = source
            .workshop
            .map(|workshop| workshop.spawn(wired.feed.clone()));
        let bench = bench.transpose()?;
        let (session, stage, operator) = staged(wired, title, latch, display, (limit, stop))?;
        if let Some(budget) = budget {
            stage.keeps_to(budget, LOOK_AT_BUDGET);
        }
        // Last to come and first to go: while it answers, everything that it asks is there.
        let server = listen(&source.deck, operator, display);
        about.start_up = source.since.elapsed();
        let report = session.run();
        drop(bench);
        drop(server);
        drop(stage);
        let report = report?;
        if self.json {
            let summary = summary(&report, about, &names);
            print(&(serde_json::to_string(&summary)? + "\n"))?;
        } else {
            print(&closing(&report, &names))?;
        }
        outcome(&report)
    }

    fn journaling(&self, data: &Path, fresh: bool, command: &str) -> Journaling {
        Journaling {
            reels: DataReels::in_folder(data),
            command: command.to_owned(),
            played: RunOverrides {
                seed: self.seed,
                events: self.events,
                capture: self.capture.clone(),
            },
            fresh,
        }
    }

    /// Whether the plugins folder is watched.
    pub(super) const fn watches(&self) -> bool {
        !self.no_watch
    }

    fn display(&self) -> Display {
        if self.json {
            Display::Quiet
        } else if !self.plain && std::io::stdout().is_terminal() && std::io::stdin().is_terminal() {
            Display::Live
        } else {
            Display::Lines
        }
    }

    /// The settings with what the command line says over them.
    fn over(&self, mut config: Config) -> Config {
        if !self.capture.is_empty() {
            (config.venue.kind, config.venue.files) = (VenueKind::Capture, self.capture.clone());
        }
        config.venue.seed = self.seed.or(config.venue.seed);
        config.engine.workers = self.workers.map(usize::from).or(config.engine.workers);
        config.engine.batch = self
            .batch
            .map(|batch| batch as usize)
            .or(config.engine.batch);
        config
    }

    /// Wall time after which it ends. Without one, an unattended demonstration would play for ever unless it is
    /// counted in events, or is a capture that plays to its end at once.
    fn limit(&self, unattended: bool, config: &Config) -> Option<Duration> {
        let counted = self.events.is_some();
        let ends_soon = config.venue.kind == VenueKind::Capture && self.pace == Pace::FlatOut;
        self.time
            .or((unattended && !counted && !ends_soon).then_some(UNATTENDED))
    }
}

/// Says which strategies do not run, or not yet.
fn tell_left_out(wired: &AssembledDeck) {
    for (name, why) in &wired.skipped {
        eprintln!("{name} does not run: {why}");
    }
    for candidate in &wired.setup.waiting {
        let asks = candidate.decision.increases.join("; ");
        let name = &candidate.name;
        eprintln!("{name} waits: {asks}; `tickdeck strategies approve {name}` grants it");
    }
}

/// The session, the loader beside it, and what answers operators.
fn staged(
    wired: AssembledDeck,
    title: String,
    latch: Option<PathBuf>,
    display: Display,
    (limit, stop): (Option<Duration>, CancelToken),
) -> Result<(Console, StrategyManager, Operator)> {
    let controls = wired.engine.controls();
    let ledger = wired.setup.ledger.clone();
    let stage = StrategyManager::start(wired.setup, controls.clone())?;
    let operator = Operator {
        title: title.clone(),
        feed: wired.feed.clone(),
        names: wired.names.clone(),
        history: ledger,
        controls,
        manager: stage.manager(),
        latch: latch.clone(),
        since: Instant::now(),
        rate: Mutex::default(),
    };
    let session = Console {
        engine: wired.engine,
        feed: wired.feed,
        names: wired.names,
        stop,
        title,
        display,
        limit,
        latch,
        core: wired.core,
    };
    Ok((session, stage, operator))
}

/// Lets operators speak to this host. Without a socket it trades all the same.
fn listen(deck: &Path, operator: Operator, display: Display) -> Option<Server> {
    let server = socket_path(deck).and_then(|path| Server::open(&path, Arc::new(operator)));
    match server {
        Ok(server) => Some(server),
        Err(error) => {
            if display != Display::Quiet {
                eprintln!(
                    "warning: this host runs, but `tickdeck strategies` and the like don't reach it: {error}"
                );
            }
            None
        }
    }
}

fn outcome(report: &Report) -> Result<ExitCode> {
    if report.ending == Ending::Broken {
        bail!("every venue broke before the end; the lines above say why");
    }
    Ok(ExitCode::SUCCESS)
}

/// Reads `30s`, `5m`, `500ms`, `2h` or plain seconds.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.trim_end_matches(|char: char| char.is_ascii_alphabetic());
    let seconds_each = match &text[digits.len()..] {
        "ms" => 0.001,
        "" | "s" => 1.0,
        "m" => 60.0,
        "h" => 3_600.0,
        _ => return Err("it must be a time such as 30s, 5m or 500ms".to_owned()),
    };
    let seconds = digits
        .parse::<f64>()
        .ok()
        .map(|number| number * seconds_each);
    match seconds.map(Duration::try_from_secs_f64) {
        Some(Ok(time)) if !time.is_zero() => Ok(time),
        _ => Err("it must be a time such as 30s, 5m or 500ms".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::Parser;

    #[derive(Debug, Parser)]
    struct Line {
        #[command(flatten)]
        playing: RunOptions,
    }

    fn playing(line: &str) -> RunOptions {
        Line::try_parse_from(format!("tickdeck {line}").split_whitespace())
            .unwrap()
            .playing
    }

    #[test]
    fn times_have_units() {
        let cases = [
            ("30s", 30_000),
            ("5m", 300_000),
            ("500ms", 500),
            ("2", 2_000),
            ("1.5h", 5_400_000),
        ];
        for (text, ms) in cases {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "s", "-1s", "0s", "1d", "1e400s", "x"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn an_unattended_demonstration_ends_unless_it_is_counted_or_ends_by_itself() {
        let limit = |line: &str, unattended| {
            let playing = playing(line);
            let config = playing.over(Config::default());
            playing.limit(unattended, &config)
        };
        assert_eq!(limit("", true), Some(UNATTENDED));
        assert_eq!(limit("", false), None);
        assert_eq!(limit("--pace max", true), Some(UNATTENDED));
        assert_eq!(limit("--pace max --events 5", true), None);
        assert_eq!(limit("--pace max --capture a.gz", true), None);
        assert_eq!(limit("--capture a.gz", true), Some(UNATTENDED));
        assert_eq!(
            limit("--events 5 --for 2s", false),
            Some(Duration::from_secs(2))
        );
    }

    #[test]
    fn the_command_line_stands_over_the_settings() {
        let config =
            Config::parse("t", "[engine]\nworkers = 3\nbatch = 9\n[venue]\nseed = 1").unwrap();
        let over = playing("--seed 5 --workers 2 --capture a.gz b.gz").over(config);
        assert_eq!(
            (over.venue.seed, over.engine.workers, over.engine.batch),
            (Some(5), Some(2), Some(9))
        );
        assert_eq!(
            (over.venue.kind, over.venue.files.len()),
            (VenueKind::Capture, 2)
        );
    }
}

//! What `demo`, `dev` and `run` share: how the tape is played, how it is shown, and what is printed at the end.

use crate::dev::DevLoop;
use crate::display::closing::closing;
use crate::display::console::{Console, Display};
use crate::display::ends_in_time::EndsInTime;
use crate::display::summary::{RunFacts, summary};
use crate::exit::DATA_FAULTS;
use crate::output::{note, print, print_json};
use anyhow::{Result, bail};
use clap::Args;
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tickdeck_control::{Server, socket_path};
use tickdeck_deck::RunningDeck;
use tickdeck_deck::clock::Pace;
use tickdeck_deck::data_monitors::DataMonitors;
use tickdeck_deck::loading::first_skipped;
use tickdeck_deck::operator::Operator;
use tickdeck_deck::private_process::keep_memory_private;
use tickdeck_deck::request::{Overrides, RunRequest};
use tickdeck_deck::safety::KillLatch;
use tickdeck_engine::{CancelToken, Ending, Report};
use tickdeck_model::untrusted::log_entry;
use tickdeck_recording::names::Names;
use tickdeck_settings::config::Config;

/// How long a demonstration plays when nobody can press a key.
const UNATTENDED: Duration = Duration::from_secs(30);

/// How the tape is played.
#[derive(Debug, Clone, Args)]
pub(super) struct RunOptions {
    /// Random seed: the same seed gives the same market [default: 7]
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
    /// Maximum number of events per call of a strategy; does not affect results in lockstep [default: 1024]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=65_536))]
    batch: Option<u32>,
    /// Split batches at random points from this seed, to test that splitting does not affect results
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

/// How a run is shown, and to whom.
pub(super) struct Shown {
    /// The deck's folder, by which operators find the host.
    pub(super) deck: PathBuf,
    /// When the command started.
    pub(super) since: Instant,
    /// Whether it ends by itself when nobody can press a key.
    pub(super) ends_unattended: bool,
    /// Builds the strategy while it trades.
    pub(super) dev_loop: Option<DevLoop>,
}

impl RunOptions {
    /// Starts a deck, shows it until it ends, and prints the outcome.
    pub(super) fn play(self, request: RunRequest, shown: Shown) -> Result<ExitCode> {
        keep_memory_private();
        let display = self.display();
        let unattended = shown.ends_unattended && display != Display::Live;
        let limit = self.limit(unattended, &request.config);
        let (stop, config) = (request.stop.clone(), request.config.clone());
        let deck = tickdeck_deck::start(request.parts()?)?;
        let at_leisure = CancelToken::default();
        let ends = EndsInTime::watch(
            (stop.clone(), at_leisure.clone()),
            deck.engine.controls(),
            deck.feed.clone(),
        )?;
        report_inactive(&deck, &config);
        if display == Display::Lines {
            let time = limit.map_or_else(String::new, |limit| {
                format!(", for {} s", limit.as_secs_f64())
            });
            print(&format!("{}{time}\n", deck.title))?;
        }
        let dev_loop = shown
            .dev_loop
            .map(|dev_loop| dev_loop.spawn(deck.feed.clone()));
        let dev_loop = dev_loop.transpose()?;
        // Started last and dropped first: while it answers, everything that it queries is there.
        let commands = deck.operator.commands.clone();
        let server = listen(&shown.deck, deck.operator, display);
        let facts = RunFacts {
            seed: deck.seed,
            workers: deck.workers,
            start_up: shown.since.elapsed(),
            skipped: deck.skipped,
            data: deck.data.clone(),
        };
        let console = Console {
            engine: deck.engine,
            commands: commands.clone(),
            stop,
            title: deck.title,
            display,
            limit,
            at_leisure,
            history: deck.history,
            memory: deck.memory,
            data: deck.data,
            core: deck.core,
        };
        let report = console.run();
        ends.waits_for("the build");
        drop(dev_loop);
        ends.waits_for("operators");
        drop(server);
        ends.waits_for("the strategy loader");
        drop(deck.lifecycle);
        ends.waits_for("the record of the kill");
        let latched = commands.latch.as_ref().map_or(Ok(()), KillLatch::settle);
        if let Err(why) = &latched {
            note(why);
        }
        ends.waits_for("the output");
        let outcome = self.print_outcome(&report?, facts, &commands.names)?;
        Ok(if latched.is_ok() {
            outcome
        } else {
            ExitCode::FAILURE
        })
    }

    fn print_outcome(&self, report: &Report, facts: RunFacts, names: &Names) -> Result<ExitCode> {
        let data = facts.data.clone();
        if self.json {
            let summary = summary(report, facts, names);
            print_json(&summary)?;
        } else {
            print(&closing(report, names, data.clone()))?;
        }
        outcome(report, &data)
    }

    /// Returns the settings that the command line overrides.
    pub(super) fn overrides(&self) -> Overrides {
        Overrides {
            seed: self.seed,
            capture: self.capture.clone(),
            workers: self.workers.map(usize::from),
            batch: self.batch.map(|batch| batch as usize),
            events: self.events,
            split_seed: self.split_seed,
            pace: self.pace,
            watch: !self.no_watch,
        }
    }

    /// Whether the plugins folder is watched.
    pub(super) const fn watches(&self) -> bool {
        !self.no_watch
    }

    /// Whether the run ends after a time that the command line sets.
    pub(super) const fn has_limit(&self) -> bool {
        self.time.is_some()
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

    /// Returns the wall time after which the run ends. Without a limit, an unattended demonstration would run forever,
    /// unless it ends after a number of events or plays a capture at full speed.
    fn limit(&self, unattended: bool, config: &Config) -> Option<Duration> {
        let counted = self.events.is_some();
        let ends_soon = (!self.capture.is_empty() || config.plays_captures_only())
            && self.pace == Pace::FlatOut;
        self.time
            .or((unattended && !counted && !ends_soon).then_some(UNATTENDED))
    }
}

/// Reports which strategies do not run, or not yet.
fn report_inactive(deck: &RunningDeck, config: &Config) {
    let (skipped, more) = first_skipped(&deck.skipped, config);
    for (name, why) in skipped {
        note(format!("{name} does not run: {}", log_entry(why)));
    }
    if more > 0 {
        note(format!(
            "{more} more do not run: `tickdeck strategies` lists them"
        ));
    }
    for (name, asks) in &deck.waiting {
        note(format!(
            "{name} waits: {asks}; `tickdeck strategies approve {name}` grants it"
        ));
    }
}

/// Opens the socket for operators. The host trades without it if that fails.
fn listen(deck: &Path, operator: Operator, display: Display) -> Option<Server> {
    let server = socket_path(deck).and_then(|path| Server::open(&path, Arc::new(operator)));
    match server {
        Ok(server) => Some(server),
        Err(error) => {
            if display != Display::Quiet {
                note(format!(
                    "warning: this host runs, but `tickdeck strategies` and the like don't reach it: {error}"
                ));
            }
            None
        }
    }
}

fn outcome(report: &Report, data: &DataMonitors) -> Result<ExitCode> {
    if report.ending == Ending::Broken {
        bail!("every venue broke before the end; the lines above say why");
    }
    Ok(match data.lines().iter().all(|line| line.faults == 0) {
        true => ExitCode::SUCCESS,
        false => ExitCode::from(DATA_FAULTS),
    })
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
    use tickdeck_settings::config::VenueKind;

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
            playing.limit(unattended, &Config::default())
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
        let line = playing("--seed 5 --workers 2 --capture a.gz b.gz");
        let over = line.overrides().apply(config).unwrap();
        assert_eq!((over.engine.workers, over.engine.batch), (Some(2), Some(9)));
        let VenueKind::Capture(capture) = &over.venues[0].kind else {
            panic!("{:?}", over.venues);
        };
        assert_eq!((capture.seed, capture.files.len()), (Some(5), 2));
    }

    #[test]
    fn one_seed_gives_each_venue_a_seed_of_its_own_and_captures_replace_a_single_venue() {
        let several = || Config::parse("t", "[venues.B]\nseed = 1\n[venues.A]\n").unwrap();
        let over = playing("--seed 5").overrides().apply(several()).unwrap();
        let seeds = over.venues.iter().map(|venue| match &venue.kind {
            VenueKind::Sim(sim) => (venue.name.as_str(), sim.seed),
            VenueKind::Capture(_) => panic!("{venue:?}"),
        });
        assert_eq!(seeds.collect::<Vec<_>>(), [("A", Some(5)), ("B", Some(6))]);
        let error = playing("--capture a.gz")
            .overrides()
            .apply(several())
            .unwrap_err();
        assert!(error.to_string().contains("t has 2"), "{error}");
    }
}

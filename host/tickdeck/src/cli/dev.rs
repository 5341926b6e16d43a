//! `tickdeck dev`: a strategy is built and swapped at every save.

use crate::cli::run_options::{RunOptions, Shown};
use crate::dev::{BuildPrinter, DevLoop};
use crate::display::console::on_interrupt;
use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use tickdeck_deck::folder::Deck;
use tickdeck_deck::request::RunRequest;
use tickdeck_engine::CancelToken;
use tickdeck_model::Registry;
use tickdeck_settings::config::Config;
use tickdeck_settings::grants::Grants;
use tickdeck_toolchain::rust::Project;

/// Work on a strategy while it trades: build and swap it at every save.
///
/// Watches src/, Cargo.toml, build.rs and NAME.toml in the crate's folder. What builds takes over from the version
/// before with its state, in a host of its own on the simulated exchange or on a capture; what does not is shown with
/// the compiler's errors while the version before goes on. Nothing is kept.
///
/// With --deck it only watches and builds: the module goes into the plugins folder of that deck, where a running
/// `tickdeck run` takes it. The deck's own NAME.toml is left alone.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck dev plugins/ema-cross
  tickdeck dev my-idea --seed 11 --pace 20
  tickdeck dev my-idea --capture btcusdt_20240808.gz
  tickdeck dev my-idea --deck ~/decks/btc")]
pub(super) struct Dev {
    /// The strategy's crate
    #[arg(value_name = "PATH", default_value = ".")]
    path: PathBuf,
    /// Build into the plugins folder of this deck instead, for a host that runs it
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    deck: Option<PathBuf>,
    #[command(flatten)]
    playing: RunOptions,
    /// Settings of the host, in the form of tickdeck.toml [default: none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Dev {
    pub(super) fn run(self) -> Result<ExitCode> {
        if !self.playing.watches() {
            bail!("`dev` takes what it builds from the plugins folder: leave --no-watch out");
        }
        let project = Project::open(&self.path)?;
        match &self.deck {
            Some(deck) => into_deck(project, deck),
            None => self.with_host(project),
        }
    }

    /// Runs a host of its own around the strategy.
    fn with_host(self, project: Project) -> Result<ExitCode> {
        let since = Instant::now();
        let config = match &self.config {
            Some(file) => Config::load(file)?,
            None => Config::default(),
        };
        let folder = tempfile::Builder::new()
            .prefix("tickdeck-dev-")
            .tempdir()
            .context("cannot make a folder for the deck")?;
        let plugins = Deck::at(folder.path()).plugins();
        let stop = CancelToken::default();
        on_interrupt(stop.clone(), None)?;
        let mut workshop = DevLoop::new(project, plugins.clone(), true);
        if !workshop.build_first(&stop, &mut BuildPrinter) {
            return Ok(ExitCode::SUCCESS);
        }
        let request = RunRequest {
            command: format!("dev {}", workshop.name()),
            config,
            overrides: self.playing.overrides(),
            plugins,
            grants: Grants::in_memory(),
            registry: Registry::new(),
            save_names: Box::new(|_| Ok(())),
            first_order: 1,
            killed: false,
            latch: None,
            stop,
            idle: true,
            data: None,
            fresh: false,
        };
        let shown = Shown {
            // The folder of the deck has a name that nobody knows.
            deck: workshop.folder().to_owned(),
            since,
            ends_unattended: false,
            dev_loop: Some(workshop),
        };
        self.playing.play(request, shown)
    }
}

/// Only watches and builds, until Ctrl-C.
fn into_deck(project: Project, deck: &Path) -> Result<ExitCode> {
    let deck = Deck::at(deck);
    ensure!(
        deck.config_file().exists() || deck.plugins().is_dir(),
        "{} is no deck, it has neither tickdeck.toml nor plugins/: name the folder that `tickdeck run` runs",
        deck.root().display()
    );
    let stop = CancelToken::default();
    on_interrupt(stop.clone(), None)?;
    let mut workshop = DevLoop::new(project, deck.plugins(), false);
    if workshop.build_first(&stop, &mut BuildPrinter) {
        workshop.work(&stop, &mut BuildPrinter);
    }
    Ok(ExitCode::SUCCESS)
}

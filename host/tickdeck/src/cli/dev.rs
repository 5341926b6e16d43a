//! `tickdeck dev`: builds a strategy and swaps it in whenever it is saved.

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
use tickdeck_model::Untrusted;
use tickdeck_settings::config::Config;
use tickdeck_settings::grants::Grants;
use tickdeck_toolchain::rust::Project;

/// Develop a strategy while it trades: rebuild it on every save and swap it in.
///
/// Watches src/, Cargo.toml, build.rs and NAME.toml in the crate's folder, and runs a host of its own on the simulated
/// exchange or on a capture. A version that builds takes over the state of the previous one. If it does not build, the
/// compiler's errors are shown and the previous version keeps running. Nothing is saved.
///
/// With --deck it only watches and builds: the module goes into the plugins folder of that deck, where a running
/// `tickdeck run` picks it up. The deck's own NAME.toml is not changed.
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
    /// Build into the plugins folder of this deck instead, for the host that runs it
    #[arg(long, value_name = "DIR", conflicts_with = "config")]
    deck: Option<PathBuf>,
    #[command(flatten)]
    playing: RunOptions,
    /// Settings of the host, in the format of tickdeck.toml [default: none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl Dev {
    pub(super) fn run(self) -> Result<ExitCode> {
        if !self.playing.watches() {
            bail!("`dev` swaps in modules from the plugins folder: run it without --no-watch");
        }
        let project = Project::open(&self.path)?;
        match &self.deck {
            Some(deck) => into_deck(project, deck),
            None => self.with_host(project),
        }
    }

    /// Runs the strategy in a host of its own.
    fn with_host(self, project: Project) -> Result<ExitCode> {
        let since = Instant::now();
        let config = match &self.config {
            Some(file) => Config::load(file)?,
            None => Config::default(),
        };
        let folder = tempfile::Builder::new()
            .prefix("tickdeck-dev-")
            .tempdir()
            .context("cannot create a folder for the deck")?;
        let plugins = Deck::at(folder.path()).plugins();
        let stop = CancelToken::default();
        on_interrupt(stop.clone(), None)?;
        let mut dev_loop = DevLoop::new(project, plugins.clone(), true);
        let once = self.playing.has_limit();
        if !dev_loop.build_first(once, &stop, &mut BuildPrinter)? {
            return Ok(ExitCode::SUCCESS);
        }
        let request = RunRequest {
            command: format!("dev {}", dev_loop.name()),
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
            // Operators find the host by this path: the deck's own folder is temporary and has a random name.
            deck: dev_loop.folder().to_owned(),
            since,
            ends_unattended: false,
            dev_loop: Some(dev_loop),
        };
        self.playing.play(request, shown)
    }
}

/// Watches and builds until Ctrl-C, without a host.
fn into_deck(project: Project, deck: &Path) -> Result<ExitCode> {
    let deck = Deck::at(deck);
    ensure!(
        deck.config_file().exists() || deck.plugins().is_dir(),
        "{} is not a deck, it has neither tickdeck.toml nor plugins/: name the folder that `tickdeck run` runs",
        Untrusted::path(deck.root())
    );
    let stop = CancelToken::default();
    on_interrupt(stop.clone(), None)?;
    let mut dev_loop = DevLoop::new(project, deck.plugins(), false);
    if dev_loop.build_first(false, &stop, &mut BuildPrinter)? {
        dev_loop.work(&stop, &mut BuildPrinter);
    }
    Ok(ExitCode::SUCCESS)
}

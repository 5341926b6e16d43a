//! `tickdeck demo`: runs the example strategies on the simulated exchange, without any setup.

use super::repository::Repository;
use crate::cli::run_options::{RunOptions, Shown};
use crate::output::note;
use anyhow::{Context, Result};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use tickdeck_deck::folder::{Deck, PLUGINS, module_name};
use tickdeck_deck::lifecycle::SaveNames;
use tickdeck_deck::request::RunRequest;
use tickdeck_engine::CancelToken;
use tickdeck_model::Registry;
use tickdeck_recording::data_folder::Data;
use tickdeck_settings::config::Config;
use tickdeck_settings::grants::Grants;
use tickdeck_toolchain::rust::{Build, build, examples, out_of_date};

/// Run the strategies of the plugins folder on the simulated exchange, or on a capture.
///
/// Builds the example strategies first if necessary. On a terminal it shows a live view until q; otherwise it prints one
/// line per second for half a minute and a closing table. Nothing is saved without --data; use `run` for a deck that keeps
/// its state.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck demo
  tickdeck demo --seed 11 --pace 20
  tickdeck demo --seed 7 --events 2000000 --pace max --json
  tickdeck demo --seed 3 --events 300000 --pace max --data tape --json && tickdeck replay tape
  tickdeck demo --capture btcusdt_20240808.gz --pace max --json")]
pub(super) struct Demo {
    #[command(flatten)]
    playing: RunOptions,
    /// Settings, in the format of tickdeck.toml [default: none]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Record the run in this folder; `tickdeck replay FOLDER` replays it
    #[arg(long, value_name = "FOLDER")]
    data: Option<PathBuf>,
    /// With --data: start a new run instead of resuming an interrupted one
    #[arg(long, alias = "afresh", requires = "data")]
    fresh: bool,
}

impl Demo {
    pub(super) fn run(self) -> Result<ExitCode> {
        let since = Instant::now();
        let plugins = plugins()?;
        let config = match &self.config {
            Some(file) => Config::load(file)?,
            None => Config::default(),
        };
        let deck = plugins.parent().unwrap_or(Path::new(".")).to_owned();
        let data = self.data.as_ref().map(|folder| Data::open(folder.clone()));
        let data = data.transpose()?;
        let (registry, first_order) = match &data {
            Some(data) => (data.ids()?, data.reserve_orders()?),
            None => (Registry::new(), 1),
        };
        let save_names: SaveNames = match data {
            Some(data) => Box::new(move |registry| data.keep_ids(registry)),
            None => Box::new(|_| Ok(())),
        };
        let request = RunRequest {
            command: "demo".to_owned(),
            config,
            overrides: self.playing.overrides(),
            plugins,
            grants: Grants::in_memory(),
            registry,
            save_names,
            first_order,
            killed: false,
            latch: None,
            stop: CancelToken::default(),
            idle: false,
            data: self.data,
            fresh: self.fresh,
        };
        let shown = Shown {
            deck,
            since,
            ends_unattended: true,
            dev_loop: None,
        };
        self.playing.play(request, shown)
    }
}

/// Returns the repository's plugins folder, with its examples built, or else the plugins folder here.
fn plugins() -> Result<PathBuf> {
    match Repository::find() {
        Some(repository) => {
            build_examples(&repository)?;
            Ok(repository.plugins())
        }
        None => {
            let here = std::env::current_dir().context("cannot determine the current folder")?;
            let plugins = Deck::at(here).plugins();
            anyhow::ensure!(
                plugins.is_dir(),
                "there is no {PLUGINS} folder here, and this is not a checkout of tickdeck: run this in a deck, or clone the \
                 repository and run `cargo run --release -- demo` in it"
            );
            Ok(plugins)
        }
    }
}

/// Builds the examples whose module is missing or older than one of its sources.
fn build_examples(repository: &Repository) -> Result<()> {
    let plugins = repository.plugins();
    let stale: Vec<PathBuf> = examples(&plugins)?
        .into_iter()
        .filter(|folder| is_stale(folder, &plugins, repository))
        .collect();
    if stale.is_empty() {
        return Ok(());
    }
    let names: Vec<String> = stale.iter().map(|folder| module_name(folder)).collect();
    note(format!("building {} for the sandbox", names.join(", ")));
    build(&Build {
        crates: stale,
        out: plugins,
        bytes: false,
    })?;
    Ok(())
}

fn is_stale(folder: &Path, plugins: &Path, repository: &Repository) -> bool {
    let name = folder.file_name().unwrap_or_default().to_string_lossy();
    let mut sources = repository.plugin_sources();
    sources.push(folder.to_owned());
    out_of_date(&plugins.join(format!("{name}.wasm")), &sources)
}

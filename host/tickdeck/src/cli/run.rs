//! `tickdeck run`: runs the deck in a folder and keeps its state.

use crate::cli::run_options::{RunOptions, Shown};
use crate::output::note;
use anyhow::{Result, ensure};
use clap::Args;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Instant;
use tickdeck_deck::folder::Deck;
use tickdeck_deck::request::RunRequest;
use tickdeck_deck::safety::KillLatch;
use tickdeck_engine::CancelToken;
use tickdeck_model::Untrusted;
use tickdeck_settings::config::{Config, FILE_NAME};

/// Run the deck in the current folder: tickdeck.toml, plugins/ and data/.
///
/// Only one host can run a deck at a time. An interrupted run is resumed. Ctrl-C stops the strategies, handles their
/// orders according to their policy and exits; a second Ctrl-C exits at once.
#[derive(Debug, Args)]
#[command(after_help = "Examples:
  tickdeck run
  tickdeck run --config ~/decks/btc/tickdeck.toml --plain
  tickdeck run --clear-kill")]
pub(super) struct Run {
    #[command(flatten)]
    playing: RunOptions,
    /// The deck's settings; the deck is the folder that contains them [default: tickdeck.toml]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Lift the kill switch of an earlier run
    #[arg(long)]
    clear_kill: bool,
    /// Start a new run instead of resuming an interrupted one, whose positions are left behind
    #[arg(long, alias = "afresh")]
    fresh: bool,
}

impl Run {
    pub(super) fn run(self) -> Result<ExitCode> {
        let since = Instant::now();
        let deck = self.deck();
        let config = match &self.config {
            Some(file) => Config::load(file)?,
            None => {
                ensure!(
                    deck.config_file().exists() || deck.plugins().is_dir(),
                    "this folder is not a deck, it has neither {FILE_NAME} nor plugins/: change to one, name one with --config, \
                     or try `tickdeck demo`"
                );
                deck.config()?
            }
        };
        let data = deck.open_data()?;
        if self.clear_kill {
            data.clear_kill()?;
        }
        let killed = data.killed()?;
        if killed {
            note(format!(
                "the kill switch is on: every new order is denied; lift it with `tickdeck run --clear-kill` ({})",
                Untrusted::path(&data.latch())
            ));
        }
        let request = RunRequest {
            command: "run".to_owned(),
            config,
            overrides: self.playing.overrides(),
            plugins: deck.plugins(),
            grants: tickdeck_settings::grants::Grants::load(data.folder())?,
            registry: data.ids()?,
            first_order: data.reserve_orders()?,
            killed,
            latch: Some(KillLatch::at(data.latch())),
            stop: CancelToken::default(),
            idle: false,
            data: Some(deck.data()),
            fresh: self.fresh,
            save_names: Box::new(move |registry| data.keep_ids(registry)),
        };
        let shown = Shown {
            deck: deck.root().to_owned(),
            since,
            ends_unattended: false,
            dev_loop: None,
        };
        self.playing.play(request, shown)
    }

    fn deck(&self) -> Deck {
        let folder = self
            .config
            .as_deref()
            .and_then(Path::parent)
            .filter(|folder| !folder.as_os_str().is_empty());
        Deck::at(folder.unwrap_or(Path::new(".")))
    }
}

//! Decks for tests: their parts with the settings of a test, and runs that are played flat out to the end.

use crate::support::native::Quiet;
use crate::support::plugins::root;
use std::path::{Path, PathBuf};
use tickdeck_deck::assemble::{DeckParts, assemble};
use tickdeck_deck::compiling::Compiling;
use tickdeck_deck::folder::scan;
use tickdeck_deck::loading::known_modules;
use tickdeck_engine::{Notice, Report};
use tickdeck_model::Registry;
use tickdeck_settings::config::Config;
use tickdeck_strategy::CacheConfig;

/// The parts of a deck with these settings and the plugins of a folder: it plays flat out, is not recorded, and neither
/// watches the folder nor keeps grants. A test replaces the fields that it is about.
pub(crate) fn parts(settings: &str, plugins: &Path) -> DeckParts {
    let config =
        Config::parse("tickdeck.toml", settings).unwrap_or_else(|problems| panic!("{problems}"));
    let known = known_modules(&config, &Registry::new());
    let scan = scan(plugins, &known).unwrap();
    DeckParts {
        command: "test".to_owned(),
        compiling: Compiling {
            cache: Some(CacheConfig {
                folder: root().join("target/test-cache/modules"),
                key: root().join("target/test-data/key"),
            }),
            ..Compiling::in_process()
        },
        ..DeckParts::new(config, scan)
    }
}

/// A run to be made.
pub(crate) struct Play {
    pub(crate) settings: String,
    pub(crate) modules: Vec<PathBuf>,
    pub(crate) events: Option<u64>,
    pub(crate) split_seed: Option<u64>,
}

/// What a run came to.
pub(crate) struct Played {
    pub(crate) report: Report,
    pub(crate) notices: Vec<Notice>,
    /// Strategies that did not run, with why.
    pub(crate) skipped: Vec<(String, String)>,
}

impl Played {
    /// What must not depend on batching or threads.
    pub(crate) fn outcome(&self) -> (u128, u128) {
        (self.report.tape_hash, self.report.actions_hash)
    }

    /// Actions of each strategy by name.
    pub(crate) fn actions(&self, name: &str) -> u64 {
        self.report
            .status
            .strategies
            .iter()
            .find(|strategy| strategy.name == name)
            .map_or(0, |strategy| strategy.actions)
    }
}

impl Play {
    /// Runs flat out to the end.
    pub(crate) fn run(self) -> Played {
        let folder = tempfile::tempdir().unwrap();
        for module in &self.modules {
            let name = module.file_name().unwrap();
            std::fs::copy(module, folder.path().join(name)).unwrap();
        }
        let parts = DeckParts {
            events: self.events,
            split_seed: self.split_seed,
            ..parts(&self.settings, folder.path())
        };
        let deck = assemble(parts).unwrap_or_else(|error| panic!("{error:#}"));
        let mut quiet = Quiet::default();
        let report = deck.engine.run(&mut quiet).unwrap();
        Played {
            report,
            notices: quiet.0,
            skipped: deck.skipped.into_iter().collect(),
        }
    }
}

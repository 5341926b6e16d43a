//! A deck for tests: the example plugins, settings as text, and an observer that keeps what it hears.

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use tickdeck_deck::assemble::{DeckParts, assemble};
use tickdeck_deck::folder::scan;
use tickdeck_engine::{Notice, Observer, Report, Status};
use tickdeck_model::Timestamp;
use tickdeck_settings::config::Config;
use tickdeck_toolchain::rust::{Build, build, examples};

/// The repository.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .expect("tests/ is in the repository")
}

/// The beginning of a real capture, kept in the repository.
pub(crate) fn sample() -> PathBuf {
    root().join("host/gateway/tests/data/btcusdt_sample.gz")
}

/// The example plugins as modules of the world `strategy`, built once.
pub(crate) fn plugins() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| built("target/test-plugins", false))
}

/// The same plugins as modules of the world `strategy-bytes`.
pub(crate) fn bytes_plugins() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        plugins(); // One build at a time.
        built("target/test-plugins-bytes", true)
    })
}

fn built(out: &str, bytes: bool) -> PathBuf {
    let out = root().join(out);
    std::fs::create_dir_all(&out).unwrap();
    let crates = examples(&root().join("plugins")).unwrap();
    let built = build(&Build {
        crates,
        out: out.clone(),
        bytes,
    });
    built.unwrap_or_else(|error| panic!("the example plugins do not build: {error:#}"));
    out
}

pub(crate) const EXAMPLES: [&str; 4] = ["ema-cross", "market-maker", "pairs", "signal-follower"];

/// Modules of a folder by name.
pub(crate) fn modules(folder: &Path, names: &[&str]) -> Vec<PathBuf> {
    names
        .iter()
        .map(|name| folder.join(format!("{name}.wasm")))
        .collect()
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

#[derive(Default)]
struct Ear(Vec<Notice>);

impl Observer for Ear {
    fn notice(&mut self, _: Timestamp, notice: Notice) {
        self.0.push(notice);
    }
    fn status(&mut self, _: &Status) {}
}

impl Play {
    /// Runs flat out to the end.
    pub(crate) fn run(self) -> Played {
        let config = Config::parse("test.toml", &self.settings)
            .unwrap_or_else(|problems| panic!("{problems}"));
        let folder = tempfile::tempdir().unwrap();
        for module in &self.modules {
            let name = module.file_name().unwrap();
            std::fs::copy(module, folder.path().join(name)).unwrap();
        }
        let parts = DeckParts {
            cache: Some(root().join("target/test-cache")),
            events: self.events,
            split_seed: self.split_seed,
            ..DeckParts::new(config, scan(folder.path()).unwrap())
        };
        let deck = assemble(parts).unwrap_or_else(|error| panic!("{error:#}"));
        let mut ear = Ear::default();
        let report = deck.engine.run(&mut ear).unwrap();
        Played {
            report,
            notices: ear.0,
            skipped: deck.skipped.into_iter().collect(),
        }
    }
}

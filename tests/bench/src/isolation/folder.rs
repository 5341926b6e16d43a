//! A plugins folder that is watched: a deck of this process without strategies, whose loader compiles what is dropped there.

use super::attackers::Means;
use anyhow::{Result, anyhow};
use std::path::{Path, PathBuf};
use tempfile::TempDir;
use tickdeck_deck::assemble::DeckParts;
use tickdeck_deck::clock::Pace;
use tickdeck_deck::compiling::Compiling;
use tickdeck_deck::start;
use tickdeck_engine::CancelToken;
use tickdeck_settings::config::{Config, WasmSettings};
use tickdeck_strategy::watch::scan;

/// Files that wait beside the folder.
pub(super) struct Files {
    waiting: TempDir,
    /// None: nothing is watched, and there are no files.
    plugins: Option<PathBuf>,
}

impl Files {
    /// Moves all of them into the folder.
    pub(super) fn drop_all(&self) -> Result<()> {
        let Some(plugins) = &self.plugins else {
            return Ok(());
        };
        for file in std::fs::read_dir(self.waiting.path())? {
            let file = file?;
            std::fs::rename(file.path(), plugins.join(file.file_name()))?;
        }
        Ok(())
    }

    fn write(waiting: TempDir, plugins: Option<PathBuf>, means: Option<&Means>) -> Result<Self> {
        if let Some(Means::Files(files)) = means {
            for (name, content) in files {
                std::fs::write(waiting.path().join(name), content)?;
            }
        }
        Ok(Self { waiting, plugins })
    }
}

/// Does something while nothing is watched.
pub(super) fn unwatched<R>(act: impl FnOnce(&Files) -> Result<R>) -> Result<R> {
    act(&Files::write(tempfile::tempdir()?, None, None)?)
}

/// Does something while a folder is watched; the files of `means`, if there are any, wait to be dropped into it.
pub(super) fn watched<R>(
    means: Option<&Means>,
    act: impl FnOnce(&Files) -> Result<R>,
) -> Result<R> {
    let folder = tempfile::tempdir()?;
    let plugins = folder.path().join("plugins");
    std::fs::create_dir(&plugins)?;
    // On one file system, so that to drop a file is to rename it.
    let waiting = tempfile::tempdir_in(folder.path())?;
    let files = Files::write(waiting, Some(plugins.clone()), means)?;
    beside(&plugins, || act(&files))
}

fn beside<R>(plugins: &Path, act: impl FnOnce() -> Result<R>) -> Result<R> {
    let stop = CancelToken::default();
    let compiling = Compiling {
        cache: None,
        ..Compiling::of_host(&WasmSettings::default())
    };
    let compiler = compiling.compiler.clone();
    let deck = start(DeckParts {
        folder: Some(plugins.to_owned()),
        compiling,
        pace: Pace::REAL,
        stop: stop.clone(),
        idle: true,
        ..DeckParts::new(Config::default(), scan(plugins, &[])?)
    })?;
    let (controls, mut feed) = (deck.engine.controls(), deck.feed);
    let acted = std::thread::scope(|scope| {
        let engine = scope.spawn(|| deck.engine.run(&mut feed));
        let acted = act();
        // Nothing of it is left to disturb the next run.
        compiler.cancel();
        stop.ask();
        controls.stop();
        let ended = engine.join();
        ended.map_err(|_| anyhow!("the engine of the watched folder panicked"))??;
        acted
    });
    drop(deck.lifecycle);
    acted
}

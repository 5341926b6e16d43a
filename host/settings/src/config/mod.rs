//! The deck's settings: `tickdeck.toml`. An annotated example is the file of that name at the top of the repository.
//!
//! The file is read in one pass that reports every mistake at once with its line. What can only be checked against the
//! deck itself (an instrument's symbol, a strategy's parameter) keeps its line and is checked when the deck is assembled.

mod deck;
mod file;
mod plugin;
mod read;
#[cfg(test)]
mod tests;
mod venue;

pub use crate::permissions::{PermissionSettings, RateSettings};
pub use crate::reader::{Decimal, Located, Problem, Problems, Setting};
pub use deck::{
    BudgetSettings, Config, EngineSettings, InstrumentSettings, JournalSettings, LimitSettings,
    MiddlewareSettings, ParameterValue, StrategySettings, SyncMode, WasmSettings,
};
pub use file::FILE_NAME;
pub use plugin::{GrantSettings, PluginSettings, SwapSettings};
pub use venue::{
    BrokerSettings, CaptureSettings, SimSettings, SymbolSection, VenueKind, VenueSettings,
};

use std::path::{Path, PathBuf};
use tickdeck_model::Untrusted;

impl Config {
    /// Reads settings from text; `file` is its name in messages.
    ///
    /// # Errors
    /// Returns every mistake in it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        read::read(file, text)
    }

    /// Reads a file. Paths in it are relative to its folder.
    ///
    /// # Errors
    /// The file can't be read, or it has mistakes: all of them.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = file::text_of(path)?;
        let mut config = Self::parse(&Untrusted::path(path).to_string(), &text)?;
        if let Some(folder) = path.parent() {
            config.locate_files(folder);
        }
        Ok(config)
    }

    /// Resolves the paths in the settings relative to `folder`, the file's own folder.
    pub fn locate_files(&mut self, folder: &Path) {
        for venue in &mut self.venues {
            if let VenueKind::Capture(capture) = &mut venue.kind {
                for file in capture.files.iter_mut().chain(&mut capture.exchange_info) {
                    *file = folder.join(&*file);
                }
            }
        }
    }

    /// Overrides the seed. With several venues each gets its own: `seed` plus its position among them, from 0.
    pub fn set_seed(&mut self, seed: u64) {
        for (place, venue) in (0..).zip(&mut self.venues) {
            if let Some(of_venue) = venue.kind.seed_mut() {
                *of_venue = Some(seed.wrapping_add(place));
            }
        }
    }

    /// Plays captures instead of the deck's one venue.
    ///
    /// # Errors
    /// The deck has several venues.
    pub fn play_captures(&mut self, files: Vec<PathBuf>) -> anyhow::Result<()> {
        let [venue] = self.venues.as_mut_slice() else {
            anyhow::bail!(
                "`--capture` replaces the venue of a deck, but {} has {}: set `files` of a venue of kind \"capture\" there",
                self.file,
                self.venues.len()
            );
        };
        venue.play_captures(files);
        Ok(())
    }

    /// Returns whether every venue is a capture, so that a run ends by itself.
    pub fn plays_captures_only(&self) -> bool {
        let mut venues = self.venues.iter();
        venues.all(|venue| matches!(venue.kind, VenueKind::Capture(_)))
    }

    /// Returns a mistake in the file that only showed when the deck was assembled.
    pub fn problem(&self, line: usize, what: String, fix: String) -> Problems {
        Problems {
            file: self.file.clone(),
            list: vec![Problem {
                line,
                what,
                fix: Some(fix),
            }],
            more: 0,
        }
    }
}

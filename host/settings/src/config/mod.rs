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

pub use crate::reader::{Decimal, Located, Problem, Problems, Setting, nearest};
pub use deck::{
    Config, EngineSettings, InstrumentSettings, JournalSettings, LimitSettings, MiddlewareSettings,
    ParameterValue, RateSettings, StrategySettings, SyncMode, VenueKind, VenueSettings,
    WasmSettings,
};
pub use file::FILE_NAME;
pub use plugin::{
    GrantSettings, OtherSchema, PermissionSettings, PluginSettings, SaveFailed, SwapSettings,
};

use std::path::Path;

impl Config {
    /// Reads settings from text; `file` names it in messages.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        read::read(file, text)
    }

    /// Reads a file. Paths in it are relative to the folder it lies in.
    ///
    /// # Errors
    /// It can't be read, or everything that is wrong with it.
    pub fn load(path: &Path) -> anyhow::Result<Self> {
        let text = file::text_of(path)?;
        let mut config = Self::parse(&path.display().to_string(), &text)?;
        if let Some(folder) = path.parent() {
            for file in &mut config.venue.files {
                *file = folder.join(&*file);
            }
        }
        Ok(config)
    }

    /// A sentence about something in the file that was only judged when the deck was wired.
    pub fn problem(&self, line: usize, what: String, fix: String) -> Problems {
        Problems {
            file: self.file.clone(),
            list: vec![Problem {
                line,
                what,
                fix: Some(fix),
            }],
        }
    }
}

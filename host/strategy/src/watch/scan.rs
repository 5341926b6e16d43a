//! Scans the plugins folder once, when the host starts.

use super::change::Refused;
use super::error::WatchError;
use super::files::{Files, Part};
use super::limits::MAX_MODULES;
use super::list;
use super::plugin::Plugin;
use super::read::{Verdict, read_plugin};
use std::path::Path;
use tickdeck_model::Untrusted;

/// Attempts at reading a plugin that changes while it is read.
const ATTEMPTS: usize = 3;

/// The contents of a folder at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// The plugins, by name.
    pub plugins: Vec<Plugin>,
    /// Files named like a plugin that cannot be used.
    pub refused: Vec<Refused>,
    /// Information about the folder for the operator.
    pub note: Option<String>,
}

/// Reads the folder once, without waiting for anything to settle. A plugin that is being written is refused, and a
/// [`Watcher`](super::Watcher) that is started with this scan reports it once it is ready.
///
/// # Errors
/// The folder is missing, cannot be read, or has too many entries.
pub fn scan(folder: &Path) -> Result<Scan, WatchError> {
    // Absolute like the watcher's, which recognises earlier refusals by path.
    let folder = &std::path::absolute(folder).map_err(|source| WatchError::Folder {
        folder: Untrusted::path(folder),
        source,
    })?;
    let names = list::names(folder)?;
    let mut scan = Scan {
        note: (names.plugins.len() > MAX_MODULES).then(|| list::too_many(folder)),
        ..Scan::default()
    };
    let invalid = names.invalid.iter().take(MAX_MODULES);
    scan.refused
        .extend(invalid.map(|file| list::refuse_invalid(folder, file)));
    for name in names.plugins.iter().take(MAX_MODULES) {
        match read(folder, name)? {
            Some(Ok(plugin)) => scan.plugins.push(plugin),
            Some(Err(refused)) => scan.refused.push(refused),
            None => {}
        }
    }
    Ok(scan)
}

fn read(folder: &Path, name: &str) -> Result<Option<Result<Plugin, Refused>>, WatchError> {
    for _ in 0..ATTEMPTS {
        let files = Files::stat(folder, name)?;
        if files.is_absent() {
            return Ok(None);
        }
        match read_plugin(folder, name, &files, &mut 0) {
            Verdict::Valid(plugin) => return Ok(Some(Ok(plugin))),
            Verdict::Refused { refused, .. } => return Ok(Some(Err(refused))),
            Verdict::Changed => {}
        }
    }
    let path = Part::Module.path(folder, name);
    Ok(Some(Err(Refused {
        name: name.to_owned(),
        why: format!(
            "{}: is being written: it is loaded once it stops changing",
            Untrusted::path(&path)
        ),
        path,
        content: None,
    })))
}

//! The plugins folder as it is now, for a host that starts.

use super::change::Refused;
use super::error::WatchError;
use super::files::{Files, Part};
use super::limits::MAX_MODULES;
use super::list;
use super::plugin::Plugin;
use super::read::{Verdict, judge};
use crate::text::display_path;
use std::path::Path;

/// How often a plugin that changes while it is read is read.
const ATTEMPTS: usize = 3;

/// What a folder held at one look.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// The plugins, by name.
    pub plugins: Vec<Plugin>,
    /// What is called like a plugin and can't be taken.
    pub refused: Vec<Refused>,
    /// What the operator should know about the folder.
    pub note: Option<String>,
}

/// Reads the folder once, without waiting for anything to settle. What is being written just now is refused, and comes
/// as ready from a [`Watcher`](super::Watcher) that is started with this scan.
///
/// # Errors
/// The folder is missing, can't be read, or has too many entries.
pub fn scan(folder: &Path) -> Result<Scan, WatchError> {
    let names = list::names(folder)?;
    let mut scan = Scan {
        note: (names.plugins.len() > MAX_MODULES).then(|| list::too_many(folder)),
        ..Scan::default()
    };
    let unfit = names.unfit.iter().take(MAX_MODULES);
    scan.refused
        .extend(unfit.map(|file| list::refuse_unfit(folder, file)));
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
        match judge(folder, name, &files, &mut 0) {
            Verdict::Valid(plugin) => return Ok(Some(Ok(plugin))),
            Verdict::Refused { refused, .. } => return Ok(Some(Err(refused))),
            Verdict::Changed => {}
        }
    }
    let path = Part::Module.path(folder, name);
    Ok(Some(Err(Refused {
        name: name.to_owned(),
        why: format!(
            "{}: is being written: it is taken once it is left alone",
            display_path(&path)
        ),
        path,
        content: None,
    })))
}

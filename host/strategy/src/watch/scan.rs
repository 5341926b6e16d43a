//! Scans the plugins folder once, when the host starts.

use super::change::Refused;
use super::error::WatchError;
use super::files::{Files, Part};
use super::limits::MAX_MODULES;
use super::list;
use super::plugin::Plugin;
use super::read::{Verdict, read_plugin};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use tickdeck_model::Untrusted;

/// Attempts at reading a plugin that changes while it is read.
const ATTEMPTS: usize = 3;

/// The contents of a folder at one moment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scan {
    /// The folder, absolute.
    pub folder: PathBuf,
    /// The plugins, by name.
    pub plugins: Vec<Plugin>,
    /// Files named like a plugin that cannot be used.
    pub refused: Vec<Refused>,
    /// Information about the folder for the operator.
    pub note: Option<String>,
}

impl Scan {
    /// Whether the folder has no such module. A scan may leave modules out, so what it did not find is looked up.
    pub fn is_missing(&self, name: &str) -> bool {
        let plugins = self.plugins.iter().map(|found| &found.name);
        let mut found = plugins.chain(self.refused.iter().map(|found| &found.name));
        if found.any(|found| found == name) {
            return false;
        }
        let files = list::is_valid(name).then(|| Files::stat(&self.folder, name));
        // A folder that can't be entered says nothing about its files.
        files.is_none_or(|files| files.is_ok_and(|files| files.is_absent()))
    }
}

/// Reads the folder once, without waiting for anything to settle. A plugin that is being written is refused, and a
/// [`Watcher`](super::Watcher) that is started with this scan reports it once it is ready. The `known` plugins are looked at
/// first, in this order, so that nothing else in the folder can hide them; they need not exist.
///
/// # Errors
/// The folder is missing, or cannot be read.
pub fn scan(folder: &Path, known: &[String]) -> Result<Scan, WatchError> {
    // Absolute like the watcher's, which recognises earlier refusals by path.
    let folder = &absolute(folder)?;
    let names = list::names(folder)?;
    let mut scan = Scan {
        folder: folder.clone(),
        note: names.is_cut.then(|| list::excess(folder, &names)),
        ..Scan::default()
    };
    let (mut seen, mut left) = (BTreeSet::new(), MAX_MODULES);
    let wanted = known.iter().chain(&names.plugins);
    for name in wanted.filter(|name| seen.insert(name.as_str())) {
        if left == 0 {
            scan.note = Some(list::excess(folder, &names));
            break;
        }
        let Some(found) = look(folder, name)? else {
            continue;
        };
        left -= 1;
        match found {
            Ok(plugin) => scan.plugins.push(plugin),
            Err(refused) => scan.refused.push(refused),
        }
    }
    scan.plugins.sort_by(|a, b| a.name.cmp(&b.name));
    let invalid = names.invalid.iter().take(MAX_MODULES);
    scan.refused
        .extend(invalid.map(|file| list::refuse_invalid(folder, file)));
    Ok(scan)
}

/// Reads one plugin of the folder as [`scan`] does; `None` if there is no such plugin.
///
/// # Errors
/// The folder cannot be entered.
pub fn look(folder: &Path, name: &str) -> Result<Option<Result<Plugin, Refused>>, WatchError> {
    if !list::is_valid(name) {
        return Ok(None);
    }
    let folder = &absolute(folder)?;
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

fn absolute(folder: &Path) -> Result<PathBuf, WatchError> {
    std::path::absolute(folder).map_err(|source| WatchError::Folder {
        folder: Untrusted::path(folder),
        source,
    })
}

//! The names in the plugins folder.

use super::change::Refused;
use super::error::WatchError;
use super::kind::{Named, named};
use super::limits::{MAX_ENTRIES, MAX_MODULES};
use crate::text::display_path;
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;

/// The module files of a folder, by name.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) plugins: BTreeSet<String>,
    /// Files whose names can't be plugins' names.
    pub(super) unfit: BTreeSet<OsString>,
}

/// Reads the folder's names.
pub(super) fn names(folder: &Path) -> Result<Names, WatchError> {
    let failed = |source| WatchError::Folder {
        folder: display_path(folder),
        source,
    };
    let mut names = Names::default();
    for (count, entry) in std::fs::read_dir(folder).map_err(failed)?.enumerate() {
        if count == MAX_ENTRIES {
            return Err(WatchError::TooManyEntries {
                folder: display_path(folder),
            });
        }
        let file = entry.map_err(failed)?.file_name();
        match named(&file) {
            Named::Other => {}
            Named::Plugin(name) => {
                names.plugins.insert(name.to_owned());
            }
            Named::Unfit => {
                names.unfit.insert(file);
            }
        }
    }
    Ok(names)
}

/// A module file with a name that nothing could be called.
pub(super) fn refuse_unfit(folder: &Path, file: &OsString) -> Refused {
    let path = folder.join(file);
    Refused {
        name: crate::text::sanitize(&Path::new(file).with_extension("").to_string_lossy()),
        why: format!(
            "{}: its name cannot name a strategy: rename it, in UTF-8 and without control characters",
            display_path(&path)
        ),
        path,
        content: None,
    }
}

/// Says that not all are taken.
pub(super) fn too_many(folder: &Path) -> String {
    format!(
        "the plugins folder {} has more than {MAX_MODULES} modules, of which the first {MAX_MODULES} by name are taken: \
         move the others to another deck",
        display_path(folder)
    )
}

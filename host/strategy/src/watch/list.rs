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
    /// Module files whose names are not valid for plugins.
    pub(super) invalid: BTreeSet<OsString>,
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
            Named::Invalid => {
                names.invalid.insert(file);
            }
        }
    }
    Ok(names)
}

/// Refuses a module file whose name is not valid for a plugin.
pub(super) fn refuse_invalid(folder: &Path, file: &OsString) -> Refused {
    let path = folder.join(file);
    Refused {
        name: crate::text::sanitize(&Path::new(file).with_extension("").to_string_lossy()),
        why: format!(
            "{}: has a name that is not valid for a strategy: rename it, in UTF-8 and without control characters",
            display_path(&path)
        ),
        path,
        content: None,
    }
}

/// Describes an excess of plugins.
pub(super) fn too_many(folder: &Path) -> String {
    format!(
        "the plugins folder {} has more than {MAX_MODULES} modules; only the first {MAX_MODULES} by name are used: \
         move the others to another deck",
        display_path(folder)
    )
}

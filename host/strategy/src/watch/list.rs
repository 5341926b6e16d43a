//! The names in the plugins folder.

use super::change::Refused;
use super::error::WatchError;
use super::kind::{Named, named};
use super::limits::{MAX_ENTRIES, MAX_MODULES};
use std::collections::BTreeSet;
use std::ffi::OsString;
use std::path::Path;
use tickdeck_model::Untrusted;
use tickdeck_model::name::check_strategy_name;

/// The module files of a folder, by name.
#[derive(Debug, Default)]
pub(super) struct Names {
    pub(super) plugins: BTreeSet<String>,
    /// Module files whose names are not valid for plugins.
    pub(super) invalid: BTreeSet<OsString>,
    /// Whether the folder has more entries than are read.
    pub(super) is_cut: bool,
}

/// Reads the folder's names, up to [`MAX_ENTRIES`]: that a name is not among them does not mean that its file is gone.
pub(super) fn names(folder: &Path) -> Result<Names, WatchError> {
    let failed = |source| WatchError::Folder {
        folder: Untrusted::path(folder),
        source,
    };
    let mut names = Names::default();
    for (count, entry) in std::fs::read_dir(folder).map_err(failed)?.enumerate() {
        if count == MAX_ENTRIES {
            names.is_cut = true;
            break;
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

/// Whether a plugin can have this name: only then does it name a file of the folder.
pub(super) fn is_valid(name: &str) -> bool {
    check_strategy_name(name).is_ok()
}

/// Refuses a module file whose name is not valid for a plugin.
pub(super) fn refuse_invalid(folder: &Path, file: &OsString) -> Refused {
    let path = folder.join(file);
    let name = Path::new(file).with_extension("");
    // A name that is not UTF-8 shows replacement characters, which no name has.
    let why = check_strategy_name(&name.to_string_lossy()).err();
    Refused {
        name: Untrusted::path(&name).to_string(),
        why: format!(
            "{}: has a name that is not valid for a strategy: rename it; {}",
            Untrusted::path(&path),
            why.unwrap_or_default()
        ),
        path,
        content: None,
    }
}

/// Describes an excess of plugins or entries.
pub(super) fn excess(folder: &Path, names: &Names) -> String {
    let folder = Untrusted::path(folder);
    match names.is_cut {
        true => format!(
            "the plugins folder {folder} has more than {MAX_ENTRIES} entries; modules that the deck does not know may be \
             overlooked: keep only plugins in it"
        ),
        false => format!(
            "the plugins folder {folder} has more than {MAX_MODULES} modules; only {MAX_MODULES} are used, those that the \
             deck knows and the first of the others by name: move the rest to another deck"
        ),
    }
}

//! Detects changes of the files from which a strategy is built.
//!
//! The files are polled every [`LOOK_EVERY`] instead of watched with the system's notifications. A strategy has a handful of
//! files, so a poll costs a few microseconds. It works the same whatever an editor does (write in place, rename over, move
//! away and write again) and whatever the folder is on (network shares and containers send no notifications), without any
//! system limits. A file that is missing for a moment counts as a change, which the next poll corrects.

use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

/// Polling interval.
pub const LOOK_EVERY: Duration = Duration::from_millis(50);

/// Maximum number of files checked; further ones are ignored.
const MOST_FILES: usize = 2_000;

/// Maximum depth of subfolders.
const MOST_LEVELS: usize = 16;

/// The metadata that shows that a file has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Stamp {
    modified: Option<SystemTime>,
    bytes: u64,
    inode: u64,
}

/// The sources of a crate.
#[derive(Debug)]
pub struct Sources {
    folder: PathBuf,
    settings: PathBuf,
    seen: BTreeMap<PathBuf, Stamp>,
}

/// A change found by a poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Changed {
    /// When the newest of the changed files was written, if known.
    pub at: Option<SystemTime>,
}

impl Sources {
    /// Takes the current state of the crate in `folder`, whose strategy is called `name`.
    pub fn new(folder: &Path, name: &str) -> Self {
        let mut sources = Self {
            folder: folder.to_owned(),
            settings: folder.join(format!("{name}.toml")),
            seen: BTreeMap::new(),
        };
        sources.seen = sources.stamps();
        sources
    }

    /// Returns the path of `NAME.toml` in the crate's folder, whether or not it exists; it is installed with the module.
    pub fn settings(&self) -> &Path {
        &self.settings
    }

    /// Returns the change since the last poll, if any.
    pub fn look(&mut self) -> Option<Changed> {
        let before = std::mem::take(&mut self.seen);
        self.seen = self.stamps();
        if before == self.seen {
            return None;
        }
        let changed = self
            .seen
            .iter()
            .filter(|(path, stamp)| before.get(*path) != Some(*stamp));
        Some(Changed {
            at: changed.filter_map(|(_, stamp)| stamp.modified).max(),
        })
    }

    fn stamps(&self) -> BTreeMap<PathBuf, Stamp> {
        let mut stamps = BTreeMap::new();
        let files = [
            self.folder.join("Cargo.toml"),
            self.folder.join("build.rs"),
            self.settings.clone(),
        ];
        for file in files {
            add(&mut stamps, file);
        }
        walk(&self.folder.join("src"), MOST_LEVELS, &mut stamps);
        stamps
    }
}

fn walk(folder: &Path, levels: usize, stamps: &mut BTreeMap<PathBuf, Stamp>) {
    let Some(levels) = levels.checked_sub(1) else {
        return;
    };
    // A folder that cannot be read now may be readable at the next poll.
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries.filter(|entry| !is_an_editors(&entry.file_name())) {
        if stamps.len() >= MOST_FILES {
            return;
        }
        let path = entry.path();
        if path.is_dir() {
            walk(&path, levels, stamps);
        } else {
            add(stamps, path);
        }
    }
}

fn add(stamps: &mut BTreeMap<PathBuf, Stamp>, file: PathBuf) {
    if let Ok(data) = std::fs::metadata(&file) {
        let stamp = Stamp {
            modified: data.modified().ok(),
            bytes: data.len(),
            inode: data.ino(),
        };
        stamps.insert(file, stamp);
    }
}

/// Returns whether a file is an editor's own: hidden, a backup, a lock, or a probe for a writable folder.
fn is_an_editors(name: &OsStr) -> bool {
    let name = name.to_string_lossy();
    name.starts_with(['.', '#'])
        || name.ends_with(['~', '#'])
        || [".swp", ".tmp", ".bak", ".orig"]
            .iter()
            .any(|end| name.ends_with(end))
        || name.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_way_of_saving_is_a_change_and_editor_files_are_ignored() {
        let folder = tempfile::tempdir().unwrap();
        let source = folder.path().join("src/lib.rs");
        std::fs::create_dir(folder.path().join("src")).unwrap();
        std::fs::write(&source, "one").unwrap();
        let mut sources = Sources::new(folder.path(), "ema");
        let mut seen = |what: &str, expected: bool| {
            assert_eq!(sources.look().is_some(), expected, "{what}");
            assert_eq!(sources.look(), None, "after {what}");
        };
        seen("nothing", false);
        std::fs::write(&source, "longer").unwrap();
        seen("written in place", true);
        let aside = folder.path().join("src/.lib.rs.swp");
        std::fs::write(&aside, "longer").unwrap();
        seen("an editor's file", false);
        std::fs::rename(&aside, &source).unwrap();
        seen("renamed over, with the same bytes", true);
        std::fs::write(folder.path().join("src/4913"), "").unwrap();
        std::fs::write(folder.path().join("src/lib.rs~"), "").unwrap();
        seen("a trial and a backup", false);
        std::fs::create_dir(folder.path().join("src/parts")).unwrap();
        seen("an empty folder", false);
        std::fs::write(folder.path().join("src/parts/a.rs"), "").unwrap();
        seen("a file in it", true);
        std::fs::remove_file(&source).unwrap();
        seen("removed", true);
        std::fs::write(folder.path().join("ema.toml"), "").unwrap();
        seen("settings", true);
        std::fs::write(folder.path().join("Cargo.toml"), "").unwrap();
        seen("the manifest", true);
        std::fs::write(folder.path().join("notes.txt"), "").unwrap();
        seen("something else", false);
    }

    #[test]
    fn a_change_has_the_time_of_its_newest_file() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("src")).unwrap();
        let mut sources = Sources::new(folder.path(), "ema");
        let moment = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000);
        for (name, after_s) in [("a.rs", 5), ("b.rs", 3)] {
            let file = std::fs::File::create(folder.path().join("src").join(name)).unwrap();
            file.set_modified(moment + Duration::from_secs(after_s))
                .unwrap();
        }
        let at = Some(moment + Duration::from_secs(5));
        assert_eq!(sources.look(), Some(Changed { at }));
    }
}

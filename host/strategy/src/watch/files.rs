//! The metadata of a plugin's files, without opening any.

use super::error::WatchError;
use super::kind::{MODULE, SETTINGS, SIGNATURE};
use super::limits::{MAX_SETTINGS, MAX_SIGNATURE};
use crate::MAX_MODULE;
use std::fs::{self, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tickdeck_model::Untrusted;

/// Within this time of a change, a file may change again without the system's times showing it. Kernels tick every
/// 1 to 10 ms.
const TICK: Duration = Duration::from_millis(50);

/// The same for file systems that count whole or even seconds.
const COARSE_TICK: Duration = Duration::from_millis(2_050);

/// One of the files that make up a plugin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Module,
    Settings,
    Signature,
}

impl Part {
    pub(super) fn path(self, folder: &Path, name: &str) -> PathBuf {
        let ending = match self {
            Self::Module => MODULE,
            Self::Settings => SETTINGS,
            Self::Signature => SIGNATURE,
        };
        folder.join(format!("{name}{ending}"))
    }

    /// Maximum size in bytes.
    pub(super) const fn limit(self) -> u64 {
        match self {
            Self::Module => MAX_MODULE as u64,
            Self::Settings => MAX_SETTINGS,
            Self::Signature => MAX_SIGNATURE,
        }
    }
}

/// The metadata of a plain file. It changes whenever the content does, except within a tick.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct FileStamp {
    pub(super) length: u64,
    modified: (i64, i64),
    changed: (i64, i64),
    inode: u64,
    device: u64,
}

impl FileStamp {
    /// Returns the stamp of a plain file.
    pub(super) fn of(about: &Metadata) -> Option<Self> {
        about.is_file().then(|| Self {
            length: about.len(),
            modified: (about.mtime(), about.mtime_nsec()),
            changed: (about.ctime(), about.ctime_nsec()),
            inode: about.ino(),
            device: about.dev(),
        })
    }

    /// Whether the file changed so shortly before `wall` that a further change might not show.
    fn is_fresh(&self, wall: SystemTime) -> bool {
        let (Ok(seconds), Ok(nanoseconds)) =
            (u64::try_from(self.changed.0), u32::try_from(self.changed.1))
        else {
            return false;
        };
        let changed = SystemTime::UNIX_EPOCH + Duration::new(seconds, nanoseconds);
        let tick = if nanoseconds == 0 { COARSE_TICK } else { TICK };
        let apart = wall.duration_since(changed);
        // Times ahead of the clock mean nothing; treating them all as fresh would mean reading forever.
        apart.unwrap_or_else(|ahead| ahead.duration()) < tick
    }
}

/// The kind of file at one path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Stamp {
    Absent,
    File(FileStamp),
    Folder,
    /// A FIFO, a socket or a device: never opened.
    Special(&'static str),
    /// A link to nothing, and where it points.
    Dangling(PathBuf),
    /// The system does not reveal the file; its error.
    Inaccessible(String),
}

impl Stamp {
    /// # Errors
    /// The folder itself cannot be entered.
    fn stat(path: &Path) -> io::Result<Self> {
        match fs::metadata(path) {
            Ok(about) => Ok(Self::of(&about)),
            Err(error) => Self::unreached(path, &error),
        }
    }

    fn of(about: &Metadata) -> Self {
        if let Some(stamp) = FileStamp::of(about) {
            return Self::File(stamp);
        }
        let kind = about.file_type();
        if kind.is_dir() {
            Self::Folder
        } else if kind.is_fifo() {
            Self::Special("a FIFO")
        } else if kind.is_socket() {
            Self::Special("a socket")
        } else {
            Self::Special("a device")
        }
    }

    fn unreached(path: &Path, error: &io::Error) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(about) if about.is_symlink() && error.kind() == ErrorKind::NotFound => {
                let target = fs::read_link(path).unwrap_or_default();
                Ok(Self::Dangling(target))
            }
            Ok(_) => Ok(Self::Inaccessible(error.to_string())),
            Err(link) if link.kind() == ErrorKind::NotFound => Ok(Self::Absent),
            // Only the folder's own mode can hide the kind of an entry.
            Err(link) if link.kind() == ErrorKind::PermissionDenied => Err(link),
            Err(link) => Ok(Self::Inaccessible(link.to_string())),
        }
    }

    /// Returns why the file cannot be read, if that is known without opening it.
    pub(super) fn problem(&self, path: &Path, part: Part) -> Option<String> {
        let file = Untrusted::path(path);
        let limit = part.limit();
        match self {
            Self::Absent => None,
            Self::File(stamp) if stamp.length > limit => Some(too_large(&file, part)),
            Self::File(_) => None,
            Self::Folder => Some(format!(
                "{file}: is a folder: put the file itself here, or rename the folder"
            )),
            Self::Special(what) => Some(format!(
                "{file}: is {what}, which is never opened: put the file itself here"
            )),
            Self::Dangling(target) => Some(format!(
                "{file}: is a link to {}, which does not exist: build that file, or remove the link",
                Untrusted::path(target)
            )),
            Self::Inaccessible(system) => Some(unreadable(&file, system)),
        }
    }
}

/// The metadata of all of a plugin's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) module: Stamp,
    pub(super) settings: Stamp,
    pub(super) signature: Stamp,
}

impl Files {
    /// # Errors
    /// The folder cannot be entered.
    pub(super) fn stat(folder: &Path, name: &str) -> Result<Self, WatchError> {
        let stat = |part: Part| {
            Stamp::stat(&part.path(folder, name)).map_err(|source| WatchError::Folder {
                folder: Untrusted::path(folder),
                source,
            })
        };
        let module = stat(Part::Module)?;
        // Without a module, the other files do not matter.
        let (settings, signature) = match module {
            Stamp::Absent => (Stamp::Absent, Stamp::Absent),
            _ => (stat(Part::Settings)?, stat(Part::Signature)?),
        };
        Ok(Self {
            module,
            settings,
            signature,
        })
    }

    pub(super) fn is_absent(&self) -> bool {
        self.module == Stamp::Absent
    }

    /// Whether a change after `wall` might not show in the metadata.
    pub(super) fn are_fresh(&self, wall: SystemTime) -> bool {
        [&self.module, &self.settings, &self.signature]
            .into_iter()
            .any(|stamp| matches!(stamp, Stamp::File(file) if file.is_fresh(wall)))
    }
}

pub(super) fn too_large(file: &Untrusted, part: Part) -> String {
    match part {
        Part::Module => crate::load::too_large(&file.to_string()).to_string(),
        Part::Settings | Part::Signature => format!(
            "{file}: is larger than {} KiB, the maximum: shorten it",
            part.limit() >> 10
        ),
    }
}

pub(super) fn unreadable(file: &Untrusted, system: &str) -> String {
    format!(
        "{file}: cannot be read: {system}; give the user that runs the host permission to read it"
    )
}

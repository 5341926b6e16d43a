//! Replaces small files atomically and durably: however the process or the machine dies, the file is the old one or the new
//! one, and once a function here has returned it is the new one.
//!
//! A rename is atomic but not durable: after a power cut the folder may still have the old entry. So the new content is synced
//! before the rename and the folder after it, and a folder that is created on the way is synced into the folder above.

use crate::io::sync_folder;
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::{NamedTempFile, TempPath};

/// A failed step of a replacement or a removal. The text says which one, and which file exists now: show it.
#[derive(Debug, thiserror::Error)]
#[error("cannot {} {}: {source} ({}; {})", step.task(), file.display(), step.action(), step.state())]
pub struct WriteError {
    /// The file or folder that was to be written or removed.
    pub file: PathBuf,
    /// The step that failed.
    pub step: WriteStep,
    /// The system's answer.
    pub source: io::Error,
}

/// The steps, in the order in which they are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WriteStep {
    /// A missing folder is created.
    CreateFolder,
    /// A created folder's entry in the folder above is made durable.
    SyncParent,
    /// The temporary file is created in the folder of the file.
    CreateTemporary,
    /// The content is written to the temporary file.
    WriteContent,
    /// The content is made durable.
    SyncFile,
    /// The temporary file is renamed to the file.
    Rename,
    /// The rename is made durable.
    SyncFolder,
    /// The file is removed.
    Remove,
    /// The removal is made durable.
    SyncRemoval,
}

impl WriteStep {
    const fn task(self) -> &'static str {
        match self {
            Self::Remove | Self::SyncRemoval => "remove",
            _ => "write",
        }
    }

    const fn action(self) -> &'static str {
        match self {
            Self::CreateFolder => "while creating the folder",
            Self::SyncParent => "while syncing the folder above",
            Self::CreateTemporary => "while creating a temporary file",
            Self::WriteContent => "while writing to a temporary file",
            Self::SyncFile => "while syncing its new content",
            Self::Rename => "while renaming the temporary file to it",
            Self::SyncFolder | Self::SyncRemoval => "while syncing its folder",
            Self::Remove => "while removing it",
        }
    }

    /// Which file exists after the failure.
    const fn state(self) -> &'static str {
        match self {
            Self::SyncFolder => {
                "the new file is in place, but a power cut may bring the old one back"
            }
            Self::Remove => "it still stands",
            Self::SyncRemoval => "it is removed, but a power cut may bring it back",
            _ => "nothing was replaced",
        }
    }
}

/// A failed step, before the file is named.
type Failure = (WriteStep, io::Error);

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readers {
    All,
    Owner,
}

/// Writes `bytes` to `file` through a hidden temporary file in the same folder, so that a watcher of the folder never sees a
/// part. Missing folders are created. The new content survives a machine crash once this returns.
///
/// # Errors
/// A step failed; the error says which file stands.
pub fn install(file: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    replace(file, bytes, Readers::All, rename)
}

/// Like [`install`], for a file that only its owner may read.
///
/// # Errors
/// As [`install`].
pub fn install_private(file: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    replace(file, bytes, Readers::Owner, rename)
}

/// Like [`install_private`], for a file that must not exist yet.
///
/// # Errors
/// As [`install`]; and the file exists.
pub fn install_new_private(file: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    replace(file, bytes, Readers::Owner, |temporary, file| {
        temporary
            .persist_noclobber(file)
            .map_err(|error| error.error)
    })
}

/// Makes the folder entry of a file durable, in case a replacement failed in its last step or never reached it. The content
/// was synced before the file got its name.
///
/// # Errors
/// The folder can't be synced.
pub fn sync_entry(file: &Path) -> Result<(), WriteError> {
    sync_folder(folder_of(file)).map_err(failed(file, WriteStep::SyncFolder))
}

/// Removes a file, and makes that durable. If the file does not exist, it may have been removed without durability, so its
/// folder is synced then too.
///
/// # Errors
/// A step failed; the error says whether the file still exists.
pub fn remove(file: &Path) -> Result<(), WriteError> {
    let missing = |error: &io::Error| error.kind() == io::ErrorKind::NotFound;
    match fs::remove_file(file) {
        Err(error) if !missing(&error) => return Err(failed(file, WriteStep::Remove)(error)),
        _ => {}
    }
    match sync_folder(folder_of(file)) {
        // Where there is no folder, there is no file that could come back.
        Err(error) if missing(&error) => Ok(()),
        synced => synced.map_err(failed(file, WriteStep::SyncRemoval)),
    }
}

/// Creates a folder and those above it that are missing; each is durable in the one above it.
///
/// # Errors
/// A folder can't be created or synced.
pub fn create_folder(folder: &Path) -> Result<(), WriteError> {
    make_folder(folder).map_err(|(step, source)| failed(folder, step)(source))
}

fn replace(
    file: &Path,
    bytes: &[u8],
    readers: Readers,
    rename: fn(TempPath, &Path) -> io::Result<()>,
) -> Result<(), WriteError> {
    let folder = folder_of(file);
    let steps = || -> Result<(), Failure> {
        make_folder(folder)?;
        let temporary = tempfile::Builder::new()
            .prefix(".tickdeck-")
            .suffix(".tmp")
            .tempfile_in(folder)
            .map_err(at(WriteStep::CreateTemporary))?;
        let temporary = fill(temporary, bytes, readers)?;
        rename(temporary, file).map_err(at(WriteStep::Rename))?;
        sync_folder(folder).map_err(at(WriteStep::SyncFolder))
    };
    steps().map_err(|(step, source)| failed(file, step)(source))
}

/// Writes the content and makes it durable.
fn fill(mut temporary: NamedTempFile, bytes: &[u8], readers: Readers) -> Result<TempPath, Failure> {
    let written = temporary.write_all(bytes).and_then(|()| match readers {
        Readers::All => share(temporary.as_file()),
        // Temporary files are created for their owner alone.
        Readers::Owner => Ok(()),
    });
    written.map_err(at(WriteStep::WriteContent))?;
    temporary
        .as_file()
        .sync_all()
        .map_err(at(WriteStep::SyncFile))?;
    Ok(temporary.into_temp_path())
}

/// Renames through the standard library and so through the C library, where tests inject failures; `persist` of `tempfile`
/// makes its own system call.
fn rename(temporary: TempPath, file: &Path) -> io::Result<()> {
    fs::rename(&temporary, file)?;
    // There is nothing left to delete under the old name.
    temporary.keep().map(drop).map_err(|error| error.error)
}

fn make_folder(folder: &Path) -> Result<(), Failure> {
    if folder.is_dir() {
        return Ok(());
    }
    let parent = folder_of(folder);
    make_folder(parent)?;
    match fs::create_dir(folder) {
        // Another process was faster, and may not have synced it yet.
        Err(_) if folder.is_dir() => {}
        created => created.map_err(at(WriteStep::CreateFolder))?,
    }
    let synced = sync_folder(parent);
    if synced.is_err() {
        // Another attempt must not take the entry for durable.
        let _ = fs::remove_dir(folder);
    }
    synced.map_err(at(WriteStep::SyncParent))
}

/// The folder that has the entry of a file or folder.
fn folder_of(path: &Path) -> &Path {
    path.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

fn at(step: WriteStep) -> impl FnOnce(io::Error) -> Failure {
    move |source| (step, source)
}

fn failed(file: &Path, step: WriteStep) -> impl FnOnce(io::Error) -> WriteError {
    let file = file.to_owned();
    move |source| WriteError { file, step, source }
}

/// Lets everybody read.
#[cfg(unix)]
fn share(file: &fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn share(_file: &fs::File) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn replaces_the_file_and_leaves_nothing_else_behind() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("plugins/a.wasm");
        install(&file, b"one").unwrap();
        install(&file, b"two").unwrap();
        assert_eq!(std::fs::read(&file).unwrap(), b"two");
        assert_eq!(
            std::fs::read_dir(folder.path().join("plugins"))
                .unwrap()
                .count(),
            1
        );
    }

    #[test]
    fn says_which_file_could_not_be_written() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("plugins"), "a file, not a folder").unwrap();
        let error = install(&folder.path().join("plugins/a.wasm"), b"one").unwrap_err();
        assert!(error.to_string().starts_with("cannot write "), "{error}");
        assert!(error.to_string().contains("plugins/a.wasm: "), "{error}");
    }

    #[test]
    #[cfg(unix)]
    fn a_private_file_is_its_owners_alone_and_a_new_one_overwrites_nothing() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let mode = || std::fs::metadata(&file).unwrap().permissions().mode() & 0o777;
        install_new_private(&file, b"one").unwrap();
        assert_eq!(mode(), 0o600);
        install_new_private(&file, b"two").unwrap_err();
        assert_eq!(std::fs::read(&file).unwrap(), b"one");
        install(&file, b"three").unwrap();
        assert_eq!(mode(), 0o644);
        install_private(&file, b"four").unwrap();
        assert_eq!(mode(), 0o600);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn removing_a_file_that_does_not_exist_is_no_error() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("killed");
        install(&file, b"one").unwrap();
        remove(&file).unwrap();
        remove(&file).unwrap();
        remove(&folder.path().join("no/killed")).unwrap();
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}

//! Puts a file in its place whole or not at all.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file that could not be put in its place. What was there before still is. Show the text.
#[derive(Debug, thiserror::Error)]
#[error("cannot write {}: {source}", file.display())]
pub struct WriteError {
    /// The file.
    pub file: PathBuf,
    /// What the system says.
    pub source: io::Error,
}

/// Who may read a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Readers {
    All,
    Owner,
}

/// Writes `bytes` to `file` through a hidden temporary beside it, so that who watches the folder never sees a part.
///
/// # Errors
/// The folder can't be made or written.
pub fn install(file: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    replace(file, bytes, Readers::All).map_err(cannot_write(file))
}

/// As [`install`], for a file that nobody but its owner may read.
///
/// # Errors
/// As [`install`].
pub fn install_private(file: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    replace(file, bytes, Readers::Owner).map_err(cannot_write(file))
}

/// As [`install_private`], for a file that must not be there yet.
///
/// # Errors
/// As [`install`], and there is such a file.
pub fn install_new_private(file: &Path, bytes: &[u8]) -> Result<(), WriteError> {
    let write = || {
        let temporary = temporary(file, bytes, Readers::Owner)?;
        temporary
            .persist_noclobber(file)
            .map_err(|error| error.error)
    };
    write().map_err(cannot_write(file)).map(drop)
}

fn replace(file: &Path, bytes: &[u8], readers: Readers) -> io::Result<()> {
    let temporary = temporary(file, bytes, readers)?;
    temporary
        .persist(file)
        .map(drop)
        .map_err(|error| error.error)
}

fn temporary(file: &Path, bytes: &[u8], readers: Readers) -> io::Result<NamedTempFile> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    std::fs::create_dir_all(folder)?;
    let mut temporary = tempfile::Builder::new()
        .prefix(".tickdeck-")
        .suffix(".tmp")
        .tempfile_in(folder)?;
    temporary.write_all(bytes)?;
    // Temporaries are made for their owner alone.
    if readers == Readers::All {
        share(temporary.as_file())?;
    }
    temporary.as_file().sync_all()?;
    Ok(temporary)
}

fn cannot_write(file: &Path) -> impl FnOnce(io::Error) -> WriteError {
    let file = file.to_owned();
    |source| WriteError { file, source }
}

/// Lets all read.
#[cfg(unix)]
fn share(file: &std::fs::File) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn share(_file: &std::fs::File) -> io::Result<()> {
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
}

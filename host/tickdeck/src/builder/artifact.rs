//! Puts a file in its place whole or not at all.

use anyhow::{Context, Result};
use std::io::Write;
use std::path::Path;

/// Writes `bytes` to `file` through a hidden temporary beside it, so that who watches the folder never sees a part.
///
/// # Errors
/// The folder can't be made or written.
pub fn install(file: &Path, bytes: &[u8]) -> Result<()> {
    let folder = file
        .parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."));
    let write = || -> std::io::Result<()> {
        std::fs::create_dir_all(folder)?;
        let mut temporary = tempfile::Builder::new()
            .prefix(".tickdeck-")
            .suffix(".tmp")
            .tempfile_in(folder)?;
        temporary.write_all(bytes)?;
        share(temporary.as_file())?;
        temporary.as_file().sync_all()?;
        temporary.persist(file).map_err(|error| error.error)?;
        Ok(())
    };
    write().with_context(|| format!("cannot write {}", file.display()))
}

/// Temporaries are made for their owner alone; what is installed may be read by all.
#[cfg(unix)]
fn share(file: &std::fs::File) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    file.set_permissions(std::fs::Permissions::from_mode(0o644))
}

#[cfg(not(unix))]
fn share(_file: &std::fs::File) -> std::io::Result<()> {
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
        assert!(error.to_string().ends_with("plugins/a.wasm"), "{error}");
    }
}

//! A file that gets its name when it is complete, durably.

use crate::TableError;
use std::fs::{File, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file that is written under a temporary name, and deleted if it is dropped before it is finished.
pub(crate) struct Partial {
    file: PathBuf,
    out: BufWriter<NamedTempFile>,
}

impl Partial {
    pub(crate) fn create(file: &Path) -> Result<Self, TableError> {
        let temporary = tempfile::Builder::new()
            .prefix(".tickdeck-")
            .suffix(".tmp")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder_of(file))
            .map_err(TableError::io("create", file))?;
        Ok(Self {
            file: file.to_owned(),
            out: BufWriter::with_capacity(1 << 16, temporary),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.file
    }

    /// Returns a handle to the file for a writer with a buffer of its own.
    pub(crate) fn handle(&self) -> Result<File, TableError> {
        let file = self.out.get_ref().as_file().try_clone();
        file.map_err(TableError::io("write", &self.file))
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), TableError> {
        self.out
            .write_all(bytes)
            .map_err(TableError::io("write", &self.file))
    }

    /// Gives the file its name, durably; returns its length in bytes.
    pub(crate) fn finish(mut self) -> Result<u64, TableError> {
        let file = self.file;
        let failed = |error| TableError::io("write", &file)(error);
        self.out.flush().map_err(failed)?;
        let temporary = self.out.get_ref().as_file();
        temporary.sync_all().map_err(failed)?;
        let bytes = temporary.metadata().map_err(failed)?.len();
        let (temporary, _) = self.out.into_parts();
        temporary
            .persist(&file)
            .map_err(|error| failed(error.error))?;
        // A power cut could undo a rename that is not synced.
        let synced = File::open(folder_of(&file)).and_then(|folder| folder.sync_all());
        synced.map_err(TableError::io("sync the folder of", &file))?;
        Ok(bytes)
    }
}

fn folder_of(file: &Path) -> &Path {
    file.parent()
        .filter(|folder| !folder.as_os_str().is_empty())
        .unwrap_or(Path::new("."))
}

//! A file that comes to be when it is whole.

use crate::TableError;
use std::fs::{File, Permissions};
use std::io::{BufWriter, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use tempfile::NamedTempFile;

/// A file that is written under another name, and is gone if it is dropped.
pub(crate) struct Partial {
    file: PathBuf,
    out: BufWriter<NamedTempFile>,
}

impl Partial {
    pub(crate) fn create(file: &Path) -> Result<Self, TableError> {
        let folder = file
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty());
        let temporary = tempfile::Builder::new()
            .prefix(".tickdeck-")
            .suffix(".tmp")
            .permissions(Permissions::from_mode(0o666))
            .tempfile_in(folder.unwrap_or(Path::new(".")))
            .map_err(TableError::io("make", file))?;
        Ok(Self {
            file: file.to_owned(),
            out: BufWriter::with_capacity(1 << 16, temporary),
        })
    }

    pub(crate) fn path(&self) -> &Path {
        &self.file
    }

    /// The file itself, for a writer that buffers by itself.
    pub(crate) fn handle(&self) -> Result<File, TableError> {
        let file = self.out.get_ref().as_file().try_clone();
        file.map_err(TableError::io("write", &self.file))
    }

    pub(crate) fn write(&mut self, bytes: &[u8]) -> Result<(), TableError> {
        self.out
            .write_all(bytes)
            .map_err(TableError::io("write", &self.file))
    }

    /// Puts it in its place; gives its length.
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
        Ok(bytes)
    }
}

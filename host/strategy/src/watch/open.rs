//! Opens plain files only, never waits for one, and reads no more than a limit.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;
use tickdeck_files::open_if_plain;

/// A plain file that is open, and its length.
pub(super) struct Opened {
    pub(super) file: File,
    length: u64,
}

/// Opens a file without blocking, in case a FIFO has replaced it since it was examined; `None` if it is not a plain file.
pub(super) fn open_plain(path: &Path) -> io::Result<Option<Opened>> {
    let Some(file) = open_if_plain(File::options().read(true), path)? else {
        return Ok(None);
    };
    let length = file.metadata()?.len();
    Ok(Some(Opened { file, length }))
}

impl Opened {
    /// Reads the whole file; `None` if it has more than `most` bytes.
    pub(super) fn read(self, most: u64) -> io::Result<Option<Vec<u8>>> {
        if self.length > most {
            return Ok(None);
        }
        let mut bytes = Vec::with_capacity(usize::try_from(self.length).unwrap_or(0));
        // One byte more than allowed reveals growth without a further call.
        (&self.file).take(most + 1).read_to_end(&mut bytes)?;
        Ok((bytes.len() as u64 <= most).then_some(bytes))
    }
}

//! Opens plain files only, never waits for one, and reads no more than a limit.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// A plain file that is open, and its length.
pub(super) struct Opened {
    pub(super) file: File,
    length: u64,
}

/// Opens a file without blocking, in case a FIFO has replaced it since it was examined; `None` if it is not a plain file.
pub(super) fn open_plain(path: &Path) -> io::Result<Option<Opened>> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let file = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    let about = file.metadata()?;
    let length = about.len();
    Ok(about.is_file().then_some(Opened { file, length }))
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

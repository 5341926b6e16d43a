//! Raw file I/O: reads and writes at an offset, and the syncs that make files and folders durable.

use std::fs::File;
use std::io;
use std::ops::Range;
use std::os::unix::fs::FileExt;
use std::path::Path;

/// Makes the entries of a folder durable.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// Reads what the file has at an offset, at most as much as fits.
pub(crate) fn read_at(file: &File, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut done = 0;
    while done < buffer.len() {
        match file.read_at(&mut buffer[done..], offset + done as u64) {
            Ok(0) => break,
            Ok(count) => done += count,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(done)
}

/// Writes all bytes at an offset.
pub(crate) fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    file.write_all_at(bytes, offset)
}

/// Returns the span from the first to the last byte that is not zero, from an offset on.
pub(crate) fn used(file: &File, from: u64) -> io::Result<Option<Range<u64>>> {
    let mut chunk = vec![0; 64 << 10];
    let mut offset = from;
    let mut span: Option<Range<u64>> = None;
    loop {
        let got = read_at(file, &mut chunk, offset)?;
        if got == 0 {
            return Ok(span);
        }
        let bytes = &chunk[..got];
        if !is_zero(bytes)
            && let Some(first) = bytes.iter().position(|byte| *byte != 0)
        {
            let last = bytes.iter().rposition(|byte| *byte != 0).unwrap_or(first);
            let start = span.map_or(offset + first as u64, |span| span.start);
            span = Some(start..offset + last as u64 + 1);
        }
        offset += got as u64;
    }
}

/// Returns whether all bytes are zero. Reads all of them, many at a time, which is faster than stopping at the first nonzero.
pub(crate) fn is_zero(bytes: &[u8]) -> bool {
    bytes.iter().fold(0, |all, byte| all | byte) == 0
}

//! Reads whole untrusted files: plain files only, and no more of them than a limit.

use std::fs::File;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Reads a plain file of at most `most` bytes. Never blocks on a FIFO or a device.
///
/// # Errors
/// The file can't be read, is not a plain file, or is larger.
pub fn read_bounded(file: &Path, most: u64) -> io::Result<Vec<u8>> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let opened = File::options()
        .read(true)
        .custom_flags(flags.bits().cast_signed())
        .open(file)?;
    let about = opened.metadata()?;
    if !about.is_file() {
        return Err(io::Error::other("it is no plain file"));
    }
    let too_large = || io::Error::other(format!("it is larger than {most} bytes, the maximum"));
    if about.len() > most {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(about.len()).unwrap_or(0));
    // One byte more than allowed reveals growth.
    opened.take(most + 1).read_to_end(&mut bytes)?;
    match bytes.len() as u64 > most {
        true => Err(too_large()),
        false => Ok(bytes),
    }
}

/// Reads a plain file of at most `most` bytes of text.
///
/// # Errors
/// As [`read_bounded`]; or it is not UTF-8.
pub fn read_text_bounded(file: &Path, most: u64) -> io::Result<String> {
    let text = String::from_utf8(read_bounded(file, most)?);
    text.map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        io::Error::new(
            io::ErrorKind::InvalidData,
            format!("it is not UTF-8 text from byte {at} on"),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_files_within_the_limit_are_read_and_nothing_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ids");
        std::fs::write(&file, b"abc").unwrap();
        assert_eq!(read_bounded(&file, 3).unwrap(), b"abc");
        assert_eq!(read_text_bounded(&file, 3).unwrap(), "abc");
        let error = read_bounded(&file, 2).unwrap_err().to_string();
        assert_eq!(error, "it is larger than 2 bytes, the maximum");
        std::fs::write(&file, b"ab\xff").unwrap();
        let error = read_text_bounded(&file, 3).unwrap_err().to_string();
        assert_eq!(error, "it is not UTF-8 text from byte 2 on");
        let fifo = folder.path().join("fifo");
        let made = std::process::Command::new("mkfifo").arg(&fifo).status();
        assert!(made.unwrap().success());
        for other in [&fifo, folder.path(), Path::new("/dev/zero")] {
            assert!(read_bounded(other, 1 << 20).is_err(), "{}", other.display());
        }
    }
}

//! Opens and reads files that somebody else may have put there.
//!
//! A path names whatever is there by now: a FIFO, whose opening waits for ever, a device that never ends, or a file of any length.
//! Every file that a command reads is opened here, so a plain file is all that is ever read, nothing is waited for, and what is
//! read whole has a limit. `tests/suite/architecture.rs` holds the other crates to it.
//!
//! It must never see anything of ours. Start reading at [`open_plain`].

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

/// Opens a plain file to read it. Never waits for a FIFO or a device.
///
/// # Errors
/// The file can't be opened, or is not a plain file.
pub fn open_plain(file: &Path) -> io::Result<File> {
    open_plain_with(File::options().read(true), file)
}

/// Opens a plain file as `options` say. Never waits for a FIFO or a device.
///
/// # Errors
/// The file can't be opened, or is not a plain file.
pub fn open_plain_with(options: &mut OpenOptions, file: &Path) -> io::Result<File> {
    let opened = open_if_plain(options, file)?;
    opened.ok_or_else(|| io::Error::other("it is no plain file"))
}

/// Like [`open_plain_with`], for those to whom something else is no error: `None`.
///
/// # Errors
/// The file can't be opened.
pub fn open_if_plain(options: &mut OpenOptions, file: &Path) -> io::Result<Option<File>> {
    let flags = rustix::fs::OFlags::NONBLOCK | rustix::fs::OFlags::NOCTTY;
    let opened = options
        .custom_flags(flags.bits().cast_signed())
        .open(file)?;
    let is_plain = opened.metadata()?.is_file();
    Ok(is_plain.then_some(opened))
}

/// Reads a plain file of at most `most` bytes.
///
/// # Errors
/// The file can't be read, is not a plain file, or is larger ([`io::ErrorKind::FileTooLarge`]).
pub fn read_bounded(file: &Path, most: u64) -> io::Result<Vec<u8>> {
    let opened = open_plain(file)?;
    let length = opened.metadata()?.len();
    let too_large = || {
        let what = format!("it is larger than {most} bytes, the maximum");
        io::Error::new(io::ErrorKind::FileTooLarge, what)
    };
    if length > most {
        return Err(too_large());
    }
    let mut bytes = Vec::with_capacity(usize::try_from(length).unwrap_or(0));
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

//! Text files with a checksum as their last line: `# xxh3 0123456789abcdef`.
//!
//! The line is located by its position, at the very end and always of the same length, so that a changed bit in the line itself
//! can't hide it.

use std::path::{Path, PathBuf};
use xxhash_rust::xxh3::xxh3_64;

const MARK: &str = "# xxh3 ";
/// Bytes of the last line: the mark, 16 digits, the line's end.
const LINE: usize = MARK.len() + 16 + 1;
/// The number of matching bytes from which a last line counts as a checksum line, possibly a damaged one.
const ALIKE: usize = MARK.len();

/// A sealed text that differs from what was written. Restore it from a copy; nothing in it may be used.
#[derive(Debug, thiserror::Error)]
pub enum SealError {
    /// Its checksum is wrong.
    #[error(
        "{} is damaged: its content has the checksum {found:016x} and not the one in its last line; restore it from a copy",
        file.display()
    )]
    Checksum {
        /// The file.
        file: PathBuf,
        /// The checksum of its content.
        found: u64,
    },
    /// It is not UTF-8.
    #[error("{} is damaged: it is not a text: {source}", file.display())]
    NoText {
        /// The file.
        file: PathBuf,
        /// The place.
        source: std::str::Utf8Error,
    },
}

/// Appends the checksum to a text.
pub fn seal(text: &str) -> String {
    format!("{text}{}", line(text.as_bytes()))
}

/// Reads a sealed text. Returns the text, and whether it had a checksum: files of older versions have none.
///
/// # Errors
/// The checksum is wrong.
pub fn unseal<'a>(file: &Path, bytes: &'a [u8]) -> Result<(&'a str, bool), SealError> {
    let (text, last) = bytes.split_at(bytes.len().saturating_sub(LINE));
    let sealed = is_line(last);
    let text = if sealed { text } else { bytes };
    if sealed && last != line(text).as_bytes() {
        return Err(SealError::Checksum {
            file: file.to_owned(),
            found: xxh3_64(text),
        });
    }
    let text = std::str::from_utf8(text);
    let text = text.map_err(|source| SealError::NoText {
        file: file.to_owned(),
        source,
    })?;
    Ok((text, sealed))
}

fn line(bytes: &[u8]) -> String {
    format!("{MARK}{:016x}\n", xxh3_64(bytes))
}

/// Returns whether these bytes are a last line, or one with a bit or two changed.
fn is_line(last: &[u8]) -> bool {
    let fixed = MARK.bytes().enumerate().chain([(LINE - 1, b'\n')]);
    last.len() == LINE && fixed.filter(|(at, byte)| last[*at] == *byte).count() >= ALIKE
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_bit_is_found_and_a_file_from_before_is_read() {
        let file = Path::new("data/orders");
        for text in ["1000000001\n", "", "strategy\tema\n"] {
            let sealed = seal(text).into_bytes();
            assert_eq!(unseal(file, &sealed).unwrap(), (text, true));
            assert_eq!(unseal(file, text.as_bytes()).unwrap(), (text, false));
            for bit in 0..sealed.len() * 8 {
                let mut flipped = sealed.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                let error = unseal(file, &flipped).unwrap_err().to_string();
                assert!(error.contains("data/orders is damaged"), "{bit}: {error}");
            }
        }
    }
}

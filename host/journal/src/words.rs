//! A small file of words that a process writes while it runs, and that another one reads after its death.
//!
//! A store goes to memory, without a system call, and survives however the process dies; only a machine crash may lose it.

use crate::mapping::Mapping;
use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use tickdeck_files::open_plain_with;

/// Bytes of a word.
const WORD: usize = size_of::<u64>();

/// The words of a file.
pub struct SharedWords {
    mapping: Mapping,
    count: usize,
}

impl SharedWords {
    /// Opens a file of `count` words and sets all of them to 0. Also returns what the last process left there; nothing if the
    /// file has another length.
    ///
    /// # Errors
    /// The file can't be read, written or mapped.
    pub fn open(file: &Path, count: usize) -> io::Result<(Vec<u64>, Self)> {
        let length = (count * WORD) as u64;
        let mut options = File::options();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut opened = open_plain_with(options, file)?;
        let mut left = Vec::new();
        if opened.metadata()?.len() == length {
            (&mut opened).take(length).read_to_end(&mut left)?;
        } else {
            opened.set_len(length)?;
        }
        opened.rewind()?;
        opened.write_all(&vec![0; count * WORD])?;
        let mapping = Mapping::new(&opened, length)?;
        let (words, _) = left.as_chunks::<WORD>();
        let words = words.iter().map(|word| u64::from_le_bytes(*word));
        Ok((words.collect(), Self { mapping, count }))
    }

    /// Returns the number of words.
    pub const fn count(&self) -> usize {
        self.count
    }

    /// Stores a word, after everything that was stored before it.
    ///
    /// # Panics
    /// There is no such word.
    #[inline]
    pub fn store(&self, word: usize, value: u64) {
        self.mapping.publish((word * WORD) as u64, value);
    }
}

impl std::fmt::Debug for SharedWords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedWords")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_there_after_the_process_and_gone_after_the_next() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("words");
        let (left, words) = SharedWords::open(&file, 1_000).unwrap();
        assert!(left.is_empty());
        words.store(0, 7);
        words.store(999, u64::MAX);
        drop(words);
        let (left, _) = SharedWords::open(&file, 1_000).unwrap();
        assert_eq!(
            (left.len(), left[0], left[1], left[999]),
            (1_000, 7, 0, u64::MAX)
        );
        let (left, _) = SharedWords::open(&file, 1_000).unwrap();
        assert!(left.iter().all(|word| *word == 0));
        std::fs::write(&file, b"half").unwrap();
        let (left, _) = SharedWords::open(&file, 1_000).unwrap();
        assert!(left.is_empty());
    }

    #[test]
    #[should_panic(expected = "nothing is written outside")]
    fn no_word_is_stored_outside_the_file() {
        let folder = tempfile::tempdir().unwrap();
        let (_, words) = SharedWords::open(&folder.path().join("words"), 4).unwrap();
        words.store(4, 1);
    }
}

//! Writes into a segment that is mapped into memory: the only module with `unsafe`.
//!
//! The writer, the syncing and the preparing thread hold the same mapping, and other processes may map or read the file. So the
//! mapping is never used as a slice: there are only copies into it and stores of single words.
#![allow(unsafe_code, reason = "stores into a shared mapping; see above")]

use memmap2::{MmapOptions, MmapRaw};
use std::fs::File;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};

/// The bytes that the system writes back as a unit.
const PAGE: u64 = 4096;

/// A file mapped for writing.
pub(crate) struct Mapping {
    memory: MmapRaw,
}

impl Mapping {
    /// Maps the first `length` bytes of a file that is at least that long and is not shortened while the mapping lives, except
    /// beyond the part still being written.
    pub(crate) fn new(file: &File, length: u64) -> io::Result<Self> {
        let length = usize::try_from(length).map_err(io::Error::other)?;
        let memory = MmapOptions::new().len(length).map_raw(file)?;
        Ok(Self { memory })
    }

    /// Copies bytes into the mapping.
    #[inline]
    pub(crate) fn copy(&self, offset: u64, bytes: &[u8]) {
        let place = self.place(offset, bytes.len());
        // SAFETY: `place` has checked that the target lies within the mapping. The source is a slice of Rust's, which never
        // is a part of the mapping, as no slice of it is ever made; so they do not overlap. Only the one writer of the
        // segment writes there (`Reel` is not `Clone` and holds the lock of the reel), and no thread of this process reads
        // there through the mapping.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), place, bytes.len()) }
    }

    /// Stores a word after everything that was copied before it.
    #[inline]
    pub(crate) fn publish(&self, offset: u64, word: u64) {
        let place = self.place(offset, size_of::<u64>());
        assert!(
            offset.is_multiple_of(8),
            "words are stored at multiples of eight bytes"
        );
        // SAFETY: the word lies within the mapping (`place`) and is aligned: the mapping begins at a page and the offset
        // is a multiple of eight. All stores to it by threads of this process while others may be storing are through here.
        let place = unsafe { AtomicU64::from_ptr(place.cast()) };
        place.store(word.to_le(), Ordering::Release);
    }

    /// Writes the pages of the first `length` bytes back and returns when they are durable.
    pub(crate) fn sync(&self, length: u64) -> io::Result<()> {
        self.memory.flush_range(0, length as usize)
    }

    /// Makes these pages present and writable, so that the next store to them causes no page fault. Affects only speed, so it
    /// cannot fail.
    pub(crate) fn touch(&self, from: u64, to: u64) {
        #[cfg(target_os = "linux")]
        {
            let from = from / PAGE * PAGE;
            let _ = self.memory.advise_range(
                memmap2::Advice::PopulateWrite,
                from as usize,
                to.saturating_sub(from) as usize,
            );
        }
    }

    /// Unmaps the whole pages in this range; they stay in the system's cache. Before the system writes a page back it makes it
    /// read-only for this process, which interrupts the writer's core once per page; unmapped pages are spared that. Affects
    /// only speed, so it cannot fail.
    pub(crate) fn release(&self, from: u64, to: u64) {
        let (from, to) = (from.next_multiple_of(PAGE), to / PAGE * PAGE);
        if from >= to {
            return;
        }
        // SAFETY: the mapping is shared and backed by a file, so what was stored stays in the file's pages, and a later access
        // finds it there. Nothing but the address space changes.
        let _ = unsafe {
            self.memory.unchecked_advise_range(
                memmap2::UncheckedAdvice::DontNeed,
                from as usize,
                (to - from) as usize,
            )
        };
    }

    #[inline]
    fn place(&self, offset: u64, length: usize) -> *mut u8 {
        let end = offset.checked_add(length as u64);
        assert!(
            end.is_some_and(|end| end <= self.memory.len() as u64),
            "nothing is written outside a segment"
        );
        self.memory.as_mut_ptr().wrapping_add(offset as usize)
    }
}

//! The memory of the ring: the only module that touches a slot.
//!
//! The slots are plain memory, so that a consumer can be given a `&[T]` that *is* the ring. Nothing here
//! synchronises anything: who may touch which slot is decided by the claim protocol in `shared`, and each
//! function states what it relies on. Under loom every access is mirrored on a tracked cell, so that a model
//! fails as soon as two accesses are not ordered, whatever values they happen to see.

use std::cell::UnsafeCell;
use std::mem::MaybeUninit;

/// A power-of-two number of slots, addressed by sequence.
pub(crate) struct Slots<T> {
    cells: Box<[UnsafeCell<MaybeUninit<T>>]>,
    #[cfg(loom)]
    tracked: Box<[loom::cell::UnsafeCell<()>]>,
}

// SAFETY: the cells are shared between threads, and the contracts of the functions below keep a writer apart
// from everyone else. Readers in several threads hold `&T` to the same slot (hence `T: Sync`), and an item
// written in one thread is copied out in another (hence `T: Send`).
unsafe impl<T: Send + Sync> Sync for Slots<T> {}

impl<T: Copy> Slots<T> {
    pub(crate) fn new(capacity: usize) -> Self {
        assert!(
            capacity.is_power_of_two(),
            "the configuration was validated"
        );
        Self {
            cells: (0..capacity)
                .map(|_| UnsafeCell::new(MaybeUninit::uninit()))
                .collect(),
            #[cfg(loom)]
            tracked: (0..capacity)
                .map(|_| loom::cell::UnsafeCell::new(()))
                .collect(),
        }
    }

    pub(crate) fn capacity(&self) -> usize {
        self.cells.len()
    }

    /// The index of the slot that holds `sequence`.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "masked to below the capacity, a usize"
    )]
    #[inline]
    pub(crate) fn index(&self, sequence: u64) -> usize {
        (sequence & (self.cells.len() as u64 - 1)) as usize
    }

    /// Writes one item to the slot of `sequence` and hands out that slot.
    ///
    /// # Safety
    ///
    /// The caller has claimed `sequence` and not published it yet; every earlier access to the slot happened
    /// before this call.
    #[expect(clippy::mut_from_ref, reason = "the claim makes the borrow exclusive")]
    #[inline]
    pub(crate) unsafe fn write(&self, sequence: u64, item: T) -> &mut T {
        let index = self.index(sequence);
        self.track_write(index);
        // SAFETY: `index` is masked to below the number of cells. By the contract no other thread touches this slot
        // until it is published, so the exclusive borrow is unique.
        unsafe { (*self.cells.get_unchecked(index).get()).write(item) }
    }

    /// Prefetches the slot of `sequence` for writing. It was last read on other cores, and a store that misses on such a line
    /// stalls all stores after it.
    #[inline]
    #[cfg(all(target_arch = "x86_64", not(miri), not(loom)))]
    pub(crate) fn fetch_to_write(&self, sequence: u64) {
        let first = std::ptr::from_ref(&self.cells[self.index(sequence)]).cast::<u8>();
        let last = first.wrapping_add(size_of::<T>().saturating_sub(1));
        // SAFETY: a prefetch accesses nothing that a program can tell, never faults and touches no register; a
        // processor without it takes it for a no-op. The intrinsic would need a target feature to become this.
        unsafe {
            std::arch::asm!(
                "prefetchw byte ptr [{first}]",
                "prefetchw byte ptr [{last}]",
                first = in(reg) first,
                last = in(reg) last,
                options(nostack, preserves_flags)
            );
        }
    }

    #[cfg(not(all(target_arch = "x86_64", not(miri), not(loom))))]
    #[expect(clippy::unused_self, reason = "its twin uses it")]
    pub(crate) fn fetch_to_write(&self, _sequence: u64) {}

    /// Copies `items` to the slots from `first` on.
    ///
    /// # Safety
    ///
    /// As for [`Self::write`], for each of the sequences; `items` is not longer than the capacity.
    pub(crate) unsafe fn write_all(&self, first: u64, items: &[T]) {
        let index = self.index(first);
        let until_wrap = self.cells.len() - index;
        if items.len() <= until_wrap {
            // SAFETY: they fit behind `index`; the rest is the caller's promise.
            return unsafe { self.write_part(index, items) };
        }
        let (head, tail) = items.split_at(until_wrap);
        // SAFETY: `head` fits exactly, and `tail` fits before `index`; the rest is the caller's promise.
        unsafe {
            self.write_part(index, head);
            self.write_part(0, tail);
        }
    }

    /// Copies `part` to the slots at `index` and after it.
    ///
    /// # Safety
    ///
    /// As for [`Self::write`], for each of the slots; all of them lie within the memory.
    unsafe fn write_part(&self, index: usize, part: &[T]) {
        (index..index + part.len()).for_each(|touched| self.track_write(touched));
        let target = UnsafeCell::raw_get(self.cells[index..].as_ptr()).cast::<T>();
        // SAFETY: `index + part.len()` is within the cells, which have the layout of `T`; the caller claimed them,
        // so nobody else reads or writes them, and `part` cannot overlap with them since a `&[T]` into the ring
        // only covers published slots.
        unsafe { target.copy_from_nonoverlapping(part.as_ptr(), part.len()) };
    }

    /// The slots from `first` on, at most `len` of them, up to the end of the memory.
    ///
    /// # Safety
    ///
    /// All `len` sequences were published, which happened before this call, and none of their slots is
    /// claimed again while the slice lives.
    pub(crate) unsafe fn run(&self, first: u64, len: usize) -> &[T] {
        let index = self.index(first);
        let cells = &self.cells[index..];
        let len = len.min(cells.len());
        (index..index + len).for_each(|touched| self.track_read(touched));
        // SAFETY: `UnsafeCell` and `MaybeUninit` are transparent, so the cells have the layout of `T`; by the
        // contract each was written and none is written during the borrow.
        unsafe { std::slice::from_raw_parts(cells.as_ptr().cast::<T>(), len) }
    }

    /// Marks that the slots were being read up to now; has an effect only under loom.
    pub(crate) fn read_until_here(&self, first: u64, len: u64) {
        if cfg!(loom) {
            (first..first + len).for_each(|sequence| self.track_read(self.index(sequence)));
        }
    }

    #[cfg(not(loom))]
    #[expect(clippy::unused_self, reason = "loom's twin uses it")]
    fn track_read(&self, _index: usize) {}

    #[cfg(not(loom))]
    #[expect(clippy::unused_self, reason = "loom's twin uses it")]
    fn track_write(&self, _index: usize) {}

    #[cfg(loom)]
    fn track_read(&self, index: usize) {
        self.tracked[index].with(|_| ());
    }

    #[cfg(loom)]
    fn track_write(&self, index: usize) {
        self.tracked[index].with_mut(|_| ());
    }
}

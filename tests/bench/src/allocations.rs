//! Counts what each thread allocates, so that a row can say that a path allocates nothing.

#![allow(unsafe_code, reason = "an allocator can be had no other way")]

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

thread_local! {
    static SO_FAR: Cell<u64> = const { Cell::new(0) };
}

/// Allocations, and changes of their size, that this thread has made so far.
pub(crate) fn so_far() -> u64 {
    SO_FAR.get()
}

/// The system's allocator, counted.
struct Counted;

#[global_allocator]
static ALLOCATOR: Counted = Counted;

fn count() {
    // A constant without a destructor: there from a thread's first moment to its last, and made without allocating.
    SO_FAR.set(SO_FAR.get() + 1);
}

// SAFETY: every call goes to the system's allocator as it came; counting neither allocates nor unwinds.
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract, which is the same.
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn realloc(&self, block: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        count();
        // SAFETY: the caller keeps the contract, which is the same, and every block is the system's.
        unsafe { System.realloc(block, layout, size) }
    }

    unsafe fn dealloc(&self, block: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract, which is the same, and every block is the system's.
        unsafe { System.dealloc(block, layout) }
    }
}

//! The guest's `cabi_realloc`: one reusable block for batches, and the global allocator for everything else.
//!
//! The host calls `cabi_realloc` once before each `on-events` and writes the batch there. Using the allocator for each
//! call costs more than a whole event, so the block is kept and lent again. It must never be lent for anything else,
//! because generated code frees what it gets with the global allocator. The purpose of a request follows from the phase:
//! between calls, once the strategy is started, the only list that the contract passes is a batch. Results of imports
//! are requested during a call; arguments of `init` and `restore` are requested before the start.

use core::cell::Cell;
use core::ptr::null_mut;
use std::alloc::{Layout, alloc, dealloc, handle_alloc_error, realloc};

/// Alignment of the block, which is that of an event.
const ALIGN: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// Not started: every request goes to the global allocator.
    Starting,
    /// Started, outside a call: the next request is for a batch.
    Idle,
    /// The block holds a batch whose call has not started.
    Lent,
    /// During a call: requests are for results of imports.
    Running,
}

struct Block {
    phase: Cell<Phase>,
    start: Cell<*mut u8>,
    capacity: Cell<usize>,
}

thread_local! {
    static BLOCK: Block =
        const { Block { phase: Cell::new(Phase::Starting), start: Cell::new(null_mut()), capacity: Cell::new(0) } };
}

/// A call in progress, with the phase in which it started.
#[derive(Debug)]
#[must_use]
pub(super) struct Call {
    before: Phase,
}

/// Starts a call.
pub(super) fn enter() -> Call {
    BLOCK.with(|block| Call {
        before: block.phase.replace(Phase::Running),
    })
}

/// Ends a call that was not `on-events`.
pub(super) fn leave(call: Call) {
    BLOCK.with(|block| block.phase.set(call.before));
}

/// Ends the call that started the strategy: from now on the host sends batches.
///
/// # Panics
/// The strategy is already started. The contract starts an instance once, and the arguments of a second start would be
/// in the block.
pub(super) fn started(call: Call) {
    assert!(call.before == Phase::Starting, "a strategy is started once");
    BLOCK.with(|block| block.phase.set(Phase::Idle));
}

/// Returns whether [`started`] was called.
pub(super) fn is_started() -> bool {
    BLOCK.with(|block| block.phase.get() != Phase::Starting)
}

/// Ends a call of `on-events` and takes its batch back.
///
/// # Safety
/// `ptr` is the batch of that call, from `cabi_realloc` with this size and alignment, and is no longer used.
pub(super) unsafe fn release(_: Call, ptr: *mut u8, size: usize, align: usize) {
    BLOCK.with(|block| {
        block.phase.set(Phase::Idle);
        if ptr != block.start.get() && size > 0 {
            // SAFETY: memory outside the block came from the global allocator, with this layout.
            unsafe { dealloc(ptr, Layout::from_size_align_unchecked(size, align)) };
        }
    });
}

impl Block {
    /// Lends the block for a batch of `size` bytes.
    fn lend(&self, size: usize) -> *mut u8 {
        if size > self.capacity.get() {
            self.grow(size.next_power_of_two());
        }
        self.phase.set(Phase::Lent);
        self.start.get()
    }

    /// Replaces the block by a larger one; its contents are lost.
    fn grow(&self, capacity: usize) {
        if !self.start.get().is_null() {
            // SAFETY: the block was allocated below with this layout, and is not lent.
            unsafe {
                dealloc(
                    self.start.get(),
                    Layout::from_size_align_unchecked(self.capacity.get(), ALIGN),
                )
            };
        }
        let layout = Layout::from_size_align(capacity, ALIGN).expect("a batch fits into memory");
        // SAFETY: a batch has at least one byte, so the capacity is not zero.
        self.start.set(checked(unsafe { alloc(layout) }, layout));
        self.capacity.set(capacity);
    }
}

fn checked(ptr: *mut u8, layout: Layout) -> *mut u8 {
    if ptr.is_null() {
        handle_alloc_error(layout);
    }
    ptr
}

/// The allocation function of the canonical ABI. It replaces wit-bindgen's.
///
/// # Safety
/// Only the host calls this, as the canonical ABI requires: `align` is a power of two, and `old_ptr` and `old_size` are
/// null and zero, or an earlier result that was not freed yet.
#[unsafe(no_mangle)]
unsafe extern "C" fn cabi_realloc(
    old_ptr: *mut u8,
    old_size: usize,
    align: usize,
    new_size: usize,
) -> *mut u8 {
    if new_size == 0 {
        return core::ptr::without_provenance_mut(align);
    }
    BLOCK.with(|block| {
        if old_size == 0 && block.phase.get() == Phase::Idle && align <= ALIGN {
            return block.lend(new_size);
        }
        assert!(
            old_size == 0 || old_ptr != block.start.get(),
            "lists of bytes and records are never grown"
        );
        let layout = Layout::from_size_align(new_size, align)
            .expect("the canonical ABI asks for valid layouts");
        if old_size == 0 {
            // SAFETY: the size is not zero.
            return checked(unsafe { alloc(layout) }, layout);
        }
        // SAFETY: `old_ptr` came from the global allocator with this layout, since it is not the block.
        checked(
            unsafe {
                realloc(
                    old_ptr,
                    Layout::from_size_align_unchecked(old_size, align),
                    new_size,
                )
            },
            layout,
        )
    })
}

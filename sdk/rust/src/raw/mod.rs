//! The component's exports, for code that [`export!`](crate::export) generates. Not meant for authors.
//!
//! `on-events` is exported by hand. The batch stays where the host wrote it, in memory from `cabi_realloc`, and is read
//! in place; the result is in static memory, so nothing has to be freed after the call. This module and its `memory` are
//! the only parts of the SDK with `unsafe` code.

mod lifecycle;
mod memory;

pub use crate::generated::export_lifecycle;
pub use crate::runner::Runner;

use crate::action::{Action, ActionWords};
use crate::event::Event;
use crate::manifest::Identity;
use crate::strategy::Strategy;
use core::cell::{Cell, RefCell};

/// The only strategy of a component, and its storage.
pub trait Instance {
    /// The strategy.
    type Strategy: Strategy;
    /// The strategy's name, version and description.
    const IDENTITY: Identity;

    /// Runs `f` on the slot that holds the strategy once it is started.
    fn with<R>(f: impl FnOnce(&mut Option<Runner<Self::Strategy>>) -> R) -> R;
}

/// The result of `on-events`, in the layout of the canonical ABI.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Outcome {
    consumed: u32,
    actions: *const ActionWords,
    /// The number of actions, or in world `strategy-bytes` of their bytes.
    length: usize,
}

const _: () = assert!(
    size_of::<Outcome>() == 12 && size_of::<usize>() == 4,
    "the canonical ABI is 32-bit"
);

thread_local! {
    static ACTIONS: RefCell<Vec<ActionWords>> = const { RefCell::new(Vec::new()) };
    static OUTCOME: Cell<Outcome> = const { Cell::new(Outcome { consumed: 0, actions: core::ptr::null(), length: 0 }) };
}

/// Implements `on-events` of world `strategy`: `len` is the number of events.
///
/// # Safety
/// `ptr` and `len` are the arguments of the export `on-events` of world `strategy`: the list that the host has just
/// lowered into memory from `cabi_realloc`.
pub unsafe fn on_events<I: Instance>(ptr: *mut Event, len: usize) -> *const Outcome {
    let call = memory::enter();
    // SAFETY: the canonical ABI passes an aligned, initialised list of `len` events that nothing else refers to;
    // `Event` has its layout (asserted in `event.rs`), and the host only lowers values of the contract.
    let batch = unsafe { core::slice::from_raw_parts(ptr, len) };
    let outcome = handle::<I>(batch, 1);
    // SAFETY: this is the memory of the list, of this size and alignment, and `batch` is no longer used.
    unsafe { memory::release(call, ptr.cast(), size_of_val(batch), align_of::<Event>()) };
    outcome
}

/// Implements `on-events` of world `strategy-bytes`: `len` is the number of bytes.
///
/// # Safety
/// `ptr` and `len` are the arguments of the export `on-events` of world `strategy-bytes`.
pub unsafe fn on_event_bytes<I: Instance>(ptr: *mut u8, len: usize) -> *const Outcome {
    let call = memory::enter();
    assert!(
        len.is_multiple_of(Event::SIZE),
        "the batch is not a multiple of 104 bytes"
    );
    // `cabi_realloc` aligns batches to 8 bytes although a list of bytes does not require it.
    assert!(ptr.cast::<Event>().is_aligned(), "the batch is not aligned");
    // SAFETY: as in `on_events`: by the contract of `hot-bytes` the bytes are events in the canonical layout, and length
    // and alignment were just checked.
    let batch = unsafe { core::slice::from_raw_parts(ptr.cast::<Event>(), len / Event::SIZE) };
    let outcome = handle::<I>(batch, Action::SIZE);
    // SAFETY: this is the memory of the list, of this size and alignment, and `batch` is no longer used.
    unsafe { memory::release(call, ptr, len, 1) };
    outcome
}

/// Runs the batch; each action adds `unit` to the length of the outcome.
fn handle<I: Instance>(batch: &[Event], unit: usize) -> *const Outcome {
    let consumed = I::with(|runner| {
        let runner = runner
            .as_mut()
            .expect("the host calls init or restore before on-events");
        let consumed = runner.on_events(batch);
        publish(runner.actions(), consumed, unit);
        consumed
    });
    debug_assert!(consumed <= batch.len());
    OUTCOME.with(|outcome| outcome.as_ptr().cast_const())
}

/// Writes the outcome to the memory that the host reads; valid until the next call.
fn publish(actions: &[Action], consumed: usize, unit: usize) {
    ACTIONS.with_borrow_mut(|words| {
        words.clear();
        words.extend(actions.iter().map(Action::to_words));
        let length = words.len() * unit;
        OUTCOME.set(Outcome {
            consumed: consumed as u32,
            actions: words.as_ptr(),
            length,
        });
    });
}

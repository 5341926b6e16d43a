//! The component's exports, for the code that [`export!`](crate::export) writes. Not meant for authors.
//!
//! `on-events` is exported by hand. The batch stays where `cabi_realloc` let the host write it and is read in place;
//! the answer lies in static memory, so nothing has to be freed after the call. This module and its `memory` are
//! the only places of the SDK with `unsafe` code.

mod lifecycle;
mod memory;

pub use crate::generated::export_lifecycle;
pub use crate::runner::Runner;

use crate::action::{Action, ActionWords};
use crate::event::Event;
use crate::manifest::Identity;
use crate::strategy::Strategy;
use core::cell::{Cell, RefCell};

/// The one strategy of a component, and where it is kept.
pub trait Instance {
    /// The strategy.
    type Strategy: Strategy;
    /// Its name, version and description.
    const IDENTITY: Identity;

    /// Runs `f` on the place that holds the strategy once it was started.
    fn with<R>(f: impl FnOnce(&mut Option<Runner<Self::Strategy>>) -> R) -> R;
}

/// What `on-events` returns, as the canonical ABI lays it out.
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub struct Outcome {
    consumed: u32,
    actions: *const ActionWords,
    /// Actions, or in world `strategy-bytes` their bytes.
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

/// The world `strategy`: `len` is the number of events.
///
/// # Safety
/// `ptr` and `len` are the arguments of the export `on-events` of world `strategy`: the list that the host just
/// lowered into memory it got from `cabi_realloc`.
pub unsafe fn on_events<I: Instance>(ptr: *mut Event, len: usize) -> *const Outcome {
    let call = memory::enter();
    // SAFETY: the canonical ABI hands over an aligned list of `len` events, all initialised, that nobody else knows;
    // `Event` has its layout (asserted in `event.rs`), and the host only lowers values of the contract.
    let batch = unsafe { core::slice::from_raw_parts(ptr, len) };
    let outcome = handle::<I>(batch, 1);
    // SAFETY: this is the list's memory, of this size and alignment, and `batch` is not used any more.
    unsafe { memory::release(call, ptr.cast(), size_of_val(batch), align_of::<Event>()) };
    outcome
}

/// The world `strategy-bytes`: `len` is the number of bytes.
///
/// # Safety
/// `ptr` and `len` are the arguments of the export `on-events` of world `strategy-bytes`.
pub unsafe fn on_event_bytes<I: Instance>(ptr: *mut u8, len: usize) -> *const Outcome {
    let call = memory::enter();
    assert!(
        len.is_multiple_of(Event::SIZE),
        "the batch is not a multiple of 88 bytes"
    );
    // `cabi_realloc` gives batches 8-aligned memory although a list of bytes does not ask for it.
    assert!(ptr.cast::<Event>().is_aligned(), "the batch is not aligned");
    // SAFETY: as in `on_events`: the bytes are events in the canonical layout, by the contract of `hot-bytes`, and the
    // length and alignment were just checked.
    let batch = unsafe { core::slice::from_raw_parts(ptr.cast::<Event>(), len / Event::SIZE) };
    let outcome = handle::<I>(batch, Action::SIZE);
    // SAFETY: this is the list's memory, of this size and alignment, and `batch` is not used any more.
    unsafe { memory::release(call, ptr, len, 1) };
    outcome
}

/// Runs the batch; each action counts `unit` in the outcome's length.
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

/// Writes the outcome where the host reads it, valid until the next call.
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

//! Hand-written lowering of the hot path: a batch goes in by one memcpy, actions come out as bytes, after a length check.
//!
//! wasmtime's derived lowering walks every field of every event. A slot of the ring already has the guest's layout, so
//! [`Slot`] lowers a list of events as plain bytes. The component's types are checked against the derived ones in
//! [`generated`](crate::generated), so a component whose `event` has another layout never gets this far, and a property
//! test compares the bytes with those of the derived lowering.
//!
//! wasmtime calls the guest's `post-return` before a call returns, so results are copied while they are lifted: the
//! memory behind a lazy list is already freed by then. These trait methods are public but hidden from wasmtime's docs, which
//! is why the workspace pins its exact version.

#![allow(
    unsafe_code,
    reason = "hand-written canonical layout is the purpose of this file"
)]

use crate::generated::{actions, events};
use crate::limits::MAX_ACTIONS;
use std::cell::Cell;
use std::mem::MaybeUninit;
use tickdeck_model::{Action, ActionBytes, Event};
use wasmtime::component::__internal::{
    CanonicalAbiInfo, InstanceType, InterfaceType, LiftContext, LowerContext,
};
use wasmtime::component::{ComponentType, Lift, Lower, WasmList};
use wasmtime::{Result, ValRaw, bail};
use zerocopy::{Immutable, IntoBytes};

/// An event as it is lowered into a guest.
#[derive(IntoBytes, Immutable)]
#[repr(transparent)]
pub(crate) struct Slot(Event);

const _: () = assert!(
    Slot::SIZE32 == Event::SIZE && Slot::ALIGN32 as usize == align_of::<Event>(),
    "the ring's slot has the size and alignment that wasmtime computes for the contract's event"
);

impl Slot {
    pub(crate) const fn batch(events: &[Event]) -> &[Self] {
        // SAFETY: `Slot` is `repr(transparent)` over `Event`, so the slices have the same layout and lifetime.
        unsafe { std::slice::from_raw_parts(events.as_ptr().cast(), events.len()) }
    }
}

// SAFETY: size, alignment, flat form and type check are those of the derived type, so a function passes the check only
// if its event has the same layout; `Slot` itself is 104 initialised bytes of that layout.
unsafe impl ComponentType for Slot {
    type Lower = <events::Event as ComponentType>::Lower;

    const ABI: CanonicalAbiInfo = <events::Event as ComponentType>::ABI;
    const MAY_REQUIRE_REALLOC: bool = false;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        <events::Event as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: both stores write exactly `SIZE32` initialised bytes per event, in bounds or they panic; `Ok` is never
// returned with an unwritten flat form.
unsafe impl Lower for Slot {
    fn linear_lower_to_flat<T>(
        &self,
        _cx: &mut LowerContext<'_, T>,
        _ty: InterfaceType,
        _dst: &mut MaybeUninit<Self::Lower>,
    ) -> Result<()> {
        bail!("an event crosses the boundary only in a list")
    }

    fn linear_lower_to_memory<T>(
        &self,
        cx: &mut LowerContext<'_, T>,
        _ty: InterfaceType,
        offset: usize,
    ) -> Result<()> {
        *cx.get::<{ Event::SIZE }>(offset) = zerocopy::transmute!(self.0);
        Ok(())
    }

    fn linear_store_list_to_memory<T>(
        cx: &mut LowerContext<'_, T>,
        _ty: InterfaceType,
        offset: usize,
        items: &[Self],
    ) -> Result<()> {
        let bytes = items.as_bytes();
        cx.as_slice_mut()[offset..][..bytes.len()].copy_from_slice(bytes);
        Ok(())
    }
}

/// The result of a batch in world `strategy`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct Outcome {
    pub(crate) consumed: u32,
    pub(crate) actions: ActionList,
}

/// The result of a batch in world `strategy-bytes`.
#[derive(ComponentType, Lift)]
#[component(record)]
pub(crate) struct OutcomeBytes {
    pub(crate) consumed: u32,
    pub(crate) actions: ActionByteList,
}

/// The guest returned more actions than the contract allows.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("returned {count} actions, the limit is {MAX_ACTIONS}")]
pub(crate) struct TooManyActions {
    pub(crate) count: usize,
}

/// The guest returned bytes that are not a whole number of actions.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error(
    "returned {bytes} bytes of actions, which is not a multiple of {}",
    Action::SIZE
)]
pub(crate) struct TornAction {
    pub(crate) bytes: usize,
}

/// An action as the guest wrote it.
pub(crate) struct RawAction(ActionBytes);

const _: () = assert!(
    RawAction::SIZE32 == Action::SIZE,
    "an action has the size that wasmtime computes for the contract's action"
);

// SAFETY: size, alignment, flat form and type check are those of the derived type.
unsafe impl ComponentType for RawAction {
    type Lower = <actions::Action as ComponentType>::Lower;

    const ABI: CanonicalAbiInfo = <actions::Action as ComponentType>::ABI;

    fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
        <actions::Action as ComponentType>::typecheck(ty, types)
    }
}

// SAFETY: any 128 bytes are a `RawAction`; they are checked when decoded.
unsafe impl Lift for RawAction {
    fn linear_lift_from_flat(
        _cx: &mut LiftContext<'_>,
        _ty: InterfaceType,
        _src: &Self::Lower,
    ) -> Result<Self> {
        bail!("an action crosses the boundary only in a list")
    }

    fn linear_lift_from_memory(
        _cx: &mut LiftContext<'_>,
        _ty: InterfaceType,
        bytes: &[u8],
    ) -> Result<Self> {
        let Ok(bytes) = ActionBytes::try_from(bytes) else {
            bail!("wasmtime lifts an action from {} bytes", bytes.len());
        };
        Ok(Self(bytes))
    }
}

/// Actions copied out of a `list<action>`, at most [`MAX_ACTIONS`].
pub(crate) struct ActionList(Vec<RawAction>);

/// Actions copied out of a `list<u8>`, at most [`MAX_ACTIONS`].
pub(crate) struct ActionByteList(Vec<u8>);

impl ActionList {
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &ActionBytes> {
        self.0.iter().map(|action| &action.0)
    }
}

impl ActionByteList {
    pub(crate) fn iter(&self) -> impl ExactSizeIterator<Item = &ActionBytes> {
        self.0.as_chunks().0.iter()
    }
}

thread_local! {
    /// The buffer for the next state that this thread lifts.
    static BUFFER: Cell<Vec<u8>> = const { Cell::new(Vec::new()) };
}

/// A saved state, copied out of a `list<u8>` into a buffer of the caller.
pub(crate) struct StateBytes(pub(crate) Vec<u8>);

impl StateBytes {
    /// Makes a call on this thread that returns a state, which is stored in `buffer`.
    pub(crate) fn with_buffer<R>(buffer: &mut Vec<u8>, call: impl FnOnce() -> R) -> R {
        // Lifting sees only the call's own arguments, so the buffer is passed in a thread-local.
        BUFFER.set(std::mem::take(buffer));
        let answer = call();
        *buffer = BUFFER.take();
        answer
    }
}

/// A list whose length is checked before a byte is copied.
trait Counted: Sized {
    type Element: Lift;

    /// Refuses a list of `len` elements.
    fn check(len: usize) -> Result<()>;

    /// Returns a buffer for `len` elements.
    fn buffer(len: usize) -> Vec<Self::Element> {
        Vec::with_capacity(len)
    }

    fn from_elements(elements: Vec<Self::Element>) -> Self;

    fn lift(
        cx: &mut LiftContext<'_>,
        len: u32,
        list: impl FnOnce(&mut LiftContext<'_>) -> Result<WasmList<Self::Element>>,
    ) -> Result<Self> {
        let len = usize::try_from(len)?;
        Self::check(len)?;
        // Checks that the list is aligned and in bounds.
        let list = list(cx)?;
        let mut elements = Self::buffer(len);
        Self::Element::linear_lift_into_from_memory(cx, &list, &mut elements)?;
        Ok(Self::from_elements(elements))
    }
}

impl Counted for ActionList {
    type Element = RawAction;

    fn check(len: usize) -> Result<()> {
        check_count(len)
    }

    fn from_elements(elements: Vec<RawAction>) -> Self {
        Self(elements)
    }
}

impl Counted for ActionByteList {
    type Element = u8;

    fn check(len: usize) -> Result<()> {
        if !len.is_multiple_of(Action::SIZE) {
            return Err(TornAction { bytes: len }.into());
        }
        check_count(len / Action::SIZE)
    }

    fn from_elements(elements: Vec<u8>) -> Self {
        Self(elements)
    }
}

impl Counted for StateBytes {
    type Element = u8;

    /// The fuel of host calls bounds the length, and the caller reports a state that is too large.
    fn check(_: usize) -> Result<()> {
        Ok(())
    }

    fn buffer(len: usize) -> Vec<u8> {
        let mut buffer = BUFFER.take();
        buffer.clear();
        buffer.reserve_exact(len);
        buffer
    }

    fn from_elements(elements: Vec<u8>) -> Self {
        Self(elements)
    }
}

fn check_count(count: usize) -> Result<()> {
    if count > MAX_ACTIONS {
        return Err(TooManyActions { count }.into());
    }
    Ok(())
}

macro_rules! lift_counted {
    ($($list:ty,)+) => {$(
        // SAFETY: flat form, layout and type check are those of wasmtime's own list of the same element.
        unsafe impl ComponentType for $list {
            type Lower = [ValRaw; 2];

            const ABI: CanonicalAbiInfo = CanonicalAbiInfo::POINTER_PAIR;

            fn typecheck(ty: &InterfaceType, types: &InstanceType<'_>) -> Result<()> {
                <[<Self as Counted>::Element] as ComponentType>::typecheck(ty, types)
            }
        }

        // SAFETY: pointer and length are read by wasmtime's own list, which checks them against the memory.
        unsafe impl Lift for $list {
            fn linear_lift_from_flat(
                cx: &mut LiftContext<'_>,
                ty: InterfaceType,
                src: &[ValRaw; 2],
            ) -> Result<Self> {
                Self::lift(cx, src[1].get_u32(), |cx| WasmList::linear_lift_from_flat(cx, ty, src))
            }

            fn linear_lift_from_memory(
                cx: &mut LiftContext<'_>,
                ty: InterfaceType,
                bytes: &[u8],
            ) -> Result<Self> {
                let [_, _, _, _, len @ ..] = bytes else { bail!("wasmtime lifts a list from {bytes:?}") };
                let len = u32::from_le_bytes(len.try_into()?);
                Self::lift(cx, len, |cx| WasmList::linear_lift_from_memory(cx, ty, bytes))
            }
        }
    )+};
}

lift_counted! { ActionList, ActionByteList, StateBytes, }

#[cfg(test)]
mod tests;

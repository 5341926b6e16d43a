//! The bindings that `bindgen!` generates from `wit/`: the records of the contract, the traits of the imports, and the
//! derived event and action, against which the hand-written lowering is type-checked and tested.

#![allow(
    missing_docs,
    unreachable_pub,
    unsafe_code,
    dead_code,
    clippy::undocumented_unsafe_blocks,
    reason = "generated; the derived types of the hot path are used by its type check and its tests"
)]

wasmtime::component::bindgen!({
    path: "../../wit",
    world: "strategy",
    imports: { default: trappable },
});

pub(crate) use exports::tickdeck::strategy::lifecycle;
pub(crate) use tickdeck::strategy::{actions, events, instruments, log, store, types};

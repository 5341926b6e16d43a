//! The one place where machine code becomes executable.

#![allow(
    unsafe_code,
    reason = "wasmtime can't verify machine code; the reasons to trust it are given here"
)]

use wasmtime::component::Component;
use wasmtime::{Engine, Result};

/// Loads the machine code of a component. It must come from this host's compiler: over the pipe of a child that this process
/// started, from this process itself, or from a cache entry with this host's seal. wasmtime checks again that it was compiled
/// by the same version with the same settings.
pub(crate) fn component(engine: &Engine, code: &[u8]) -> Result<Component> {
    // SAFETY: `code` is the output of `Engine::precompile_component` for an engine with the same compatibility hash, which
    // the callers compare; the slice is this process's own memory, which nobody else can change.
    unsafe { Component::deserialize(engine, code) }
}

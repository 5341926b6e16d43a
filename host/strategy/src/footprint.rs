//! What a component makes the host hold for one instance of it, besides the contents of memories and tables: known from its
//! shape, before anything is compiled or instantiated.
//!
//! wasmtime asks a limiter about memories and tables as they are made and grow, but not about globals, functions and the
//! instances themselves. A component of two kilobytes can name millions of them: what a nested component holds counts each time
//! that it is instantiated, in every one that holds it.

use serde::{Deserialize, Serialize};

/// Core instances of one strategy. A Python strategy has some forty.
pub(crate) const MAX_INSTANCES: u64 = 256;

/// Component instances of one strategy. A JavaScript strategy has some thirty.
pub(crate) const MAX_COMPONENTS: u64 = 256;

/// Memories of one strategy. Most toolchains make one, that of JavaScript three; components that are composed of several have as many.
pub(crate) const MAX_MEMORIES: u64 = 8;

/// Tables of one strategy. Toolchains make up to three.
pub(crate) const MAX_TABLES: u64 = 64;

/// Addresses that are reserved for one memory, so that the code needs no bounds checks.
pub(crate) const MEMORY_RESERVATION: u64 = 4 << 30;

/// Addresses on either side of a memory that are never mapped.
pub(crate) const MEMORY_GUARD: u64 = 32 << 20;

/// Bytes of a core instance: its own record, and its entries in the store's lists.
const INSTANCE_BYTES: u64 = 2_048;

/// Bytes of a component instance.
const COMPONENT_BYTES: u64 = 1_024;

/// Bytes of a memory or table, without its content.
const LARGE_ITEM_BYTES: u64 = 512;

/// Bytes of a global: wide enough for a vector.
const GLOBAL_BYTES: u64 = 16;

/// Bytes of anything else that an instance has an entry for: a function, an import, a trampoline between components.
const ITEM_BYTES: u64 = 64;

/// What one instance of a component holds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Footprint {
    /// Core instances.
    pub(crate) instances: u64,
    /// Component instances.
    pub(crate) components: u64,
    /// Memories, each of which reserves addresses.
    pub(crate) memories: u64,
    /// Tables.
    pub(crate) tables: u64,
    /// Global variables.
    pub(crate) globals: u64,
    /// Anything else that an instance has an entry for: functions, imports, trampolines.
    pub(crate) items: u64,
}

impl Footprint {
    /// Bytes.
    pub(crate) fn bytes(&self) -> usize {
        let large = self.memories.saturating_add(self.tables);
        let parts = [
            (self.instances, INSTANCE_BYTES),
            (self.components, COMPONENT_BYTES),
            (large, LARGE_ITEM_BYTES),
            (self.globals, GLOBAL_BYTES),
            (self.items, ITEM_BYTES),
        ];
        let bytes = parts.iter().fold(0u64, |sum, (count, each)| {
            sum.saturating_add(count.saturating_mul(*each))
        });
        usize::try_from(bytes).unwrap_or(usize::MAX)
    }

    /// Addresses that its memories reserve.
    pub(crate) const fn addresses(&self) -> u64 {
        self.memories
            .saturating_mul(MEMORY_RESERVATION + 2 * MEMORY_GUARD)
    }

    #[cfg(test)]
    pub(crate) fn of_memories(memories: u64) -> Self {
        Self {
            memories,
            ..Self::default()
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        let Self {
            instances,
            components,
            memories,
            tables,
            globals,
            items,
        } = other;
        for (sum, more) in [
            (&mut self.instances, instances),
            (&mut self.components, components),
            (&mut self.memories, memories),
            (&mut self.tables, tables),
            (&mut self.globals, globals),
            (&mut self.items, items),
        ] {
            *sum = sum.saturating_add(*more);
        }
    }
}

//! How much of a plugins folder is read.

/// Most plugins that are taken from a folder.
pub const MAX_MODULES: usize = 1_000;

/// Most names in a folder, of plugins or not.
pub const MAX_ENTRIES: usize = 20_000;

/// Bytes of a settings file.
pub const MAX_SETTINGS: u64 = 1 << 20;

/// Bytes of a signature file.
pub const MAX_SIGNATURE: u64 = 64 << 10;

/// Bytes that one look reads, give or take a plugin; the next look goes on.
pub const READ_BUDGET: u64 = 256 << 20;

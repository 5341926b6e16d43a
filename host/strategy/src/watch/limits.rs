//! The bounds within which a plugins folder is read.

/// Maximum number of plugins taken from a folder.
pub const MAX_MODULES: usize = 1_000;

/// Maximum number of entries in a folder, plugins or not.
pub const MAX_ENTRIES: usize = 20_000;

/// Maximum size of a settings file, in bytes. The text is recorded with every run, quoted twice, and all plugins of a folder
/// have to fit into one record.
pub const MAX_SETTINGS: u64 = 16 << 10;

/// Maximum size of a signature file, in bytes.
pub const MAX_SIGNATURE: u64 = 64 << 10;

/// Bytes that one poll reads, exceeded by at most one plugin; the next poll continues.
pub const READ_BUDGET: u64 = 256 << 20;

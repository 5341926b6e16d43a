//! Names on disk, and the version of the records.

/// Version of the records' meaning. It is written into every segment; older versions remain readable forever.
pub const SCHEMA: u16 = 4;
/// The first schema whose strategies this version can run: the contract has another layout since then.
pub(crate) const SCHEMA_OF_CONTRACT: u16 = 4;
/// The first schema whose reels say which batches strategies were offered.
pub(crate) const SCHEMA_WITH_BATCHES: u16 = 3;

/// The reel of events.
pub const EVENTS: &str = "events";

/// The reel of actions.
pub const ACTIONS: &str = "actions";

/// The command in the manifest of a run that was imported from tables.
pub const IMPORTED: &str = "import";

/// The folder of the runs in a data folder.
pub(crate) const REELS: &str = "reels";

/// The folder of the modules in a data folder.
pub(crate) const MODULES: &str = "modules";

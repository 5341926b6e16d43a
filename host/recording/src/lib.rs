//! Recorded runs in a data folder: written, read, verified, described, exported.
//!
//! ```text
//! data/reels/000001/   one run: events-000001.reel ..., actions-000001.reel ...
//! data/modules/        every module that a run names, HASH.wasm
//! ```
//!
//! The events reel begins with the run's manifest ([`RunManifest`]); the events follow, one record each, so that the record after
//! the first is event 0. The actions reel has everything the kernel did, each effect with its position: the number of events that
//! the router had processed. Both together suffice to replay the run years later: see `docs/JOURNAL.md`.
//!
//! This crate must never see a strategy host, a settings file or a venue: a [`ReelTape`] asks a [`VersionFactory`] for the versions
//! that a reel names, and the settings in a manifest are text here.
//!
//! Start reading at `runs.rs` (which runs there are), then `codec.rs` (the records), `recorder.rs` (writing) and `reader.rs`
//! (reading).

pub mod data_folder;
pub mod describe;
pub mod names;
pub mod rows;
pub mod sentence;

mod actions_reel;
mod batches_again;
mod codec;
mod comparison;
mod completeness;
mod decisions;
mod earlier;
mod kinds;
mod known_names;
mod layout;
mod manifest;
mod modules;
mod order_history;
mod pacing;
mod prune;
mod quarantine;
mod reader;
mod recorder;
mod resume_attempts;
mod retention;
mod runs;
mod tape;
mod untrusted;
mod unused_modules;
mod usable;
mod verify;
mod verify_fault;

pub use batches_again::BatchesAgain;
pub use codec::{ActionsRecord, RecordKind, decode, recorded_event};
pub use comparison::{Comparison, Counts, Difference, compare};
pub use decisions::NotCalled;
pub use layout::{ACTIONS, EVENTS, IMPORTED, SCHEMA};
pub use manifest::{
    MoreNames, RecordedStart, RecordedTerms, RunManifest, RunOverrides, VersionSpec,
};
pub use modules::ModuleStore;
pub use order_history::{OrderHistory, order_history, senders};
pub use pacing::{PacedTape, Pacing, Show};
pub use prune::{KeepRule, PrunableRun};
pub use quarantine::{Quarantine, QuarantinedModule};
pub use reader::{
    EffectReader, EventReader, RunItem, RunReader, SeekTo, TimedEffect, effects, names_in,
    recorded_actions,
};
pub use recorder::JournalRecorder;
pub use resume_attempts::{Death, DeathPhase, GuestCall, ResumeAttempts};
pub use retention::{RetentionBudget, RetentionNote};
pub use runs::{DataReels, RecordedRun};
pub use tape::{ReelTape, VersionFactory};
pub use usable::UsableRange;
pub use verify::{VerifiedFolder, verify_folder};
pub use verify_fault::VerifyFault;

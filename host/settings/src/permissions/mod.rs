//! The permissions of a strategy: which exist, how they are written, compared, combined and shown.
//!
//! The table of all permissions is in `table.rs`; each is one row there. Who grants what to whom is decided in
//! [`crate::operator_rules`]. `docs/PERMISSIONS.md` explains permissions to operators.

mod bound;
mod field;
mod format;
mod quantity;
mod rate;
mod request;
mod set;
mod table;

pub(crate) use format::MAX_CALL_MS;
pub use quantity::Quantity;
pub use rate::RateSettings;
pub use table::{
    DEFAULT_MEMORY_MIB, DEFAULT_TIME_MS, PermissionRequest, PermissionSettings, Permissions,
};

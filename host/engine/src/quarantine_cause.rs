//! Why a strategy was ended when an interrupted run was resumed.

/// Why a strategy was ended when an interrupted run was resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuarantineCause {
    /// It can't be replayed: the host crashed while calling it, or it decides differently now. Its decisions so far are taken
    /// from the record, and its orders are handled by its policy.
    NotRepeatable,
    /// It is no longer allowed to run. Its orders are canceled, whatever its policy.
    NotAllowed,
}

//! What made a strategy end when an interrupted run was resumed.

/// What made a strategy end when an interrupted run was resumed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum QuarantineCause {
    /// It can't be played again: the host crashed while it was called, or it decides differently now. Its decisions up to here are
    /// taken from the record, and its orders are handled by its policy.
    NotRepeatable,
    /// It is no longer allowed to run. Its orders are canceled, whatever its policy.
    NotAllowed,
}

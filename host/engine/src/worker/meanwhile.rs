//! What the kernel does while it waits for its workers.

/// Work that the kernel does while it waits for its workers.
pub(crate) trait Meanwhile {
    /// Whether there is anything to do; called on every poll, so it must be cheap.
    fn is_wanted(&self) -> bool;

    /// Does the work. Returns whether the workers are still worth waiting for.
    fn serve(&mut self) -> bool;
}

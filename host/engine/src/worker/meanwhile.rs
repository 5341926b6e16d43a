//! What the kernel does while it waits for its workers.

/// What is done meanwhile.
pub(crate) trait Meanwhile {
    /// Whether there is anything to do; asked all the time.
    fn is_wanted(&self) -> bool;

    /// Does it. Returns whether the workers are still worth waiting for.
    fn serve(&mut self) -> bool;
}

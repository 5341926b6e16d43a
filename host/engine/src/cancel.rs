//! A request to stop, shared by every thread that waits.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A request to stop; clones share it.
#[derive(Debug, Clone, Default)]
pub struct CancelToken(Arc<AtomicBool>);

impl CancelToken {
    /// Requests the stop; returns whether it had been requested before.
    pub fn ask(&self) -> bool {
        self.0.swap(true, Ordering::AcqRel)
    }

    /// Whether it was requested.
    pub fn asked(&self) -> bool {
        self.0.load(Ordering::Acquire)
    }
}

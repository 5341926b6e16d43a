//! The origin of a change of a strategy: who asked for it, and why.

use std::any::Any;
use std::sync::Arc;

/// Who asked for a change of a strategy and why. Opaque to the engine, which hands it back in the notice of the change.
///
/// Two origins are equal if they are the same one.
#[derive(Clone)]
pub struct ChangeOrigin(Arc<dyn Any + Send + Sync>);

impl ChangeOrigin {
    /// Wraps what the requester knows about the change.
    pub fn new(origin: impl Any + Send + Sync) -> Self {
        Self(Arc::new(origin))
    }

    /// Returns what the requester wrapped, if it is of this type.
    pub fn get<T: Any>(&self) -> Option<&T> {
        self.0.downcast_ref()
    }
}

impl PartialEq for ChangeOrigin {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl std::fmt::Debug for ChangeOrigin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ChangeOrigin")
    }
}

//! What the host tells its child before it sends the module: the limits, and the process that waits for the answer.

use crate::compile::port::{CompileLimits, Confinement};

/// The first argument of a process that compiles.
pub const CHILD_ARGUMENT: &str = "--compile-one-module";

/// The rules of a child, as its arguments.
pub(super) struct Rules {
    pub(super) limits: CompileLimits,
    pub(super) confinement: Confinement,
    /// The process that waits for the answer.
    pub(super) parent: u32,
}

impl Rules {
    pub(super) fn arguments(&self) -> [String; 5] {
        [
            CHILD_ARGUMENT.to_owned(),
            self.limits.memory_mib.to_string(),
            self.limits.cpu_s.to_string(),
            self.confinement.as_str().to_owned(),
            self.parent.to_string(),
        ]
    }

    pub(super) fn parse(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        Some(Self {
            limits: CompileLimits {
                memory_mib: arguments.next()?.parse().ok()?,
                cpu_s: arguments.next()?.parse().ok()?,
                ..CompileLimits::default()
            },
            confinement: Confinement::from_name(&arguments.next()?)?,
            parent: arguments.next()?.parse().ok()?,
        })
    }
}

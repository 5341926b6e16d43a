//! Hides a host's memory, with secrets such as venue keys, from other processes of the same user.

/// Keeps other processes of this user from reading this one's memory, and a crash from leaving a core dump. Processes that
/// this one starts decide for themselves.
pub fn keep_memory_private() {
    // If refused, the host is as private as any other program.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable);
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;
    use rustix::process::{DumpableBehavior, dumpable_behavior};

    #[test]
    fn a_host_leaves_no_image_of_its_memory() {
        keep_memory_private();
        assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
    }
}

//! Keeps what a host has in its memory, such as keys of venues, from other processes of the same user.

/// From now on no other process of this user can read this one's memory, and a crash leaves no image of it on disk. The
/// processes that this one starts decide for themselves.
pub fn keep_memory_private() {
    // Where it is refused, the host is as private as any other program.
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

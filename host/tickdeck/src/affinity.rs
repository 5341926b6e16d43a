//! Which cores threads run on: trading on those that the settings name, everything else on the others.

/// Keeps this thread, and those that it starts from now on, off these cores; compilation's threads are among them. Does
/// nothing if no core would be left, or if the system has no say in it.
pub fn keep_off(cores: &[usize]) {
    #[cfg(target_os = "linux")]
    if !cores.is_empty()
        && let Ok(mut set) = rustix::thread::sched_getaffinity(None)
    {
        for core in cores
            .iter()
            .filter(|core| **core < rustix::thread::CpuSet::MAX_CPU)
        {
            set.unset(*core);
        }
        if set.count() > 0 {
            // Where it is refused, the system places threads as it likes.
            let _ = rustix::thread::sched_setaffinity(None, &set);
        }
    }
    #[cfg(not(target_os = "linux"))]
    let _ = cores;
}

/// Pins this thread to a core. A core that is not there leaves it where the system puts it; `doctor` tells.
pub fn pin(core: usize) {
    #[cfg(target_os = "linux")]
    if core < rustix::thread::CpuSet::MAX_CPU {
        let mut set = rustix::thread::CpuSet::new();
        set.set(core);
        let _ = rustix::thread::sched_setaffinity(None, &set);
    }
    #[cfg(not(target_os = "linux"))]
    let _ = core;
}

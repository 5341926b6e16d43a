//! Which cores threads run on: trading on those that the settings name, everything else on the others.

/// Keeps this thread, and those that it starts from now on, off these cores. Does nothing if no core would be left, or
/// if the system has no say in it.
fn keep_off(cores: &[usize]) {
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

/// Makes way for trading: this thread, and those that it starts from now on, stay off the cores that trade and get what
/// time is left on the others. Compilation's threads are started by whoever compiles first.
pub fn make_way(cores: &[usize]) {
    keep_off(cores);
    // Linux has a priority for each thread. Where it is refused, nothing is lost but the precedence.
    #[cfg(target_os = "linux")]
    let _ = rustix::process::setpriority_process(None, LOADING_NICE);
}

/// The priority of what loads and compiles: well behind what trades, well before what idles.
#[cfg(target_os = "linux")]
const LOADING_NICE: i32 = 10;

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

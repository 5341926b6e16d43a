//! What a compiling process may use and reach: limited memory and CPU time, its two pipes, and nothing else.

use crate::compile::port::Confinement;
use crate::compile::rules::Rules;

/// Confines this process for the rest of its life. Returns whether it is fully cut off; an error if that is required but
/// impossible.
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
pub(super) fn confine(rules: &Rules) -> Result<bool, String> {
    linux::limit(rules).map_err(|error| format!("cannot limit it: {error}"))?;
    match (linux::filter_system_calls(), rules.confinement) {
        (Ok(()), _) => Ok(true),
        (Err(_), Confinement::IfAvailable) => Ok(false),
        (Err(error), Confinement::Required) => Err(error),
    }
}

/// Like the one on Linux, but without any confinement.
#[cfg(not(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
)))]
pub(super) fn confine(rules: &Rules) -> Result<bool, String> {
    match rules.confinement {
        Confinement::IfAvailable => Ok(false),
        Confinement::Required => Err("this system has no filter of system calls".to_owned()),
    }
}

#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod linux {
    #![allow(
        unsafe_code,
        reason = "two system calls that no safe library wraps, before anything else runs in this process"
    )]

    use super::Rules;
    use rustix::process::{
        DumpableBehavior, Resource, Rlimit, Signal, set_dumpable_behavior,
        set_parent_process_death_signal, setrlimit,
    };
    use seccompiler::{
        BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition, SeccompFilter,
        SeccompRule, apply_filter,
    };
    use std::collections::BTreeMap;
    use std::io;

    /// The first descriptor after the pipes and standard error.
    const FIRST_OTHER: libc::c_uint = 3;

    /// Sets limits, and ties this process to its parent.
    pub(super) fn limit(rules: &Rules) -> io::Result<()> {
        set_parent_process_death_signal(Some(Signal::KILL))?;
        // The parent may have exited before the line above.
        let parent = rustix::process::getppid().map(rustix::process::Pid::as_raw_nonzero);
        if parent.map(|pid| pid.get().cast_unsigned()) != Some(rules.parent) {
            return Err(io::Error::other("the host that asked has ended"));
        }
        close_others()?;
        let memory = u64::from(rules.limits.memory_mib) << 20;
        for (resource, limit) in [
            (Resource::As, memory),
            (Resource::Cpu, rules.limits.cpu_s.into()),
            (Resource::Core, 0),
            (Resource::Fsize, 0),
            // No descriptor can be added to the three that are open.
            (Resource::Nofile, FIRST_OTHER.into()),
        ] {
            let limit = Rlimit {
                current: Some(limit),
                maximum: Some(limit),
            };
            setrlimit(resource, limit)?;
        }
        set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
        rustix::thread::set_no_new_privs(true)?;
        Ok(())
    }

    /// Closes whatever the parent left open by mistake.
    fn close_others() -> io::Result<()> {
        // SAFETY: this is the first thing that the process does, so nothing in it owns a descriptor above the standard
        // ones, and nobody uses one afterwards.
        let closed =
            unsafe { libc::syscall(libc::SYS_close_range, FIRST_OTHER, libc::c_uint::MAX, 0) };
        match closed {
            0 => Ok(()),
            _ => Err(io::Error::last_os_error()),
        }
    }

    /// System calls without conditions: memory, threads' waiting, time, and the pipes that are open.
    const CALLS: &[libc::c_long] = &[
        libc::SYS_brk,
        libc::SYS_clock_gettime,
        libc::SYS_clock_nanosleep,
        libc::SYS_close,
        libc::SYS_exit,
        libc::SYS_exit_group,
        libc::SYS_fstat,
        libc::SYS_futex,
        libc::SYS_getpid,
        libc::SYS_getrandom,
        libc::SYS_gettid,
        libc::SYS_madvise,
        libc::SYS_membarrier,
        libc::SYS_mremap,
        libc::SYS_munmap,
        libc::SYS_nanosleep,
        libc::SYS_ppoll,
        libc::SYS_read,
        libc::SYS_readv,
        libc::SYS_restart_syscall,
        libc::SYS_rseq,
        libc::SYS_rt_sigaction,
        libc::SYS_rt_sigprocmask,
        libc::SYS_rt_sigreturn,
        libc::SYS_sched_getaffinity,
        libc::SYS_sched_yield,
        libc::SYS_set_robust_list,
        libc::SYS_sigaltstack,
        libc::SYS_write,
        libc::SYS_writev,
        #[cfg(target_arch = "x86_64")]
        libc::SYS_poll,
    ];

    /// Allows what a multithreaded compiler needs, and no more: no file, no socket, no process, no executable memory. Any other
    /// system call fails with `EPERM`.
    pub(super) fn filter_system_calls() -> Result<(), String> {
        let architecture = std::env::consts::ARCH.try_into();
        let architecture = architecture.map_err(|error| format!("{error}"))?;
        let program = |rules, otherwise, matched| -> Result<BpfProgram, String> {
            SeccompFilter::new(rules, otherwise, matched, architecture)
                .and_then(TryInto::try_into)
                .map_err(|error| format!("{error}"))
        };
        // Its arguments are in memory, where no filter sees them; without it, the C library starts threads by `clone`.
        let clone3 = BTreeMap::from([(libc::SYS_clone3, Vec::new())]);
        let absent = SeccompAction::Errno(libc::ENOSYS.cast_unsigned());
        let without_clone3 = program(clone3, SeccompAction::Allow, absent)?;
        let refused = SeccompAction::Errno(libc::EPERM.cast_unsigned());
        let allowed = program(rules()?, refused, SeccompAction::Allow)?;
        for program in [without_clone3, allowed] {
            apply_filter(&program).map_err(|error| format!("{error}"))?;
        }
        Ok(())
    }

    type Calls = BTreeMap<libc::c_long, Vec<SeccompRule>>;

    fn rules() -> Result<Calls, String> {
        let mut rules: Calls = CALLS.iter().map(|call| (*call, Vec::new())).collect();
        // So that the verdict of the first filter program stands.
        rules.insert(libc::SYS_clone3, Vec::new());
        let masked = |argument, mask: i32, value: i32| {
            let operator = SeccompCmpOp::MaskedEq(u64::from(mask.cast_unsigned()));
            condition(argument, operator, u64::from(value.cast_unsigned()))
        };
        let not_executable = |argument| masked(argument, libc::PROT_EXEC, 0);
        rules.insert(libc::SYS_mmap, vec![not_executable(2)?]);
        rules.insert(libc::SYS_mprotect, vec![not_executable(2)?]);
        // A thread, not a process.
        let thread = masked(0, libc::CLONE_THREAD, libc::CLONE_THREAD)?;
        rules.insert(libc::SYS_clone, vec![thread]);
        let name = u64::from(libc::PR_SET_NAME.cast_unsigned());
        rules.insert(libc::SYS_prctl, vec![condition(0, SeccompCmpOp::Eq, name)?]);
        // Its own limits, which can only be lowered, and signals to itself, as for `abort`.
        rules.insert(
            libc::SYS_prlimit64,
            vec![condition(0, SeccompCmpOp::Eq, 0)?],
        );
        let this = u64::from(std::process::id());
        rules.insert(
            libc::SYS_tgkill,
            vec![condition(0, SeccompCmpOp::Eq, this)?],
        );
        Ok(rules)
    }

    fn condition(argument: u8, operator: SeccompCmpOp, value: u64) -> Result<SeccompRule, String> {
        SeccompCondition::new(argument, SeccompCmpArgLen::Dword, operator, value)
            .and_then(|condition| SeccompRule::new(vec![condition]))
            .map_err(|error| format!("{error}"))
    }
}

#[cfg(test)]
#[cfg(all(
    target_os = "linux",
    any(target_arch = "x86_64", target_arch = "aarch64")
))]
mod tests {
    use super::*;
    use crate::compile::port::CompileLimits;
    use std::fs::File;
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::UnixStream;
    use std::process::{Command, Stdio};

    /// Set in the process that is confined; its value is the process that started it.
    const PROBE: &str = "TICKDECK_CONFINEMENT_PROBE";

    #[test]
    fn a_confined_process_computes_and_reaches_nothing() {
        if let Ok(parent) = std::env::var(PROBE) {
            probe(parent.parse().unwrap());
        }
        // This test again, in a process of its own.
        let name = "compile::confine::tests::a_confined_process_computes_and_reaches_nothing";
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name, "--nocapture", "--test-threads=1"])
            .env(PROBE, std::process::id().to_string())
            .stderr(Stdio::null())
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        assert!(text.contains("confined: computes"), "{output:?}");
        for refused in [
            "read", "write", "connect", "listen", "udp", "unix", "exec", "kill",
        ] {
            assert!(
                text.contains(&format!("refused: {refused}\n")),
                "{refused}: {text}"
            );
        }
    }

    fn probe(parent: u32) -> ! {
        let rules = Rules {
            limits: CompileLimits::default(),
            confinement: Confinement::Required,
            parent,
        };
        assert_eq!(confine(&rules), Ok(true));
        let computed = std::thread::spawn(|| (0..1_000_u64).sum::<u64>());
        assert_eq!(computed.join().unwrap(), 499_500);
        let memory = vec![1_u8; 64 << 20];
        assert_eq!(memory[memory.len() - 1], 1);
        println!("confined: computes");
        let tried = [
            ("read", File::open("/etc/passwd").err()),
            ("write", File::create("/tmp/tickdeck-probe").err()),
            ("connect", TcpStream::connect("127.0.0.1:9").err()),
            ("listen", TcpListener::bind("127.0.0.1:0").err()),
            ("udp", UdpSocket::bind("127.0.0.1:0").err()),
            ("unix", UnixStream::pair().err()),
            ("exec", Command::new("/bin/true").spawn().err()),
            (
                "kill",
                rustix::process::test_kill_process(
                    rustix::process::Pid::from_raw(parent.cast_signed()).unwrap(),
                )
                .err()
                .map(Into::into),
            ),
        ];
        for (what, error) in tried {
            if error.is_some_and(|error| error.raw_os_error() == Some(libc::EPERM)) {
                println!("refused: {what}");
            }
        }
        std::process::exit(0)
    }
}

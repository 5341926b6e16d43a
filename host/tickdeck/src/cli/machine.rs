//! Findings about the machine from what the system reports. Each depends only on a text, or on its absence, so that it can
//! be tested on any machine.

use super::finding::Finding;

const GOVERNOR: &str = "/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor";
const ISOLATED: &str = "/sys/devices/system/cpu/isolated";
const NO_HZ: &str = "/sys/devices/system/cpu/nohz_full";
const HUGE_PAGES: &str = "/sys/kernel/mm/transparent_hugepage/enabled";
const CPU_INFO: &str = "/proc/cpuinfo";
const LOAD: &str = "/proc/loadavg";
const CPU_TIMES: &str = "/proc/stat";

/// Number of cores from which some can be dedicated to trading.
const CORES_TO_SPARE: usize = 4;
/// Load per core tolerated from other work.
const BUSY: f64 = 0.5;
/// Steal time, in percent, from which it shows in tail latencies.
const STOLEN: f64 = 1.0;

/// Returns all findings that need no measurement.
pub(super) fn findings() -> Vec<Finding> {
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    vec![
        self::cores(),
        governor(),
        isolation_in(read(ISOLATED).as_deref(), read(NO_HZ).as_deref(), cores),
        huge_pages_in(read(HUGE_PAGES).as_deref()),
        virtual_machine_in(read(CPU_INFO).as_deref()),
        load_in(read(LOAD).as_deref(), cores),
    ]
}

pub(super) fn cores() -> Finding {
    match std::thread::available_parallelism() {
        Ok(cores) if cores.get() >= 2 => Finding::ok("cores", format!("{cores} for this process")),
        Ok(cores) => Finding::warn(
            "cores",
            format!("{cores} for this process"),
            "the kernel and the worker share it: keep [engine] workers = 1 and wait = \"park\"",
        ),
        Err(error) => Finding::warn(
            "cores",
            format!("unknown: {error}"),
            "keep [engine] workers = 1",
        ),
    }
}

pub(super) fn governor() -> Finding {
    governor_in(read(GOVERNOR).as_deref())
}

fn governor_in(text: Option<&str>) -> Finding {
    const WHAT: &str = "cpu governor";
    match text.map(str::trim) {
        Some("performance") => Finding::ok(WHAT, "performance"),
        Some(governor) => Finding::warn(
            WHAT,
            format!("{governor}: idle cores slow down, which causes latency spikes"),
            "run `sudo cpupower frequency-set -g performance`",
        ),
        None => Finding::ok(
            WHAT,
            "not reported by this system (a virtual machine, or not Linux)",
        ),
    }
}

/// Reports the cores that the system keeps free of other work and of its timer.
fn isolation_in(isolated: Option<&str>, no_hz: Option<&str>, cores: usize) -> Finding {
    const WHAT: &str = "isolation";
    let named = |text: Option<&str>| {
        let text = text.map_or("", str::trim);
        // The kernel prints `(null)` for none.
        (!text.is_empty() && text != "(null)").then(|| text.to_owned())
    };
    if isolated.is_none() && no_hz.is_none() {
        return Finding::ok(WHAT, "not reported by this system");
    }
    match (named(isolated), named(no_hz)) {
        (Some(cores), Some(_)) => Finding::hint(
            WHAT,
            format!("cores {cores} are kept free"),
            format!("trade on them: [engine] pin = [...] of {cores}"),
        ),
        (Some(cores), None) => Finding::hint(
            WHAT,
            format!("cores {cores} are kept free of other work, but not of the timer"),
            format!("also boot with `nohz_full={cores}`"),
        ),
        (None, _) if cores < CORES_TO_SPARE => Finding::ok(WHAT, "none, and no cores to spare"),
        (None, _) => Finding::hint(
            WHAT,
            "none: other work may run on the cores used for trading",
            "boot with `isolcpus=` and `nohz_full=` for some cores, and list them in [engine] pin",
        ),
    }
}

/// `always [madvise] never`
fn huge_pages_in(text: Option<&str>) -> Finding {
    const WHAT: &str = "huge pages";
    let chosen = text
        .and_then(|text| text.split_once('[')?.1.split_once(']'))
        .map(|(chosen, _)| chosen);
    match chosen {
        Some("always") => Finding::ok(WHAT, "transparent, always"),
        Some(other) => Finding::hint(
            WHAT,
            format!("transparent: {other}, so rings and histories use small pages"),
            format!("run `echo always | sudo tee {HUGE_PAGES}`"),
        ),
        None => Finding::ok(WHAT, "not reported by this system"),
    }
}

fn virtual_machine_in(cpu_info: Option<&str>) -> Finding {
    const WHAT: &str = "hypervisor";
    let mut lines = cpu_info.unwrap_or_default().lines();
    let flags = lines.find_map(|line| line.strip_prefix("flags")?.split_once(':'));
    match flags {
        None => Finding::ok(WHAT, "not reported by this system or processor"),
        Some((_, flags)) if flags.split_whitespace().any(|flag| flag == "hypervisor") => {
            Finding::hint(
                WHAT,
                "yes: this is a virtual machine, whose cores may be descheduled at any moment",
                "for stable tail latencies use dedicated cores or a dedicated machine",
            )
        }
        Some(_) => Finding::ok(WHAT, "none"),
    }
}

/// `0.97 1.76 1.46 2/345 6789`
fn load_in(text: Option<&str>, cores: usize) -> Finding {
    const WHAT: &str = "load";
    let lately = text.and_then(|text| text.split_whitespace().next()?.parse::<f64>().ok());
    match lately {
        None => Finding::ok(WHAT, "not reported by this system"),
        Some(load) if load <= BUSY * cores as f64 => {
            Finding::ok(WHAT, format!("{load:.2} in the last minute"))
        }
        Some(load) => Finding::warn(
            WHAT,
            format!("{load:.2} in the last minute on {cores} cores: other work is running"),
            "stop it and measure again",
        ),
    }
}

/// Time counters of all cores since boot, in ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct CpuTimes {
    stolen: u64,
    all: u64,
}

impl CpuTimes {
    /// Reads the current counters, if the system reports them.
    pub(super) fn now() -> Option<Self> {
        Self::parse(&read(CPU_TIMES)?)
    }

    /// Parses the first line: `cpu  user nice system idle iowait irq softirq steal guest guest_nice`; guest time is included in `user`.
    fn parse(text: &str) -> Option<Self> {
        let line = text.lines().next()?.strip_prefix("cpu ")?;
        let ticks: Vec<u64> = line
            .split_whitespace()
            .take(8)
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        Some(Self {
            stolen: *ticks.get(7)?,
            all: ticks.iter().sum(),
        })
    }
}

/// Reports the share of time between two readings that the hypervisor gave to others.
pub(super) fn steal(before: Option<CpuTimes>, after: Option<CpuTimes>) -> Finding {
    const WHAT: &str = "stolen time";
    let (Some(before), Some(after)) = (before, after) else {
        return Finding::ok(WHAT, "not reported by this system");
    };
    let all = after.all.saturating_sub(before.all).max(1);
    let part = after.stolen.saturating_sub(before.stolen) as f64 / all as f64 * 100.0;
    let found = format!("{part:.1} % during the measurement");
    if part < STOLEN {
        Finding::ok(WHAT, found)
    } else {
        let fix = "other machines on this host take it: move to dedicated cores";
        Finding::warn(WHAT, found, fix)
    }
}

fn read(path: &str) -> Option<String> {
    std::fs::read_to_string(path).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::finding::Level;

    fn outcome_of(finding: &Finding) -> (Level, &str) {
        (finding.level, &finding.found)
    }

    #[test]
    fn a_governor_that_saves_power_is_reported_with_the_fix() {
        assert_eq!(
            outcome_of(&governor_in(Some("performance\n"))),
            (Level::Ok, "performance")
        );
        let saving = governor_in(Some("powersave\n"));
        assert_eq!(saving.level, Level::Warn);
        assert!(saving.found.starts_with("powersave: "), "{}", saving.found);
        assert!(saving.line().contains("fix: run `sudo cpupower"));
        assert_eq!(governor_in(None).level, Level::Ok);
    }

    #[test]
    fn isolated_cores_are_named() {
        let found = |isolated, no_hz, cores| {
            let finding = isolation_in(isolated, no_hz, cores);
            assert_eq!(finding.level, Level::Ok);
            finding.line()
        };
        let both = found(Some("2-3\n"), Some("2-3\n"), 8);
        assert!(both.contains("cores 2-3 are kept free\n") && both.contains("hint: trade on them"));
        assert!(found(Some("2-3\n"), Some(" (null)\n"), 8).contains("`nohz_full=2-3`"));
        assert!(found(Some("\n"), Some("(null)\n"), 8).contains("`isolcpus=`"));
        assert!(found(Some("\n"), None, 2).contains("no cores to spare"));
        assert!(found(None, None, 8).contains("not reported"));
    }

    #[test]
    fn the_setting_of_huge_pages_is_in_brackets() {
        let found = |text| huge_pages_in(text).found;
        assert_eq!(
            found(Some("[always] madvise never\n")),
            "transparent, always"
        );
        assert!(found(Some("always [madvise] never\n")).starts_with("transparent: madvise"));
        assert!(found(Some("always madvise [never]\n")).starts_with("transparent: never"));
        assert!(
            found(Some("nonsense")).contains("not reported")
                && found(None).contains("not reported")
        );
    }

    #[test]
    fn a_virtual_machine_is_recognized_by_a_processor_flag() {
        let found = |text| virtual_machine_in(text).found;
        let info = "processor\t: 0\nmodel name\t: X\nflags\t\t: fpu hypervisor lahf_lm\n";
        assert!(found(Some(info)).starts_with("yes"));
        assert_eq!(
            found(Some("flags\t\t: fpu nohypervisor\nbugs\t: hypervisor\n")),
            "none"
        );
        for silent in [Some("Features\t: fp asimd\n"), Some(""), None] {
            assert!(found(silent).starts_with("not reported"));
        }
    }

    #[test]
    fn other_work_on_the_machine_is_reported() {
        let load = |text| load_in(Some(text), 2);
        assert_eq!(
            outcome_of(&load("0.97 1.76 1.46 2/345 6789\n")),
            (Level::Ok, "0.97 in the last minute")
        );
        assert_eq!(load("1.01 0.10 0.10 2/345 6789\n").level, Level::Warn);
        assert!(load("").found.contains("not reported"));
    }

    #[test]
    fn stolen_time_is_the_eighth_counter_between_two_readings() {
        let times = |steal: u64| {
            CpuTimes::parse(&format!(
                "cpu  {} 0 100 800 0 0 0 {steal} 7 7\ncpu0 1 1 1 1 1 1 1 1\n",
                100 - steal
            ))
        };
        let before = times(0).unwrap();
        assert_eq!(
            before,
            CpuTimes {
                stolen: 0,
                all: 1_000
            }
        );
        let after = |stolen| {
            let all = 2_000;
            Some(CpuTimes { stolen, all })
        };
        assert_eq!(
            outcome_of(&steal(Some(before), after(9))),
            (Level::Ok, "0.9 % during the measurement")
        );
        assert_eq!(
            outcome_of(&steal(Some(before), after(25))),
            (Level::Warn, "2.5 % during the measurement")
        );
        assert!(steal(Some(before), None).found.contains("not reported"));
        for old in ["cpu  1 2 3 4\n", "intr 5\n", "", "cpu  a b c d e f g h\n"] {
            assert_eq!(CpuTimes::parse(old), None, "{old}");
        }
    }
}

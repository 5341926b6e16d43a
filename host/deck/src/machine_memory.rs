//! The memory of the machine, from which the common bound of all strategies is derived if the settings have none.

const TOTAL: &str = "/proc/meminfo";

/// The limit of the container, if there is one.
const CONTAINER: &str = "/sys/fs/cgroup/memory.max";

/// The bound if the machine does not report its memory.
const UNKNOWN: u64 = 4 << 30;

/// The minimum bound: a machine with less than twice as much is unfit for trading, but tests should run on it.
const LEAST: u64 = 1 << 30;

/// Returns the bytes that all strategies together may use by default: half of the machine's or the container's memory.
pub(crate) fn default_bound() -> u64 {
    let read = |file| std::fs::read_to_string(file).ok();
    bound_of(read(TOTAL).as_deref(), read(CONTAINER).as_deref())
}

fn bound_of(machine: Option<&str>, container: Option<&str>) -> u64 {
    let container = container.and_then(|text| text.trim().parse().ok());
    let all = machine
        .and_then(total_of)
        .into_iter()
        .chain(container)
        .min();
    all.map_or(UNKNOWN, |bytes| (bytes / 2).max(LEAST))
}

/// `MemTotal:       16265220 kB`
fn total_of(text: &str) -> Option<u64> {
    let line = text
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kib: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    kib.checked_mul(1_024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn half_of_what_there_is_is_for_strategies() {
        let machine = "MemTotal:       16777216 kB\nMemFree:        1 kB\n";
        assert_eq!(bound_of(Some(machine), None), 8 << 30);
        assert_eq!(bound_of(Some(machine), Some("max\n")), 8 << 30);
        assert_eq!(bound_of(Some(machine), Some("4294967296\n")), 2 << 30);
        assert_eq!(bound_of(None, Some("1000\n")), LEAST);
        assert_eq!(bound_of(Some("?"), None), UNKNOWN);
    }
}

//! How much memory this process has.

use std::collections::BTreeMap;

use millrace_runtime::BadSetting;
use millrace_runtime::memory::{KPU_BYTES, MemoryLimits};

/// What the state of the job may take. `given`: the process's memory as its launcher
/// says; else that of one Kinesis Processing Unit for each subtask. Never more than the
/// machine has, or the container that this process runs in.
///
/// # Errors
/// A `taskmanager.` option with a value that cannot be used.
pub fn limits(
    settings: &BTreeMap<String, String>,
    given: Option<u64>,
    parallelism: u16,
) -> Result<MemoryLimits, BadSetting> {
    let bytes = given.unwrap_or(KPU_BYTES.saturating_mul(u64::from(parallelism)));
    MemoryLimits::of(settings, bytes.min(machine_bytes()), parallelism)
}

/// Of the machine, or the container's limit; unknown ones bound nothing.
fn machine_bytes() -> u64 {
    let read = |file: &str| std::fs::read_to_string(file).ok();
    let limits = ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"];
    let container = limits.iter().filter_map(|file| read(file)?.trim().parse().ok());
    let machine = read("/proc/meminfo").and_then(|text| total_of(&text));
    container.chain(machine).min().unwrap_or(u64::MAX)
}

/// `MemTotal:       16303428 kB`
fn total_of(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_machine_bounds_what_a_launcher_says() {
        assert_eq!(total_of("MemFree: 1 kB\nMemTotal:       2048 kB\n"), Some(2 << 20));
        assert_eq!(total_of("nothing"), None);
        let limits = |given| limits(&BTreeMap::new(), given, 2).unwrap();
        assert_eq!(limits(Some(1 << 20)).limit_bytes, 1 << 19);
        assert!(limits(Some(u64::MAX)).limit_bytes <= machine_bytes());
    }
}

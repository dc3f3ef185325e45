//! The engine processes of one data directory, found by what they were started with.

use std::path::Path;

use rustix::process::{Pid, Signal, kill_process};

/// Pids of live engines whose job description lies in `data_dir`, ascending. Only
/// processes that name this very directory are ever returned, so that a reused pid
/// cannot point at a stranger.
pub fn running(data_dir: &Path) -> Vec<u32> {
    let marker = format!("{}/", data_dir.display());
    let Ok(entries) = std::fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let mut found: Vec<u32> = pids.filter(|pid| is_engine(*pid, &marker)).collect();
    found.sort_unstable();
    found
}

fn is_engine(pid: u32, marker: &str) -> bool {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command);
    let arguments: Vec<&str> = command.split('\0').collect();
    // A part of a Flink cluster names its run in a property.
    let of_flink = arguments.iter().any(|it| it.starts_with(&format!("-Dmillrace.run={marker}")));
    of_flink || arguments.contains(&"run") && arguments.iter().any(|it| it.contains(marker))
}

/// SIGKILL to every engine of the data directory; how many there were.
pub fn kill_all(data_dir: &Path) -> usize {
    let pids = running(data_dir);
    for pid in &pids {
        kill(*pid, Signal::KILL);
    }
    pids.len()
}

/// A process that is gone already is what was wanted.
pub fn kill(pid: u32, signal: Signal) {
    if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
        kill_process(pid, signal).ok();
    }
}

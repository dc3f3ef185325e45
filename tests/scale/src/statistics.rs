//! Percentiles of durations, and what a process takes.

use std::fs;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

/// Durations by percentile, in milliseconds.
pub fn percentiles(mut durations: Vec<Duration>) -> Value {
    durations.sort_unstable();
    let at = |part: f64| {
        let last = durations.len().saturating_sub(1);
        durations.get((last as f64 * part) as usize).map(|d| d.as_secs_f64() * 1e3)
    };
    let rounded = |part: f64| at(part).map(|ms| (ms * 100.0).round() / 100.0);
    json!({
        "count": durations.len(),
        "p50_ms": rounded(0.5),
        "p90_ms": rounded(0.9),
        "p99_ms": rounded(0.99),
        "max_ms": rounded(1.0),
    })
}

/// What a process has taken so far.
#[derive(Clone, Copy, Debug, Default)]
pub struct Taken {
    pub cpu_s: f64,
    /// Resident now.
    pub memory_mib: f64,
}

/// Clock ticks a second in `/proc`: 100 on every Linux that there is.
const TICKS: f64 = 100.0;

/// # Errors
/// The process has gone, or this is no Linux.
pub fn taken(pid: u32) -> anyhow::Result<Taken> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name, in brackets, may hold anything.
    let rest = stat.rsplit(')').next().unwrap_or_default();
    let field =
        |at: usize| rest.split_whitespace().nth(at).and_then(|text| text.parse::<f64>().ok());
    let ticks = field(11).context("user time")? + field(12).context("system time")?;
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib: f64 = resident
        .and_then(|text| text.split_whitespace().next()?.parse().ok())
        .context("resident memory")?;
    Ok(Taken { cpu_s: ticks / TICKS, memory_mib: kib / 1024.0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_of_a_hundred_is_no_percentile_but_the_greatest() {
        let durations = (1..=101).map(Duration::from_millis).collect();
        let shown = percentiles(durations);
        assert_eq!((&shown["p50_ms"], &shown["p99_ms"]), (&json!(51.0), &json!(100.0)));
        assert_eq!((&shown["max_ms"], &shown["count"]), (&json!(101.0), &json!(101)));
        assert_eq!(percentiles(Vec::new())["p50_ms"], Value::Null);
    }

    #[test]
    fn this_process_has_taken_something() {
        let taken = taken(std::process::id()).expect("it lives");
        assert!(taken.memory_mib > 1.0);
    }
}

//! The Nexmark queries as scripts.

use std::fs;
use std::path::{Path, PathBuf};

use super::options::Options;
use crate::process::root;

/// A script with places for what differs between runs.
#[derive(Clone, Debug)]
pub struct Script {
    pub name: String,
    /// Of one run.
    pub events: u64,
    text: String,
    rate: u64,
}

impl Script {
    /// With the number of events that the command line asks for, or `events`.
    pub fn new(name: &str, text: String, events: u64, options: &Options) -> Script {
        let events = options.events.unwrap_or(events);
        Script { name: name.to_owned(), events, text, rate: options.rate }
    }

    /// `out`: where a file sink may write.
    pub fn text(&self, events: u64, out: &Path) -> String {
        self.text
            .replace("$EVENTS$", &events.to_string())
            .replace("$UNTHROTTLED$", "true")
            .replace("$RATE$", &self.rate.to_string())
            .replace("$OUT$", &out.display().to_string())
    }
}

/// So many that Flink with RocksDB works for some 25 to 50 seconds of CPU time.
fn events(query: &str) -> u64 {
    match query {
        "q9" | "q16" => 1_000_000,
        "q4" | "q7" | "q20" | "q23" => 1_500_000,
        "q5" | "q11" | "q15" | "q18" | "q19" => 3_000_000,
        "q8" | "q12" | "q17" => 8_000_000,
        _ => 16_000_000,
    }
}

fn folder() -> PathBuf {
    root().join("tests/bench/nexmark")
}

/// Those asked for, in their order; all without a wish.
///
/// # Errors
/// There is no such query; q6 and q13 with the reason.
pub fn nexmark(options: &Options) -> Result<Vec<Script>, String> {
    let wanted = if options.queries.is_empty() { all()? } else { options.queries.clone() };
    let tables = read(&folder().join("tables.sql"))?;
    let script = |name: &String| {
        let path = folder().join(format!("{name}.sql"));
        let query = read(&path).map_err(|error| match name.as_str() {
            "q6" => "q6: Flink cannot run it (FLINK-19059)".to_owned(),
            "q13" => "q13: this engine has no lookup joins yet".to_owned(),
            _ => error,
        })?;
        Ok(Script::new(name, format!("{tables}{query}"), events(name), options))
    };
    wanted.iter().map(script).collect()
}

fn all() -> Result<Vec<String>, String> {
    let entries = fs::read_dir(folder()).map_err(|cause| format!("no queries: {cause}"))?;
    let names = entries.filter_map(|entry| {
        let name = entry.ok()?.file_name().into_string().ok()?;
        name.strip_prefix('q')?.strip_suffix(".sql")?.parse::<u32>().ok()
    });
    let mut numbers: Vec<u32> = names.collect();
    numbers.sort_unstable();
    eprintln!("==> without q6 (Flink cannot run it) and q13 (this engine has no lookup joins)");
    Ok(numbers.into_iter().map(|number| format!("q{number}")).collect())
}

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|cause| format!("cannot read {}: {cause}", path.display()))
}

//! The Nexmark queries as scripts.

use std::fs;
use std::path::{Path, PathBuf};

use super::options::Options;
use crate::process::root;

/// A script with places for what differs between runs.
#[derive(Clone, Debug)]
pub struct Script {
    pub name: String,
    text: String,
    rate: u64,
}

impl Script {
    pub fn new(name: &str, text: String, rate: u64) -> Script {
        Script { name: name.to_owned(), text, rate }
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
        Ok(Script::new(name, format!("{tables}{query}"), options.rate))
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

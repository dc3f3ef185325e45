//! Medians, ratios, a table for people and a file for programs.

use std::fmt::Write;
use std::fs;

use super::Measured;
use super::options::Options;
use super::scripts::Script;
use crate::process::{Outcome, root};

/// The runs of one engine.
#[derive(Clone, Debug, Default)]
pub struct Runs {
    events: u64,
    done: Vec<Measured>,
    /// Why it cannot run the script.
    failed: Option<String>,
}

impl Runs {
    pub fn new(events: u64) -> Runs {
        Runs { events, ..Runs::default() }
    }

    pub fn add(&mut self, run: Result<Measured, String>) {
        match run {
            Ok(measured) => self.done.push(measured),
            Err(cause) => self.failed = Some(cause),
        }
    }

    pub fn count(&self) -> usize {
        self.done.len()
    }

    /// Median of thousands of events a CPU-second.
    pub fn per_cpu(&self) -> Option<f64> {
        median(self.done.iter().map(|run| self.events as f64 / 1e3 / run.cpu_s))
    }

    /// Median of thousands of events a second.
    pub fn per_wall(&self) -> Option<f64> {
        median(self.done.iter().map(|run| self.events as f64 / 1e3 / run.wall_s))
    }

    pub fn peak_mib(&self) -> Option<f64> {
        median(self.done.iter().map(|run| run.peak_mib))
    }
}

/// Both engines on one state backend.
pub struct Pair {
    pub backend: String,
    pub ours: Runs,
    pub theirs: Option<Runs>,
}

impl Pair {
    /// Events a CPU-second, ours to theirs.
    pub fn ratio(&self) -> Option<f64> {
        Some(self.ours.per_cpu()? / self.theirs.as_ref()?.per_cpu()?)
    }

    /// Of greatest resident sizes, theirs to ours.
    pub fn memory_ratio(&self) -> Option<f64> {
        Some(self.theirs.as_ref()?.peak_mib()? / self.ours.peak_mib()?)
    }
}

/// One script on all engines.
pub struct Row {
    pub name: String,
    events: u64,
    pub pairs: Vec<Pair>,
    /// Of a suite that measures something else: named figures.
    pub figures: Vec<(&'static str, f64)>,
}

impl Row {
    pub fn new(script: &Script, options: &Options) -> Row {
        let pair = |backend: &String| Pair {
            backend: backend.clone(),
            ours: Runs::new(script.events),
            theirs: options.flink.then(|| Runs::new(script.events)),
        };
        let pairs = options.backends.iter().map(pair).collect();
        Row { name: script.name.clone(), events: script.events, pairs, figures: Vec::new() }
    }

    /// For people, while it goes on.
    pub fn lines(&self) -> String {
        let mut lines = String::new();
        for pair in &self.pairs {
            write!(lines, "{:<13}{:<8}", self.name, pair.backend).expect("a string takes all");
            cell(&mut lines, &pair.ours);
            if let Some(theirs) = &pair.theirs {
                write!(lines, " | Flink").expect("a string takes all");
                cell(&mut lines, theirs);
            }
            if let Some(ratio) = pair.ratio() {
                write!(lines, " {ratio:6.1}x").expect("a string takes all");
            }
            lines.push('\n');
        }
        lines.truncate(lines.trim_end().len());
        lines
    }
}

fn cell(line: &mut String, runs: &Runs) {
    let written = match (&runs.failed, runs.per_cpu(), runs.per_wall(), runs.peak_mib()) {
        (None, Some(cpu), Some(wall), Some(peak)) => {
            write!(line, " {cpu:7.0} k/CPU-s {wall:7.0} k/s {peak:6.0} MiB")
        }
        (cause, ..) => {
            write!(line, " cannot: {}", cause.as_deref().unwrap_or("not run"))
        }
    };
    written.expect("a string takes all");
}

pub struct Table {
    options: Options,
    parallelism: u16,
    pub rows: Vec<Row>,
}

impl Table {
    pub fn new(options: &Options, parallelism: u16) -> Table {
        Table { options: options.clone(), parallelism, rows: Vec::new() }
    }

    fn text(&self) -> String {
        let mut text = format!("\nparallelism {}", self.parallelism);
        if self.rows.iter().all(|row| row.figures.is_empty()) {
            write!(text, ", median of {}", self.options.rounds).expect("a string takes all");
        }
        text.push('\n');
        for row in &self.rows {
            let line = if row.figures.is_empty() { row.lines() } else { figures(row) };
            writeln!(text, "{line}").expect("a string takes all");
        }
        for (at, backend) in self.options.backends.iter().enumerate() {
            let pairs = || self.rows.iter().filter_map(|row| row.pairs.get(at));
            let means = [
                pairs().filter_map(Pair::ratio).collect::<Vec<_>>(),
                pairs().filter_map(Pair::memory_ratio).collect(),
            ];
            if let [Some(speed), Some(memory)] = means.map(|all| geometric_mean(all.into_iter())) {
                writeln!(
                    text,
                    "geometric means, both with {backend}: {speed:.1}x the events a CPU-second, \
                     1/{memory:.1} of the memory"
                )
                .expect("a string takes all");
            }
        }
        text
    }

    fn json(&self) -> String {
        let rows: Vec<String> = self.rows.iter().map(row_json).collect();
        format!(
            "{{\"parallelism\": {}, \"rounds\": {}, \"checkpoint_interval\": \"{}\", \
             \"rows\": [{}]}}",
            self.parallelism,
            self.options.rounds,
            self.options.checkpoint_interval,
            rows.join(", ")
        )
    }
}

fn row_json(row: &Row) -> String {
    let mut fields = vec![format!("\"name\": \"{}\"", row.name)];
    if row.figures.is_empty() {
        fields.push(format!("\"events\": {}", row.events));
        for pair in &row.pairs {
            fields.push(format!("\"ours_{}\": {}", pair.backend, runs_json(&pair.ours)));
            if let Some(theirs) = &pair.theirs {
                fields.push(format!("\"flink_{}\": {}", pair.backend, runs_json(theirs)));
            }
        }
    }
    fields.extend(row.figures.iter().map(|(name, value)| format!("\"{name}\": {value}")));
    format!("{{{}}}", fields.join(", "))
}

fn figures(row: &Row) -> String {
    let each = row.figures.iter().map(|(name, value)| format!("{name} {value:.1}"));
    format!("{:<13} {}", row.name, each.collect::<Vec<_>>().join(", "))
}

fn runs_json(runs: &Runs) -> String {
    let number = |value: Option<f64>| value.map_or("null".to_owned(), |v| format!("{v:.1}"));
    format!(
        "{{\"k_events_per_cpu_second\": {}, \"k_events_per_second\": {}, \"peak_mib\": {}}}",
        number(runs.per_cpu()),
        number(runs.per_wall()),
        number(runs.peak_mib())
    )
}

/// Shows the tables, and keeps them as `target/bench/SUITE.json`.
///
/// # Errors
/// The file cannot be written.
pub fn write(tables: &[Table], suite: &str) -> Outcome {
    tables.iter().for_each(|table| println!("{}", table.text()));
    let folder = root().join("target/bench");
    let path = folder.join(format!("{suite}.json"));
    let all: Vec<String> = tables.iter().map(Table::json).collect();
    fs::create_dir_all(&folder)
        .and_then(|()| fs::write(&path, format!("[{}]\n", all.join(",\n"))))
        .map_err(|cause| format!("cannot write {}: {cause}", path.display()))?;
    println!("written to {}", path.display());
    Ok(())
}

pub fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

pub fn geometric_mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let logs: Vec<f64> = values.map(f64::ln).collect();
    (!logs.is_empty()).then(|| (logs.iter().sum::<f64>() / logs.len() as f64).exp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medians_and_means() {
        assert_eq!(median([3.0, 1.0, 2.0].into_iter()), Some(2.0));
        assert_eq!(median([4.0, 1.0].into_iter()), Some(2.5));
        assert_eq!(median(std::iter::empty()), None);
        let mean = geometric_mean([2.0, 8.0].into_iter()).unwrap();
        assert!((mean - 4.0).abs() < 1e-9, "{mean}");
    }

    #[test]
    fn a_ratio_is_of_events_a_cpu_second_whatever_their_number() {
        let mut ours = Runs::new(1_000_000);
        ours.add(Ok(Measured { wall_s: 1.0, cpu_s: 0.5, peak_mib: 10.0 }));
        let mut theirs = Runs::new(500_000);
        theirs.add(Ok(Measured { wall_s: 1.0, cpu_s: 2.5, peak_mib: 40.0 }));
        let mut pair = Pair { backend: "hashmap".to_owned(), ours, theirs: Some(theirs) };
        assert_eq!((pair.ratio(), pair.memory_ratio()), (Some(10.0), Some(4.0)));
        pair.theirs = Some(Runs::new(1));
        assert_eq!((pair.ratio(), pair.memory_ratio()), (None, None));
    }
}

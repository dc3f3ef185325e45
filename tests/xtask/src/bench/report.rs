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

/// One script on all engines.
pub struct Row {
    name: String,
    pub ours: Runs,
    pub theirs: Vec<Runs>,
    /// Of a suite that measures something else: named figures.
    pub figures: Vec<(&'static str, f64)>,
}

impl Row {
    pub fn new(script: &Script, options: &Options) -> Row {
        Row {
            name: script.name.clone(),
            ours: Runs::new(options.events),
            theirs: vec![Runs::new(options.flink_events); options.backends.len()],
            figures: Vec::new(),
        }
    }

    /// For people, while it goes on.
    pub fn line(&self, options: &Options) -> String {
        let mut line = format!("{:<13}", self.name);
        cell(&mut line, &self.ours);
        for (runs, backend) in self.theirs.iter().zip(&options.backends) {
            write!(line, " | {backend}").expect("a string takes all");
            cell(&mut line, runs);
            if let Some(ratio) = ratio(&self.ours, runs) {
                write!(line, " {ratio:5.1}x").expect("a string takes all");
            }
        }
        line
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

/// Events a CPU-second, ours to theirs.
fn ratio(ours: &Runs, theirs: &Runs) -> Option<f64> {
    Some(ours.per_cpu()? / theirs.per_cpu()?)
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
            write!(text, ", {} events, median of {}", self.options.events, self.options.rounds)
                .expect("a string takes all");
        }
        text.push('\n');
        for row in &self.rows {
            let line = if row.figures.is_empty() { row.line(&self.options) } else { figures(row) };
            writeln!(text, "{line}").expect("a string takes all");
        }
        for (at, backend) in self.options.backends.iter().enumerate() {
            let ratios = self.rows.iter().filter_map(|row| ratio(&row.ours, row.theirs.get(at)?));
            if let Some(mean) = geometric_mean(ratios) {
                writeln!(text, "geometric mean over Flink with {backend}: {mean:.1}x")
                    .expect("a string takes all");
            }
        }
        text
    }

    fn json(&self) -> String {
        let rows: Vec<String> = self.rows.iter().map(|row| self.row_json(row)).collect();
        format!(
            "{{\"parallelism\": {}, \"events\": {}, \"flink_events\": {}, \"rounds\": {}, \
             \"checkpoint_interval\": \"{}\", \"rows\": [{}]}}",
            self.parallelism,
            self.options.events,
            self.options.flink_events,
            self.options.rounds,
            self.options.checkpoint_interval,
            rows.join(", ")
        )
    }

    fn row_json(&self, row: &Row) -> String {
        let mut fields = vec![format!("\"name\": \"{}\"", row.name)];
        if row.figures.is_empty() {
            fields.push(format!("\"ours\": {}", runs_json(&row.ours)));
        }
        for (runs, backend) in row.theirs.iter().zip(&self.options.backends) {
            fields.push(format!("\"flink_{backend}\": {}", runs_json(runs)));
        }
        fields.extend(row.figures.iter().map(|(name, value)| format!("\"{name}\": {value}")));
        format!("{{{}}}", fields.join(", "))
    }
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

fn median(values: impl Iterator<Item = f64>) -> Option<f64> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

fn geometric_mean(values: impl Iterator<Item = f64>) -> Option<f64> {
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
        theirs.add(Ok(Measured { wall_s: 1.0, cpu_s: 2.5, peak_mib: 10.0 }));
        assert_eq!(ratio(&ours, &theirs), Some(10.0));
        assert_eq!(ratio(&ours, &Runs::new(1)), None);
    }
}

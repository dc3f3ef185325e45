//! Every run, one line of a file, written when the run is over: rounds may be spread over
//! days, and what is published (tests/bench/RESULTS.md) can be made anew from the lines.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::Command;

use super::Measured;
use crate::process::root;

/// The names of the columns, the first line of a file.
const HEADER: &str =
    "suite\tscript\tevents\tparallelism\tbackend\tengine\twall_s\tcpu_s\tpeak_mib\tbuild\tmachine";

/// One run of one engine.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    pub suite: String,
    pub script: String,
    pub events: u64,
    pub parallelism: u16,
    pub backend: String,
    /// `millrace`, or Flink with its version.
    pub engine: String,
    pub measured: Measured,
    /// The commit that ran.
    pub build: String,
    /// Processor and cores.
    pub machine: String,
}

impl Run {
    fn line(&self) -> String {
        let Measured { wall_s, cpu_s, peak_mib } = self.measured;
        format!(
            "{}\t{}\t{}\t{}\t{}\t{}\t{wall_s:.3}\t{cpu_s:.3}\t{peak_mib:.1}\t{}\t{}\n",
            self.suite,
            self.script,
            self.events,
            self.parallelism,
            self.backend,
            self.engine,
            self.build,
            self.machine
        )
    }

    fn parse(line: &str) -> Option<Run> {
        let mut fields = line.split('\t');
        let mut text = || fields.next().map(str::to_owned);
        Some(Run {
            suite: text()?,
            script: text()?,
            events: text()?.parse().ok()?,
            parallelism: text()?.parse().ok()?,
            backend: text()?,
            engine: text()?,
            measured: Measured {
                wall_s: text()?.parse().ok()?,
                cpu_s: text()?.parse().ok()?,
                peak_mib: text()?.parse().ok()?,
            },
            build: text()?,
            machine: text()?,
        })
    }
}

/// The names of the columns of a file of figures.
const FIGURES_HEADER: &str = "suite\tscript\tparallelism\tfigure\tvalue\tbuild\tmachine";

/// Something else that a suite measured.
#[derive(Clone, Debug, PartialEq)]
pub struct Figure {
    pub suite: String,
    pub script: String,
    pub parallelism: u16,
    pub name: String,
    pub value: f64,
    pub build: String,
    pub machine: String,
}

impl Figure {
    fn line(&self) -> String {
        let Figure { suite, script, parallelism, name, value, build, machine } = self;
        format!("{suite}\t{script}\t{parallelism}\t{name}\t{value:.3}\t{build}\t{machine}\n")
    }

    fn parse(line: &str) -> Option<Figure> {
        let mut fields = line.split('\t');
        let mut text = || fields.next().map(str::to_owned);
        Some(Figure {
            suite: text()?,
            script: text()?,
            parallelism: text()?.parse().ok()?,
            name: text()?,
            value: text()?.parse().ok()?,
            build: text()?,
            machine: text()?,
        })
    }
}

/// A file of records.
#[derive(Clone, Debug, PartialEq)]
pub enum Records {
    Runs(Vec<Run>),
    Figures(Vec<Figure>),
}

/// Adds a line.
///
/// # Errors
/// The file cannot be written.
pub fn append(path: &Path, run: &Run) -> Result<(), String> {
    append_line(path, HEADER, &run.line())
}

/// As [`append`], to a file of figures.
///
/// # Errors
/// The file cannot be written.
pub fn append_figure(path: &Path, figure: &Figure) -> Result<(), String> {
    append_line(path, FIGURES_HEADER, &figure.line())
}

fn append_line(path: &Path, header: &str, line: &str) -> Result<(), String> {
    let say = |cause: std::io::Error| format!("cannot write {}: {cause}", path.display());
    let header = if path.exists() { String::new() } else { format!("{header}\n") };
    let mut file = fs::OpenOptions::new().create(true).append(true).open(path).map_err(say)?;
    file.write_all((header + line).as_bytes()).map_err(say)
}

/// # Errors
/// The file cannot be read, or a line of it is none of ours; the line is named.
pub fn read(path: &Path) -> Result<Records, String> {
    let text = fs::read_to_string(path)
        .map_err(|cause| format!("cannot read {}: {cause}", path.display()))?;
    let (header, lines) = text.split_once('\n').unwrap_or((&text, ""));
    match header {
        HEADER => parsed(path, lines, Run::parse).map(Records::Runs),
        FIGURES_HEADER => parsed(path, lines, Figure::parse).map(Records::Figures),
        _ => Err(format!("{}:1: not the names of our columns: {header}", path.display())),
    }
}

fn parsed<T>(
    path: &Path,
    lines: &str,
    parse: impl Fn(&str) -> Option<T>,
) -> Result<Vec<T>, String> {
    let lines = lines.lines().enumerate();
    let odd =
        |at: usize, line: &str| format!("{}:{}: not a record: {line}", path.display(), at + 2);
    lines.map(|(at, line)| parse(line).ok_or_else(|| odd(at, line))).collect()
}

/// The commit of the tree, with `+` where files differ from it.
pub fn build() -> String {
    let git = |arguments: &[&str]| {
        let mut command = Command::new("git");
        let output = command.current_dir(root()).args(arguments).output().ok()?;
        Some(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    };
    let commit = git(&["rev-parse", "--short=10", "HEAD"]).filter(|commit| !commit.is_empty());
    let changed = git(&["status", "--porcelain", "--untracked-files=no", "--", "engine"]);
    let mark = if changed.is_some_and(|files| !files.is_empty()) { "+" } else { "" };
    commit.map_or_else(|| "unknown".to_owned(), |commit| format!("{commit}{mark}"))
}

/// `AMD EPYC, 4 cores`
pub fn machine() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
    let name = model.map_or("unknown processor", |(_, name)| name).replace('\t', " ");
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    format!("{name}, {cores} cores")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_is_read_as_it_was_written_and_a_broken_line_is_named() {
        let run = Run {
            suite: "nexmark".to_owned(),
            script: "q0".to_owned(),
            events: 8_000_000,
            parallelism: 4,
            backend: "rocksdb".to_owned(),
            engine: "millrace".to_owned(),
            measured: Measured { wall_s: 1.25, cpu_s: 2.5, peak_mib: 40.0 },
            build: "0123456789".to_owned(),
            machine: machine(),
        };
        let path = std::env::temp_dir().join(format!("millrace-runs-{}", std::process::id()));
        append(&path, &run).unwrap();
        append(&path, &run).unwrap();
        assert_eq!(read(&path).unwrap(), Records::Runs(vec![run.clone(), run]));
        fs::write(&path, format!("{HEADER}\nnexmark\tq0\n")).unwrap();
        assert!(read(&path).unwrap_err().contains(":2: not a record: nexmark"));
        fs::write(&path, "a\tb\n").unwrap();
        assert!(read(&path).unwrap_err().contains(":1: not the names"));
        fs::remove_file(&path).unwrap();
        let figure = Figure {
            suite: "latency".to_owned(),
            script: "keyed".to_owned(),
            parallelism: 1,
            name: "p99_ms".to_owned(),
            value: 12.5,
            build: build(),
            machine: machine(),
        };
        append_figure(&path, &figure).unwrap();
        assert_eq!(read(&path).unwrap(), Records::Figures(vec![figure]));
        fs::remove_file(path).unwrap();
    }
}

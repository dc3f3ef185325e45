//! `cargo xtask bench`: this engine and Apache Flink 1.18.1 side by side on one machine.
//!
//! Both run the same scripts over the same events, in turn, several rounds; what is reported
//! are medians. How to read the figures: tests/bench/README.md.

mod engine;
mod files;
mod flink;
mod latency;
mod options;
mod record;
mod report;
mod results;
mod scripts;
mod state;

use std::path::{Path, PathBuf};

use crate::process::{Outcome, cache, cargo, run};
use options::{Options, Suite};
use record::{Figure, Run};
use report::{Row, Table};
use scripts::Script;

/// One run of one script.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Measured {
    pub wall_s: f64,
    /// User and system time of all the engine's threads, in seconds.
    pub cpu_s: f64,
    /// Greatest resident size, in MiB.
    pub peak_mib: f64,
}

/// The engines, as records name them.
const OURS: &str = "millrace";
const THEIRS: &str = "flink-1.18.1";

pub fn bench(arguments: &[String]) -> Outcome {
    if arguments.first().is_some_and(|first| first == "publish") {
        return results::publish();
    }
    let options = Options::parse(arguments)?;
    let program = build(&options)?;
    let work = Work::new()?;
    let mut tables = Vec::new();
    for parallelism in &options.parallelism {
        let table = match options.suite {
            Suite::Latency => latency::table(&program, &work.0, &options, *parallelism)?,
            Suite::State => state::table(&program, &work.0, &options, *parallelism)?,
            Suite::Json => {
                let scripts = files::scripts(&options, &work.0)?;
                compare(&program, &work, &options, &scripts, *parallelism)?
            }
            Suite::Nexmark | Suite::Scaling => {
                let scripts = scripts::nexmark(&options)?;
                compare(&program, &work, &options, &scripts, *parallelism)?
            }
        };
        keep_figures(&options, &table, *parallelism)?;
        tables.push(table);
    }
    report::write(&tables, options.suite.name())
}

/// A directory that goes away.
struct Work(PathBuf);

impl Work {
    fn new() -> Result<Work, String> {
        Work::remove_left_behind();
        let path = cache().join(format!("bench-{}", std::process::id()));
        std::fs::create_dir_all(&path)
            .map_err(|cause| format!("cannot make {}: {cause}", path.display()))?;
        Ok(Work(path))
    }
}

impl Work {
    /// Of runs that were ended by a signal.
    fn remove_left_behind() {
        for entry in std::fs::read_dir(cache()).into_iter().flatten().flatten() {
            let name = entry.file_name().to_string_lossy().into_owned();
            let process = name.strip_prefix("bench-").map(|pid| format!("/proc/{pid}"));
            if process.is_some_and(|process| !std::path::Path::new(&process).exists()) {
                drop(std::fs::remove_dir_all(entry.path()));
            }
        }
    }
}

impl Drop for Work {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// The engine as it is shipped; `--engine` names one that is there already.
fn build(options: &Options) -> Result<PathBuf, String> {
    if let Some(program) = &options.engine {
        return Ok(program.clone());
    }
    let mut build = cargo();
    build.args(["build", "--release", "--workspace", "--bin", "millrace-engine"]);
    run("cargo build --release", &mut build)?;
    let target = std::env::var_os("CARGO_TARGET_DIR")
        .map_or_else(|| crate::process::root().join("target"), PathBuf::from);
    Ok(target.join("release/millrace-engine"))
}

/// Every script on every engine, in turn, as often as there are rounds.
fn compare(
    program: &Path,
    work: &Work,
    options: &Options,
    scripts: &[Script],
    parallelism: u16,
) -> Result<Table, String> {
    let classes = options.flink.then(|| flink::compile(&work.0)).transpose()?;
    let mut table = Table::new(options, parallelism);
    table.rows = scripts.iter().map(|script| Row::new(script, options)).collect();
    for round in 0..options.rounds {
        for (script, row) in scripts.iter().zip(&mut table.rows) {
            eprintln!("==> {} at parallelism {parallelism}, round {}", script.name, round + 1);
            for pair in &mut row.pairs {
                let how = (pair.backend.as_str(), options);
                let ours = engine::run(program, &work.0, script, parallelism, how);
                keep(options, script, (parallelism, &pair.backend), OURS, &ours)?;
                pair.ours.add(ours);
                if let (Some(classes), Some(theirs)) = (&classes, &mut pair.theirs) {
                    let run = flink::run(classes, &work.0, script, parallelism, how);
                    keep(options, script, (parallelism, &pair.backend), THEIRS, &run)?;
                    theirs.add(run);
                }
            }
            println!("{}", row.lines());
        }
    }
    Ok(table)
}

/// Writes down what else was measured.
fn keep_figures(options: &Options, table: &Table, parallelism: u16) -> Outcome {
    let Some(path) = &options.record else { return Ok(()) };
    for row in &table.rows {
        for (name, value) in &row.figures {
            let figure = Figure {
                suite: options.suite.name().to_owned(),
                script: row.name.clone(),
                parallelism,
                name: (*name).to_owned(),
                value: *value,
                build: options.build.clone(),
                machine: record::machine(),
            };
            record::append_figure(path, &figure)?;
        }
    }
    Ok(())
}

/// Writes the run down where the command line says.
fn keep(
    options: &Options,
    script: &Script,
    (parallelism, backend): (u16, &str),
    engine: &str,
    run: &Result<Measured, String>,
) -> Outcome {
    let (Some(path), Ok(measured)) = (&options.record, run) else { return Ok(()) };
    let run = Run {
        suite: options.suite.name().to_owned(),
        script: script.name.clone(),
        events: script.events,
        parallelism,
        backend: backend.to_owned(),
        engine: engine.to_owned(),
        measured: *measured,
        build: options.build.clone(),
        machine: record::machine(),
    };
    record::append(path, &run)
}

//! `millrace sql …`: a script without a server; and `millrace engine …`, the engine's own
//! command line, for the jobs that the server starts.

mod arguments;
mod diagnostics;
mod rows;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Mutex;

use anyhow::{Context, anyhow};
pub use arguments::SqlArguments;
use arguments::{CheckArguments, CompileArguments, RunArguments, SqlCommand};
use diagnostics::Diagnostic;
use millrace_connectors::Connectors;
use millrace_dataflow::RuntimeLevel;
use millrace_plan::{PlanOptions, PlannedScript, compile_script, plan_script};
use millrace_worker::{Foreground, ForegroundError, run_foreground};
use rows::RowPrinter;
use serde_json::json;

use crate::output::{self, Format};

/// As a shell says of a program that Ctrl-C ended.
const INTERRUPTED: u8 = 130;

pub fn run(arguments: SqlArguments) -> anyhow::Result<ExitCode> {
    match arguments.command {
        SqlCommand::Check(arguments) => check(&arguments),
        SqlCommand::Compile(arguments) => compile(&arguments),
        SqlCommand::Run(arguments) => runtime()?.block_on(run_script(arguments)),
    }
}

/// `millrace engine …`, as the launcher starts it.
pub fn engine(arguments: Vec<String>) -> anyhow::Result<ExitCode> {
    let arguments = std::iter::once("millrace engine".to_owned()).chain(arguments);
    Ok(runtime()?.block_on(millrace_worker::main_with_args(arguments)))
}

fn runtime() -> std::io::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()
}

fn check(arguments: &CheckArguments) -> anyhow::Result<ExitCode> {
    let script = read(&arguments.file)?;
    let options = PlanOptions { level: level(&arguments.runtime)?, settings: Default::default() };
    let planned = plan_script(&script, &options, &Connectors::new());
    match (&planned, arguments.output) {
        (_, Format::Json) => output::json(&verdict(&planned)),
        (Ok(planned), Format::Text) => {
            complain(&arguments.file, &planned.warnings);
            output::write_out(planned.explain.as_bytes());
        }
        (Err(problems), Format::Text) => complain(&arguments.file, problems),
    }
    Ok(if planned.is_ok() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn compile(arguments: &CompileArguments) -> anyhow::Result<ExitCode> {
    let script = read(&arguments.file)?;
    let options = PlanOptions { level: level(&arguments.runtime)?, settings: Default::default() };
    match compile_script(&script, &options, &Connectors::new()) {
        Ok(plan) => {
            println!("{plan}");
            Ok(ExitCode::SUCCESS)
        }
        Err(problems) => {
            complain(&arguments.file, &problems);
            Ok(ExitCode::FAILURE)
        }
    }
}

fn verdict(planned: &Result<PlannedScript, Vec<Diagnostic>>) -> serde_json::Value {
    match planned {
        Ok(planned) => {
            json!({"ok": true, "diagnostics": planned.warnings, "plan": planned.explain})
        }
        Err(problems) => json!({"ok": false, "diagnostics": problems}),
    }
}

async fn run_script(arguments: RunArguments) -> anyhow::Result<ExitCode> {
    let script = read(&arguments.file)?;
    let level = level(&arguments.runtime)?;
    let settings = arguments.settings.iter().cloned().collect();
    let printer = Mutex::new(RowPrinter::new(arguments.output));
    let started = run_foreground(&script, level, arguments.parallelism, &settings, move |rows| {
        let mut printer = printer.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        printer.print(&rows);
    });
    match started {
        Ok(running) => {
            complain(&arguments.file, &running.warnings);
            wait(running).await
        }
        Err(ForegroundError::Script(problems)) => {
            complain(&arguments.file, &problems);
            Ok(ExitCode::FAILURE)
        }
        Err(failure) => Err(failure.into()),
    }
}

async fn wait(mut running: Foreground) -> anyhow::Result<ExitCode> {
    tokio::select! {
        ended = running.wait() => {
            ended?;
            return Ok(ExitCode::SUCCESS);
        }
        _ = tokio::signal::ctrl_c() => running.cancel(),
    }
    running.wait().await?;
    Ok(ExitCode::from(INTERRUPTED))
}

fn read(file: &Path) -> anyhow::Result<String> {
    std::fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))
}

fn level(runtime: &str) -> anyhow::Result<RuntimeLevel> {
    runtime.parse().map_err(|unknown| anyhow!("{unknown}; give one of these with --runtime"))
}

/// Says on stderr what is wrong, each with its place.
fn complain(file: &Path, problems: &[Diagnostic]) {
    for problem in problems {
        eprintln!("{}", diagnostics::render(&file.display().to_string(), problem));
    }
}

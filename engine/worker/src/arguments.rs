//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Parser, Subcommand};
use millrace_connectors::keep_out_of;

use crate::description::JobDescription;
use crate::{check, run};

/// Paths, as in `PATH`, that no table may read or write.
const PRIVATE_DIRECTORIES: &str = "MILLRACE_PRIVATE_DIRECTORIES";

#[derive(Parser)]
#[command(name = "millrace-engine", version, about = "Runs one streaming job")]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the job until it is told to end
    Run(JobArguments),
    /// Say whether the job could run, and what of its state it would restore
    Check(JobArguments),
}

#[derive(Args)]
struct JobArguments {
    /// The job description (JSON)
    #[arg(long, value_name = "FILE")]
    job: PathBuf,
}

/// Runs the engine's command line; the first argument is the program's name.
pub async fn main_with_args<I, T>(arguments: I) -> ExitCode
where
    I: IntoIterator<Item = T>,
    T: Into<OsString> + Clone,
{
    let arguments = match Arguments::try_parse_from(arguments) {
        Ok(arguments) => arguments,
        Err(error) => {
            let code = if error.use_stderr() { 2 } else { 0 };
            // Nothing is left to do when the console is gone.
            let _ = error.print();
            return ExitCode::from(code);
        }
    };
    let (Command::Run(job) | Command::Check(job)) = &arguments.command;
    let description = match JobDescription::read(&job.job) {
        Ok(description) => description,
        Err(error) => {
            eprintln!("error: {error}");
            return ExitCode::from(2);
        }
    };
    let private = std::env::var_os(PRIVATE_DIRECTORIES).unwrap_or_default();
    keep_out_of(std::env::split_paths(&private).filter(|path| path.is_absolute()));
    match arguments.command {
        Command::Run(_) => run::run(description).await,
        Command::Check(_) => check::check(&description).await,
    }
}

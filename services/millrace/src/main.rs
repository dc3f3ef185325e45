//! The `millrace` program: `serve`, and the command line.
//!
//! Wiring only: everything that decides lives in the crates that this one starts.
//! Data goes to stdout, everything else to stderr; an error ends with what to do next.

mod app;
mod edge;
mod output;
mod serve;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Streaming applications in Flink SQL, behind the API of Amazon Managed Service for
/// Apache Flink.
#[derive(Parser)]
#[command(name = "millrace", version, arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Serve the API and run applications on this machine
    Serve(serve::ServeArguments),
    /// Create, run, change and look at applications
    App(app::AppArguments),
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::App(arguments) => app::run(arguments),
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("error: {failure:#}");
        ExitCode::FAILURE
    })
}

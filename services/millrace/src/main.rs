//! The `millrace` program: `serve`, and the command line.
//!
//! Wiring only: everything that decides lives in the crates that this one starts.
//! Data goes to stdout, everything else to stderr; an error ends with what to do next.

mod access;
mod app;
mod edge;
mod output;
mod place;
mod secrets;
mod serve;
mod sql;

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
    /// Make, show, disable and delete access keys, on the machine of the server
    Keys(access::KeysArguments),
    /// Say what users may do, on the machine of the server
    Policy(access::PolicyArguments),
    /// Show who changed what
    Audit(access::AuditArguments),
    /// Print what happened to an application, or what happens
    Events(app::Shortcut<app::EventArguments>),
    /// Print what the job of an application logs
    Logs(app::Shortcut<app::LogArguments>),
    /// Take, list, delete, export and import snapshots that outlive their application
    Snapshot(app::Shortcut<app::TransferArguments>),
    /// Check or run a SQL script, without a server
    Sql(sql::SqlArguments),
    /// Run one job; started by the server
    #[command(hide = true)]
    Engine {
        #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
        arguments: Vec<String>,
    },
}

fn main() -> ExitCode {
    let outcome = match Cli::parse().command {
        Command::Serve(arguments) => serve::run(arguments),
        Command::App(arguments) => app::run(arguments),
        Command::Keys(arguments) => access::keys(arguments),
        Command::Policy(arguments) => access::policy(arguments),
        Command::Audit(arguments) => access::audit(arguments),
        Command::Events(events) => app::run(events.of_app(app::AppCommand::Events)),
        Command::Logs(logs) => app::run(logs.of_app(app::AppCommand::Logs)),
        Command::Snapshot(snapshot) => {
            app::run(snapshot.of_app(|it| app::AppCommand::Snapshot(it.command)))
        }
        Command::Sql(arguments) => sql::run(arguments),
        Command::Engine { arguments } => sql::engine(arguments),
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("error: {failure:#}");
        ExitCode::FAILURE
    })
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_one_that_can_be_read() {
        super::Cli::command().debug_assert();
    }
}

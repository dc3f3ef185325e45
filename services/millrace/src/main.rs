//! The `millrace` program: `serve`, and the command line.
//!
//! Wiring only: everything that decides lives in the crates that this one starts.
//! Data goes to stdout, everything else to stderr; an error ends with what to do next.

mod access;
mod app;
mod edge;
mod output;
mod place;
mod runtimes;
mod secrets;
mod serve;
mod sql;

use std::process::ExitCode;

use clap::{CommandFactory, Parser, Subcommand};

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
    /// Show what running applications do, the busiest first
    Top(app::Shortcut<app::TopArguments>),
    /// Take, list, delete, export and import snapshots that outlive their application
    Snapshot(app::Shortcut<app::TransferArguments>),
    /// Install, list and remove releases of Apache Flink to run applications on
    Runtimes(runtimes::RuntimesArguments),
    /// Check or run a SQL script, without a server
    Sql(sql::SqlArguments),
    /// Print what lets a shell complete commands: source it, or put it where the shell looks
    Completion { shell: clap_complete::Shell },
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
        Command::Top(top) => app::run(top.of_app(app::AppCommand::Top)),
        Command::Logs(logs) => app::run(logs.of_app(app::AppCommand::Logs)),
        Command::Snapshot(snapshot) => {
            app::run(snapshot.of_app(|it| app::AppCommand::Snapshot(it.command)))
        }
        Command::Runtimes(arguments) => runtimes::run(arguments),
        Command::Sql(arguments) => sql::run(arguments),
        Command::Completion { shell } => completion(shell),
        Command::Engine { arguments } => sql::engine(arguments),
    };
    outcome.unwrap_or_else(|failure| {
        eprintln!("error: {failure:#}");
        ExitCode::FAILURE
    })
}

fn completion(shell: clap_complete::Shell) -> anyhow::Result<ExitCode> {
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "millrace", &mut script);
    output::write_out(&script);
    Ok(ExitCode::SUCCESS)
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, ValueEnum};

    #[test]
    fn every_shell_can_complete_every_command() {
        for shell in clap_complete::Shell::value_variants() {
            let mut script = Vec::new();
            clap_complete::generate(*shell, &mut super::Cli::command(), "millrace", &mut script);
            let script = String::from_utf8(script).expect("text");
            for word in ["serve", "snapshot", "completion", "data-dir"] {
                assert!(script.contains(word), "{shell}: {word}");
            }
        }
    }

    #[test]
    fn the_command_line_is_one_that_can_be_read() {
        super::Cli::command().debug_assert();
    }
}

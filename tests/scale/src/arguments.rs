//! The command line.

use clap::{Args, Parser};

/// The control plane under many applications whose jobs are simulated.
#[derive(Debug, Parser)]
pub enum Command {
    /// Serves the API and reconciles; ends when its standard input does.
    Serve(ServeArguments),
    /// Starts that, and measures.
    Run(RunArguments),
}

#[derive(Clone, Debug, Args)]
pub struct ServeArguments {
    /// Accounts, each with its root's access key.
    #[arg(long, default_value_t = 1)]
    pub accounts: u32,
    /// A PostgreSQL database instead of a file.
    #[arg(long)]
    pub database_url: Option<String>,
    /// Threads of the service.
    #[arg(long, default_value_t = 2)]
    pub threads: usize,
}

#[derive(Clone, Debug, Args)]
pub struct RunArguments {
    #[arg(long, default_value_t = 10_000)]
    pub applications: u32,
    /// DescribeApplication a second.
    #[arg(long, default_value_t = 2_000)]
    pub reads: u32,
    /// UpdateApplication a second: each of a running application, which becomes a new job.
    #[arg(long, default_value_t = 100)]
    pub updates: u32,
    /// Of reads and updates.
    #[arg(long, default_value_t = 30)]
    pub seconds: u32,
    /// Before them, with nothing but running applications.
    #[arg(long, default_value_t = 10)]
    pub idle_seconds: u32,
    #[command(flatten)]
    pub service: ServiceArguments,
}

#[derive(Clone, Debug, Args)]
pub struct ServiceArguments {
    /// A PostgreSQL database instead of a file.
    #[arg(long)]
    pub database_url: Option<String>,
    /// Threads of the service.
    #[arg(long, default_value_t = 2)]
    pub threads: usize,
}

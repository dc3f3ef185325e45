//! The command line of `millrace sql`.

use std::path::PathBuf;

use clap::{Args, Subcommand};

use crate::output::Format;

#[derive(Args)]
pub struct SqlArguments {
    #[command(subcommand)]
    pub command: SqlCommand,
}

#[derive(Subcommand)]
pub enum SqlCommand {
    /// Plan a script and print the plan, or what is wrong with it
    Check(CheckArguments),
    /// Print the compiled plan of a script: JSON in which the time-to-live of each operator's
    /// state can be set, and which is run in place of the script
    Compile(CompileArguments),
    /// Run a script in the foreground, until its bounded inputs end or Ctrl-C
    Run(RunArguments),
}

#[derive(Args)]
pub struct CheckArguments {
    pub file: PathBuf,
    /// The Flink version whose dialect the script is checked against
    #[arg(long, default_value = "FLINK-1_20")]
    pub runtime: String,
    #[arg(long, value_enum, default_value = "text")]
    pub output: Format,
}

#[derive(Args)]
pub struct CompileArguments {
    pub file: PathBuf,
    /// The Flink version that the plan is compiled for
    #[arg(long, default_value = "FLINK-1_20")]
    pub runtime: String,
}

#[derive(Args)]
pub struct RunArguments {
    pub file: PathBuf,
    /// The Flink version whose dialect the script is written in
    #[arg(long, default_value = "FLINK-1_20")]
    pub runtime: String,
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
    pub parallelism: u16,
    /// A setting, as SET in the script would give it
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = setting)]
    pub settings: Vec<(String, String)>,
    #[arg(long, value_enum, default_value = "text")]
    pub output: Format,
}

fn setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("a setting is KEY=VALUE")?;
    Ok((key.trim().to_owned(), value.to_owned()))
}

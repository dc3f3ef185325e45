//! How many applications one replica carries: reads and updates beside each other over
//! thousands of running applications, whose jobs are simulated.
//!
//! Flow: `run` starts `serve` as a process of its own, so that what the service takes is
//! told from what the load takes; creates and starts the applications; leaves them alone
//! for a while; then reads and updates at fixed rates, whatever the answers take; and at
//! last looks at every application: each must be what its last update said. The output is
//! one line of JSON for each phase.
//!
//! What is simulated is the job alone: the API with its signatures, the store and the
//! reconciler are the real ones.

mod account;
mod arguments;
mod client;
mod edge;
mod load;
mod service;
mod simulated;
mod statistics;

use std::process::ExitCode;

use arguments::Command;
use clap::Parser;

fn main() -> ExitCode {
    let outcome = match Command::parse() {
        Command::Serve(arguments) => service::serve(&arguments),
        Command::Run(arguments) => load::run(&arguments),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error:#}");
            ExitCode::FAILURE
        }
    }
}

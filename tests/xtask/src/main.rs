//! The project's commands, as `cargo xtask COMMAND`:
//!
//! - `demo`: the whole story on this machine, told in a few lines;
//! - `test`: every test but the long ones; ends with the runner's summary;
//! - `test-long`: the trials by violence, 200 seeds and more;
//! - `lint`: formatting, clippy, licences and advisories;
//! - `differential`: the same scripts on this engine and on Apache Flink, compared;
//! - `setup-flink`: only downloads Flink for that;
//! - `setup`: only installs what the others need.
//!
//! Each installs what is missing, outside the tree. No dependencies, so that the
//! first command does not wait for a build of its own.

mod differential;
mod flink_cli;
mod process;
mod suites;
mod tools;

use std::process::ExitCode;

const USAGE: &str = "\
usage: cargo xtask COMMAND

  demo                   build, serve, and tell the whole story on this machine
  test [FILTER...]       every test but the long ones
  test-long [FROM..TO]   the seeded kill trials (default 0..200)
  lint                   formatting, clippy, licences and advisories
  differential [NAME...] the same scripts here and on Apache Flink 1.18.1, compared
  setup-flink            download Flink (230 MB) for that
  setup                  install what the other commands need, and nothing else";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let rest = arguments.get(1..).unwrap_or_default();
    let outcome = match arguments.first().map(String::as_str) {
        Some("demo") => suites::demo(rest),
        Some("test") => suites::test(rest),
        Some("test-long") => suites::test_long(rest),
        Some("lint") => suites::lint(),
        Some("differential") => suites::differential(rest),
        Some("setup-flink") => differential::setup_flink().map(drop),
        Some("setup") => tools::install_all().map(drop),
        _ => Err(USAGE.to_owned()),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            eprintln!("{message}");
            ExitCode::FAILURE
        }
    }
}

//! The millrace-engine program: wiring, the Flink REST surface, run and check.
//!
//! `run --job FILE` runs the job described in FILE until it is told to end;
//! `check --job FILE` says whether it could, and what of the state it would restore.
//! [`run_foreground`] runs a script with no files and no server.
//!
//! Exit codes of `run`: 0 ended as told, 1 could not start, 2 misuse, 3 fenced by a
//! newer engine of the same application.
//!
//! Must not know: services.

mod arguments;
mod check;
mod description;
mod edge;
mod foreground;
mod memory;
mod planning;
mod rest;
mod run;
mod session;

pub use arguments::main_with_args;
pub use foreground::{Foreground, ForegroundError, Rows, run_foreground};

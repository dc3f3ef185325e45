//! The program's command line, run to its end.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use anyhow::Context;

use crate::binary;

/// What a command printed, and how it ended.
#[derive(Debug)]
pub struct Ran {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

/// Runs `millrace ARGUMENTS` against `address` (host and port; empty: none needed).
///
/// # Errors
/// The program is not built or cannot be started.
pub fn millrace(address: &str, arguments: &[&str]) -> anyhow::Result<Ran> {
    millrace_at(address, None, arguments)
}

/// Runs it with a data directory, where its access key is.
///
/// # Errors
/// As [`millrace`].
pub fn millrace_at(
    address: &str,
    data_dir: Option<&Path>,
    arguments: &[&str],
) -> anyhow::Result<Ran> {
    let mut command = Command::new(binary::millrace()?);
    command.args(arguments).stdin(Stdio::null());
    if !address.is_empty() {
        command.env("MILLRACE_ENDPOINT", format!("http://{address}"));
    }
    if let Some(data_dir) = data_dir {
        command.env("MILLRACE_DATA_DIR", data_dir);
    }
    ran(command)
}

/// Runs it as on a laptop: no environment but a home, below which everything is.
///
/// # Errors
/// As [`millrace`].
pub fn millrace_at_home(home: &Path, arguments: &[&str]) -> anyhow::Result<Ran> {
    let mut command = Command::new(binary::millrace()?);
    command.args(arguments).stdin(Stdio::null()).env_clear().env("HOME", home);
    ran(command)
}

fn ran(mut command: Command) -> anyhow::Result<Ran> {
    let Output { status, stdout, stderr } = command.output().context("cannot start millrace")?;
    Ok(Ran {
        code: status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&stdout).into_owned(),
        stderr: String::from_utf8_lossy(&stderr).into_owned(),
    })
}

//! Unchanged AWS clients drive the built program. The suites are Python (`test_*.py`
//! beside this crate), because the clients are; this crate runs each as one test.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context, bail};
use millrace_test_support::binary;

/// Runs one suite to its end, its output shown.
///
/// # Errors
/// The clients are not installed, the program is not built, or a test of it failed.
pub fn run_suite(name: &str) -> anyhow::Result<()> {
    let mut python = Command::new(python()?);
    python
        .current_dir(binary::source_root().join("tests/conformance"))
        .args(["-B", "-m", "unittest", "-v", name]);
    python.env("MILLRACE_BIN", binary::millrace()?);
    let status = python.status().context("cannot start Python")?;
    if !status.success() {
        bail!("{name} failed; alone: cargo xtask test 'test(={name})'");
    }
    Ok(())
}

/// The interpreter with boto3 and the aws command line.
fn python() -> anyhow::Result<PathBuf> {
    let cache = || {
        let base = std::env::var_os("XDG_CACHE_HOME")
            .map(PathBuf::from)
            .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
        base.map(|base| base.join("millrace/venv"))
    };
    let venv = std::env::var_os("MILLRACE_VENV").map(PathBuf::from).or_else(cache);
    let python = venv.context("there is no HOME to look for the clients in")?.join("bin/python");
    if !python.exists() {
        bail!("boto3 and the aws command line are not installed: run `cargo xtask setup`");
    }
    Ok(python)
}

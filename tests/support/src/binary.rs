//! Where the built program is.

use std::path::PathBuf;

use anyhow::{Context, bail};

/// `MILLRACE_BIN`, or the program beside this test: `target/debug/deps/test-1234` lies
/// below `target/debug/millrace`.
///
/// # Errors
/// It is not there; the message says how to build it.
pub fn millrace() -> anyhow::Result<PathBuf> {
    if let Some(path) = std::env::var_os("MILLRACE_BIN") {
        return Ok(path.into());
    }
    let own = std::env::current_exe().context("cannot tell where this test is")?;
    for directory in own.ancestors().skip(1).take(3) {
        let candidate = directory.join("millrace");
        if candidate.is_file() {
            return Ok(candidate);
        }
    }
    bail!(
        "millrace is not built: run `cargo build --workspace --bin millrace`, or set MILLRACE_BIN"
    )
}

/// The root of the source tree, from the package whose test runs: two checkouts may
/// share one directory of built programs.
pub fn source_root() -> PathBuf {
    let built_in = || env!("CARGO_MANIFEST_DIR").into();
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(built_in, PathBuf::from);
    let root = package.ancestors().find(|path| path.join("Cargo.lock").is_file());
    root.map_or_else(|| package.clone(), PathBuf::from)
}

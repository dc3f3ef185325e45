//! Running programs, and where things are.

use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a failed step says; the program's own output stands above it.
pub type Outcome = Result<(), String>;

/// The root of the tree, two above this crate. Asked when the program runs: two
/// checkouts may share one directory of built programs.
pub fn root() -> PathBuf {
    let built_in = || env!("CARGO_MANIFEST_DIR").into();
    let package = std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(built_in, PathBuf::from);
    package.ancestors().nth(2).map_or_else(|| package.clone(), PathBuf::from)
}

/// Where downloads and tools are kept between runs: outside the tree.
pub fn cache() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("millrace")
}

pub fn cargo() -> Command {
    let mut command = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(root());
    // Set by the cargo that runs this program, for this program.
    for name in ["CARGO_PKG_NAME", "CARGO_PKG_VERSION", "CARGO_MANIFEST_DIR", "CARGO_MANIFEST_PATH"]
    {
        command.env_remove(name);
    }
    command
}

/// Runs to the end, output shown.
///
/// # Errors
/// It could not be started, or failed; the message names the step.
pub fn run(step: &str, command: &mut Command) -> Outcome {
    eprintln!("==> {step}");
    let status = command.status().map_err(|cause| format!("{step}: cannot start: {cause}"))?;
    if status.success() { Ok(()) } else { Err(format!("{step}: failed ({status})")) }
}

/// Whether the program can be run and ends well; nothing is shown.
pub fn works(program: &str, arguments: &[&str]) -> bool {
    let mut command = Command::new(program);
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

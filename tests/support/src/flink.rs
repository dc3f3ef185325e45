//! Apache Flink for tests: what is on this machine already, and who may take long.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, bail};

use crate::{Server, cli};

/// Where `cargo xtask setup-flink` and the long tests keep what they downloaded.
fn cache() -> PathBuf {
    let base = std::env::var_os("XDG_CACHE_HOME")
        .map(PathBuf::from)
        .or_else(|| std::env::var_os("HOME").map(|home| PathBuf::from(home).join(".cache")));
    base.unwrap_or_else(std::env::temp_dir).join("millrace")
}

/// Flink 1.18.1, when it was downloaded and there is a Java for it; says so when not.
pub fn downloaded() -> Option<PathBuf> {
    let home = cache().join("flink-1.18.1/pyflink");
    let what = match (works("java"), home.join("lib").is_dir()) {
        (true, true) => return Some(home),
        (false, _) => "there is no Java",
        (true, false) => "Flink 1.18.1 is not downloaded (cargo xtask setup-flink)",
    };
    eprintln!("SKIPPED: {what}");
    None
}

/// Flink 1.18.1 in a long run (`cargo xtask test-long`); says so when it is none.
pub fn long() -> Option<PathBuf> {
    if std::env::var_os("MILLRACE_FLINK").is_none() {
        eprintln!("SKIPPED: it takes minutes; cargo xtask test-long runs it");
        return None;
    }
    downloaded()
}

fn works(program: &str) -> bool {
    let mut command = Command::new(program);
    let asked = command.arg("-version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// Has the server's data directory use the distribution in `home`.
///
/// # Errors
/// It is none.
pub fn install(server: &Server, home: &Path) -> anyhow::Result<()> {
    let home = home.display().to_string();
    let ran = server.millrace(&["runtimes", "install", "--from", &home])?;
    match ran.code {
        0 => Ok(()),
        _ => bail!("{}", ran.stderr),
    }
}

/// A release that is downloaded once, with the program's own command.
///
/// # Errors
/// It cannot be downloaded.
pub fn release(release: &str) -> anyhow::Result<PathBuf> {
    let place = cache();
    let home = place.join("runtimes").join(format!("flink-{release}"));
    if !home.join("runtime.json").is_file() {
        let ran = cli::millrace_at("", Some(&place), &["runtimes", "install", release])?;
        if ran.code != 0 {
            bail!("{}", ran.stderr);
        }
    }
    Ok(home)
}

/// Compiles a program against a distribution; answers the bytes of its JAR.
///
/// # Errors
/// There is no JDK, or the program is wrong.
pub fn jar(home: &Path, class: &str, source: &str, work: &Path) -> anyhow::Result<Vec<u8>> {
    let classes = work.join("classes");
    std::fs::create_dir_all(&classes)?;
    let file = work.join(format!("{class}.java"));
    std::fs::write(&file, source)?;
    let libraries = format!("{}/*", home.join("lib").display());
    let mut compiler = Command::new("javac");
    compiler.args(["-nowarn", "-cp", &libraries, "-d"]).arg(&classes).arg(&file);
    ended("javac", &mut compiler)?;
    let target = work.join("application.jar");
    let mut packer = Command::new("jar");
    packer.arg("cfe").arg(&target).arg(class).arg("-C").arg(&classes).arg(".");
    ended("jar", &mut packer)?;
    Ok(std::fs::read(target)?)
}

fn ended(name: &str, command: &mut Command) -> anyhow::Result<()> {
    let output = command.output().with_context(|| format!("cannot start {name}"))?;
    match output.status.success() {
        true => Ok(()),
        false => bail!("{name}: {}", String::from_utf8_lossy(&output.stderr)),
    }
}

//! The Java that Flink runs on.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Flink 1.17 to 2.3: Java 11 or newer.
const OLDEST: u16 = 11;

/// A Java that works.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Java {
    pub program: PathBuf,
    /// `17.0.15`
    pub version: String,
}

#[derive(Debug, thiserror::Error)]
pub enum JavaError {
    #[error(
        "Apache Flink needs Java {OLDEST} or newer, and there is none: install one \
         (on Debian: apt-get install default-jre-headless), or let JAVA_HOME name it"
    )]
    Missing,
    #[error("{} is Java {version}, and Apache Flink needs {OLDEST} or newer", program.display())]
    TooOld { program: PathBuf, version: String },
}

/// That of `JAVA_HOME`, else the first in `PATH`. Asks it for its version.
///
/// # Errors
/// There is none, or it is too old.
pub fn find() -> Result<Java, JavaError> {
    let home = std::env::var_os("JAVA_HOME").map(|home| Path::new(&home).join("bin/java"));
    let paths = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&paths).map(|directory| directory.join("java"));
    let program = home.into_iter().chain(on_path).find(|program| program.is_file());
    let program = program.ok_or(JavaError::Missing)?;
    let version = version(&program).ok_or(JavaError::Missing)?;
    match major(&version) {
        Some(major) if major >= OLDEST => Ok(Java { program, version }),
        _ => Err(JavaError::TooOld { program, version }),
    }
}

fn version(program: &Path) -> Option<String> {
    let asked = Command::new(program).arg("-version").stdin(Stdio::null()).output().ok()?;
    let said = String::from_utf8_lossy(&asked.stderr).into_owned();
    said.split('"').nth(1).map(str::to_owned)
}

/// `17.0.15` is 17; before Java 9 it was said as `1.8.0_292`.
fn major(version: &str) -> Option<u16> {
    let mut numbers = version.split(['.', '-', '+', '_']).map(|part| part.parse().ok());
    match numbers.next()?? {
        1 => numbers.next()?,
        major => Some(major),
    }
}

#[cfg(test)]
mod tests {
    use super::major;

    #[test]
    fn a_version_has_a_major_number() {
        for (text, want) in
            [("17.0.15", Some(17)), ("1.8.0_292", Some(8)), ("21-ea", Some(21)), ("x", None)]
        {
            assert_eq!(major(text), want, "{text}");
        }
    }
}

//! The Flink releases that are installed: `DIR/runtimes/flink-RELEASE/runtime.json` names
//! each, and which of them serves which `RuntimeEnvironment`.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use millrace_domain::runtime_environment::{RuntimeEnvironment, RuntimeKind};
use serde::{Deserialize, Serialize};

/// Written last into the directory of a release.
pub const RECORD: &str = "runtime.json";
/// What a distribution cannot do without.
const DIST: &str = "flink-dist";
/// The oldest that is driven here: 1.17 is the first whose JVM flags fit Java 17, and whose
/// REST interface can trigger checkpoints.
pub const OLDEST: (u16, u16) = (1, 17);

/// A release number, `1.18.1`; ordered as releases are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Release {
    pub major: u16,
    pub minor: u16,
    pub patch: u16,
}

impl Release {
    /// `1.18.1`, and nothing else.
    pub fn parse(text: &str) -> Option<Release> {
        let mut parts = text.split('.').map(|part| part.parse().ok());
        let release =
            Release { major: parts.next()??, minor: parts.next()??, patch: parts.next()?? };
        parts.next().is_none().then_some(release)
    }

    /// `(1, 18)`: what a runtime environment names.
    pub fn line(self) -> (u16, u16) {
        (self.major, self.minor)
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}.{}.{}", self.major, self.minor, self.patch)
    }
}

/// The line of Flink that a runtime environment names: `FLINK-1_18` is `(1, 18)`.
pub fn line_of(runtime: &str) -> Option<(u16, u16)> {
    let entry = RuntimeEnvironment::named(runtime).ok()?;
    (entry.kind == RuntimeKind::Flink).then_some(entry.version)
}

/// What is written of an installed release.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    pub release: String,
    /// The distribution, with `lib/`; absent: beside this record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub home: Option<PathBuf>,
    /// Where it was downloaded from.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// Of the download, in hexadecimal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sha256: Option<String>,
}

/// An installed release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Distribution {
    pub release: Release,
    /// Has `lib/`, and may have `opt/` and `plugins/`.
    pub home: PathBuf,
    /// Installed here, and not only pointed at.
    pub owned: bool,
}

impl Distribution {
    /// Of a directory that somebody unpacked: `lib/flink-dist-1.18.1.jar` tells the release.
    pub fn at(home: &Path) -> Result<Distribution, DistributionError> {
        let lib = home.join("lib");
        let entries = fs::read_dir(&lib)
            .map_err(|source| DistributionError::Io { path: lib.clone(), source })?;
        let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
        let release = names.filter_map(|name| release_of_jar(&name)).max();
        match release {
            Some(release) => Ok(Distribution { release, home: home.to_owned(), owned: false }),
            None => Err(DistributionError::NoDistribution { home: home.to_owned() }),
        }
    }

    /// What a JVM of it is given as class path.
    pub fn class_path(&self) -> String {
        format!("{}/*", self.home.join("lib").display())
    }
}

/// `flink-dist-1.18.1.jar`; older ones name their Scala: `flink-dist_2.12-1.14.6.jar`.
fn release_of_jar(name: &str) -> Option<Release> {
    let rest = name.strip_prefix(DIST)?.strip_suffix(".jar")?;
    Release::parse(rest.rsplit('-').next()?)
}

/// Why a directory is no distribution that can be used.
#[derive(Debug, thiserror::Error)]
pub enum DistributionError {
    #[error("cannot read {}", path.display())]
    Io { path: PathBuf, source: std::io::Error },
    #[error("{} has no lib/flink-dist-VERSION.jar: it is no distribution of Flink", home.display())]
    NoDistribution { home: PathBuf },
}

/// The releases of one data directory.
#[derive(Clone, Debug)]
pub struct Distributions {
    root: PathBuf,
}

impl Distributions {
    /// Those below `DIR/runtimes`.
    pub fn of_data_directory(data_directory: &Path) -> Distributions {
        Distributions { root: data_directory.join("runtimes") }
    }

    pub fn root(&self) -> &Path {
        &self.root
    }

    pub fn directory(&self, release: Release) -> PathBuf {
        self.root.join(format!("flink-{release}"))
    }

    /// All that are whole, oldest first. One whose record cannot be read is not there.
    ///
    /// # Errors
    /// The directory is there and cannot be listed.
    pub fn installed(&self) -> Result<Vec<Distribution>, DistributionError> {
        let entries = match fs::read_dir(&self.root) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
            Err(source) => {
                return Err(DistributionError::Io { path: self.root.clone(), source });
            }
        };
        let mut found: Vec<Distribution> =
            entries.flatten().filter_map(|entry| read(&entry.path())).collect();
        found.sort_by_key(|distribution| distribution.release);
        Ok(found)
    }

    /// The newest release of the line that `runtime` names.
    ///
    /// # Errors
    /// As [`Distributions::installed`].
    pub fn serving(&self, runtime: &str) -> Result<Option<Distribution>, DistributionError> {
        let Some(line) = line_of(runtime).filter(|line| *line >= OLDEST) else { return Ok(None) };
        let mut found = self.installed()?;
        found.retain(|distribution| distribution.release.line() == line);
        Ok(found.pop())
    }
}

fn read(directory: &Path) -> Option<Distribution> {
    let name = directory.file_name()?.to_str()?;
    let release = Release::parse(name.strip_prefix("flink-")?)?;
    let record: Record = serde_json::from_slice(&fs::read(directory.join(RECORD)).ok()?).ok()?;
    let owned = record.home.is_none();
    let home = record.home.unwrap_or_else(|| directory.to_owned());
    Some(Distribution { release, home, owned })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(root: &Path, release: &str) {
        let directory = root.join("runtimes").join(format!("flink-{release}"));
        fs::create_dir_all(&directory).expect("writable");
        let record = Record { release: release.to_owned(), home: None, source: None, sha256: None };
        let bytes = serde_json::to_vec(&record).expect("plain");
        fs::write(directory.join(RECORD), bytes).expect("writable");
    }

    #[test]
    fn releases_are_ordered_by_number() {
        let release = |text| Release::parse(text).expect(text);
        assert!(release("1.18.10") > release("1.18.9"));
        assert!(release("2.0.0") > release("1.20.3"));
        for bad in ["1.18", "1.18.1.1", "1.x.1", "", "1.18.1-rc1"] {
            assert_eq!(Release::parse(bad), None, "{bad}");
        }
        assert_eq!(release_of_jar("flink-dist-1.18.1.jar"), Some(release("1.18.1")));
        assert_eq!(release_of_jar("flink-dist_2.12-1.14.6.jar"), Some(release("1.14.6")));
        assert_eq!(release_of_jar("flink-csv-1.18.1.jar"), None);
    }

    #[test]
    fn a_runtime_is_served_by_the_newest_release_of_its_line() {
        let data = tempfile::tempdir().expect("a temporary directory");
        let releases = Distributions::of_data_directory(data.path());
        assert_eq!(releases.installed().expect("none"), []);
        for release in ["1.18.0", "1.18.1", "1.20.3", "1.15.4", "2.3.0"] {
            install(data.path(), release);
        }
        fs::create_dir(data.path().join("runtimes/flink-1.18.9")).expect("half installed");
        let check = |runtime: &str, want: Option<&str>| {
            let found = releases.serving(runtime).expect("listed");
            assert_eq!(found.map(|it| it.release.to_string()).as_deref(), want, "{runtime}");
        };
        check("FLINK-1_18", Some("1.18.1"));
        check("FLINK-1_20", Some("1.20.3"));
        check("FLINK-2_3", Some("2.3.0"));
        check("FLINK-1_19", None);
        // Older than what is driven here.
        check("FLINK-1_15", None);
        check("SQL-1_0", None);
    }
}

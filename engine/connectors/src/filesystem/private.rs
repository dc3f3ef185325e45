//! Directories that no table may read or write: whoever runs the engine for others keeps
//! its secrets and their files there, and a script is anybody's.

use std::path::{Component, Path, PathBuf};
use std::sync::OnceLock;

use millrace_dataflow::catalog::TableUsage;

static PRIVATE: OnceLock<Vec<PathBuf>> = OnceLock::new();

/// Keeps every filesystem table of this process out of `directories`. What was said first
/// holds: a process runs one job.
pub fn keep_out_of(directories: impl IntoIterator<Item = PathBuf>) {
    let resolved = directories.into_iter().map(|directory| resolved(&directory)).collect();
    // A second call cannot let anybody in.
    drop(PRIVATE.set(resolved));
}

/// Refuses a path that lies in a private directory, and for reading one above it too, as
/// sources go down into directories.
pub(super) fn check(path: &Path, usage: TableUsage) -> Result<(), String> {
    check_against(PRIVATE.get().map_or(&[], Vec::as_slice), path, usage)
}

fn check_against(private: &[PathBuf], path: &Path, usage: TableUsage) -> Result<(), String> {
    let real = resolved(path);
    let reads = !matches!(usage, TableUsage::Sink);
    let meets = |own: &PathBuf| real.starts_with(own) || (reads && own.starts_with(&real));
    if !private.iter().any(meets) {
        return Ok(());
    }
    Err(format!(
        "path '{}' leads into the service's own directory: keep tables elsewhere",
        path.display()
    ))
}

/// Without links and `..`, as far as the path exists; the rest by its text alone.
fn resolved(path: &Path) -> PathBuf {
    let existing = path.ancestors().find_map(|part| Some((part, part.canonicalize().ok()?)));
    let Some((part, mut real)) = existing else { return path.to_owned() };
    for component in path.strip_prefix(part).unwrap_or(path).components() {
        match component {
            Component::ParentDir => drop(real.pop()),
            Component::Normal(name) => real.push(name),
            _ => {}
        }
    }
    real
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_stay_out_of_private_directories() {
        let root = tempfile::tempdir().expect("a temporary directory");
        let at = |name: &str| root.path().join(name);
        for directory in ["data/applications", "work/in"] {
            std::fs::create_dir_all(at(directory)).expect("writable");
        }
        std::os::unix::fs::symlink(at("data"), at("work/link")).expect("writable");
        let private = [resolved(&at("data"))];
        let check = |path: &str, reads: bool, writes: bool| {
            let may = |usage| check_against(&private, &at(path), usage).is_ok();
            assert_eq!((may(TableUsage::Source), may(TableUsage::Sink)), (reads, writes), "{path}");
        };
        check("work/in", true, true);
        check("work/new/out", true, true);
        check("data-too", true, true);
        check("data", false, false);
        check("data/credentials", false, false);
        check("data/applications/x/new", false, false);
        check("work/../data/credentials", false, false);
        check("work/new/../../data/x", false, false);
        check("work/link/credentials", false, false);
        check("work/link/new", false, false);
        check("", false, true);
        assert!(check_against(&private, Path::new("/"), TableUsage::Source).is_err());
        assert!(check_against(&[], &at("data"), TableUsage::Source).is_ok());
    }
}

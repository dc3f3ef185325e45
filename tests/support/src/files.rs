//! Files in and files out, by the rules that the filesystem connector keeps: what is
//! hidden is not there yet.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context;

/// Puts a whole file into a directory that is being watched: written under a hidden
/// name, then renamed.
///
/// # Errors
/// The directory cannot be written.
pub fn drop_file(directory: &Path, name: &str, content: &str) -> anyhow::Result<()> {
    std::fs::create_dir_all(directory)?;
    let hidden = directory.join(format!(".{name}.writing"));
    std::fs::write(&hidden, content)
        .with_context(|| format!("cannot write {}", hidden.display()))?;
    std::fs::rename(&hidden, directory.join(name))?;
    Ok(())
}

/// Files below `directory`, by path; hidden names, in-progress files and their
/// directories left out. A directory that does not exist holds none.
///
/// # Errors
/// It cannot be listed.
pub fn finished_files(directory: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    collect(directory, &mut found)?;
    found.sort();
    Ok(found)
}

fn collect(directory: &Path, found: &mut Vec<PathBuf>) -> anyhow::Result<()> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        Err(failure) => return Err(failure.into()),
    };
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.starts_with(['.', '_']) || name.contains(".inprogress") {
            continue;
        }
        if path.is_dir() {
            collect(&path, found)?;
        } else {
            found.push(path);
        }
    }
    Ok(())
}

/// Every line of every finished file.
///
/// # Errors
/// A file cannot be read.
pub fn lines(directory: &Path) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    for path in finished_files(directory)? {
        let text = std::fs::read_to_string(&path)
            .with_context(|| format!("cannot read {}", path.display()))?;
        lines.extend(text.lines().map(str::to_owned));
    }
    Ok(lines)
}

/// What is in one multiset and not in the other, each line with `<` (only expected) or
/// `>` (only actual); empty when they are equal. At most 20 lines, so that a failure
/// can be read.
pub fn difference(expected: &[String], actual: &[String]) -> Vec<String> {
    let mut counts: BTreeMap<&str, i64> = BTreeMap::new();
    for line in expected {
        *counts.entry(line).or_default() += 1;
    }
    for line in actual {
        *counts.entry(line).or_default() -= 1;
    }
    let differing = counts.into_iter().filter(|(_, count)| *count != 0);
    let mut shown: Vec<String> = differing
        .map(|(line, count)| match count {
            1.. => format!("< {line} ({count} missing)"),
            _ => format!("> {line} ({} too many)", -count),
        })
        .collect();
    if shown.len() > 20 {
        let more = shown.len() - 20;
        shown.truncate(20);
        shown.push(format!("… and {more} more"));
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{difference, drop_file, lines};

    #[test]
    fn only_finished_files_are_read() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        drop_file(directory.path(), "a.csv", "1\n2\n").expect("writable");
        std::fs::write(directory.path().join(".part-1.inprogress.x"), "3\n").expect("writable");
        std::fs::write(directory.path().join("_SUCCESS"), "4\n").expect("writable");
        assert_eq!(lines(directory.path()).expect("readable"), ["1", "2"]);
        assert!(lines(&directory.path().join("absent")).expect("readable").is_empty());
    }

    #[test]
    fn difference_counts_repeats() {
        let text = |lines: &[&str]| lines.iter().map(|l| (*l).to_owned()).collect::<Vec<_>>();
        assert!(difference(&text(&["a", "b"]), &text(&["b", "a"])).is_empty());
        let shown = difference(&text(&["a", "b"]), &text(&["a", "a"]));
        assert_eq!(shown, ["> a (1 too many)", "< b (1 missing)"]);
    }
}

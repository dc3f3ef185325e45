//! Which files a directory holds.

use std::io;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use regex::Regex;

use super::path;

/// Directories nested deeper than this are taken for a loop of links.
const MAX_DEPTH: usize = 64;

/// One file to read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedFile {
    pub path: PathBuf,
    pub size: u64,
    pub modified_ms: i64,
}

/// A pattern that must match a whole path (row G8.4; Java: `Pattern.matches`).
pub fn whole_path(pattern: &str) -> Result<Regex, regex::Error> {
    Regex::new(&format!("^(?:{pattern})$"))
}

/// The files under `root`, or `root` itself when it is a file: hidden ones (a name
/// that starts with `.` or `_`) and those that `pattern` does not match left out;
/// oldest first, then by path.
///
/// # Errors
/// A directory that cannot be listed, with its path.
pub fn list(root: &Path, pattern: Option<&Regex>) -> Result<Vec<ListedFile>, (PathBuf, io::Error)> {
    let mut files = Vec::new();
    let root_metadata = std::fs::metadata(root).map_err(|error| (root.to_owned(), error))?;
    if root_metadata.is_dir() {
        list_directory(root, MAX_DEPTH, &mut files)?;
    } else {
        files.push(listed(root.to_owned(), &root_metadata));
    }
    files.retain(|file| pattern.is_none_or(|pattern| pattern.is_match(&path::text(&file.path))));
    files.sort_by(|a, b| (a.modified_ms, &a.path).cmp(&(b.modified_ms, &b.path)));
    Ok(files)
}

fn list_directory(
    directory: &Path,
    depth: usize,
    files: &mut Vec<ListedFile>,
) -> Result<(), (PathBuf, io::Error)> {
    let failed = |error| (directory.to_owned(), error);
    if depth == 0 {
        return Err(failed(io::Error::other("directories are nested more than 64 deep")));
    }
    for entry in std::fs::read_dir(directory).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        if is_hidden(&path) {
            continue;
        }
        match std::fs::metadata(&path) {
            Ok(metadata) if metadata.is_dir() => list_directory(&path, depth - 1, files)?,
            Ok(metadata) => files.push(listed(path, &metadata)),
            // Gone since the directory was read.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err((path, error)),
        }
    }
    Ok(())
}

fn is_hidden(path: &Path) -> bool {
    let name = path.file_name().map(|name| name.to_string_lossy());
    name.is_none_or(|name| name.starts_with(['.', '_']))
}

fn listed(path: PathBuf, metadata: &std::fs::Metadata) -> ListedFile {
    let since_epoch = metadata.modified().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
    let modified_ms = since_epoch.map_or(0, |since| since.as_millis() as i64);
    ListedFile { path, size: metadata.len(), modified_ms }
}

//! Removes what earlier starts of the job left unfinished.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::names::{Owner, Start, read_hidden};

/// Removes the hidden files of `owner` that were written before `start`. Files that
/// a restored checkpoint names must have been renamed before.
///
/// # Errors
/// What could not be removed or listed, with its path.
pub fn remove_unfinished(
    directory: &Path,
    owner: Owner,
    start: Start,
) -> Result<(), (PathBuf, io::Error)> {
    let entries = match fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err((directory.to_owned(), error)),
    };
    for entry in entries {
        let entry = entry.map_err(|error| (directory.to_owned(), error))?;
        let kind = entry.file_type().map_err(|error| (entry.path(), error))?;
        if kind.is_dir() {
            remove_unfinished(&entry.path(), owner, start)?;
        } else if is_left_over(&entry.file_name().to_string_lossy(), owner, start) {
            remove(&entry.path())?;
        }
    }
    Ok(())
}

fn is_left_over(name: &str, owner: Owner, start: Start) -> bool {
    read_hidden(name).is_some_and(|(written, by)| by == owner && written < start)
}

fn remove(path: &Path) -> Result<(), (PathBuf, io::Error)> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err((path.to_owned(), error)),
        _ => Ok(()),
    }
}

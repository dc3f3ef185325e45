//! What jobs log: `engine.log` of each generation, read in pieces.

use std::fs::File;
use std::io::{ErrorKind, Read, Result, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use bytes::Bytes;
use millrace_api::{LogChunk, LogFrom, LogPlace};
use millrace_domain::Generation;

/// Bytes read at once.
pub const CHUNK: usize = 64 * 1024;

/// A piece of the logs below `run`; `None` when no job ever ran, or not that generation.
///
/// # Errors
/// A log that is there cannot be read.
pub fn read(run: &Path, from: LogFrom) -> Result<Option<LogChunk>> {
    let generations = generations(run)?;
    let found = match from {
        LogFrom::Tail { bytes, generation } => {
            let wanted = generation.or(generations.last().copied());
            match wanted {
                Some(generation) => tail(run, generation, bytes)?,
                None => None,
            }
        }
        LogFrom::Place(place) => Some(place),
    };
    let Some(place) = found else { return Ok(None) };
    let Some(chunk) = piece(run, place)? else { return Ok(None) };
    let newer = generations.iter().find(|generation| **generation > place.generation);
    match newer {
        // At the end of a generation that is over.
        Some(newer) if chunk.bytes.is_empty() && matches!(from, LogFrom::Place(_)) => {
            Ok(piece(run, LogPlace { generation: *newer, offset: 0 })?.or(Some(chunk)))
        }
        _ => Ok(Some(chunk)),
    }
}

fn tail(run: &Path, generation: Generation, bytes: u64) -> Result<Option<LogPlace>> {
    let Some(file) = open(&log(run, generation))? else { return Ok(None) };
    let offset = file.metadata()?.len().saturating_sub(bytes);
    Ok(Some(LogPlace { generation, offset }))
}

fn piece(run: &Path, place: LogPlace) -> Result<Option<LogChunk>> {
    let Some(mut file) = open(&log(run, place.generation))? else { return Ok(None) };
    file.seek(SeekFrom::Start(place.offset))?;
    let mut bytes = Vec::new();
    file.take(CHUNK as u64).read_to_end(&mut bytes)?;
    let next = LogPlace { offset: place.offset + bytes.len() as u64, ..place };
    Ok(Some(LogChunk { bytes: Bytes::from(bytes), place, next }))
}

fn open(path: &Path) -> Result<Option<File>> {
    match File::open(path) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

fn log(run: &Path, generation: Generation) -> PathBuf {
    run.join(format!("g{generation}")).join("engine.log")
}

/// Those that ran, oldest first.
fn generations(run: &Path) -> Result<Vec<Generation>> {
    let entries = match std::fs::read_dir(run) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries?,
    };
    let generation = |name: &str| Some(Generation(name.strip_prefix('g')?.parse().ok()?));
    let mut found: Vec<Generation> =
        entries.flatten().filter_map(|entry| generation(entry.file_name().to_str()?)).collect();
    found.sort_unstable();
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write_log(run: &Path, generation: u64, text: &str) {
        let directory = run.join(format!("g{generation}"));
        std::fs::create_dir_all(&directory).expect("writable");
        std::fs::write(directory.join("engine.log"), text).expect("writable");
    }

    fn place(generation: u64, offset: u64) -> LogFrom {
        LogFrom::Place(LogPlace { generation: Generation(generation), offset })
    }

    #[track_caller]
    fn check(run: &Path, from: LogFrom, expected: Option<(&str, u64, u64)>) {
        let chunk = read(run, from).expect("it can be read");
        let found = chunk.as_ref().map(|chunk| {
            let text = std::str::from_utf8(&chunk.bytes).expect("as written");
            (text, chunk.next.generation.0, chunk.next.offset)
        });
        assert_eq!(found, expected);
    }

    #[test]
    fn logs_are_read_from_a_place_on_into_newer_generations() {
        let run = tempfile::tempdir().expect("a temporary directory");
        let tail = |bytes| LogFrom::Tail { bytes, generation: None };
        check(run.path(), tail(10), None);
        write_log(run.path(), 9, "nine");
        // By number, not by name.
        write_log(run.path(), 10, "ten, longer");
        std::fs::create_dir(run.path().join("check-1")).expect("writable");
        check(run.path(), tail(6), Some(("longer", 10, 11)));
        check(run.path(), tail(100), Some(("ten, longer", 10, 11)));
        check(run.path(), place(10, 11), Some(("", 10, 11)));
        check(run.path(), place(9, 2), Some(("ne", 9, 4)));
        check(run.path(), place(9, 4), Some(("ten, longer", 10, 11)));
        let ninth = LogFrom::Tail { bytes: 2, generation: Some(Generation(9)) };
        check(run.path(), ninth, Some(("ne", 9, 4)));
        let absent = LogFrom::Tail { bytes: 2, generation: Some(Generation(3)) };
        check(run.path(), absent, None);
    }
}

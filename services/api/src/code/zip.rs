//! Opens a zip that a stranger sent.

use std::io::{Cursor, Read};

use bytes::Bytes;
use memchr::memmem;
use zip::ZipArchive;
use zip::read::ZipFile;

use super::{CodeError, SCRIPT_BYTES};

/// What is run.
const SCRIPT: &str = "main.sql";
const ENTRIES: usize = 10_000;
/// What each entry of a zip's directory begins with. It may come in contents too, as in an
/// archive within the archive.
const DIRECTORY_ENTRY: &[u8] = b"PK\x01\x02";
const DIRECTORY_ENTRIES: usize = 10 * ENTRIES;
/// All entries, as they say of themselves.
const UNPACKED_BYTES: u64 = 1024 * 1024 * 1024;

/// What every JAR has.
const MANIFEST: &str = "META-INF/MANIFEST.MF";
/// What a JAR without a manifest still has: classes.
const CLASS: &str = ".class";
/// A program in Python.
const PYTHON: &str = ".py";

/// What a package is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Package {
    /// It has `main.sql`.
    Script,
    /// A JAR, or a program in Python: kept as it is, opened by what runs it.
    Program,
}

/// What a zip is, its directory checked.
pub fn package(bytes: &[u8]) -> Result<Package, CodeError> {
    let archive = open(bytes)?;
    let is_program = |name: &str| {
        name == MANIFEST || name.ends_with(CLASS) || name.ends_with(PYTHON) && !name.contains('/')
    };
    let program = archive.file_names().filter_map(Result::ok).any(|name| is_program(&name));
    match archive.index_for_name(SCRIPT) {
        None if program => Ok(Package::Program),
        _ => Ok(Package::Script),
    }
}

/// The text of `main.sql`. Every entry's name is checked, also of those not read, as
/// later code may unpack them; nothing but the script is inflated.
pub fn script(bytes: &[u8]) -> Result<Bytes, CodeError> {
    let mut archive = open(bytes)?;
    let index = find(&archive)?;
    let entry = archive.by_index(index).map_err(unreadable)?;
    read(entry)
}

fn open(bytes: &[u8]) -> Result<ZipArchive<Cursor<&[u8]>>, CodeError> {
    check_directory(bytes)?;
    let mut archive = ZipArchive::new(Cursor::new(bytes)).map_err(unreadable)?;
    check_entries(&mut archive)?;
    Ok(archive)
}

/// Opening an archive takes memory for each entry of its directory, many times what the
/// entry takes on the wire: they are counted before.
fn check_directory(bytes: &[u8]) -> Result<(), CodeError> {
    let entries = memmem::find_iter(bytes, DIRECTORY_ENTRY).take(DIRECTORY_ENTRIES + 1);
    if entries.count() > DIRECTORY_ENTRIES {
        return Err(CodeError::Zip(format!("it has more than {ENTRIES} entries")));
    }
    Ok(())
}

fn check_entries(archive: &mut ZipArchive<Cursor<&[u8]>>) -> Result<(), CodeError> {
    if archive.len() > ENTRIES {
        return Err(CodeError::Zip(format!("it has more than {ENTRIES} entries")));
    }
    let mut unpacked = 0u64;
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).map_err(unreadable)?;
        let name = entry.name().map_err(unreadable)?;
        if !stays_inside(&name) {
            let name: String = name.chars().take(100).collect();
            return Err(CodeError::Zip(format!("its entry {name:?} lies outside of it")));
        }
        unpacked = unpacked.saturating_add(entry.size());
    }
    if unpacked > UNPACKED_BYTES {
        return Err(CodeError::TooLarge { what: "the unpacked zip file", max: UNPACKED_BYTES });
    }
    Ok(())
}

/// Whether an entry's name is below where the zip is unpacked, on any system.
fn stays_inside(name: &str) -> bool {
    let directory = name.strip_suffix('/').unwrap_or(name);
    let plain = |part: &str| !part.is_empty() && part != "." && part != "..";
    !name.contains(['\\', ':', '\0']) && directory.split('/').all(plain)
}

fn find(archive: &ZipArchive<Cursor<&[u8]>>) -> Result<usize, CodeError> {
    if let Some(index) = archive.index_for_name(SCRIPT) {
        return Ok(index);
    }
    let nested = archive
        .file_names()
        .filter_map(Result::ok)
        .find(|name| name.ends_with(&format!("/{SCRIPT}")));
    Err(CodeError::Zip(match nested {
        Some(nested) => format!("{SCRIPT} must be at its top, and is at {nested:?}"),
        None => format!("it has no {SCRIPT} at its top"),
    }))
}

/// What an entry says of its size is a claim: the limit holds for what comes out.
fn read<R: Read>(entry: ZipFile<'_, R>) -> Result<Bytes, CodeError> {
    if entry.encrypted() {
        return Err(CodeError::Zip(format!("{SCRIPT} is encrypted")));
    }
    let mut script = Vec::new();
    entry
        .take(SCRIPT_BYTES + 1)
        .read_to_end(&mut script)
        .map_err(|error| CodeError::Zip(format!("{SCRIPT} is damaged: {error}")))?;
    if script.len() as u64 > SCRIPT_BYTES {
        return Err(CodeError::TooLarge { what: SCRIPT, max: SCRIPT_BYTES });
    }
    if std::str::from_utf8(&script).is_err() {
        return Err(CodeError::NotText(SCRIPT));
    }
    Ok(script.into())
}

fn unreadable(error: zip::result::ZipError) -> CodeError {
    CodeError::Zip(error.to_string())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use zip::ZipWriter;
    use zip::write::SimpleFileOptions;

    use super::*;

    fn zipped(entries: &[(&str, &[u8])]) -> Vec<u8> {
        let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
        for (name, content) in entries {
            writer.start_file(*name, SimpleFileOptions::default()).unwrap();
            writer.write_all(content).unwrap();
        }
        writer.finish().unwrap().into_inner()
    }

    fn check_refused(bytes: &[u8], expected: &str) {
        let error = script(bytes).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}\ndoes not contain\n{expected}");
    }

    #[test]
    fn the_script_is_main_sql_at_the_top() {
        let bytes = zipped(&[("lib/functions.py", b"pass"), ("main.sql", b"SELECT 1")]);
        assert_eq!(script(&bytes).unwrap(), "SELECT 1");
        check_refused(&zipped(&[("a.txt", b"")]), "it has no main.sql at its top");
        check_refused(&zipped(&[("app/main.sql", b"")]), "is at \"app/main.sql\"");
    }

    #[test]
    fn an_entry_outside_of_the_zip_is_refused() {
        for name in ["../../etc/passwd", "/etc/passwd", "a/../../b", "C:\\x", "a\\..\\b", "a//b"] {
            check_refused(&zipped(&[("main.sql", b"SELECT 1"), (name, b"")]), "lies outside");
        }
    }

    #[test]
    fn a_package_is_a_script_or_a_program() {
        let check = |names: &[&str], want: Package| {
            let entries: Vec<(&str, &[u8])> = names.iter().map(|name| (*name, &b""[..])).collect();
            assert_eq!(package(&zipped(&entries)).unwrap(), want, "{names:?}");
        };
        check(&["main.sql", "lib/functions.py"], Package::Script);
        check(&["META-INF/MANIFEST.MF", "com/shop/Main.class"], Package::Program);
        check(&["com/shop/Main.class"], Package::Program);
        check(&["main.py", "lib/pyflink-dependencies.jar"], Package::Program);
        // Refused by what looks for the script.
        check(&["readme.txt", "functions/a.py"], Package::Script);
        assert!(package(b"x").is_err());
    }

    #[test]
    fn a_bomb_is_refused_before_it_fills_the_memory() {
        let bomb = zipped(&[("main.sql", &vec![b' '; SCRIPT_BYTES as usize + 1])]);
        assert!(bomb.len() < 100_000, "it is small while packed: {}", bomb.len());
        check_refused(&bomb, "main.sql is larger than 4194304 bytes");
    }

    #[test]
    fn a_directory_that_would_fill_the_memory_is_not_opened() {
        let whole = zipped(&[("main.sql", b"SELECT 1")]);
        let before = |count: usize| [DIRECTORY_ENTRY.repeat(count), whole.clone()].concat();
        assert_eq!(script(&before(100)).unwrap(), "SELECT 1");
        check_refused(&before(DIRECTORY_ENTRIES), "more than 10000 entries");
    }

    #[test]
    fn what_is_no_zip_or_no_text_is_refused() {
        check_refused(b"SELECT 1", "cannot be opened");
        check_refused(b"", "cannot be opened");
        let whole = zipped(&[("main.sql", b"SELECT 1")]);
        check_refused(&whole[..whole.len() / 2], "cannot be opened");
        check_refused(&zipped(&[("main.sql", b"\xff\xfe")]), "main.sql is not UTF-8 text");
    }
}

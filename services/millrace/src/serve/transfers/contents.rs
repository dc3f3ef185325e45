//! What a snapshot has, by its manifest, and whether one from outside may be taken in.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use millrace_dataflow::RuntimeLevel;
use millrace_state::manifest::{self, FileMeta, METADATA, Manifest};
use serde_json::Value;

use super::TransferError;

/// Far larger than the manifest of any job.
pub const MANIFEST_BYTES: usize = 256 * 1024 * 1024;
/// The most that one import brings: 1 TiB, in 100,000 files.
const IMPORT_BYTES: u64 = 1 << 40;
const IMPORT_FILES: usize = 100_000;
/// What Apache Flink's own `_metadata` begins with.
const FLINK_MAGIC: [u8; 4] = 0x4960_672d_u32.to_be_bytes();

/// The manifest of a snapshot that holds all of its state.
#[derive(Debug)]
pub struct Contents(Manifest);

impl Contents {
    /// # Errors
    /// It is damaged, of a release to come, of Apache Flink, or a checkpoint whose state is
    /// partly elsewhere.
    pub fn read(bytes: &[u8], place: &str) -> Result<Contents, TransferError> {
        let unfit = |problem: &str| TransferError::Unfit {
            place: place.to_owned(),
            problem: problem.to_owned(),
        };
        if bytes.starts_with(&FLINK_MAGIC) {
            return Err(unfit(
                "it was written by Apache Flink, in a format that only Flink reads; \
                 snapshots of Millrace's own engine can be imported",
            ));
        }
        let newest = RuntimeLevel::ALL.into_iter().max().expect("there are levels");
        let manifest = manifest::decode(bytes, METADATA, newest).map_err(|error| {
            let problem = millrace_state::chain(&error);
            TransferError::Damaged { place: place.to_owned(), problem }
        })?;
        if manifest.shared.is_some() || !manifest.runs.is_empty() {
            return Err(unfit("it is an incremental checkpoint, whose state is partly elsewhere"));
        }
        let contents = Contents(manifest);
        contents.check_files().map_err(|problem| unfit(&problem))?;
        Ok(contents)
    }

    pub fn files(&self) -> impl Iterator<Item = &FileMeta> {
        self.0.files.iter()
    }

    pub fn bytes(&self) -> u64 {
        self.0.files.iter().map(|file| file.length).sum()
    }

    /// Names are those of files beside the manifest, once each; sizes are within bounds.
    fn check_files(&self) -> Result<(), String> {
        if self.0.files.len() > IMPORT_FILES {
            return Err(format!("it has more than {IMPORT_FILES} files"));
        }
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
        let mut names = BTreeSet::from([METADATA, ".", ".."]);
        for file in self.files() {
            let name = file.name.as_str();
            if name.is_empty() || !name.chars().all(plain) || !names.insert(name) {
                return Err(format!("it names a file {name:?}, which is no name of a state file"));
            }
        }
        let lengths = self.files().map(|file| file.length);
        let total = lengths.fold(0u64, u64::saturating_add);
        if total > IMPORT_BYTES {
            return Err(format!("it has {total} bytes, and at most {IMPORT_BYTES} are taken"));
        }
        Ok(())
    }

    /// A job that goes on from a snapshot reads and renames the files that sources and sinks
    /// had open. One made by hand must not lead it into `private`, nor out of its directory
    /// by `..`.
    ///
    /// # Errors
    /// It would.
    pub fn check_foreign(&self, private: &[PathBuf], place: &str) -> Result<(), TransferError> {
        let private: Vec<PathBuf> = private.iter().map(|path| resolved(path)).collect();
        for operator in &self.0.operators {
            let value = serde_json::to_value((&operator.source, &operator.sink));
            let value = value.expect("it was read from JSON");
            if let Some(text) = find_text(&value, &|text| leads_into(text, &private)) {
                let problem = format!(
                    "operator {} goes on with {text:?}, where no job of this service may be",
                    operator.name
                );
                return Err(TransferError::Unfit { place: place.to_owned(), problem });
            }
        }
        Ok(())
    }
}

fn find_text<'v>(value: &'v Value, is_bad: &dyn Fn(&str) -> bool) -> Option<&'v str> {
    match value {
        Value::String(text) => Some(text.as_str()).filter(|text| is_bad(text)),
        Value::Array(items) => items.iter().find_map(|item| find_text(item, is_bad)),
        Value::Object(members) => members.iter().find_map(|(key, item)| {
            Some(key.as_str()).filter(|key| is_bad(key)).or_else(|| find_text(item, is_bad))
        }),
        _ => None,
    }
}

/// Above a private directory too: the directory itself could be renamed.
fn leads_into(text: &str, private: &[PathBuf]) -> bool {
    let plain = text.strip_prefix("file:").unwrap_or(text);
    if Path::new(plain).components().any(|part| part == Component::ParentDir) {
        return true;
    }
    let named = private.iter().any(|private| text.contains(&*private.to_string_lossy()));
    let path = Path::new(plain.strip_prefix("//").unwrap_or(plain));
    let meets = path.is_absolute() && {
        let path = resolved(path);
        private.iter().any(|private| path.starts_with(private) || private.starts_with(&path))
    };
    named || meets
}

/// With the symbolic links of what there is of it followed.
fn resolved(path: &Path) -> PathBuf {
    for there in path.ancestors() {
        if let Ok(found) = there.canonicalize() {
            let rest = path.strip_prefix(there).expect("one of its ancestors");
            return found.join(rest);
        }
    }
    path.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_snapshot_from_outside_leads_no_job_into_private_directories() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let data = directory.path().join("data");
        std::fs::create_dir(&data).expect("it is empty");
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&data, &link).expect("it is empty");
        let private = [resolved(&data)];
        let check = |text: &str, expected: bool| {
            assert_eq!(leads_into(text, &private), expected, "{text}");
        };
        let below = |path: &Path, name: &str| path.join(name).display().to_string();
        check(&below(&data, "secret.key"), true);
        check(&format!("file://{}", below(&data, "x")), true);
        check(&format!("{{\"path\":\"{}\"}}", below(&data, "x")), true);
        check(&below(&link, "secret.key"), true);
        check(&directory.path().display().to_string(), true);
        check("/", true);
        check("a/../b", true);
        check("..", true);
        check("file:../x", true);
        check(&below(directory.path(), "orders"), false);
        check("orders/part-1", false);
        check("topic-3", false);
        check("https://example/subjects/x", false);
    }
}

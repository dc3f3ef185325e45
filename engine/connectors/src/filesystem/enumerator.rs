//! Finds files, each path once (row G8.3).

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};

use millrace_dataflow::source::{SourceError, Split, SplitEnumerator};
use regex::Regex;
use serde::{Deserialize, Serialize};

use super::split::FileSplit;
use super::{listing, path};
use crate::errors::source_failed;

/// What a file system enumerator remembers.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Seen {
    /// Every path that was handed over.
    paths: BTreeSet<String>,
    /// The directory was listed at least once.
    listed: bool,
}

pub struct FileEnumerator {
    pub root: PathBuf,
    pub pattern: Option<Regex>,
    /// New files are looked for again and again.
    pub continuous: bool,
    /// Files of at least twice this many bytes are read in ranges.
    pub range_bytes: Option<u64>,
    seen: Seen,
}

impl FileEnumerator {
    /// # Errors
    /// The saved state was written by something else.
    pub fn new(
        root: PathBuf,
        pattern: Option<Regex>,
        continuous: bool,
        range_bytes: Option<u64>,
        restored: Option<&serde_json::Value>,
    ) -> Result<FileEnumerator, SourceError> {
        let seen = match restored {
            None => Seen::default(),
            Some(state) => serde_json::from_value(state.clone()).map_err(|error| {
                let root = path::text(&root);
                source_failed(format!("the saved list of read files of '{root}' is damaged"), error)
            })?,
        };
        Ok(FileEnumerator { root, pattern, continuous, range_bytes, seen })
    }
}

impl FileEnumerator {
    fn may_come(&self, at: &Path, error: &io::Error) -> bool {
        self.continuous && at == self.root && error.kind() == io::ErrorKind::NotFound
    }
}

impl SplitEnumerator for FileEnumerator {
    fn discover(&mut self) -> Result<Vec<Split>, SourceError> {
        if self.seen.listed && !self.continuous {
            return Ok(Vec::new()); // a bounded source reads what was there at its start
        }
        let files = match listing::list(&self.root, self.pattern.as_ref()) {
            Ok(files) => files,
            // Flink: a watched directory that is not there yet is looked for again.
            Err((at, error)) if self.may_come(&at, &error) => Vec::new(),
            Err((at, error)) => {
                let message = format!("files under '{}' cannot be listed", path::text(&at));
                return Err(source_failed(message, error));
            }
        };
        self.seen.listed = true;
        let mut splits = Vec::new();
        for file in &files {
            if !self.seen.paths.insert(path::text(&file.path)) {
                continue;
            }
            match self.range_bytes {
                Some(bytes) => splits.extend(FileSplit::ranges(file, bytes)),
                None => splits.push(FileSplit::whole(file)),
            }
        }
        Ok(splits.into_iter().map(FileSplit::into_split).collect())
    }

    fn snapshot(&self) -> serde_json::Value {
        serde_json::to_value(&self.seen).expect("a set of texts has a JSON form")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_watched_directory_may_come_later_and_a_bounded_one_must_be_there() {
        let parent = tempfile::tempdir().expect("a temporary directory");
        let root = parent.path().join("in");
        let enumerator = |continuous| {
            FileEnumerator::new(root.clone(), None, continuous, None, None).expect("nothing saved")
        };
        let mut watching = enumerator(true);
        assert!(watching.discover().expect("not there yet").is_empty());
        assert!(enumerator(false).discover().is_err());
        std::fs::create_dir(&root).expect("writable");
        std::fs::write(root.join("a.csv"), "1\n").expect("writable");
        assert_eq!(watching.discover().expect("there").len(), 1);
        assert!(watching.discover().expect("still there").is_empty());
    }
}

//! The position in a file, as it stands in snapshots.

use millrace_dataflow::source::{SourceError, Split};
use serde::{Deserialize, Serialize};

use super::listing::ListedFile;
use super::path;
use crate::errors::source_failed;

/// A range of a file; records belong to the range that holds their first byte.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileSplit {
    pub path: String,
    /// The next byte to read.
    pub offset: u64,
    /// Records that start here or later belong to another split.
    pub end: u64,
    /// Of the whole file when it was listed.
    pub size: u64,
    pub modified_ms: i64,
    /// `offset` is the start of a record.
    pub aligned: bool,
}

impl FileSplit {
    /// The file as one split.
    pub fn whole(file: &ListedFile) -> FileSplit {
        FileSplit {
            path: path::text(&file.path),
            offset: 0,
            end: file.size,
            size: file.size,
            modified_ms: file.modified_ms,
            aligned: true,
        }
    }

    /// The file in ranges of at least `bytes`.
    pub fn ranges(file: &ListedFile, bytes: u64) -> Vec<FileSplit> {
        let count = (file.size / bytes).max(1);
        let bound = |at: u64| file.size / count * at;
        (0..count)
            .map(|at| FileSplit {
                offset: bound(at),
                end: if at + 1 == count { file.size } else { bound(at + 1) },
                aligned: at == 0,
                ..FileSplit::whole(file)
            })
            .collect()
    }

    /// With an id that stays: a path, or a path and where the range starts.
    pub fn into_split(self) -> Split {
        let whole = self.offset == 0 && self.end == self.size;
        let id = if whole { self.path.clone() } else { format!("{}@{}", self.path, self.offset) };
        Split { id, state: self.state() }
    }

    pub fn state(&self) -> serde_json::Value {
        serde_json::to_value(self).expect("a struct of texts and numbers has a JSON form")
    }

    /// # Errors
    /// The state was written by something else.
    pub fn of_split(split: &Split) -> Result<FileSplit, SourceError> {
        serde_json::from_value(split.state.clone()).map_err(|error| {
            source_failed(
                format!("the saved position of file split '{}' is damaged", split.id),
                error,
            )
        })
    }
}

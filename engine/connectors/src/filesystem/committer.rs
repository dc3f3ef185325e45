//! Makes written files visible, each by one rename.

use std::collections::BTreeSet;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use millrace_dataflow::CommitPermit;
use millrace_dataflow::sink::{Committable, Committer, SinkError};
use serde::{Deserialize, Serialize};

use super::path;
use crate::errors::{sink_failed, sink_refused};

/// A finished file that waits for its rename.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PendingFile {
    pub directory: PathBuf,
    pub hidden: String,
    pub visible: String,
    /// Created beside it once it is visible (rows G8.20, G8.22).
    pub success_file: Option<String>,
}

impl PendingFile {
    pub fn into_committable(self) -> Committable {
        Committable(serde_json::to_value(self).expect("texts have a JSON form"))
    }
}

pub struct FileCommitter;

impl Committer for FileCommitter {
    fn commit(
        &mut self,
        _permit: &CommitPermit,
        committables: &[Committable],
    ) -> Result<(), SinkError> {
        let mut directories = BTreeSet::new();
        for committable in committables {
            let pending: PendingFile = serde_json::from_value(committable.0.clone())
                .map_err(|error| sink_failed("a file to be committed is damaged", error))?;
            make_visible(&pending)?;
            directories.insert((pending.directory, pending.success_file));
        }
        for (directory, success_file) in &directories {
            finish_directory(directory, success_file.as_deref())?;
        }
        Ok(())
    }
}

// Idempotent: a rename that was done before is left alone.
fn make_visible(pending: &PendingFile) -> Result<(), SinkError> {
    let hidden = pending.directory.join(&pending.hidden);
    let visible = pending.directory.join(&pending.visible);
    if visible.exists() && !hidden.exists() {
        return Ok(());
    }
    match fs::rename(&hidden, &visible) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Err(sink_refused(format!(
            "rows of a completed checkpoint are lost: neither '{}' nor '{}' exists; was the \
             directory cleaned by hand?",
            path::text(&hidden),
            path::text(&visible)
        ))),
        Err(error) => Err(sink_failed(
            format!("file '{}' cannot be made visible", path::text(&visible)),
            error,
        )),
    }
}

fn finish_directory(directory: &Path, success_file: Option<&str>) -> Result<(), SinkError> {
    let failed = |error| {
        sink_failed(format!("directory '{}' cannot be finished", path::text(directory)), error)
    };
    if let Some(name) = success_file {
        fs::File::create(directory.join(name)).map_err(failed)?;
    }
    sync_directory(directory).map_err(failed)
}

/// So that names survive a loss of power.
pub fn sync_directory(directory: &Path) -> io::Result<()> {
    fs::File::open(directory)?.sync_all()
}

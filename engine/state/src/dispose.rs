//! Removing a savepoint because somebody asked for it.

use millrace_dataflow::RuntimeLevel;

use crate::error::StateError;
use crate::location;
use crate::log::{self, Entry, EntryKind, RestoreRequest, Restored};
use crate::manifest::{METADATA, SnapshotKind};
use crate::store::CheckpointStore;

/// Reads every format there is.
const NEWEST: RuntimeLevel = RuntimeLevel::ALL[RuntimeLevel::ALL.len() - 1];

impl CheckpointStore {
    /// Removes a savepoint, its entry in this application's log first, so that no entry
    /// names what is going (Flink: `POST /savepoint-disposal`).
    ///
    /// # Errors
    /// There is no snapshot, it is a checkpoint, which retention looks after, or it is
    /// what the next start of this application goes on from; or the store fails.
    pub async fn dispose(&self, savepoint: &str) -> Result<(), StateError> {
        let manifest = self.read_manifest(savepoint, NEWEST).await?;
        let kept = |reason: &str| {
            Err(StateError::Kept { location: savepoint.to_owned(), reason: reason.to_owned() })
        };
        if manifest.kind != SnapshotKind::Savepoint {
            return kept(
                "it is a checkpoint, and checkpoints are removed when newer ones are complete",
            );
        }
        let path = location::parse(savepoint)?;
        let is_it = |other: &str| location::parse(other).is_ok_and(|other| other == path);
        let entries = self.entries().await?;
        if let Restored::Checkpoint { location, .. } =
            log::resolve(&entries, &RestoreRequest::Latest)
            && is_it(&location)
        {
            return kept("it is the latest state of its application, and a start needs it");
        }
        for entry in entries.iter().filter(|entry| names(entry, is_it)) {
            self.remove_entry(entry.sequence).await?;
        }
        // Nothing but its own files: a later savepoint may lie in a directory below.
        let files = manifest.files.iter().map(|file| file.name.as_str());
        for file in std::iter::once(METADATA).chain(files) {
            self.remove_file(path.clone().join(file)).await?;
        }
        Ok(())
    }
}

fn names(entry: &Entry, is_it: impl Fn(&str) -> bool) -> bool {
    matches!(&entry.kind, EntryKind::Checkpoint { location, .. } if is_it(location))
}

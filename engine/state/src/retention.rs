//! Which checkpoints may go: pure.

use crate::log::{Entry, EntryKind};

/// Entries that retention removes, with the directories that no other entry names.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Expired {
    pub sequences: Vec<u64>,
    pub locations: Vec<String>,
}

/// Keeps the `retained` newest checkpoints (at least one), every savepoint, every
/// `generation` entry, and whatever is newer than the last of those kept
/// (`state.checkpoints.num-retained`, row F4.19).
pub fn expired(entries: &[Entry], retained: usize) -> Expired {
    let mut kept: Vec<&str> = vec![];
    let mut result = Expired::default();
    for entry in entries.iter().rev() {
        let EntryKind::Checkpoint { location, savepoint, .. } = &entry.kind else { continue };
        let is_kept = kept.contains(&location.as_str());
        if *savepoint || is_kept || kept.len() < retained.max(1) {
            if !is_kept && !savepoint {
                kept.push(location);
            }
            continue;
        }
        result.sequences.push(entry.sequence);
        if !result.locations.contains(location) {
            result.locations.push(location.clone());
        }
    }
    result
}

#[cfg(test)]
mod tests {
    use millrace_dataflow::{CheckpointId, Generation};

    use super::*;
    use crate::log::Restored;

    fn entry(sequence: u64, kind: EntryKind) -> Entry {
        Entry {
            sequence,
            application: "a".into(),
            generation: Generation(1),
            owner: "o".into(),
            at_ms: 0,
            kind,
        }
    }

    fn checkpoint(sequence: u64, location: &str, savepoint: bool) -> Entry {
        let location = location.to_owned();
        let checkpoint = CheckpointId(sequence);
        entry(sequence, EntryKind::Checkpoint { checkpoint, savepoint, location, held: false })
    }

    #[test]
    fn f4_19_old_checkpoints_go_and_savepoints_and_starts_stay() {
        let entries = [
            entry(1, EntryKind::Generation { restores: Restored::None }),
            checkpoint(2, "/c2", false),
            checkpoint(3, "/s3", true),
            checkpoint(4, "/c4", false),
            entry(5, EntryKind::Generation { restores: Restored::None }),
            checkpoint(6, "/c6", false),
            checkpoint(7, "/c6", false),
        ];
        let check = |retained, sequences: &[u64], locations: &[&str]| {
            let wanted = Expired {
                sequences: sequences.to_vec(),
                locations: locations.iter().map(|text| (*text).to_owned()).collect(),
            };
            assert_eq!(expired(&entries, retained), wanted);
        };
        check(0, &[4, 2], &["/c4", "/c2"]);
        check(1, &[4, 2], &["/c4", "/c2"]);
        check(2, &[2], &["/c2"]);
        check(3, &[], &[]);
    }
}

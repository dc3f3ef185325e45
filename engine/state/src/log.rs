//! The checkpoint log: which engine owns an application and which checkpoint
//! counts, decided by pure functions over the entries that were read.
//!
//! ```text
//! 1 generation g1 ── 2 checkpoint c1 ── 3 checkpoint c2 ── 4 generation g2 ── 5 checkpoint c3
//!                                                          restores c2        (g1's create of 4 or 5 fails: fenced)
//! ```
//!
//! Every entry is one conditional create at `last + 1`. So entries have one order,
//! an engine that has not seen the last one cannot write the next, and what a
//! start restores is what the log said just before its own entry.

use millrace_dataflow::{CheckpointId, Generation, RuntimeLevel};
use serde::{Deserialize, Serialize};

/// One file of the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub sequence: u64,
    pub application: String,
    pub generation: Generation,
    /// Names the process, so that one that lost the answer of its create can tell
    /// its own entry from that of another with the same generation.
    pub owner: String,
    pub at_ms: i64,
    #[serde(flatten)]
    pub kind: EntryKind,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum EntryKind {
    /// A start claims the application.
    Generation { restores: Restored },
    /// A checkpoint or savepoint becomes visible.
    Checkpoint {
        checkpoint: CheckpointId,
        savepoint: bool,
        /// Directory of the manifest, as [`crate::location::display`] writes it.
        location: String,
        /// Taken while commits were held: its committables are not yet to be made
        /// visible. A later entry with the same location and `held: false` releases it.
        held: bool,
    },
}

/// What a start restores from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Restored {
    None,
    /// A visible entry of this log.
    Checkpoint {
        checkpoint: CheckpointId,
        location: String,
        held: bool,
    },
    /// A snapshot named by whoever asked for the start.
    Snapshot {
        location: String,
    },
}

/// What the job description asks for. `since_generation`: when that or a later
/// generation has claimed the application already, this start repeats an earlier one
/// and goes on from the latest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum RestoreRequest {
    None {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since_generation: Option<Generation>,
    },
    Latest,
    Snapshot {
        location: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since_generation: Option<Generation>,
    },
}

impl RestoreRequest {
    pub const FRESH: RestoreRequest = RestoreRequest::None { since_generation: None };

    pub fn snapshot(location: impl Into<String>) -> RestoreRequest {
        RestoreRequest::Snapshot { location: location.into(), since_generation: None }
    }

    /// The newest level whose snapshot format a start at `level` may read.
    ///
    /// A snapshot chosen by name is read by its own level and later ones. The
    /// application's own latest state is read in every format this engine knows: a job
    /// that broke can no longer write an older format, and going back to an older
    /// version from anything but its latest state would repeat what it has shown.
    pub fn reads(&self, level: RuntimeLevel) -> RuntimeLevel {
        match self {
            RestoreRequest::Latest => RuntimeLevel::ALL.into_iter().fold(level, RuntimeLevel::max),
            RestoreRequest::None { .. } | RestoreRequest::Snapshot { .. } => level,
        }
    }
}

/// Whether a start may go on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Claim {
    /// Create this sequence with a `generation` entry that says so.
    Append { sequence: u64, restores: Restored, earlier_claims: u32 },
    /// A greater generation is there: stop.
    Superseded { newer: Generation },
}

/// Decides a start of `generation`, given all entries in order of sequence.
pub fn decide_claim(entries: &[Entry], generation: Generation, request: &RestoreRequest) -> Claim {
    if let Some(newer) = entries.iter().map(|entry| entry.generation).max()
        && newer > generation
    {
        return Claim::Superseded { newer };
    }
    Claim::Append {
        sequence: next_sequence(entries),
        restores: resolve(entries, request),
        earlier_claims: claims_of(entries, generation),
    }
}

/// What a request means by the log as it is.
pub fn resolve(entries: &[Entry], request: &RestoreRequest) -> Restored {
    let (RestoreRequest::None { since_generation }
    | RestoreRequest::Snapshot { since_generation, .. }) = request
    else {
        return latest(entries);
    };
    let is_repeated =
        since_generation.is_some_and(|since| entries.iter().any(|entry| entry.generation >= since));
    match request {
        RestoreRequest::Snapshot { location, .. } if !is_repeated => {
            Restored::Snapshot { location: location.clone() }
        }
        RestoreRequest::None { .. } if !is_repeated => Restored::None,
        _ => latest(entries),
    }
}

/// The state the application is in by the log: the newest checkpoint, or, where a
/// later start chose otherwise and has not checkpointed yet, what that start chose.
pub fn latest(entries: &[Entry]) -> Restored {
    match entries.last().map(|entry| &entry.kind) {
        None => Restored::None,
        Some(EntryKind::Generation { restores }) => restores.clone(),
        Some(EntryKind::Checkpoint { checkpoint, location, held, .. }) => Restored::Checkpoint {
            checkpoint: *checkpoint,
            location: location.clone(),
            held: *held,
        },
    }
}

/// The sequence that the next entry must have.
pub fn next_sequence(entries: &[Entry]) -> u64 {
    entries.last().map_or(1, |entry| entry.sequence + 1)
}

/// The greatest checkpoint id that the log has seen; 0 when none.
pub fn last_checkpoint(entries: &[Entry]) -> CheckpointId {
    let ids = entries.iter().map(|entry| match &entry.kind {
        EntryKind::Checkpoint { checkpoint, .. } => *checkpoint,
        EntryKind::Generation { restores: Restored::Checkpoint { checkpoint, .. } } => *checkpoint,
        EntryKind::Generation { .. } => CheckpointId(0),
    });
    ids.max().unwrap_or(CheckpointId(0))
}

fn claims_of(entries: &[Entry], generation: Generation) -> u32 {
    let is_claim = |entry: &&Entry| {
        entry.generation == generation && matches!(entry.kind, EntryKind::Generation { .. })
    };
    entries.iter().filter(is_claim).count() as u32
}

/// What the conditional create of an entry led to, once the place was read back
/// where the answer left it open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Created {
    Won,
    /// Another entry has the sequence.
    Lost {
        to: Box<Entry>,
    },
    /// Nobody has it yet: try again.
    Open,
}

/// Judges what was found at the place of `wanted`.
pub fn judge_create(wanted: &Entry, found: Option<Entry>) -> Created {
    match found {
        None => Created::Open,
        Some(entry) if entry == *wanted => Created::Won,
        Some(entry) => Created::Lost { to: Box::new(entry) },
    }
}

impl Entry {
    /// For messages: `generation 4 claimed the application with entry 17`.
    pub fn describe(&self) -> String {
        let (generation, sequence) = (self.generation, self.sequence);
        match &self.kind {
            EntryKind::Generation { .. } => {
                format!("generation {generation} claimed the application with log entry {sequence}")
            }
            EntryKind::Checkpoint { checkpoint, .. } => format!(
                "checkpoint {checkpoint} of generation {generation} has log entry {sequence}"
            ),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(sequence: u64, generation: u64, kind: EntryKind) -> Entry {
        Entry {
            sequence,
            application: "a".into(),
            generation: Generation(generation),
            owner: "o".into(),
            at_ms: 0,
            kind,
        }
    }

    fn start(sequence: u64, generation: u64, restores: Restored) -> Entry {
        entry(sequence, generation, EntryKind::Generation { restores })
    }

    fn checkpoint(sequence: u64, generation: u64, id: u64, held: bool) -> Entry {
        let location = format!("/c{id}");
        let checkpoint = CheckpointId(id);
        entry(
            sequence,
            generation,
            EntryKind::Checkpoint { checkpoint, savepoint: false, location, held },
        )
    }

    fn restored(id: u64, held: bool) -> Restored {
        Restored::Checkpoint { checkpoint: CheckpointId(id), location: format!("/c{id}"), held }
    }

    fn snapshot() -> Restored {
        Restored::Snapshot { location: "/s".into() }
    }

    #[test]
    fn a_start_is_decided_by_the_entries_alone() {
        let check = |entries: &[Entry], generation: u64, request: RestoreRequest, want: Claim| {
            assert_eq!(decide_claim(entries, Generation(generation), &request), want);
        };
        let append = |sequence, restores, earlier_claims| Claim::Append {
            sequence,
            restores,
            earlier_claims,
        };
        use RestoreRequest::Latest;
        let named = || RestoreRequest::snapshot("/s");
        let fresh = || RestoreRequest::FRESH;
        let since = |generation| RestoreRequest::Snapshot {
            location: "/s".into(),
            since_generation: Some(Generation(generation)),
        };
        let running = vec![start(1, 1, Restored::None), checkpoint(2, 1, 1, false)];

        check(&[], 1, Latest, append(1, Restored::None, 0));
        check(&[], 1, named(), append(1, snapshot(), 0));
        check(&running, 2, Latest, append(3, restored(1, false), 0));
        check(&running, 2, fresh(), append(3, Restored::None, 0));
        check(&running, 2, named(), append(3, snapshot(), 0));
        // The same generation again, after its process died or was started twice.
        check(&running, 1, Latest, append(3, restored(1, false), 1));
        // The first start since generation 2 takes the snapshot, a repeated one does not.
        check(&running, 2, since(2), append(3, snapshot(), 0));
        check(&running, 2, since(1), append(3, restored(1, false), 0));
        // Retention has removed entry 2.
        let pruned = vec![start(1, 1, Restored::None), checkpoint(3, 1, 2, true)];
        check(&pruned, 2, Latest, append(4, restored(2, true), 0));
        // A later start is there.
        let newer = vec![running[0].clone(), running[1].clone(), start(3, 5, restored(1, false))];
        check(&newer, 4, Latest, Claim::Superseded { newer: Generation(5) });
        check(&newer, 6, Latest, append(4, restored(1, false), 0));
    }

    #[test]
    fn latest_follows_what_a_start_without_a_checkpoint_chose() {
        let mut entries = vec![start(1, 1, Restored::None), checkpoint(2, 1, 1, false)];
        entries.push(start(3, 2, snapshot()));
        assert_eq!(latest(&entries), snapshot());
        entries.push(start(4, 3, Restored::None));
        assert_eq!(latest(&entries), Restored::None);
        entries.push(checkpoint(5, 3, 2, false));
        assert_eq!(latest(&entries), restored(2, false));
        assert_eq!(last_checkpoint(&entries), CheckpointId(2));
    }

    #[test]
    fn a_create_without_an_answer_is_judged_by_what_is_there() {
        let mine = start(3, 2, Restored::None);
        let twin = Entry { owner: "another process".into(), ..mine.clone() };
        assert_eq!(judge_create(&mine, None), Created::Open);
        assert_eq!(judge_create(&mine, Some(mine.clone())), Created::Won);
        assert_eq!(judge_create(&mine, Some(twin.clone())), Created::Lost { to: Box::new(twin) });
    }
}

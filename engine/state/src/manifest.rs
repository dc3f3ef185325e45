//! The manifest of a snapshot: one line of JSON and one line with its CRC-32.
//!
//! Formats (one per compatibility level; `engine/design/snapshot-format.md`):
//! 1 (FLINK-1_15) a digest of each operator's layout, plain blocks;
//! 2 (FLINK-1_18) the layout's text, blocks compressed when asked;
//! 3 (FLINK-1_19) the time to live of each operator's state;
//! 4 (FLINK-1_20) all state in one file.

use millrace_dataflow::graph::StateLayout;
use millrace_dataflow::sink::Committable;
use millrace_dataflow::source::Split;
use millrace_dataflow::{CheckpointId, Generation, OperatorId, RuntimeLevel};
use serde::{Deserialize, Serialize};

use crate::block::BlockMeta;
use crate::error::StateError;

/// The manifest's name within a snapshot's directory (Flink's).
pub const METADATA: &str = "_metadata";

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    pub format: u32,
    /// The level that reads this format first.
    pub runtime: String,
    pub application: String,
    pub generation: Generation,
    pub checkpoint: CheckpointId,
    pub kind: SnapshotKind,
    pub created_at_ms: i64,
    pub max_parallelism: u16,
    /// Commits were held when it was taken: its committables were not made visible.
    pub held: bool,
    pub operators: Vec<OperatorState>,
    pub files: Vec<FileMeta>,
    /// Where the runs lie, relative to the manifest's directory; `None` without runs.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub shared: Option<String>,
    /// Runs of [`Manifest::shared`]; snapshots of kind
    /// [`SnapshotKind::IncrementalCheckpoint`] alone have any.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub runs: Vec<RunMeta>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SnapshotKind {
    Checkpoint,
    Savepoint,
    /// A checkpoint that refers to runs. A kind of its own, so that a build that knows
    /// no runs refuses it instead of restoring it without them.
    IncrementalCheckpoint,
}

/// A state file, relative to the manifest.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileMeta {
    pub name: String,
    pub length: u64,
    pub crc32: u32,
}

/// A file of pages that several checkpoints may share (`engine/design/state-runs.md`).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunMeta {
    pub name: String,
    pub length: u64,
    pub crc32: u32,
}

/// The pages of one subtask.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SubtaskRuns {
    pub subtask: u16,
    /// Newest first; the runs of one follow each other in order of key.
    pub tiers: Vec<Vec<RunPart>>,
}

/// A run, of which only the key groups `start <= group < end` count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RunPart {
    /// Index into [`Manifest::runs`].
    pub run: usize,
    pub start: u16,
    pub end: u16,
}

/// What one operator left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatorState {
    pub id: OperatorId,
    pub name: String,
    /// [`StateLayout::kind`].
    pub kind: String,
    /// Of [`StateLayout::layout`], 16 hex digits.
    pub layout_digest: String,
    /// From format 2 on.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub layout: Option<String>,
    /// From format 3 on; 0: for ever.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub state_ttl_ms: Option<i64>,
    pub parallelism: u16,
    pub entries: u64,
    pub sections: Vec<Section>,
    /// State beside that of the sections.
    #[serde(skip_serializing_if = "Vec::is_empty", default)]
    pub runs: Vec<SubtaskRuns>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub source: Option<SourceState>,
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sink: Option<SinkState>,
}

/// The blocks of one subtask within one file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Section {
    pub subtask: u16,
    /// Index into [`Manifest::files`].
    pub file: usize,
    pub offset: u64,
    pub blocks: Vec<BlockMeta>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SourceState {
    pub enumerator: serde_json::Value,
    /// Found, and not yet with a reader.
    pub pending: Vec<SplitPosition>,
    /// With readers, at their positions.
    pub reading: Vec<SplitPosition>,
    /// The least watermark that any of its subtasks had sent; `None` before the first.
    pub watermark_ms: Option<i64>,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SplitPosition {
    #[serde(flatten)]
    pub split: Split,
    /// The split's own watermark; `None` before the first.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub watermark_ms: Option<i64>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SinkState {
    pub writers: Vec<serde_json::Value>,
    /// Prepared up to this snapshot; to be committed again after a restore.
    pub committables: Vec<Committable>,
}

/// What must be readable before anything else is trusted.
#[derive(Deserialize)]
struct Head {
    format: u32,
    runtime: String,
}

/// The digest that stands for a layout in every format.
pub fn layout_digest(layout: &StateLayout) -> String {
    format!("{:016x}", twox_hash::XxHash64::oneshot(0, layout.layout.as_bytes()))
}

/// The manifest as bytes.
pub fn encode(manifest: &Manifest) -> Vec<u8> {
    let mut bytes = serde_json::to_vec(manifest).expect("a manifest holds no map with odd keys");
    let checksum = crc32fast::hash(&bytes);
    bytes.extend_from_slice(format!("\n{checksum:08x}\n").as_bytes());
    bytes
}

/// Reads a manifest for an engine of `level`.
///
/// # Errors
/// The bytes are not what [`encode`] wrote, or the format is later than the level's.
pub fn decode(bytes: &[u8], file: &str, level: RuntimeLevel) -> Result<Manifest, StateError> {
    let json = checked_line(bytes).map_err(|reason| StateError::damaged(file, reason))?;
    let no_manifest =
        |error: serde_json::Error| StateError::damaged(file, format!("no manifest: {error}"));
    let head: Head = serde_json::from_slice(json).map_err(no_manifest)?;
    if head.format > level.snapshot_format() {
        return Err(StateError::FormatTooNew {
            location: file.trim_end_matches("/_metadata").to_owned(),
            format: head.format,
            written_by: head.runtime,
            level,
            readable: level.snapshot_format(),
        });
    }
    let manifest: Manifest = serde_json::from_slice(json).map_err(no_manifest)?;
    check_runs(&manifest).map_err(|reason| StateError::damaged(file, reason))?;
    Ok(manifest)
}

/// Every part names a run that is listed, and every run's name is that of a file.
fn check_runs(manifest: &Manifest) -> Result<(), String> {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
    let odd = |run: &&RunMeta| !run.name.ends_with(".run") || !run.name.chars().all(is_plain);
    if let Some(run) = manifest.runs.iter().find(odd) {
        return Err(format!("{:?} is no name of a run", run.name));
    }
    let tiers = manifest.operators.iter().flat_map(|operator| &operator.runs);
    let mut parts = tiers.flat_map(|runs| runs.tiers.iter().flatten());
    if parts.any(|part| part.run >= manifest.runs.len()) {
        return Err("it refers to a run that it does not list".into());
    }
    if manifest.shared.is_none() && !manifest.runs.is_empty() {
        return Err("it does not say where its runs are".into());
    }
    Ok(())
}

fn checked_line(bytes: &[u8]) -> Result<&[u8], String> {
    // "\n" + 8 hex digits + "\n"
    let (json, tail) = bytes
        .len()
        .checked_sub(10)
        .map(|at| bytes.split_at(at))
        .ok_or("it is too short to be a manifest")?;
    let digits = tail
        .strip_prefix(b"\n")
        .and_then(|tail| tail.strip_suffix(b"\n"))
        .and_then(|digits| std::str::from_utf8(digits).ok())
        .ok_or("it does not end in a checksum: it was cut off")?;
    let wanted = format!("{:08x}", crc32fast::hash(json));
    if digits != wanted {
        return Err("its checksum does not fit its bytes".into());
    }
    Ok(json)
}

/// The level whose snapshot format this is.
pub fn level_of_format(format: u32) -> Option<RuntimeLevel> {
    RuntimeLevel::ALL.into_iter().find(|level| level.snapshot_format() == format)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn manifest(level: RuntimeLevel) -> Manifest {
        Manifest {
            format: level.snapshot_format(),
            runtime: level.to_string(),
            application: "a".into(),
            generation: Generation(1),
            checkpoint: CheckpointId(7),
            kind: SnapshotKind::Savepoint,
            created_at_ms: 5,
            max_parallelism: 128,
            held: false,
            operators: vec![],
            files: vec![],
            shared: None,
            runs: vec![],
        }
    }

    #[test]
    fn h5_each_format_is_read_by_later_levels_and_refused_by_earlier_ones() {
        for writer in RuntimeLevel::ALL {
            let bytes = encode(&manifest(writer));
            for reader in RuntimeLevel::ALL {
                let read = decode(&bytes, "/s/_metadata", reader);
                if reader >= writer {
                    assert_eq!(read.unwrap(), manifest(writer));
                    continue;
                }
                let message = read.unwrap_err().to_string();
                for part in [writer.environment(), reader.environment(), "savepoint in the format"]
                {
                    assert!(message.contains(part), "{message}");
                }
            }
        }
    }

    #[test]
    fn a_changed_or_cut_manifest_is_refused_by_name() {
        let bytes = encode(&manifest(RuntimeLevel::Flink1_18));
        let check = |bad: &[u8]| {
            let error = decode(bad, "/s/_metadata", RuntimeLevel::Flink1_20).unwrap_err();
            assert!(error.to_string().contains("/s/_metadata"), "{error}");
        };
        for length in 0..bytes.len() {
            check(&bytes[..length]);
        }
        for at in 0..bytes.len() {
            let mut bad = bytes.clone();
            bad[at] ^= 4;
            check(&bad);
        }
    }
}

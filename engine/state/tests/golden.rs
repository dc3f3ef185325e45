//! Snapshots that earlier builds wrote, kept in the tree: every later build restores
//! them. Written anew with `UPDATE_GOLDEN=1`, which only a new format is a reason for.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use millrace_dataflow::graph::StateLayout;
use millrace_dataflow::key_group::{KeyGroup, KeyGroupRange};
use millrace_dataflow::sink::Committable;
use millrace_dataflow::source::Split;
use millrace_dataflow::{CheckpointId, Generation, OperatorId, RuntimeLevel};
use millrace_state::manifest::{SinkState, SourceState, SplitPosition};
use millrace_state::read::Share;
use millrace_state::write::{self, OperatorContent, SnapshotContent};
use millrace_state::{CheckpointStore, EntryBuffer, LoadedSnapshot, SnapshotKind};
use object_store::local::LocalFileSystem;

const GROUPS: u16 = 8;
const LEVELS: [RuntimeLevel; 4] = RuntimeLevel::ALL;

type Entries = BTreeMap<(Option<u16>, u8, Vec<u8>), Vec<u8>>;

fn golden() -> PathBuf {
    Path::new("tests/golden").canonicalize().expect("tests run in the crate's directory")
}

fn name(level: RuntimeLevel, compress: bool) -> String {
    let how = if compress { "-compressed" } else { "" };
    format!("format-{}{how}", level.snapshot_format())
}

fn store(root: &Path) -> CheckpointStore {
    let objects = Arc::new(LocalFileSystem::new());
    CheckpointStore::new(objects, root.to_str().unwrap(), "orders", "test").unwrap()
}

/// What every golden holds: keyed entries, entries without a key group, an empty subtask.
fn entries(subtask: u16) -> Entries {
    let mut entries = Entries::new();
    let range = KeyGroupRange::of_subtask(GROUPS, 2, subtask);
    for group in range.start..range.end {
        entries.insert((Some(group), 0, vec![group as u8, 7]), vec![5; 40]);
        entries.insert((Some(group), 1, vec![]), group.to_le_bytes().to_vec());
    }
    entries.insert((None, 2, vec![subtask as u8]), b"no group".repeat(6));
    entries
}

fn buffer(subtask: u16) -> EntryBuffer {
    let mut buffer = EntryBuffer::default();
    for ((group, table, key), value) in entries(subtask) {
        buffer.put(group.map(KeyGroup), table, &key, &value);
    }
    buffer
}

fn operator(id: &str, kind: &str, subtasks: Vec<(u16, EntryBuffer)>) -> OperatorContent {
    OperatorContent {
        id: OperatorId(id.into()),
        name: kind.into(),
        layout: StateLayout { kind: kind.into(), layout: "keys=[id: BIGINT]".into() },
        state_ttl_ms: 60_000,
        parallelism: 2,
        subtasks,
        runs: vec![],
        source: None,
        sink: None,
    }
}

fn source() -> SourceState {
    let split = |id: &str| SplitPosition {
        split: Split { id: id.into(), state: serde_json::json!({"offset": 12}) },
        watermark_ms: Some(1_000),
    };
    SourceState {
        enumerator: serde_json::json!({"seen": ["a", "b"]}),
        pending: vec![split("a")],
        reading: vec![split("b")],
        watermark_ms: Some(900),
    }
}

fn sink() -> SinkState {
    SinkState {
        writers: vec![serde_json::json!({"part": 3})],
        committables: vec![Committable(serde_json::json!({"file": "part-0-2"}))],
    }
}

fn content(level: RuntimeLevel, compress: bool) -> SnapshotContent {
    let with_source =
        OperatorContent { source: Some(source()), ..operator("s0", "source", vec![]) };
    let with_sink = OperatorContent { sink: Some(sink()), ..operator("k0", "sink", vec![]) };
    let keyed = vec![(0, buffer(0)), (1, buffer(1))];
    let empty = vec![(0, EntryBuffer::default())];
    SnapshotContent {
        format: level.snapshot_format(),
        compress,
        incremental: false,
        application: "orders".into(),
        generation: Generation(3),
        checkpoint: CheckpointId(17),
        kind: SnapshotKind::Savepoint,
        created_at_ms: 1_700_000_000_000,
        max_parallelism: GROUPS,
        held: true,
        operators: vec![
            with_source,
            operator("a0", "group-aggregate", keyed),
            operator("r0", "rank", empty),
            with_sink,
        ],
    }
}

async fn load(directory: &Path, level: RuntimeLevel) -> Result<LoadedSnapshot, String> {
    let loaded = store(directory).load(directory.to_str().unwrap(), level).await;
    loaded.map_err(|error| error.to_string())
}

fn read(snapshot: &LoadedSnapshot, id: &str, parallelism: u16) -> Result<Entries, String> {
    let operator = snapshot.operator(&OperatorId(id.into())).ok_or("no such operator")?;
    let mut found = Entries::new();
    for subtask in 0..parallelism {
        let key_groups = KeyGroupRange::of_subtask(GROUPS, parallelism, subtask);
        let visit = |entry: millrace_state::block::EntryRef<'_>| {
            let key = (entry.group.map(|group| group.0), entry.table, entry.key.to_vec());
            assert!(found.insert(key, entry.value.to_vec()).is_none(), "an entry came twice");
        };
        let share = Share { key_groups, subtask, parallelism };
        snapshot.entries(operator, share, visit).map_err(|error| error.to_string())?;
    }
    Ok(found)
}

async fn update(level: RuntimeLevel, compress: bool) {
    let directory = golden().join(name(level, compress));
    if directory.exists() {
        fs::remove_dir_all(&directory).unwrap();
    }
    let encoded = write::encode(content(level, compress)).unwrap();
    let location = directory.to_str().unwrap();
    store(&golden()).write_snapshot(location, encoded).await.unwrap();
}

#[tokio::test]
async fn every_format_that_was_ever_written_is_restored() {
    let mut wanted = entries(0);
    wanted.extend(entries(1));
    for writer in LEVELS {
        for compress in [false, true] {
            if std::env::var_os("UPDATE_GOLDEN").is_some() {
                update(writer, compress).await;
            }
            let directory = golden().join(name(writer, compress));
            for reader in LEVELS.into_iter().filter(|reader| *reader >= writer) {
                let loaded = load(&directory, reader).await.unwrap();
                for parallelism in [1, 2, 3, 8] {
                    assert_eq!(read(&loaded, "a0", parallelism).unwrap(), wanted, "{directory:?}");
                }
                assert!(read(&loaded, "r0", 1).unwrap().is_empty());
                let manifest = &loaded.manifest;
                assert_eq!(manifest.checkpoint, CheckpointId(17));
                assert!(manifest.held);
                assert_eq!(manifest.operators[0].source, Some(source()));
                assert_eq!(manifest.operators[3].sink, Some(sink()));
            }
        }
    }
}

#[tokio::test]
async fn h5_a_golden_of_a_later_format_is_refused_by_name() {
    for writer in LEVELS {
        let directory = golden().join(name(writer, false));
        for reader in LEVELS.into_iter().filter(|reader| *reader < writer) {
            let message = load(&directory, reader).await.unwrap_err();
            assert!(message.contains(&writer.to_string()), "{message}");
        }
    }
}

#[tokio::test]
async fn a_golden_with_any_damaged_byte_or_cut_is_refused_by_name() {
    for writer in LEVELS {
        for compress in [false, true] {
            let directory = golden().join(name(writer, compress));
            for file in fs::read_dir(&directory).unwrap() {
                let file = file.unwrap().file_name().into_string().unwrap();
                refuse_damage(&directory, &file).await;
            }
        }
    }
}

async fn refuse_damage(golden: &Path, file: &str) {
    let copy = tempfile::tempdir().unwrap();
    for from in fs::read_dir(golden).unwrap() {
        let from = from.unwrap();
        fs::copy(from.path(), copy.path().join(from.file_name())).unwrap();
    }
    let path = copy.path().join(file);
    let whole = fs::read(&path).unwrap();
    let check = async |bytes: &[u8], what: String| {
        fs::write(&path, bytes).unwrap();
        let message = load(copy.path(), RuntimeLevel::Flink1_20).await.unwrap_err();
        assert!(message.contains(file), "{what} of {file}: {message}");
    };
    for at in (0..whole.len()).step_by(29) {
        let mut bytes = whole.clone();
        bytes[at] ^= 1 << (at % 8);
        check(&bytes, format!("bit of byte {at}")).await;
        check(&whole[..at], format!("first {at} bytes")).await;
    }
}

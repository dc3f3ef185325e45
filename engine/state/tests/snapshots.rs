//! Snapshots on a directory: formats, damage, key-group shares.

use std::path::Path;
use std::sync::Arc;

use millrace_dataflow::graph::StateLayout;
use millrace_dataflow::key_group::{KeyGroup, KeyGroupRange};
use millrace_dataflow::{CheckpointId, Generation, OperatorId, RuntimeLevel};
use millrace_state::durable::DurableFiles;
use millrace_state::read::Share;
use millrace_state::write::{self, OperatorContent, SnapshotContent};
use millrace_state::{CheckpointStore, EntryBuffer, LoadedSnapshot, SnapshotKind, StateError};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

fn store(root: &Path) -> CheckpointStore {
    let objects = Arc::new(LocalFileSystem::new());
    CheckpointStore::new(objects, root.to_str().unwrap(), "app", "test").unwrap()
}

fn buffer(subtask: u16) -> EntryBuffer {
    let range = KeyGroupRange::of_subtask(128, 2, subtask);
    let mut buffer = EntryBuffer::default();
    for group in range.start..range.end {
        buffer.put(Some(KeyGroup(group)), 1, &group.to_le_bytes(), &[9; 100]);
    }
    for index in 0..5u8 {
        buffer.put(None, 2, &[subtask as u8, index], b"");
    }
    buffer
}

fn content(level: RuntimeLevel, compress: bool) -> SnapshotContent {
    SnapshotContent {
        format: level.snapshot_format(),
        compress,
        incremental: false,
        application: "app".into(),
        generation: Generation(1),
        checkpoint: CheckpointId(1),
        kind: SnapshotKind::Savepoint,
        created_at_ms: 0,
        max_parallelism: 128,
        held: false,
        operators: vec![OperatorContent {
            id: OperatorId("0123".into()),
            name: "aggregate".into(),
            layout: StateLayout { kind: "group-aggregate".into(), layout: "keys=[a]".into() },
            state_ttl_ms: 60_000,
            parallelism: 2,
            subtasks: vec![(0, buffer(0)), (1, buffer(1))],
            runs: vec![],
            source: None,
            sink: None,
        }],
    }
}

async fn write(root: &Path, level: RuntimeLevel, compress: bool) -> String {
    let location = root.join("sp").to_str().unwrap().to_owned();
    store(root)
        .write_snapshot(&location, write::encode(content(level, compress)).unwrap())
        .await
        .unwrap();
    location
}

#[tokio::test]
async fn every_level_reads_its_own_and_all_earlier_formats() {
    for writer in RuntimeLevel::ALL {
        for compress in [false, true] {
            let root = tempfile::tempdir().unwrap();
            let location = write(root.path(), writer, compress).await;
            for reader in RuntimeLevel::ALL {
                let loaded = store(root.path()).load(&location, reader).await;
                assert_eq!(loaded.is_ok(), reader >= writer, "{writer} read by {reader}");
            }
        }
    }
}

/// Larger than the parts that a file is put in.
fn large(level: RuntimeLevel) -> SnapshotContent {
    let mut content = content(level, false);
    for (subtask, buffer) in &mut content.operators[0].subtasks {
        for key in 0..100u32 {
            let group = KeyGroup(*subtask * 64 + (key % 64) as u16);
            buffer.put(Some(group), 3, &key.to_le_bytes(), &vec![key as u8; 200_000]);
        }
    }
    content
}

#[tokio::test]
async fn a_snapshot_written_piece_by_piece_is_the_one_written_at_once() {
    for level in RuntimeLevel::ALL {
        let root = tempfile::tempdir().unwrap();
        let objects: Arc<dyn ObjectStore> = Arc::new(DurableFiles::new());
        let store =
            CheckpointStore::new(objects, root.path().to_str().unwrap(), "app", "test").unwrap();
        let wanted = write::encode(large(level)).unwrap();
        assert!(wanted.files.iter().any(|file| file.len() > 16 << 20));
        let location = root.path().join("sp").to_str().unwrap().to_owned();
        let written = store.write_content(&location, large(level)).await.unwrap();
        let loaded = store.load(&location, level).await.unwrap();
        assert_eq!(loaded.manifest, wanted.manifest);
        let bytes: u64 = wanted.files.iter().map(|file| file.len() as u64).sum();
        assert_eq!((written.bytes, written.state_bytes), (bytes, bytes));
        let files = std::fs::read_dir(root.path().join("sp")).unwrap().count();
        assert_eq!(files, wanted.files.len() + 1);
    }
}

/// All entries of a subtask's share; waits for what is read.
async fn taken(loaded: &LoadedSnapshot, share: Share) -> Result<Vec<Vec<u8>>, StateError> {
    let loaded = loaded.clone();
    let take = move || {
        let (mut entries, operator) = (vec![], &loaded.manifest.operators[0]);
        loaded.entries(operator, share, |entry| {
            entries.push([&[entry.table][..], entry.key, b"=", entry.value].concat());
        })?;
        Ok(entries)
    };
    tokio::task::spawn_blocking(take).await.unwrap()
}

#[tokio::test]
async fn a_snapshot_that_is_not_held_gives_the_same_and_notices_all_damage() {
    for level in RuntimeLevel::ALL {
        let root = tempfile::tempdir().unwrap();
        let location = write(root.path(), level, true).await;
        let held = store(root.path()).load(&location, level).await.unwrap();
        let not_holding = store(root.path()).holding_at_most(0);
        let stored = not_holding.load(&location, level).await.unwrap();
        for parallelism in [1, 2, 3, 7] {
            for subtask in 0..parallelism {
                let key_groups = KeyGroupRange::of_subtask(128, parallelism, subtask);
                let share = Share { key_groups, subtask, parallelism };
                let want = taken(&held, share).await.unwrap();
                assert_eq!(taken(&stored, share).await.unwrap(), want);
            }
        }
        let name = &held.manifest.files[0].name;
        let path = std::path::Path::new(&location).join(name);
        let good = std::fs::read(&path).unwrap();
        let all =
            Share { key_groups: KeyGroupRange { start: 0, end: 128 }, subtask: 0, parallelism: 1 };
        for (what, bad) in [
            ("a flipped bit", flipped(&good, good.len() / 2)),
            ("a shorter file", good[..good.len() - 1].to_vec()),
            ("nothing", vec![]),
        ] {
            std::fs::write(&path, bad).unwrap();
            let refused = not_holding.load(&location, level).await.unwrap_err();
            assert!(matches!(&refused, StateError::Damaged { .. }), "{what}: {refused}");
            assert!(refused.to_string().contains(name.as_str()), "{what}: {refused}");
            let late = taken(&stored, all).await.unwrap_err();
            assert!(
                late.to_string().contains("read") || matches!(late, StateError::Damaged { .. })
            );
        }
        std::fs::remove_file(&path).unwrap();
        for gone in [
            not_holding.load(&location, level).await.unwrap_err(),
            taken(&stored, all).await.unwrap_err(),
        ] {
            assert!(matches!(&gone, StateError::Damaged { .. }), "{gone}");
        }
    }
}

fn flipped(bytes: &[u8], at: usize) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    bytes[at] ^= 1;
    bytes
}

#[tokio::test]
async fn each_format_holds_what_its_level_added() {
    for level in RuntimeLevel::ALL {
        let root = tempfile::tempdir().unwrap();
        let location = write(root.path(), level, true).await;
        let manifest = store(root.path()).read_manifest(&location, level).await.unwrap();
        let operator = &manifest.operators[0];
        let size: u64 = manifest.files.iter().map(|file| file.length).sum();
        assert_eq!(operator.layout.is_some(), level >= RuntimeLevel::Flink1_18);
        assert_eq!(size < 10_000, level >= RuntimeLevel::Flink1_18, "{size} bytes");
        assert_eq!(operator.state_ttl_ms.is_some(), level >= RuntimeLevel::Flink1_19);
        assert_eq!(manifest.files.len() == 1, level >= RuntimeLevel::Flink1_20);
    }
}

#[tokio::test]
async fn h5_10_shares_of_any_parallelism_hold_each_entry_once() {
    let root = tempfile::tempdir().unwrap();
    let location = write(root.path(), RuntimeLevel::Flink1_20, true).await;
    let loaded = store(root.path()).load(&location, RuntimeLevel::Flink1_20).await.unwrap();
    let operator = loaded.operator(&OperatorId("0123".into())).unwrap();
    for parallelism in [1, 2, 3, 7] {
        let mut keys = vec![];
        for subtask in 0..parallelism {
            let key_groups = KeyGroupRange::of_subtask(128, parallelism, subtask);
            let share = Share { key_groups, subtask, parallelism };
            loaded
                .entries(operator, share, |entry| {
                    assert!(entry.group.is_none_or(|group| key_groups.contains(group)));
                    keys.push((entry.table, entry.key.to_vec()));
                })
                .unwrap();
        }
        keys.sort();
        keys.dedup();
        assert_eq!(keys.len(), 138, "parallelism {parallelism}");
    }
}

#[tokio::test]
async fn damage_of_any_kind_is_refused_with_the_files_name() {
    type Damage = fn(&Path);
    let cut = |path: &Path| {
        let bytes = std::fs::read(path).unwrap();
        std::fs::write(path, &bytes[..bytes.len() - 1]).unwrap();
    };
    let flip = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 16;
        std::fs::write(path, bytes).unwrap();
    };
    let grow = |path: &Path| {
        let mut bytes = std::fs::read(path).unwrap();
        bytes.push(0);
        std::fs::write(path, bytes).unwrap();
    };
    let remove = |path: &Path| std::fs::remove_file(path).unwrap();
    let empty = |path: &Path| std::fs::write(path, b"").unwrap();
    let damages: [(&str, Damage); 5] =
        [("cut", cut), ("flip", flip), ("grow", grow), ("remove", remove), ("empty", empty)];
    for level in [RuntimeLevel::Flink1_15, RuntimeLevel::Flink1_20] {
        for (name, damage) in damages {
            for file in
                ["_metadata", if level == RuntimeLevel::Flink1_15 { "state-0-1" } else { "state" }]
            {
                let root = tempfile::tempdir().unwrap();
                let location = write(root.path(), level, false).await;
                damage(&Path::new(&location).join(file));
                let error = store(root.path()).load(&location, level).await.unwrap_err();
                assert!(error.to_string().contains(file), "{name} {file}: {error}");
            }
        }
    }
}

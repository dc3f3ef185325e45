//! What is on disk when a checkpoint is acknowledged.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use millrace_dataflow::{CheckpointId, Generation};
use millrace_state::durable::{DurableFiles, Sync};
use millrace_state::manifest::{FileMeta, Manifest, SnapshotKind};
use millrace_state::store::NewCheckpoint;
use millrace_state::write::Encoded;
use millrace_state::{CheckpointStore, RestoreRequest};
use object_store::path::Path as ObjectPath;
use object_store::{ObjectStore, ObjectStoreExt, PutMode, PutOptions};

/// What a power loss would leave: bytes by file, names by directory, as last synced.
#[derive(Clone, Debug, Default)]
struct Platter(Arc<Mutex<Kept>>);

#[derive(Debug, Default)]
struct Kept {
    bytes: BTreeMap<PathBuf, Vec<u8>>,
    names: BTreeMap<PathBuf, Vec<PathBuf>>,
    directory_syncs: usize,
    fails: bool,
}

impl Sync for Platter {
    fn file(&self, file: &File, path: &Path) -> io::Result<()> {
        use std::os::unix::fs::FileExt;
        let mut bytes = vec![0; file.metadata()?.len() as usize];
        // The staged file is open for writing alone.
        let staged = fs::read_link(format!("/proc/self/fd/{}", fd(file)))?;
        File::open(staged)?.read_exact_at(&mut bytes, 0)?;
        self.0.lock().unwrap().bytes.insert(path.to_owned(), bytes);
        Ok(())
    }

    fn directory(&self, path: &Path) -> io::Result<()> {
        let names =
            fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        let mut kept = self.0.lock().unwrap();
        if kept.fails {
            return Err(io::Error::other("the disk is gone"));
        }
        kept.directory_syncs += 1;
        kept.names.insert(path.to_owned(), names);
        Ok(())
    }
}

fn fd(file: &File) -> i32 {
    use std::os::fd::AsRawFd;
    file.as_raw_fd()
}

impl Platter {
    /// The file's bytes, if every name on the way to it is kept.
    fn read(&self, path: &Path, root: &Path) -> Option<Vec<u8>> {
        let kept = self.0.lock().unwrap();
        let below = path.ancestors().take_while(|ancestor| *ancestor != root);
        for step in below {
            kept.names.get(step.parent()?)?.contains(&step.to_owned()).then_some(())?;
        }
        kept.bytes.get(path).cloned()
    }
}

fn snapshot(files: usize) -> Encoded {
    let bytes = |file: usize| vec![file as u8; 100 * file];
    let meta = |file: usize| FileMeta {
        name: format!("state-{file}"),
        length: 100 * file as u64,
        crc32: crc32fast::hash(&bytes(file)),
    };
    let manifest = Manifest {
        format: 1,
        runtime: "1.15".into(),
        application: "app".into(),
        generation: Generation(1),
        checkpoint: CheckpointId(1),
        kind: SnapshotKind::Checkpoint,
        created_at_ms: 0,
        max_parallelism: 128,
        held: false,
        operators: vec![],
        files: (0..files).map(meta).collect(),
        shared: None,
        runs: vec![],
    };
    Encoded { manifest, files: (0..files).map(|file| bytes(file).into()).collect(), runs: vec![] }
}

fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
}

#[tokio::test]
async fn an_acknowledged_checkpoint_outlives_a_power_loss() {
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let platter = Platter::default();
    let objects = Arc::new(DurableFiles::with_sync(Box::new(platter.clone())));
    let state = root.join("deep/state");
    let store = CheckpointStore::new(objects, state.to_str().unwrap(), "app", "test").unwrap();
    let mut claimed = store.claim(Generation(1), &RestoreRequest::Latest, 0).await.unwrap();
    for id in 1..4 {
        let checkpoint = CheckpointId(id);
        let location = store.checkpoint_location(claimed.sequence, checkpoint);
        let before = platter.0.lock().unwrap().directory_syncs;
        store.write_snapshot(&location, snapshot(5)).await.unwrap();
        let new = NewCheckpoint { checkpoint, savepoint: false, location, held: false };
        store.publish(&mut claimed, new, 0).await.unwrap();
        for file in files_below(root) {
            assert_eq!(platter.read(&file, root).as_ref(), fs::read(&file).ok().as_ref());
        }
        // Its own directory, the one above it (twice when that is new), the log's.
        let syncs = platter.0.lock().unwrap().directory_syncs - before;
        assert!(syncs <= 4, "{syncs} syncs of directories for checkpoint {id}");
    }
    // A manifest, five files and an entry each, and the claim.
    assert_eq!(files_below(root).len(), 3 * 7 + 1);
}

#[tokio::test]
async fn a_create_counts_only_when_its_name_is_on_disk() {
    let directory = tempfile::tempdir().unwrap();
    let platter = Platter::default();
    let objects = DurableFiles::with_sync(Box::new(platter.clone()));
    let path = ObjectPath::from_absolute_path(directory.path().join("entry")).unwrap();
    let create = || objects.put_opts(&path, "one".into(), PutOptions::from(PutMode::Create));
    platter.0.lock().unwrap().fails = true;
    assert!(create().await.unwrap_err().to_string().contains("local files"));
    // It has its name, and yet nobody may take it for won.
    assert!(objects.get(&path).await.is_err());
    platter.0.lock().unwrap().fails = false;
    assert_eq!(objects.get(&path).await.unwrap().bytes().await.unwrap(), "one");
    assert!(matches!(create().await, Err(object_store::Error::AlreadyExists { .. })));
}

#[tokio::test]
async fn a_staged_file_of_a_crash_is_neither_listed_nor_in_the_way() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("entry#1"), "half").unwrap();
    let objects = DurableFiles::new();
    let root = ObjectPath::from_absolute_path(directory.path()).unwrap();
    let path = root.clone().join("entry");
    objects.put(&path, "whole".into()).await.unwrap();
    objects.put(&path, "again".into()).await.unwrap();
    let listed: Vec<_> =
        futures::TryStreamExt::try_collect(objects.list(Some(&root))).await.unwrap();
    assert_eq!(listed.len(), 1);
    assert_eq!(objects.get(&path).await.unwrap().bytes().await.unwrap(), "again");
}

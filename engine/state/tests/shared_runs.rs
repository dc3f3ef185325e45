//! Checkpoints that share runs: what is written, what is restored by whom, what goes,
//! and what a death between any two steps leaves.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use millrace_dataflow::graph::StateLayout;
use millrace_dataflow::key_group::{KeyGroup, KeyGroupRange};
use millrace_dataflow::{CheckpointId, Generation, OperatorId, RuntimeLevel};
use millrace_state::fault::{Death, MortalStore};
use millrace_state::pages::{
    Background, PageStore, RunOptions, RunSet, Runs, put_entry, visit_entries,
};
use millrace_state::read::Share;
use millrace_state::shared::FetchTarget;
use millrace_state::store::NewCheckpoint;
use millrace_state::write::{self, OperatorContent, SnapshotContent};
use millrace_state::{
    CheckpointStore, Claimed, EntryBuffer, RestoreRequest, Restored, SnapshotKind, StateError,
};
use object_store::ObjectStore;
use object_store::local::LocalFileSystem;

const GROUPS: u16 = 8;
const LEVEL: RuntimeLevel = RuntimeLevel::Flink1_20;

type Pages = BTreeMap<(u16, Vec<u8>), Vec<u8>>;

fn local() -> Arc<dyn ObjectStore> {
    Arc::new(LocalFileSystem::new())
}

fn store(objects: Arc<dyn ObjectStore>, root: &Path) -> CheckpointStore {
    CheckpointStore::new(objects, root.to_str().unwrap(), "app", "test").unwrap()
}

/// One subtask's keys, its store on disk, and what should be in it.
struct Subtask {
    pages: Runs,
    model: Pages,
}

impl Subtask {
    fn open(directory: &Path, prefix: &str, background: &Background, from: &RunSet) -> Subtask {
        Subtask::merging_at(4, directory, prefix, background, from)
    }

    fn merging_at(
        merge_at: usize,
        directory: &Path,
        prefix: &str,
        background: &Background,
        from: &RunSet,
    ) -> Subtask {
        let mut options = RunOptions::new(directory.join(prefix), prefix);
        (options.write_buffer_bytes, options.merge_at) = (4_000, merge_at);
        let pages = Runs::open(options, background.clone(), from).unwrap();
        Subtask { pages, model: pages_of(from, GROUPS) }
    }

    /// Writes keys `from..to`, as version `version`.
    fn put(&mut self, keys: std::ops::Range<u32>, version: u8) {
        for key in keys {
            let (group, key) = (KeyGroup((key % u32::from(GROUPS)) as u16), key.to_be_bytes());
            let mut page = vec![];
            put_entry(&mut page, 3, &key, &[version; 30]);
            self.model.insert((group.0, key.to_vec()), page.clone());
            self.pages.apply(&mut std::iter::once((group, key.to_vec(), Some(page)))).unwrap();
        }
    }
}

fn pages_of(set: &RunSet, groups: u16) -> Pages {
    let mut pages = Pages::new();
    let all = KeyGroupRange { start: 0, end: groups };
    set.pages(all, &mut |group, key, value| {
        pages.insert((group.0, key.to_vec()), value.to_vec());
    })
    .unwrap();
    pages
}

/// Progress beside the pages, as operators write it.
fn progress() -> EntryBuffer {
    let mut buffer = EntryBuffer::default();
    for group in 0..GROUPS {
        buffer.put(Some(KeyGroup(group)), 9, b"", &[group as u8]);
    }
    buffer.put(None, 8, b"once", b"");
    buffer
}

fn content(checkpoint: u64, kind: SnapshotKind, runs: Vec<(u16, RunSet)>) -> SnapshotContent {
    SnapshotContent {
        format: LEVEL.snapshot_format(),
        compress: false,
        incremental: true,
        application: "app".into(),
        generation: Generation(1),
        checkpoint: CheckpointId(checkpoint),
        kind,
        created_at_ms: 0,
        max_parallelism: GROUPS,
        held: false,
        operators: vec![OperatorContent {
            id: OperatorId("a0".into()),
            name: "aggregate".into(),
            layout: StateLayout { kind: "group-aggregate".into(), layout: String::new() },
            state_ttl_ms: 0,
            parallelism: 1,
            subtasks: vec![(0, progress())],
            runs,
            source: None,
            sink: None,
        }],
    }
}

/// Writes and publishes a checkpoint: bytes written, bytes of state.
async fn checkpoint(
    store: &CheckpointStore,
    claimed: &mut Claimed,
    id: u64,
    runs: RunSet,
) -> Result<(u64, u64), StateError> {
    let location = store.checkpoint_location(claimed.sequence, CheckpointId(id));
    let encoded = write::encode(content(id, SnapshotKind::Checkpoint, vec![(0, runs)]))?;
    let written = store.write_snapshot(&location, encoded).await?;
    let checkpoint = CheckpointId(id);
    let new = NewCheckpoint { checkpoint, savepoint: false, location, held: false };
    store.publish(claimed, new, 0).await?;
    Ok((written.bytes, written.state_bytes))
}

async fn claim(store: &CheckpointStore, generation: u64) -> Claimed {
    store.claim(Generation(generation), &RestoreRequest::Latest, 0).await.unwrap()
}

/// The pages that the newest checkpoint holds for some key groups.
async fn restore(store: &CheckpointStore, groups: KeyGroupRange, into: &Path) -> RunSet {
    let entries = store.entries().await.unwrap();
    let Restored::Checkpoint { location, .. } = millrace_state::log::latest(&entries) else {
        return RunSet::default();
    };
    let loaded = store.load(&location, LEVEL).await.unwrap();
    let operator = loaded.operator(&OperatorId("a0".into())).unwrap();
    let target = FetchTarget { directory: into, prefix: "9-0" };
    store.fetch_runs(&location, &loaded.manifest, operator, groups, target).await.unwrap()
}

fn shared_files(root: &Path) -> usize {
    std::fs::read_dir(root.join("shared")).map_or(0, Iterator::count)
}

#[tokio::test]
async fn f5_2_a_checkpoint_writes_what_is_new_and_what_it_no_longer_needs_goes() {
    let (root, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, background) = (store(local(), root.path()), Background::start(1));
    let mut claimed = claim(&store, 1).await;
    let mut subtask = Subtask::open(work.path(), "1-0", &background, &RunSet::default());
    subtask.put(0..2_000, 1);
    subtask.pages.freeze().unwrap();
    subtask.pages.settle().unwrap();
    let first = subtask.pages.freeze().unwrap();
    let (written, whole) = checkpoint(&store, &mut claimed, 1, first).await.unwrap();
    assert_eq!(written, whole);
    subtask.put(100..120, 2);
    let second = subtask.pages.freeze().unwrap();
    let (written, whole) = checkpoint(&store, &mut claimed, 2, second).await.unwrap();
    assert!(written * 10 < whole, "{written} of {whole}");
    store.retire(claimed.next_sequence(), 1).await.unwrap();
    let all = KeyGroupRange { start: 0, end: GROUPS };
    let restored = restore(&store, all, &work.path().join("r")).await;
    assert_eq!(pages_of(&restored, GROUPS), subtask.model);
    // All that was there is rewritten: the first runs go with their last checkpoint.
    for version in 3..9 {
        subtask.put(0..2_000, version);
    }
    subtask.pages.freeze().unwrap();
    subtask.pages.settle().unwrap();
    let third = subtask.pages.freeze().unwrap();
    let needed: usize = third.tiers().unwrap().iter().map(|tier| tier.runs.len()).sum();
    checkpoint(&store, &mut claimed, 3, third).await.unwrap();
    store.retire(claimed.next_sequence(), 1).await.unwrap();
    assert_eq!(shared_files(root.path()), needed);
}

#[tokio::test]
async fn h5_9_each_subtask_takes_its_key_groups_and_shares_what_is_stored() {
    let (root, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let (store, background) = (store(local(), root.path()), Background::start(1));
    let mut claimed = claim(&store, 1).await;
    let mut subtask = Subtask::open(work.path(), "1-0", &background, &RunSet::default());
    subtask.put(0..1_000, 1);
    let frozen = subtask.pages.freeze().unwrap();
    checkpoint(&store, &mut claimed, 1, frozen).await.unwrap();
    let mut claimed = claim(&store, 2).await;
    let (mut sets, mut models) = (vec![], Pages::new());
    for number in 0..3 {
        let range = KeyGroupRange::of_subtask(GROUPS, 3, number);
        let name = format!("{}-{number}", claimed.sequence);
        let set = restore(&store, range, &work.path().join(&name)).await;
        // What is merged is new, and this is about what is not.
        let subtask = &mut Subtask::merging_at(1_000, work.path(), &name, &background, &set);
        assert!(subtask.model.keys().all(|(group, _)| range.contains(KeyGroup(*group))));
        models.append(&mut subtask.model);
        sets.push((number, subtask.pages.freeze().unwrap()));
    }
    assert_eq!(models, subtask.model);
    let location = store.checkpoint_location(claimed.sequence, CheckpointId(2));
    let encoded = write::encode(content(2, SnapshotKind::Checkpoint, sets)).unwrap();
    let files: u64 = encoded.manifest.files.iter().map(|file| file.length).sum();
    let written = store.write_snapshot(&location, encoded).await.unwrap();
    assert_eq!(written.bytes, files, "all runs are stored already");
    let checkpoint = CheckpointId(2);
    let new = NewCheckpoint { checkpoint, savepoint: false, location, held: false };
    store.publish(&mut claimed, new, 0).await.unwrap();
    let all = KeyGroupRange { start: 0, end: GROUPS };
    let together = restore(&store, all, &work.path().join("together")).await;
    assert_eq!(pages_of(&together, GROUPS), subtask.model);
}

#[tokio::test]
async fn h1_9_a_savepoint_holds_the_pages_as_entries() {
    let (root, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = store(local(), root.path());
    let background = Background::start(1);
    let mut subtask = Subtask::open(work.path(), "1-0", &background, &RunSet::default());
    subtask.put(0..500, 1);
    for level in RuntimeLevel::ALL {
        let runs = vec![(0, subtask.pages.freeze().unwrap())];
        let mut content = content(1, SnapshotKind::Savepoint, runs);
        content.format = level.snapshot_format();
        let location = root.path().join(format!("sp-{level}")).to_str().unwrap().to_owned();
        store.write_content(&location, content).await.unwrap();
        let loaded = store.load(&location, level).await.unwrap();
        assert!(loaded.manifest.runs.is_empty() && loaded.manifest.shared.is_none());
        let operator = loaded.operator(&OperatorId("a0".into())).unwrap();
        let all = KeyGroupRange { start: 0, end: GROUPS };
        let (mut pages, mut others) = (Pages::new(), 0);
        let share = Share { key_groups: all, subtask: 0, parallelism: 1 };
        loaded
            .entries(operator, share, |entry| {
                let Some(group) = entry.group.filter(|_| entry.table == 3) else {
                    others += 1;
                    return;
                };
                let mut page = vec![];
                put_entry(&mut page, entry.table, entry.key, entry.value);
                pages.insert((group.0, entry.key.to_vec()), page);
            })
            .unwrap();
        assert_eq!((pages, others), (subtask.model.clone(), usize::from(GROUPS) + 1));
        assert_eq!(operator.entries, 500 + u64::from(GROUPS) + 1);
    }
    assert_eq!(shared_files(root.path()), 0);
}

#[tokio::test]
async fn a_run_that_is_missing_or_changed_is_refused_by_name() {
    let (root, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let store = store(local(), root.path());
    let mut claimed = claim(&store, 1).await;
    let mut subtask = Subtask::open(work.path(), "1-0", &Background::start(1), &RunSet::default());
    subtask.put(0..50, 1);
    let frozen = subtask.pages.freeze().unwrap();
    checkpoint(&store, &mut claimed, 1, frozen).await.unwrap();
    let location = store.checkpoint_location(claimed.sequence, CheckpointId(1));
    let manifest = store.inspect(&location, LEVEL).await.unwrap();
    assert_eq!(manifest.kind, SnapshotKind::IncrementalCheckpoint);
    let path = root.path().join("shared").join(&manifest.runs[0].name);
    let good = std::fs::read(&path).unwrap();
    let named = |error: StateError| {
        let error = error.to_string();
        assert!(error.contains(&manifest.runs[0].name), "{error}");
    };
    let all = KeyGroupRange { start: 0, end: GROUPS };
    for at in (0..good.len()).step_by(97) {
        let mut bad = good.clone();
        bad[at] ^= 1;
        std::fs::write(&path, bad).unwrap();
        let operator = &manifest.operators[0];
        let into = work.path().join("bad");
        let target = FetchTarget { directory: &into, prefix: "9-0" };
        let fetched = store.fetch_runs(&location, &manifest, operator, all, target).await;
        named(fetched.unwrap_err());
    }
    std::fs::write(&path, &good[1..]).unwrap();
    named(store.inspect(&location, LEVEL).await.unwrap_err());
    std::fs::remove_file(&path).unwrap();
    named(store.load(&location, LEVEL).await.unwrap_err());
}

#[tokio::test]
async fn h1_9_another_applications_checkpoint_is_taken_over_and_not_confused() {
    let (root, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let background = Background::start(1);
    let all = KeyGroupRange { start: 0, end: GROUPS };
    // Both applications begin alike, and write runs of the same names.
    let (mut stores, mut subtasks, mut claims) = (vec![], vec![], vec![]);
    for name in ["one", "other"] {
        let store = store(local(), &root.path().join(name));
        let mut claimed = claim(&store, 1).await;
        let into = work.path().join(name);
        let mut subtask = Subtask::open(&into, "1-0", &background, &RunSet::default());
        subtask.put(0..20, name.len() as u8);
        let frozen = subtask.pages.freeze().unwrap();
        checkpoint(&store, &mut claimed, 1, frozen).await.unwrap();
        stores.push(store);
        subtasks.push(subtask);
        claims.push(claimed);
    }
    let location = stores[0].checkpoint_location(claims[0].sequence, CheckpointId(1));
    let (into, prefix) = (work.path().join("taken"), "2-0");
    let loaded = stores[1].load(&location, LEVEL).await.unwrap();
    let target = FetchTarget { directory: &into, prefix };
    let operator = &loaded.manifest.operators[0];
    let fetched = stores[1].fetch_runs(&location, &loaded.manifest, operator, all, target).await;
    let mut taken = Subtask::open(work.path(), prefix, &background, &fetched.unwrap());
    assert_eq!(taken.model, subtasks[0].model);
    let frozen = taken.pages.freeze().unwrap();
    let (written, whole) = checkpoint(&stores[1], &mut claims[1], 2, frozen).await.unwrap();
    assert_eq!(written, whole, "nothing of it was there");
    stores[1].retire(claims[1].next_sequence(), 1).await.unwrap();
    let restored = restore(&stores[1], all, &work.path().join("again")).await;
    assert_eq!(pages_of(&restored, GROUPS), subtasks[0].model);
}

#[tokio::test]
async fn runs_of_a_checkpoint_under_way_and_of_a_newer_claim_stay() {
    let (root, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let old = store(local(), root.path());
    let background = Background::start(1);
    let mut claimed = claim(&old, 1).await;
    let mut subtask = Subtask::open(work.path(), "1-0", &background, &RunSet::default());
    subtask.put(0..50, 1);
    let frozen = subtask.pages.freeze().unwrap();
    checkpoint(&old, &mut claimed, 1, frozen).await.unwrap();
    // Few enough for one run.
    subtask.put(0..5, 2);
    let under_way = write::encode(content(
        2,
        SnapshotKind::Checkpoint,
        vec![(0, subtask.pages.freeze().unwrap())],
    ));
    let location = old.checkpoint_location(claimed.sequence, CheckpointId(2));
    let written = old.write_snapshot(&location, under_way.unwrap()).await.unwrap();
    // Another process, which has claimed since and not published yet.
    let new = store(local(), root.path());
    let newer = claim(&new, 2).await;
    let prefix = format!("{}-0", newer.sequence);
    let mut other = Subtask::open(work.path(), &prefix, &background, &RunSet::default());
    other.put(0..50, 1);
    let encoded = write::encode(content(
        1,
        SnapshotKind::Checkpoint,
        vec![(0, other.pages.freeze().unwrap())],
    ));
    let elsewhere = new.checkpoint_location(newer.sequence, CheckpointId(1));
    new.write_snapshot(&elsewhere, encoded.unwrap()).await.unwrap();
    let before = shared_files(root.path());
    old.retire(claimed.next_sequence(), 1).await.unwrap();
    assert_eq!(shared_files(root.path()), before);
    // Given up: only what its own claim wrote for it goes.
    drop(written);
    old.retire(claimed.next_sequence(), 1).await.unwrap();
    assert_eq!(shared_files(root.path()), before - 1);
    let all = KeyGroupRange { start: 0, end: GROUPS };
    restore(&new, all, &work.path().join("r")).await;
}

/// Dies at each call in turn, before and after it was done; whatever is left, the next
/// start restores a checkpoint whole, and the one after it leaves no run too many.
#[tokio::test]
async fn a_death_between_any_two_steps_loses_nothing_and_leaves_nothing_behind() {
    for death in [Death::Before, Death::After] {
        for at in 1.. {
            let (root, work) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
            let mortal = Arc::new(MortalStore::new(local(), at, death));
            let versions = die(store(mortal.clone(), root.path()), work.path()).await;
            survive(store(local(), root.path()), root.path(), work.path(), &versions).await;
            if !mortal.is_dead() {
                assert!(at > 60, "only {at} calls");
                break;
            }
        }
    }
}

/// Checkpoints until the store dies; the model of each, by its number.
async fn die(store: CheckpointStore, work: &Path) -> Vec<Pages> {
    let mut models = vec![];
    let claimed = store.claim(Generation(1), &RestoreRequest::Latest, 0).await;
    let Ok(mut claimed) = claimed else { return models };
    let prefix = format!("{}-0", claimed.sequence);
    let mut subtask = Subtask::open(work, &prefix, &Background::start(1), &RunSet::default());
    for id in 1..=5u64 {
        let from = (id as u32 % 2) * 30;
        subtask.put(from..from + 40, id as u8);
        models.push(subtask.model.clone());
        let frozen = subtask.pages.freeze().unwrap();
        // One that fails is given up, and the next one tries again.
        if checkpoint(&store, &mut claimed, id, frozen).await.is_ok() {
            let _ = store.retire(claimed.next_sequence(), 1).await;
        }
    }
    models
}

async fn survive(store: CheckpointStore, root: &Path, work: &Path, models: &[Pages]) {
    let mut claimed = claim(&store, 2).await;
    let all = KeyGroupRange { start: 0, end: GROUPS };
    let restored = restore(&store, all, &work.join("survivor")).await;
    let expected = match &claimed.restores {
        Restored::Checkpoint { checkpoint, .. } => models[checkpoint.0 as usize - 1].clone(),
        _ => Pages::new(),
    };
    assert_eq!(pages_of(&restored, GROUPS), expected);
    let prefix = format!("{}-0", claimed.sequence);
    let mut subtask = Subtask::open(work, &prefix, &Background::start(1), &restored);
    subtask.put(0..10, 99);
    let frozen = subtask.pages.freeze().unwrap();
    let needed: usize = frozen.tiers().unwrap().iter().map(|tier| tier.runs.len()).sum();
    checkpoint(&store, &mut claimed, 100, frozen).await.unwrap();
    store.retire(claimed.next_sequence(), 1).await.unwrap();
    assert_eq!(shared_files(root), needed);
    let again = restore(&store, all, &work.join("again")).await;
    assert_eq!(pages_of(&again, GROUPS), subtask.model);
    let entries = |pages: &Pages| {
        pages.values().map(|page| visit_entries(page, |_, _, _| {}).unwrap()).sum::<u32>()
    };
    assert_eq!(entries(&subtask.model) as usize, subtask.model.len());
}

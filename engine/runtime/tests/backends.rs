//! State in memory and on disk, in full and incremental checkpoints: whatever dies and
//! whichever backend goes on, every row once.

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use millrace_dataflow::RuntimeLevel;
use millrace_runtime::{Command, JobHandle, Outcome};
use millrace_state::fault::{Death, MortalStore};
use millrace_state::{CheckpointStore, RestoreRequest, SnapshotKind};
use object_store::memory::InMemory;
use object_store::path::Path;
use object_store::{ObjectStore, ObjectStoreExt};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use support::{Start, World, ask, count_graph, numbers_source, stop, wait_until};

const LEVEL: RuntimeLevel = RuntimeLevel::Flink1_18;
const HASHMAP: &[(&str, &str)] = &[];
const FULL: &[(&str, &str)] = &[("state.backend.type", "rocksdb")];
const INCREMENTAL: &[(&str, &str)] =
    &[("state.backend.type", "rocksdb"), ("state.backend.incremental", "true")];
const BACKENDS: [&[(&str, &str)]; 3] = [INCREMENTAL, HASHMAP, FULL];

struct Scene {
    runtime: tokio::runtime::Runtime,
    world: Arc<World>,
    objects: Arc<dyn ObjectStore>,
}

impl Scene {
    fn new() -> Scene {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        Scene {
            runtime: builder.worker_threads(2).enable_all().build().unwrap(),
            world: Arc::new(World::default()),
            objects: Arc::new(InMemory::new()),
        }
    }

    fn start(&self, generation: u64, backend: &[(&'static str, &'static str)]) -> Start {
        let mut start = Start::new(count_graph(LEVEL), numbers_source(&self.world), generation);
        start.settings.extend_from_slice(backend);
        start.settings.push(("restart-strategy.type", "none"));
        start
    }

    fn run(&self, start: Start) -> JobHandle {
        start.start(&self.objects, self.runtime.handle())
    }

    fn endless(&self, generation: u64, backend: &[(&'static str, &'static str)]) -> Start {
        let mut start = self.start(generation, backend);
        start.numbers.bounded = false;
        self.world.allowance.store(0, Ordering::SeqCst);
        start
    }

    fn give(&self, batches: i64) {
        self.world.allowance.store(batches, Ordering::SeqCst);
        wait_until("the source", || self.world.allowance.load(Ordering::SeqCst) == 0);
    }

    fn kind_of(&self, location: &str) -> (SnapshotKind, usize) {
        let store = CheckpointStore::new(Arc::clone(&self.objects), "/app", "app", "test").unwrap();
        let manifest = self.runtime.block_on(store.inspect(location, LEVEL)).unwrap();
        (manifest.kind, manifest.runs.len())
    }
}

fn totals() -> Vec<i64> {
    (0..10).map(|key| key * 1_000_000 + 100).collect()
}

#[test]
fn f5_1_state_moves_between_backends_by_checkpoint_and_by_savepoint() {
    for by_savepoint in [false, true] {
        for (first, second) in [(0, 1), (1, 0), (0, 2), (2, 0), (0, 0)] {
            let scene = Scene::new();
            let mut start = scene.endless(1, BACKENDS[first]);
            start.parallelism = 3;
            let job = scene.run(start);
            scene.give(40);
            let location = if by_savepoint {
                stop(job, false, None)
            } else {
                let location = ask(&job, |reply| Command::Checkpoint { reply }).unwrap();
                job.send(Command::Cancel).unwrap();
                assert_eq!(job.wait(), Outcome::Canceled);
                location
            };
            let (kind, runs) = scene.kind_of(&location);
            let refers = first == 0 && !by_savepoint;
            assert_eq!((kind == SnapshotKind::IncrementalCheckpoint, runs > 0), (refers, refers));
            let mut last = scene.start(2, BACKENDS[second]);
            if by_savepoint {
                last.restore = RestoreRequest::snapshot(location);
            }
            assert_eq!(scene.run(last).wait(), Outcome::Finished);
            assert_eq!(scene.world.rows(), totals(), "{first} to {second}, {by_savepoint}");
        }
    }
}

#[test]
fn f5_2_sizes_tell_what_was_written_from_what_there_is() {
    let scene = Scene::new();
    let mut start = scene.endless(1, INCREMENTAL);
    start.settings[0].1 = "1 h";
    let job = scene.run(start);
    scene.give(40);
    let checkpoint = || {
        ask(&job, |reply| Command::Checkpoint { reply }).unwrap();
        let record = job.view().checkpoints.history[0].clone();
        (record.bytes, record.state_bytes)
    };
    let (first, second) = (checkpoint(), checkpoint());
    assert!(first.0 <= first.1 && first.0 > 0, "{first:?}");
    assert!(second.0 < second.1 / 2, "{second:?}: nothing has changed");
    assert_eq!(first.1, second.1);
}

#[test]
fn a_run_that_has_gone_fails_the_start_by_name_and_stops_nobody() {
    let scene = Scene::new();
    let job = scene.run(scene.endless(1, INCREMENTAL));
    scene.give(40);
    ask(&job, |reply| Command::Checkpoint { reply }).unwrap();
    job.send(Command::Cancel).unwrap();
    assert_eq!(job.wait(), Outcome::Canceled);
    let shared = Path::from("app/shared");
    let listed = scene.runtime.block_on(scene.objects.list_with_delimiter(Some(&shared))).unwrap();
    for run in &listed.objects {
        scene.runtime.block_on(scene.objects.delete(&run.location)).unwrap();
    }
    let outcome = scene.run(scene.start(2, INCREMENTAL)).wait();
    let Outcome::Failed(message) = outcome else { panic!("{outcome:?}") };
    assert!(message.contains(".run: it is missing"), "{message}");
}

/// Engines that die at their n-th call of the store, each with another backend and
/// parallelism, until one lives.
fn check_deaths(seed: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let scene = Scene::new();
    let mut generation = 0;
    for _ in 0..5 {
        generation += 1;
        let death = if rng.random_range(0..2) == 0 { Death::Before } else { Death::After };
        let calls = rng.random_range(1..80);
        let mortal: Arc<dyn ObjectStore> =
            Arc::new(MortalStore::new(Arc::clone(&scene.objects), calls, death));
        // Incremental more often than not.
        let backend = BACKENDS[rng.random_range(0..5usize).saturating_sub(2)];
        let mut start = scene.start(generation, backend);
        start.parallelism = rng.random_range(1..4);
        let outcome = start.start(&mortal, scene.runtime.handle()).wait();
        assert!(matches!(outcome, Outcome::Failed(_) | Outcome::Finished), "{outcome:?}");
        if outcome == Outcome::Finished {
            break;
        }
    }
    let outcome = scene.run(scene.start(generation + 1, INCREMENTAL)).wait();
    assert_eq!(outcome, Outcome::Finished, "seed {seed}");
    assert_eq!(scene.world.rows(), totals(), "seed {seed}");
}

#[test]
fn a_store_that_dies_at_any_call_costs_no_state_whatever_the_backends() {
    (0..40).for_each(check_deaths);
}

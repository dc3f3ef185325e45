//! Unaligned checkpoints of whole jobs (rows F4.8 to F4.11): they complete where aligned
//! ones wait behind a slow consumer, and what was in flight is there once after a
//! restore, at any parallelism.

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use millrace_dataflow::RuntimeLevel;
use millrace_runtime::view::CheckpointRecord;
use millrace_runtime::{Command, JobHandle, Outcome};
use millrace_state::fault::{Death, MortalStore};
use millrace_state::{CheckpointStore, Manifest};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use support::{Start, World, ask, copy_graph, count_graph, numbers_source, wait_until};

const LEVEL: RuntimeLevel = RuntimeLevel::Flink1_18;
const ROWS_PER_SPLIT: i64 = 100_000;
const ON: (&str, &str) = ("execution.checkpointing.unaligned.enabled", "true");
/// Less than a full channel takes, more than a few batches.
const TIMEOUT: (&str, &str) = ("execution.checkpointing.timeout", "3 s");
const TOLERANT: (&str, &str) = ("execution.checkpointing.tolerable-failed-checkpoints", "100");
/// A batch in the sink or the counting operator; a full channel takes some twenty.
const SLOW_US: u64 = 200_000;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

fn memory() -> Arc<dyn ObjectStore> {
    Arc::new(InMemory::new())
}

/// Batches large enough to stay single on their way.
fn start(
    world: &Arc<World>,
    counts: bool,
    parallelism: u16,
    generation: u64,
    settings: &[(&'static str, &'static str)],
) -> Start {
    let mut numbers = numbers_source(world);
    numbers.rows_per_split = ROWS_PER_SPLIT;
    numbers.batch_rows = 2_500;
    let graph = if counts { count_graph(LEVEL) } else { copy_graph(LEVEL) };
    let mut start = Start::new(graph, numbers, generation);
    start.parallelism = parallelism;
    start.settings = vec![("restart-strategy.type", "none"), TOLERANT];
    start.settings.extend(settings);
    start
}

fn expected(counts: bool) -> Vec<i64> {
    if counts {
        return (0..10).map(|key| key * 1_000_000 + 5 * ROWS_PER_SPLIT / 10).collect();
    }
    (0..5 * ROWS_PER_SPLIT).collect()
}

/// Until the sources have to wait for room.
fn wait_until_full(job: &JobHandle) {
    let sent = |job: &JobHandle| -> u64 {
        let vertices = job.view().vertices;
        let sources = vertices.iter().take(1).flat_map(|vertex| &vertex.subtasks);
        sources.map(|subtask| subtask.records_out.load(Ordering::Relaxed)).sum()
    };
    let mut before = 0;
    wait_until("full channels", || {
        let now = sent(job);
        let stands = now > 0 && now == before;
        before = now;
        std::thread::sleep(std::time::Duration::from_millis(30));
        stands
    });
}

fn checkpoint(job: &JobHandle) -> Result<String, String> {
    ask(job, |reply| Command::Checkpoint { reply })
}

/// Of the checkpoint there: the next one may be under way already.
fn record(job: &JobHandle, location: &str) -> CheckpointRecord {
    let history = &job.view().checkpoints.history;
    let found = history.iter().find(|record| record.location.as_deref() == Some(location));
    found.expect("it was completed").clone()
}

fn manifest(
    objects: &Arc<dyn ObjectStore>,
    location: &str,
    io: &tokio::runtime::Handle,
) -> Manifest {
    let store = CheckpointStore::new(Arc::clone(objects), "/app", "app", "test").unwrap();
    io.block_on(store.read_manifest(location, LEVEL)).unwrap()
}

fn holds_rows_in_flight(manifest: &Manifest) -> bool {
    manifest.operators.iter().any(|operator| operator.kind == "in-flight")
}

#[test]
fn f4_8_an_aligned_checkpoint_times_out_behind_a_slow_sink() {
    let (runtime, world, objects) = (runtime(), Arc::new(World::default()), memory());
    world.slow_us.store(SLOW_US, Ordering::SeqCst);
    let job = start(&world, false, 1, 1, &[TIMEOUT]).start(&objects, runtime.handle());
    wait_until_full(&job);
    let error = checkpoint(&job).unwrap_err();
    assert!(error.contains("expired"), "{error}");
    job.send(Command::Cancel).unwrap();
    assert_eq!(job.wait(), Outcome::Canceled);
}

/// A checkpoint while the channels are full, an end, and another start from it.
fn check_restored(
    counts: bool,
    settings: &[(&'static str, &'static str)],
    before: u16,
    after: u16,
) {
    let (runtime, world, objects) = (runtime(), Arc::new(World::default()), memory());
    world.slow_us.store(SLOW_US, Ordering::SeqCst);
    let mut first = start(&world, counts, before, 1, settings);
    first.settings.push(TIMEOUT);
    let job = first.start(&objects, runtime.handle());
    wait_until_full(&job);
    let location = checkpoint(&job).unwrap();
    let record = record(&job, &location);
    assert!(record.alignment.unaligned, "{record:?}");
    assert!(record.alignment.persisted_bytes > 100_000, "{record:?}");
    assert!(holds_rows_in_flight(&manifest(&objects, &location, runtime.handle())));
    job.send(Command::Cancel).unwrap();
    assert_eq!(job.wait(), Outcome::Canceled);
    world.slow_us.store(0, Ordering::SeqCst);
    let job = start(&world, counts, after, 2, settings).start(&objects, runtime.handle());
    assert_eq!(job.wait(), Outcome::Finished);
    assert!(world.rows() == expected(counts), "from {before} to {after}, counts: {counts}");
}

#[test]
fn f4_8_rows_in_flight_are_there_once_after_a_restore_at_any_parallelism() {
    for (before, after) in [(1, 1), (2, 2), (2, 3), (3, 1)] {
        check_restored(false, &[ON], before, after);
        check_restored(true, &[ON], before, after);
    }
}

#[test]
fn f4_11_a_checkpoint_that_cannot_align_in_time_goes_on_unaligned() {
    let after = ("execution.checkpointing.aligned-checkpoint-timeout", "100 ms");
    check_restored(true, &[ON, after], 2, 2);
}

#[test]
fn f4_11_a_checkpoint_that_aligns_in_time_holds_no_rows() {
    let (runtime, world, objects) = (runtime(), Arc::new(World::default()), memory());
    let after = ("execution.checkpointing.aligned-checkpoint-timeout", "1 min");
    let mut start = start(&world, true, 2, 1, &[ON, after]);
    world.allowance.store(20, Ordering::SeqCst);
    start.numbers.bounded = false;
    let job = start.start(&objects, runtime.handle());
    let location = checkpoint(&job).unwrap();
    assert!(!record(&job, &location).alignment.unaligned);
    assert!(!holds_rows_in_flight(&manifest(&objects, &location, runtime.handle())));
    job.send(Command::Cancel).unwrap();
    job.wait();
}

#[test]
fn h1_4_savepoints_are_aligned_whatever_checkpoints_are() {
    let (runtime, world, objects) = (runtime(), Arc::new(World::default()), memory());
    world.slow_us.store(20_000, Ordering::SeqCst);
    let mut endless = start(&world, false, 2, 1, &[ON]);
    endless.numbers.bounded = false;
    let job = endless.start(&objects, runtime.handle());
    wait_until_full(&job);
    let command = |reply| Command::Savepoint { target: None, level: None, reply };
    let location = ask(&job, command).unwrap();
    assert!(!holds_rows_in_flight(&manifest(&objects, &location, runtime.handle())));
    let location = support::stop(job, false, None);
    assert!(!holds_rows_in_flight(&manifest(&objects, &location, runtime.handle())));
    world.slow_us.store(0, Ordering::SeqCst);
    let job = start(&world, false, 3, 2, &[ON]).start(&objects, runtime.handle());
    assert_eq!(job.wait(), Outcome::Finished);
    assert!(world.rows() == expected(false));
}

/// Engines with unaligned checkpoints that die at their n-th call of the store, each at
/// another parallelism.
fn check_store_deaths(seed: u64, io: &tokio::runtime::Handle) {
    let mut rng = StdRng::seed_from_u64(seed);
    let (world, objects) = (Arc::new(World::default()), memory());
    let counts = seed % 2 == 1;
    let settings = [ON, ("execution.checkpointing.interval", "10 ms")];
    let small = |generation: u64, parallelism: u16| {
        let mut start = start(&world, counts, parallelism, generation, &settings);
        start.numbers.rows_per_split = 200;
        start.numbers.batch_rows = 7;
        start
    };
    let mut generation = 0;
    for _ in 0..4 {
        generation += 1;
        world.slow_us.store(rng.random_range(0..3_000), Ordering::SeqCst);
        let death = if rng.random_range(0..2) == 0 { Death::Before } else { Death::After };
        let mortal: Arc<dyn ObjectStore> =
            Arc::new(MortalStore::new(Arc::clone(&objects), rng.random_range(5..60), death));
        let outcome = small(generation, rng.random_range(1..4)).start(&mortal, io).wait();
        if outcome == Outcome::Finished {
            break;
        }
    }
    world.slow_us.store(0, Ordering::SeqCst);
    let outcome = small(generation + 1, 2).start(&objects, io).wait();
    assert_eq!(outcome, Outcome::Finished, "seed {seed}");
    let expected = if counts {
        (0..10).map(|key| key * 1_000_000 + 100).collect()
    } else {
        (0..1_000).collect::<Vec<_>>()
    };
    assert_eq!(world.rows(), expected, "seed {seed}");
}

#[test]
fn a_store_that_dies_at_any_call_costs_no_row_in_flight_and_repeats_none() {
    let runtime = runtime();
    for seed in 0..40 {
        check_store_deaths(seed, runtime.handle());
    }
}

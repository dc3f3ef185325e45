//! Whatever dies and whenever: every row once.

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use millrace_dataflow::RuntimeLevel;
use millrace_dataflow::source::Assignment;
use millrace_runtime::Outcome;
use millrace_state::fault::{Death, MortalStore};
use object_store::ObjectStore;
use object_store::memory::InMemory;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use support::{Start, World, copy_graph, count_graph, numbers_source};

const LEVEL: RuntimeLevel = RuntimeLevel::Flink1_18;
const NO_RESTART: (&str, &str) = ("restart-strategy.type", "none");

fn all_rows() -> Vec<i64> {
    (0..1_000).collect()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

/// Engines that die at their n-th call of the store, until one lives.
fn check_store_deaths(seed: u64, io: &tokio::runtime::Handle) {
    let mut rng = StdRng::seed_from_u64(seed);
    let world = Arc::new(World::default());
    let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let counts = seed % 2 == 1;
    let start = |generation: u64, parallelism: u16| {
        let mut numbers = numbers_source(&world);
        if seed.is_multiple_of(3) {
            numbers.assignment = Assignment::Eager;
        }
        let graph = if counts { count_graph(LEVEL) } else { copy_graph(LEVEL) };
        let mut start = Start::new(graph, numbers, generation);
        start.settings.push(NO_RESTART);
        start.parallelism = parallelism;
        start
    };
    let mut generation = 0;
    for _ in 0..4 {
        generation += 1;
        let death = if rng.random_range(0..2) == 0 { Death::Before } else { Death::After };
        let mortal: Arc<dyn ObjectStore> =
            Arc::new(MortalStore::new(Arc::clone(&memory), rng.random_range(1..40), death));
        let outcome = start(generation, rng.random_range(1..4)).start(&mortal, io).wait();
        assert!(matches!(outcome, Outcome::Failed(_) | Outcome::Finished), "{outcome:?}");
        if outcome == Outcome::Finished {
            break;
        }
    }
    let outcome = start(generation + 1, 2).start(&memory, io).wait();
    assert_eq!(outcome, Outcome::Finished, "seed {seed}");
    let expected =
        if counts { (0..10).map(|key| key * 1_000_000 + 100).collect() } else { all_rows() };
    assert_eq!(world.rows(), expected, "seed {seed}");
}

#[test]
fn a_store_that_dies_at_any_call_costs_no_row_and_repeats_none() {
    let runtime = runtime();
    for seed in 0..60 {
        check_store_deaths(seed, runtime.handle());
    }
}

#[test]
fn a_death_within_a_commit_is_made_good_by_the_next_start() {
    let runtime = runtime();
    for die_at in 1..8 {
        let world = Arc::new(World::default());
        let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
        world.die_at_commit.store(die_at, Ordering::SeqCst);
        let mut start = Start::new(copy_graph(LEVEL), numbers_source(&world), 1);
        start.settings.push(NO_RESTART);
        let outcome = start.start(&memory, runtime.handle()).wait();
        assert!(matches!(outcome, Outcome::Failed(_) | Outcome::Finished), "{outcome:?}");
        world.die_at_commit.store(0, Ordering::SeqCst);
        let start = Start::new(copy_graph(LEVEL), numbers_source(&world), 2);
        assert_eq!(start.start(&memory, runtime.handle()).wait(), Outcome::Finished);
        assert_eq!(world.rows(), all_rows(), "died at commit {die_at}");
    }
}

#[test]
fn failures_within_the_process_are_made_good_by_restarts() {
    let runtime = runtime();
    let world = Arc::new(World::default());
    let memory: Arc<dyn ObjectStore> = Arc::new(InMemory::new());
    let mut start = Start::new(copy_graph(LEVEL), numbers_source(&world), 1);
    start.settings.push(("restart-strategy.type", "fixed-delay"));
    start.settings.push(("restart-strategy.fixed-delay.attempts", "100"));
    start.settings.push(("restart-strategy.fixed-delay.delay", "1 ms"));
    world.die_at_commit.store(1, Ordering::SeqCst);
    let job = start.start(&memory, runtime.handle());
    support::wait_until("two restarts", || job.view().restarts >= 2);
    world.die_at_commit.store(0, Ordering::SeqCst);
    let history = job.view().exceptions;
    assert!(history.iter().any(|entry| entry.message == "sink: died in a commit"), "{history:?}");
    assert_eq!(job.wait(), Outcome::Finished);
    assert_eq!(world.rows(), all_rows());
}

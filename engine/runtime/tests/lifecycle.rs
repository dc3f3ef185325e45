//! Stop, restore, rescale, hold and release, fence.

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;

use millrace_dataflow::RuntimeLevel;
use millrace_dataflow::source::Assignment;
use millrace_runtime::view::JobStatus;
use millrace_runtime::{Command, JobHandle, Outcome};
use millrace_state::RestoreRequest;
use object_store::ObjectStore;
use object_store::memory::InMemory;
use support::{
    BATCH, Numbers, Start, World, ask, copy_graph, count_graph, numbers_source, stop, wait_until,
};

const OLD: RuntimeLevel = RuntimeLevel::Flink1_15;
const NEW: RuntimeLevel = RuntimeLevel::Flink1_20;

struct Scene {
    runtime: tokio::runtime::Runtime,
    world: Arc<World>,
    objects: Arc<dyn ObjectStore>,
}

impl Scene {
    fn new() -> Scene {
        Scene {
            runtime: tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap(),
            world: Arc::new(World::default()),
            objects: Arc::new(InMemory::new()),
        }
    }

    fn endless(&self) -> Numbers {
        let mut numbers = numbers_source(&self.world);
        numbers.bounded = false;
        numbers
    }

    fn run(&self, start: Start) -> JobHandle {
        start.start(&self.objects, self.runtime.handle())
    }

    /// Lets the source give `batches` more batches, and waits until it has.
    fn give(&self, batches: i64) {
        self.world.allowance.store(batches, Ordering::SeqCst);
        wait_until("the source", || self.world.allowance.load(Ordering::SeqCst) == 0);
    }
}

#[test]
fn h1_8_state_and_splits_move_to_another_parallelism_and_level() {
    for assignment in [Assignment::Eager, Assignment::OnDemand] {
        let scene = Scene::new();
        let mut snapshot = None;
        for (generation, parallelism, level) in
            [(1, 1, OLD), (2, 3, RuntimeLevel::Flink1_18), (3, 2, RuntimeLevel::Flink1_19)]
        {
            let numbers = Numbers { assignment, ..scene.endless() };
            scene.world.allowance.store(0, Ordering::SeqCst);
            let mut start = Start::new(count_graph(level), numbers, generation);
            start.parallelism = parallelism;
            if let Some(location) = snapshot.take() {
                start.restore = RestoreRequest::snapshot(location);
            }
            let job = scene.run(start);
            scene.give(20);
            snapshot = Some(stop(job, false, None));
            assert!(scene.world.rows().is_empty(), "totals come only at the end");
        }
        let mut last = Start::new(count_graph(NEW), numbers_source(&scene.world), 4);
        last.numbers.assignment = assignment;
        assert_eq!(scene.run(last).wait(), Outcome::Finished);
        let expected: Vec<i64> = (0..10).map(|key| key * 1_000_000 + 100).collect();
        assert_eq!(scene.world.rows(), expected, "{assignment:?}");
    }
}

#[test]
fn a_stop_in_the_old_levels_format_is_read_by_the_old_level_again() {
    let scene = Scene::new();
    let job = scene.run(Start::new(count_graph(NEW), scene.endless(), 1));
    scene.give(10);
    let location = stop(job, false, Some(OLD));
    let mut start = Start::new(count_graph(OLD), numbers_source(&scene.world), 2);
    start.restore = RestoreRequest::snapshot(location);
    assert_eq!(scene.run(start).wait(), Outcome::Finished);
    assert_eq!(scene.world.rows().len(), 10);
}

#[test]
fn a_later_format_is_refused_and_stops_nobody() {
    let scene = Scene::new();
    let newer = scene.run(Start::new(count_graph(NEW), scene.endless(), 1));
    wait_until("a checkpoint", || newer.view().checkpoints.completed > 0);
    let location =
        ask(&newer, |reply| Command::Savepoint { target: None, level: None, reply }).unwrap();
    let mut older = Start::new(count_graph(OLD), scene.endless(), 2);
    older.restore = RestoreRequest::snapshot(location);
    let older = scene.run(older);
    let Outcome::Failed(message) = older.wait() else { panic!("it cannot read that") };
    assert!(message.contains("FLINK-1_20") && message.contains("FLINK-1_15"), "{message}");
    let completed = newer.view().checkpoints.completed;
    wait_until("the newer to go on", || newer.view().checkpoints.completed > completed);
    newer.send(Command::Cancel).unwrap();
    assert_eq!(newer.wait(), Outcome::Canceled);
}

#[test]
fn drain_ends_time_and_gives_the_totals() {
    let scene = Scene::new();
    let job = scene.run(Start::new(count_graph(NEW), scene.endless(), 1));
    scene.give(10);
    stop(job, true, None);
    let counted: i64 = scene.world.rows().iter().map(|total| total % 1_000_000).sum();
    assert_eq!(counted, 10 * BATCH);
}

#[test]
fn a_newer_generation_fences_the_running_one() {
    let scene = Scene::new();
    let old = scene.run(Start::new(copy_graph(NEW), scene.endless(), 1));
    wait_until("a checkpoint", || old.view().checkpoints.completed > 0);
    let new = scene.run(Start::new(copy_graph(NEW), numbers_source(&scene.world), 2));
    let Outcome::Fenced(message) = old.wait() else { panic!("the old one must stop") };
    assert!(message.contains("generation 2 claimed"), "{message}");
    assert_eq!(new.wait(), Outcome::Finished);
    assert_eq!(scene.world.rows(), (0..1_000).collect::<Vec<_>>());
    let late = scene.run(Start::new(copy_graph(NEW), numbers_source(&scene.world), 1));
    assert!(matches!(late.wait(), Outcome::Fenced(_)));
}

#[test]
fn held_commits_show_nothing_until_released() {
    let scene = Scene::new();
    let mut start = Start::new(copy_graph(NEW), numbers_source(&scene.world), 1);
    start.hold_commits = true;
    let job = scene.run(start);
    wait_until("the last checkpoint", || {
        let view = job.view();
        let mut subtasks = view.vertices.iter().flat_map(|vertex| &vertex.subtasks);
        view.status == JobStatus::Running
            && subtasks.all(|subtask| subtask.status().text() == "FINISHED")
            && view.checkpoints.in_progress == 0
    });
    assert_eq!(job.view().status, JobStatus::Running);
    assert!(scene.world.rows().is_empty());
    ask(&job, |reply| Command::ReleaseCommits { reply }).unwrap();
    assert_eq!(scene.world.rows(), (0..1_000).collect::<Vec<_>>());
    assert_eq!(job.wait(), Outcome::Finished);
}

#[test]
fn what_a_failed_probation_prepared_is_never_shown() {
    let scene = Scene::new();
    let old = scene.run(Start::new(copy_graph(OLD), scene.endless(), 1));
    scene.give(30);
    let location = stop(old, false, None);
    let shown = scene.world.rows();
    // The new version runs on probation, takes checkpoints, and is given up.
    let mut probation = Start::new(copy_graph(NEW), scene.endless(), 2);
    probation.restore = RestoreRequest::snapshot(location.clone());
    probation.hold_commits = true;
    let probation = scene.run(probation);
    scene.give(30);
    let completed = probation.view().checkpoints.completed;
    wait_until("a checkpoint", || probation.view().checkpoints.completed > completed + 1);
    assert_eq!(scene.world.rows(), shown);
    probation.send(Command::Cancel).unwrap();
    probation.wait();
    // The old version goes on from before.
    let mut back = Start::new(copy_graph(OLD), numbers_source(&scene.world), 3);
    back.restore = RestoreRequest::snapshot(location);
    assert_eq!(scene.run(back).wait(), Outcome::Finished);
    assert_eq!(scene.world.rows(), (0..1_000).collect::<Vec<_>>());
}

#[test]
fn a_probation_that_crashes_keeps_what_it_held() {
    let scene = Scene::new();
    let held = |generation| {
        let mut start = Start::new(copy_graph(NEW), scene.endless(), generation);
        start.hold_commits = true;
        start
    };
    let first = scene.run(held(1));
    scene.give(40);
    let completed = first.view().checkpoints.completed;
    wait_until("a checkpoint", || first.view().checkpoints.completed > completed + 1);
    first.send(Command::Cancel).unwrap();
    first.wait();
    assert!(scene.world.rows().is_empty());
    let second = scene.run(held(2));
    wait_until("a checkpoint", || second.view().checkpoints.completed > 0);
    assert!(scene.world.rows().is_empty());
    scene.world.allowance.store(i64::MAX / 2, Ordering::SeqCst);
    ask(&second, |reply| Command::ReleaseCommits { reply }).unwrap();
    ask(&second, |reply| Command::ReleaseCommits { reply }).unwrap();
    wait_until("all rows", || scene.world.rows().len() == 1_000);
    assert_eq!(scene.world.rows(), (0..1_000).collect::<Vec<_>>());
    second.send(Command::Cancel).unwrap();
    second.wait();
}

#[test]
fn the_root_cause_names_operator_and_task() {
    let scene = Scene::new();
    scene.world.fail_on.store(7, Ordering::SeqCst);
    let mut start = Start::new(count_graph(NEW), numbers_source(&scene.world), 1);
    start.settings.push(("restart-strategy.type", "none"));
    let job = scene.run(start);
    wait_until("the failure", || job.view().status == JobStatus::Failed);
    let first = job.view().exceptions.front().cloned().unwrap();
    assert_eq!(first.message, "count by key: count: cannot count 7");
    assert!(first.task.unwrap().starts_with("count by key -> sink ("));
}

#[test]
fn savepoints_go_where_they_are_asked_to() {
    let scene = Scene::new();
    let job = scene.run(Start::new(copy_graph(NEW), scene.endless(), 1));
    let savepoint = |target: &str| {
        let target = Some(target.to_owned());
        ask(&job, |reply| Command::Savepoint { target, level: None, reply })
    };
    assert_eq!(savepoint("/elsewhere/one").unwrap(), "/elsewhere/one");
    let second = savepoint("/elsewhere/one").unwrap();
    assert!(second.starts_with("/elsewhere/one/savepoint-app-"), "{second}");
    assert!(savepoint("relative").unwrap_err().contains("absolute"));
    assert_eq!(job.view().status, JobStatus::Running);
    job.send(Command::Cancel).unwrap();
    job.wait();
}

/// A command that comes just as the job ends is answered, too: its channel alone would
/// keep it for ever.
#[test]
fn a_command_in_the_last_moment_is_answered() {
    let scene = Scene::new();
    for round in 0..300 {
        let mut start = Start::new(copy_graph(OLD), scene.endless(), round + 1);
        start.graph.nodes.clear();
        start.graph.edges.clear();
        let job = scene.run(start);
        let mut waiting = vec![];
        loop {
            let (reply, answer) = tokio::sync::oneshot::channel();
            match job.send(Command::Checkpoint { reply }) {
                Ok(()) => waiting.push(answer),
                Err(why) if why.contains("has ended") => break,
                Err(_) => std::thread::yield_now(),
            }
        }
        for answer in waiting {
            let refused = answer.blocking_recv().expect("every command is answered");
            assert_eq!(refused, Err("the job has ended".to_owned()));
        }
    }
}

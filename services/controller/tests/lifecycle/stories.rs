//! Each operation undisturbed: which steps it takes and how it ends.

use millrace_domain::{OperationKind, OperationStatus, Status, VersionId};

use crate::sim::{Act, EndState, Sim};

/// A script, the behaviour of version 1, and the end that it must have.
pub struct Story {
    pub name: &'static str,
    pub behaviour: &'static str,
    pub acts: &'static [Act],
    pub status: Option<Status>,
    pub version: u64,
    /// Of the operations, in order of their ids.
    pub ends: &'static [OperationStatus],
    /// What the failure of the last failed operation must say.
    pub says: &'static str,
}

use Act::{
    Delete, DeleteSnapshot, ForceStop, KillEngine, Maintain, Rollback, Run, Scale, Snapshot, Start,
    Stop,
};
use OperationStatus::{Failed, Successful};

const RUNNING: Option<Status> = Some(Status::Running);
const READY: Option<Status> = Some(Status::Ready);

const fn story(
    name: &'static str,
    behaviour: &'static str,
    acts: &'static [Act],
    (status, version): (Option<Status>, u64),
    ends: &'static [OperationStatus],
    says: &'static str,
) -> Story {
    Story { name, behaviour, acts, status, version, ends, says }
}

const fn update(behaviour: &'static str) -> Act {
    Act::Update(behaviour, false)
}

const fn guarded(behaviour: &'static str) -> Act {
    Act::Update(behaviour, true)
}

const OK1: &[OperationStatus] = &[Successful];
const OK2: &[OperationStatus] = &[Successful, Successful];
const OK3: &[OperationStatus] = &[Successful, Successful, Successful];
const BAD1: &[OperationStatus] = &[Failed];
const OK_BAD: &[OperationStatus] = &[Successful, Failed];
const OK_BAD_OK: &[OperationStatus] = &[Successful, Failed, Successful];

pub const STORIES: &[Story] = &[
    story("start", "good", &[Start], (RUNNING, 1), OK1, ""),
    story("start_bad_plan", "bad_plan", &[Start], (READY, 1), BAD1, "Line 1, column 8"),
    story("start_exits", "exits", &[Start], (READY, 1), BAD1, "The engine exited"),
    story("start_fails", "fails", &[Start], (READY, 1), BAD1, "Division by zero"),
    story("start_restarts", "restarts", &[Start], (READY, 1), BAD1, "Bad row"),
    story("start_no_checkpoint", "no_checkpoint", &[Start], (READY, 1), BAD1, "no checkpoint"),
    story("start_bounded", "bounded", &[Start, Run(400)], (READY, 1), OK1, ""),
    story("stop", "good", &[Start, Run(50), Stop], (READY, 1), OK2, ""),
    story("stop_fails", "savepoint_fails", &[Start, Stop], (RUNNING, 1), OK_BAD, "disk full"),
    story("stop_start", "good", &[Start, Stop, Start, Run(500)], (RUNNING, 1), OK3, ""),
    story("stop_dead", "good", &[Start, KillEngine, Stop], (READY, 1), OK2, ""),
    story("force_stop", "good", &[Start, ForceStop], (READY, 1), OK2, ""),
    story("force_start", "good", &[Start, ForceStop, Start], (RUNNING, 1), OK3, ""),
    story("update", "good", &[Start, Run(50), update("good")], (RUNNING, 2), OK2, ""),
    story("update_held", "good", &[Start, Run(50), guarded("good")], (RUNNING, 2), OK2, ""),
    story("update_bad_plan", "good", &[Start, update("bad_plan")], (RUNNING, 1), OK_BAD, "Line 1"),
    story(
        "update_misfit",
        "good",
        &[Start, guarded("misfit")],
        (RUNNING, 1),
        OK_BAD,
        "key changed",
    ),
    story("update_no_stage", "good", &[Start, update("exits")], (RUNNING, 1), OK_BAD, "exited"),
    story(
        "update_no_savepoint",
        "savepoint_fails",
        &[Start, update("good")],
        (RUNNING, 1),
        OK_BAD,
        "disk full",
    ),
    story(
        "update_fails",
        "good",
        &[Start, update("fails")],
        (READY, 1),
        OK_BAD,
        "Division by zero",
    ),
    story(
        "update_fails_start",
        "good",
        &[Start, update("fails"), Start],
        (RUNNING, 1),
        OK_BAD_OK,
        "Division",
    ),
    story(
        "rolled_back",
        "good",
        &[Start, Run(90), guarded("fails"), Run(900)],
        (RUNNING, 1),
        OK_BAD_OK,
        "Division by zero",
    ),
    story(
        "rolled_back_restarts",
        "good",
        &[Start, guarded("restarts")],
        (RUNNING, 1),
        OK_BAD_OK,
        "Bad row",
    ),
    story(
        "rolled_back_no_checkpoint",
        "good",
        &[Start, guarded("no_checkpoint")],
        (RUNNING, 1),
        OK_BAD_OK,
        "no checkpoint",
    ),
    story("update_bounded", "bounded", &[Start, guarded("good")], (RUNNING, 2), OK2, ""),
    story("update_to_bounded", "good", &[Start, guarded("bounded"), Run(900)], (READY, 2), OK2, ""),
    story("update_ready", "good", &[update("good")], (READY, 2), OK1, ""),
    story("update_ready_bad", "good", &[update("bad_plan")], (READY, 1), BAD1, "Line 1"),
    story(
        "update_of_dead",
        "good",
        &[Start, Run(70), KillEngine, update("good")],
        (RUNNING, 2),
        OK2,
        "",
    ),
    story(
        "update_twice",
        "good",
        &[Start, update("good"), guarded("good"), Run(500)],
        (RUNNING, 3),
        OK3,
        "",
    ),
    story(
        "roll_back",
        "good",
        &[Start, update("good"), Run(60), Rollback, Run(600)],
        (RUNNING, 1),
        OK3,
        "",
    ),
    story("snapshot", "good", &[Start, Snapshot], (RUNNING, 1), OK2, ""),
    story(
        "snapshot_fails",
        "savepoint_fails",
        &[Start, Snapshot],
        (RUNNING, 1),
        OK_BAD,
        "disk full",
    ),
    story("snapshot_delete", "good", &[Start, Snapshot, DeleteSnapshot], (RUNNING, 1), OK2, ""),
    story("delete_running", "good", &[Start, Delete], (None, 0), &[], ""),
    story("delete_ready", "good", &[Delete], (None, 0), &[], ""),
    story("crash", "good", &[Start, Run(80), KillEngine, Run(800)], (RUNNING, 1), OK1, ""),
    story(
        "crash_twice",
        "good",
        &[Start, KillEngine, Run(30), KillEngine, Run(900)],
        (RUNNING, 1),
        OK1,
        "",
    ),
];

/// What the service does by itself: it always goes back by itself, too.
pub const CARE: &[Story] = &[
    story("scale", "good", &[Start, Run(50), Scale(4), Run(500)], (RUNNING, 1), OK2, ""),
    story("scale_down", "good", &[Start, Scale(4), Run(50), Scale(1)], (RUNNING, 1), OK3, ""),
    story("scale_stop", "good", &[Start, Scale(4), Stop], (READY, 1), OK3, ""),
    story("scale_update", "good", &[Start, Scale(4), guarded("good")], (RUNNING, 2), OK3, ""),
    story("scale_refused", "scaled: bad_plan", &[Start, Scale(2)], (RUNNING, 1), OK_BAD, "Line 1"),
    story("scale_no_stage", "scaled: exits", &[Start, Scale(2)], (RUNNING, 1), OK_BAD, "exited"),
    story(
        "scale_no_savepoint",
        "savepoint_fails",
        &[Start, Scale(2)],
        (RUNNING, 1),
        OK_BAD,
        "disk full",
    ),
    story(
        "scale_fails",
        "scaled: fails",
        &[Start, Run(90), Scale(2), Run(900)],
        (RUNNING, 1),
        OK_BAD,
        "Division by zero",
    ),
    story(
        "scale_restarts",
        "scaled: restarts",
        &[Start, Scale(2)],
        (RUNNING, 1),
        OK_BAD,
        "Bad row",
    ),
    story(
        "scale_no_checkpoint",
        "scaled: no_checkpoint",
        &[Start, Run(30), Scale(2), Run(500)],
        (RUNNING, 1),
        OK_BAD,
        "no checkpoint",
    ),
    story("scale_bounded", "bounded", &[Start, Run(30), Scale(2), Run(900)], (READY, 1), OK2, ""),
    story("scale_crash", "good", &[Start, Scale(2), KillEngine, Run(900)], (RUNNING, 1), OK2, ""),
    story("maintain", "good", &[Start, Run(50), Maintain, Run(500)], (RUNNING, 1), OK2, ""),
    story("maintain_scaled", "good", &[Start, Scale(2), Maintain], (RUNNING, 1), OK3, ""),
    story(
        "maintain_fails",
        "held: fails",
        &[Start, Run(90), Maintain, Run(900)],
        (RUNNING, 1),
        OK_BAD,
        "Division by zero",
    ),
];

/// All of them.
pub fn stories() -> impl Iterator<Item = &'static Story> {
    STORIES.iter().chain(CARE)
}

/// Runs a story; `between` settles after each act.
pub fn check_end(story: &Story, end: &EndState) {
    let statuses: Vec<_> = end.operations.iter().map(|(_, status, _)| *status).collect();
    assert_eq!(end.status, story.status, "{}: {end:#?}", story.name);
    assert_eq!(statuses, story.ends, "{}: {end:#?}", story.name);
    if story.status.is_some() {
        assert_eq!(end.version, Some(VersionId(story.version)), "{}: {end:#?}", story.name);
    }
    assert_eq!(end.runs, story.status == RUNNING, "{}: {end:#?}", story.name);
    assert_eq!(end.alive, usize::from(end.runs), "{}: {end:#?}", story.name);
    let failed = end.operations.iter().find_map(|(_, _, failure)| failure.as_deref());
    assert_eq!(failed.is_some(), !story.says.is_empty(), "{}: {end:#?}", story.name);
    assert!(failed.unwrap_or_default().contains(story.says), "{}: {end:#?}", story.name);
}

#[tokio::test]
async fn every_operation_ends_as_it_must_with_every_row_once() {
    for story in stories() {
        let mut sim = Sim::new(story.behaviour);
        for act in story.acts {
            sim.act(*act).unwrap_or_else(|reject| panic!("{}: {act:?}: {reject}", story.name));
            sim.settle_undisturbed().await;
        }
        check_end(story, &sim.end_state());
        let rows = sim.world.exactly_once();
        rows.unwrap_or_else(|problem| panic!("{}: {problem}", story.name));
    }
}

async fn run(behaviour: &str, acts: &[Act]) -> Sim {
    let mut sim = Sim::new(behaviour);
    for act in acts {
        sim.act(*act).unwrap_or_else(|reject| panic!("{act:?}: {reject}"));
        sim.settle_undisturbed().await;
    }
    sim
}

#[tokio::test]
async fn an_update_takes_the_steps_of_the_design() {
    let before = run("good", &[Start]).await.steps.len();
    let sim = run("good", &[Start, guarded("good")]).await;
    let mut steps = sim.steps[before..].to_vec();
    steps.dedup();
    let expected = [
        "CheckPlan",
        "Allocate",
        "Stage",
        "StopWithSnapshot",
        "RecordSnapshot",
        "RunJob",
        "StopCluster",
        "TriggerCheckpoint",
        "Approve",
        "ReleaseCommits",
        "Finish",
    ];
    assert_eq!(steps, expected);
}

#[tokio::test]
async fn scaling_changes_the_job_and_nothing_else() {
    let check = async |behaviour: &str, acts: &[Act], want: Option<u32>| {
        let before = run(behaviour, &[Start]).await.memory.rows().application;
        let mut sim = run(behaviour, &[Start]).await;
        for act in acts {
            sim.act(*act).unwrap_or_else(|reject| panic!("{act:?}: {reject}"));
            sim.settle_undisturbed().await;
        }
        let (before, after) = (before.expect("there"), sim.memory.rows().application);
        let after = after.expect("there");
        assert_eq!(after.job.as_ref().and_then(|job| job.parallelism), want, "{acts:?}");
        assert_eq!(
            (after.version, after.latest_version, &after.conditional_token, after.updated_at),
            (before.version, before.latest_version, &before.conditional_token, before.updated_at),
        );
    };
    check("good", &[Scale(4)], Some(4)).await;
    check("good", &[Scale(4), KillEngine, Run(500)], Some(4)).await;
    check("good", &[Scale(4), Scale(1)], None).await;
    check("good", &[Scale(4), Maintain], Some(4)).await;
    check("scaled: fails", &[Scale(4)], None).await;
    check("scaled: exits", &[Scale(4)], None).await;
    // What a user starts or updates is at the parallelism that its version says.
    let parallelism = async |acts: &[Act]| run("good", acts).await.end_state().parallelism;
    assert_eq!(parallelism(&[Start, Scale(4), update("good")]).await, None);
    assert_eq!(parallelism(&[Start, Scale(4), Stop, Start]).await, None);
    // An operation that fails before its switch leaves the job as it was.
    assert_eq!(parallelism(&[Start, Scale(4), update("bad_plan")]).await, Some(4));
    assert_eq!(parallelism(&[Start, Scale(4), update("exits")]).await, Some(4));
}

#[tokio::test]
async fn a_scaled_job_that_fails_is_put_back_where_it_stopped() {
    let sim = run("scaled: fails", &[Start, Run(90), Scale(2)]).await;
    let rows = sim.memory.rows();
    let scaling = rows.operations.values().find(|o| o.kind == OperationKind::Autoscaling);
    let scaling = scaling.expect("the operation has a row");
    assert_eq!((scaling.status, scaling.from_version), (Failed, scaling.to_version));
    assert!(sim.steps.contains(&"AllocateRecovery"), "{:?}", sim.steps);
    assert_eq!(rows.snapshots.len(), 1, "AWS: a snapshot is taken on scaling");
}

#[tokio::test]
async fn only_a_force_stop_is_legal_while_the_service_scales() {
    let mut sim = run("good", &[Start]).await;
    sim.act(Scale(2)).expect("legal");
    for act in [Start, Stop, update("good"), Rollback, Snapshot, Delete, Scale(4), Maintain] {
        assert!(sim.act(act).is_err(), "{act:?}");
    }
    for _ in 0..6 {
        sim.looker.look(&sim.id).await.expect("the fakes answer");
        sim.world.advance(9);
    }
    sim.act(ForceStop).expect("legal while AUTOSCALING");
    sim.settle_undisturbed().await;
    let end = sim.end_state();
    assert_eq!((end.status, end.alive), (READY, 0), "{end:#?}");
    let scaling = end.operations.iter().find(|(kind, ..)| *kind == OperationKind::Autoscaling);
    assert_eq!(scaling.map(|(_, status, _)| *status), Some(OperationStatus::Cancelled));
}

#[tokio::test]
async fn a_refused_update_touches_nothing() {
    let before = run("good", &[Start]).await.steps.len();
    let sim = run("good", &[Start, update("bad_plan")]).await;
    assert_eq!(sim.steps[before..], ["CheckPlan", "Finish"]);
    let application = sim.memory.rows().application.expect("it is there");
    assert_eq!(application.generation.0, 1, "no generation was handed out");
}

#[tokio::test]
async fn a_failed_update_names_its_rollback() {
    let sim = run("good", &[Start, guarded("fails")]).await;
    let rows = sim.memory.rows();
    let failed = rows.operations.values().find(|o| o.status == Failed).expect("the update");
    let named = failed.failure.as_ref().and_then(|f| f.rollback_operation.clone());
    let rollback = named.and_then(|id| rows.operations.get(&id)).expect("the rollback has a row");
    assert_eq!(rollback.kind, OperationKind::SystemRollback);
    assert_eq!(rollback.status, Successful);
    assert_eq!((rollback.from_version, rollback.to_version), (VersionId(2), VersionId(1)));
    let application = rows.application.expect("it is there");
    assert_eq!(application.version_rolled_back_from, Some(VersionId(2)));
    assert_eq!(application.version_rolled_back_to, Some(VersionId(1)));
}

#[tokio::test]
async fn a_rollback_whose_state_does_not_fit_restores_the_snapshot_before_the_update() {
    let acts = [Start, Run(200), update("good"), Run(300), Rollback];
    let sim = run("old", &acts).await;
    assert!(sim.steps.contains(&"RestoreInstead"), "{:?}", sim.steps);
    assert_eq!(sim.end_state().status, RUNNING);
    // AWS: rows since the update are produced again. Our own way back would not repeat.
    sim.world.advance(500);
    assert!(sim.world.exactly_once().is_err());
}

#[tokio::test]
async fn a_force_stop_ends_an_update_under_way() {
    let mut sim = run("good", &[Start]).await;
    sim.act(guarded("no_checkpoint")).expect("legal");
    for _ in 0..8 {
        sim.looker.look(&sim.id).await.expect("the fakes answer");
        sim.world.advance(9);
    }
    sim.act(ForceStop).expect("legal while UPDATING");
    sim.settle_undisturbed().await;
    let end = sim.end_state();
    assert_eq!((end.status, end.alive), (READY, 0), "{end:#?}");
    let statuses: Vec<_> = end.operations.iter().map(|(_, status, _)| *status).collect();
    assert_eq!(statuses, [Successful, OperationStatus::Cancelled, Successful]);
}

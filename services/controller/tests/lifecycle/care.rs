//! Care over the simulated engines: measured once in a period, decided, carried out. A
//! period stands for a minute.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use millrace_controller::{CareSettings, Carer, Clock};
use millrace_domain::care::health::Trouble;
use millrace_domain::event::EventKind;
use millrace_domain::{
    Application, Operation, OperationId, OperationKind, OperationStatus, Status, Timestamp,
};

use crate::sim::{Act, Sim};

const PERIOD: Duration = Duration::from_millis(1_000);

fn carer(sim: &Sim, name: &'static str) -> Carer {
    let seen = sim.world.clone();
    let clock: Clock = Arc::new(move || Timestamp(seen.now()));
    let begun = AtomicU64::new(0);
    let ids = move || {
        let number = begun.fetch_add(1, Ordering::Relaxed);
        OperationId::new(format!("{name}-{number}")).expect("a valid id")
    };
    let settings =
        CareSettings { period: PERIOD, release: Some("2".to_owned()), quotas: Arc::default() };
    Carer::new((sim.memory.clone(), Arc::new(sim.world.clone())), clock, Arc::new(ids), settings)
}

/// Periods at this use of the processor, each carer once in each; what is begun is done.
async fn live(sim: &mut Sim, carers: &[Carer], periods: usize, cpu_percent: f64) {
    sim.world.lock().cpu_percent = cpu_percent;
    for _ in 0..periods {
        let into = sim.world.now() % 1_000;
        sim.world.advance(1_000 - into);
        for carer in carers {
            carer.round().await;
        }
        sim.settle_undisturbed().await;
    }
}

async fn started(behaviour: &str) -> Sim {
    let mut sim = Sim::new(behaviour);
    sim.act(Act::Start).expect("legal");
    sim.settle_undisturbed().await;
    sim
}

fn of_kind(sim: &Sim, kind: OperationKind) -> Vec<Operation> {
    let rows = sim.memory.rows();
    let mut found: Vec<Operation> =
        rows.operations.into_values().filter(|it| it.kind == kind).collect();
    found.sort_by_key(|it| it.started_at);
    found
}

fn application(sim: &Sim) -> Application {
    sim.memory.rows().application.expect("it is there")
}

fn told(sim: &Sim, kind: EventKind) -> Vec<String> {
    let rows = sim.memory.rows();
    rows.events.into_iter().filter(|it| it.kind == kind).map(|it| it.detail.message).collect()
}

#[tokio::test]
async fn a_busy_job_is_doubled_and_an_idle_one_halved_with_every_row_once() {
    let mut sim = started("good").await;
    let carers = [carer(&sim, "one"), carer(&sim, "other")];
    // The first reading has none before it.
    live(&mut sim, &carers, 15, 90.0).await;
    assert_eq!(of_kind(&sim, OperationKind::Autoscaling), []);
    live(&mut sim, &carers, 1, 90.0).await;
    let scaled = of_kind(&sim, OperationKind::Autoscaling);
    assert_eq!(scaled.len(), 1, "two replicas decided, one began");
    assert_eq!(scaled[0].status, OperationStatus::Successful);
    let reason = scaled[0].request.reason.as_deref().unwrap_or_default();
    assert!(reason.ends_with("(90 % to 90 %): parallelism 1 to 2"), "{reason}");
    assert_eq!(application(&sim).job.and_then(|job| job.parallelism), Some(2));
    assert!(
        told(&sim, EventKind::OperationBegan).contains(&format!("Autoscaling began: {reason}"))
    );
    live(&mut sim, &carers, 18, 90.0).await;
    assert_eq!(application(&sim).job.and_then(|job| job.parallelism), Some(4));
    live(&mut sim, &carers, 366, 5.0).await;
    assert_eq!(application(&sim).job.and_then(|job| job.parallelism), Some(2));
    sim.world.exactly_once().expect("every row once");
}

#[tokio::test]
async fn a_new_replica_decides_later_and_never_otherwise() {
    let mut sim = started("good").await;
    let one = [carer(&sim, "one")];
    live(&mut sim, &one, 12, 90.0).await;
    let other = [carer(&sim, "other")];
    live(&mut sim, &other, 15, 90.0).await;
    assert_eq!(of_kind(&sim, OperationKind::Autoscaling).len(), 0);
    live(&mut sim, &other, 1, 90.0).await;
    assert_eq!(of_kind(&sim, OperationKind::Autoscaling).len(), 1);
}

#[tokio::test]
async fn a_scaling_that_failed_is_not_tried_again_for_an_hour() {
    let mut sim = started("scaled: fails").await;
    let carers = [carer(&sim, "one")];
    live(&mut sim, &carers, 60, 90.0).await;
    let scaled = of_kind(&sim, OperationKind::Autoscaling);
    assert_eq!(scaled.len(), 1, "{scaled:#?}");
    assert_eq!(scaled[0].status, OperationStatus::Failed);
    assert_eq!(application(&sim).status, Status::Running);
    live(&mut sim, &carers, 30, 90.0).await;
    assert_eq!(of_kind(&sim, OperationKind::Autoscaling).len(), 2);
    sim.world.exactly_once().expect("every row once");
}

#[tokio::test]
async fn another_release_of_the_engine_is_taken_in_the_window_and_once() {
    const HOUR: i64 = 3_600_000;
    let mut sim = Sim::new("good");
    sim.world.lock().release = "1";
    // us-east-1: from 03:00 on. Before it, nothing.
    sim.world.lock().now = 3 * HOUR - 5_000;
    sim.act(Act::Start).expect("legal");
    sim.settle_undisturbed().await;
    let carers = [carer(&sim, "one")];
    live(&mut sim, &carers, 2, 50.0).await;
    assert_eq!(of_kind(&sim, OperationKind::Maintenance), []);
    sim.world.lock().release = "2";
    live(&mut sim, &carers, 5, 50.0).await;
    let done = of_kind(&sim, OperationKind::Maintenance);
    assert_eq!(done.len(), 1, "{done:#?}");
    assert_eq!(done[0].status, OperationStatus::Successful);
    let reason = done[0].request.reason.as_deref();
    assert_eq!(reason, Some("The engine is \"1\", and \"2\" is installed"));
    sim.world.exactly_once().expect("every row once");
}

#[tokio::test]
async fn a_stall_is_told_once_with_its_end() {
    let mut sim = started("good").await;
    let carers = [carer(&sim, "one"), carer(&sim, "other")];
    // A checkpoint is due each 60 periods here; none of an engine whose log is not written.
    sim.world.lock().stalled = true;
    live(&mut sim, &carers, 320, 50.0).await;
    let began = told(&sim, EventKind::TroubleBegan);
    assert_eq!(began.len(), 1, "{began:?}");
    assert!(began[0].starts_with("StalledCheckpoints began: The job completed no checkpoint for"));
    assert!(application(&sim).care.episodes.contains_key(&Trouble::StalledCheckpoints));
    sim.world.lock().stalled = false;
    live(&mut sim, &carers, 3, 50.0).await;
    let ended = told(&sim, EventKind::TroubleEnded);
    assert_eq!(ended.len(), 1, "{ended:?}");
    assert_eq!(application(&sim).care.episodes.len(), 0);
}

#[tokio::test]
async fn a_restart_loop_is_told_and_nothing_is_begun_in_it() {
    let mut sim = started("good").await;
    let carers = [carer(&sim, "one")];
    live(&mut sim, &carers, 14, 90.0).await;
    for _ in 0..4 {
        sim.world.kill(None);
        live(&mut sim, &carers, 1, 90.0).await;
    }
    let began = told(&sim, EventKind::TroubleBegan);
    assert_eq!(began.len(), 1, "{began:?}");
    assert!(began[0].starts_with("RestartLoop began: The job restarted"), "{began:?}");
    assert_eq!(of_kind(&sim, OperationKind::Autoscaling), []);
    live(&mut sim, &carers, 12, 50.0).await;
    assert_eq!(told(&sim, EventKind::TroubleEnded).len(), 1);
    sim.world.exactly_once().expect("every row once");
}

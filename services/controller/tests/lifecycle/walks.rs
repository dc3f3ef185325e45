//! Seeded random walks: commands, crashes of the controller and of engines at random
//! moments. Whatever happens, the record is what happened.
//! `MILLRACE_WALKS` sets how many; 1,000 by default.

use millrace_domain::enhanced::EnhancedRequest;
use millrace_domain::lifecycle::Step;
use millrace_domain::{Generation, OperationKind, OperationStatus, SnapshotStatus, Status};

use crate::sim::{Act, Fate, Sim};

/// xorshift64*: enough to choose by, and the same everywhere.
struct Random(u64);

impl Random {
    fn below(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) % n
    }
}

const BEHAVIOURS: [&str; 14] = [
    "good",
    "good",
    "good",
    "bad_plan",
    "misfit",
    "exits",
    "fails",
    "restarts",
    "savepoint_fails",
    "scaled: fails",
    "scaled: exits",
    "scaled: restarts",
    "scaled: no_checkpoint",
    "held: fails",
];

fn command(random: &mut Random) -> Act {
    let behaviour = BEHAVIOURS[random.below(BEHAVIOURS.len() as u64) as usize];
    match random.below(16) {
        0..=2 => Act::Start,
        3 => Act::Stop,
        4 => Act::ForceStop,
        5..=8 => Act::Update(behaviour, random.below(2) == 0),
        9 => Act::Rollback,
        10 => Act::Snapshot,
        11 => Act::Maintain,
        15 => Act::Keep,
        12 | 13 => Act::Scale(1 + random.below(4) as u32),
        _ => Act::Run(1 + random.below(400) as i64),
    }
}

async fn walk(seed: u64) {
    let mut random = Random(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1);
    // Of three walks, one is of an application whose snapshots are the account's.
    let mut sim = if seed.is_multiple_of(3) { Sim::enhanced("good") } else { Sim::new("good") };
    let mut acts = Vec::new();
    for _ in 0..10 {
        let act = command(&mut random);
        // What is not legal now is refused, as by the API.
        let accepted = sim.act(act).is_ok();
        acts.push((act, accepted));
        for _ in 0..random.below(30) {
            let before = sim.world.healthy();
            disturb(&mut sim, &mut random).await;
            truthful(&sim, before, seed, &acts);
        }
    }
    let mut crashes = |_| if random.below(6) == 0 { Fate::CrashAfter } else { Fate::Undisturbed };
    sim.settle(&mut crashes).await;
    let end = sim.end_state();
    let settled = matches!(end.status, Some(Status::Ready | Status::Running));
    assert!(settled, "seed {seed}: {acts:?} {end:#?}");
    let kept = sim.memory.rows().enhanced;
    let open = kept.values().find(|it| it.snapshot.status == SnapshotStatus::Creating);
    assert_eq!(open, None, "seed {seed}: {acts:?} nothing is under way any more");
    // A manual rollback to state that no longer fits goes back in time, as on AWS.
    if !sim.steps.contains(&"RestoreInstead") {
        let rows = sim.world.exactly_once();
        rows.unwrap_or_else(|problem| panic!("seed {seed}: {acts:?} {problem}"));
    }
}

/// One look, perhaps with a crash around it, perhaps with an engine killed before it.
async fn disturb(sim: &mut Sim, random: &mut Random) {
    if random.below(40) == 0 {
        let alive = sim.world.alive();
        if !alive.is_empty() {
            sim.world.kill(Some(alive[random.below(alive.len() as u64) as usize]));
        }
    }
    let facts = sim.looker.facts(&sim.id).await.expect("the fakes answer");
    let facts = facts.expect("no walk deletes");
    let now = millrace_domain::Timestamp(sim.world.now());
    let step = millrace_domain::lifecycle::plan(&facts, now);
    if let Step::Wait { until, .. } = step {
        let ms = until.map_or(5, |until| until.0 - now.0).clamp(1, 300);
        return sim.world.advance(ms);
    }
    sim.steps.push(step.name());
    sim.world.advance(1);
    let crash = random.below(8);
    if crash == 0 {
        return;
    }
    let outcome = sim.looker.perform(&facts, &step).await;
    if crash != 1 {
        sim.looker.record(&facts, &step, outcome).await.expect("the fakes answer");
    }
}

/// SUCCESSFUL was never written of a start, update or rollback unless the job had proved
/// healthy; FAILED always has its cause; an ended operation has its time.
fn truthful(sim: &Sim, healthy_before: Option<Generation>, seed: u64, acts: &[(Act, bool)]) {
    let rows = sim.memory.rows();
    for operation in rows.operations.values() {
        let place = format!("seed {seed}: {acts:?} {operation:#?}");
        let ended = operation.status != OperationStatus::InProgress;
        assert_eq!(operation.ended_at.is_some(), ended, "{place}");
        let cause = operation.failure.as_ref().is_some_and(|f| !f.message.is_empty());
        assert_eq!(cause, operation.status == OperationStatus::Failed, "{place}");
    }
    let application = rows.application.as_ref().expect("no walk deletes");
    for EnhancedRequest { snapshot, operation } in rows.enhanced.values() {
        let place = format!("seed {seed}: {acts:?} {snapshot:#?} {operation:#?}");
        let (want, of_account) = match snapshot.status {
            SnapshotStatus::Ready => (OperationStatus::Successful, true),
            // By a force-stop, say.
            SnapshotStatus::Failed if operation.status == OperationStatus::Cancelled => {
                (OperationStatus::Cancelled, false)
            }
            SnapshotStatus::Failed => (OperationStatus::Failed, false),
            _ => (OperationStatus::InProgress, false),
        };
        assert_eq!(operation.status, want, "{place}");
        assert_eq!(snapshot.location.is_some(), of_account, "{place}");
        let ended = want != OperationStatus::InProgress;
        assert_eq!(operation.ended_at.is_some(), ended, "{place}");
        assert!(ended || application.open_operation.is_some(), "nobody takes it: {place}");
    }
    let starts = [
        OperationKind::StartApplication,
        OperationKind::UpdateApplication,
        OperationKind::RollbackApplication,
        OperationKind::SystemRollback,
        OperationKind::Autoscaling,
        OperationKind::Maintenance,
    ];
    let just_now = rows.operations.values().any(|operation| {
        starts.contains(&operation.kind)
            && operation.status == OperationStatus::Successful
            && operation.ended_at.is_some_and(|at| at.0 == sim.world.now())
    });
    if just_now && application.status == Status::Running {
        // As it was observed: it may break in the very moment that this is written down.
        let job = application.job.as_ref().map(|job| job.generation);
        assert_eq!(healthy_before, job, "seed {seed}: {acts:?} {:#?}", sim.end_state());
    }
}

#[tokio::test]
async fn whatever_happens_the_record_is_what_happened() {
    let walks = std::env::var("MILLRACE_WALKS").ok().and_then(|text| text.parse().ok());
    for seed in 1..=walks.unwrap_or(1000) {
        walk(seed).await;
    }
}

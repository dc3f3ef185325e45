//! The table of the lifecycle: status × desired × observed → step, printed into
//! `golden/lifecycle.txt`. `UPDATE_GOLDEN=1 cargo test -p millrace-domain` prints it anew.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use millrace_domain::application::{Application, Job, Status};
use millrace_domain::configuration::{
    CheckpointConfiguration, Code, CodeOrigin, Configuration, ConfigurationType,
    MonitoringConfiguration, ParallelismConfiguration, RunConfiguration, Version,
};
use millrace_domain::lifecycle::{
    CheckEvidence, Evidence, Facts, Health, Observed, Outcome, RestoreFrom, Settings,
    SnapshotEvidence, StartEvidence, Step, apply, plan,
};
use millrace_domain::operation::{OperationKind, OperationRequest, OperationStatus};
use millrace_domain::{
    ApplicationId, ApplicationName, ArtifactId, Generation, Operation, OperationId, Revision,
    SnapshotName, Timestamp, VersionId,
};

const NOW: Timestamp = Timestamp(1_000_000);
const JUST_NOW: Timestamp = Timestamp(999_990);
const LONG_AGO: Timestamp = Timestamp(0);
const OLD: Generation = Generation(1);
const NEW: Generation = Generation(2);

fn health(checkpoints_completed: u64, restarts: u64, uptime_ms: i64, held: bool) -> Observed {
    let last_failure = (restarts > 0).then(|| "Bad row".to_owned());
    let last_checkpoint_at = None;
    Observed::Running(Health {
        checkpoints_completed,
        last_checkpoint_at,
        restarts,
        last_failure,
        uptime_ms,
        held,
        cannot_hold: false,
    })
}

fn observations() -> Vec<(&'static str, Observed)> {
    let cause = || "Bad row".to_owned();
    vec![
        ("absent", Observed::Absent),
        ("starting", Observed::Starting { since: JUST_NOW }),
        ("starting for long", Observed::Starting { since: LONG_AGO }),
        ("staged", Observed::Staged),
        ("running, no checkpoint", health(0, 0, 60, false)),
        ("running, in its window", health(1, 0, 1_500, false)),
        ("running, stable", health(1, 0, 2_000, false)),
        ("running, stable, held", health(1, 0, 2_000, true)),
        ("running, restarted", health(1, 1, 2_000, false)),
        ("restarting", Observed::Restarting { cause: cause() }),
        ("finished", Observed::Finished { savepoint: None }),
        ("stopped with savepoint", Observed::Finished { savepoint: Some("/s".to_owned()) }),
        ("cancelled", Observed::Cancelled),
        ("failed", Observed::Failed { cause: cause() }),
        ("unreachable", Observed::Unreachable { since: JUST_NOW }),
        ("unreachable for long", Observed::Unreachable { since: LONG_AGO }),
        ("exited with a code", Observed::Exited { code: Some(1), cause: cause() }),
        ("killed", Observed::Exited { code: None, cause: cause() }),
    ]
}

/// One block of the table: everything but what is observed of one generation.
struct Desired {
    name: &'static str,
    status: Status,
    kind: Option<OperationKind>,
    evidence: Evidence,
    job: Option<Generation>,
    /// Whose observation varies, and what the other one is.
    of: Generation,
    other: Option<Observed>,
    force: bool,
    rollback_enabled: bool,
}

impl Desired {
    fn new(name: &'static str, status: Status, kind: Option<OperationKind>) -> Desired {
        Desired {
            name,
            status,
            kind,
            evidence: Evidence::default(),
            job: None,
            of: OLD,
            other: None,
            force: false,
            rollback_enabled: false,
        }
    }

    fn facts(&self, observed: Observed) -> Facts {
        let other = if self.of == OLD { NEW } else { OLD };
        let mut clusters = BTreeMap::from([(self.of, observed)]);
        clusters.extend(self.other.clone().map(|observed| (other, observed)));
        let operation = self.kind.map(|kind| operation(kind, self));
        let mut versions = BTreeMap::new();
        for id in [VersionId(1), VersionId(2)] {
            versions.insert(id, version(id, self.rollback_enabled));
        }
        Facts {
            application: application(self),
            operation,
            versions,
            snapshots: Vec::new(),
            clusters,
            settings: Settings::default(),
        }
    }
}

fn blocks() -> Vec<Desired> {
    use OperationKind as Kind;
    let checked = Some(CheckEvidence { ok: true, message: String::new(), at: JUST_NOW });
    let refused = Some(CheckEvidence { ok: false, message: "No".to_owned(), at: JUST_NOW });
    let switched = Evidence {
        check: checked.clone(),
        start: Some(start(NEW, true)),
        snapshot: Some(snapshot()),
        ..Evidence::default()
    };
    let update = || Desired {
        job: Some(OLD),
        ..Desired::new("update", Status::Updating, Some(Kind::UpdateApplication))
    };
    let again = Evidence {
        start: Some(StartEvidence { version: VersionId(1), ..start(NEW, true) }),
        ..switched.clone()
    };
    let scaling = || Desired {
        job: Some(OLD),
        ..Desired::new("scaling", Status::Autoscaling, Some(Kind::Autoscaling))
    };
    vec![
        Desired::new("nothing", Status::Ready, None),
        Desired { job: Some(OLD), ..Desired::new("nothing", Status::Running, None) },
        Desired::new("start, begun", Status::Starting, Some(Kind::StartApplication)),
        Desired {
            evidence: Evidence {
                check: checked.clone(),
                start: Some(start(OLD, false)),
                ..Evidence::default()
            },
            job: Some(OLD),
            ..Desired::new("start, checked", Status::Starting, Some(Kind::StartApplication))
        },
        Desired {
            job: Some(OLD),
            ..Desired::new("stop", Status::Stopping, Some(Kind::StopApplication))
        },
        Desired {
            job: Some(OLD),
            force: true,
            ..Desired::new("force-stop", Status::ForceStopping, Some(Kind::StopApplication))
        },
        Desired { name: "update, begun", ..update() },
        Desired {
            name: "update, refused by the check",
            evidence: Evidence { check: refused, ..Evidence::default() },
            ..update()
        },
        Desired {
            name: "update, staging (of the new one)",
            evidence: Evidence {
                check: checked.clone(),
                start: Some(start(NEW, true)),
                ..Evidence::default()
            },
            of: NEW,
            other: Some(health(1, 0, 5_000, false)),
            ..update()
        },
        Desired {
            name: "update, staged (of the old one)",
            evidence: Evidence {
                check: checked.clone(),
                start: Some(start(NEW, true)),
                ..Evidence::default()
            },
            other: Some(Observed::Staged),
            ..update()
        },
        Desired {
            name: "update, failed before the switch (of the old one)",
            evidence: Evidence { failure: Some("No".to_owned()), ..Evidence::default() },
            ..update()
        },
        Desired {
            name: "update, switched",
            evidence: switched.clone(),
            job: Some(NEW),
            of: NEW,
            ..update()
        },
        Desired {
            name: "update, switched, rollback enabled",
            evidence: switched.clone(),
            job: Some(NEW),
            of: NEW,
            rollback_enabled: true,
            ..update()
        },
        Desired {
            name: "update, approved, rollback enabled",
            evidence: Evidence { approved_at: Some(JUST_NOW), ..switched },
            job: Some(NEW),
            of: NEW,
            rollback_enabled: true,
            ..update()
        },
        Desired {
            job: Some(OLD),
            ..Desired::new("rollback", Status::RollingBack, Some(Kind::RollbackApplication))
        },
        Desired {
            evidence: Evidence {
                failed_generation: Some(OLD),
                way_back: Some("/s".to_owned()),
                rolled_back_because: Some("No".to_owned()),
                ..Evidence::default()
            },
            job: Some(OLD),
            ..Desired::new("system rollback", Status::RollingBack, Some(Kind::SystemRollback))
        },
        Desired {
            evidence: Evidence {
                failed_generation: Some(OLD),
                way_back: Some("/s".to_owned()),
                rolled_back_because: Some("No".to_owned()),
                start: Some(start(NEW, false)),
                ..Evidence::default()
            },
            job: Some(NEW),
            of: NEW,
            ..Desired::new(
                "system rollback, started",
                Status::RollingBack,
                Some(Kind::SystemRollback),
            )
        },
        Desired { name: "scaling, begun", ..scaling() },
        Desired {
            name: "scaling, staged (of the old one)",
            evidence: Evidence { snapshot: None, ..again.clone() },
            other: Some(Observed::Staged),
            ..scaling()
        },
        Desired {
            name: "scaling, switched",
            evidence: again.clone(),
            job: Some(NEW),
            of: NEW,
            ..scaling()
        },
        Desired {
            name: "scaling, failed after the switch",
            evidence: Evidence { failure: Some("No".to_owned()), ..again.clone() },
            job: Some(NEW),
            of: NEW,
            ..scaling()
        },
        Desired {
            name: "scaling, gone back",
            evidence: Evidence {
                failure: Some("No".to_owned()),
                recovery: Some(start(NEW, false)),
                ..again
            },
            job: Some(NEW),
            of: NEW,
            ..scaling()
        },
        Desired {
            job: Some(OLD),
            ..Desired::new("maintenance, begun", Status::Maintenance, Some(Kind::Maintenance))
        },
        Desired {
            job: Some(OLD),
            ..Desired::new("snapshot", Status::Running, Some(Kind::CreateApplicationSnapshot))
        },
        Desired {
            job: Some(OLD),
            ..Desired::new("delete", Status::Deleting, Some(Kind::DeleteApplication))
        },
    ]
}

fn table() -> String {
    let mut text = String::from("status × desired × observed → step\n");
    for block in blocks() {
        let _ = writeln!(text, "\n{} · {}", block.status.name(), block.name);
        for (name, observed) in observations() {
            let step = describe(&plan(&block.facts(observed), NOW));
            let _ = writeln!(text, "  {name:<24} {step}");
        }
    }
    text
}

fn describe(step: &Step) -> String {
    let name = step.name();
    match step {
        Step::Wait { why, .. } => format!("{name}: {why}"),
        Step::StopCluster { generation }
        | Step::RunJob { generation, .. }
        | Step::TriggerCheckpoint { generation }
        | Step::ReleaseCommits { generation } => format!("{name} g{generation}"),
        Step::Stage(launch) | Step::StartCluster(launch) => {
            format!("{name} g{}", launch.generation)
        }
        Step::Allocate(_, start) => {
            let retry = if start.retry_of.is_some() { ", again" } else { "" };
            format!("{name} version {}{retry}", start.version)
        }
        Step::Fail { cause } | Step::BeginRollback { cause, .. } => format!("{name}: {cause}"),
        Step::Finish(ending) | Step::DecideEnd(ending) => {
            let cause = ending.failure.as_ref().map(|failure| format!(": {}", failure.message));
            let status = ending.status.name();
            format!("{name} {status}, {}{}", ending.settle.name(), cause.unwrap_or_default())
        }
        _ => name.to_owned(),
    }
}

#[test]
fn the_table_is_as_agreed() {
    let path = "tests/golden/lifecycle.txt";
    let table = table();
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(path, &table).expect("the golden file is writable");
    }
    let golden = std::fs::read_to_string(path).expect("the golden file is there");
    assert!(
        golden == table,
        "the table changed; if that is meant, print it anew with UPDATE_GOLDEN=1:\n{table}"
    );
}

#[test]
fn an_operation_ends_in_the_change_that_settles_the_status() {
    for block in blocks() {
        for (name, observed) in observations() {
            let facts = block.facts(observed);
            let step = plan(&facts, NOW);
            if let Step::Finish(ending) = &step {
                let change = apply(&facts, &step, Outcome::Done, NOW);
                let written = match &change.application {
                    millrace_domain::change::ApplicationWrite::Put(application) => application,
                    other => panic!("{}: {name}: {other:?}", block.name),
                };
                assert_eq!(written.status, ending.settle, "{}: {name}", block.name);
                assert_eq!(written.open_operation, None, "{}: {name}", block.name);
                assert_eq!(change.operations[0].status, ending.status);
                assert_eq!(change.operations[0].ended_at, Some(NOW));
                assert_eq!(written.job.is_none(), ending.settle == Status::Ready);
            }
        }
    }
}

#[test]
fn success_needs_a_stable_checkpointed_job_or_a_finished_or_stopped_one() {
    for block in blocks() {
        for (name, observed) in observations() {
            let step = plan(&block.facts(observed.clone()), NOW);
            let Step::Finish(ending) = &step else { continue };
            let starts = matches!(
                block.kind,
                Some(OperationKind::StartApplication | OperationKind::SystemRollback)
            );
            if ending.status == OperationStatus::Successful
                && ending.settle == Status::Running
                && starts
            {
                assert!(name.starts_with("running, stable"), "{}: {name}: {step:?}", block.name);
            }
        }
    }
}

#[test]
fn a_savepoint_of_a_job_in_a_restart_loop_fails_its_operation() {
    use millrace_domain::care::Episode;
    use millrace_domain::care::health::Trouble;

    let asked = SnapshotEvidence { location: None, ..snapshot() };
    let block = Desired {
        job: Some(OLD),
        evidence: Evidence { snapshot: Some(asked), ..Evidence::default() },
        ..Desired::new("stop", Status::Stopping, Some(OperationKind::StopApplication))
    };
    let mut facts = block.facts(Observed::Restarting { cause: "Bad row".to_owned() });
    let step = describe(&plan(&facts, NOW));
    assert_eq!(step, "Wait: the job is not running at this moment");
    let seen = Episode { since: LONG_AGO, message: "It restarts".to_owned() };
    facts.application.care.episodes.insert(Trouble::RestartLoop, seen);
    let step = describe(&plan(&facts, NOW));
    assert_eq!(step, "Fail: The job is in a restart loop, and saves no state: Bad row");
    // Once nothing runs, nothing is in trouble.
    let ending = Step::Finish(millrace_domain::lifecycle::Ending {
        status: OperationStatus::Successful,
        failure: None,
        settle: Status::Ready,
        revert_version: false,
    });
    let change = apply(&facts, &ending, Outcome::Done, NOW);
    let told = millrace_domain::event::events(Some(&facts.application), &change, NOW);
    let ended = told.iter().map(|it| it.detail.message.as_str());
    assert!(ended.clone().any(|it| it == "RestartLoop ended after 1000 s"), "{told:?}");
}

/// Apache Flink shows what a checkpoint commits: on probation a job is asked for its first one
/// only when it has proved itself, and one that shows something by itself has no way back.
#[test]
fn a_job_that_cannot_hold_its_output_shows_none_before_it_has_proved_itself() {
    let probation = StartEvidence { hold_commits: true, ..start(NEW, true) };
    let evidence = Evidence {
        check: Some(CheckEvidence { ok: true, message: String::new(), at: JUST_NOW }),
        start: Some(probation),
        snapshot: Some(snapshot()),
        ..Evidence::default()
    };
    let block = |evidence: &Evidence| Desired {
        job: Some(NEW),
        of: NEW,
        rollback_enabled: true,
        evidence: evidence.clone(),
        ..Desired::new("update", Status::Updating, Some(OperationKind::UpdateApplication))
    };
    let check = |evidence: &Evidence, observed: Observed, want: &str| {
        let told = describe(&plan(&block(evidence).facts(observed), NOW));
        assert!(told.starts_with(want), "{told}");
    };
    let seen = |checkpoints, uptime_ms| match health(checkpoints, 0, uptime_ms, false) {
        Observed::Running(health) => Observed::Running(Health { cannot_hold: true, ..health }),
        other => other,
    };
    check(&evidence, seen(0, 60), "Wait: the job completed no checkpoint");
    check(&evidence, health(0, 0, 60, false), "TriggerCheckpoint");
    check(&evidence, seen(0, 2_000), "TriggerCheckpoint");
    check(&evidence, seen(1, 500), "Approve");
    let failing = Observed::Failed { cause: "Bad row".to_owned() };
    check(&evidence, failing.clone(), "BeginRollback");
    let shown = Evidence { approved_at: Some(JUST_NOW), ..evidence };
    check(&shown, seen(1, 500), "Wait: the stability window");
    check(&shown, seen(1, 2_000), "Finish SUCCESSFUL");
    // Not restored from before what is shown.
    check(&shown, failing, "DecideEnd");
}

#[test]
fn a_failing_step_backs_off_and_then_fails_its_operation() {
    let block =
        Desired::new("start, begun", Status::Starting, Some(OperationKind::StartApplication));
    let mut facts = block.facts(Observed::Absent);
    let mut now = NOW;
    let mut waits = Vec::new();
    for _ in 0..Settings::default().step_attempts {
        let step = plan(&facts, now);
        assert_eq!(step.name(), "CheckPlan");
        let change = apply(&facts, &step, Outcome::Error { message: "busy".to_owned() }, now);
        facts.operation = Some(change.operations[0].clone());
        if let Step::Wait { until: Some(until), .. } = plan(&facts, now) {
            waits.push(until.0 - now.0);
            now = until;
        }
    }
    assert_eq!(waits, [100, 200, 400, 800]);
    let step = plan(&facts, now);
    assert_eq!(describe(&step), "Finish FAILED, READY: busy");
}

fn start(generation: Generation, standby: bool) -> StartEvidence {
    StartEvidence {
        version: VersionId(2),
        generation,
        first_generation: generation,
        restore: RestoreFrom::Latest,
        allow_non_restored_state: false,
        hold_commits: false,
        standby,
        parallelism: None,
        since: JUST_NOW,
        checkpoint_asked_at: None,
        attempts: 1,
        refused: None,
    }
}

fn snapshot() -> SnapshotEvidence {
    SnapshotEvidence {
        name: SnapshotName::new("system-op").expect("a valid name"),
        generation: OLD,
        requested_at: JUST_NOW,
        trigger: None,
        location: Some("/s".to_owned()),
    }
}

fn operation(kind: OperationKind, block: &Desired) -> Operation {
    let backward =
        matches!(kind, OperationKind::RollbackApplication | OperationKind::SystemRollback);
    let changes = backward || kind == OperationKind::UpdateApplication;
    let (from, to) = match (changes, backward) {
        (false, _) => (VersionId(1), VersionId(1)),
        (true, false) => (VersionId(1), VersionId(2)),
        (true, true) => (VersionId(2), VersionId(1)),
    };
    Operation {
        application: ApplicationId::new("app").expect("a valid id"),
        id: OperationId::new("op").expect("a valid id"),
        kind,
        status: OperationStatus::InProgress,
        started_at: JUST_NOW,
        ended_at: None,
        from_version: from,
        to_version: to,
        request: OperationRequest {
            enhanced: None,
            run: None,
            force: block.force,
            parallelism: (kind == OperationKind::Autoscaling).then_some(2),
            reason: None,
            snapshot: (kind == OperationKind::CreateApplicationSnapshot)
                .then(|| SnapshotName::new("mine").expect("a valid name")),
        },
        failure: None,
        evidence: block.evidence.clone().into_value(),
    }
}

fn application(block: &Desired) -> Application {
    let rolling_back = block.status == Status::RollingBack;
    let job_version = if rolling_back || block.job == Some(NEW) { 2 } else { 1 };
    Application {
        id: ApplicationId::new("app").expect("a valid id"),
        account: "000000000000".to_owned(),
        region: "us-east-1".to_owned(),
        name: ApplicationName::new("app").expect("a valid name"),
        description: String::new(),
        status: block.status,
        version: VersionId(1),
        latest_version: VersionId(2),
        version_updated_from: None,
        version_rolled_back_from: None,
        version_rolled_back_to: None,
        conditional_token: String::new(),
        created_at: LONG_AGO,
        updated_at: LONG_AGO,
        job: block.job.map(|generation| Job {
            generation,
            version: VersionId(job_version),
            run: RunConfiguration::default(),
            started_at: LONG_AGO,
            restarts: 0,
            parallelism: None,
        }),
        generation: NEW,
        open_operation: block.kind.map(|_| OperationId::new("op").expect("a valid id")),
        tags: BTreeMap::new(),
        maintenance_start: None,
        care: Default::default(),
        revision: Revision(1),
    }
}

fn version(id: VersionId, rollback_enabled: bool) -> Version {
    let configuration_type = ConfigurationType::Default;
    Version {
        id,
        runtime_environment: "FLINK-1_18".to_owned(),
        service_execution_role: "arn:aws:iam::000000000000:role/r".to_owned(),
        configuration: Configuration {
            code: Some(Code {
                origin: CodeOrigin::Text("SELECT 1".to_owned()),
                artifact: ArtifactId::new("ab").expect("a valid id"),
                size_bytes: 8,
                md5: String::new(),
            }),
            checkpoint: CheckpointConfiguration {
                configuration_type,
                enabled: true,
                interval_ms: 60_000,
                min_pause_ms: 5_000,
            },
            monitoring: MonitoringConfiguration {
                configuration_type,
                metrics_level: "APPLICATION".to_owned(),
                log_level: "INFO".to_owned(),
            },
            parallelism: ParallelismConfiguration {
                configuration_type,
                parallelism: 1,
                parallelism_per_kpu: 1,
                auto_scaling_enabled: true,
            },
            property_groups: Vec::new(),
            snapshots_enabled: true,
            rollback_enabled,
            ..Configuration::default()
        },
        created_at: LONG_AGO,
    }
}

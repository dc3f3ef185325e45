//! Control plane and simulated engines together, one step at a time.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_controller::{Clock, Looker};
use millrace_domain::application::Application;
use millrace_domain::change::Change;
use millrace_domain::commands::{
    Call, ConfigurationPatch, CreateSnapshot, ExpectedVersion, Facts as CommandFacts, Renewal,
    UpdateApplication,
};
use millrace_domain::configuration::{
    CheckpointConfiguration, Code, CodeOrigin, Configuration, ConfigurationType,
    MonitoringConfiguration, ParallelismConfiguration, PropertyGroup, RunConfiguration,
    SnapshotMode, Version,
};
use millrace_domain::lifecycle::{Facts, Observed, Outcome, Settings, Step, plan};
use millrace_domain::quota::Quotas;
use millrace_domain::{
    ApplicationId, ApplicationName, ArtifactId, EnhancedSnapshotName, Generation, OperationId,
    OperationKind, OperationStatus, Reject, Revision, SnapshotName, SnapshotStatus, Status,
    Timestamp, VersionId,
};

use crate::memory::Memory;
use crate::world::World;

/// One thing that somebody does to the application.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Act {
    Start,
    Stop,
    ForceStop,
    /// The new version's behaviour, and whether rollback is enabled.
    Update(&'static str, bool),
    Rollback,
    Snapshot,
    DeleteSnapshot,
    /// CreateSnapshot: one of the account.
    Keep,
    Delete,
    /// The service scales it, to this parallelism.
    Scale(u32),
    /// The service restarts it on another release of its engine.
    Maintain,
    KillEngine,
    Run(i64),
}

/// What is done with one step.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Fate {
    Undisturbed,
    /// The controller dies before the effect.
    CrashBefore,
    /// The controller dies after the effect, before it is recorded.
    CrashAfter,
    Twice,
    /// Another commit goes between load and record.
    Overtaken,
    /// The very same decision is carried out once more, this many steps later.
    Again(usize),
}

pub struct Sim {
    pub world: World,
    pub memory: Arc<Memory>,
    pub looker: Looker,
    pub id: ApplicationId,
    operations: u32,
    /// Names of the steps done, for messages and for counting.
    pub steps: Vec<&'static str>,
    later: Vec<(usize, Facts, Step)>,
}

/// What must be the same however the way there was disturbed.
#[derive(Clone, Debug, PartialEq)]
pub struct EndState {
    pub status: Option<Status>,
    pub version: Option<VersionId>,
    pub updated_from: Option<VersionId>,
    pub job_version: Option<VersionId>,
    pub parallelism: Option<u32>,
    pub operations: Vec<(OperationKind, OperationStatus, Option<String>)>,
    pub snapshots: Vec<(SnapshotStatus, VersionId)>,
    pub runs: bool,
    pub alive: usize,
}

pub fn settings() -> Settings {
    Settings { stability_ms: 150, start_deadline_ms: 1_000, ..Settings::default() }
}

impl Sim {
    pub fn new(behaviour: &str) -> Sim {
        Sim::of(version(behaviour))
    }

    /// Of an application whose snapshots are the account's.
    pub fn enhanced(behaviour: &str) -> Sim {
        let mut version = version(behaviour);
        version.runtime_environment = "FLINK-1_20".to_owned();
        version.configuration.snapshot_mode = SnapshotMode::Enhanced;
        Sim::of(version)
    }

    fn of(version: Version) -> Sim {
        let world = World::default();
        let memory = Arc::new(Memory::with(application(), version));
        let seen = world.clone();
        let clock: Clock = Arc::new(move || Timestamp(seen.now()));
        let looker = Looker {
            records: memory.clone(),
            launcher: Arc::new(world.clone()),
            settings: settings(),
            clock,
        };
        let id = application().id;
        Sim { world, memory, looker, id, operations: 0, steps: Vec::new(), later: Vec::new() }
    }

    /// Carries the act's command out, as the API does; refused commands do nothing.
    pub fn act(&mut self, act: Act) -> Result<(), Reject> {
        match act {
            Act::KillEngine => self.world.kill(None),
            Act::Run(ms) => self.world.advance(ms),
            _ => {
                let change = self.command(act)?;
                self.memory.put(&change).expect("nothing commits between");
            }
        }
        Ok(())
    }

    fn command(&mut self, act: Act) -> Result<Change, Reject> {
        self.operations += 1;
        let rows = self.memory.rows();
        let application = rows.application.expect("acts come before the deletion");
        let snapshots: Vec<_> = rows.snapshots.values().cloned().collect();
        let open = application.open_operation.as_ref();
        let facts = CommandFacts {
            application: &application,
            version: &rows.versions[&application.version],
            open_operation: open.map(|id| &rows.operations[id]),
            snapshots: &snapshots,
            quotas: &Quotas::AWS,
        };
        let now = Timestamp(self.world.now());
        let operation = OperationId::new(format!("op-{}", self.operations)).expect("a valid id");
        let call = Call { operation, now };
        match act {
            Act::Start => facts.start(RunConfiguration::default(), &call),
            Act::Stop => facts.stop(false, &call),
            Act::ForceStop => facts.stop(true, &call),
            Act::Update(behaviour, rollback) => {
                update(&application, behaviour, rollback).decide(&facts, &["FLINK-1_18"], &call)
            }
            Act::Rollback => facts.roll_back(application.version, &call),
            Act::Snapshot => facts.create_snapshot(snapshot_name(), &call),
            Act::DeleteSnapshot => {
                let created = facts.snapshot(&snapshot_name())?.created_at;
                facts.delete_snapshot(&snapshot_name(), created, now)
            }
            Act::Keep => kept(self.operations).decide(&facts, &call),
            Act::Delete => facts.delete(application.created_at, &call),
            Act::Scale(parallelism) => {
                facts.renew(Renewal::Scale { parallelism, reason: "busy".to_owned() }, &call)
            }
            Act::Maintain => {
                facts.renew(Renewal::Upgrade { reason: "a new release".to_owned() }, &call)
            }
            Act::KillEngine | Act::Run(_) => unreachable!("not a command"),
        }
    }

    /// Looks until nothing is under way; `fate` says what is done with each step.
    pub async fn settle(&mut self, fate: &mut dyn FnMut(usize) -> Fate) {
        for _ in 0..20_000 {
            let Some(facts) = self.looker.facts(&self.id).await.expect("the fakes answer") else {
                return;
            };
            self.watch(&facts);
            let step = plan(&facts, Timestamp(self.world.now()));
            if let Step::Wait { until, .. } = step {
                if is_settled(&facts) {
                    return;
                }
                let until = until.expect("an operation under way never waits for ever");
                let ms = until.0 - self.world.now();
                assert!((1..=60_000).contains(&ms), "waits {ms} ms");
                self.world.advance(ms);
                continue;
            }
            let number = self.steps.len();
            self.steps.push(step.name());
            self.carry_out(facts, step, fate(number)).await;
            self.replay_due().await;
        }
        panic!("does not settle: {:?}", &self.steps[self.steps.len().saturating_sub(30)..]);
    }

    async fn carry_out(&mut self, facts: Facts, step: Step, fate: Fate) {
        // Every effect takes time.
        self.world.advance(1);
        if fate == Fate::CrashBefore {
            return;
        }
        let mut outcome = self.looker.perform(&facts, &step).await;
        if fate == Fate::CrashAfter {
            return;
        }
        if fate == Fate::Twice {
            outcome = combined(outcome, self.looker.perform(&facts, &step).await);
        }
        if fate == Fate::Overtaken {
            self.memory.touch();
        }
        self.looker.record(&facts, &step, outcome).await.expect("the fakes answer");
        if let Fate::Again(after) = fate {
            self.later.push((self.steps.len() + after, facts, step));
        }
    }

    /// Decisions made long ago, carried out by a controller that slept.
    async fn replay_due(&mut self) {
        let number = self.steps.len();
        let (due, later) = std::mem::take(&mut self.later).into_iter().partition(|l| l.0 <= number);
        self.later = later;
        let due: Vec<(usize, Facts, Step)> = due;
        for (_, facts, step) in due {
            let outcome = self.looker.perform(&facts, &step).await;
            self.looker.record(&facts, &step, outcome).await.expect("the fakes answer");
        }
    }

    pub async fn settle_undisturbed(&mut self) {
        self.settle(&mut |_| Fate::Undisturbed).await;
    }

    /// Truths that hold at every moment.
    fn watch(&self, facts: &Facts) {
        let application = &facts.application;
        let in_progress = facts.operation.as_ref();
        assert_eq!(in_progress.is_some(), application.open_operation.is_some());
        if let Some(operation) = in_progress {
            assert_eq!(operation.status, OperationStatus::InProgress, "an open operation is open");
            let taken = |it: &millrace_domain::Snapshot| {
                Some(&it.name) == operation.request.snapshot.as_ref()
            };
            let ready =
                |it: &&millrace_domain::Snapshot| taken(it) && it.status == SnapshotStatus::Ready;
            assert_eq!(facts.snapshots.iter().find(ready), None, "READY with its operation's end");
        }
        if application.status == Status::Ready {
            assert!(application.job.is_none(), "READY has no job");
        }
        let newest = facts.clusters.keys().max().copied().unwrap_or(Generation(0));
        assert!(newest <= application.generation, "a generation was used before it was stored");
        let running = facts.clusters.values().filter(|o| matches!(o, Observed::Running(_)));
        assert!(running.count() <= 2, "at most the old job and the new one");
    }

    pub fn end_state(&self) -> EndState {
        let rows = self.memory.rows();
        let application = rows.application.as_ref();
        let failure =
            |o: &millrace_domain::Operation| o.failure.as_ref().map(|f| f.message.clone());
        let healthy = self.world.healthy();
        let job = application.and_then(|a| a.job.as_ref());
        EndState {
            status: application.map(|a| a.status),
            version: application.map(|a| a.version),
            updated_from: application.and_then(|a| a.version_updated_from),
            job_version: job.map(|job| job.version),
            parallelism: job.and_then(|job| job.parallelism),
            operations: rows.operations.values().map(|o| (o.kind, o.status, failure(o))).collect(),
            snapshots: rows.snapshots.values().map(|s| (s.status, s.version)).collect(),
            runs: job.is_some_and(|job| healthy == Some(job.generation)),
            alive: self.world.alive().len(),
        }
    }
}

/// Of two tries of one effect the one that succeeded counts, as for a retried request.
fn combined(first: Outcome, second: Outcome) -> Outcome {
    match second {
        Outcome::Error { .. } | Outcome::Refused { .. } | Outcome::SnapshotBusy => first,
        second => second,
    }
}

fn is_settled(facts: &Facts) -> bool {
    let job_is_up = match (&facts.application.job, facts.application.status) {
        // A simulated engine never comes out of RESTARTING.
        (Some(job), Status::Running) => matches!(
            facts.observed(job.generation),
            Observed::Running(_) | Observed::Restarting { .. }
        ),
        _ => true,
    };
    facts.operation.is_none() && job_is_up
}

fn kept(number: u32) -> CreateSnapshot {
    let name = EnhancedSnapshotName::new(format!("kept-{number}")).expect("a valid name");
    CreateSnapshot { name, description: String::new(), tags: BTreeMap::new() }
}

fn snapshot_name() -> SnapshotName {
    SnapshotName::new("mine").expect("a valid name")
}

fn update(application: &Application, behaviour: &str, rollback: bool) -> UpdateApplication {
    UpdateApplication {
        expected: ExpectedVersion { version: Some(application.version), token: None },
        configuration: ConfigurationPatch {
            property_groups: Some(vec![group(behaviour)]),
            rollback_enabled: Some(rollback),
            ..ConfigurationPatch::default()
        },
        ..UpdateApplication::default()
    }
}

fn group(behaviour: &str) -> PropertyGroup {
    let properties = BTreeMap::from([("behaviour".to_owned(), behaviour.to_owned())]);
    PropertyGroup { id: "simulation".to_owned(), properties }
}

pub fn application() -> Application {
    let mut application = Application {
        id: ApplicationId::new("app-1").expect("a valid id"),
        account: "000000000000".to_owned(),
        region: "us-east-1".to_owned(),
        name: ApplicationName::new("flights").expect("a valid name"),
        description: String::new(),
        status: Status::Ready,
        version: VersionId(1),
        latest_version: VersionId(1),
        version_updated_from: None,
        version_rolled_back_from: None,
        version_rolled_back_to: None,
        conditional_token: String::new(),
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        job: None,
        generation: Generation(0),
        open_operation: None,
        tags: BTreeMap::new(),
        maintenance_start: None,
        care: Default::default(),
        revision: Revision(1),
    };
    application.show_version(VersionId(1));
    application
}

pub fn version(behaviour: &str) -> Version {
    let configuration_type = ConfigurationType::Default;
    Version {
        id: VersionId(1),
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
            property_groups: vec![group(behaviour)],
            snapshots_enabled: true,
            rollback_enabled: false,
            ..Configuration::default()
        },
        created_at: Timestamp(0),
    }
}

//! From a step's outcome to what is written.

use std::collections::BTreeMap;

use crate::application::{Application, Job, Status};
use crate::change::{ApplicationWrite, Change};
use crate::configuration::Version;
use crate::enhanced::{
    EnhancedRequest, EnhancedSnapshot, SnapshotOperationKind, SnapshotSource, SourceApplication,
    begun, system_name,
};
use crate::ids::{Generation, SnapshotName, Timestamp};
use crate::lifecycle::evidence::{
    CheckEvidence, ErrorEvidence, Evidence, SnapshotEvidence, StartEvidence, system_rollback_id,
};
use crate::lifecycle::facts::Facts;
use crate::lifecycle::launch::RestoreFrom;
use crate::lifecycle::step::{Ending, Outcome, SnapshotRequest, Start, StartSlot, Step};
use crate::operation::{Failure, Operation, OperationKind, OperationRequest, OperationStatus};
use crate::snapshot::{Snapshot, SnapshotStatus};

/// What the outcome of `step`, decided from `facts`, writes. The store refuses it when
/// `facts` are no longer the newest.
pub fn apply(facts: &Facts, step: &Step, outcome: Outcome, now: Timestamp) -> Change {
    let mut draft = Draft::of(facts, now);
    match outcome {
        Outcome::Error { message } => draft.error(step, message),
        Outcome::Refused { cause } => draft.refused(step, cause),
        outcome => {
            draft.evidence.errors = None;
            draft.done(step, outcome);
        }
    }
    draft.into_change()
}

/// The change under construction.
struct Draft<'a> {
    facts: &'a Facts,
    now: Timestamp,
    application: Application,
    operation: Option<Operation>,
    evidence: Evidence,
    /// Begun by this change.
    next_operation: Option<Operation>,
    snapshots: Vec<Snapshot>,
    deleted_snapshots: Vec<SnapshotName>,
    enhanced: Vec<EnhancedRequest>,
    delete: bool,
}

impl Draft<'_> {
    fn of(facts: &Facts, now: Timestamp) -> Draft<'_> {
        Draft {
            facts,
            now,
            application: facts.application.clone(),
            operation: facts.operation.clone(),
            evidence: facts.evidence(),
            next_operation: None,
            snapshots: Vec::new(),
            deleted_snapshots: Vec::new(),
            enhanced: Vec::new(),
            delete: false,
        }
    }

    fn done(&mut self, step: &Step, outcome: Outcome) {
        match (step, outcome) {
            (Step::CheckPlan(_), Outcome::Checked(verdict)) => {
                self.evidence.check =
                    Some(CheckEvidence { ok: verdict.ok, message: verdict.message, at: self.now });
            }
            (Step::TakeSnapshot(request), Outcome::SnapshotPending { trigger }) => {
                self.snapshot_evidence(request).trigger = Some(trigger);
            }
            (Step::TakeSnapshot(request), Outcome::SnapshotBusy) => self.snapshot_busy(request),
            (Step::TakeSnapshot(request), Outcome::SnapshotTaken { location }) => {
                self.snapshot_evidence(request);
                self.record_snapshot(location);
                self.end_with_snapshot();
            }
            (Step::RecordSnapshot { location }, _) => self.record_snapshot(location.clone()),
            (Step::Allocate(slot, start), _) => self.allocate(*slot, start),
            (Step::GiveUpSnapshot, _) => {
                self.evidence.job_was_broken = true;
                self.switch();
            }
            (Step::RestoreInstead { restore }, _) => {
                if let Some(start) = &mut self.evidence.start {
                    start.restore = restore.clone();
                }
            }
            (Step::TriggerCheckpoint { generation }, _) => self.checkpoint_asked(*generation),
            (Step::Approve, _) => self.evidence.approved_at = Some(self.now),
            (Step::Fail { cause }, _) => self.evidence.failure = Some(cause.clone()),
            (Step::BeginRollback { cause, way_back }, _) => self.begin_rollback(cause, way_back),
            (Step::DecideEnd(ending), _) => self.evidence.ending = Some(ending.clone()),
            (Step::Finish(ending), _) => self.finish(ending),
            (Step::RestartJob, _) => self.restart_job(),
            (Step::SettleFinished, _) => self.settle(Status::Ready),
            (Step::DeleteSnapshot { name, .. }, _) => self.deleted_snapshots.push(name.clone()),
            (Step::DeleteEverything, _) => self.delete = true,
            // What the next observation shows needs no record.
            (
                Step::Wait { .. }
                | Step::CheckPlan(_)
                | Step::TakeSnapshot(_)
                | Step::Stage(_)
                | Step::StartCluster(_)
                | Step::RunJob { .. }
                | Step::ReleaseCommits { .. }
                | Step::StopCluster { .. },
                _,
            ) => {}
        }
    }

    /// Tried again after a back-off; too often in a row, it counts as refused.
    fn error(&mut self, step: &Step, message: String) {
        let before = self.evidence.errors.take().filter(|errors| errors.step == step.name());
        let in_a_row = before.map_or(1, |errors| errors.in_a_row.saturating_add(1));
        if in_a_row >= self.facts.settings.step_attempts && can_give_up(step) {
            return self.refused(step, message);
        }
        let wait_ms = self.facts.settings.backoff_ms(in_a_row);
        self.evidence.errors = Some(ErrorEvidence {
            step: step.name().to_owned(),
            in_a_row,
            last: message,
            retry_at: Timestamp(self.now.0.saturating_add(wait_ms)),
        });
    }

    fn refused(&mut self, step: &Step, cause: String) {
        self.evidence.errors = None;
        match step {
            Step::CheckPlan(_) => {
                self.evidence.check =
                    Some(CheckEvidence { ok: false, message: cause, at: self.now });
            }
            Step::Stage(launch) | Step::StartCluster(launch) => {
                self.start_refused(launch.generation, cause);
            }
            Step::RunJob { generation, .. } => self.start_refused(*generation, cause),
            Step::TriggerCheckpoint { generation } => self.checkpoint_asked(*generation),
            step if can_give_up(step) => self.evidence.failure = Some(cause),
            step => self.error(step, cause),
        }
    }

    fn allocate(&mut self, slot: StartSlot, start: &Start) {
        let generation = self.next_generation();
        let before = self.start_slot(slot).take();
        let attempts = match start.retry_of {
            Some(_) => before.map_or(1, |before| before.attempts.saturating_add(1)),
            None => 1,
        };
        *self.start_slot(slot) = Some(StartEvidence {
            version: start.version,
            generation,
            first_generation: start.retry_of.unwrap_or(generation),
            restore: start.restore.clone(),
            allow_non_restored_state: start.allow_non_restored_state,
            hold_commits: start.hold_commits,
            standby: start.standby,
            parallelism: start.parallelism,
            since: self.now,
            checkpoint_asked_at: None,
            attempts,
            refused: None,
        });
        if !start.standby {
            self.set_job(slot);
        }
    }

    fn next_generation(&mut self) -> Generation {
        let next = Generation(self.application.generation.0 + 1);
        self.application.generation = next;
        next
    }

    fn start_slot(&mut self, slot: StartSlot) -> &mut Option<StartEvidence> {
        match slot {
            StartSlot::Target => &mut self.evidence.start,
            StartSlot::Recovery => &mut self.evidence.recovery,
        }
    }

    /// From here on the application's job is the one of that start.
    fn set_job(&mut self, slot: StartSlot) {
        let Some(start) = self.start_slot(slot).clone() else { return };
        let kept = self.application.job.take().map(|job| job.run);
        let asked = self.operation.as_ref().and_then(|operation| operation.request.run.clone());
        self.application.job = Some(Job {
            generation: start.generation,
            version: start.version,
            run: asked.or(kept).unwrap_or_default(),
            started_at: self.now,
            restarts: 0,
            parallelism: start.parallelism,
        });
    }

    fn snapshot_evidence(&mut self, request: &SnapshotRequest) -> &mut SnapshotEvidence {
        let requested_at = self.now;
        self.evidence.snapshot.get_or_insert_with(|| SnapshotEvidence {
            name: request.name.clone(),
            generation: request.generation,
            requested_at,
            trigger: None,
            location: None,
        })
    }

    /// Not counted as an error: the deadline of the snapshot bounds it.
    fn snapshot_busy(&mut self, request: &SnapshotRequest) {
        self.snapshot_evidence(request).trigger = None;
        self.evidence.errors = Some(ErrorEvidence {
            step: Step::TakeSnapshot(request.clone()).name().to_owned(),
            in_a_row: 0,
            last: "another savepoint of the job is under way".to_owned(),
            retry_at: Timestamp(self.now.0.saturating_add(4 * self.facts.settings.poll_ms)),
        });
    }

    fn record_snapshot(&mut self, location: String) {
        let Some(operation) = self.operation.clone() else { return };
        let name =
            operation.request.snapshot.clone().unwrap_or_else(|| {
                crate::lifecycle::evidence::automatic_snapshot_name(&operation.id)
            });
        let generation = self.application.job.as_ref().map(|job| job.generation);
        let evidence = self.evidence.snapshot.get_or_insert_with(|| SnapshotEvidence {
            name: name.clone(),
            generation: generation.unwrap_or(Generation(0)),
            requested_at: self.now,
            trigger: None,
            location: None,
        });
        evidence.location = Some(location.clone());
        self.put_snapshot_row(&operation, name, location.clone());
        if let Some(start) = &mut self.evidence.start
            && start.restore == RestoreFrom::Latest
        {
            start.restore = RestoreFrom::Snapshot { location };
        }
        self.switch();
    }

    /// A snapshot asked for by name is READY in the commit that ends its operation: who sees
    /// the one sees the other.
    fn end_with_snapshot(&mut self) {
        let kind = self.operation.as_ref().map(|operation| operation.kind);
        let by_name = [OperationKind::CreateApplicationSnapshot, OperationKind::CreateSnapshot];
        if kind.is_some_and(|kind| by_name.contains(&kind)) {
            self.finish(&Ending {
                status: OperationStatus::Successful,
                failure: None,
                settle: Status::Running,
                revert_version: false,
            });
        }
    }

    /// The row asked for becomes READY; an automatic one is made where snapshots are enabled.
    fn put_snapshot_row(&mut self, operation: &Operation, name: SnapshotName, location: String) {
        let asked = self.facts.snapshots.iter().find(|snapshot| snapshot.name == name);
        let job_version = self.facts.application.job.as_ref().map(|job| job.version);
        let Some(version) = job_version.and_then(|id| self.facts.version(id)) else { return };
        let by_name = matches!(
            operation.kind,
            OperationKind::CreateApplicationSnapshot | OperationKind::CreateSnapshot
        );
        if !by_name && !version.configuration.snapshots_enabled {
            return;
        }
        let goes_back = operation.kind == OperationKind::RollbackApplication;
        let enhanced = match &operation.request.enhanced {
            Some(request) => Some(request.settled(Ok(location.clone()), self.now)),
            None if by_name || !self.facts.keeps_snapshots() => None,
            None => Some(self.system_snapshot(operation, version, location.clone())),
        };
        let written_for =
            if goes_back { self.facts.version(operation.to_version) } else { Some(version) };
        self.snapshots.push(Snapshot {
            application: self.application.id.clone(),
            name,
            status: SnapshotStatus::Ready,
            created_at: asked.map_or(self.now, |snapshot| snapshot.created_at),
            version: version.id,
            runtime_environment: written_for.unwrap_or(version).runtime_environment.clone(),
            location: Some(location),
            automatic: !by_name,
            enhanced: enhanced.is_some(),
        });
        self.enhanced.extend(enhanced);
    }

    /// The account's record of an automatic snapshot.
    fn system_snapshot(
        &self,
        operation: &Operation,
        version: &Version,
        location: String,
    ) -> EnhancedRequest {
        let kind = SnapshotOperationKind::SystemCreateSnapshot;
        let snapshot = EnhancedSnapshot {
            account: self.application.account.clone(),
            region: self.application.region.clone(),
            name: system_name(&operation.id),
            description: String::new(),
            status: SnapshotStatus::Creating,
            created_at: self.now,
            initiator: kind,
            source: SnapshotSource::Application(SourceApplication {
                application: self.application.id.clone(),
                name: self.application.name.clone(),
                created_at: self.application.created_at,
                version: version.id,
                runtime_environment: version.runtime_environment.clone(),
            }),
            location: None,
            size_bytes: None,
            tags: BTreeMap::new(),
        };
        let part_of = Some((self.application.name.clone(), operation.id.clone()));
        // One id for both: the operation of the application is the one that took it.
        let operation = begun(&snapshot, kind, operation.id.clone(), part_of, self.now);
        EnhancedRequest { snapshot, operation }.settled(Ok(location), self.now)
    }

    /// The staged cluster becomes the application's job; it gets it in the next step.
    fn switch(&mut self) {
        let Some(start) = &mut self.evidence.start else { return };
        start.since = self.now;
        self.set_job(StartSlot::Target);
    }

    fn checkpoint_asked(&mut self, generation: Generation) {
        for start in [&mut self.evidence.start, &mut self.evidence.recovery].into_iter().flatten() {
            if start.generation == generation {
                start.checkpoint_asked_at = Some(self.now);
            }
        }
    }

    fn start_refused(&mut self, generation: Generation, cause: String) {
        for start in [&mut self.evidence.start, &mut self.evidence.recovery].into_iter().flatten() {
            if start.generation == generation {
                start.refused = Some(cause.clone());
            }
        }
    }

    fn begin_rollback(&mut self, cause: &str, way_back: &str) {
        let Some(failed) = self.operation.clone() else { return };
        let id = system_rollback_id(&failed.id);
        let generation = self.evidence.start.as_ref().map(|start| start.generation);
        self.end_operation(
            OperationStatus::Failed,
            Some(Failure { message: cause.to_owned(), rollback_operation: Some(id.clone()) }),
        );
        self.revert_version(&failed);
        self.application.version_rolled_back_from = Some(failed.to_version);
        self.application.version_rolled_back_to = Some(failed.from_version);
        self.application.status = Status::RollingBack;
        self.application.open_operation = Some(id.clone());
        let evidence = Evidence {
            failed_generation: generation,
            rolled_back_because: Some(cause.to_owned()),
            way_back: Some(way_back.to_owned()),
            ..Evidence::default()
        };
        self.next_operation = Some(Operation {
            application: failed.application,
            id,
            kind: OperationKind::SystemRollback,
            status: OperationStatus::InProgress,
            started_at: self.now,
            ended_at: None,
            from_version: failed.to_version,
            to_version: failed.from_version,
            request: OperationRequest::default(),
            failure: None,
            evidence: evidence.into_value(),
        });
    }

    fn finish(&mut self, ending: &Ending) {
        let Some(operation) = self.operation.clone() else { return };
        self.end_operation(ending.status, ending.failure.clone());
        self.settle(ending.settle);
        let ups = matches!(
            operation.kind,
            OperationKind::UpdateApplication | OperationKind::RollbackApplication
        );
        if ending.revert_version && ups {
            self.revert_version(&operation);
        }
        if operation.kind == OperationKind::CreateApplicationSnapshot
            && ending.status != OperationStatus::Successful
        {
            self.fail_snapshot_row(&operation);
        }
        if let (Some(request), Some(failure)) = (&operation.request.enhanced, &ending.failure) {
            self.enhanced.push(request.settled(Err(failure.message.clone()), self.now));
        }
    }

    fn fail_snapshot_row(&mut self, operation: &Operation) {
        let Some(name) = &operation.request.snapshot else { return };
        let row = self.facts.snapshots.iter().find(|snapshot| snapshot.name == *name);
        if let Some(row) = row {
            self.snapshots.push(Snapshot { status: SnapshotStatus::Failed, ..row.clone() });
        }
    }

    fn end_operation(&mut self, status: OperationStatus, failure: Option<Failure>) {
        if let Some(operation) = &mut self.operation {
            operation.status = status;
            operation.failure = failure;
            operation.ended_at = Some(self.now);
        }
        self.application.open_operation = None;
    }

    fn settle(&mut self, status: Status) {
        self.application.status = status;
        if status == Status::Ready {
            self.application.job = None;
            // Nothing runs that could be in trouble, or be scaled.
            self.application.care.held = None;
            self.application.care.episodes.clear();
        }
    }

    /// Describe shows the version before again, so that a client sees that its change is not
    /// in force; the version number of the failed one is not handed out again.
    fn revert_version(&mut self, operation: &Operation) {
        let application = &mut self.application;
        application.show_version(operation.from_version);
        application.updated_at = self.now;
        application.version_updated_from = self.evidence.updated_from_before;
        if operation.kind == OperationKind::RollbackApplication {
            application.version_rolled_back_from = None;
            application.version_rolled_back_to = None;
        }
    }

    fn restart_job(&mut self) {
        let generation = self.next_generation();
        let (now, window_ms) = (self.now, self.facts.settings.backoff_max_ms);
        if let Some(job) = &mut self.application.job {
            let lived_ms = now.0.saturating_sub(job.started_at.0);
            let in_a_row = if lived_ms > 2 * window_ms { 0 } else { job.restarts };
            job.generation = generation;
            job.started_at = now;
            job.restarts = in_a_row.saturating_add(1);
        }
    }

    fn into_change(mut self) -> Change {
        if let Some(operation) = &mut self.operation {
            operation.evidence = self.evidence.into_value();
        }
        let has_more = self.application.job.is_some()
            || self.application.open_operation.is_some()
            || self.facts.snapshots.iter().any(|snapshot| {
                snapshot.status == SnapshotStatus::Deleting
                    && !self.deleted_snapshots.contains(&snapshot.name)
            });
        Change {
            expected: Some(self.facts.application.revision),
            application: match self.delete {
                true => ApplicationWrite::Delete(self.application.id),
                false => ApplicationWrite::Put(Box::new(self.application)),
            },
            new_version: None,
            operations: self.operation.into_iter().chain(self.next_operation).collect(),
            snapshots: self.snapshots,
            deleted_snapshots: self.deleted_snapshots,
            enhanced: self.enhanced,
            wake_at: (has_more && !self.delete).then_some(self.now),
            idempotency: None,
        }
    }
}

/// Whether the operation may fail on it. Output that is decided to be shown, clusters that
/// are to go, files that are to go: these are tried until they succeed.
fn can_give_up(step: &Step) -> bool {
    !matches!(
        step,
        Step::ReleaseCommits { .. }
            | Step::StopCluster { .. }
            | Step::DeleteSnapshot { .. }
            | Step::DeleteEverything
    )
}

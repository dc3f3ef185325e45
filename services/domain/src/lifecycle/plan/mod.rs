//! From facts to the next step: one file per operation.

mod bring_up;
mod delete;
mod idle;
mod recover;
mod renew;
mod rollback;
mod snapshot;
mod start;
mod stop;
mod switch;
mod update;

use crate::application::Status;
use crate::configuration::{Restore, RunConfiguration, Version};
use crate::ids::{Generation, Timestamp, VersionId};
use crate::lifecycle::evidence::{Evidence, StartEvidence};
use crate::lifecycle::facts::{Facts, Observed};
use crate::lifecycle::launch::{Launch, RestoreFrom};
use crate::lifecycle::step::{Ending, Step};
use crate::operation::{Failure, Operation, OperationKind, OperationStatus};

/// The next step for the application. Pure and total.
pub fn plan(facts: &Facts, now: Timestamp) -> Step {
    let evidence = facts.evidence();
    if let Some(errors) = &evidence.errors
        && errors.retry_at > now
    {
        return Step::Wait { until: Some(errors.retry_at), why: "the step failed; backing off" };
    }
    match (decide(facts, evidence, now), facts.stray()) {
        (Step::Wait { .. }, Some(generation)) => Step::StopCluster { generation },
        (step, _) => step,
    }
}

fn decide(facts: &Facts, evidence: Evidence, now: Timestamp) -> Step {
    let Some(operation) = &facts.operation else { return idle::plan(facts, now) };
    let ctx = Ctx { facts, operation, evidence, now };
    if let Some(ending) = &ctx.evidence.ending {
        return ctx.end_decided(ending);
    }
    match operation.kind {
        OperationKind::StartApplication => start::plan(&ctx),
        OperationKind::StopApplication if operation.request.force => stop::plan_force(&ctx),
        OperationKind::StopApplication => stop::plan(&ctx),
        OperationKind::UpdateApplication => update::plan(&ctx),
        OperationKind::RollbackApplication => rollback::plan(&ctx),
        OperationKind::SystemRollback => rollback::plan_system(&ctx),
        OperationKind::CreateApplicationSnapshot | OperationKind::CreateSnapshot => {
            snapshot::plan(&ctx)
        }
        OperationKind::DeleteApplication => delete::plan(&ctx),
        OperationKind::Autoscaling | OperationKind::Maintenance => renew::plan(&ctx),
        // Never open: they are committed SUCCESSFUL.
        OperationKind::AddApplicationVpcConfiguration
        | OperationKind::DeleteApplicationVpcConfiguration
        | OperationKind::AddApplicationCloudWatchLoggingOption
        | OperationKind::DeleteApplicationCloudWatchLoggingOption => match facts.job() {
            Some(_) => ctx.succeed_running(),
            None => ctx.succeed_ready(),
        },
    }
}

/// One operation's facts at hand.
struct Ctx<'a> {
    facts: &'a Facts,
    operation: &'a Operation,
    evidence: Evidence,
    now: Timestamp,
}

impl Ctx<'_> {
    fn poll(&self, why: &'static str) -> Step {
        self.wait_ms(self.facts.settings.poll_ms, why)
    }

    fn wait_ms(&self, ms: i64, why: &'static str) -> Step {
        Step::Wait { until: Some(Timestamp(self.now.0.saturating_add(ms.max(1)))), why }
    }

    fn is_past(&self, since: Timestamp, ms: i64) -> bool {
        self.now.0.saturating_sub(since.0) >= ms
    }

    fn fail(&self, cause: impl Into<String>) -> Step {
        Step::Fail { cause: cause.into() }
    }

    fn succeed_running(&self) -> Step {
        self.end(OperationStatus::Successful, None, Status::Running, false)
    }

    fn succeed_ready(&self) -> Step {
        self.end(OperationStatus::Successful, None, Status::Ready, false)
    }

    /// FAILED with the job of the version before still (or again) there.
    fn fail_running(&self, cause: &str) -> Step {
        self.end(OperationStatus::Failed, Some(cause), Status::Running, true)
    }

    /// FAILED with no job.
    fn fail_ready(&self, cause: &str) -> Step {
        self.end(OperationStatus::Failed, Some(cause), Status::Ready, true)
    }

    /// READY means that nothing runs: whatever lives goes first, and before that it is
    /// stored that it shall.
    fn end(
        &self,
        status: OperationStatus,
        cause: Option<&str>,
        settle: Status,
        revert_version: bool,
    ) -> Step {
        let failure =
            cause.map(|message| Failure { message: message.to_owned(), rollback_operation: None });
        let ending = Ending { status, failure, settle, revert_version };
        match settle == Status::Ready && self.first_alive().is_some() {
            true => Step::DecideEnd(ending),
            false => Step::Finish(ending),
        }
    }

    fn end_decided(&self, ending: &Ending) -> Step {
        match self.first_alive() {
            Some(generation) => Step::StopCluster { generation },
            None => Step::Finish(ending.clone()),
        }
    }

    fn first_alive(&self) -> Option<Generation> {
        let mut clusters = self.facts.clusters.iter();
        clusters.find(|(_, observed)| observed.is_alive()).map(|(generation, _)| *generation)
    }

    fn target(&self) -> Option<&Version> {
        self.facts.version(self.operation.to_version)
    }

    fn run(&self) -> RunConfiguration {
        self.operation.request.run.clone().unwrap_or_default()
    }

    /// What the call's restore type means now.
    fn restore(&self) -> Result<RestoreFrom, String> {
        match self.run().restore {
            Restore::Skip => Ok(RestoreFrom::None),
            Restore::Latest => Ok(RestoreFrom::Latest),
            Restore::Enhanced { location, .. } => Ok(RestoreFrom::Snapshot { location }),
            Restore::Custom(name) => self
                .facts
                .snapshots
                .iter()
                .find(|snapshot| snapshot.name == name)
                .and_then(|snapshot| snapshot.location.clone())
                .map(|location| RestoreFrom::Snapshot { location })
                .ok_or_else(|| {
                    format!("There is no READY snapshot {name}; see ListApplicationSnapshots")
                }),
        }
    }

    /// The launch of a version for the planner alone.
    fn check_plan(&self, version: VersionId, restore: RestoreFrom, allow_dropped: bool) -> Step {
        match self.launch(version, self.facts.application.generation, restore) {
            Ok(launch) => Step::CheckPlan(Box::new(Launch {
                allow_non_restored_state: allow_dropped,
                ..self.at_requested_parallelism(launch)
            })),
            Err(cause) => self.fail(cause),
        }
    }

    fn launch(
        &self,
        version: VersionId,
        generation: Generation,
        restore: RestoreFrom,
    ) -> Result<Launch, String> {
        let found = self
            .facts
            .version(version)
            .ok_or_else(|| format!("Version {version} of the application is not stored"))?;
        Launch::of(&self.facts.application, found, generation, restore).ok_or_else(|| {
            format!(
                "Version {version} has no code to run; \
                 give it one with UpdateApplication (ApplicationCodeConfigurationUpdate)"
            )
        })
    }

    fn at_requested_parallelism(&self, launch: Launch) -> Launch {
        match self.target() {
            Some(version) => launch.at_parallelism(version, self.operation.request.parallelism),
            None => launch,
        }
    }

    fn launch_start(&self, start: &StartEvidence) -> Result<Launch, String> {
        let launch = self.launch(start.version, start.generation, start.restore.clone())?;
        let launch = match self.facts.version(start.version) {
            Some(version) => launch.at_parallelism(version, start.parallelism),
            None => launch,
        };
        let retried = start.generation != start.first_generation;
        Ok(Launch {
            since_generation: retried.then_some(start.first_generation),
            allow_non_restored_state: start.allow_non_restored_state,
            hold_commits: start.hold_commits,
            ..launch
        })
    }

    /// Whether the application's job is the one that this start makes.
    fn switched(&self, start: &StartEvidence) -> bool {
        let job = self.facts.application.job.as_ref();
        job.is_some_and(|job| job.generation >= start.first_generation)
    }

    fn observed(&self, generation: Generation) -> &Observed {
        self.facts.observed(generation)
    }
}

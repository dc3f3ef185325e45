//! RollbackApplication, and the rollback that the service begins by itself.

use super::Ctx;
use super::bring_up::Progress;
use crate::ids::VersionId;
use crate::lifecycle::evidence::StartEvidence;
use crate::lifecycle::facts::{Health, Observed};
use crate::lifecycle::launch::RestoreFrom;
use crate::lifecycle::step::{Start, StartSlot, Step};

/// Manual. The state goes along where the older version can read it: the job is stopped
/// with a savepoint in the older runtime's format, so that no row is repeated. Otherwise the
/// snapshot from before the update is restored (AWS: "the last successful snapshot").
pub(super) fn plan(ctx: &Ctx<'_>) -> Step {
    let start = ctx.evidence.start.as_ref();
    if let Some(cause) = &ctx.evidence.failure {
        return ctx.recover(cause);
    }
    let Some(start) = start else { return begin(ctx) };
    if !ctx.switched(start) {
        let level = ctx.target().map(|version| version.runtime_environment.clone());
        return ctx.before_switch(start, level.as_deref());
    }
    if let Some(step) = check_own_state(ctx, start) {
        return step;
    }
    match ctx.bring_up(start, StartSlot::Target) {
        Progress::Do(step) => step,
        Progress::Healthy => ctx.succeed_running(),
        Progress::Completed => ctx.succeed_ready(),
        Progress::Failed(cause) => ctx.fail_ready(&cause),
    }
}

fn begin(ctx: &Ctx<'_>) -> Step {
    let Some(job) = &ctx.facts.application.job else { return ctx.succeed_ready() };
    let observed = ctx.observed(job.generation);
    if versions_back(ctx).contains(&job.version) {
        return match observed {
            Observed::Running(health) => keep(ctx, health),
            Observed::Finished { savepoint: None } => ctx.succeed_ready(),
            _ => allocate(ctx, RestoreFrom::Latest, false),
        };
    }
    match observed {
        Observed::Running(health) if !health.held => allocate(ctx, RestoreFrom::Latest, true),
        // Its output was never shown: what the update saved before it is the exact way back.
        Observed::Running(_) => {
            allocate(ctx, exact_way_back(ctx).unwrap_or(RestoreFrom::Latest), false)
        }
        Observed::Finished { savepoint: None } => ctx.succeed_ready(),
        // Nobody knows what it showed since its last checkpoint but the log.
        _ => allocate(ctx, RestoreFrom::Latest, false),
    }
}

/// The update had not come to its switch: the job to go back to never stopped. It counts
/// once it has a checkpoint, as every job does.
fn keep(ctx: &Ctx<'_>, health: &Health) -> Step {
    let deadline_ms = ctx.facts.settings.start_deadline_ms;
    match health.checkpoints_completed > 0 {
        true => ctx.succeed_running(),
        false if ctx.is_past(ctx.operation.started_at, deadline_ms) => {
            ctx.fail("The job of the version before completes no checkpoint")
        }
        false => ctx.poll("the job completed no checkpoint yet"),
    }
}

fn allocate(ctx: &Ctx<'_>, restore: RestoreFrom, standby: bool) -> Step {
    let start = Start {
        version: ctx.operation.to_version,
        restore,
        allow_non_restored_state: false,
        hold_commits: false,
        standby,
        parallelism: None,
        retry_of: None,
    };
    Step::Allocate(StartSlot::Target, start)
}

/// Whether the state of the job itself (the savepoint just taken, or the last checkpoint of
/// a broken job) fits the version gone back to; else what to do instead.
fn check_own_state(ctx: &Ctx<'_>, start: &StartEvidence) -> Option<Step> {
    let taken = ctx.evidence.snapshot.as_ref().and_then(|snapshot| snapshot.location.as_ref());
    let is_own = match &start.restore {
        RestoreFrom::Latest => true,
        RestoreFrom::Snapshot { location } => Some(location) == taken,
        RestoreFrom::None => false,
    };
    match &ctx.evidence.check {
        _ if !is_own => None,
        None => Some(ctx.check_plan(ctx.operation.to_version, start.restore.clone(), false)),
        Some(check) if check.ok => None,
        Some(check) => Some(match way_back(ctx) {
            Some(restore) => Step::RestoreInstead { restore },
            None => ctx.fail(format!(
                "The state does not fit the version before, \
                 and there is no snapshot from before the update: {}",
                check.message
            )),
        }),
    }
}

/// The versions whose job would be the one to go back to.
fn versions_back(ctx: &Ctx<'_>) -> Vec<VersionId> {
    let application = &ctx.facts.application;
    let mut versions = vec![ctx.operation.to_version];
    versions.extend(application.version_rolled_back_to);
    versions
}

fn way_back(ctx: &Ctx<'_>) -> Option<RestoreFrom> {
    let snapshot = ctx.facts.snapshot_of(&versions_back(ctx))?;
    snapshot.location.clone().map(|location| RestoreFrom::Snapshot { location })
}

/// The snapshot that the update itself took, which nothing shown has passed.
fn exact_way_back(ctx: &Ctx<'_>) -> Option<RestoreFrom> {
    let updated_at = ctx.facts.version(ctx.operation.from_version)?.created_at;
    let snapshot = ctx.facts.snapshot_of(&versions_back(ctx))?;
    let exact = snapshot.automatic && snapshot.created_at >= updated_at;
    exact.then(|| way_back(ctx)).flatten()
}

/// Begun by a failed update: the failed job goes first, with all that it held back; then
/// the version before starts where it stopped.
pub(super) fn plan_system(ctx: &Ctx<'_>) -> Step {
    if let Some(generation) = ctx.evidence.failed_generation
        && ctx.observed(generation).is_alive()
    {
        return Step::StopCluster { generation };
    }
    let because = ctx.evidence.rolled_back_because.as_deref().unwrap_or("not recorded");
    if let Some(cause) = &ctx.evidence.failure {
        return ctx.fail_ready(&both(cause, because));
    }
    let Some(start) = &ctx.evidence.start else {
        let restore = match &ctx.evidence.way_back {
            Some(location) => RestoreFrom::Snapshot { location: location.clone() },
            None => RestoreFrom::Latest,
        };
        return allocate(ctx, restore, false);
    };
    match ctx.bring_up(start, StartSlot::Target) {
        Progress::Do(step) => step,
        Progress::Healthy => ctx.succeed_running(),
        Progress::Completed => ctx.succeed_ready(),
        Progress::Failed(cause) => ctx.fail_ready(&both(&cause, because)),
    }
}

fn both(cause: &str, because: &str) -> String {
    format!("{cause}. This rollback followed a failed update: {because}")
}

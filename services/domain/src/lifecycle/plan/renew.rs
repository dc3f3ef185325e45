//! Autoscaling and maintenance: the same version again, at another parallelism or on another
//! release of its engine. As an update, but that it always goes back by itself: the new job
//! shows nothing until it has proved itself, and when it does not, the job before starts
//! again where it stopped.

use super::Ctx;
use super::bring_up::Progress;
use crate::lifecycle::evidence::StartEvidence;
use crate::lifecycle::facts::Observed;
use crate::lifecycle::launch::RestoreFrom;
use crate::lifecycle::step::{Start, StartSlot, Step};

pub(super) fn plan(ctx: &Ctx<'_>) -> Step {
    let start = ctx.evidence.start.as_ref();
    if let Some(cause) = &ctx.evidence.failure {
        return match start.filter(|start| ctx.switched(start)) {
            Some(start) if ctx.evidence.recovery.is_none() => go_back(ctx, start),
            _ => ctx.recover(cause),
        };
    }
    let Some(check) = &ctx.evidence.check else { return check_first(ctx) };
    if !check.ok {
        return ctx.fail_running(&check.message);
    }
    let Some(start) = start else { return allocate(ctx) };
    match ctx.switched(start) {
        false => before_switch(ctx, start),
        true => after_switch(ctx, start),
    }
}

/// A job that is not well is not the service's to restart: that is left to those who look
/// after a crashed job.
fn check_first(ctx: &Ctx<'_>) -> Step {
    let Some((_, observed)) = ctx.facts.job() else { return ctx.succeed_ready() };
    match observed {
        Observed::Running(_) => {
            ctx.check_plan(ctx.operation.to_version, RestoreFrom::Latest, allows_dropped(ctx))
        }
        Observed::Unreachable { since }
            if !ctx.is_past(*since, ctx.facts.settings.unreachable_ms) =>
        {
            ctx.poll("the engine does not answer")
        }
        _ => ctx.fail("The job was not well when it should have begun"),
    }
}

fn allows_dropped(ctx: &Ctx<'_>) -> bool {
    let job = ctx.facts.application.job.as_ref();
    job.is_some_and(|job| job.run.allow_non_restored_state)
}

fn allocate(ctx: &Ctx<'_>) -> Step {
    let start = Start {
        version: ctx.operation.to_version,
        restore: RestoreFrom::Latest,
        allow_non_restored_state: allows_dropped(ctx),
        hold_commits: true,
        standby: true,
        parallelism: ctx.operation.request.parallelism,
        retry_of: None,
    };
    Step::Allocate(StartSlot::Target, start)
}

/// An update goes on from a broken job; this does not.
fn before_switch(ctx: &Ctx<'_>, start: &StartEvidence) -> Step {
    match ctx.before_switch(start, None) {
        Step::GiveUpSnapshot => ctx.fail("The job broke before its state was saved"),
        step => step,
    }
}

fn after_switch(ctx: &Ctx<'_>, start: &StartEvidence) -> Step {
    match ctx.bring_up(start, StartSlot::Target) {
        Progress::Do(step) => step,
        Progress::Healthy => ctx.show_output(start),
        Progress::Completed => ctx.succeed_ready(),
        Progress::Failed(cause) => ctx.fail(cause),
    }
}

/// The failed job goes first, with all that it held back. Where its output was decided to be
/// shown the log alone knows how far it came; otherwise the savepoint is the exact way back.
fn go_back(ctx: &Ctx<'_>, start: &StartEvidence) -> Step {
    if ctx.observed(start.generation).is_alive() {
        return Step::StopCluster { generation: start.generation };
    }
    let saved = ctx.evidence.snapshot.as_ref().and_then(|snapshot| snapshot.location.clone());
    let restore = match (saved, ctx.evidence.approved_at) {
        (Some(location), None) => RestoreFrom::Snapshot { location },
        _ => RestoreFrom::Latest,
    };
    let start = Start {
        version: ctx.operation.from_version,
        restore,
        allow_non_restored_state: false,
        hold_commits: false,
        standby: false,
        parallelism: ctx.evidence.parallelism_before,
        retry_of: None,
    };
    Step::Allocate(StartSlot::Recovery, start)
}

//! UpdateApplication: check, stage, snapshot, start, verify, and the ways out.

use super::Ctx;
use super::bring_up::Progress;
use crate::lifecycle::evidence::StartEvidence;
use crate::lifecycle::launch::RestoreFrom;
use crate::lifecycle::step::{Start, StartSlot, Step};

pub(super) fn plan(ctx: &Ctx<'_>) -> Step {
    if let Some(cause) = &ctx.evidence.failure {
        return ctx.recover(cause);
    }
    let Some(check) = &ctx.evidence.check else { return check_first(ctx) };
    if !check.ok {
        return refused(ctx, &check.message);
    }
    let Some(start) = &ctx.evidence.start else { return allocate(ctx) };
    match ctx.switched(start) {
        false => ctx.before_switch(start, None),
        true => after_switch(ctx, start),
    }
}

/// Of a READY application only the code is checked: how its state is restored is said at
/// the next start.
fn check_first(ctx: &Ctx<'_>) -> Step {
    let stopped = ctx.facts.application.job.is_none();
    let has_code = ctx.target().is_some_and(|version| version.configuration.code.is_some());
    if stopped && !has_code {
        return ctx.succeed_ready();
    }
    let restore = if stopped { Ok(RestoreFrom::None) } else { ctx.restore() };
    match restore {
        Ok(restore) => {
            ctx.check_plan(ctx.operation.to_version, restore, ctx.run().allow_non_restored_state)
        }
        Err(cause) => ctx.fail(cause),
    }
}

fn refused(ctx: &Ctx<'_>, message: &str) -> Step {
    match ctx.facts.application.job {
        Some(_) => ctx.fail_running(message),
        None => ctx.fail_ready(message),
    }
}

fn allocate(ctx: &Ctx<'_>) -> Step {
    if ctx.facts.application.job.is_none() {
        return ctx.succeed_ready();
    }
    let restore = match ctx.restore() {
        Ok(restore) => restore,
        Err(cause) => return ctx.fail(cause),
    };
    Step::Allocate(
        StartSlot::Target,
        Start {
            version: ctx.operation.to_version,
            restore,
            allow_non_restored_state: ctx.run().allow_non_restored_state,
            hold_commits: rollback_enabled(ctx),
            standby: true,
            parallelism: None,
            retry_of: None,
        },
    )
}

fn rollback_enabled(ctx: &Ctx<'_>) -> bool {
    ctx.target().is_some_and(|version| version.configuration.rollback_enabled)
}

fn after_switch(ctx: &Ctx<'_>, start: &StartEvidence) -> Step {
    if ctx.evidence.job_was_broken
        && let Some(generation) = ctx.facts.stray()
    {
        return Step::StopCluster { generation };
    }
    match ctx.bring_up(start, StartSlot::Target) {
        Progress::Do(step) => step,
        Progress::Healthy => ctx.show_output(start),
        Progress::Completed => ctx.succeed_ready(),
        Progress::Failed(cause) => failed(ctx, &cause),
    }
}

fn failed(ctx: &Ctx<'_>, cause: &str) -> Step {
    let snapshot = ctx.evidence.snapshot.as_ref();
    let way_back = snapshot.and_then(|snapshot| snapshot.location.clone());
    match way_back {
        Some(way_back) if rollback_enabled(ctx) && ctx.evidence.approved_at.is_none() => {
            Step::BeginRollback { cause: cause.to_owned(), way_back }
        }
        _ => {
            let (from, to) = (ctx.operation.from_version, ctx.operation.to_version);
            ctx.fail_ready(&format!(
                "{cause}. Version {to} was stopped; start the application to go on \
                 at version {from} from its last checkpoint"
            ))
        }
    }
}

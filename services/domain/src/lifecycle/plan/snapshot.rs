//! CreateApplicationSnapshot: a savepoint of a job that goes on.

use super::Ctx;
use crate::application::Status;
use crate::lifecycle::facts::Observed;
use crate::lifecycle::step::{SnapshotRequest, Step};
use crate::operation::OperationStatus;

pub(super) fn plan(ctx: &Ctx<'_>) -> Step {
    if let Some(cause) = &ctx.evidence.failure {
        return end(ctx, OperationStatus::Failed, Some(cause));
    }
    let requested = ctx.evidence.snapshot.as_ref();
    if requested.is_some_and(|snapshot| snapshot.location.is_some()) {
        return end(ctx, OperationStatus::Successful, None);
    }
    let Some(name) = ctx.operation.request.snapshot.clone() else {
        return ctx.fail("The operation names no snapshot");
    };
    let deadline_ms = ctx.facts.settings.snapshot_deadline_ms;
    if requested.is_some_and(|snapshot| ctx.is_past(snapshot.requested_at, deadline_ms)) {
        return ctx.fail(format!(
            "The savepoint did not complete within {} s",
            deadline_ms.div_euclid(1000)
        ));
    }
    match ctx.facts.job() {
        Some((generation, Observed::Running(_))) => Step::TakeSnapshot(SnapshotRequest {
            generation,
            name,
            stop: false,
            keep: ctx.operation.request.enhanced.is_some(),
            level: None,
            trigger: requested.and_then(|snapshot| snapshot.trigger.clone()),
        }),
        Some((_, Observed::Unreachable { since }))
            if !ctx.is_past(*since, ctx.facts.settings.unreachable_ms) =>
        {
            ctx.poll("the engine does not answer")
        }
        Some((_, Observed::Restarting { cause })) => {
            ctx.fail(format!("The job is restarting: {cause}"))
        }
        Some((_, Observed::Failed { cause } | Observed::Exited { cause, .. })) => {
            ctx.fail(format!("The job ended while its state was saved: {cause}"))
        }
        _ => ctx.fail("The job is not running"),
    }
}

/// The job stays whatever it is; the application is RUNNING as before.
fn end(ctx: &Ctx<'_>, status: OperationStatus, cause: Option<&str>) -> Step {
    ctx.end(status, cause, Status::Running, false)
}

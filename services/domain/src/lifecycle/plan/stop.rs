//! StopApplication, with and without Force.

use super::Ctx;
use crate::lifecycle::facts::Observed;
use crate::lifecycle::step::Step;

/// Stop-with-savepoint. A job that is already broken is ended without: the checkpoint log
/// holds all that it made visible, and the next start continues there.
pub(super) fn plan(ctx: &Ctx<'_>) -> Step {
    if let Some(cause) = &ctx.evidence.failure {
        return ctx.recover(cause);
    }
    let Some((generation, observed)) = ctx.facts.job() else { return ctx.succeed_ready() };
    let snapshot = ctx.evidence.snapshot.as_ref();
    if snapshot.is_some_and(|snapshot| snapshot.location.is_some()) {
        return ctx.succeed_ready();
    }
    match observed {
        Observed::Running(_) | Observed::Finished { .. } => {
            ctx.stop_with_snapshot(generation, observed, None)
        }
        Observed::Unreachable { since }
            if !ctx.is_past(*since, ctx.facts.settings.unreachable_ms) =>
        {
            ctx.poll("the engine does not answer")
        }
        Observed::Restarting { .. } if snapshot.is_some() => {
            ctx.stop_with_snapshot(generation, observed, None)
        }
        _ => ctx.succeed_ready(),
    }
}

/// AWS: no snapshot; whatever runs is ended.
pub(super) fn plan_force(ctx: &Ctx<'_>) -> Step {
    ctx.succeed_ready()
}

//! StartApplication.

use super::Ctx;
use super::bring_up::Progress;
use crate::lifecycle::step::{Start, StartSlot, Step};

pub(super) fn plan(ctx: &Ctx<'_>) -> Step {
    if let Some(cause) = &ctx.evidence.failure {
        return ctx.fail_ready(cause);
    }
    let restore = match ctx.restore() {
        Ok(restore) => restore,
        Err(cause) => return ctx.fail(cause),
    };
    let version = ctx.operation.to_version;
    let allow_non_restored_state = ctx.run().allow_non_restored_state;
    let Some(check) = &ctx.evidence.check else {
        return ctx.check_plan(version, restore, allow_non_restored_state);
    };
    if !check.ok {
        return ctx.fail_ready(&check.message);
    }
    let Some(start) = &ctx.evidence.start else {
        let start = Start {
            version,
            restore,
            allow_non_restored_state,
            hold_commits: false,
            standby: false,
            parallelism: None,
            retry_of: None,
        };
        return Step::Allocate(StartSlot::Target, start);
    };
    match ctx.bring_up(start, StartSlot::Target) {
        Progress::Do(step) => step,
        Progress::Healthy => ctx.succeed_running(),
        Progress::Completed => ctx.succeed_ready(),
        Progress::Failed(cause) => ctx.fail_ready(&cause),
    }
}

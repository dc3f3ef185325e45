//! DeleteApplication, of a running application too.

use super::Ctx;
use crate::lifecycle::step::Step;

pub(super) fn plan(ctx: &Ctx<'_>) -> Step {
    match ctx.first_alive() {
        Some(generation) => Step::StopCluster { generation },
        None => Step::DeleteEverything,
    }
}

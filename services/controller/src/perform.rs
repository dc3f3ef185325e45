//! The one effect of a step.

use millrace_domain::ApplicationId;
use millrace_domain::Timestamp;
use millrace_domain::lifecycle::{Outcome, Step};
use millrace_launcher::{Launcher, LauncherError};

/// Does what the step says; a step without an effect is done by being stored.
pub async fn perform(
    launcher: &dyn Launcher,
    application: &ApplicationId,
    step: &Step,
    now: Timestamp,
) -> Outcome {
    effect(launcher, application, step, now).await.unwrap_or_else(|error| {
        let text = error.chain();
        match error.is_final() {
            true => Outcome::Refused { cause: text },
            false => Outcome::Error { message: text },
        }
    })
}

async fn effect(
    launcher: &dyn Launcher,
    application: &ApplicationId,
    step: &Step,
    now: Timestamp,
) -> Result<Outcome, LauncherError> {
    match step {
        Step::CheckPlan(launch) => return launcher.check(launch).await.map(Outcome::Checked),
        Step::TakeSnapshot(request) => return launcher.take_snapshot(application, request).await,
        Step::Stage(launch) | Step::StartCluster(launch) => launcher.start(launch, now).await?,
        Step::RunJob { generation, restore, allow_non_restored_state } => {
            launcher.run_job(application, *generation, restore, *allow_non_restored_state).await?;
        }
        Step::TriggerCheckpoint { generation } => {
            launcher.trigger_checkpoint(application, *generation).await?;
        }
        Step::ReleaseCommits { generation } => {
            launcher.release_commits(application, *generation).await?;
        }
        Step::StopCluster { generation } => launcher.stop(application, *generation).await?,
        Step::DeleteSnapshot { location: Some(location), .. } => {
            launcher.delete_snapshot(application, location).await?;
        }
        Step::DeleteEverything => launcher.delete_application(application).await?,
        Step::DeleteSnapshot { location: None, .. }
        | Step::Wait { .. }
        | Step::Allocate(..)
        | Step::RecordSnapshot { .. }
        | Step::GiveUpSnapshot
        | Step::RestoreInstead { .. }
        | Step::Approve
        | Step::Fail { .. }
        | Step::BeginRollback { .. }
        | Step::DecideEnd(_)
        | Step::Finish(_)
        | Step::RestartJob
        | Step::SettleFinished => {}
    }
    Ok(Outcome::Done)
}

//! A savepoint under way, waited for in slices.

use std::time::Duration;

use millrace_domain::lifecycle::Outcome;

use crate::error::LauncherError;
use crate::flink_rest::{FlinkRest, SavepointStatus};

/// Between two questions.
const POLL: Duration = Duration::from_millis(4);

/// Waits for at most `slice`; `None`: the cluster does not know the trigger (any more).
pub(crate) async fn wait(
    rest: &FlinkRest,
    (address, job): (&str, &str),
    trigger: String,
    slice: Duration,
) -> Result<Option<Outcome>, LauncherError> {
    let poll = async {
        loop {
            match rest.savepoint(address, job, &trigger).await? {
                SavepointStatus::InProgress => tokio::time::sleep(POLL).await,
                SavepointStatus::Completed { location } => {
                    return Ok(Some(Outcome::SnapshotTaken { location }));
                }
                SavepointStatus::Failed { cause } => return Ok(Some(Outcome::Refused { cause })),
                SavepointStatus::Unknown => return Ok(None),
            }
        }
    };
    match tokio::time::timeout(slice, poll).await {
        Ok(outcome) => outcome,
        Err(_) => Ok(Some(Outcome::SnapshotPending { trigger })),
    }
}

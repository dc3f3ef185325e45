//! Waiting for what a request began.

use std::time::Duration;

use anyhow::bail;
use serde_json::{Value, json};

use super::client::{Client, Refused};
use crate::edge;
use crate::output::Progress;

const LOOK: Duration = Duration::from_millis(50);
/// Restoring much state takes long; a hang does not go on for ever.
const LONGEST: Duration = Duration::from_secs(15 * 60);

/// How an operation ended, and how long it was waited for.
pub struct Settled {
    pub details: Value,
    pub took: Duration,
}

impl Settled {
    pub fn succeeded(&self) -> bool {
        self.details["OperationStatus"] == "SUCCESSFUL"
    }

    /// The cause, as the operation records it.
    pub fn cause(&self) -> String {
        let details = &self.details["OperationFailureDetails"];
        let text = details["ErrorInfo"]["ErrorString"].as_str().unwrap_or("no cause was recorded");
        match details["RollbackOperationId"].as_str() {
            Some(id) => format!("{text} (rolled back by operation {id})"),
            None => text.to_owned(),
        }
    }
}

/// Looks at the operation until it is no longer IN_PROGRESS.
pub async fn operation(
    client: &Client,
    name: &str,
    id: &str,
    what: &str,
) -> anyhow::Result<Settled> {
    let input = json!({"ApplicationName": name, "OperationId": id});
    let (answer, took) = until(what, async || {
        let answer = client.call("DescribeApplicationOperation", input.clone()).await?;
        let details = answer["ApplicationOperationInfoDetails"].clone();
        Ok((details["OperationStatus"] != "IN_PROGRESS").then_some(details))
    })
    .await?;
    Ok(Settled { details: answer, took })
}

/// Looks at an operation of a snapshot until it is no longer IN_PROGRESS.
pub async fn snapshot_operation(
    client: &Client,
    name: &str,
    id: &str,
    what: &str,
) -> anyhow::Result<Value> {
    let input = json!({"SnapshotName": name, "SnapshotOperationId": id});
    let (details, _) = until(what, async || {
        let answer = client.call("DescribeSnapshotOperation", input.clone()).await?;
        let details = answer["SnapshotOperationInfoDetails"].clone();
        Ok((details["SnapshotOperationStatus"] != "IN_PROGRESS").then_some(details))
    })
    .await?;
    Ok(details)
}

/// Looks until the application is gone.
pub async fn deletion(client: &Client, name: &str) -> anyhow::Result<Duration> {
    let input = json!({"ApplicationName": name});
    let ((), took) = until(&format!("deleting {name}"), async || {
        match client.call("DescribeApplication", input.clone()).await {
            Ok(_) => Ok(None),
            Err(failure) => gone(failure).map(Some),
        }
    })
    .await?;
    Ok(took)
}

fn gone(failure: anyhow::Error) -> anyhow::Result<()> {
    match failure.downcast_ref::<Refused>() {
        Some(refused) if refused.code == "ResourceNotFoundException" => Ok(()),
        _ => Err(failure),
    }
}

/// Looks until the snapshot is READY or FAILED.
pub async fn snapshot(client: &Client, name: &str, snapshot: &str) -> anyhow::Result<Value> {
    let input = json!({"ApplicationName": name, "SnapshotName": snapshot});
    let (details, _) = until(&format!("taking snapshot {snapshot}"), async || {
        let answer = client.call("DescribeApplicationSnapshot", input.clone()).await?;
        let details = answer["SnapshotDetails"].clone();
        Ok((details["SnapshotStatus"] != "CREATING").then_some(details))
    })
    .await?;
    if details["SnapshotStatus"] != "READY" {
        bail!("snapshot {snapshot} of {name} failed; next: `millrace app operations {name}`");
    }
    Ok(details)
}

pub async fn until<T>(
    what: &str,
    mut look: impl AsyncFnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<(T, Duration)> {
    let started = edge::instant();
    let mut progress = Progress::new();
    loop {
        let found = look().await;
        progress.clear();
        if let Some(found) = found? {
            return Ok((found, started.elapsed()));
        }
        if started.elapsed() > LONGEST {
            bail!("{what}: still going on after {LONGEST:?}; it is not ended by that");
        }
        progress.update(what, started.elapsed());
        tokio::time::sleep(LOOK).await;
    }
}

//! DeleteApplicationSnapshot.

use millrace_api_spec::wire::{DeleteApplicationSnapshotRequest, Empty};
use millrace_domain::commands::Facts;
use millrace_domain::{SnapshotName, Timestamp};
use serde::Serialize;

use crate::calls::{Call, Changed};
use crate::error::ApiError;

pub async fn answer(
    call: &Call,
    request: DeleteApplicationSnapshotRequest,
) -> Result<String, ApiError> {
    perform(call, request, |_| Empty {}).await
}

/// The same for either surface: `respond` says what its answer shows.
pub async fn perform<R: Serialize>(
    call: &Call,
    request: DeleteApplicationSnapshotRequest,
    respond: impl Fn(&Changed<'_>) -> R,
) -> Result<String, ApiError> {
    let name = SnapshotName::new(request.snapshot_name)?;
    let created_at = Timestamp(request.snapshot_creation_timestamp.0 * 1000);
    let now = (call.state.clock)();
    let decide = |facts: &Facts<'_>| facts.delete_snapshot(&name, created_at, now);
    call.change(&request.application_name, decide, respond).await
}

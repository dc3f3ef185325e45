//! CreateApplicationSnapshot.

use millrace_api_spec::wire::{CreateApplicationSnapshotRequest, Empty};
use millrace_domain::SnapshotName;
use millrace_domain::commands::Facts;
use serde::Serialize;

use crate::calls::{Call, Changed};
use crate::error::ApiError;

pub async fn answer(
    call: &Call,
    request: CreateApplicationSnapshotRequest,
) -> Result<String, ApiError> {
    perform(call, request, |_| Empty {}).await
}

/// The same for either surface: `respond` says what its answer shows.
pub async fn perform<R: Serialize>(
    call: &Call,
    request: CreateApplicationSnapshotRequest,
    respond: impl Fn(&Changed<'_>) -> R,
) -> Result<String, ApiError> {
    let name = SnapshotName::new(request.snapshot_name)?;
    let issue = call.issue();
    let decide = |facts: &Facts<'_>| facts.create_snapshot(name.clone(), &issue);
    call.change(&request.application_name, decide, respond).await
}

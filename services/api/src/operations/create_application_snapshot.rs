//! CreateApplicationSnapshot.

use millrace_api_spec::wire::{CreateApplicationSnapshotRequest, Empty};
use millrace_domain::SnapshotName;
use millrace_domain::commands::Facts;

use crate::calls::Call;
use crate::error::ApiError;

pub async fn answer(
    call: &Call,
    request: CreateApplicationSnapshotRequest,
) -> Result<String, ApiError> {
    let name = SnapshotName::new(request.snapshot_name)?;
    let issue = call.issue();
    let decide = |facts: &Facts<'_>| facts.create_snapshot(name.clone(), &issue);
    call.change(&request.application_name, decide, |_| Empty {}).await
}

//! CreateSnapshot: an enhanced snapshot of a running application.

use millrace_api_spec::wire::{CreateSnapshotRequest, SnapshotOperationResponse};
use millrace_domain::EnhancedSnapshotName;
use millrace_domain::commands::{CreateSnapshot, Facts};
use serde::Serialize;

use crate::calls::{Call, Changed};
use crate::error::ApiError;
use crate::{convert, snapshots};

pub async fn answer(call: &Call, request: CreateSnapshotRequest) -> Result<String, ApiError> {
    perform(call, request, response).await
}

/// The same for either surface: `respond` says what its answer shows.
pub async fn perform<R: Serialize>(
    call: &Call,
    request: CreateSnapshotRequest,
    respond: impl Fn(&Changed<'_>) -> R,
) -> Result<String, ApiError> {
    let command = CreateSnapshot {
        name: EnhancedSnapshotName::new(request.snapshot_name)?,
        description: request.snapshot_description.unwrap_or_default(),
        tags: convert::tags(request.tags.as_deref().unwrap_or_default())?,
    };
    let issue = call.issue();
    let decide = |facts: &Facts<'_>| command.clone().decide(facts, &issue);
    call.change(&request.application_name, decide, respond).await
}

fn response(changed: &Changed<'_>) -> SnapshotOperationResponse {
    let made = changed.enhanced.expect("CreateSnapshot writes a snapshot");
    snapshots::response(made)
}

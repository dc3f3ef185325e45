//! DeleteSnapshot: files and row go in the background.

use millrace_api_spec::wire::DeleteSnapshotRequest;
use millrace_domain::Timestamp;
use millrace_domain::enhanced::EnhancedRequest;
use serde::Serialize;

use crate::calls::{Call, encode};
use crate::error::ApiError;
use crate::snapshots;

pub async fn answer(call: &Call, request: DeleteSnapshotRequest) -> Result<String, ApiError> {
    perform(call, request, snapshots::response).await
}

/// The same for either surface: `respond` says what its answer shows.
pub async fn perform<R: Serialize>(
    call: &Call,
    request: DeleteSnapshotRequest,
    respond: impl Fn(&EnhancedRequest) -> R,
) -> Result<String, ApiError> {
    let created_at = Timestamp(request.snapshot_creation_timestamp.0 * 1000);
    let snapshot = call.enhanced_snapshot(&request.snapshot_name).await?;
    let issue = call.issue();
    let deletion = snapshot.delete(created_at, issue.operation, issue.now)?;
    let response = encode(&respond(&deletion));
    let record = call.record(&response, issue.now);
    let store = &call.state.store;
    match store.commit_enhanced(&deletion, snapshot.status, record.as_ref(), issue.now).await {
        Ok(()) => Ok(response),
        Err(error) => snapshots::answer_of(error),
    }
}

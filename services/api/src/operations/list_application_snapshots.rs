//! ListApplicationSnapshots: newest first.

use millrace_api_spec::wire::{ListApplicationSnapshotsRequest, ListApplicationSnapshotsResponse};
use millrace_domain::Snapshot;
use millrace_store::Page;

use crate::calls::{Call, encode};
use crate::error::ApiError;
use crate::{describe, pagination};

pub async fn answer(
    call: &Call,
    request: ListApplicationSnapshotsRequest,
) -> Result<String, ApiError> {
    let page = find(call, &request).await?;
    Ok(encode(&ListApplicationSnapshotsResponse {
        snapshot_summaries: page.items.iter().map(describe::snapshot).collect(),
        next_token: pagination::token(&page),
    }))
}

/// The snapshots asked for.
pub async fn find(
    call: &Call,
    request: &ListApplicationSnapshotsRequest,
) -> Result<Page<Snapshot>, ApiError> {
    let before = pagination::place(request.next_token.as_deref())?;
    let limit = pagination::limit(request.limit);
    let application = call.application(&request.application_name).await?;
    Ok(call.state.store.snapshots(&application.id, before, limit).await?)
}

//! ListSnapshotOperations: newest first, by one filter at most.

use millrace_api_spec::ErrorCode;
use millrace_api_spec::wire::{ListSnapshotOperationsRequest, ListSnapshotOperationsResponse};
use millrace_domain::EnhancedSnapshotName;
use millrace_domain::enhanced::SnapshotOperation;
use millrace_store::Page;

use crate::calls::{Call, encode};
use crate::error::ApiError;
use crate::{pagination, snapshots};

pub async fn answer(
    call: &Call,
    request: ListSnapshotOperationsRequest,
) -> Result<String, ApiError> {
    let page = find(call, request).await?;
    Ok(encode(&ListSnapshotOperationsResponse {
        snapshot_operation_info_list: page.items.iter().map(snapshots::operation).collect(),
        next_token: pagination::token(&page),
    }))
}

/// The operations asked for.
pub async fn find(
    call: &Call,
    request: ListSnapshotOperationsRequest,
) -> Result<Page<SnapshotOperation>, ApiError> {
    let filter =
        (request.snapshot_operation.as_deref(), request.snapshot_operation_status.as_deref());
    if let (Some(_), Some(_)) = filter {
        let message = "give one filter: SnapshotOperation or SnapshotOperationStatus";
        return Err(ApiError::new(ErrorCode::InvalidArgument, message));
    }
    let name = EnhancedSnapshotName::new(request.snapshot_name)?;
    let before = pagination::place(request.next_token.as_deref())?;
    let limit = pagination::limit(request.limit);
    let (store, owner) = (&call.state.store, call.owner());
    let page = store.snapshot_operations(owner, &name, filter, before, limit).await?;
    if page.items.is_empty() && store.enhanced_snapshot(owner, &name).await?.is_none() {
        let all = store.snapshot_operations(owner, &name, (None, None), None, 1).await?;
        if all.items.is_empty() {
            return Err(snapshots::no_snapshot(&name));
        }
    }
    Ok(page)
}

//! ListSnapshots: newest first, by one filter at most.

use millrace_api_spec::ErrorCode;
use millrace_api_spec::wire::{ListSnapshotsRequest, ListSnapshotsResponse};
use millrace_domain::SnapshotStatus;
use millrace_domain::enhanced::EnhancedSnapshot;
use millrace_store::{Page, SnapshotFilter};

use crate::calls::{Call, encode};
use crate::error::ApiError;
use crate::{pagination, snapshots};

pub async fn answer(call: &Call, request: ListSnapshotsRequest) -> Result<String, ApiError> {
    let page = find(call, &request).await?;
    Ok(encode(&ListSnapshotsResponse {
        snapshot_info_list: page.items.iter().map(snapshots::info).collect(),
        next_token: pagination::token(&page),
    }))
}

/// The snapshots asked for.
pub async fn find(
    call: &Call,
    request: &ListSnapshotsRequest,
) -> Result<Page<EnhancedSnapshot>, ApiError> {
    let filter = filter(request)?;
    let before = pagination::place(request.next_token.as_deref())?;
    let limit = pagination::limit(request.limit);
    let store = &call.state.store;
    Ok(store.enhanced_snapshots(call.owner(), &filter, before, limit).await?)
}

fn filter(request: &ListSnapshotsRequest) -> Result<SnapshotFilter, ApiError> {
    let given = [
        &request.source_application_name,
        &request.snapshot_initiator,
        &request.snapshot_initiator_operation,
        &request.snapshot_status,
    ];
    if given.iter().filter(|filter| filter.is_some()).count() > 1 {
        let message = "give one filter: SourceApplicationName, SnapshotInitiator, \
                       SnapshotInitiatorOperation or SnapshotStatus";
        return Err(ApiError::new(ErrorCode::InvalidArgument, message));
    }
    Ok(SnapshotFilter {
        application: request.source_application_name.clone(),
        initiator: request.snapshot_initiator.clone(),
        operation: request.snapshot_initiator_operation.clone(),
        status: request.snapshot_status.as_deref().and_then(SnapshotStatus::named),
    })
}

//! DescribeSnapshotOperation, of a snapshot that is gone too.

use millrace_api_spec::ErrorCode;
use millrace_api_spec::wire::{
    DescribeSnapshotOperationRequest, DescribeSnapshotOperationResponse,
};
use millrace_domain::EnhancedSnapshotName;
use millrace_domain::enhanced::SnapshotOperation;

use crate::calls::{Call, encode};
use crate::error::ApiError;
use crate::snapshots;

pub async fn answer(
    call: &Call,
    request: DescribeSnapshotOperationRequest,
) -> Result<String, ApiError> {
    let snapshot_operation_info_details = snapshots::operation_details(&find(call, request).await?);
    Ok(encode(&DescribeSnapshotOperationResponse { snapshot_operation_info_details }))
}

/// The operation asked for.
pub async fn find(
    call: &Call,
    request: DescribeSnapshotOperationRequest,
) -> Result<SnapshotOperation, ApiError> {
    let name = EnhancedSnapshotName::new(request.snapshot_name)?;
    let id = request.snapshot_operation_id;
    let found = call.state.store.snapshot_operation(call.owner(), &name, &id).await?;
    found.ok_or_else(|| {
        let message = format!("there is no operation {id} of a snapshot {name}");
        ApiError::new(ErrorCode::ResourceNotFound, message)
    })
}

//! DescribeSnapshotOperation, of a snapshot that is gone too.

use millrace_api_spec::ErrorCode;
use millrace_api_spec::wire::{
    DescribeSnapshotOperationRequest, DescribeSnapshotOperationResponse,
};
use millrace_domain::EnhancedSnapshotName;

use crate::calls::{Call, encode};
use crate::error::ApiError;
use crate::snapshots;

pub async fn answer(
    call: &Call,
    request: DescribeSnapshotOperationRequest,
) -> Result<String, ApiError> {
    let name = EnhancedSnapshotName::new(request.snapshot_name)?;
    let id = request.snapshot_operation_id;
    let found = call.state.store.snapshot_operation(call.owner(), &name, &id).await?;
    let operation = found.ok_or_else(|| {
        let message = format!("there is no operation {id} of a snapshot {name}");
        ApiError::new(ErrorCode::ResourceNotFound, message)
    })?;
    let snapshot_operation_info_details = snapshots::operation_details(&operation);
    Ok(encode(&DescribeSnapshotOperationResponse { snapshot_operation_info_details }))
}

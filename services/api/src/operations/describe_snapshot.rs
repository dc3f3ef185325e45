//! DescribeSnapshot.

use millrace_api_spec::wire::{DescribeSnapshotRequest, DescribeSnapshotResponse};

use crate::calls::{Call, encode};
use crate::error::ApiError;
use crate::snapshots;

pub async fn answer(call: &Call, request: DescribeSnapshotRequest) -> Result<String, ApiError> {
    let snapshot = call.enhanced_snapshot(&request.snapshot_name).await?;
    let snapshot_info_details = snapshots::details(&snapshot);
    Ok(encode(&DescribeSnapshotResponse { snapshot_info_details }))
}

//! DescribeApplicationSnapshot.

use millrace_api_spec::wire::{
    DescribeApplicationSnapshotRequest, DescribeApplicationSnapshotResponse,
};
use millrace_domain::{Reject, Snapshot, SnapshotName};

use crate::calls::{Call, encode};
use crate::describe;
use crate::error::ApiError;

pub async fn answer(
    call: &Call,
    request: DescribeApplicationSnapshotRequest,
) -> Result<String, ApiError> {
    let snapshot_details = describe::snapshot(&find(call, request).await?);
    Ok(encode(&DescribeApplicationSnapshotResponse { snapshot_details }))
}

/// The snapshot asked for.
pub async fn find(
    call: &Call,
    request: DescribeApplicationSnapshotRequest,
) -> Result<Snapshot, ApiError> {
    let name = SnapshotName::new(request.snapshot_name)?;
    let application = call.application(&request.application_name).await?;
    let snapshot = call.state.store.snapshot(&application.id, &name).await?;
    Ok(snapshot.ok_or(Reject::NoSuchSnapshot(name))?)
}

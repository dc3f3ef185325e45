//! DescribeApplicationSnapshot.

use millrace_api_spec::wire::{
    DescribeApplicationSnapshotRequest, DescribeApplicationSnapshotResponse,
};
use millrace_domain::{Reject, SnapshotName};

use crate::calls::{Call, encode};
use crate::describe;
use crate::error::ApiError;

pub async fn answer(
    call: &Call,
    request: DescribeApplicationSnapshotRequest,
) -> Result<String, ApiError> {
    let name = SnapshotName::new(request.snapshot_name)?;
    let application = call.application(&request.application_name).await?;
    let snapshot = call.state.store.snapshot(&application.id, &name).await?;
    let snapshot = snapshot.ok_or(Reject::NoSuchSnapshot(name))?;
    let snapshot_details = describe::snapshot(&snapshot);
    Ok(encode(&DescribeApplicationSnapshotResponse { snapshot_details }))
}

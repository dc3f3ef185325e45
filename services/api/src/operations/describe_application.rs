//! DescribeApplication.

use millrace_api_spec::wire::{ApplicationDetailResponse, DescribeApplicationRequest};

use crate::calls::{Call, current_version, encode};
use crate::describe;
use crate::error::ApiError;

pub async fn answer(call: &Call, request: DescribeApplicationRequest) -> Result<String, ApiError> {
    let loaded = call.load(&request.application_name).await?;
    let version = current_version(&loaded)?;
    let application_detail = describe::application(&loaded.application, version);
    Ok(encode(&ApplicationDetailResponse { application_detail }))
}

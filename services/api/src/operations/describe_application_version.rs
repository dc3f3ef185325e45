//! DescribeApplicationVersion.

use millrace_api_spec::ErrorCode;
use millrace_api_spec::wire::{
    DescribeApplicationVersionRequest, DescribeApplicationVersionResponse,
};
use millrace_domain::{Application, Version, VersionId};

use crate::calls::{Call, encode};
use crate::describe;
use crate::error::ApiError;

pub async fn answer(
    call: &Call,
    request: DescribeApplicationVersionRequest,
) -> Result<String, ApiError> {
    let (application, version) = find(call, &request).await?;
    let application_version_detail = describe::application(&application, &version);
    Ok(encode(&DescribeApplicationVersionResponse { application_version_detail }))
}

/// The application and the version asked for.
pub async fn find(
    call: &Call,
    request: &DescribeApplicationVersionRequest,
) -> Result<(Application, Version), ApiError> {
    let application = call.application(&request.application_name).await?;
    let id = VersionId(request.application_version_id);
    let version = call.state.store.version(&application.id, id).await?;
    let version = version.ok_or_else(|| {
        let message = format!("application {} has no version {id}", application.name);
        ApiError::new(ErrorCode::ResourceNotFound, message)
    })?;
    Ok((application, version))
}

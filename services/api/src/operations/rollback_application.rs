//! RollbackApplication.

use millrace_api_spec::wire::{ChangedApplicationResponse, RollbackApplicationRequest};
use millrace_domain::VersionId;
use serde::Serialize;

use crate::calls::{Call, Changed};
use crate::describe;
use crate::error::ApiError;

pub async fn answer(call: &Call, request: RollbackApplicationRequest) -> Result<String, ApiError> {
    perform(call, request, response).await
}

/// The same for either surface: `respond` says what its answer shows.
pub async fn perform<R: Serialize>(
    call: &Call,
    request: RollbackApplicationRequest,
    respond: impl Fn(&Changed<'_>) -> R,
) -> Result<String, ApiError> {
    let current = VersionId(request.current_application_version_id);
    let issue = call.issue();
    call.change(&request.application_name, |facts| facts.roll_back(current, &issue), respond).await
}

fn response(changed: &Changed<'_>) -> ChangedApplicationResponse {
    ChangedApplicationResponse {
        application_detail: describe::application(changed.application, changed.version),
        operation_id: changed.operation.map(ToString::to_string),
    }
}

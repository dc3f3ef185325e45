//! RollbackApplication.

use millrace_api_spec::wire::{ChangedApplicationResponse, RollbackApplicationRequest};
use millrace_domain::VersionId;

use crate::calls::{Call, Changed};
use crate::describe;
use crate::error::ApiError;

pub async fn answer(call: &Call, request: RollbackApplicationRequest) -> Result<String, ApiError> {
    let current = VersionId(request.current_application_version_id);
    let issue = call.issue();
    call.change(&request.application_name, |facts| facts.roll_back(current, &issue), response).await
}

fn response(changed: &Changed<'_>) -> ChangedApplicationResponse {
    ChangedApplicationResponse {
        application_detail: describe::application(changed.application, changed.version),
        operation_id: changed.operation.map(ToString::to_string),
    }
}

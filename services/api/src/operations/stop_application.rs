//! StopApplication, with and without Force.

use millrace_api_spec::wire::{OperationIdResponse, StopApplicationRequest};
use serde::Serialize;

use crate::calls::{Call, Changed};
use crate::error::ApiError;

pub async fn answer(call: &Call, request: StopApplicationRequest) -> Result<String, ApiError> {
    perform(call, request, response).await
}

/// The same for either surface: `respond` says what its answer shows.
pub async fn perform<R: Serialize>(
    call: &Call,
    request: StopApplicationRequest,
    respond: impl Fn(&Changed<'_>) -> R,
) -> Result<String, ApiError> {
    let force = request.force.unwrap_or(false);
    let issue = call.issue();
    call.change(&request.application_name, |facts| facts.stop(force, &issue), respond).await
}

fn response(changed: &Changed<'_>) -> OperationIdResponse {
    OperationIdResponse { operation_id: changed.operation.map(ToString::to_string) }
}

//! StartApplication.

use millrace_api_spec::wire::{OperationIdResponse, StartApplicationRequest};
use millrace_domain::commands::Facts;
use serde::Serialize;

use crate::calls::{Call, Changed};
use crate::convert;
use crate::error::ApiError;

pub async fn answer(call: &Call, request: StartApplicationRequest) -> Result<String, ApiError> {
    perform(call, request, response).await
}

/// The same for either surface: `respond` says what its answer shows.
pub async fn perform<R: Serialize>(
    call: &Call,
    request: StartApplicationRequest,
    respond: impl Fn(&Changed<'_>) -> R,
) -> Result<String, ApiError> {
    let mut run = convert::run_configuration(request.run_configuration.as_ref())?;
    call.resolve(&mut run).await?;
    let issue = call.issue();
    let decide = |facts: &Facts<'_>| facts.start(run.clone(), &issue);
    call.change(&request.application_name, decide, respond).await
}

fn response(changed: &Changed<'_>) -> OperationIdResponse {
    OperationIdResponse { operation_id: changed.operation.map(ToString::to_string) }
}

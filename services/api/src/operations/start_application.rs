//! StartApplication.

use millrace_api_spec::wire::{OperationIdResponse, StartApplicationRequest};
use millrace_domain::commands::Facts;

use crate::calls::{Call, Changed};
use crate::convert;
use crate::error::ApiError;

pub async fn answer(call: &Call, request: StartApplicationRequest) -> Result<String, ApiError> {
    let mut run = convert::run_configuration(request.run_configuration.as_ref())?;
    call.resolve(&mut run).await?;
    let issue = call.issue();
    let decide = |facts: &Facts<'_>| facts.start(run.clone(), &issue);
    call.change(&request.application_name, decide, response).await
}

fn response(changed: &Changed<'_>) -> OperationIdResponse {
    OperationIdResponse { operation_id: changed.operation.map(ToString::to_string) }
}

//! DeleteApplication, of a running one too.

use millrace_api_spec::wire::{DeleteApplicationRequest, Empty};
use millrace_domain::Timestamp;
use millrace_domain::commands::Facts;
use serde::Serialize;

use crate::calls::{Call, Changed};
use crate::error::ApiError;

pub async fn answer(call: &Call, request: DeleteApplicationRequest) -> Result<String, ApiError> {
    perform(call, request, |_| Empty {}).await
}

/// The same for either surface: `respond` says what its answer shows.
pub async fn perform<R: Serialize>(
    call: &Call,
    request: DeleteApplicationRequest,
    respond: impl Fn(&Changed<'_>) -> R,
) -> Result<String, ApiError> {
    let created_at = Timestamp(request.create_timestamp.0 * 1000);
    let issue = call.issue();
    let decide = |facts: &Facts<'_>| facts.delete(created_at, &issue);
    call.change(&request.application_name, decide, respond).await
}

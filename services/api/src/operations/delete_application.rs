//! DeleteApplication, of a running one too.

use millrace_api_spec::wire::{DeleteApplicationRequest, Empty};
use millrace_domain::Timestamp;
use millrace_domain::commands::Facts;

use crate::calls::Call;
use crate::error::ApiError;

pub async fn answer(call: &Call, request: DeleteApplicationRequest) -> Result<String, ApiError> {
    let created_at = Timestamp(request.create_timestamp.0 * 1000);
    let issue = call.issue();
    let decide = |facts: &Facts<'_>| facts.delete(created_at, &issue);
    call.change(&request.application_name, decide, |_| Empty {}).await
}

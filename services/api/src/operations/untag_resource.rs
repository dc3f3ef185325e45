//! UntagResource.

use millrace_api_spec::wire::{Empty, UntagResourceRequest};

use crate::calls::Call;
use crate::error::ApiError;
use crate::operations::tag_resource::application_name;

pub async fn answer(call: &Call, request: UntagResourceRequest) -> Result<String, ApiError> {
    let name = application_name(call, &request.resource_arn)?;
    let now = (call.state.clock)();
    call.change(name, |facts| facts.untag(&request.tag_keys, now), |_| Empty {}).await
}

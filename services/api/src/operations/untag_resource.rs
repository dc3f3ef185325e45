//! UntagResource.

use millrace_api_spec::wire::{Empty, UntagResourceRequest};

use crate::calls::Call;
use crate::error::ApiError;
use crate::operations::tag_resource::{Resource, resource};

pub async fn answer(call: &Call, request: UntagResourceRequest) -> Result<String, ApiError> {
    let keys = &request.tag_keys;
    let name = match resource(call, &request.resource_arn)? {
        Resource::Application(name) => name,
        Resource::Snapshot(name) => {
            return call.retag(name, |all| all.retain(|key, _| !keys.contains(key))).await;
        }
    };
    let now = (call.state.clock)();
    call.change(name, |facts| facts.untag(&request.tag_keys, now), |_| Empty {}).await
}

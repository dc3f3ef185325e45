//! ListTagsForResource.

use millrace_api_spec::wire::{ListTagsForResourceRequest, ListTagsForResourceResponse, Tag};

use crate::calls::{Call, encode};
use crate::error::ApiError;
use crate::operations::tag_resource::{Resource, resource};

pub async fn answer(call: &Call, request: ListTagsForResourceRequest) -> Result<String, ApiError> {
    let tags = match resource(call, &request.resource_arn)? {
        Resource::Application(name) => call.application(name).await?.tags,
        Resource::Snapshot(name) => call.enhanced_snapshot(name).await?.tags,
    };
    let tag = |(key, value): (String, String)| Tag { key, value: Some(value) };
    let tags = tags.into_iter().map(tag).collect();
    Ok(encode(&ListTagsForResourceResponse { tags }))
}

//! ListTagsForResource.

use millrace_api_spec::wire::{ListTagsForResourceRequest, ListTagsForResourceResponse, Tag};

use crate::calls::{Call, encode};
use crate::error::ApiError;
use crate::operations::tag_resource::application_name;

pub async fn answer(call: &Call, request: ListTagsForResourceRequest) -> Result<String, ApiError> {
    let name = application_name(call, &request.resource_arn)?;
    let application = call.application(name).await?;
    let tag = |(key, value): (String, String)| Tag { key, value: Some(value) };
    let tags = application.tags.into_iter().map(tag).collect();
    Ok(encode(&ListTagsForResourceResponse { tags }))
}

//! TagResource.

use millrace_api_spec::ErrorCode;
use millrace_api_spec::wire::{Empty, TagResourceRequest};
use millrace_domain::commands::Facts;

use crate::calls::Call;
use crate::convert;
use crate::error::ApiError;

pub async fn answer(call: &Call, request: TagResourceRequest) -> Result<String, ApiError> {
    let tags = convert::tags(&request.tags)?;
    let name = match resource(call, &request.resource_arn)? {
        Resource::Application(name) => name,
        Resource::Snapshot(name) => return call.retag(name, |all| all.extend(tags.clone())).await,
    };
    let now = (call.state.clock)();
    let decide = |facts: &Facts<'_>| facts.tag(tags.clone(), now);
    call.change(name, decide, |_| Empty {}).await
}

/// What has tags.
pub enum Resource<'a> {
    Application(&'a str),
    Snapshot(&'a str),
}

/// What an ARN names: an application or a snapshot of the caller's account and Region.
pub fn resource<'a>(call: &Call, arn: &'a str) -> Result<Resource<'a>, ApiError> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    // One spelling of each: policies compare ARNs as texts.
    let ["arn", "aws", "kinesisanalytics", region, account, resource] = parts[..] else {
        return Err(neither());
    };
    let found = match resource.split_once('/') {
        Some(("application", name)) => Resource::Application(name),
        Some(("snapshot", name)) => Resource::Snapshot(name),
        _ => return Err(neither()),
    };
    if region != call.region || account != call.account {
        let message = "ResourceARN names something of another account or Region";
        return Err(ApiError::new(ErrorCode::ResourceNotFound, message));
    }
    Ok(found)
}

fn neither() -> ApiError {
    let message = "ResourceARN must be an application's or a snapshot's: \
                   arn:aws:kinesisanalytics:REGION:ACCOUNT:application/NAME";
    ApiError::new(ErrorCode::InvalidArgument, message)
}

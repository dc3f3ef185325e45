//! TagResource.

use millrace_api_spec::ErrorCode;
use millrace_api_spec::wire::{Empty, TagResourceRequest};
use millrace_domain::commands::Facts;

use crate::calls::Call;
use crate::convert;
use crate::error::ApiError;

pub async fn answer(call: &Call, request: TagResourceRequest) -> Result<String, ApiError> {
    let name = application_name(call, &request.resource_arn)?;
    let tags = convert::tags(&request.tags)?;
    let now = (call.state.clock)();
    let decide = |facts: &Facts<'_>| facts.tag(tags.clone(), now);
    call.change(name, decide, |_| Empty {}).await
}

/// The application that an ARN names: one of the caller's account and Region.
pub fn application_name<'a>(call: &Call, arn: &'a str) -> Result<&'a str, ApiError> {
    let parts: Vec<&str> = arn.splitn(6, ':').collect();
    let ["arn", _, "kinesisanalytics", region, account, resource] = parts[..] else {
        return Err(not_an_application());
    };
    let name = resource.strip_prefix("application/").ok_or_else(not_an_application)?;
    if region != call.region || account != call.account {
        let message = "ResourceARN names an application of another account or Region";
        return Err(ApiError::new(ErrorCode::ResourceNotFound, message));
    }
    Ok(name)
}

fn not_an_application() -> ApiError {
    let message = "ResourceARN must be an application's: \
                   arn:aws:kinesisanalytics:REGION:ACCOUNT:application/NAME";
    ApiError::new(ErrorCode::InvalidArgument, message)
}

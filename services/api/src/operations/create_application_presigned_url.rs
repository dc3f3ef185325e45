//! CreateApplicationPresignedUrl: a link to the dashboard of a running job.

use millrace_api_spec::ErrorCode;
use millrace_api_spec::wire::{
    CreateApplicationPresignedUrlRequest, CreateApplicationPresignedUrlResponse,
};
use millrace_auth::AccessKeyId;
use millrace_auth::link::Grant;
use millrace_domain::{Reject, Status};

use crate::calls::{Call, encode};
use crate::dashboard;
use crate::error::ApiError;

/// AWS: without a duration, the session lasts twelve hours.
const SESSION_SECONDS: u64 = 43_200;

pub async fn answer(
    call: &Call,
    request: CreateApplicationPresignedUrlRequest,
) -> Result<String, ApiError> {
    let authorized_url = Some(perform(call, request).await?.url);
    Ok(encode(&CreateApplicationPresignedUrlResponse { authorized_url }))
}

/// A link, and when the session ends that it begins.
#[derive(Clone, Debug)]
pub struct Linked {
    pub url: String,
    pub ends_ms: i64,
}

/// The same for either surface.
pub async fn perform(
    call: &Call,
    request: CreateApplicationPresignedUrlRequest,
) -> Result<Linked, ApiError> {
    if request.url_type != "FLINK_DASHBOARD_URL" {
        let message = format!(
            "UrlType {} is for INTERACTIVE applications, which do not exist here: \
             use FLINK_DASHBOARD_URL",
            request.url_type
        );
        return Err(ApiError::new(ErrorCode::InvalidArgument, message));
    }
    let application = call.application(&request.application_name).await?;
    if application.status != Status::Running {
        let (command, allowed) = ("CreateApplicationPresignedUrl", &[Status::Running]);
        return Err(Reject::Status { command, status: application.status, allowed }.into());
    }
    let seconds = request.session_expiration_duration_in_seconds.unwrap_or(SESSION_SECONDS);
    let now_ms = (call.state.clock)().0;
    let ends_ms = now_ms + i64::try_from(seconds * 1000).expect("validated: half a day at most");
    let grant = Grant {
        application: application.id.to_string(),
        name: application.name.to_string(),
        region: call.region.clone(),
        principal: call.caller.principal.clone(),
        credential: AccessKeyId::new(&call.caller.credential).map_err(|_| needs_access_key())?,
        ends_ms,
    };
    Ok(Linked { url: dashboard::link(&call.state, &grant, now_ms), ends_ms })
}

/// A link ends with the key that asked for it; a bearer token has no such end.
fn needs_access_key() -> ApiError {
    let message = "a link to a dashboard lives as long as the access key that asks for it: \
                   sign the call with one, instead of a bearer token";
    ApiError::new(ErrorCode::InvalidRequest, message)
}

//! AWS JSON 1.1: from an HTTP request to a call, and back.

use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http::request::Parts;
use http::{HeaderMap, HeaderName, HeaderValue, Request, header};
use millrace_api_spec::{CONTENT_TYPE, ErrorCode, OperationSpec, TARGET_PREFIX, validate};
use serde_json::Value;
use sha2::{Digest, Sha256};
use tracing::Instrument;

use crate::access::{self, Audited, Caller, Wanted};
use crate::calls::Call;
use crate::error::ApiError;
use crate::operations;
use crate::state::ApiState;

/// Room for the largest ZipFileContent (50 MiB) in base64, and the rest of the request:
/// for the operations that take code.
const CODE_LIMIT: usize = 72 * 1024 * 1024;
/// For all others.
pub const BODY_LIMIT: usize = 1024 * 1024;
/// A client that sends slower than this holds a place that others wait for.
const BODY_TIMEOUT: Duration = Duration::from_secs(60);
/// SDKs send a UUID; what is longer is not one of theirs.
const INVOCATION_ID_LIMIT: usize = 256;

static REQUEST_ID: HeaderName = HeaderName::from_static("x-amzn-requestid");

/// One `POST /`.
pub async fn call(State(state): State<ApiState>, request: Request<Body>) -> Response {
    let request_id = (state.ids)().to_string();
    let span = tracing::info_span!(
        "call",
        request.id = %request_id,
        operation = target(request.headers()).unwrap_or_default(),
    );
    let answer = answer(state, request_id.clone(), request).instrument(span).await;
    let mut response = match answer {
        Ok(body) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response(),
        Err(error) => error.into_response(),
    };
    let id = HeaderValue::from_str(&request_id).expect("a UUID is ASCII");
    response.headers_mut().insert(REQUEST_ID.clone(), id);
    response
}

async fn answer(
    state: ApiState,
    request_id: String,
    request: Request<Body>,
) -> Result<String, ApiError> {
    let (parts, body) = request.into_parts();
    let operation = operation(&parts.headers)?;
    let claimed = access::claimed(&state, &parts).await?;
    let _place = state.limits.enter(claimed.account())?;
    let limit = limit(operation, &parts.headers);
    let upload = (limit > BODY_LIMIT).then(|| state.limits.enter_upload(claimed.account()));
    let _upload = upload.transpose()?;
    let body = read(body, limit).await?;
    let caller = claimed.verify(&state, &parts, &body)?;
    let now_ms = (state.clock)().0;
    state.limits.count(&caller.principal, now_ms)?;
    if operation.mutates {
        state.limits.count_change(&caller.principal, now_ms)?;
    }
    let asked = Asked { caller, request_id, operation };
    answer_operation(state, asked, &parts, &body).await.map_err(|error| {
        let error = ApiError { code: operation.declared(error.code), ..error };
        tracing::debug!(code = error.code.name(), message = %error.message, "refused");
        error
    })
}

/// What is asked, and who asks.
struct Asked {
    caller: Caller,
    request_id: String,
    operation: &'static OperationSpec,
}

async fn answer_operation(
    state: ApiState,
    asked: Asked,
    parts: &Parts,
    body: &Bytes,
) -> Result<String, ApiError> {
    let Asked { caller, request_id, operation } = asked;
    check_content_type(&parts.headers)?;
    let request = parse(body)?;
    validate(operation.input, &request)?;
    let call = Call {
        account: caller.account().to_owned(),
        region: caller.region.clone(),
        caller: caller.clone(),
        invocation: operation.mutates.then(|| invocation(&parts.headers)).flatten(),
        digest: digest(&caller, operation, body),
        state: state.clone(),
    };
    if let Some(response) = call.answered_before().await? {
        return Ok(response);
    }
    let wanted = access::wanted(&call, &caller, operation, &request).await?;
    let audited = Audited { caller: caller.clone(), request_id, wanted: wanted.clone() };
    let work = answer_allowed(call, caller, operation, request, wanted);
    if operation.mutates {
        return access::audited(&state, &audited, work).await;
    }
    work.await
}

async fn answer_allowed(
    call: Call,
    caller: Caller,
    operation: &'static OperationSpec,
    request: Value,
    wanted: Vec<Wanted>,
) -> Result<String, ApiError> {
    access::authorize(&call.state, &caller, &wanted).await?;
    match operations::dispatch(operation.name, &call, request).await {
        Ok(response) => Ok(response),
        // What refuses the call may be the call itself, sent twice at once: then the
        // answer is that of the one which was faster.
        Err(refused) => call.answered_before().await?.ok_or(refused),
    }
}

/// How large a body may be: of an operation that takes code, one that says to be small is.
fn limit(operation: &OperationSpec, headers: &HeaderMap) -> usize {
    limit_of(matches!(operation.name, "CreateApplication" | "UpdateApplication"), headers)
}

/// The same, of any surface.
pub fn limit_of(takes_code: bool, headers: &HeaderMap) -> usize {
    let length = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let length = length.and_then(|length| length.parse::<usize>().ok());
    let small = length.is_some_and(|length| length <= BODY_LIMIT);
    if takes_code && !small { CODE_LIMIT } else { BODY_LIMIT }
}

/// The name after the prefix.
fn target(headers: &HeaderMap) -> Option<&str> {
    let target = headers.get("x-amz-target")?.to_str().ok()?;
    target.strip_prefix(TARGET_PREFIX)?.strip_prefix('.')
}

fn operation(headers: &HeaderMap) -> Result<&'static OperationSpec, ApiError> {
    target(headers).and_then(OperationSpec::named).ok_or_else(|| {
        let message = format!(
            "the X-Amz-Target header must be {TARGET_PREFIX}. and the name of an operation"
        );
        ApiError::new(ErrorCode::UnknownOperation, message)
    })
}

pub async fn read(body: Body, limit: usize) -> Result<Bytes, ApiError> {
    let late = |_| ApiError::new(ErrorCode::Serialization, "the request's body came too slowly");
    let read = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, limit)).await;
    read.map_err(late)?.map_err(|_| {
        let message = format!(
            "the request's body is larger than {limit} bytes, or broke off: \
             put large code in S3 and name it in S3ContentLocation"
        );
        ApiError::new(ErrorCode::RequestTooLarge, message)
    })
}

fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let media_type = given.and_then(|given| given.split(';').next()).unwrap_or_default();
    if media_type.trim().eq_ignore_ascii_case(CONTENT_TYPE) {
        return Ok(());
    }
    let message = format!("the Content-Type header must be {CONTENT_TYPE}");
    Err(ApiError::new(ErrorCode::Serialization, message))
}

/// An empty body is an empty request.
fn parse(body: &[u8]) -> Result<Value, ApiError> {
    if body.trim_ascii().is_empty() {
        return Ok(Value::Object(serde_json::Map::new()));
    }
    // The parser's message names a place, never the content.
    serde_json::from_slice(body).map_err(|error| {
        let message = format!("the request's body is not JSON: {error}");
        ApiError::new(ErrorCode::Serialization, message)
    })
}

/// The same for every retry of one call (aws-api 0.6).
fn invocation(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("amz-sdk-invocation-id")?.to_str().ok()?;
    (1..=INVOCATION_ID_LIMIT).contains(&id.len()).then(|| id.to_owned())
}

/// Of the caller too: an answer is given again to nobody else.
fn digest(caller: &Caller, operation: &OperationSpec, body: &[u8]) -> String {
    let mut digest = Sha256::new();
    digest.update(caller.principal.to_string());
    digest.update([0]);
    digest.update(operation.name);
    digest.update([0]);
    digest.update(body);
    hex::encode(digest.finalize())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: &'static str, value: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(name, HeaderValue::from_str(value).unwrap());
        headers
    }

    #[test]
    fn only_code_may_be_large_and_says_so() {
        let check = |operation: &str, length: Option<&str>, expected: usize| {
            let headers = length.map(|length| with("content-length", length)).unwrap_or_default();
            let operation = OperationSpec::named(operation).expect("in the table");
            assert_eq!(limit(operation, &headers), expected, "{length:?}");
        };
        check("CreateApplication", Some("70000000"), CODE_LIMIT);
        check("UpdateApplication", None, CODE_LIMIT);
        check("UpdateApplication", Some("x"), CODE_LIMIT);
        check("CreateApplication", Some("1048576"), BODY_LIMIT);
        check("StartApplication", Some("70000000"), BODY_LIMIT);
        check("StartApplication", None, BODY_LIMIT);
    }

    #[test]
    fn a_target_is_the_prefix_and_a_name() {
        let check = |value: &str, expected: Option<&str>| {
            assert_eq!(target(&with("x-amz-target", value)), expected, "{value}");
        };
        check("KinesisAnalytics_20180523.StartApplication", Some("StartApplication"));
        check("KinesisAnalytics_20150814.StartApplication", None);
        check("StartApplication", None);
    }
}

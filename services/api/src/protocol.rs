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

use crate::calls::Call;
use crate::error::ApiError;
use crate::operations;
use crate::state::ApiState;

/// Room for the largest ZipFileContent (50 MiB) in base64, and the rest of the request.
const BODY_LIMIT: usize = 72 * 1024 * 1024;
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
    let answer = answer(state, request).instrument(span).await;
    let mut response = match answer {
        Ok(body) => ([(header::CONTENT_TYPE, CONTENT_TYPE)], body).into_response(),
        Err(error) => error.into_response(),
    };
    let id = HeaderValue::from_str(&request_id).expect("a UUID is ASCII");
    response.headers_mut().insert(REQUEST_ID.clone(), id);
    response
}

async fn answer(state: ApiState, request: Request<Body>) -> Result<String, ApiError> {
    let (parts, body) = request.into_parts();
    let operation = operation(&parts.headers)?;
    let body = read(body).await?;
    answer_operation(state, operation, &parts, &body).await.map_err(|error| {
        let error = ApiError { code: operation.declared(error.code), ..error };
        tracing::debug!(code = error.code.name(), message = %error.message, "refused");
        error
    })
}

async fn answer_operation(
    state: ApiState,
    operation: &'static OperationSpec,
    parts: &Parts,
    body: &Bytes,
) -> Result<String, ApiError> {
    check_content_type(&parts.headers)?;
    let request = parse(body)?;
    validate(operation.input, &request)?;
    let call = Call {
        account: state.config.account.clone(),
        region: region(&parts.headers).unwrap_or(&state.config.region).to_owned(),
        invocation: operation.mutates.then(|| invocation(&parts.headers)).flatten(),
        digest: digest(operation, body),
        state,
    };
    if let Some(response) = call.answered_before().await? {
        return Ok(response);
    }
    match operations::dispatch(operation.name, &call, request).await {
        Ok(response) => Ok(response),
        // What refuses the call may be the call itself, sent twice at once: then the
        // answer is that of the one which was faster.
        Err(refused) => call.answered_before().await?.ok_or(refused),
    }
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

pub async fn read(body: Body) -> Result<Bytes, ApiError> {
    let late = |_| ApiError::new(ErrorCode::Serialization, "the request's body came too slowly");
    let read = tokio::time::timeout(BODY_TIMEOUT, to_bytes(body, BODY_LIMIT)).await;
    read.map_err(late)?.map_err(|_| {
        let message = format!(
            "the request's body is larger than {BODY_LIMIT} bytes, or broke off: \
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

/// The Region in the scope of a signature: `Credential=KEY/DATE/REGION/SERVICE/aws4_request`.
pub fn region(headers: &HeaderMap) -> Option<&str> {
    let authorization = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (_, credential) = authorization.split_once("Credential=")?;
    let region = credential.split(',').next()?.split('/').nth(2)?;
    let allowed = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    ((1..=64).contains(&region.len()) && region.chars().all(allowed)).then_some(region)
}

/// The same for every retry of one call (aws-api 0.6).
fn invocation(headers: &HeaderMap) -> Option<String> {
    let id = headers.get("amz-sdk-invocation-id")?.to_str().ok()?;
    (1..=INVOCATION_ID_LIMIT).contains(&id.len()).then(|| id.to_owned())
}

fn digest(operation: &OperationSpec, body: &[u8]) -> String {
    let mut digest = Sha256::new();
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
    fn the_region_is_that_of_the_signature() {
        let check = |value: &str, expected: Option<&str>| {
            assert_eq!(region(&with("authorization", value)), expected, "{value}");
        };
        check(
            "AWS4-HMAC-SHA256 Credential=AK/20261122/eu-west-1/kinesisanalytics/aws4_request, \
             SignedHeaders=host, Signature=00",
            Some("eu-west-1"),
        );
        check("AWS4-HMAC-SHA256 Credential=AK/20261122", None);
        check("AWS4-HMAC-SHA256 Credential=AK/1/../kinesisanalytics/aws4_request", None);
        check("Bearer x", None);
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

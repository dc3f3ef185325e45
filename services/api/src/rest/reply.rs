//! Answers of the REST surface.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use serde::Serialize;

use super::problem::Problem;
use crate::calls::encode;

/// What a handler gives.
pub type Answer = Result<Response, Problem>;

/// JSON that was encoded before.
pub fn json(status: StatusCode, body: String) -> Response {
    let mut response = (status, body).into_response();
    let media_type = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, media_type);
    response
}

pub fn ok<T: Serialize>(body: &T) -> Answer {
    Ok(json(StatusCode::OK, encode(body)))
}

/// The change is stored, an operation works on it.
pub fn accepted(body: String) -> Answer {
    Ok(json(StatusCode::ACCEPTED, body))
}

pub fn no_content() -> Answer {
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// With the token as the entity tag.
pub fn tagged(mut response: Response, token: &str) -> Response {
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{token}\"")) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    response
}

//! What a caller of the REST surface is told when a call fails (RFC 9457).

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use millrace_api_spec::validate::Violation;
use millrace_api_spec::{ErrorCode, Finding};
use serde::Serialize;
use utoipa::ToSchema;

use super::names;
use crate::error::ApiError;

/// RFC 9457: the media type of a problem.
pub const MEDIA_TYPE: &str = "application/problem+json";
/// A problem's type is this and its code; it names, and leads nowhere.
const TYPE_PREFIX: &str = "urn:millrace:error:";

/// A call that failed. `code` and `type` are stable and named as the AWS surface names
/// its errors; `detail` says what is wrong and what to do next.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Problem {
    /// `urn:millrace:error:` and the code.
    #[serde(rename = "type")]
    pub kind: String,
    /// The code in words.
    pub title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// Stable, for programs, for example `ResourceNotFoundException`.
    pub code: &'static str,
    pub detail: String,
    /// The members that break a constraint.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub errors: Vec<FieldProblem>,
}

/// A member of the request that breaks a constraint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct FieldProblem {
    /// Dotted, from the request down; list places from 0 in brackets.
    pub path: String,
    /// The value, cut; hidden when it may be a secret.
    pub value: String,
    /// What it must be.
    pub rule: String,
}

/// A code, its HTTP status and its title.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    pub code: &'static str,
    pub status: u16,
    pub title: &'static str,
}

const fn kind(code: &'static str, status: u16, title: &'static str) -> Kind {
    Kind { code, status, title }
}

pub const NO_SUCH_PATH: Kind = kind("UnknownOperationException", 404, "There is no such path");
pub const METHOD: Kind = kind("MethodNotAllowedException", 405, "The path has no such method");
pub const PRECONDITION: Kind =
    kind("PreconditionFailedException", 412, "If-Match is not the current version's token");
pub const MEDIA: Kind = kind("UnsupportedMediaTypeException", 415, "The body is not JSON");

/// The error of the AWS surface as this surface tells it: AWS answers 400 to whatever the
/// caller can mend, here HTTP's own numbers say more.
pub const fn of_code(code: ErrorCode) -> Kind {
    let (status, title) = match code {
        ErrorCode::CodeValidation => (422, "The code cannot be taken"),
        ErrorCode::ConcurrentModification => (409, "It changed meanwhile"),
        ErrorCode::InvalidApplicationConfiguration => (422, "The configuration does not allow it"),
        ErrorCode::InvalidArgument => (400, "A value is not allowed"),
        ErrorCode::InvalidRequest => (400, "The request is not possible"),
        ErrorCode::LimitExceeded => (429, "A quota is reached"),
        ErrorCode::ResourceInUse => (409, "Its status does not allow it"),
        ErrorCode::ResourceNotFound => (404, "There is no such thing"),
        ErrorCode::ResourceProvisionedThroughputExceeded => (429, "Too much was asked"),
        ErrorCode::ServiceUnavailable => (503, "The service is not available"),
        ErrorCode::TooManyTags => (400, "There are too many tags"),
        ErrorCode::UnableToDetectSchema => (422, "No schema was found"),
        ErrorCode::UnsupportedOperation => (422, "The service does not offer it"),
        ErrorCode::Serialization => (400, "The request cannot be read"),
        ErrorCode::UnknownOperation => (404, "There is no such operation"),
        ErrorCode::RequestTooLarge => (413, "The request is too large"),
        ErrorCode::InternalFailure => (500, "The service failed"),
        ErrorCode::MissingAuthenticationToken => (401, "The request is not signed"),
        ErrorCode::IncompleteSignature => (401, "The signature is not whole"),
        ErrorCode::UnrecognizedClient => (401, "There is no such access key"),
        ErrorCode::InvalidSignature => (401, "The signature is another one"),
        ErrorCode::AccessDenied => (403, "The caller may not do it"),
        ErrorCode::Throttling => (429, "Calls come too often"),
    };
    kind(code.name(), status, title)
}

impl Problem {
    pub fn new(kind: Kind, detail: impl Into<String>) -> Problem {
        Problem {
            kind: format!("{TYPE_PREFIX}{}", kind.code),
            title: kind.title,
            status: kind.status,
            code: kind.code,
            detail: detail.into(),
            errors: Vec::new(),
        }
    }

    /// A value that is not allowed.
    pub fn invalid(detail: impl Into<String>) -> Problem {
        Problem::new(of_code(ErrorCode::InvalidArgument), detail)
    }

    /// A request that cannot be read.
    pub fn unreadable(detail: impl Into<String>) -> Problem {
        Problem::new(of_code(ErrorCode::Serialization), detail)
    }
}

impl From<ApiError> for Problem {
    fn from(error: ApiError) -> Problem {
        Problem::new(of_code(error.code), error.message)
    }
}

impl From<Finding> for Problem {
    /// Names the members as this surface does.
    fn from(finding: Finding) -> Problem {
        match finding {
            Finding::Type { path, expected, found } => Problem::unreadable(format!(
                "{}: {expected} is expected, not {found}",
                names::of_path(&path)
            )),
            Finding::Constraints(violations) => {
                let errors: Vec<FieldProblem> = violations.into_iter().map(field).collect();
                let told = |it: &FieldProblem| format!("{} {}: it {}", it.path, it.value, it.rule);
                let all: Vec<String> = errors.iter().map(told).collect();
                Problem { errors, ..Problem::invalid(all.join("; ")) }
            }
        }
    }
}

fn field(violation: Violation) -> FieldProblem {
    let Violation { path, value, rule } = violation;
    FieldProblem { path: names::of_path(&path), value, rule }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).expect("the table has HTTP's own numbers");
        let body = serde_json::to_string(&self).expect("a problem has text keys only");
        let mut response = (status, body).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(MEDIA_TYPE));
        response
    }
}

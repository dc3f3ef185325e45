//! What a caller is told when a call fails.

use axum::response::{IntoResponse, Response};
use http::{HeaderValue, StatusCode, header};
use millrace_api_spec::{CONTENT_TYPE, ErrorCode, Finding};
use millrace_auth::signature::SignatureError;
use millrace_domain::{InvalidId, Reject};
use millrace_store::StoreError;
use serde_json::json;

use crate::artifacts::ArtifactError;
use crate::code::CodeError;

/// A stable code and one safe sentence. The cause of an internal failure is logged
/// where it becomes one of these, and not shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}: {message}", .code.name())]
pub struct ApiError {
    pub code: ErrorCode,
    pub message: String,
}

impl ApiError {
    pub fn new(code: ErrorCode, message: impl Into<String>) -> ApiError {
        ApiError { code, message: message.into() }
    }

    pub fn no_application(name: &str) -> ApiError {
        let message = format!("there is no application {name} in this account and Region");
        ApiError::new(ErrorCode::ResourceNotFound, message)
    }

    /// Logs `cause` with its sources, and says no more than that it was logged.
    pub fn internal(cause: &(dyn std::error::Error + 'static)) -> ApiError {
        let mut chain = cause.to_string();
        let mut source = cause.source();
        while let Some(error) = source {
            chain.push_str(": ");
            chain.push_str(&error.to_string());
            source = error.source();
        }
        tracing::error!(error = %chain, "a call failed for a reason of our own");
        let message = "the service failed; its log has the cause under this request id";
        ApiError::new(ErrorCode::InternalFailure, message)
    }
}

impl From<Finding> for ApiError {
    fn from(finding: Finding) -> ApiError {
        let code = match finding {
            Finding::Type { .. } => ErrorCode::Serialization,
            Finding::Constraints(_) => ErrorCode::InvalidArgument,
        };
        ApiError::new(code, finding.to_string())
    }
}

impl From<InvalidId> for ApiError {
    fn from(error: InvalidId) -> ApiError {
        ApiError::new(ErrorCode::InvalidArgument, error.to_string())
    }
}

/// Which of AWS's codes says what the domain refused (aws-api 2.1; where AWS's is not
/// known, the code that the operation declares and the emulators agree on).
impl From<Reject> for ApiError {
    fn from(reject: Reject) -> ApiError {
        let code = match &reject {
            Reject::StaleVersion { .. } | Reject::StaleToken => ErrorCode::ConcurrentModification,
            Reject::Status { .. }
            | Reject::OperationOpen { .. }
            | Reject::SnapshotExists(_)
            | Reject::SnapshotStatus { .. }
            | Reject::EnhancedStatus { .. } => ErrorCode::ResourceInUse,
            Reject::NoVersionNorToken
            | Reject::CreationTime { .. }
            | Reject::Invalid { .. }
            | Reject::RuntimeNotOffered { .. } => ErrorCode::InvalidArgument,
            Reject::NoSuchSnapshot(_) | Reject::NoSuchOption { .. } => ErrorCode::ResourceNotFound,
            Reject::TooManyTags { .. } => ErrorCode::TooManyTags,
            Reject::Quota { .. } => ErrorCode::LimitExceeded,
            Reject::Unsupported { .. } => ErrorCode::UnsupportedOperation,
            Reject::Configuration(_) => ErrorCode::InvalidApplicationConfiguration,
            Reject::NothingToRollBackTo(_) => ErrorCode::InvalidRequest,
        };
        ApiError::new(code, reject.to_string())
    }
}

impl From<SignatureError> for ApiError {
    fn from(error: SignatureError) -> ApiError {
        let code = match &error {
            SignatureError::Missing => ErrorCode::MissingAuthenticationToken,
            SignatureError::Incomplete(_) => ErrorCode::IncompleteSignature,
            SignatureError::Invalid(_) => ErrorCode::InvalidSignature,
            SignatureError::SessionToken => ErrorCode::UnrecognizedClient,
        };
        ApiError::new(code, error.to_string())
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> ApiError {
        ApiError::internal(&error)
    }
}

impl From<CodeError> for ApiError {
    fn from(error: CodeError) -> ApiError {
        let code = match &error {
            CodeError::Mismatch(_) => ErrorCode::InvalidArgument,
            CodeError::Artifact(error) => return error.into(),
            _ => ErrorCode::CodeValidation,
        };
        ApiError::new(code, error.to_string())
    }
}

impl From<&ArtifactError> for ApiError {
    fn from(error: &ArtifactError) -> ApiError {
        match error {
            ArtifactError::Unreachable { .. } | ArtifactError::NoObjectStore => {
                tracing::warn!(error = %error, source = ?std::error::Error::source(error), "no code from S3");
                ApiError::new(ErrorCode::InvalidArgument, error.to_string())
            }
            ArtifactError::NotAllowed { .. } => {
                ApiError::new(ErrorCode::InvalidArgument, error.to_string())
            }
            ArtifactError::TooLarge { .. } => {
                ApiError::new(ErrorCode::CodeValidation, error.to_string())
            }
            ArtifactError::Store { .. } => ApiError::internal(error),
        }
    }
}

impl IntoResponse for ApiError {
    /// The body has both spellings of the message: one error of the model uses the
    /// lower case, all others the upper.
    fn into_response(self) -> Response {
        let body = json!({
            "__type": self.code.name(),
            "message": self.message,
            "Message": self.message,
        });
        let status = StatusCode::from_u16(self.code.http_status())
            .expect("the catalogue has HTTP's own numbers");
        let mut response = (status, body.to_string()).into_response();
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(CONTENT_TYPE));
        response
    }
}

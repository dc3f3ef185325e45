//! The operations of SQL-1_0, the discontinued service: one answer for all of them.
//!
//! The request is validated as ever, the application and its version are looked up, so
//! that a caller learns of a wrong name or a stale version first; what is asked for is not
//! to be had of a Flink application.

use millrace_api_spec::ErrorCode;
use millrace_api_spec::wire::SqlApplicationRequest;
use millrace_domain::VersionId;
use millrace_domain::commands::ExpectedVersion;

use crate::calls::Call;
use crate::error::ApiError;

pub async fn answer(
    call: &Call,
    operation: &str,
    request: SqlApplicationRequest,
) -> Result<String, ApiError> {
    let application = call.application(&request.application_name).await?;
    let version = Some(VersionId(request.current_application_version_id));
    ExpectedVersion { version, token: None }.check(&application)?;
    Err(discontinued(operation))
}

/// Also the whole answer of DiscoverInputSchema, which names no application.
pub fn discontinued(operation: &str) -> ApiError {
    let message = format!(
        "{operation} belongs to SQL-1_0 applications, which are discontinued: declare sources \
         and sinks with CREATE TABLE in the Flink SQL script of the application"
    );
    ApiError::new(ErrorCode::UnsupportedOperation, message)
}

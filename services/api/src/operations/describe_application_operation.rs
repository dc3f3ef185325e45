//! DescribeApplicationOperation.

use millrace_api_spec::ErrorCode;
use millrace_api_spec::wire::{
    ApplicationOperationInfoDetails, ApplicationVersionChangeDetails,
    DescribeApplicationOperationRequest, DescribeApplicationOperationResponse, ErrorInfo,
    OperationFailureDetails,
};
use millrace_domain::operation::Failure;
use millrace_domain::{Operation, OperationId};

use crate::calls::{Call, encode};
use crate::describe::seconds;
use crate::error::ApiError;

/// AWS: `ErrorString`.
const ERROR_CHARACTERS: usize = 512;

pub async fn answer(
    call: &Call,
    request: DescribeApplicationOperationRequest,
) -> Result<String, ApiError> {
    let operation = find(call, request).await?;
    let application_operation_info_details = details(&operation);
    Ok(encode(&DescribeApplicationOperationResponse { application_operation_info_details }))
}

/// The operation asked for.
pub async fn find(
    call: &Call,
    request: DescribeApplicationOperationRequest,
) -> Result<Operation, ApiError> {
    let application = call.application(&request.application_name).await?;
    let missing = || {
        let message =
            format!("application {} has no operation of this OperationId", application.name);
        ApiError::new(ErrorCode::ResourceNotFound, message)
    };
    // The API constrains an OperationId by length alone: one not of our form is none of ours.
    let id = OperationId::new(request.operation_id).map_err(|_| missing())?;
    call.state.store.operation(&application.id, &id).await?.ok_or_else(missing)
}

fn details(operation: &Operation) -> ApplicationOperationInfoDetails {
    ApplicationOperationInfoDetails {
        operation: operation.kind.name().to_owned(),
        start_time: seconds(operation.started_at),
        operation_status: operation.status.name().to_owned(),
        end_time: operation.ended_at.map(seconds),
        application_version_change_details: version_change(operation),
        operation_failure_details: operation.failure.as_ref().map(failure),
    }
}

fn version_change(operation: &Operation) -> Option<ApplicationVersionChangeDetails> {
    let (from, to) = (operation.from_version.0, operation.to_version.0);
    (from != to).then_some(ApplicationVersionChangeDetails {
        application_version_updated_from: from,
        application_version_updated_to: to,
    })
}

fn failure(failure: &Failure) -> OperationFailureDetails {
    let error_string = failure.message.chars().take(ERROR_CHARACTERS).collect();
    OperationFailureDetails {
        rollback_operation_id: failure.rollback_operation.as_ref().map(ToString::to_string),
        error_info: Some(ErrorInfo { error_string: Some(error_string) }),
    }
}

//! ListApplicationOperations: newest first.

use millrace_api_spec::wire::{
    ApplicationOperationInfo, ListApplicationOperationsRequest, ListApplicationOperationsResponse,
};
use millrace_domain::{Operation, OperationKind, OperationStatus};
use millrace_store::{OperationFilter, Page};

use crate::calls::{Call, encode};
use crate::describe::seconds;
use crate::error::ApiError;
use crate::pagination;

pub async fn answer(
    call: &Call,
    request: ListApplicationOperationsRequest,
) -> Result<String, ApiError> {
    let page = find(call, &request).await?;
    Ok(encode(&ListApplicationOperationsResponse {
        application_operation_info_list: page.items.iter().map(info).collect(),
        next_token: pagination::token(&page),
    }))
}

/// The operations asked for.
pub async fn find(
    call: &Call,
    request: &ListApplicationOperationsRequest,
) -> Result<Page<Operation>, ApiError> {
    let before = pagination::place(request.next_token.as_deref())?;
    let limit = pagination::limit(request.limit);
    let application = call.application(&request.application_name).await?;
    match filter(request) {
        Some(filter) => {
            Ok(call.state.store.operations(&application.id, filter, before, limit).await?)
        }
        None => Ok(Page { items: Vec::new(), next: None }),
    }
}

/// `None` when no operation can match: AWS leaves the names of operations open, so one
/// that is unknown here is no error.
fn filter(request: &ListApplicationOperationsRequest) -> Option<OperationFilter> {
    let kind = match &request.operation {
        Some(name) => Some(OperationKind::ALL.into_iter().find(|kind| kind.name() == name)?),
        None => None,
    };
    let status = match &request.operation_status {
        Some(name) => Some(OperationStatus::ALL.into_iter().find(|status| status.name() == name)?),
        None => None,
    };
    Some(OperationFilter { kind, status })
}

fn info(operation: &Operation) -> ApplicationOperationInfo {
    ApplicationOperationInfo {
        operation: Some(operation.kind.name().to_owned()),
        operation_id: Some(operation.id.to_string()),
        start_time: Some(seconds(operation.started_at)),
        end_time: operation.ended_at.map(seconds),
        operation_status: Some(operation.status.name().to_owned()),
    }
}

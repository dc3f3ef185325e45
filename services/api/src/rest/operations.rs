//! `/v1/applications/{name}/operations`.

use millrace_api_spec::wire::{
    DescribeApplicationOperationRequest, ListApplicationOperationsRequest,
};

use super::asked::Asked;
use super::model::words::text;
use super::model::{Operation, OperationList, OperationsQuery};
use super::params::{OfApplication, OfOperation};
use super::reply::{self, Answer};
use crate::operations::{describe_application_operation, list_application_operations};
use crate::pagination;

/// List the operations of an application, newest first.
#[utoipa::path(
    get, path = "/v1/applications/{name}/operations", operation_id = "listApplicationOperations",
    tag = "operations", params(OfApplication, OperationsQuery),
    responses((status = 200, description = "A part of the list.", body = OperationList))
)]
pub async fn list(asked: Asked) -> Answer {
    let query: OperationsQuery = asked.query()?;
    let request = ListApplicationOperationsRequest {
        application_name: asked.path("name"),
        limit: query.limit,
        next_token: query.next_token,
        operation: query.operation,
        operation_status: query.status.as_ref().map(text),
    };
    asked.check("ListApplicationOperations", &request).await?;
    let page = list_application_operations::find(&asked.call, &request).await?;
    let operations = page.items.iter().map(Operation::of).collect();
    reply::ok(&OperationList { operations, next_token: pagination::token(&page) })
}

/// Describe an operation: how far it is, how it came out and why.
#[utoipa::path(
    get, path = "/v1/applications/{name}/operations/{operation}",
    operation_id = "describeApplicationOperation", tag = "operations",
    params(OfApplication, OfOperation),
    responses((status = 200, description = "The operation.", body = Operation))
)]
pub async fn describe(asked: Asked) -> Answer {
    let request = DescribeApplicationOperationRequest {
        application_name: asked.path("name"),
        operation_id: asked.path("operation"),
    };
    asked.check("DescribeApplicationOperation", &request).await?;
    let operation = describe_application_operation::find(&asked.call, request).await?;
    reply::ok(&Operation::of(&operation))
}

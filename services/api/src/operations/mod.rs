//! The operations served: one file each.

mod add_application_cloud_watch_logging_option;
mod add_application_vpc_configuration;
mod create_application;
mod create_application_snapshot;
mod create_snapshot;
mod delete_application;
mod delete_application_cloud_watch_logging_option;
mod delete_application_snapshot;
mod delete_application_vpc_configuration;
mod delete_snapshot;
mod describe_application;
mod describe_application_operation;
mod describe_application_snapshot;
mod describe_application_version;
mod describe_snapshot;
mod describe_snapshot_operation;
mod list_application_operations;
mod list_application_snapshots;
mod list_application_versions;
mod list_applications;
mod list_snapshot_operations;
mod list_snapshots;
mod list_tags_for_resource;
mod rollback_application;
mod sql_application;
mod start_application;
mod stop_application;
mod tag_resource;
mod untag_resource;
mod update_application;
mod update_application_maintenance_configuration;

use millrace_api_spec::ErrorCode;
use serde_json::Value;

use crate::calls::{Call, decode};
use crate::error::ApiError;

/// Answers a validated request.
pub async fn dispatch(operation: &str, call: &Call, request: Value) -> Result<String, ApiError> {
    match operation {
        "CreateApplication" => create_application::answer(call, decode(request)?).await,
        "CreateApplicationSnapshot" => {
            create_application_snapshot::answer(call, decode(request)?).await
        }
        "DeleteApplication" => delete_application::answer(call, decode(request)?).await,
        "DeleteApplicationSnapshot" => {
            delete_application_snapshot::answer(call, decode(request)?).await
        }
        "DescribeApplication" => describe_application::answer(call, decode(request)?).await,
        "DescribeApplicationOperation" => {
            describe_application_operation::answer(call, decode(request)?).await
        }
        "DescribeApplicationSnapshot" => {
            describe_application_snapshot::answer(call, decode(request)?).await
        }
        "DescribeApplicationVersion" => {
            describe_application_version::answer(call, decode(request)?).await
        }
        "ListApplicationOperations" => {
            list_application_operations::answer(call, decode(request)?).await
        }
        "ListApplicationSnapshots" => {
            list_application_snapshots::answer(call, decode(request)?).await
        }
        "ListApplicationVersions" => {
            list_application_versions::answer(call, decode(request)?).await
        }
        "ListApplications" => list_applications::answer(call, decode(request)?).await,
        "ListTagsForResource" => list_tags_for_resource::answer(call, decode(request)?).await,
        "RollbackApplication" => rollback_application::answer(call, decode(request)?).await,
        "StartApplication" => start_application::answer(call, decode(request)?).await,
        "StopApplication" => stop_application::answer(call, decode(request)?).await,
        "TagResource" => tag_resource::answer(call, decode(request)?).await,
        "UntagResource" => untag_resource::answer(call, decode(request)?).await,
        "UpdateApplication" => update_application::answer(call, decode(request)?).await,
        "AddApplicationCloudWatchLoggingOption" => {
            add_application_cloud_watch_logging_option::answer(call, decode(request)?).await
        }
        "DeleteApplicationCloudWatchLoggingOption" => {
            delete_application_cloud_watch_logging_option::answer(call, decode(request)?).await
        }
        "AddApplicationVpcConfiguration" => {
            add_application_vpc_configuration::answer(call, decode(request)?).await
        }
        "DeleteApplicationVpcConfiguration" => {
            delete_application_vpc_configuration::answer(call, decode(request)?).await
        }
        "UpdateApplicationMaintenanceConfiguration" => {
            update_application_maintenance_configuration::answer(call, decode(request)?).await
        }
        "CreateSnapshot" => create_snapshot::answer(call, decode(request)?).await,
        "DeleteSnapshot" => delete_snapshot::answer(call, decode(request)?).await,
        "DescribeSnapshot" => describe_snapshot::answer(call, decode(request)?).await,
        "DescribeSnapshotOperation" => {
            describe_snapshot_operation::answer(call, decode(request)?).await
        }
        "ListSnapshots" => list_snapshots::answer(call, decode(request)?).await,
        "ListSnapshotOperations" => list_snapshot_operations::answer(call, decode(request)?).await,
        "AddApplicationInput"
        | "AddApplicationInputProcessingConfiguration"
        | "AddApplicationOutput"
        | "AddApplicationReferenceDataSource"
        | "DeleteApplicationInputProcessingConfiguration"
        | "DeleteApplicationOutput"
        | "DeleteApplicationReferenceDataSource" => {
            sql_application::answer(call, operation, decode(request)?).await
        }
        "DiscoverInputSchema" => Err(sql_application::discontinued(operation)),
        other => {
            let message = format!("{other} is not supported by this service yet");
            Err(ApiError::new(ErrorCode::UnsupportedOperation, message))
        }
    }
}

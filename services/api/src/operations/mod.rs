//! The operations served: one file each.

pub mod add_application_cloud_watch_logging_option;
pub mod add_application_vpc_configuration;
pub mod create_application;
pub mod create_application_presigned_url;
pub mod create_application_snapshot;
pub mod create_snapshot;
pub mod delete_application;
pub mod delete_application_cloud_watch_logging_option;
pub mod delete_application_snapshot;
pub mod delete_application_vpc_configuration;
pub mod delete_snapshot;
pub mod describe_application;
pub mod describe_application_operation;
pub mod describe_application_snapshot;
pub mod describe_application_version;
pub mod describe_snapshot;
pub mod describe_snapshot_operation;
pub mod export_snapshot;
pub mod import_snapshot;
pub mod list_application_operations;
pub mod list_application_snapshots;
pub mod list_application_versions;
pub mod list_applications;
pub mod list_snapshot_operations;
pub mod list_snapshots;
pub mod list_tags_for_resource;
pub mod rollback_application;
pub mod sql_application;
pub mod start_application;
pub mod stop_application;
pub mod tag_resource;
pub mod untag_resource;
pub mod update_application;
pub mod update_application_maintenance_configuration;

use millrace_api_spec::ErrorCode;
use serde_json::Value;

use crate::calls::{Call, decode};
use crate::error::ApiError;

/// Answers a validated request.
pub async fn dispatch(operation: &str, call: &Call, request: Value) -> Result<String, ApiError> {
    match operation {
        "CreateApplication" => create_application::answer(call, decode(request)?).await,
        "CreateApplicationPresignedUrl" => {
            create_application_presigned_url::answer(call, decode(request)?).await
        }
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
        "ExportSnapshot" => export_snapshot::answer(call, decode(request)?).await,
        "ImportSnapshot" => import_snapshot::answer(call, decode(request)?).await,
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

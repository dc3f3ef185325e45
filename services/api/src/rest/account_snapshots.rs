//! `/v1/snapshots`: those of the account, which outlive their application.

use millrace_api_spec::EpochSeconds;
use millrace_api_spec::wire::{
    CreateSnapshotRequest, DeleteSnapshotRequest, DescribeSnapshotOperationRequest,
    DescribeSnapshotRequest, ExportDestinationConfiguration, ExportSnapshotRequest,
    ImportSnapshotRequest, ImportSourceConfiguration, ListSnapshotOperationsRequest,
    ListSnapshotsRequest,
};
use millrace_domain::enhanced::EnhancedSnapshot;

use super::applications::time;
use super::asked::Asked;
use super::model::words::text;
use super::model::{
    ChangedSnapshot, CreateSnapshot, ExportSnapshot, ImportSnapshot, Snapshot, SnapshotDeletion,
    SnapshotList, SnapshotOperation, SnapshotOperationList, SnapshotOperationsQuery,
    SnapshotsQuery, Tags,
};
use super::params::{OfAccountSnapshot, OfOperation, Once};
use super::problem::Problem;
use super::reply::{self, Answer};
use crate::calls::Changed;
use crate::operations::{
    create_snapshot, delete_snapshot, describe_snapshot_operation, export_snapshot,
    import_snapshot, list_snapshot_operations, list_snapshots,
};
use crate::pagination;

/// List the snapshots of the account, newest first, by one filter at most.
#[utoipa::path(
    get, path = "/v1/snapshots", operation_id = "listSnapshots", tag = "account snapshots",
    params(SnapshotsQuery),
    responses((status = 200, description = "A part of the list.", body = SnapshotList))
)]
pub async fn list(asked: Asked) -> Answer {
    let query: SnapshotsQuery = asked.query()?;
    let request = ListSnapshotsRequest {
        source_application_name: query.application_name,
        snapshot_initiator: query.initiator.as_ref().map(text),
        snapshot_initiator_operation: query.operation.as_ref().map(text),
        snapshot_status: query.status.as_ref().map(text),
        limit: query.limit,
        next_token: query.next_token,
    };
    asked.check("ListSnapshots", &request).await?;
    let page = list_snapshots::find(&asked.call, &request).await?;
    let snapshots = page.items.iter().map(Snapshot::of).collect();
    reply::ok(&SnapshotList { snapshots, next_token: pagination::token(&page) })
}

/// Take a snapshot of a running application whose SnapshotMode is ENHANCED_SNAPSHOTS.
#[utoipa::path(
    post, path = "/v1/snapshots", operation_id = "createSnapshot", tag = "account snapshots",
    params(Once), request_body = CreateSnapshot,
    responses((status = 202, description = "It is being taken.", body = ChangedSnapshot))
)]
pub async fn create(asked: Asked) -> Answer {
    let body: CreateSnapshot = asked.body()?;
    let request = CreateSnapshotRequest {
        application_name: body.application_name,
        snapshot_name: body.name,
        snapshot_description: body.description,
        tags: body.tags.filter(|tags| !tags.0.is_empty()).map(Tags::into_wire),
    };
    asked.check("CreateSnapshot", &request).await?;
    let create = create_snapshot::perform(&asked.call, request, made);
    reply::accepted(asked.once("CreateSnapshot", create).await?)
}

fn made(changed: &Changed<'_>) -> ChangedSnapshot {
    ChangedSnapshot::of(changed.enhanced.expect("CreateSnapshot writes a snapshot"))
}

/// Describe a snapshot of the account.
#[utoipa::path(
    get, path = "/v1/snapshots/{snapshot}", operation_id = "describeSnapshot",
    tag = "account snapshots", params(OfAccountSnapshot),
    responses((status = 200, description = "The snapshot.", body = Snapshot))
)]
pub async fn describe(asked: Asked) -> Answer {
    reply::ok(&Snapshot::of(&find(&asked).await?))
}

async fn find(asked: &Asked) -> Result<EnhancedSnapshot, Problem> {
    let request = DescribeSnapshotRequest { snapshot_name: asked.path("snapshot") };
    asked.check("DescribeSnapshot", &request).await?;
    Ok(asked.call.enhanced_snapshot(&request.snapshot_name).await?)
}

/// Delete a snapshot of the account; its files go in the background.
#[utoipa::path(
    delete, path = "/v1/snapshots/{snapshot}", operation_id = "deleteSnapshot",
    tag = "account snapshots", params(OfAccountSnapshot, Once, SnapshotDeletion),
    responses((status = 202, description = "It is being deleted.", body = ChangedSnapshot))
)]
pub async fn delete(asked: Asked) -> Answer {
    let query: SnapshotDeletion = asked.query()?;
    let delete = async {
        let created_at = match &query.created_at {
            Some(text) => time(text)?,
            None => find(&asked).await?.created_at,
        };
        let request = DeleteSnapshotRequest {
            snapshot_name: asked.path("snapshot"),
            snapshot_creation_timestamp: EpochSeconds(created_at.seconds()),
        };
        asked.check("DeleteSnapshot", &request).await?;
        let perform = delete_snapshot::perform(&asked.call, request, ChangedSnapshot::of);
        perform.await.map_err(Problem::from)
    };
    reply::accepted(asked.once("DeleteSnapshot", delete).await?)
}

/// Copy a snapshot to S3, below a prefix of its own that the operation shows at its end.
#[utoipa::path(
    post, path = "/v1/snapshots/{snapshot}/exports", operation_id = "exportSnapshot",
    tag = "account snapshots", params(OfAccountSnapshot, Once), request_body = ExportSnapshot,
    responses((status = 202, description = "It is being copied.", body = SnapshotOperation))
)]
pub async fn export(asked: Asked) -> Answer {
    asked.may("ExportSnapshot").await?;
    let body: ExportSnapshot = asked.body()?;
    let request = ExportSnapshotRequest {
        snapshot_name: asked.path("snapshot"),
        export_destination_configuration: ExportDestinationConfiguration {
            destination_type: "S3".to_owned(),
            export_role_arn: role(&asked),
            destination_s3_prefix_location: body.to.into_wire(),
            destination_encryption_configuration: None,
        },
    };
    asked.check("ExportSnapshot", &request).await?;
    let export = export_snapshot::perform(&asked.call, request, SnapshotOperation::of);
    reply::accepted(asked.once("ExportSnapshot", export).await?)
}

/// Make a snapshot of what an export has written.
#[utoipa::path(
    post, path = "/v1/snapshots:import", operation_id = "importSnapshot",
    tag = "account snapshots", params(Once), request_body = ImportSnapshot,
    responses((status = 202, description = "It is being copied.", body = ChangedSnapshot))
)]
pub async fn import(asked: Asked) -> Answer {
    let body: ImportSnapshot = asked.body()?;
    let request = ImportSnapshotRequest {
        snapshot_name: body.name,
        import_source_configuration: ImportSourceConfiguration {
            source_type: "S3".to_owned(),
            import_role_arn: role(&asked),
            source_s3_prefix_location: body.from.into_wire(),
            source_encryption_configuration: None,
        },
        destination_encryption_configuration: None,
        snapshot_description: body.description,
        snapshot_format: None,
        tags: body.tags.filter(|tags| !tags.0.is_empty()).map(Tags::into_wire),
    };
    asked.check("ImportSnapshot", &request).await?;
    let import = import_snapshot::perform(&asked.call, request, ChangedSnapshot::of);
    reply::accepted(asked.once("ImportSnapshot", import).await?)
}

/// The AWS surface wants one; files are copied with the service's own key.
fn role(asked: &Asked) -> String {
    format!("arn:aws:iam::{}:role/millrace", asked.call.account)
}

/// List what was done to a snapshot, newest first, also when it is gone.
#[utoipa::path(
    get, path = "/v1/snapshots/{snapshot}/operations", operation_id = "listSnapshotOperations",
    tag = "account snapshots", params(OfAccountSnapshot, SnapshotOperationsQuery),
    responses((status = 200, description = "A part of the list.", body = SnapshotOperationList))
)]
pub async fn operations(asked: Asked) -> Answer {
    let query: SnapshotOperationsQuery = asked.query()?;
    let request = ListSnapshotOperationsRequest {
        snapshot_name: asked.path("snapshot"),
        snapshot_operation: query.operation.as_ref().map(text),
        snapshot_operation_status: query.status.as_ref().map(text),
        limit: query.limit,
        next_token: query.next_token,
    };
    asked.check("ListSnapshotOperations", &request).await?;
    let page = list_snapshot_operations::find(&asked.call, request).await?;
    let operations = page.items.iter().map(SnapshotOperation::of).collect();
    reply::ok(&SnapshotOperationList { operations, next_token: pagination::token(&page) })
}

/// Describe one thing done to a snapshot.
#[utoipa::path(
    get, path = "/v1/snapshots/{snapshot}/operations/{operation}",
    operation_id = "describeSnapshotOperation", tag = "account snapshots",
    params(OfAccountSnapshot, OfOperation),
    responses((status = 200, description = "The operation.", body = SnapshotOperation))
)]
pub async fn operation(asked: Asked) -> Answer {
    let request = DescribeSnapshotOperationRequest {
        snapshot_name: asked.path("snapshot"),
        snapshot_operation_id: asked.path("operation"),
    };
    asked.check("DescribeSnapshotOperation", &request).await?;
    let operation = describe_snapshot_operation::find(&asked.call, request).await?;
    reply::ok(&SnapshotOperation::of(&operation))
}

//! `/v1/applications/{name}/snapshots`.

use millrace_api_spec::EpochSeconds;
use millrace_api_spec::wire::{
    CreateApplicationSnapshotRequest, DeleteApplicationSnapshotRequest,
    DescribeApplicationSnapshotRequest, ListApplicationSnapshotsRequest,
};

use super::applications::time;
use super::asked::Asked;
use super::model::{
    ApplicationSnapshot, ApplicationSnapshotList, ChangedApplication, CreateApplicationSnapshot,
    CreatedApplicationSnapshot, ListQuery, SnapshotDeletion,
};
use super::params::{OfApplication, OfSnapshot, Once};
use super::problem::Problem;
use super::reply::{self, Answer};
use crate::operations::{
    create_application_snapshot, delete_application_snapshot, describe_application_snapshot,
    list_application_snapshots,
};
use crate::pagination;

/// List the snapshots of an application, newest first.
#[utoipa::path(
    get, path = "/v1/applications/{name}/snapshots", operation_id = "listApplicationSnapshots",
    tag = "snapshots", params(OfApplication, ListQuery),
    responses((status = 200, description = "A part of the list.", body = ApplicationSnapshotList))
)]
pub async fn list(asked: Asked) -> Answer {
    let query: ListQuery = asked.query()?;
    let request = ListApplicationSnapshotsRequest {
        application_name: asked.path("name"),
        limit: query.limit,
        next_token: query.next_token,
    };
    asked.check("ListApplicationSnapshots", &request).await?;
    let page = list_application_snapshots::find(&asked.call, &request).await?;
    let snapshots = page.items.iter().map(ApplicationSnapshot::of).collect();
    reply::ok(&ApplicationSnapshotList { snapshots, next_token: pagination::token(&page) })
}

/// Take a snapshot of a running application, which goes on.
#[utoipa::path(
    post, path = "/v1/applications/{name}/snapshots", operation_id = "createApplicationSnapshot",
    tag = "snapshots", params(OfApplication, Once), request_body = CreateApplicationSnapshot,
    responses((
        status = 202, description = "It is being taken.", body = CreatedApplicationSnapshot
    ))
)]
pub async fn create(asked: Asked) -> Answer {
    let body: CreateApplicationSnapshot = asked.body()?;
    let request = CreateApplicationSnapshotRequest {
        application_name: asked.path("name"),
        snapshot_name: body.name.clone(),
    };
    asked.check("CreateApplicationSnapshot", &request).await?;
    let create = create_application_snapshot::perform(&asked.call, request, |changed| {
        CreatedApplicationSnapshot::of(changed, &body.name)
    });
    reply::accepted(asked.once("CreateApplicationSnapshot", create).await?)
}

/// Describe a snapshot of an application.
#[utoipa::path(
    get, path = "/v1/applications/{name}/snapshots/{snapshot}",
    operation_id = "describeApplicationSnapshot", tag = "snapshots",
    params(OfApplication, OfSnapshot),
    responses((status = 200, description = "The snapshot.", body = ApplicationSnapshot))
)]
pub async fn describe(asked: Asked) -> Answer {
    reply::ok(&ApplicationSnapshot::of(&find(&asked).await?))
}

async fn find(asked: &Asked) -> Result<millrace_domain::Snapshot, Problem> {
    let request = DescribeApplicationSnapshotRequest {
        application_name: asked.path("name"),
        snapshot_name: asked.path("snapshot"),
    };
    asked.check("DescribeApplicationSnapshot", &request).await?;
    Ok(describe_application_snapshot::find(&asked.call, request).await?)
}

/// Delete a snapshot of an application; its files go in the background.
#[utoipa::path(
    delete, path = "/v1/applications/{name}/snapshots/{snapshot}",
    operation_id = "deleteApplicationSnapshot", tag = "snapshots",
    params(OfApplication, OfSnapshot, Once, SnapshotDeletion),
    responses((status = 202, description = "It is being deleted.", body = ChangedApplication))
)]
pub async fn delete(asked: Asked) -> Answer {
    let query: SnapshotDeletion = asked.query()?;
    let delete = async {
        let created_at = match &query.created_at {
            Some(text) => time(text)?,
            None => find(&asked).await?.created_at,
        };
        let request = DeleteApplicationSnapshotRequest {
            application_name: asked.path("name"),
            snapshot_name: asked.path("snapshot"),
            snapshot_creation_timestamp: EpochSeconds(created_at.seconds()),
        };
        asked.check("DeleteApplicationSnapshot", &request).await?;
        let perform =
            delete_application_snapshot::perform(&asked.call, request, ChangedApplication::of);
        perform.await.map_err(Problem::from)
    };
    reply::accepted(asked.once("DeleteApplicationSnapshot", delete).await?)
}

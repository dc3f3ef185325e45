//! `/v1/applications/{name}/versions`.

use millrace_api_spec::wire::{DescribeApplicationVersionRequest, ListApplicationVersionsRequest};

use super::asked::Asked;
use super::model::{ListQuery, Version, VersionList};
use super::params::{OfApplication, OfVersion};
use super::reply::{self, Answer};
use crate::operations::list_application_versions::status;
use crate::operations::{describe_application_version, list_application_versions};
use crate::pagination;

/// List the versions of an application, newest first.
#[utoipa::path(
    get, path = "/v1/applications/{name}/versions", operation_id = "listApplicationVersions",
    tag = "versions", params(OfApplication, ListQuery),
    responses((status = 200, description = "A part of the list.", body = VersionList))
)]
pub async fn list(asked: Asked) -> Answer {
    let query: ListQuery = asked.query()?;
    let request = ListApplicationVersionsRequest {
        application_name: asked.path("name"),
        limit: query.limit,
        next_token: query.next_token,
    };
    asked.check("ListApplicationVersions", &request).await?;
    let (application, page) = list_application_versions::find(&asked.call, &request).await?;
    let version = |it| Version::of(it, status(&application, it.id));
    let versions = page.items.iter().map(version).collect();
    reply::ok(&VersionList { versions, next_token: pagination::token(&page) })
}

/// Describe what an application said at one of its versions.
#[utoipa::path(
    get, path = "/v1/applications/{name}/versions/{version}",
    operation_id = "describeApplicationVersion", tag = "versions",
    params(OfApplication, OfVersion),
    responses((status = 200, description = "The version.", body = Version))
)]
pub async fn describe(asked: Asked) -> Answer {
    let request = DescribeApplicationVersionRequest {
        application_name: asked.path("name"),
        application_version_id: asked.number("version")?,
    };
    asked.check("DescribeApplicationVersion", &request).await?;
    let (application, version) = describe_application_version::find(&asked.call, &request).await?;
    reply::ok(&Version::of(&version, status(&application, version.id)))
}

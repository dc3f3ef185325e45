//! Tags of applications and of the account's snapshots.

use millrace_api_spec::wire::{
    ListTagsForResourceRequest, TagResourceRequest, UntagResourceRequest,
};

use super::asked::Asked;
use super::model::Tags;
use super::params::{OfAccountSnapshot, OfApplication, Once, TagKeys};
use super::problem::Problem;
use super::reply::{self, Answer};
use crate::operations::{list_tags_for_resource, tag_resource, untag_resource};

/// List the tags of an application.
#[utoipa::path(
    get, path = "/v1/applications/{name}/tags", operation_id = "listApplicationTags",
    tag = "tags", params(OfApplication),
    responses((status = 200, description = "Key to value.", body = Tags))
)]
pub async fn list(asked: Asked) -> Answer {
    let request = ListTagsForResourceRequest { resource_arn: arn(&asked, "application", "name") };
    asked.check("ListTagsForResource", &request).await?;
    reply::ok(&asked.call.application(&asked.path("name")).await?.tags)
}

/// Add tags to an application, in place of those with the same keys.
#[utoipa::path(
    put, path = "/v1/applications/{name}/tags", operation_id = "tagApplication", tag = "tags",
    params(OfApplication, Once), request_body = Tags,
    responses((status = 204, description = "They are added."))
)]
pub async fn add(asked: Asked) -> Answer {
    add_to(&asked, arn(&asked, "application", "name")).await
}

/// Remove tags from an application; those that are not there are gone already.
#[utoipa::path(
    delete, path = "/v1/applications/{name}/tags", operation_id = "untagApplication",
    tag = "tags",
    params(OfApplication, Once, TagKeys),
    responses((status = 204, description = "They are removed."))
)]
pub async fn remove(asked: Asked) -> Answer {
    remove_from(&asked, arn(&asked, "application", "name")).await
}

/// List the tags of a snapshot of the account.
#[utoipa::path(
    get, path = "/v1/snapshots/{snapshot}/tags", operation_id = "listSnapshotTags", tag = "tags",
    params(OfAccountSnapshot),
    responses((status = 200, description = "Key to value.", body = Tags))
)]
pub async fn list_of_snapshot(asked: Asked) -> Answer {
    let request = ListTagsForResourceRequest { resource_arn: arn(&asked, "snapshot", "snapshot") };
    asked.check("ListTagsForResource", &request).await?;
    reply::ok(&asked.call.enhanced_snapshot(&asked.path("snapshot")).await?.tags)
}

/// Add tags to a snapshot of the account, in place of those with the same keys.
#[utoipa::path(
    put, path = "/v1/snapshots/{snapshot}/tags", operation_id = "tagSnapshot", tag = "tags",
    params(OfAccountSnapshot, Once), request_body = Tags,
    responses((status = 204, description = "They are added."))
)]
pub async fn add_to_snapshot(asked: Asked) -> Answer {
    add_to(&asked, arn(&asked, "snapshot", "snapshot")).await
}

/// Remove tags from a snapshot of the account.
#[utoipa::path(
    delete, path = "/v1/snapshots/{snapshot}/tags", operation_id = "untagSnapshot", tag = "tags",
    params(OfAccountSnapshot, Once, TagKeys),
    responses((status = 204, description = "They are removed."))
)]
pub async fn remove_from_snapshot(asked: Asked) -> Answer {
    remove_from(&asked, arn(&asked, "snapshot", "snapshot")).await
}

async fn add_to(asked: &Asked, resource_arn: String) -> Answer {
    let tags: Tags = asked.body()?;
    if tags.0.is_empty() {
        // AWS has no empty list here; what is to be tagged must be there all the same.
        let request = ListTagsForResourceRequest { resource_arn };
        asked.check("ListTagsForResource", &request).await?;
        list_tags_for_resource::answer(&asked.call, request).await?;
        return reply::no_content();
    }
    let request = TagResourceRequest { resource_arn, tags: tags.into_wire() };
    asked.check("TagResource", &request).await?;
    asked.once("TagResource", tag_resource::answer(&asked.call, request)).await?;
    reply::no_content()
}

async fn remove_from(asked: &Asked, resource_arn: String) -> Answer {
    let pairs: Vec<(String, String)> = asked.query()?;
    if let Some((other, _)) = pairs.iter().find(|(name, _)| name != "key") {
        return Err(Problem::invalid(format!("the query has no parameter {other:?}: give key")));
    }
    let tag_keys = pairs.into_iter().map(|(_, key)| key).collect();
    let request = UntagResourceRequest { resource_arn, tag_keys };
    asked.check("UntagResource", &request).await?;
    asked.once("UntagResource", untag_resource::answer(&asked.call, request)).await?;
    reply::no_content()
}

fn arn(asked: &Asked, kind: &str, parameter: &'static str) -> String {
    let (region, account) = (&asked.call.region, &asked.call.account);
    format!("arn:aws:kinesisanalytics:{region}:{account}:{kind}/{}", asked.path(parameter))
}

//! ListApplicationVersions: newest first, those that failed or were rolled back too.

use millrace_api_spec::wire::{
    ApplicationVersionSummary, ListApplicationVersionsRequest, ListApplicationVersionsResponse,
};
use millrace_domain::{Application, Status, Version, VersionId};
use millrace_store::Page;

use crate::calls::{Call, encode};
use crate::error::ApiError;
use crate::pagination;

pub async fn answer(
    call: &Call,
    request: ListApplicationVersionsRequest,
) -> Result<String, ApiError> {
    let (application, page) = find(call, &request).await?;
    let summary = |id: VersionId| ApplicationVersionSummary {
        application_version_id: id.0,
        application_status: status(&application, id).name().to_owned(),
    };
    Ok(encode(&ListApplicationVersionsResponse {
        application_version_summaries: page.items.iter().map(|one| summary(one.id)).collect(),
        next_token: pagination::token(&page),
    }))
}

/// The application and the versions asked for.
pub async fn find(
    call: &Call,
    request: &ListApplicationVersionsRequest,
) -> Result<(Application, Page<Version>), ApiError> {
    let before = pagination::place(request.next_token.as_deref())?;
    let limit = pagination::limit(request.limit);
    let application = call.application(&request.application_name).await?;
    let page = call.state.store.versions(&application.id, before, limit).await?;
    Ok((application, page))
}

/// AWS has a version's status be the application's; of a version that is not the
/// current one, that can only be that it was rolled back, or that it does not run.
pub fn status(application: &Application, version: VersionId) -> Status {
    if version == application.version {
        application.status
    } else if Some(version) == application.version_rolled_back_from {
        Status::RolledBack
    } else {
        Status::Ready
    }
}

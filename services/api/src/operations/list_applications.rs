//! ListApplications: by name. The token is the last name shown, as AWS gives it the
//! form of one.

use millrace_api_spec::wire::{
    ApplicationSummary, ListApplicationsRequest, ListApplicationsResponse,
};
use millrace_domain::ApplicationName;
use millrace_store::Listed;

use crate::calls::{Call, encode};
use crate::error::ApiError;
use crate::pagination;

pub async fn answer(call: &Call, request: ListApplicationsRequest) -> Result<String, ApiError> {
    let (found, next_token) = find(call, request).await?;
    Ok(encode(&ListApplicationsResponse {
        application_summaries: found.iter().map(summary).collect(),
        next_token,
    }))
}

/// The applications asked for, and the token for what follows them.
pub async fn find(
    call: &Call,
    request: ListApplicationsRequest,
) -> Result<(Vec<Listed>, Option<String>), ApiError> {
    let after = request.next_token.map(ApplicationName::new).transpose()?;
    let limit = pagination::limit(request.limit);
    let store = &call.state.store;
    // One more tells whether the list goes on.
    let mut found =
        store.applications(&call.account, &call.region, after.as_ref(), limit + 1).await?;
    let goes_on = found.len() > limit as usize;
    found.truncate(limit as usize);
    let last = found.last().map(|listed| listed.application.name.to_string());
    Ok((found, last.filter(|_| goes_on)))
}

fn summary(listed: &Listed) -> ApplicationSummary {
    let application = &listed.application;
    ApplicationSummary {
        application_name: application.name.to_string(),
        application_arn: application.arn(),
        application_status: application.status.name().to_owned(),
        application_version_id: application.version.0,
        runtime_environment: listed.runtime_environment.clone(),
        application_mode: Some("STREAMING".to_owned()),
    }
}

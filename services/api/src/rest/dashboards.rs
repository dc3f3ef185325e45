//! `…/dashboard-links`: links to the dashboard of a running job.

use millrace_api_spec::wire::CreateApplicationPresignedUrlRequest;

use super::asked::Asked;
use super::model::{CreateDashboardLink, DashboardLink};
use super::params::OfApplication;
use super::reply::{self, Answer};
use crate::operations::create_application_presigned_url;

/// Make a link to the dashboard of the running job, to be followed within three minutes.
#[utoipa::path(
    post, path = "/v1/applications/{name}/dashboard-links",
    operation_id = "createApplicationPresignedUrl", tag = "observability",
    params(OfApplication), request_body = Option<CreateDashboardLink>,
    responses((status = 200, description = "The link, which needs no further proof.",
               body = DashboardLink))
)]
pub async fn link(asked: Asked) -> Answer {
    let body: CreateDashboardLink = asked.body_or_default()?;
    let request = CreateApplicationPresignedUrlRequest {
        application_name: asked.path("name"),
        url_type: "FLINK_DASHBOARD_URL".to_owned(),
        session_expiration_duration_in_seconds: body.session_seconds,
    };
    asked.check("CreateApplicationPresignedUrl", &request).await?;
    let linked = create_application_presigned_url::perform(&asked.call, request).await?;
    reply::ok(&DashboardLink::of(&linked))
}

//! `GET …/plan`: the plan of the running job.

use http::StatusCode;
use millrace_api_spec::ErrorCode;

use super::asked::Asked;
use super::params::OfApplication;
use super::reply::{self, Answer};
use crate::error::ApiError;

/// Read the plan of the running job, as Flink's `/jobs/:id/plan` gives it.
#[utoipa::path(
    get, path = "/v1/applications/{name}/plan", operation_id = "readPlan",
    tag = "observability", params(OfApplication),
    responses((status = 200, description = "The plan.", body = Object))
)]
pub async fn read(asked: Asked) -> Answer {
    asked.may("DescribeApplication").await?;
    let application = asked.call.application(&asked.path("name")).await?;
    let plan = match &application.job {
        Some(job) => asked.call.state.jobs.plan(&application.id, job.generation).await,
        None => None,
    };
    let plan = plan.ok_or_else(|| {
        let message = format!("no job of application {} tells its plan", application.name);
        ApiError::new(ErrorCode::ResourceNotFound, message)
    })?;
    Ok(reply::json(StatusCode::OK, plan))
}

//! `GET …/metrics`: what the running job measures, now and before.

use super::asked::Asked;
use super::model::{JobMetrics, Metrics, MetricsSample};
use super::params::OfApplication;
use super::reply::{self, Answer};

/// Read what the job of an application measures of itself, now and in the last minutes.
#[utoipa::path(
    get, path = "/v1/applications/{name}/metrics", operation_id = "readMetrics",
    tag = "observability", params(OfApplication),
    responses((status = 200, description = "The metrics.", body = Metrics))
)]
pub async fn read(asked: Asked) -> Answer {
    asked.may("DescribeApplication").await?;
    let application = asked.call.application(&asked.path("name")).await?;
    let jobs = &asked.call.state.jobs;
    let current = match &application.job {
        Some(job) => jobs.reading(&application.id, job.generation).await,
        None => None,
    };
    let history = jobs.history(&application.id).await;
    reply::ok(&Metrics {
        current: current.as_ref().map(JobMetrics::of),
        history: history.iter().map(MetricsSample::of).collect(),
    })
}

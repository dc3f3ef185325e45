//! Flink's JobManager REST API, as far as this engine has it (section I.1), and
//! `/metrics` for Prometheus. Every path is there under `/v1`, too.

mod aggregates;
mod checkpoint_details;
mod checkpoints;
mod cluster;
mod dashboard;
mod jobs;
mod metrics;
mod processor;
mod savepoints;
mod vertices;

use std::sync::Arc;

use axum::Router;
use axum::extract::{FromRef, Json};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use millrace_runtime::JobHandle;
use millrace_runtime::view::JobView;
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::session::Session;

/// What every handler may use.
#[derive(Clone)]
pub struct Engine {
    pub session: Arc<Session>,
    pub triggers: Arc<savepoints::Triggers>,
    pub shut_down: Arc<Notify>,
}

impl FromRef<Engine> for Arc<Session> {
    fn from_ref(engine: &Engine) -> Arc<Session> {
        Arc::clone(&engine.session)
    }
}

impl FromRef<Engine> for Arc<Notify> {
    fn from_ref(engine: &Engine) -> Arc<Notify> {
        Arc::clone(&engine.shut_down)
    }
}

pub fn router(session: Arc<Session>, shut_down: Arc<Notify>) -> Router {
    let engine = Engine { session, triggers: Arc::default(), shut_down };
    let routes: Router<Engine> = Router::new()
        .route("/config", get(cluster::config))
        .route("/overview", get(cluster::overview))
        .route("/cluster", axum::routing::delete(cluster::delete))
        .route("/taskmanagers", get(cluster::task_managers))
        .route("/metrics", get(metrics::prometheus))
        .route("/jars/{jar}/run", post(jobs::run))
        .route("/jobs", get(jobs::list))
        .route("/jobs/overview", get(jobs::overview))
        .route("/jobs/{job}", get(jobs::details).patch(jobs::cancel))
        .route("/jobs/{job}/status", get(jobs::status))
        .route("/jobs/{job}/plan", get(jobs::plan))
        .route("/jobs/{job}/config", get(jobs::config))
        .route("/jobs/{job}/exceptions", get(jobs::exceptions))
        .route("/jobs/{job}/metrics", get(metrics::of_job))
        .route("/jobs/{job}/checkpoints", get(checkpoints::all).post(savepoints::checkpoint))
        .route("/jobs/{job}/checkpoints/config", get(checkpoints::config))
        .route("/jobs/{job}/checkpoints/{trigger}", get(savepoints::checkpoint_status))
        .route("/jobs/{job}/savepoints", post(savepoints::savepoint))
        .route("/jobs/{job}/savepoints/{trigger}", get(savepoints::status))
        .route("/savepoint-disposal", post(savepoints::dispose))
        .route("/savepoint-disposal/{trigger}", get(savepoints::disposal_status))
        .route("/jobs/{job}/stop", post(savepoints::stop))
        .route("/jobs/{job}/release-commits", post(savepoints::release_commits))
        .route("/jobs/{job}/vertices/{vertex}", get(vertices::details))
        .route("/jobs/{job}/vertices/{vertex}/metrics", get(metrics::of_vertex))
        .route("/jobs/{job}/vertices/{vertex}/watermarks", get(vertices::watermarks))
        .route("/jobs/{job}/vertices/{vertex}/backpressure", get(vertices::back_pressure));
    let routes = routes.merge(dashboard_routes());
    Router::new()
        .nest("/v1", routes.clone())
        .merge(routes)
        .fallback(|| async { Error::not_found("there is no such path") })
        .with_state(engine)
}

fn dashboard_routes() -> Router<Engine> {
    let vertex = |path: &str| format!("/jobs/{{job}}/vertices/{{vertex}}/{path}");
    Router::new()
        .route("/jobs/metrics", get(aggregates::of_jobs))
        .route("/jobs/{job}/accumulators", get(dashboard::job_accumulators))
        .route("/jobs/{job}/checkpoints/details/{id}", get(checkpoint_details::of_checkpoint))
        .route(
            "/jobs/{job}/checkpoints/details/{id}/subtasks/{vertex}",
            get(checkpoint_details::of_subtasks),
        )
        .route(&vertex("accumulators"), get(dashboard::vertex_accumulators))
        .route(&vertex("subtasktimes"), get(dashboard::subtask_times))
        .route(&vertex("taskmanagers"), get(dashboard::vertex_task_managers))
        .route(&vertex("subtasks/metrics"), get(aggregates::of_subtasks))
        .route(&vertex("subtasks/{index}"), get(dashboard::subtask))
        .route(&vertex("subtasks/{index}/metrics"), get(dashboard::subtask_values))
        .route("/jobmanager/config", get(dashboard::job_manager_config))
        .route("/jobmanager/metrics", get(dashboard::job_manager_metrics))
        .route("/taskmanagers/metrics", get(processor::of_task_managers))
        .route("/taskmanagers/{id}", get(dashboard::task_manager))
        .route("/jars", get(dashboard::jars))
        .route("/datasets", get(dashboard::data_sets))
}

/// Flink answers errors as `{"errors": ["..."]}` (row I1.40).
#[derive(Debug)]
pub struct Error {
    status: StatusCode,
    message: String,
}

impl Error {
    pub fn not_found(message: impl Into<String>) -> Error {
        Error { status: StatusCode::NOT_FOUND, message: message.into() }
    }

    pub fn conflict(message: impl Into<String>) -> Error {
        Error { status: StatusCode::CONFLICT, message: message.into() }
    }

    pub fn bad_request(message: impl Into<String>) -> Error {
        Error { status: StatusCode::BAD_REQUEST, message: message.into() }
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        (self.status, Json(json!({ "errors": [self.message] }))).into_response()
    }
}

pub type Answer = Result<Json<Value>, Error>;

/// The job of this name with its view.
pub fn find_job(session: &Session, id: &str) -> Result<(Arc<JobHandle>, JobView), Error> {
    let job = session.job().map(|job| {
        let view = job.view();
        (job, view)
    });
    job.filter(|(_, view)| view.id == id)
        .ok_or_else(|| Error::not_found(format!("Job {id} not found")))
}

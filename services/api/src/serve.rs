//! The HTTP server: routes and layers.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use http::StatusCode;
use millrace_api_spec::ErrorCode;
use tokio::net::TcpListener;
use tower_http::catch_panic::CatchPanicLayer;

use crate::admission::{self, Admission};
use crate::dashboard;
use crate::error::ApiError;
use crate::protocol;
use crate::rest;
use crate::state::ApiState;

/// How long a store that does not answer keeps a health check waiting.
const HEALTH_TIMEOUT: Duration = Duration::from_secs(2);

/// The API's routes.
pub fn router(state: ApiState) -> Router {
    let admission = Admission::shared();
    let rest = from_fn_with_state(Arc::clone(&admission), admission::admit_rest);
    Router::new()
        .route("/", post(protocol::call))
        .layer(from_fn_with_state(admission, admission::admit))
        .route("/healthz", get(health))
        .layer(CatchPanicLayer::custom(panicked))
        .with_state(state.clone())
        .merge(rest::router(state.clone()).layer(rest))
        .merge(dashboard::router(state))
}

/// Serves the API on `listener` for ever.
///
/// # Errors
/// The listener fails.
pub async fn serve(listener: TcpListener, state: ApiState) -> std::io::Result<()> {
    axum::serve(listener, router(state)).await
}

/// Serves the API until `shutdown` is done, then lets the calls in progress end.
///
/// # Errors
/// The listener fails.
pub async fn serve_until(
    listener: TcpListener,
    state: ApiState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    axum::serve(listener, router(state)).with_graceful_shutdown(shutdown).await
}

async fn health(State(state): State<ApiState>) -> Response {
    match tokio::time::timeout(HEALTH_TIMEOUT, state.store.next_wake_up()).await {
        Ok(Ok(_)) => (StatusCode::OK, "ok\n").into_response(),
        _ => (StatusCode::SERVICE_UNAVAILABLE, "the database does not answer\n").into_response(),
    }
}

/// The panic's own text may hold data of the request: it goes to the log by the panic
/// hook, not to the caller.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    ApiError::new(ErrorCode::InternalFailure, "the service failed; its log has the cause")
        .into_response()
}

//! The REST surface below `/v1`: the calls of the AWS surface, and what that cannot say.
//!
//! Flow: a request becomes the AWS surface's, passes that one's validation, is decided by
//! the same commands and committed by the same code; only what is on the wire differs.
//! Errors are problems of RFC 9457 with AWS's codes. The document that describes it all is
//! made from the handlers ([`document::document`]), committed as `api-spec/openapi.json`.

mod account_snapshots;
mod applications;
mod asked;
mod catalogue;
mod dashboards;
mod document;
mod events;
mod lifecycle;
mod logs;
mod maintenance;
mod metrics;
mod model;
mod names;
mod operations;
mod options;
mod params;
mod plan;
pub(crate) mod problem;
mod reply;
mod scaling;
mod snapshots;
mod streams;
mod tags;
mod updates_check;
mod versions;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse, Response};
use http::{HeaderName, HeaderValue};
use tower::limit::GlobalConcurrencyLimitLayer;
use tower_http::catch_panic::CatchPanicLayer;
use tracing::Instrument;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub use document::document;
use problem::Problem;

use crate::error::ApiError;
use crate::state::ApiState;

/// Checks worked on at once; the others wait.
const CONCURRENT_CHECKS: usize = 4;

/// The id that the answer carries, in the request's extensions.
#[derive(Clone, Debug)]
struct RequestId(String);

static REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// The routes, with the state they are given.
pub fn router(state: ApiState) -> Router {
    let (router, _) = described().split_for_parts();
    router
        .route("/v1/openapi.json", axum::routing::get(document::serve))
        .route("/v1", axum::routing::any(no_such_path))
        .route("/v1/", axum::routing::any(no_such_path))
        .route("/v1/{*path}", axum::routing::any(no_such_path))
        .method_not_allowed_fallback(no_such_method)
        .layer(CatchPanicLayer::custom(panicked))
        .layer(middleware::from_fn_with_state(state.clone(), identified))
        .with_state(state)
}

/// The routes with their descriptions.
fn described() -> OpenApiRouter<ApiState> {
    OpenApiRouter::with_openapi(document::head())
        .routes(routes!(applications::list, applications::create))
        .routes(routes!(applications::describe, applications::delete))
        .routes(routes!(lifecycle::start))
        .routes(routes!(lifecycle::stop))
        .routes(routes!(lifecycle::update))
        .routes(routes!(lifecycle::rollback))
        .merge(checks())
        .routes(routes!(versions::list))
        .routes(routes!(versions::describe))
        .routes(routes!(operations::list))
        .routes(routes!(operations::describe))
        .routes(routes!(snapshots::list, snapshots::create))
        .routes(routes!(snapshots::describe, snapshots::delete))
        .routes(routes!(events::list))
        .routes(routes!(logs::read))
        .routes(routes!(metrics::read))
        .routes(routes!(plan::read))
        .routes(routes!(dashboards::link))
        .routes(routes!(tags::list, tags::add, tags::remove))
        .routes(routes!(maintenance::set))
        .routes(routes!(scaling::set))
        .routes(routes!(options::add_vpc))
        .routes(routes!(options::delete_vpc))
        .routes(routes!(options::add_logging))
        .routes(routes!(options::delete_logging))
        .routes(routes!(account_snapshots::list, account_snapshots::create))
        .routes(routes!(account_snapshots::describe, account_snapshots::delete))
        .routes(routes!(account_snapshots::export))
        .routes(routes!(account_snapshots::import))
        .routes(routes!(account_snapshots::operations))
        .routes(routes!(account_snapshots::operation))
        .routes(routes!(tags::list_of_snapshot, tags::add_to_snapshot, tags::remove_from_snapshot))
}

/// Each takes a process of its own.
fn checks() -> OpenApiRouter<ApiState> {
    OpenApiRouter::new()
        .routes(routes!(updates_check::check))
        .layer(GlobalConcurrencyLimitLayer::new(CONCURRENT_CHECKS))
}

/// What the AWS surface's validation says of a part of a list.
fn check_list(query: &model::ListQuery) -> Result<(), Problem> {
    if query.limit.is_some_and(|limit| !(1..=50).contains(&limit)) {
        return Err(Problem::invalid("limit must be from 1 to 50"));
    }
    Ok(())
}

/// Gives each request an id, under which its lines are in the log.
async fn identified(State(state): State<ApiState>, mut request: Request, next: Next) -> Response {
    let id = (state.ids)().to_string();
    let span = tracing::info_span!(
        "rest", request.id = %id, method = %request.method(), path = request.uri().path()
    );
    request.extensions_mut().insert(RequestId(id.clone()));
    let mut response = next.run(request).instrument(span).await;
    let id = HeaderValue::from_str(&id).expect("a UUID is ASCII");
    response.headers_mut().insert(REQUEST_ID.clone(), id);
    response
}

async fn no_such_path() -> Problem {
    let detail = "there is nothing at this path: /v1/openapi.json describes those there are";
    Problem::new(problem::NO_SUCH_PATH, detail)
}

async fn no_such_method() -> Problem {
    let detail = "this path has other methods: /v1/openapi.json describes them";
    Problem::new(problem::METHOD, detail)
}

/// The panic's own text may hold data of the request: it is in the log alone.
fn panicked(_: Box<dyn std::any::Any + Send>) -> Response {
    let code = millrace_api_spec::ErrorCode::InternalFailure;
    let error = ApiError::new(code, "the service failed; its log has the cause");
    Problem::from(error).into_response()
}

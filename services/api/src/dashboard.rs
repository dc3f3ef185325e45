//! The dashboard of a running job, for who has a link (`services/design/dashboard-links.md`).
//!
//! Flow: a link is followed within minutes; its token becomes a session's, in a cookie that
//! the browser sends below the dashboard's path alone. Each request with it is authorized as
//! the call that made the link, and passed on to the job's cluster: reading only.
//! No token is ever logged, nor part of an address that a page is at.

use axum::Router;
use axum::extract::{Path, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use millrace_auth::link::{Grant, Purpose};
use millrace_auth::{KeyStatus, actions};
use millrace_domain::{Application, ApplicationName};
use tower_http::catch_panic::CatchPanicLayer;

use crate::access::{Caller, Wanted, authorize};
use crate::error::ApiError;
use crate::jobs::Looked;
use crate::state::ApiState;

/// AWS: a link must be followed within three minutes.
const FOLLOWED_WITHIN_MS: i64 = 3 * 60 * 1000;
const COOKIE: &str = "millrace-dashboard";
/// What is shown where the cluster has no page of its own.
const PAGE: &str = include_str!("dashboard.html");
/// Flink has two GETs that end a job.
const NOT_READING: [&str; 2] = ["yarn-cancel", "yarn-stop"];

/// A link that begins a session.
pub fn link(state: &ApiState, grant: &Grant, now_ms: i64) -> String {
    let token = state.sealing.links().sign(Purpose::Link, grant, now_ms + FOLLOWED_WITHIN_MS);
    format!("{}/dashboard?token={token}", state.config.public_url)
}

pub fn router(state: ApiState) -> Router {
    Router::new()
        .route("/dashboard", get(follow))
        .route("/dashboard/{application}/", get(page))
        .route("/dashboard/{application}/{*path}", get(pass_on))
        .layer(CatchPanicLayer::custom(|_| {
            refused(StatusCode::INTERNAL_SERVER_ERROR, "the service failed; its log has the cause")
        }))
        .with_state(state)
}

/// The link's token becomes a session's, and leaves the address.
async fn follow(State(state): State<ApiState>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let token = query.strip_prefix("token=").unwrap_or_default();
    let now_ms = (state.clock)().0;
    let links = state.sealing.links();
    let Ok(grant) = links.open(Purpose::Link, token, now_ms) else { return forbidden() };
    let session = links.sign(Purpose::Session, &grant, grant.ends_ms);
    let place = format!("/dashboard/{}/", grant.application);
    let seconds = (grant.ends_ms - now_ms) / 1000;
    let secure = if state.config.public_url.starts_with("https:") { "; Secure" } else { "" };
    let cookie = format!(
        "{COOKIE}={session}; Path={place}; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}"
    );
    let mut response = safe(StatusCode::SEE_OTHER.into_response());
    let headers = response.headers_mut();
    let text = |text: &str| HeaderValue::from_str(text).expect("base64, and ids without blanks");
    headers.insert(header::LOCATION, text(&place));
    headers.insert(header::SET_COOKIE, text(&cookie));
    response
}

/// The cluster's own page, or ours.
async fn page(
    State(state): State<ApiState>,
    Path(application): Path<String>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    let looked = match look(&state, &application, "", query, &headers).await {
        Ok(looked) => looked,
        Err(refusal) => return refusal,
    };
    let is_page = looked.content_type.as_deref().is_some_and(|it| it.starts_with("text/html"));
    if looked.status == 200 && is_page {
        return answer(looked);
    }
    let mut response = safe(PAGE.into_response());
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    response
}

async fn pass_on(
    State(state): State<ApiState>,
    Path((application, path)): Path<(String, String)>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Response {
    match look(&state, &application, &path, query, &headers).await {
        Ok(looked) => answer(looked),
        Err(refusal) => refusal,
    }
}

async fn look(
    state: &ApiState,
    application: &str,
    path: &str,
    query: Option<String>,
    headers: &HeaderMap,
) -> Result<Looked, Response> {
    let grant = session(state, headers).ok_or_else(forbidden)?;
    if grant.application != application {
        return Err(forbidden());
    }
    let place = place(path, query.as_deref()).ok_or_else(|| {
        refused(StatusCode::NOT_FOUND, "a dashboard reads, and there is nothing to read there")
    })?;
    let turn = state.limits.enter(grant.principal.account());
    let _turn = turn.map_err(|error| told(&error))?;
    let found = granted(state, &grant).await.map_err(|error| told(&error))?;
    let looked = match &found.job {
        Some(job) => state.jobs.look(&found.id, job.generation, &place).await,
        None => None,
    };
    let gone = "no job of the application answers: start it, and follow a new link";
    looked.ok_or_else(|| refused(StatusCode::SERVICE_UNAVAILABLE, gone))
}

fn session(state: &ApiState, headers: &HeaderMap) -> Option<Grant> {
    let now_ms = (state.clock)().0;
    let texts = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    texts
        .flat_map(|text| text.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(COOKIE)?.strip_prefix('='))
        .find_map(|token| state.sealing.links().open(Purpose::Session, token, now_ms).ok())
}

/// The application, when who made the link may still do that. AWS: policies are enforced
/// for every request.
async fn granted(state: &ApiState, grant: &Grant) -> Result<Application, ApiError> {
    let denied = || {
        let message = "the link is not valid any more";
        ApiError::new(millrace_api_spec::ErrorCode::AccessDenied, message)
    };
    let key = state.store.access_key(&grant.credential).await?;
    let usable = |key: &millrace_store::StoredKey| {
        key.status == KeyStatus::Active && key.owner == grant.principal
    };
    key.filter(usable).ok_or_else(denied)?;
    state.limits.count(&grant.principal, (state.clock)().0)?;
    let name = ApplicationName::new(&grant.name)?;
    let account = grant.principal.account();
    let found = state.store.application(account, &grant.region, &name).await?;
    let found = found.filter(|found| found.id.as_str() == grant.application).ok_or_else(denied)?;
    let caller = Caller {
        principal: grant.principal.clone(),
        region: grant.region.clone(),
        credential: grant.credential.to_string(),
    };
    let wanted = Wanted {
        action: actions::name("CreateApplicationPresignedUrl"),
        resource: found.arn(),
        resource_tags: found.tags.clone(),
        ..Wanted::default()
    };
    authorize(state, &caller, &[wanted]).await?;
    Ok(found)
}

/// Where to look at the cluster; `None` for what does not only read, and for ways.
fn place(path: &str, query: Option<&str>) -> Option<String> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_.~:,+@()".contains(c);
    let part = |part: &str| {
        !matches!(part, "." | "..") && !NOT_READING.contains(&part) && part.chars().all(plain)
    };
    if !path.split('/').all(part) {
        return None;
    }
    let query = query.map(|query| format!("?{query}")).unwrap_or_default();
    Some(format!("/{path}{query}"))
}

fn answer(looked: Looked) -> Response {
    let status = StatusCode::from_u16(looked.status).unwrap_or(StatusCode::BAD_GATEWAY);
    let mut response = safe((status, looked.body).into_response());
    let given = looked.content_type.and_then(|text| HeaderValue::from_str(&text).ok());
    let plain = HeaderValue::from_static("application/octet-stream");
    response.headers_mut().insert(header::CONTENT_TYPE, given.unwrap_or(plain));
    response
}

fn told(error: &ApiError) -> Response {
    let status = match error.code.http_status() {
        500 => StatusCode::INTERNAL_SERVER_ERROR,
        _ if error.code == millrace_api_spec::ErrorCode::Throttling => {
            StatusCode::TOO_MANY_REQUESTS
        }
        _ => StatusCode::FORBIDDEN,
    };
    refused(status, &error.message)
}

fn forbidden() -> Response {
    refused(StatusCode::FORBIDDEN, "this link is not valid, or no longer: ask for a new one")
}

fn refused(status: StatusCode, message: &str) -> Response {
    safe((status, format!("{message}\n")).into_response())
}

/// Nothing is kept, sent on, framed, or taken for what it does not say to be.
fn safe(mut response: Response) -> Response {
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::X_FRAME_OPTIONS, "DENY"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    response
}

#[cfg(test)]
mod tests {
    use super::place;

    #[test]
    fn a_dashboard_reads_below_its_cluster_and_nothing_else() {
        let check = |path: &str, query: Option<&str>, expected: Option<&str>| {
            assert_eq!(place(path, query).as_deref(), expected, "{path}");
        };
        check("", None, Some("/"));
        check("jobs/overview", None, Some("/jobs/overview"));
        check("jobs/0a/metrics", Some("get=a,b"), Some("/jobs/0a/metrics?get=a,b"));
        check("jobs/0a/yarn-cancel", None, None);
        check("jobs/0a/yarn-stop", Some("x"), None);
        check("../secret", None, None);
        check("jobs/a b", None, None);
        check("jobs/a?b", None, None);
        check("jobs\\..\\x", None, None);
    }
}

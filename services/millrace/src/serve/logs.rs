//! `GET /v1/applications/NAME/logs[?follow=true]`: what the newest job logs, as text.
//!
//! Flow: the newest generation's `engine.log` from near its end, then, when followed,
//! whatever is added, moving on to a newer generation's log when one appears. Ends when
//! the reader goes or the server stops.

use std::io::SeekFrom;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Path as UrlPath, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Extension, Router, middleware};
use millrace_api::access::{self, Place, Wanted};
use millrace_api::{ApiState, Caller};
use millrace_auth::{SERVICE, actions};
use millrace_domain::{ApplicationId, ApplicationName};
use serde::Deserialize;
use serde_json::json;
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio::sync::watch;

/// Bytes read at once, and the most that is sent of what was logged before.
const CHUNK: usize = 64 * 1024;
const TAIL: u64 = 1024 * 1024;
const LOOK: Duration = Duration::from_millis(200);

pub struct Logs {
    pub api: ApiState,
    pub applications: PathBuf,
    /// Turns true when the server stops.
    pub stopping: watch::Receiver<bool>,
}

pub fn router(logs: Logs) -> Router {
    let signed = middleware::from_fn_with_state(logs.api.clone(), access::require_signature);
    Router::new()
        .route("/v1/applications/{name}/logs", get(serve))
        .layer(signed)
        .with_state(Arc::new(logs))
}

#[derive(Deserialize)]
struct Ask {
    #[serde(default)]
    follow: bool,
}

async fn serve(
    State(logs): State<Arc<Logs>>,
    Extension(caller): Extension<Caller>,
    UrlPath(name): UrlPath<String>,
    Query(ask): Query<Ask>,
) -> Response {
    let id = match find(&logs, &caller, &name).await {
        Ok(id) => id,
        Err(refusal) => return refusal,
    };
    let place = match logs.api.limits.enter_stream(caller.account()) {
        Ok(place) => place,
        Err(refusal) => return refusal.into_response(),
    };
    let run = logs.applications.join(id.as_str()).join("run");
    let following = ask.follow.then(|| logs.stopping.clone());
    let reading = Reading { run, following, open: None, _place: Some(place) };
    let body = futures::stream::unfold(reading, async |mut reading| {
        let chunk = reading.next().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(chunk), reading))
    });
    ([("content-type", "text/plain; charset=utf-8")], Body::from_stream(body)).into_response()
}

/// The application of this name, if the caller may read its logs: whoever may not is told
/// the same whether it exists or not.
async fn find(logs: &Logs, caller: &Caller, name: &str) -> Result<ApplicationId, Response> {
    let absent = || {
        error(
            StatusCode::NOT_FOUND,
            "ResourceNotFoundException",
            format!("Application not found: {name}"),
        )
    };
    let valid = ApplicationName::new(name).map_err(|_| absent())?;
    let found = logs.api.store.application(caller.account(), &caller.region, &valid).await;
    let found = found.map_err(|cause| {
        tracing::error!(%cause, "cannot look up an application");
        let message = "The application cannot be looked up now; try again.".to_owned();
        error(StatusCode::INTERNAL_SERVER_ERROR, "InternalFailure", message)
    })?;
    let (region, account) = (&caller.region, caller.account());
    let wanted = Wanted {
        action: actions::READ_LOGS.to_owned(),
        resource: format!("arn:aws:{SERVICE}:{region}:{account}:application/{name}"),
        resource_tags: found.as_ref().map(|found| found.tags.clone()).unwrap_or_default(),
        ..Wanted::default()
    };
    let allowed = access::authorize(&logs.api, caller, &[wanted]).await;
    allowed.map_err(IntoResponse::into_response)?;
    found.map(|application| application.id).ok_or_else(absent)
}

fn error(status: StatusCode, code: &str, message: String) -> Response {
    (status, axum::Json(json!({"__type": code, "Message": message}))).into_response()
}

/// Where in which log a reader is.
struct Reading {
    run: PathBuf,
    /// `None`: ends at the end of the log. Otherwise turns true when the server stops.
    following: Option<watch::Receiver<bool>>,
    open: Option<(PathBuf, File)>,
    /// Held, never read: given back when the reader goes.
    _place: Option<Place>,
}

impl Reading {
    /// The next bytes; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(chunk) = self.read().await {
                return Some(chunk);
            }
            if self.move_on().await {
                continue;
            }
            let stopping = self.following.as_mut()?;
            if *stopping.borrow() {
                return None;
            }
            // Either way the next round looks again.
            drop(tokio::time::timeout(LOOK, stopping.changed()).await);
        }
    }

    async fn read(&mut self) -> Option<Bytes> {
        let (_, file) = self.open.as_mut()?;
        let mut buffer = vec![0; CHUNK];
        let length = file.read(&mut buffer).await.ok()?;
        buffer.truncate(length);
        (length > 0).then(|| Bytes::from(buffer))
    }

    /// Opens the newest log when it is not the open one; whether it did.
    async fn move_on(&mut self) -> bool {
        let Some(newest) = newest_log(&self.run) else { return false };
        let first = match &self.open {
            Some((path, _)) if *path == newest => return false,
            Some(_) => false,
            None => true,
        };
        let Ok(mut file) = File::open(&newest).await else { return false };
        if first && skip_to_tail(&mut file).await.is_err() {
            return false;
        }
        self.open = Some((newest, file));
        true
    }
}

async fn skip_to_tail(file: &mut File) -> std::io::Result<()> {
    let length = file.metadata().await?.len();
    file.seek(SeekFrom::Start(length.saturating_sub(TAIL))).await.map(drop)
}

/// The log of the greatest generation below `run`, if a job ever ran.
fn newest_log(run: &Path) -> Option<PathBuf> {
    let generation = |name: &str| name.strip_prefix('g')?.parse::<u64>().ok();
    let newest = std::fs::read_dir(run)
        .ok()?
        .flatten()
        .filter_map(|entry| Some((generation(entry.file_name().to_str()?)?, entry.path())))
        .max_by_key(|(generation, _)| *generation)?;
    Some(newest.1.join("engine.log"))
}

#[cfg(test)]
mod tests {
    use tokio::sync::watch;

    use super::{Reading, newest_log};

    fn write_log(run: &std::path::Path, generation: u64, text: &str) {
        let directory = run.join(format!("g{generation}"));
        std::fs::create_dir_all(&directory).expect("writable");
        std::fs::write(directory.join("engine.log"), text).expect("writable");
    }

    #[test]
    fn the_greatest_generation_is_the_newest_by_number() {
        let run = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(newest_log(run.path()), None);
        write_log(run.path(), 9, "");
        write_log(run.path(), 10, "");
        assert_eq!(newest_log(run.path()), Some(run.path().join("g10/engine.log")));
    }

    #[tokio::test]
    async fn following_goes_on_into_the_next_generation_and_ends_with_the_server() {
        let run = tempfile::tempdir().expect("a temporary directory");
        write_log(run.path(), 1, "one");
        let (stop, stopping) = watch::channel(false);
        let mut reading = Reading {
            run: run.path().to_owned(),
            following: Some(stopping),
            open: None,
            _place: None,
        };
        assert_eq!(reading.next().await.as_deref(), Some(b"one".as_slice()));
        write_log(run.path(), 2, "two");
        assert_eq!(reading.next().await.as_deref(), Some(b"two".as_slice()));
        stop.send(true).expect("it is being read");
        assert_eq!(reading.next().await, None);
    }

    #[tokio::test]
    async fn without_following_it_ends_at_the_end() {
        let run = tempfile::tempdir().expect("a temporary directory");
        let mut reading =
            Reading { run: run.path().to_owned(), following: None, open: None, _place: None };
        assert_eq!(reading.next().await, None);
        write_log(run.path(), 1, "one");
        assert_eq!(reading.next().await.as_deref(), Some(b"one".as_slice()));
        assert_eq!(reading.next().await, None);
    }
}

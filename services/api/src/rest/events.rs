//! `GET …/events`: what happened to an application, as a list or as it happens.
//!
//! Flow of the stream: the events after the one that the reader names in `Last-Event-ID`
//! (without one: from now on), then, for as long as the reader stays, those that follow.
//! The store is asked anew each time, so a stream may go on at another server.

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::{IntoResponse, Response};
use http::header;
use millrace_domain::ApplicationId;
use millrace_store::StoredEvent;
use utoipa::IntoParams;

use super::asked::Asked;
use super::model::words::text;
use super::model::{Event, EventList, ListQuery};
use super::params::OfApplication;
use super::problem::Problem;
use super::reply::{self, Answer};
use super::streams;
use crate::calls::encode;
use crate::error::ApiError;
use crate::pagination;
use crate::state::ApiState;

/// Between two looks at the store.
const LOOK: Duration = Duration::from_millis(250);
/// Looks after which the application is looked up, a second, and a silent stream says that
/// it is alive, 15 seconds.
const LOOKS_TO_SEE: u32 = 4;
const LOOKS_TO_TELL: u32 = 60;
/// Events read at once.
const BATCH: u32 = 100;

#[derive(IntoParams)]
#[into_params(parameter_in = Header)]
#[allow(dead_code, reason = "describes what the handler reads")]
pub struct Streaming {
    /// `text/event-stream` for a stream of server-sent events.
    #[param(rename = "Accept")]
    accept: Option<String>,
    /// The sequence of the last event that the reader has: the stream goes on after it. 0 is
    /// from the first one kept.
    #[param(rename = "Last-Event-ID")]
    last_event_id: Option<String>,
}

/// List what happened to an application, newest first, or stream it as it happens.
///
/// The last 1000 events are kept. In the stream an event's `id` is its sequence, its name
/// its kind and its data the event; a reader that comes back goes on where it was.
#[utoipa::path(
    get, path = "/v1/applications/{name}/events", operation_id = "listEvents",
    tag = "observability", params(OfApplication, ListQuery, Streaming),
    responses((
        status = 200, description = "A part of the list, or the stream.",
        content((EventList = "application/json"), (String = "text/event-stream"))
    ))
)]
pub async fn list(asked: Asked) -> Answer {
    asked.may("DescribeApplication").await?;
    let application = asked.call.application(&asked.path("name")).await?.id;
    if wants_stream(&asked) {
        return stream(&asked, application).await;
    }
    let query: ListQuery = asked.query()?;
    super::check_list(&query)?;
    let before = pagination::place(query.next_token.as_deref())?;
    let store = &asked.call.state.store;
    let page = store.events(&application, before, pagination::limit(query.limit)).await;
    let page = page.map_err(ApiError::from)?;
    let events = page.items.iter().map(Event::of).collect();
    reply::ok(&EventList { events, next_token: pagination::token(&page) })
}

fn wants_stream(asked: &Asked) -> bool {
    let accept = asked.header(&header::ACCEPT).unwrap_or_default();
    accept.split(',').any(|it| it.trim().starts_with("text/event-stream"))
}

async fn stream(asked: &Asked, application: ApplicationId) -> Answer {
    let permit = streams::permit(asked)?;
    let after = match asked.header(&streams::LAST_EVENT_ID) {
        Some(text) => text.parse().map_err(|_| {
            Problem::invalid("Last-Event-ID must be the sequence of an event, a whole number")
        })?,
        None => newest(asked, &application).await?,
    };
    let state = asked.call.state.clone();
    let reading = Reading { state, application, after, quiet: 0, ready: VecDeque::new(), permit };
    // What comes first: how soon to come back after a break, in milliseconds.
    let first = futures::stream::iter([Ok(Bytes::from_static(b"retry: 1000\n\n"))]);
    let rest = futures::stream::unfold(reading, async |mut reading| {
        let bytes = reading.next().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(bytes), reading))
    });
    let body = Body::from_stream(futures::StreamExt::chain(first, rest));
    let headers =
        [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-cache")];
    Ok((headers, body).into_response() as Response)
}

async fn newest(asked: &Asked, application: &ApplicationId) -> Result<u64, Problem> {
    let page = asked.call.state.store.events(application, None, 1).await.map_err(ApiError::from)?;
    Ok(page.items.first().map_or(0, |it| it.sequence))
}

/// Where a reader is.
struct Reading {
    state: ApiState,
    application: ApplicationId,
    after: u64,
    quiet: u32,
    ready: VecDeque<StoredEvent>,
    #[allow(dead_code, reason = "held for as long as the stream")]
    permit: streams::Permit,
}

impl Reading {
    /// The next piece; `None` at the end: the application is gone, the server stops, or its
    /// database does not answer. The reader comes back.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.quiet = 0;
                self.after = event.sequence;
                return Some(told(&event));
            }
            let store = &self.state.store;
            self.ready =
                store.events_after(&self.application, self.after, BATCH).await.ok()?.into();
            if !self.ready.is_empty() {
                continue;
            }
            if self.state.jobs.stopping() {
                return None;
            }
            self.quiet += 1;
            if self.quiet.is_multiple_of(LOOKS_TO_SEE) {
                let there = self.state.store.has_application(&self.application).await;
                there.ok().filter(|there| *there)?;
            }
            if self.quiet == LOOKS_TO_TELL {
                self.quiet = 0;
                return Some(Bytes::from_static(b": nothing new\n\n"));
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

/// WHATWG HTML, 9.2: the data is one line of JSON.
fn told(stored: &StoredEvent) -> Bytes {
    let event = Event::of(stored);
    let text = format!(
        "id: {}\nevent: {}\ndata: {}\n\n",
        stored.sequence,
        text(&event.kind),
        encode(&event)
    );
    Bytes::from(text)
}

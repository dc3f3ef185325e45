//! `GET …/logs`: what the jobs of an application log, as text.
//!
//! Flow: the last lines that were asked for, then, when followed, whatever is added, on
//! into the logs of newer generations. Ends when the reader goes or the server stops.

use std::collections::VecDeque;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::response::IntoResponse;
use http::header;
use millrace_auth::actions;
use millrace_domain::{ApplicationId, Generation};

use super::asked::Asked;
use super::model::LogsQuery;
use super::params::OfApplication;
use super::problem::Problem;
use super::reply::Answer;
use super::streams;
use crate::error::ApiError;
use crate::jobs::{LogFrom, LogPlace};
use crate::state::ApiState;

/// Lines, when nothing is asked for, and the most that can be.
const LINES: u32 = 1000;
const MOST_LINES: u32 = 10_000;
/// Characters of a text to search for.
const MOST_SEARCHED: usize = 256;
/// How far back lines are looked for: in a plain tail, and in a search.
const TAIL_BYTES: u64 = 4 * 1024 * 1024;
const SEARCH_BYTES: u64 = 64 * 1024 * 1024;
/// A line longer than this is taken for several.
const LONGEST_LINE: usize = 64 * 1024;
const LOOK: Duration = Duration::from_millis(200);

/// Read what the job of an application logs: the last lines, those with a text, or as it
/// comes.
#[utoipa::path(
    get, path = "/v1/applications/{name}/logs", operation_id = "readLogs",
    tag = "observability", params(OfApplication, LogsQuery),
    responses((
        status = 200, description = "Lines; none where no job ever ran.", body = String,
        content_type = "text/plain"
    ))
)]
pub async fn read(asked: Asked) -> Answer {
    asked.may_do(actions::READ_LOGS).await?;
    let query: LogsQuery = asked.query()?;
    let wanted = Wanted::of(&query)?;
    let application = asked.call.application(&asked.path("name")).await?.id;
    let permit = streams::permit(&asked)?;
    let state = asked.call.state.clone();
    let (lines, place) = wanted.last_lines(&state, &application, query.generation).await?;
    let first = futures::stream::iter([Ok(Bytes::from(lines))]);
    let follow = query.follow == Some(true);
    let reading = Reading { state, application, place, wanted, partial: Vec::new(), permit };
    let rest = futures::stream::unfold(Some(reading).filter(|_| follow), async |reading| {
        let mut reading = reading?;
        let bytes = reading.next().await?;
        Some((Ok::<Bytes, std::convert::Infallible>(bytes), Some(reading)))
    });
    let body = Body::from_stream(futures::StreamExt::chain(first, rest));
    Ok(([(header::CONTENT_TYPE, "text/plain; charset=utf-8")], body).into_response())
}

/// Which lines.
struct Wanted {
    tail: usize,
    /// In lower case.
    search: Option<String>,
}

impl Wanted {
    fn of(query: &LogsQuery) -> Result<Wanted, Problem> {
        let tail = query.tail.unwrap_or(LINES);
        if !(1..=MOST_LINES).contains(&tail) {
            return Err(Problem::invalid(format!("tail must be from 1 to {MOST_LINES}")));
        }
        let search = query.search.as_ref().map(|text| text.to_lowercase());
        let length = query.search.as_ref().map_or(1, |text| text.chars().count());
        if !(1..=MOST_SEARCHED).contains(&length) {
            let message = format!("search must have 1 to {MOST_SEARCHED} characters");
            return Err(Problem::invalid(message));
        }
        // As far as a database counts.
        if query.generation.is_some_and(|it| it == 0 || i64::try_from(it).is_err()) {
            return Err(Problem::invalid("generation must be a whole number from 1"));
        }
        Ok(Wanted { tail: tail as usize, search })
    }

    fn takes(&self, line: &[u8]) -> bool {
        let Some(search) = &self.search else { return true };
        String::from_utf8_lossy(line).to_lowercase().contains(search)
    }

    /// The last lines that are wanted, and where the log goes on.
    async fn last_lines(
        &self,
        state: &ApiState,
        application: &ApplicationId,
        generation: Option<u64>,
    ) -> Result<(Vec<u8>, Option<LogPlace>), Problem> {
        let bytes = if self.search.is_some() { SEARCH_BYTES } else { TAIL_BYTES };
        let generation = generation.map(Generation);
        let mut from = LogFrom::Tail { bytes, generation };
        let (mut lines, mut partial) = (VecDeque::new(), Vec::new());
        let mut read: Option<LogPlace> = None;
        loop {
            let chunk = state.jobs.log(application, from).await;
            let Some(chunk) = chunk.map_err(|error| ApiError::internal(&error))? else { break };
            // Of one generation: a newer one is for those who follow.
            let newer = read.is_some_and(|at| at.generation != chunk.place.generation);
            if chunk.bytes.is_empty() || newer {
                break;
            }
            if read.is_none() && chunk.place.offset > 0 {
                // The first line is cut.
                let cut = chunk.bytes.iter().position(|byte| *byte == b'\n').map_or(0, |at| at + 1);
                split(&chunk.bytes[cut..], &mut partial, |line| self.keep(line, &mut lines));
            } else {
                split(&chunk.bytes, &mut partial, |line| self.keep(line, &mut lines));
            }
            read = Some(chunk.next);
            from = LogFrom::Place(chunk.next);
        }
        if !partial.is_empty() {
            self.keep(&partial, &mut lines);
        }
        Ok((lines.into_iter().flatten().collect(), read))
    }

    fn keep(&self, line: &[u8], lines: &mut VecDeque<Vec<u8>>) {
        if self.takes(line) {
            lines.push_back([line, b"\n"].concat());
            if lines.len() > self.tail {
                lines.pop_front();
            }
        }
    }
}

/// Hands on whole lines; what is left over waits in `partial`.
fn split(bytes: &[u8], partial: &mut Vec<u8>, mut line: impl FnMut(&[u8])) {
    for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
        partial.extend_from_slice(piece);
        if partial.last() == Some(&b'\n') {
            partial.pop();
            line(partial);
            partial.clear();
        } else if partial.len() >= LONGEST_LINE {
            line(partial);
            partial.clear();
        }
    }
}

/// Where a reader that follows is.
struct Reading {
    state: ApiState,
    application: ApplicationId,
    place: Option<LogPlace>,
    wanted: Wanted,
    partial: Vec<u8>,
    #[allow(dead_code, reason = "held for as long as the reader reads")]
    permit: streams::Permit,
}

impl Reading {
    /// The next lines; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            let from = match self.place {
                Some(place) => LogFrom::Place(place),
                None => LogFrom::Tail { bytes: TAIL_BYTES, generation: None },
            };
            let chunk = self.state.jobs.log(&self.application, from).await.ok()?;
            if let Some(chunk) = chunk.filter(|chunk| !chunk.bytes.is_empty()) {
                self.place = Some(chunk.next);
                let mut lines = Vec::new();
                let wanted = &self.wanted;
                split(&chunk.bytes, &mut self.partial, |line| {
                    if wanted.takes(line) {
                        lines.extend_from_slice(line);
                        lines.push(b'\n');
                    }
                });
                if !lines.is_empty() {
                    return Some(Bytes::from(lines));
                }
                continue;
            }
            if self.state.jobs.stopping() {
                return None;
            }
            tokio::time::sleep(LOOK).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::split;

    #[test]
    fn lines_are_whole_however_they_come() {
        let (mut partial, mut lines) = (Vec::new(), Vec::new());
        for piece in ["a", "b\n\nc", "\nd"] {
            split(piece.as_bytes(), &mut partial, |line| {
                lines.push(String::from_utf8_lossy(line).into_owned());
            });
        }
        assert_eq!(lines, ["ab", "", "c"]);
        assert_eq!(partial, b"d");
        let long = vec![b'x'; super::LONGEST_LINE + 1];
        let mut count = 0;
        split(&long, &mut Vec::new(), |_| count += 1);
        assert_eq!(count, 1);
    }
}

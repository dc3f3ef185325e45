//! Calls that are worked on at once, and how many more may wait: beyond that a call is
//! refused at once, so that a load that is too much does not make every answer late.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use millrace_api_spec::ErrorCode;
use tokio::sync::Semaphore;

use crate::error::ApiError;
use crate::rest::problem::Problem;

/// Worked on at once. A call may hold a body of 72 MiB.
const CALLS: usize = 64;
/// That wait for one of those to end; they hold no body yet.
const WAITING: usize = 512;
/// For so long at most; clients have given up on a call that waits much longer.
const PATIENCE: Duration = Duration::from_secs(10);

/// Shared by all surfaces.
#[derive(Debug)]
pub struct Admission {
    calls: Semaphore,
    waiting: AtomicUsize,
    most_waiting: usize,
    patience: Duration,
}

/// One that waits.
struct Waiting<'a>(&'a AtomicUsize);

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Admission {
    pub fn shared() -> Arc<Admission> {
        Arc::new(Admission::new(CALLS, WAITING, PATIENCE))
    }

    fn new(calls: usize, most_waiting: usize, patience: Duration) -> Admission {
        let (calls, waiting) = (Semaphore::new(calls), AtomicUsize::new(0));
        Admission { calls, waiting, most_waiting, patience }
    }

    /// `None`: too many wait already, or this one waited too long.
    async fn enter(&self) -> Option<tokio::sync::SemaphorePermit<'_>> {
        if let Ok(permit) = self.calls.try_acquire() {
            return Some(permit);
        }
        let before = self.waiting.fetch_add(1, Ordering::Relaxed);
        let _waiting = Waiting(&self.waiting);
        if before >= self.most_waiting {
            return None;
        }
        tokio::time::timeout(self.patience, self.calls.acquire()).await.ok()?.ok()
    }
}

fn refusal() -> ApiError {
    let message = "the service has more calls than it can work on; call again in a moment";
    ApiError::new(ErrorCode::ServiceUnavailable, message)
}

/// For the AWS surface.
pub async fn admit(State(all): State<Arc<Admission>>, request: Request, next: Next) -> Response {
    match all.enter().await {
        Some(_permit) => next.run(request).await,
        None => refusal().into_response(),
    }
}

/// For REST.
pub async fn admit_rest(
    State(all): State<Arc<Admission>>,
    request: Request,
    next: Next,
) -> Response {
    match all.enter().await {
        Some(_permit) => next.run(request).await,
        None => Problem::from(refusal()).into_response(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn so_many_wait_and_no_more_and_not_for_ever() {
        let all = Admission::new(1, 1, Duration::from_millis(20));
        let first = all.enter().await.expect("nobody is there");
        let (second, third) = tokio::join!(all.enter(), all.enter());
        assert!(second.is_none(), "it waited too long");
        assert!(third.is_none(), "one waits already");
        assert_eq!(all.waiting.load(Ordering::Relaxed), 0);
        drop(first);
        assert!(all.enter().await.is_some());
    }

    #[tokio::test]
    async fn who_waits_comes_in_when_another_leaves() {
        let all = Admission::new(1, 5, Duration::from_secs(60));
        let first = all.enter().await.expect("nobody is there");
        let leave = async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            drop(first);
        };
        let (waited, ()) = tokio::join!(all.enter(), leave);
        assert!(waited.is_some());
    }
}

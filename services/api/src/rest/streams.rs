//! What answers that go on for as long as their reader likes have in common.

use http::HeaderName;
use millrace_api_spec::ErrorCode;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::problem::{Problem, of_code};

pub static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Readers at once, of this process.
const STREAMS: usize = 256;
static OPEN: Semaphore = Semaphore::const_new(STREAMS);

/// A place for one more reader, held for as long as it reads.
pub fn permit() -> Result<SemaphorePermit<'static>, Problem> {
    OPEN.try_acquire().map_err(|_| {
        let message = format!("{STREAMS} readers follow events or logs already: try again later");
        Problem::new(of_code(ErrorCode::LimitExceeded), message)
    })
}

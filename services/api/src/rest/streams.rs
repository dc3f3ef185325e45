//! What answers that go on for as long as their reader likes have in common.

use http::HeaderName;
use millrace_api_spec::ErrorCode;
use tokio::sync::{Semaphore, SemaphorePermit};

use super::asked::Asked;
use super::problem::{Problem, of_code};
use crate::access::Place;

pub static LAST_EVENT_ID: HeaderName = HeaderName::from_static("last-event-id");

/// Readers at once, of this process.
const STREAMS: usize = 256;
static OPEN: Semaphore = Semaphore::const_new(STREAMS);

/// A place for one more reader, held for as long as it reads.
#[derive(Debug)]
pub struct Permit {
    _open: SemaphorePermit<'static>,
    _place: Place,
}

/// One of this process, and one of the caller's account.
pub fn permit(asked: &Asked) -> Result<Permit, Problem> {
    let place = asked.call.state.limits.enter_stream(&asked.call.account)?;
    let open = OPEN.try_acquire().map_err(|_| {
        let message = format!("{STREAMS} readers follow events or logs already: try again later");
        Problem::new(of_code(ErrorCode::LimitExceeded), message)
    })?;
    Ok(Permit { _open: open, _place: place })
}

//! Time as tests see it: the only place here that reads a clock.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::bail;

/// How long to wait between two looks.
const LOOK: Duration = Duration::from_millis(20);

#[expect(clippy::disallowed_methods, reason = "the edge of the test process")]
pub fn now() -> Instant {
    Instant::now()
}

/// Milliseconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "the edge of the test process")]
pub fn wall_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    i64::try_from(since.as_millis()).expect("milliseconds fit for millions of years")
}

/// Looks until there is an answer.
///
/// # Errors
/// `look` failed, or there was no answer in time: the message names `what`.
pub fn until<T>(
    what: &str,
    timeout: Duration,
    mut look: impl FnMut() -> anyhow::Result<Option<T>>,
) -> anyhow::Result<T> {
    let started = now();
    loop {
        if let Some(found) = look()? {
            return Ok(found);
        }
        if started.elapsed() > timeout {
            bail!("{what}: not within {timeout:?}");
        }
        std::thread::sleep(LOOK);
    }
}

//! Where the program meets the clock.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since the epoch.
#[expect(clippy::disallowed_methods, reason = "the edge of the process")]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).expect("the clock is past 1970");
    i64::try_from(since.as_millis()).expect("milliseconds fit for millions of years")
}

/// For measuring how long something took.
#[expect(clippy::disallowed_methods, reason = "the edge of the process")]
pub fn instant() -> Instant {
    Instant::now()
}

/// A fresh id.
#[expect(clippy::disallowed_methods, reason = "the edge of the process")]
pub fn new_id() -> uuid::Uuid {
    uuid::Uuid::new_v4()
}

//! Where the program meets the world's clock and randomness; everything inside takes
//! them as arguments.

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

/// Random bytes, for secrets too.
///
/// # Errors
/// The system gives none.
pub fn random<const N: usize>() -> anyhow::Result<[u8; N]> {
    let mut bytes = [0; N];
    aws_lc_rs::rand::fill(&mut bytes)
        .map_err(|_| anyhow::anyhow!("the system gives no random bytes"))?;
    Ok(bytes)
}

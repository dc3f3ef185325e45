//! What is on the wire of the REST surface: JSON in camel case, times of RFC 3339.
//!
//! A request becomes one of the AWS surface, so that one validation and one implementation
//! serve both. An answer is made from the domain.

pub mod application;
pub mod check;
pub mod configuration;
pub mod observe;
pub mod operation;
pub mod snapshot;
pub mod tags;
pub mod words;

use chrono::{DateTime, SecondsFormat};
use millrace_domain::Timestamp;

pub use application::*;
pub use configuration::*;
pub use observe::*;
pub use operation::*;
pub use snapshot::*;
pub use tags::Tags;

/// A time of RFC 3339 in UTC, to the millisecond.
pub fn time(at: Timestamp) -> String {
    let time = DateTime::from_timestamp_millis(at.0).unwrap_or_default();
    time.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// The time that a text of RFC 3339 names.
pub fn parse_time(text: &str) -> Option<Timestamp> {
    DateTime::parse_from_rfc3339(text).ok().map(|time| Timestamp(time.timestamp_millis()))
}

#[cfg(test)]
mod tests {
    use super::{parse_time, time};
    use millrace_domain::Timestamp;

    #[test]
    fn times_are_of_rfc_3339() {
        let check = |ms: i64, text: &str| {
            assert_eq!(time(Timestamp(ms)), text);
            assert_eq!(parse_time(text), Some(Timestamp(ms)));
        };
        check(0, "1970-01-01T00:00:00.000Z");
        check(1_795_356_204_683, "2026-11-22T14:03:24.683Z");
        assert_eq!(parse_time("2026-11-22T13:03:24+01:00"), Some(Timestamp(1_795_349_004_000)));
        assert_eq!(parse_time("yesterday"), None);
    }
}

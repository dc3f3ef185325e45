//! The session time zone (row E.19), by Java's rules at gaps and overlaps.

use chrono::{DateTime, FixedOffset, MappedLocalTime, NaiveDateTime, Offset, TimeZone};
use chrono_tz::Tz;

/// `table.local-time-zone`: an IANA name or a fixed offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Zone {
    Fixed(FixedOffset),
    Named(Tz),
}

const NANOS: i128 = 1_000_000_000;

impl Zone {
    pub const UTC: Zone = Zone::Named(Tz::UTC);

    /// `UTC`, `Europe/Berlin`, `GMT+08:00`, `UTC-5`, `+08:00`, `Z`; `None` if unknown.
    pub fn parse(name: &str) -> Option<Zone> {
        if name == "Z" || name == "default" {
            return Some(Zone::UTC);
        }
        if let Ok(zone) = name.parse::<Tz>() {
            return Some(Zone::Named(zone));
        }
        let offset = name
            .strip_prefix("GMT")
            .or_else(|| name.strip_prefix("UTC"))
            .or_else(|| name.strip_prefix("UT"))
            .unwrap_or(name);
        parse_offset(offset).map(Zone::Fixed)
    }

    fn offset_seconds(self, instant: NaiveDateTime) -> i64 {
        i64::from(match self {
            Zone::Fixed(offset) => offset.local_minus_utc(),
            Zone::Named(zone) => zone.offset_from_utc_datetime(&instant).fix().local_minus_utc(),
        })
    }

    /// Wall-clock nanoseconds of an instant.
    pub fn to_local(self, instant_nanos: i128) -> i128 {
        if self == Zone::UTC {
            return instant_nanos;
        }
        let offset = self.offset_seconds(to_datetime(instant_nanos));
        instant_nanos + i128::from(offset) * NANOS
    }

    /// The instant of a wall clock. In a gap the clock is moved forward by the gap;
    /// in an overlap the earlier offset counts (Java: `LocalDateTime.atZone`).
    pub fn to_instant(self, local_nanos: i128) -> i128 {
        let offset = match self {
            Zone::Fixed(offset) => i64::from(offset.local_minus_utc()),
            Zone::Named(Tz::UTC) => 0,
            Zone::Named(zone) => named_offset(zone, to_datetime(local_nanos)),
        };
        local_nanos - i128::from(offset) * NANOS
    }
}

fn named_offset(zone: Tz, local: NaiveDateTime) -> i64 {
    let seconds = |offset: FixedOffset| i64::from(offset.local_minus_utc());
    match zone.offset_from_local_datetime(&local) {
        MappedLocalTime::Single(offset) => seconds(offset.fix()),
        MappedLocalTime::Ambiguous(earlier, _) => seconds(earlier.fix()),
        // The offset before the gap, which moves the clock forward by its length.
        MappedLocalTime::None => {
            let before = local - chrono::TimeDelta::hours(24);
            seconds(zone.offset_from_utc_datetime(&before).fix())
        }
    }
}

fn parse_offset(text: &str) -> Option<FixedOffset> {
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let mut parts = text[1..].split(':');
    let digits = parts.next()?;
    let (hours, joined) = if digits.len() == 4 { digits.split_at(2) } else { (digits, "") };
    let hours: i32 = hours.parse().ok()?;
    let minutes: i32 = match parts.next() {
        Some(minutes) => minutes.parse().ok()?,
        None if joined.is_empty() => 0,
        None => joined.parse().ok()?,
    };
    if parts.next().is_some() || hours > 18 || minutes > 59 {
        return None;
    }
    FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60))
}

/// Seconds of the years -200000 and 200000: beyond every SQL type, and within what
/// the calendar can still be moved around in.
const MOST_SECONDS: i128 = 200_000 * 31_556_952;

/// The civil date and time of nanoseconds since the epoch; the nearest end beyond
/// 200,000 years from it.
pub(crate) fn to_datetime(nanos: i128) -> NaiveDateTime {
    let (seconds, fraction) = split(nanos);
    DateTime::from_timestamp(seconds, fraction)
        .expect("seconds are within chrono's calendar")
        .naive_utc()
}

/// Whole seconds and the nanoseconds behind them.
fn split(nanos: i128) -> (i64, u32) {
    // Dividing 128 bits is slow, and 64 hold the years 1677 to 2262.
    if let Ok(nanos) = i64::try_from(nanos) {
        return (nanos.div_euclid(NANOS as i64), nanos.rem_euclid(NANOS as i64) as u32);
    }
    let seconds = nanos.div_euclid(NANOS).clamp(-MOST_SECONDS, MOST_SECONDS);
    (seconds as i64, nanos.rem_euclid(NANOS) as u32)
}

pub(crate) fn from_datetime(datetime: NaiveDateTime) -> i128 {
    let utc = datetime.and_utc();
    i128::from(utc.timestamp()) * NANOS + i128::from(utc.timestamp_subsec_nanos())
}

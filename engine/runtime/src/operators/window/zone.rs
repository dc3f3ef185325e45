//! The session time zone, between instants and wall-clock milliseconds.
//!
//! Windows over TIMESTAMP_LTZ are laid out on the wall clock and fire by instants
//! (rows B3.1, E.20). Source of the rules where the clock is turned: Flink
//! `TimeWindowUtil` (`toUtcTimestampMills`, `toEpochMills`, `toEpochMillsForTimer`).

use std::cell::Cell;

use chrono::{DateTime, FixedOffset, NaiveDateTime, Offset, TimeDelta, TimeZone};
use chrono_tz::{OffsetComponents, Tz};

const HOUR_MS: i64 = 3_600_000;
/// Zones change their offset at most once within this.
const BUCKET_MS: i64 = 900_000;

/// A zone by IANA name, or a fixed offset (`GMT+08:00`).
#[derive(Debug)]
pub enum SessionZone {
    Utc,
    Fixed { offset_ms: i64 },
    Named { zone: Tz, last: Cell<Option<(i64, i64)>> },
}

impl SessionZone {
    /// `None`: the name is no zone.
    pub fn parse(name: &str) -> Option<SessionZone> {
        if matches!(name, "UTC" | "GMT" | "Z" | "Etc/UTC") {
            return Some(SessionZone::Utc);
        }
        if let Ok(zone) = name.parse::<Tz>() {
            return Some(SessionZone::Named { zone, last: Cell::new(None) });
        }
        let offset = ["GMT", "UTC", "UT"].iter().find_map(|prefix| name.strip_prefix(prefix));
        let offset_ms = parse_offset(offset.unwrap_or(name))?;
        Some(if offset_ms == 0 { SessionZone::Utc } else { SessionZone::Fixed { offset_ms } })
    }

    /// Wall clock at an instant.
    pub fn local_ms(&self, instant_ms: i64) -> i64 {
        match self {
            SessionZone::Utc => instant_ms,
            SessionZone::Fixed { offset_ms } => instant_ms.saturating_add(*offset_ms),
            SessionZone::Named { zone, last } => {
                instant_ms.saturating_add(cached_offset(*zone, last, instant_ms))
            }
        }
    }

    /// The instant of a wall clock: the earlier of two, and past a gap by its length.
    pub fn instant_ms(&self, local_ms: i64) -> i64 {
        match self {
            SessionZone::Utc => local_ms,
            SessionZone::Fixed { offset_ms } => local_ms.saturating_sub(*offset_ms),
            SessionZone::Named { zone, .. } => named_instant(*zone, local_ms),
        }
    }

    /// When a timer set for a wall clock goes off: the later of two instants, so that
    /// the repeated hour is complete; in a gap, its start.
    pub fn timer_ms(&self, local_ms: i64) -> i64 {
        let SessionZone::Named { zone, .. } = self else { return self.instant_ms(local_ms) };
        let first = named_instant(*zone, local_ms);
        let second = named_instant(*zone, local_ms.saturating_add(HOUR_MS));
        if second.saturating_sub(first) > HOUR_MS {
            second - HOUR_MS
        } else if first == second {
            first - first.rem_euclid(HOUR_MS)
        } else {
            first
        }
    }
}

fn parse_offset(text: &str) -> Option<i64> {
    let (sign, digits) = match text.split_at_checked(1)? {
        ("+", rest) => (1, rest),
        ("-", rest) => (-1, rest),
        _ => return None,
    };
    let (hours, minutes) = digits.split_once(':').unwrap_or((digits, "0"));
    let hours: i64 = hours.parse().ok().filter(|hours| (0..=18).contains(hours))?;
    let minutes: i64 = minutes.parse().ok().filter(|minutes| (0..60).contains(minutes))?;
    Some(sign * (hours * HOUR_MS + minutes * 60_000))
}

fn offset_ms(zone: Tz, instant_ms: i64) -> i64 {
    let Some(utc) = DateTime::from_timestamp_millis(instant_ms) else { return 0 };
    let offset = zone.offset_from_utc_datetime(&utc.naive_utc());
    (offset.base_utc_offset() + offset.dst_offset()).num_milliseconds()
}

/// The offset, remembered for the quarter of an hour when it is one throughout.
fn cached_offset(zone: Tz, last: &Cell<Option<(i64, i64)>>, instant_ms: i64) -> i64 {
    let bucket = instant_ms.div_euclid(BUCKET_MS);
    if let Some((known, offset)) = last.get()
        && known == bucket
    {
        return offset;
    }
    let offset = offset_ms(zone, instant_ms);
    let start = offset_ms(zone, bucket * BUCKET_MS);
    let end = offset_ms(zone, (bucket + 1).saturating_mul(BUCKET_MS));
    if start == end {
        last.set(Some((bucket, offset)));
    }
    offset
}

/// Java's `LocalDateTime.atZone`.
fn named_instant(zone: Tz, local_ms: i64) -> i64 {
    let Some(local) = DateTime::from_timestamp_millis(local_ms) else { return local_ms };
    let local = local.naive_utc();
    match zone.offset_from_local_datetime(&local).earliest() {
        Some(offset) => local_ms - fixed(offset.fix()),
        None => local_ms - offset_before_gap(zone, local),
    }
}

fn fixed(offset: FixedOffset) -> i64 {
    i64::from(offset.local_minus_utc()) * 1000
}

/// With the offset before the gap, the result lies past the gap by its length.
fn offset_before_gap(zone: Tz, local: NaiveDateTime) -> i64 {
    let day_before = local - TimeDelta::days(1);
    fixed(zone.offset_from_utc_datetime(&day_before).fix())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ms(text: &str) -> i64 {
        let parsed = NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M").expect("a date");
        parsed.and_utc().timestamp_millis()
    }

    #[test]
    fn names_and_offsets_are_zones() {
        for (name, local) in [
            ("UTC", "2021-01-01 00:00"),
            ("GMT+08:00", "2021-01-01 08:00"),
            ("UTC-5", "2020-12-31 19:00"),
            ("Asia/Shanghai", "2021-01-01 08:00"),
            ("America/New_York", "2020-12-31 19:00"),
        ] {
            let zone = SessionZone::parse(name).expect(name);
            assert_eq!(zone.local_ms(ms("2021-01-01 00:00")), ms(local), "{name}");
            assert_eq!(zone.instant_ms(ms(local)), ms("2021-01-01 00:00"), "{name}");
        }
        assert!(SessionZone::parse("Nowhere/Land").is_none());
        assert!(SessionZone::parse("GMT+99").is_none());
    }

    #[test]
    fn e20_timers_wait_for_the_repeated_hour_and_skip_the_missing_one() {
        let zone = SessionZone::parse("America/Los_Angeles").expect("a zone");
        // 2021-03-14: 02:00 to 03:00 does not exist.
        assert_eq!(zone.instant_ms(ms("2021-03-14 02:30")), ms("2021-03-14 10:30"));
        assert_eq!(zone.timer_ms(ms("2021-03-14 02:30")), ms("2021-03-14 10:00"));
        assert_eq!(zone.timer_ms(ms("2021-03-14 03:30")), ms("2021-03-14 10:30"));
        // 2021-11-07: 01:00 to 02:00 is there twice.
        assert_eq!(zone.instant_ms(ms("2021-11-07 01:30")), ms("2021-11-07 08:30"));
        assert_eq!(zone.timer_ms(ms("2021-11-07 01:30")), ms("2021-11-07 09:30"));
        assert_eq!(zone.timer_ms(ms("2021-11-07 02:30")), ms("2021-11-07 10:30"));
        assert_eq!(zone.local_ms(ms("2021-11-07 08:30")), ms("2021-11-07 01:30"));
        assert_eq!(zone.local_ms(ms("2021-11-07 09:30")), ms("2021-11-07 01:30"));
    }
}

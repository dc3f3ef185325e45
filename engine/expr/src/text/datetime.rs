//! Dates, times, timestamps and intervals as Flink prints and reads them.

use chrono::{Datelike, NaiveDate, Timelike};

use super::number::{push_padded, trim};
use crate::zone::to_datetime;

pub(crate) const NANOS_PER_SECOND: i128 = 1_000_000_000;
pub(crate) const NANOS_PER_MILLI: i128 = 1_000_000;
pub(crate) const NANOS_PER_DAY: i128 = 86_400 * NANOS_PER_SECOND;
pub(crate) const MILLIS_PER_DAY: i64 = 86_400_000;

/// The date of days since the epoch; the nearest end beyond 200,000 years from it.
pub(crate) fn date(days: i64) -> NaiveDate {
    const MOST: i64 = 200_000 * 365;
    NaiveDate::from_epoch_days(days.clamp(-MOST, MOST) as i32)
        .expect("days are within chrono's calendar")
}

pub(crate) fn epoch_days(date: NaiveDate) -> i64 {
    i64::from(date.to_epoch_days())
}

/// `2020-02-29`.
pub(crate) fn date_to_text(days: i64) -> String {
    let mut text = String::with_capacity(10);
    push_date(&mut text, date(days));
    text
}

/// `12:34:56` (row C1.9: no fraction).
pub(crate) fn time_to_text(millis: i64) -> String {
    let seconds = millis.div_euclid(1000);
    format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60)
}

/// A wall clock with exactly `precision` digits of fraction (row C5.25).
pub(crate) fn timestamp_to_text(nanos: i128, precision: u8) -> String {
    let value = to_datetime(nanos);
    let mut text = String::with_capacity(29);
    push_date(&mut text, value.date());
    for (separator, part) in [(' ', value.hour()), (':', value.minute()), (':', value.second())] {
        text.push(separator);
        push_padded(&mut text, i64::from(part), 2);
    }
    if precision > 0 {
        let digits = usize::from(precision.min(9));
        text.push('.');
        let fraction = value.nanosecond() / 10u32.pow(9 - digits as u32);
        push_padded(&mut text, i64::from(fraction), digits);
    }
    text
}

fn push_date(text: &mut String, date: NaiveDate) {
    push_padded(text, i64::from(date.year()), 4);
    for part in [date.month(), date.day()] {
        text.push('-');
        push_padded(text, i64::from(part), 2);
    }
}

/// `+1 02:03:04.500` (row C5.27).
pub(crate) fn day_time_to_text(millis: i64) -> String {
    let sign = if millis < 0 { '-' } else { '+' };
    let all = millis.unsigned_abs();
    format!(
        "{sign}{} {:02}:{:02}:{:02}.{:03}",
        all / 86_400_000,
        all / 3_600_000 % 24,
        all / 60_000 % 60,
        all / 1000 % 60,
        all % 1000
    )
}

/// `+2-10` (row C5.27).
pub(crate) fn year_month_to_text(months: i64) -> String {
    let sign = if months < 0 { '-' } else { '+' };
    let all = months.unsigned_abs();
    format!("{sign}{}-{:02}", all / 12, all % 12)
}

fn digits(text: &str) -> Option<i64> {
    let text = text.trim();
    let number = text.strip_prefix('-').unwrap_or(text);
    if number.is_empty() || !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// `2020-1-1`, `2020`, `2020-01-01 10:00:00` (rows C5.8, D4.13). Flink:
/// `DateTimeUtils.parseDate`.
pub(crate) fn parse_date(text: &str) -> Option<i64> {
    let text = trim(text);
    let text = match text.find(' ') {
        Some(space) if space > 0 => &text[..space],
        _ => text,
    };
    let mut parts = text.splitn(3, '-');
    let year = digits(parts.next()?)?;
    let month = parts.next().map_or(Some(1), digits)?;
    let day = parts.next().map_or(Some(1), digits)?;
    if !(0..=9999).contains(&year) {
        return None;
    }
    let date =
        NaiveDate::from_ymd_opt(year as i32, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
    Some(epoch_days(date))
}

/// `10:11`, `10:11:12[.f]`: milliseconds of the day with the fraction dropped
/// (row C5.9).
pub(crate) fn parse_time(text: &str) -> Option<i64> {
    let text = trim(text);
    let mut parts = text.splitn(3, ':');
    let hour = digits(parts.next()?)?;
    let minute = parts.next().map_or(Some(0), digits)?;
    let second = match parts.next() {
        Some(second) => {
            let (whole, fraction) = second.split_once('.').unwrap_or((second, "0"));
            digits(fraction)?;
            digits(whole)?
        }
        None => 0,
    };
    let valid = (0..24).contains(&hour) && (0..60).contains(&minute) && (0..60).contains(&second);
    valid.then_some(((hour * 60 + minute) * 60 + second) * 1000)
}

/// `yyyy-[M]M-[d]d[ [H]H:[m]m:[s]s[.f]]` as wall-clock nanoseconds (rows C5.10,
/// D4.14). Day 29 to 31 of a shorter month is its last (Java's SMART resolver).
pub(crate) fn parse_timestamp(text: &str) -> Option<i128> {
    let text = trim(text);
    let (date_text, time_text) = match text.split_once(' ') {
        Some((date, time)) => (date, Some(time)),
        None => (text, None),
    };
    let days = parse_smart_date(date_text)?;
    let nanos = time_text.map_or(Some(0), parse_clock)?;
    Some(i128::from(days) * NANOS_PER_DAY + nanos)
}

fn parse_smart_date(text: &str) -> Option<i64> {
    let mut parts = text.split('-');
    let year = parts.next().filter(|year| year.len() == 4)?;
    let (year, month, day) = (short(year, 4)?, short(parts.next()?, 2)?, short(parts.next()?, 2)?);
    if parts.next().is_some() || !(1..=31).contains(&day) || year == 0 {
        return None;
    }
    smart_date(year as i32, month, day).map(epoch_days)
}

/// The last day of the month when the day is beyond it; `None` for day > 31.
pub(crate) fn smart_date(year: i32, month: u32, day: u32) -> Option<NaiveDate> {
    if day == 0 || day > 31 {
        return None;
    }
    (0..=3).find_map(|less| NaiveDate::from_ymd_opt(year, month, day.checked_sub(less)?))
}

fn short(text: &str, longest: usize) -> Option<u32> {
    let plain = (1..=longest).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    plain.then(|| text.parse().ok()).flatten()
}

fn parse_clock(text: &str) -> Option<i128> {
    let (clock, fraction) = match text.split_once('.') {
        Some((clock, fraction)) => (clock, Some(fraction)),
        None => (text, None),
    };
    let mut parts = clock.split(':');
    let hour = short(parts.next()?, 2).filter(|hour| *hour < 24)?;
    let minute = short(parts.next()?, 2).filter(|minute| *minute < 60)?;
    let second = short(parts.next()?, 2).filter(|second| *second < 60)?;
    if parts.next().is_some() {
        return None;
    }
    let nanos = match fraction {
        Some(fraction) => nanos_of_fraction(fraction)?,
        None => 0,
    };
    Some(i128::from((hour * 60 + minute) * 60 + second) * NANOS_PER_SECOND + nanos)
}

/// `.5` is 500,000,000 nanoseconds; up to nine digits.
fn nanos_of_fraction(fraction: &str) -> Option<i128> {
    if fraction.len() > 9 || !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{fraction:0<9}").parse().ok()
}

/// Cuts wall-clock nanoseconds to `precision` digits (row C5.32).
pub(crate) fn truncate(nanos: i128, precision: u8) -> i128 {
    let unit = 10i128.pow(9 - u32::from(precision.min(9)));
    nanos.div_euclid(unit) * unit
}

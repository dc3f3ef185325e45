//! Reading text by a Java date pattern.

use chrono::{NaiveDate, TimeDelta};

use super::datetime::{NANOS_PER_SECOND, smart_date};
use super::pattern::{DAYS, MONTHS, Part, Pattern};

/// Strict reads as `DateTimeFormatter` (whole text, ranges checked); lenient as
/// `SimpleDateFormat` (a prefix is enough, month 13 is January).
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Manner {
    Strict,
    Lenient,
}

/// What the text said; what it did not say is 1970-01-01 00:00:00.
struct Fields {
    year: i64,
    month: i64,
    day: i64,
    day_of_year: Option<i64>,
    hour: i64,
    half_day: Option<i64>,
    minute: i64,
    second: i64,
    nanos: i64,
    offset_seconds: Option<i64>,
}

impl Fields {
    fn new() -> Fields {
        Fields {
            year: 1970,
            month: 1,
            day: 1,
            day_of_year: None,
            hour: 0,
            half_day: None,
            minute: 0,
            second: 0,
            nanos: 0,
            offset_seconds: None,
        }
    }
}

/// Wall-clock nanoseconds, and the offset when the text has one.
pub(crate) fn parse(pattern: &Pattern, text: &str, manner: Manner) -> Option<(i128, Option<i64>)> {
    let mut fields = Fields::new();
    let mut at = 0;
    let parts = &pattern.parts;
    let mut position = 0;
    while position < parts.len() {
        match &parts[position] {
            Part::Text(expected) => {
                if !text[at..].starts_with(expected.as_str()) {
                    return None;
                }
                at += expected.len();
            }
            Part::Field(letter, count) => {
                // Digits of adjacent numbers have fixed widths (`yyyyMMdd`).
                let adjacent = matches!(parts.get(position + 1), Some(Part::Field(next, _))
                    if is_number(*next, 1));
                let token = Token { letter: *letter, count: *count, adjacent, manner };
                at += read(&token, &text[at..], &mut fields)?;
            }
            Part::OptionalStart => {
                let end = closing(parts, position);
                let inner = Pattern { parts: parts[position + 1..end].to_vec() };
                // An optional section that does not fit is skipped whole.
                if let Some(used) = prefix(&inner, &text[at..], manner, &mut fields) {
                    at += used;
                }
                position = end;
            }
            Part::OptionalEnd => {}
        }
        position += 1;
    }
    if manner == Manner::Strict && at != text.len() {
        return None;
    }
    resolve(&fields, manner)
}

fn closing(parts: &[Part], start: usize) -> usize {
    let mut depth = 0;
    for (position, part) in parts.iter().enumerate().skip(start) {
        match part {
            Part::OptionalStart => depth += 1,
            Part::OptionalEnd => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return position;
        }
    }
    parts.len()
}

fn prefix(pattern: &Pattern, text: &str, manner: Manner, fields: &mut Fields) -> Option<usize> {
    let mut at = 0;
    for part in &pattern.parts {
        match part {
            Part::Text(expected) => {
                text[at..].starts_with(expected.as_str()).then_some(())?;
                at += expected.len();
            }
            Part::Field(letter, count) => {
                let token = Token { letter: *letter, count: *count, adjacent: false, manner };
                at += read(&token, &text[at..], fields)?;
            }
            Part::OptionalStart | Part::OptionalEnd => {}
        }
    }
    Some(at)
}

struct Token {
    letter: char,
    count: usize,
    adjacent: bool,
    manner: Manner,
}

fn is_number(letter: char, count: usize) -> bool {
    match letter {
        'M' | 'L' => count < 3,
        letter => "yuYdDHhkKmsSnN".contains(letter),
    }
}

/// How many bytes the field took.
fn read(token: &Token, text: &str, fields: &mut Fields) -> Option<usize> {
    if !is_number(token.letter, token.count) {
        return read_text(token, text, fields);
    }
    let skipped =
        if token.manner == Manner::Lenient { text.len() - text.trim_start().len() } else { 0 };
    let text = &text[skipped..];
    let length = digits_taken(token, text)?;
    let value: i64 = text[..length].parse().ok()?;
    match token.letter {
        'y' | 'u' | 'Y' if token.count == 2 && length == 2 => fields.year = 2000 + value,
        'y' | 'u' | 'Y' => fields.year = value,
        'M' | 'L' => fields.month = value,
        'd' => fields.day = value,
        'D' => fields.day_of_year = Some(value),
        'H' | 'K' | 'h' => fields.hour = value,
        'k' => fields.hour = if value == 24 { 0 } else { value },
        'm' => fields.minute = value,
        's' => fields.second = value,
        // SimpleDateFormat reads milliseconds, DateTimeFormatter a fraction.
        'S' if token.manner == Manner::Lenient => fields.nanos = value * 1_000_000,
        'S' => fields.nanos = format!("{:0<9}", &text[..length]).get(..9)?.parse().ok()?,
        _ => fields.nanos = value,
    }
    if token.letter == 'h' && value == 12 {
        fields.hour = 0;
    }
    Some(skipped + length)
}

fn digits_taken(token: &Token, text: &str) -> Option<usize> {
    let available = text.bytes().take_while(u8::is_ascii_digit).count();
    let (least, most) = match (token.manner, token.letter) {
        _ if token.adjacent => (token.count, token.count),
        (Manner::Lenient, _) => (1, 18),
        (_, 'S') => (token.count, token.count),
        (_, 'y' | 'u' | 'Y') if token.count == 2 => (2, 2),
        (_, 'y' | 'u' | 'Y') if token.count >= 3 => (token.count, token.count),
        (_, _) if token.count == 1 => (1, 18),
        _ => (token.count, token.count),
    };
    let taken = available.min(most);
    (taken >= least.max(1)).then_some(taken)
}

fn read_text(token: &Token, text: &str, fields: &mut Fields) -> Option<usize> {
    let starts =
        |name: &str| text.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name));
    match token.letter {
        'a' => {
            fields.half_day = Some(if starts("AM") { 0 } else { i64::from(starts("PM")) * 12 });
            (starts("AM") || starts("PM")).then_some(2)
        }
        'M' | 'L' => {
            let month = MONTHS.iter().position(|name| starts(&name[..3]))?;
            fields.month = month as i64 + 1;
            Some(if starts(MONTHS[month]) { MONTHS[month].len() } else { 3 })
        }
        'E' => {
            let day = DAYS.iter().find(|name| starts(&name[..3]))?;
            Some(if starts(day) { day.len() } else { 3 })
        }
        'G' => (starts("AD") || starts("BC")).then_some(2),
        'X' | 'x' | 'Z' | 'z' | 'O' | 'V' => {
            let (offset, length) = read_offset(text)?;
            fields.offset_seconds = Some(offset);
            Some(length)
        }
        _ => None,
    }
}

/// `Z`, `GMT`, `UTC`, `+08`, `+0800`, `+08:00`.
fn read_offset(text: &str) -> Option<(i64, usize)> {
    for zero in ["UTC", "GMT", "Z"] {
        if text.starts_with(zero) {
            return Some((0, zero.len()));
        }
    }
    let sign = match text.as_bytes().first()? {
        b'+' => 1,
        b'-' => -1,
        _ => return None,
    };
    let number = |range: std::ops::Range<usize>| -> Option<i64> {
        let part = text.get(range)?;
        part.bytes().all(|byte| byte.is_ascii_digit()).then(|| part.parse().ok()).flatten()
    };
    let hours = number(1..3)?;
    let (minutes, length) = if text.as_bytes().get(3) == Some(&b':') {
        (number(4..6)?, 6)
    } else {
        number(3..5).map_or((0, 3), |minutes| (minutes, 5))
    };
    Some((sign * (hours * 3600 + minutes * 60), length))
}

fn resolve(fields: &Fields, manner: Manner) -> Option<(i128, Option<i64>)> {
    let date = match (manner, fields.day_of_year) {
        (_, Some(day)) => {
            NaiveDate::from_yo_opt(i32::try_from(fields.year).ok()?, u32::try_from(day).ok()?)?
        }
        (Manner::Strict, None) => {
            let year = i32::try_from(fields.year).ok().filter(|year| *year > 0)?;
            smart_date(year, u32::try_from(fields.month).ok()?, u32::try_from(fields.day).ok()?)?
        }
        (Manner::Lenient, None) => rolled_date(fields)?,
    };
    let hour = fields.hour + fields.half_day.unwrap_or(0);
    if manner == Manner::Strict
        && !((0..24).contains(&hour)
            && (0..60).contains(&fields.minute)
            && (0..60).contains(&fields.second))
    {
        return None;
    }
    let seconds = (i128::from(date.to_epoch_days()) * 24 + i128::from(hour)) * 3600
        + i128::from(fields.minute * 60 + fields.second);
    Some((seconds * NANOS_PER_SECOND + i128::from(fields.nanos), fields.offset_seconds))
}

/// Month 13 is the next January, day 0 the day before the first.
fn rolled_date(fields: &Fields) -> Option<NaiveDate> {
    let months = fields.month - 1;
    let year = i32::try_from(fields.year + months.div_euclid(12)).ok()?;
    let first = NaiveDate::from_ymd_opt(year, months.rem_euclid(12) as u32 + 1, 1)?;
    first.checked_add_signed(TimeDelta::try_days(fields.day - 1)?)
}

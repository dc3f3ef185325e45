//! Java date patterns (`DateTimeFormatter`, `SimpleDateFormat`), English locale.
//! Rows D4.12, D4.14, D4.17, D4.18.

use chrono::{Datelike, NaiveDateTime, Timelike, Weekday};

use super::number::push_padded;

/// One part of a pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    /// A letter and how often it stands there: `MM` is `('M', 2)`.
    Field(char, usize),
    Text(String),
    OptionalStart,
    OptionalEnd,
}

/// A compiled pattern.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pattern {
    pub parts: Vec<Part>,
}

pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
pub(crate) const DAYS: [&str; 7] =
    ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];

impl Pattern {
    /// # Errors
    /// An unclosed quote, or a letter that Java has no meaning for.
    pub fn compile(text: &str) -> Result<Pattern, String> {
        let mut parts: Vec<Part> = Vec::new();
        let mut letters = text.chars().peekable();
        while let Some(letter) = letters.next() {
            match letter {
                '\'' => push_text(&mut parts, &quoted(&mut letters, text)?),
                '[' => parts.push(Part::OptionalStart),
                ']' => parts.push(Part::OptionalEnd),
                letter if letter.is_ascii_alphabetic() => {
                    let mut count = 1;
                    while letters.next_if_eq(&letter).is_some() {
                        count += 1;
                    }
                    if !"yuYMLdDEecwWFQqHhkKmsSaAnNGzZXxVO".contains(letter) {
                        return Err(format!("Unknown pattern letter: {letter}"));
                    }
                    parts.push(Part::Field(letter, count));
                }
                other => push_text(&mut parts, other.encode_utf8(&mut [0; 4])),
            }
        }
        Ok(Pattern { parts })
    }

    /// The text of a wall clock.
    ///
    /// # Errors
    /// A zone letter: a wall clock has no zone (row D4.12).
    pub fn format(&self, value: NaiveDateTime) -> Result<String, String> {
        let mut out = String::with_capacity(32);
        for part in &self.parts {
            match part {
                Part::Text(text) => out.push_str(text),
                Part::Field(letter, count) => field(&mut out, *letter, *count, value)?,
                Part::OptionalStart | Part::OptionalEnd => {}
            }
        }
        Ok(out)
    }
}

fn quoted(
    letters: &mut std::iter::Peekable<std::str::Chars<'_>>,
    pattern: &str,
) -> Result<String, String> {
    let mut text = String::new();
    loop {
        match letters.next() {
            Some('\'') if letters.next_if_eq(&'\'').is_some() => text.push('\''),
            // Two quotes with nothing between them are one quote.
            Some('\'') if text.is_empty() => return Ok("'".to_owned()),
            Some('\'') => return Ok(text),
            Some(letter) => text.push(letter),
            None => {
                return Err(format!("Pattern ends with an incomplete string literal: {pattern}"));
            }
        }
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        Some(Part::Text(last)) => last.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    }
}

/// Week-based year and week with Sunday first and one day in the first week, the
/// rule of the English (US) locale for `Y` and `w`.
pub(crate) fn us_week(value: NaiveDateTime) -> (i32, u32) {
    let date = value.date();
    let january =
        |year| chrono::NaiveDate::from_ymd_opt(year, 1, 1).unwrap_or(chrono::NaiveDate::MIN);
    let next = january(date.year() + 1);
    let days_to_next = (next - date).num_days();
    if days_to_next <= i64::from(next.weekday().num_days_from_sunday()) {
        return (date.year() + 1, 1);
    }
    let first = january(date.year()).weekday().num_days_from_sunday();
    (date.year(), (date.ordinal0() + first) / 7 + 1)
}

fn name(out: &mut String, full: &str, count: usize) {
    out.push_str(match count {
        4 => full,
        5 => &full[..1],
        _ => &full[..3],
    });
}

fn field(out: &mut String, letter: char, count: usize, value: NaiveDateTime) -> Result<(), String> {
    let hour = i64::from(value.hour());
    match letter {
        'y' | 'u' if count == 2 => push_padded(out, i64::from(value.year().rem_euclid(100)), 2),
        'y' | 'u' => push_padded(out, i64::from(value.year()), count),
        'Y' if count == 2 => push_padded(out, i64::from(us_week(value).0.rem_euclid(100)), 2),
        'Y' => push_padded(out, i64::from(us_week(value).0), count),
        'M' | 'L' if count >= 3 => name(out, MONTHS[value.month0() as usize], count),
        'M' | 'L' => push_padded(out, i64::from(value.month()), count),
        'd' => push_padded(out, i64::from(value.day()), count),
        'D' => push_padded(out, i64::from(value.ordinal()), count),
        'E' => name(out, DAYS[value.weekday().num_days_from_monday() as usize], count),
        'e' | 'c' if count >= 3 => {
            name(out, DAYS[value.weekday().num_days_from_monday() as usize], count);
        }
        'e' | 'c' => push_padded(out, i64::from(value.weekday().num_days_from_sunday()) + 1, count),
        'w' => push_padded(out, i64::from(us_week(value).1), count),
        'W' => push_padded(out, week_of_month(value), count),
        'F' => push_padded(out, i64::from(value.day0() / 7) + 1, count),
        'Q' | 'q' if count >= 3 => {
            out.push('Q');
            push_padded(out, i64::from(value.month0() / 3) + 1, 1);
        }
        'Q' | 'q' => push_padded(out, i64::from(value.month0() / 3) + 1, count),
        'H' => push_padded(out, hour, count),
        'k' => push_padded(out, if hour == 0 { 24 } else { hour }, count),
        'K' => push_padded(out, hour % 12, count),
        'h' => push_padded(out, if hour % 12 == 0 { 12 } else { hour % 12 }, count),
        'm' => push_padded(out, i64::from(value.minute()), count),
        's' => push_padded(out, i64::from(value.second()), count),
        'S' => fraction(out, value.nanosecond(), count),
        'A' => push_padded(
            out,
            i64::from(value.num_seconds_from_midnight()) * 1000
                + i64::from(value.nanosecond() / 1_000_000),
            count,
        ),
        'n' => push_padded(out, i64::from(value.nanosecond()), count),
        'N' => push_padded(
            out,
            i64::from(value.num_seconds_from_midnight()) * 1_000_000_000
                + i64::from(value.nanosecond()),
            count,
        ),
        'a' => out.push_str(if hour < 12 { "AM" } else { "PM" }),
        'G' => out.push_str(if value.year() > 0 { "AD" } else { "BC" }),
        zone => {
            return Err(format!(
                "Unable to extract the zone for pattern letter '{zone}' from a timestamp without one"
            ));
        }
    }
    Ok(())
}

fn week_of_month(value: NaiveDateTime) -> i64 {
    let first = value.date().with_day(1).map_or(Weekday::Sun, |date| date.weekday());
    i64::from((value.day0() + first.num_days_from_sunday()) / 7) + 1
}

fn fraction(out: &mut String, nanos: u32, count: usize) {
    let digits = format!("{nanos:09}");
    out.push_str(&digits[..count.min(9)]);
    out.extend(std::iter::repeat_n('0', count.saturating_sub(9)));
}

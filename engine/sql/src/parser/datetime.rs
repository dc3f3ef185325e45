//! Date, time, timestamp and interval literals (rows A1.8 and A1.9).

use super::{Parsed, Parser};
use crate::ast::{Expr, ExprKind, LiteralValue, Text};
use crate::diagnostic::Problem;

const MS_PER_DAY: i64 = 86_400_000;
const NANOSECONDS_PER_DAY: i128 = 86_400_000_000_000;

impl Parser<'_> {
    /// `DATE '...'`, `TIME '...'`, `TIMESTAMP '...'`.
    pub(super) fn datetime_literal(&mut self, word: &str) -> Parsed<Expr> {
        let start = self.advance().span;
        let text = self.text("a string")?;
        let value = match word {
            "DATE" => parse_date(&text.value).map(LiteralValue::Date),
            "TIME" => parse_time(&text.value)
                .map(|(nanoseconds, _)| LiteralValue::Time(nanoseconds / 1_000_000)),
            _ => parse_timestamp(&text.value)
                .map(|(nanoseconds, precision)| LiteralValue::Timestamp { nanoseconds, precision }),
        };
        let form = match word {
            "DATE" => "yyyy-MM-dd",
            "TIME" => "HH:mm:ss[.f]",
            _ => "yyyy-MM-dd HH:mm:ss[.f]",
        };
        let value = value.ok_or_else(|| {
            Problem::new(
                text.span,
                format!("'{}' is no {word} literal; its form is '{form}'", text.value),
            )
        })?;
        Ok(Expr { kind: ExprKind::Literal(value), span: start.to(text.span) })
    }

    /// `INTERVAL '10' MINUTE`, `INTERVAL '1 02:03:04.5' DAY TO SECOND`.
    pub(super) fn interval_literal(&mut self) -> Parsed<Expr> {
        let start = self.advance().span;
        let negative = self.accept_symbol("-");
        let text = self.text("the interval in single quotes")?;
        let first = self.interval_unit()?;
        let last = if self.accept_word("TO") { Some(self.interval_unit()?) } else { None };
        let value = interval(&text, first, last)?;
        let value = if negative { negated(value) } else { value };
        Ok(Expr { kind: ExprKind::Literal(value), span: self.since(start) })
    }

    fn interval_unit(&mut self) -> Parsed<Unit> {
        for (singular, plural, unit) in UNITS {
            if self.accept_word(singular) || self.accept_word(plural) {
                if self.accept_symbol("(") {
                    self.comma_separated(|parser| parser.whole_number("a precision"))?;
                    self.expect_symbol(")")?;
                }
                return Ok(unit);
            }
        }
        Err(self.expected("YEAR, MONTH, DAY, HOUR, MINUTE or SECOND"))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Unit {
    Year,
    Quarter,
    Month,
    Week,
    Day,
    Hour,
    Minute,
    Second,
}

const UNITS: [(&str, &str, Unit); 8] = [
    ("YEAR", "YEARS", Unit::Year),
    ("QUARTER", "QUARTERS", Unit::Quarter),
    ("MONTH", "MONTHS", Unit::Month),
    ("WEEK", "WEEKS", Unit::Week),
    ("DAY", "DAYS", Unit::Day),
    ("HOUR", "HOURS", Unit::Hour),
    ("MINUTE", "MINUTES", Unit::Minute),
    ("SECOND", "SECONDS", Unit::Second),
];

impl Unit {
    fn milliseconds(self) -> i64 {
        match self {
            Unit::Week => 7 * MS_PER_DAY,
            Unit::Day => MS_PER_DAY,
            Unit::Hour => 3_600_000,
            Unit::Minute => 60_000,
            _ => 1_000,
        }
    }

    fn months(self) -> Option<i64> {
        match self {
            Unit::Year => Some(12),
            Unit::Quarter => Some(3),
            Unit::Month => Some(1),
            _ => None,
        }
    }
}

fn interval(text: &Text, first: Unit, last: Option<Unit>) -> Parsed<LiteralValue> {
    let bad = || Problem::new(text.span, format!("'{}' is no interval of these units", text.value));
    let trimmed = text.value.trim();
    let (sign, digits) = match trimmed.strip_prefix('-') {
        Some(rest) => (-1, rest.trim_start()),
        None => (1, trimmed.strip_prefix('+').unwrap_or(trimmed)),
    };
    let value = match (first.months(), last) {
        (Some(months), None) => {
            whole(digits).and_then(|count| count.checked_mul(months)).map(LiteralValue::YearMonth)
        }
        (Some(_), Some(Unit::Month)) => year_to_month(digits).map(LiteralValue::YearMonth),
        (None, None) => single_day_time(digits, first).map(LiteralValue::DayTime),
        (None, Some(last)) if last > first => {
            day_time_range(digits, first, last).map(LiteralValue::DayTime)
        }
        _ => None,
    };
    let value = value.ok_or_else(bad)?;
    Ok(if sign < 0 { negated(value) } else { value })
}

fn negated(value: LiteralValue) -> LiteralValue {
    match value {
        LiteralValue::YearMonth(months) => LiteralValue::YearMonth(-months),
        LiteralValue::DayTime(ms) => LiteralValue::DayTime(-ms),
        other => other,
    }
}

fn whole(digits: &str) -> Option<i64> {
    let all_digits = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if all_digits { digits.parse().ok() } else { None }
}

fn year_to_month(digits: &str) -> Option<i64> {
    let (years, months) = digits.split_once('-')?;
    let months = whole(months).filter(|months| *months < 12)?;
    whole(years)?.checked_mul(12)?.checked_add(months)
}

fn single_day_time(digits: &str, unit: Unit) -> Option<i64> {
    if unit == Unit::Second {
        return seconds_ms(digits, i64::MAX / 1_000);
    }
    whole(digits)?.checked_mul(unit.milliseconds())
}

// `12` or `12.5`; digits behind the millisecond are cut off.
fn seconds_ms(digits: &str, most: i64) -> Option<i64> {
    let (seconds, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let seconds = whole(seconds).filter(|seconds| *seconds < most)?;
    let (nanoseconds, _) = parse_fraction(fraction)?;
    seconds.checked_mul(1_000)?.checked_add(nanoseconds / 1_000_000)
}

// `1 02:03:04.5` from `first` to `last`; each part but the first is below its limit.
fn day_time_range(digits: &str, first: Unit, last: Unit) -> Option<i64> {
    let mut parts: Vec<&str> = Vec::new();
    let time = match (first, digits.split_once(' ')) {
        (Unit::Day, Some((days, time))) => {
            parts.push(days);
            time.trim_start()
        }
        (Unit::Day, None) => return None,
        _ => digits,
    };
    parts.extend(time.split(':'));
    let units: Vec<Unit> = [Unit::Day, Unit::Hour, Unit::Minute, Unit::Second]
        .into_iter()
        .filter(|unit| (first..=last).contains(unit))
        .collect();
    if parts.len() != units.len() {
        return None;
    }
    let mut total: i64 = 0;
    for (position, (part, unit)) in parts.iter().zip(&units).enumerate() {
        total = total.checked_add(range_part(part, *unit, position == 0)?)?;
    }
    Some(total)
}

fn range_part(part: &str, unit: Unit, is_first: bool) -> Option<i64> {
    let limit = match unit {
        _ if is_first => i64::MAX / MS_PER_DAY,
        Unit::Hour => 24,
        _ => 60,
    };
    if unit == Unit::Second {
        return seconds_ms(part, limit);
    }
    whole(part).filter(|count| *count < limit)?.checked_mul(unit.milliseconds())
}

// Up to nine digits; nanoseconds and the number of digits.
fn parse_fraction(digits: &str) -> Option<(i64, u8)> {
    if digits.is_empty() {
        return Some((0, 0));
    }
    whole(digits)?;
    let kept = &digits[..digits.len().min(9)];
    let scale = 10_i64.pow(9 - kept.len() as u32);
    Some((whole(kept)? * scale, kept.len() as u8))
}

fn parse_date(text: &str) -> Option<i32> {
    let mut parts = text.split('-');
    let (year, month, day) = (parts.next()?, parts.next()?, parts.next()?);
    if parts.next().is_some() || year.len() != 4 {
        return None;
    }
    let (year, month, day) = (whole(year)?, whole(month)?, whole(day)?);
    ((1..=12).contains(&month) && (1..=days_in_month(year, month)).contains(&day))
        .then(|| days_from_civil(year, month, day))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

// Howard Hinnant's `days_from_civil`: the year starts in March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i32 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    (era * 146_097 + day_of_era - 719_468) as i32
}

// Nanoseconds of the day and the fraction's digits.
fn parse_time(text: &str) -> Option<(i64, u8)> {
    let (clock, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = clock.split(':');
    let (hour, minute, second) =
        (whole(parts.next()?)?, whole(parts.next()?)?, whole(parts.next()?)?);
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let (nanoseconds, precision) = parse_fraction(fraction)?;
    Some(((hour * 3_600 + minute * 60 + second) * 1_000_000_000 + nanoseconds, precision))
}

fn parse_timestamp(text: &str) -> Option<(i128, u8)> {
    let (date, time) = text.split_once(' ')?;
    let days = i128::from(parse_date(date)?);
    let (nanoseconds, precision) = parse_time(time)?;
    Some((days * NANOSECONDS_PER_DAY + i128::from(nanoseconds), precision))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(script: &str) -> Result<LiteralValue, String> {
        let (tokens, _) = crate::lexer::tokenize(script);
        let mut parser = Parser { tokens: &tokens, at: 0, depth: 0 };
        match parser.expression() {
            Ok(Expr { kind: ExprKind::Literal(value), .. }) => Ok(value),
            Ok(other) => Err(format!("{other:?}")),
            Err(problem) => Err(problem.message),
        }
    }

    #[test]
    fn a1_8_datetime_literals() {
        for (script, expected) in [
            ("DATE '1970-01-02'", LiteralValue::Date(1)),
            ("DATE '2020-02-29'", LiteralValue::Date(18_321)),
            ("DATE '0001-01-01'", LiteralValue::Date(-719_162)),
            ("TIME '00:00:01.789'", LiteralValue::Time(1_789)),
            (
                "TIMESTAMP '1970-01-01 00:00:01'",
                LiteralValue::Timestamp { nanoseconds: 1_000_000_000, precision: 0 },
            ),
            (
                "TIMESTAMP '1969-12-31 23:59:59.25'",
                LiteralValue::Timestamp { nanoseconds: -750_000_000, precision: 2 },
            ),
        ] {
            assert_eq!(literal(script), Ok(expected), "{script}");
        }
        for script in
            ["DATE '2021-02-29'", "DATE '2021-13-01'", "TIME '24:00:00'", "TIMESTAMP '2020-01-01'"]
        {
            assert!(literal(script).is_err(), "{script}");
        }
    }

    #[test]
    fn a1_9_interval_literals() {
        for (script, expected) in [
            ("INTERVAL '10' MINUTE", LiteralValue::DayTime(600_000)),
            ("INTERVAL '10' MINUTES", LiteralValue::DayTime(600_000)),
            ("INTERVAL '0.001' SECOND", LiteralValue::DayTime(1)),
            ("INTERVAL '-5' DAY", LiteralValue::DayTime(-432_000_000)),
            ("INTERVAL - '5' DAY", LiteralValue::DayTime(-432_000_000)),
            ("- INTERVAL '5' DAY", LiteralValue::DayTime(-432_000_000)),
            ("INTERVAL '1 02:03:04.5' DAY TO SECOND", LiteralValue::DayTime(93_784_500)),
            ("INTERVAL '02:03' HOUR TO MINUTE", LiteralValue::DayTime(7_380_000)),
            ("INTERVAL '100:00' MINUTE TO SECOND", LiteralValue::DayTime(6_000_000)),
            ("INTERVAL '2-10' YEAR TO MONTH", LiteralValue::YearMonth(34)),
            ("INTERVAL '3' YEAR", LiteralValue::YearMonth(36)),
            ("INTERVAL '10' SECOND(3)", LiteralValue::DayTime(10_000)),
        ] {
            assert_eq!(literal(script), Ok(expected), "{script}");
        }
        for script in [
            "INTERVAL 'x' DAY",
            "INTERVAL '1' FORTNIGHT",
            "INTERVAL '1' SECOND TO DAY",
            "INTERVAL '1 25:00:00' DAY TO SECOND",
            "INTERVAL '99999999999999999999' DAY",
            "INTERVAL '9999999999999999' DAY",
        ] {
            assert!(literal(script).is_err(), "{script}");
        }
    }

    #[test]
    fn every_day_of_four_centuries_follows_the_one_before() {
        let mut previous = days_from_civil(1899, 12, 31);
        for year in 1900..2300 {
            for month in 1..=12 {
                for day in 1..=days_in_month(year, month) {
                    let days = days_from_civil(year, month, day);
                    assert_eq!(days, previous + 1, "{year}-{month}-{day}");
                    previous = days;
                }
            }
        }
    }
}

//! Dates and times of day as text, in the two standards of Flink's formats
//! (row G10.3) and in Java's own `toString`.

/// How a timestamp is written: `SQL` separates date and time by a space, `ISO-8601`
/// by a `T`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimestampStandard {
    #[default]
    Sql,
    Iso8601,
}

/// Seconds since the epoch and nanoseconds of the second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Moment {
    pub seconds: i64,
    pub nanos: u32,
}

const SECONDS_A_DAY: i64 = 86_400;

impl Moment {
    /// The moment of a value in Arrow's unit for a precision (see
    /// `millrace_dataflow::types::time_unit`).
    pub fn of(value: i64, precision: u8) -> Moment {
        let units = units_a_second(precision);
        Moment {
            seconds: value.div_euclid(units),
            nanos: (value.rem_euclid(units) * (1_000_000_000 / units)) as u32,
        }
    }

    /// The value in Arrow's unit, cut (not rounded) to the precision (row G10.12);
    /// `None` when the unit cannot hold it.
    pub fn to_units(self, precision: u8) -> Option<i64> {
        let units = units_a_second(precision);
        let kept = 10_u32.pow(9 - u32::from(precision.min(9)));
        let nanos = i64::from(self.nanos / kept * kept);
        self.seconds.checked_mul(units)?.checked_add(nanos / (1_000_000_000 / units))
    }
}

fn units_a_second(precision: u8) -> i64 {
    match precision {
        0..=3 => 1_000,
        4..=6 => 1_000_000,
        _ => 1_000_000_000,
    }
}

/// Days since the epoch of a proleptic Gregorian date.
pub fn days_of_date(year: i64, month: u32, day: u32) -> i64 {
    let shifted = if month <= 2 { year - 1 } else { year };
    let era = shifted.div_euclid(400);
    let year_of_era = shifted.rem_euclid(400);
    let month_index = i64::from((month + 9) % 12);
    let day_of_year = (153 * month_index + 2) / 5 + i64::from(day) - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day of a number of days since the epoch.
pub fn date_of_days(days: i64) -> (i64, u32, u32) {
    let shifted = days + 719_468;
    let era = shifted.div_euclid(146_097);
    let day_of_era = shifted.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_index = (5 * day_of_year + 2) / 153;
    let day = (day_of_year - (153 * month_index + 2) / 5 + 1) as u32;
    let month = if month_index < 10 { month_index + 3 } else { month_index - 9 } as u32;
    (year_of_era + era * 400 + i64::from(month <= 2), month, day)
}

fn days_in_month(year: i64, month: u32) -> u32 {
    match month {
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// `yyyy-MM-dd` as days since the epoch.
pub fn parse_date(text: &[u8]) -> Option<i32> {
    if text.len() != 10 || text[4] != b'-' || text[7] != b'-' {
        return None;
    }
    let (year, month, day) = (digits(&text[..4])?, digits(&text[5..7])?, digits(&text[8..])?);
    let valid = (1..=12).contains(&month) && day >= 1 && day <= days_in_month(year.into(), month);
    valid.then(|| days_of_date(year.into(), month, day) as i32)
}

/// `HH:mm:ss[.f]` as seconds of the day and nanoseconds; `HH:mm` too where
/// `short` allows it (ISO-8601).
pub fn parse_time(text: &[u8], short: bool) -> Option<(u32, u32)> {
    if text.len() < 5 || text[2] != b':' {
        return None;
    }
    let (hour, minute) = (digits(&text[..2])?, digits(&text[3..5])?);
    let (second, nanos) = match text.get(5) {
        None if short => (0, 0),
        Some(b':') if text.len() >= 8 => (digits(&text[6..8])?, fraction(&text[8..])?),
        _ => return None,
    };
    let valid = hour < 24 && minute < 60 && second < 60;
    valid.then_some((hour * 3_600 + minute * 60 + second, nanos))
}

/// A timestamp in a standard; `zoned` asks for the `Z` of a TIMESTAMP_LTZ.
pub fn parse_timestamp(text: &[u8], standard: TimestampStandard, zoned: bool) -> Option<Moment> {
    let text = if zoned { text.strip_suffix(b"Z")? } else { text };
    let separator = match standard {
        TimestampStandard::Sql => b' ',
        TimestampStandard::Iso8601 => b'T',
    };
    if text.len() < 16 || text[10] != separator {
        return None;
    }
    let days = parse_date(&text[..10])?;
    let (second, nanos) = parse_time(&text[11..], standard == TimestampStandard::Iso8601)?;
    Some(Moment { seconds: i64::from(days) * SECONDS_A_DAY + i64::from(second), nanos })
}

fn digits(text: &[u8]) -> Option<u32> {
    text.iter().try_fold(0, |number, byte| {
        byte.is_ascii_digit().then(|| number * 10 + u32::from(byte - b'0'))
    })
}

fn fraction(text: &[u8]) -> Option<u32> {
    let Some((first, rest)) = text.split_first() else { return Some(0) };
    if *first != b'.' || rest.len() > 9 {
        return None;
    }
    Some(digits(rest)? * 10_u32.pow(9 - rest.len() as u32))
}

/// Appends `yyyy-MM-dd`.
pub fn write_date(days: i64, out: &mut Vec<u8>) {
    let (year, month, day) = date_of_days(days);
    if (0..=9_999).contains(&year) {
        let year = year as u32;
        write_two(year / 100, out);
        write_two(year % 100, out);
    } else {
        // Java: a sign before years of more than four digits.
        out.extend_from_slice(format!("{year:+05}").as_bytes());
    }
    out.push(b'-');
    write_two(month, out);
    out.push(b'-');
    write_two(day, out);
}

fn write_two(value: u32, out: &mut Vec<u8>) {
    out.push(b'0' + (value / 10 % 10) as u8);
    out.push(b'0' + (value % 10) as u8);
}

/// Appends `HH:mm:ss` and the fraction without trailing zeros.
pub fn write_time(second_of_day: u32, nanos: u32, out: &mut Vec<u8>) {
    write_clock(second_of_day, out);
    write_trimmed_fraction(nanos, out);
}

fn write_clock(second_of_day: u32, out: &mut Vec<u8>) {
    write_two(second_of_day / 3_600, out);
    out.push(b':');
    write_two(second_of_day / 60 % 60, out);
    out.push(b':');
    write_two(second_of_day % 60, out);
}

fn write_trimmed_fraction(nanos: u32, out: &mut Vec<u8>) {
    if nanos == 0 {
        return;
    }
    write_fraction(nanos, 9, out);
    while out.last() == Some(&b'0') {
        out.pop();
    }
}

fn write_fraction(nanos: u32, places: usize, out: &mut Vec<u8>) {
    out.push(b'.');
    out.extend_from_slice(&format!("{nanos:09}").as_bytes()[..places]);
}

/// Appends a timestamp in a standard, with trailing zeros of the fraction trimmed,
/// and `Z` when `zoned` (row G10.14).
pub fn write_timestamp(
    moment: Moment,
    standard: TimestampStandard,
    zoned: bool,
    out: &mut Vec<u8>,
) {
    write_date(moment.seconds.div_euclid(SECONDS_A_DAY), out);
    out.push(match standard {
        TimestampStandard::Sql => b' ',
        TimestampStandard::Iso8601 => b'T',
    });
    write_time(moment.seconds.rem_euclid(SECONDS_A_DAY) as u32, moment.nanos, out);
    if zoned {
        out.push(b'Z');
    }
}

/// Appends Java's `LocalTime.toString`: no seconds when they are zero, the fraction
/// in groups of three digits.
pub fn write_java_time(second_of_day: u32, nanos: u32, out: &mut Vec<u8>) {
    if second_of_day.is_multiple_of(60) && nanos == 0 {
        write_two(second_of_day / 3_600, out);
        out.push(b':');
        return write_two(second_of_day / 60 % 60, out);
    }
    write_clock(second_of_day, out);
    write_grouped_fraction(nanos, out);
}

fn write_grouped_fraction(nanos: u32, out: &mut Vec<u8>) {
    match nanos {
        0 => {}
        nanos if nanos % 1_000_000 == 0 => write_fraction(nanos, 3, out),
        nanos if nanos % 1_000 == 0 => write_fraction(nanos, 6, out),
        nanos => write_fraction(nanos, 9, out),
    }
}

/// Appends Java's `LocalDateTime.toString`, or `Instant.toString` when `zoned`
/// (which always shows seconds).
pub fn write_java_timestamp(moment: Moment, zoned: bool, out: &mut Vec<u8>) {
    let second_of_day = moment.seconds.rem_euclid(SECONDS_A_DAY) as u32;
    write_date(moment.seconds.div_euclid(SECONDS_A_DAY), out);
    out.push(b'T');
    if !zoned {
        return write_java_time(second_of_day, moment.nanos, out);
    }
    write_clock(second_of_day, out);
    write_grouped_fraction(moment.nanos, out);
    out.push(b'Z');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("times are ASCII")
    }

    #[test]
    fn dates_go_both_ways() {
        for (date, days) in [
            ("1970-01-01", 0),
            ("1969-12-31", -1),
            ("2000-02-29", 11_016),
            ("2020-12-31", 18_627),
            ("0001-01-01", -719_162),
            ("9999-12-31", 2_932_896),
        ] {
            assert_eq!(parse_date(date.as_bytes()), Some(days));
            assert_eq!(text(|out| write_date(days.into(), out)), date);
        }
        for bad in ["2020-13-01", "2021-02-29", "2020-1-1", "2020-00-01", "2020-01-00", "x"] {
            assert_eq!(parse_date(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn g10_3_timestamps_by_standard() {
        use TimestampStandard::{Iso8601, Sql};
        let moment = |seconds, nanos| Some(Moment { seconds, nanos });
        let cases = [
            ("1970-01-01 00:00:01.5", Sql, false, moment(1, 500_000_000)),
            ("1970-01-01 00:00:01.123456789", Sql, false, moment(1, 123_456_789)),
            ("1970-01-01 00:00:01Z", Sql, true, moment(1, 0)),
            ("1969-12-31 23:59:59.5", Sql, false, moment(-1, 500_000_000)),
            ("1970-01-01T00:01", Iso8601, false, moment(60, 0)),
            ("1970-01-01T00:00:01.1Z", Iso8601, true, moment(1, 100_000_000)),
            ("1970-01-01T00:00:01", Sql, false, None),
            ("1970-01-01 00:00:01", Iso8601, false, None),
            ("1970-01-01 00:00:01", Sql, true, None),
            ("1970-01-01 00:00", Sql, false, None),
            ("1970-01-01 24:00:00", Sql, false, None),
            ("1970-01-01 00:00:01.1234567890", Sql, false, None),
        ];
        for (input, standard, zoned, expected) in cases {
            assert_eq!(parse_timestamp(input.as_bytes(), standard, zoned), expected, "{input}");
        }
    }

    #[test]
    fn g10_12_more_digits_than_the_precision_are_cut() {
        let moment = Moment { seconds: -1, nanos: 123_987_654 };
        assert_eq!(moment.to_units(3), Some(-877));
        assert_eq!(moment.to_units(1), Some(-900));
        assert_eq!(moment.to_units(6), Some(-876_013));
        assert_eq!(moment.to_units(9), Some(-876_012_346));
        assert_eq!(Moment::of(-877, 3), Moment { seconds: -1, nanos: 123_000_000 });
        assert_eq!(Moment { seconds: i64::MAX / 10, nanos: 0 }.to_units(9), None);
    }

    #[test]
    fn java_leaves_out_zero_seconds_and_groups_the_fraction() {
        let local = |seconds, nanos| {
            text(|out| write_java_timestamp(Moment { seconds, nanos }, false, out))
        };
        assert_eq!(local(0, 0), "1970-01-01T00:00");
        assert_eq!(local(1, 100_000_000), "1970-01-01T00:00:01.100");
        assert_eq!(local(0, 1_000), "1970-01-01T00:00:00.000001");
        let instant = text(|out| {
            write_java_timestamp(Moment { seconds: 60, nanos: 0 }, true, out);
        });
        assert_eq!(instant, "1970-01-01T00:01:00Z");
    }
}

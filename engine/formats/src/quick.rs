//! Values read from the place where they stand in a record, for the common shapes of
//! them. `None` says nothing about the value: whoever asked reads it the long way.

use crate::lanes;
use crate::time::{self, Moment, TimestampStandard};

/// A whole number as JSON writes it (no `+`, no leading zeros) of up to 16 digits, and
/// where it ends; what follows is not looked at.
#[inline]
pub(crate) fn integer(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let negative = bytes.get(at) == Some(&b'-');
    let start = at + usize::from(negative);
    let chunk = u128::from_le_bytes(lanes::chunk(bytes, start));
    let (first, count) = leading_digits(chunk as u64);
    if count == 0 || (count > 1 && chunk as u8 == b'0') {
        return None;
    }
    let (magnitude, count) = if count < 8 {
        (first, count)
    } else {
        let (second, more) = leading_digits((chunk >> 64) as u64);
        if more == 8 {
            return None; // perhaps goes on
        }
        (first * POWERS[more] + second, 8 + more)
    };
    let value = magnitude as i64;
    Some((if negative { -value } else { value }, start + count))
}

const POWERS: [u64; 8] = [1, 10, 100, 1_000, 10_000, 100_000, 1_000_000, 10_000_000];

/// The number that the first of eight characters make, and how many are digits.
#[inline]
fn leading_digits(word: u64) -> (u64, usize) {
    let digits = word ^ 0x3030_3030_3030_3030;
    // The high bit of the first byte above 9 is right; those behind it do not matter.
    let others = (digits.wrapping_add(0x7676_7676_7676_7676) | digits) & 0x8080_8080_8080_8080;
    let count = others.trailing_zeros() as usize / 8;
    if count == 0 {
        return (0, 0);
    }
    // As eight digits with zeros in front; neighbours are added up pair by pair.
    let word = digits << (64 - 8 * count);
    let pairs = word.wrapping_mul(10).wrapping_add(word >> 8);
    let low = (pairs & 0x0000_00FF_0000_00FF).wrapping_mul(0x000F_4240_0000_0064);
    let high = ((pairs >> 16) & 0x0000_00FF_0000_00FF).wrapping_mul(0x0000_2710_0000_0001);
    (low.wrapping_add(high) >> 32, count)
}

/// Reads timestamps; remembers the last day, which mostly is the next one's, too.
#[derive(Debug)]
pub(crate) struct Timestamps {
    day: [u8; 10],
    days: i32,
}

impl Default for Timestamps {
    fn default() -> Timestamps {
        Timestamps { day: *b"1970-01-01", days: 0 }
    }
}

impl Timestamps {
    /// The value of a timestamp in the unit of its precision, as
    /// [`time::parse_timestamp`] and [`Moment::to_units`] give it.
    #[inline]
    pub fn value(
        &mut self,
        text: &[u8],
        standard: TimestampStandard,
        zoned: bool,
        precision: u8,
    ) -> Option<i64> {
        let text = if zoned { text.strip_suffix(b"Z")? } else { text };
        let (day, rest) = text.split_first_chunk::<10>()?;
        let (separator, rest) = rest.split_first()?;
        let (second, nanos) = clock(rest)?;
        if *separator != if standard == TimestampStandard::Sql { b' ' } else { b'T' } {
            return None;
        }
        if *day != self.day {
            self.days = time::parse_date(day)?;
            self.day = *day;
        }
        let seconds = i64::from(self.days) * 86_400 + i64::from(second);
        match precision {
            3 => Some(seconds * 1_000 + i64::from(nanos / 1_000_000)),
            _ => Moment { seconds, nanos }.to_units(precision),
        }
    }
}

/// `HH:mm:ss[.f]` as seconds and nanoseconds.
#[inline]
fn clock(text: &[u8]) -> Option<(u32, u32)> {
    let (clock, rest) = text.split_first_chunk::<8>()?;
    let digit = |at: usize| u32::from(clock[at].wrapping_sub(b'0'));
    let is_digit = |at: usize| digit(at) <= 9;
    let shaped = is_digit(0) & is_digit(1) & is_digit(3) & is_digit(4) & is_digit(6) & is_digit(7);
    if !shaped || clock[2] != b':' || clock[5] != b':' {
        return None;
    }
    let (hour, minute) = (digit(0) * 10 + digit(1), digit(3) * 10 + digit(4));
    let second = digit(6) * 10 + digit(7);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    Some((hour * 3_600 + minute * 60 + second, fraction(rest)?))
}

#[inline]
fn fraction(text: &[u8]) -> Option<u32> {
    let Some((point, digits)) = text.split_first() else { return Some(0) };
    if *point != b'.' || digits.len() > 9 {
        return None;
    }
    let mut value = 0;
    for byte in digits {
        let digit = u32::from(byte.wrapping_sub(b'0'));
        if digit > 9 {
            return None;
        }
        value = value * 10 + digit;
    }
    Some(value * SCALES[digits.len()])
}

const SCALES: [u32; 10] =
    [1_000_000_000, 100_000_000, 10_000_000, 1_000_000, 100_000, 10_000, 1_000, 100, 10, 1];

/// Writes timestamps; remembers the last day's text.
#[derive(Debug)]
pub(crate) struct TimestampTexts {
    days: i64,
    day: [u8; 10],
}

/// A short text: the first `length` bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Short {
    pub bytes: [u8; 32],
    pub length: usize,
}

impl Short {
    pub fn text(&self) -> &[u8] {
        &self.bytes[..self.length]
    }
}

impl Default for TimestampTexts {
    fn default() -> TimestampTexts {
        TimestampTexts { days: 0, day: *b"1970-01-01" }
    }
}

impl TimestampTexts {
    /// What [`time::write_timestamp`] writes of a value in the unit of its precision;
    /// `None` for years of more than four digits.
    #[inline]
    pub fn text(
        &mut self,
        value: i64,
        precision: u8,
        standard: TimestampStandard,
        zoned: bool,
    ) -> Option<Short> {
        let Moment { seconds, nanos } = match precision {
            0..=3 => Moment {
                seconds: value.div_euclid(1_000),
                nanos: value.rem_euclid(1_000) as u32 * 1_000_000,
            },
            _ => Moment::of(value, precision),
        };
        self.look_up(seconds.div_euclid(86_400))?;
        let mut bytes = [0; 32];
        bytes[..10].copy_from_slice(&self.day);
        bytes[10] = if standard == TimestampStandard::Sql { b' ' } else { b'T' };
        let second = seconds.rem_euclid(86_400) as u32;
        let mut two = |at: usize, value: u32| {
            bytes[at] = b'0' + (value / 10) as u8;
            bytes[at + 1] = b'0' + (value % 10) as u8;
        };
        two(11, second / 3_600);
        two(14, second / 60 % 60);
        two(17, second % 60);
        (bytes[13], bytes[16]) = (b':', b':');
        let mut length = 19 + write_fraction(nanos, &mut bytes[19..29]);
        if zoned {
            bytes[length] = b'Z';
            length += 1;
        }
        Some(Short { bytes, length })
    }

    #[inline]
    fn look_up(&mut self, days: i64) -> Option<()> {
        if days != self.days {
            let mut text = Vec::new();
            time::write_date(days, &mut text);
            self.day = text.try_into().ok()?;
            self.days = days;
        }
        Some(())
    }
}

// The point and the digits up to the last that is not 0; how many bytes.
#[inline]
fn write_fraction(nanos: u32, out: &mut [u8]) -> usize {
    if nanos == 0 {
        return 0;
    }
    out[0] = b'.';
    if nanos.is_multiple_of(1_000_000) {
        let millis = nanos / 1_000_000;
        let digits = [millis / 100, millis / 10 % 10, millis % 10].map(|digit| b'0' + digit as u8);
        out[1..4].copy_from_slice(&digits);
        return 4 - usize::from(digits[2] == b'0') - usize::from(digits[1..] == *b"00");
    }
    let (mut rest, mut scale, mut length) = (nanos, 100_000_000, 1);
    while rest > 0 {
        out[length] = b'0' + (rest / scale) as u8;
        rest %= scale;
        scale /= 10;
        length += 1;
    }
    length
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_what_the_long_way_reads() {
        let cases: &[(&str, Option<(i64, usize)>)] = &[
            ("0,", Some((0, 1))),
            ("-0}", Some((0, 2))),
            ("7", Some((7, 1))),
            ("1234567,", Some((1_234_567, 7))),
            ("12345678,", Some((12_345_678, 8))),
            ("-123456789012345:1", Some((-123_456_789_012_345, 16))),
            ("12.5", Some((12, 2))),
            ("1234567890123456", None),
            ("01", None),
            ("-", None),
            ("x", None),
            ("", None),
            ("/1", None),
            (":1", None),
        ];
        for (text, expected) in cases {
            assert_eq!(integer(text.as_bytes(), 0), *expected, "{text}");
        }
        for number in (0..64).map(|power| 3_i64.wrapping_pow(power) % 1_000_000_000_000_000) {
            let text = format!("{number}, and more than sixteen bytes");
            assert_eq!(integer(text.as_bytes(), 0).map(|(value, _)| value), Some(number));
        }
    }

    #[test]
    fn timestamps_are_what_the_long_way_reads() {
        let texts = [
            "2026-11-22 10:11:12.345",
            "2026-11-22 10:11:12",
            "2026-02-29 10:11:12",
            "1969-12-31 23:59:59.999999999",
            "2026-11-22 24:00:00",
            "2026-11-22 10:60:00",
            "2026-11-22 10:11:60",
            "2026-11-22 10:11:1x",
            "2026-11-22 10-11:12",
            "2026-11-22 10:11:12.",
            "2026-11-22 10:11:12.1234567890",
            "2026-11-22T10:11:12.5",
            "9999-12-31 00:00:00.1Z",
            "2026-11-22",
            "",
        ];
        let mut timestamps = Timestamps::default();
        for text in texts.iter().chain(texts.iter().rev()) {
            for standard in [TimestampStandard::Sql, TimestampStandard::Iso8601] {
                for (zoned, precision) in [(false, 3), (true, 3), (false, 0), (false, 6), (true, 9)]
                {
                    let long = time::parse_timestamp(text.as_bytes(), standard, zoned)
                        .and_then(|moment| moment.to_units(precision));
                    let quick = timestamps.value(text.as_bytes(), standard, zoned, precision);
                    assert_eq!(quick, long, "{text} {standard:?} {zoned} {precision}");
                }
            }
        }
    }

    #[test]
    fn timestamps_are_written_as_the_long_way_writes_them() {
        let mut texts = TimestampTexts::default();
        let values =
            [0, -1, 999, 1_000, 1_795_000_000_120, -62_135_596_800_000, i64::MAX, i64::MIN];
        for value in values.into_iter().flat_map(|value| [value, value / 7, value / 1_000]) {
            for (standard, zoned) in
                [(TimestampStandard::Sql, false), (TimestampStandard::Iso8601, true)]
            {
                for precision in [0, 3, 6, 9] {
                    let mut long = Vec::new();
                    let moment = Moment::of(value, precision);
                    time::write_timestamp(moment, standard, zoned, &mut long);
                    match texts.text(value, precision, standard, zoned) {
                        Some(short) => assert_eq!(short.text(), long, "{value} {precision}"),
                        None => assert!(long.starts_with(b"+") || long.starts_with(b"-")),
                    }
                }
            }
        }
    }
}

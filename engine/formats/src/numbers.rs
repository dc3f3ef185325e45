//! Numbers as Java reads and writes them.

/// Appends a DOUBLE as Java's `Double.toString`: `1.0`, `1.0E10`, `1.0E-5`, `NaN`.
pub fn write_f64(value: f64, out: &mut Vec<u8>) {
    if value == 0.0 || !value.is_finite() || (1e-3..1e7).contains(&value.abs()) {
        return write_plain(value.is_nan(), value.is_infinite(), value < 0.0, out, |out| {
            out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
        });
    }
    if value.fract() == 0.0 && value.abs() < LONG_LIMIT {
        return write_whole(value < 0.0, value.abs() as u64, f64::MANTISSA_DIGITS, out);
    }
    write_scientific(&format!("{value:e}"), out);
}

/// Appends a FLOAT as Java's `Float.toString`.
pub fn write_f32(value: f32, out: &mut Vec<u8>) {
    if value == 0.0 || !value.is_finite() || (1e-3..1e7).contains(&value.abs()) {
        return write_plain(value.is_nan(), value.is_infinite(), value < 0.0, out, |out| {
            out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
        });
    }
    if value.fract() == 0.0 && f64::from(value).abs() < LONG_LIMIT {
        return write_whole(value < 0.0, value.abs() as u64, f32::MANTISSA_DIGITS, out);
    }
    write_scientific(&format!("{value:e}"), out);
}

/// 2^63: whole numbers below it are written by way of a long.
const LONG_LIMIT: f64 = 9_223_372_036_854_775_808.0;

// Java up to 18, on which Flink 1.x runs, writes a large whole number with all digits
// of the long that it is, less those that its bits cannot tell apart; these are more
// digits than the shortest text that reads back as the same number has.
fn write_whole(negative: bool, magnitude: u64, mantissa_bits: u32, out: &mut Vec<u8>) {
    let spare_bits = magnitude.ilog2().saturating_sub(mantissa_bits + 1);
    let cut = (f64::from(spare_bits) * std::f64::consts::LOG10_2) as u32;
    let power = 10_u64.pow(cut);
    let rounds_up = power > 1 && magnitude % power >= power / 2;
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(magnitude / power + u64::from(rounds_up));
    let exponent = digits.len() - 1 + cut as usize;
    let (first, rest) = digits.split_at(1);
    let rest = rest.trim_end_matches('0');
    out.extend_from_slice(if negative { b"-" } else { b"" });
    out.extend_from_slice(first.as_bytes());
    out.push(b'.');
    out.extend_from_slice(if rest.is_empty() { "0" } else { rest }.as_bytes());
    out.push(b'E');
    out.extend_from_slice(itoa::Buffer::new().format(exponent).as_bytes());
}

fn write_plain(
    nan: bool,
    infinite: bool,
    negative: bool,
    out: &mut Vec<u8>,
    finite: impl FnOnce(&mut Vec<u8>),
) {
    match (nan, infinite, negative) {
        (true, _, _) => out.extend_from_slice(b"NaN"),
        (_, true, true) => out.extend_from_slice(b"-Infinity"),
        (_, true, false) => out.extend_from_slice(b"Infinity"),
        _ => finite(out),
    }
}

/// `1.5e10` becomes `1.5E10`, `1e10` becomes `1.0E10`.
fn write_scientific(text: &str, out: &mut Vec<u8>) {
    let (mantissa, exponent) = text.split_once('e').unwrap_or((text, "0"));
    out.extend_from_slice(mantissa.as_bytes());
    if !mantissa.contains('.') {
        out.extend_from_slice(b".0");
    }
    out.push(b'E');
    out.extend_from_slice(exponent.as_bytes());
}

/// Appends a DECIMAL with its scale kept: `1.50` (Java: `BigDecimal.toPlainString`).
pub fn write_decimal_plain(unscaled: i128, scale: u32, out: &mut Vec<u8>) {
    if unscaled < 0 {
        out.push(b'-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(unscaled.unsigned_abs()).as_bytes();
    let scale = scale as usize;
    if scale == 0 {
        return out.extend_from_slice(digits);
    }
    if digits.len() > scale {
        out.extend_from_slice(&digits[..digits.len() - scale]);
    } else {
        out.push(b'0');
    }
    out.push(b'.');
    out.extend(std::iter::repeat_n(b'0', scale.saturating_sub(digits.len())));
    out.extend_from_slice(&digits[digits.len().saturating_sub(scale)..]);
}

/// Appends a DECIMAL without its trailing zeros, in scientific notation where
/// Java's `BigDecimal.stripTrailingZeros().toString()` uses it: `1E+5`, `2.7E-8`,
/// `1.5`; `plain` writes the same value without an exponent.
pub fn write_decimal_stripped(unscaled: i128, scale: u32, plain: bool, out: &mut Vec<u8>) {
    let (mut value, mut scale) = (unscaled, i64::from(scale));
    if value == 0 {
        return out.push(b'0');
    }
    while value % 10 == 0 {
        value /= 10;
        scale -= 1;
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(value.unsigned_abs());
    let exponent = digits.len() as i64 - 1 - scale;
    match (scale, plain) {
        (0.., true) => write_decimal_plain(value, scale as u32, out),
        (0.., false) if exponent >= -6 => write_decimal_plain(value, scale as u32, out),
        (..0, true) => {
            write_decimal_plain(value, 0, out);
            out.extend(std::iter::repeat_n(b'0', scale.unsigned_abs() as usize));
        }
        _ => write_exponent(value < 0, digits, exponent, out),
    }
}

fn write_exponent(negative: bool, digits: &str, exponent: i64, out: &mut Vec<u8>) {
    if negative {
        out.push(b'-');
    }
    out.extend_from_slice(&digits.as_bytes()[..1]);
    if digits.len() > 1 {
        out.push(b'.');
        out.extend_from_slice(&digits.as_bytes()[1..]);
    }
    out.push(b'E');
    if exponent > 0 {
        out.push(b'+');
    }
    out.extend_from_slice(itoa::Buffer::new().format(exponent).as_bytes());
}

/// A decimal number read into DECIMAL(p, s): rounded half up to the scale
/// (row C5.5).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DecimalText {
    Value(i128),
    /// More digits than the precision holds: NULL in Flink's formats.
    TooLarge,
    NotANumber,
}

/// Reads `-12.5`, `1e3`, `.5` and the like.
pub fn parse_decimal(text: &[u8], precision: u8, scale: u8) -> DecimalText {
    let Some(number) = DecimalParts::parse(text) else { return DecimalText::NotANumber };
    match number.rescale(i64::from(scale)) {
        Some(value) if value.unsigned_abs() < 10_u128.pow(u32::from(precision)) => {
            DecimalText::Value(value)
        }
        _ => DecimalText::TooLarge,
    }
}

/// `digits * 10^-scale`; digits beyond what 38 can hold are cut, `lost` keeps that
/// the value is out of every DECIMAL's reach.
struct DecimalParts {
    negative: bool,
    digits: u128,
    scale: i64,
    lost: bool,
}

impl DecimalParts {
    fn parse(text: &[u8]) -> Option<DecimalParts> {
        let (negative, text) = match text.split_first()? {
            (b'-', rest) => (true, rest),
            (b'+', rest) => (false, rest),
            _ => (false, text),
        };
        let (mantissa, exponent) = match text.iter().position(|b| matches!(b, b'e' | b'E')) {
            Some(at) => (&text[..at], std::str::from_utf8(&text[at + 1..]).ok()?.parse().ok()?),
            None => (text, 0_i32),
        };
        let mut parts = DecimalParts { negative, digits: 0, scale: 0, lost: false };
        parts.mantissa(mantissa)?;
        parts.scale -= i64::from(exponent);
        Some(parts)
    }

    fn mantissa(&mut self, text: &[u8]) -> Option<()> {
        let (mut seen, mut fraction) = (false, false);
        for byte in text {
            match byte {
                b'0'..=b'9' => {
                    seen = true;
                    self.digit(u128::from(byte - b'0'), fraction);
                }
                b'.' if !fraction => fraction = true,
                _ => return None,
            }
        }
        seen.then_some(())
    }

    fn digit(&mut self, digit: u128, fraction: bool) {
        match self.digits.checked_mul(10).and_then(|digits| digits.checked_add(digit)) {
            Some(digits) if !self.lost => {
                self.digits = digits;
                self.scale += i64::from(fraction);
            }
            // Digits past 38 of a fraction only matter for rounding far below any scale.
            _ if fraction => {}
            _ => self.lost = true,
        }
    }

    fn rescale(&self, scale: i64) -> Option<i128> {
        if self.digits == 0 && !self.lost {
            return Some(0);
        }
        if self.lost {
            return None;
        }
        let shift = scale - self.scale;
        let magnitude = if shift >= 0 {
            self.digits.checked_mul(10_u128.checked_pow(u32::try_from(shift).ok()?)?)?
        } else {
            match 10_u128.checked_pow(u32::try_from(-shift).ok()?) {
                Some(divisor) => (self.digits + divisor / 2) / divisor,
                None => 0,
            }
        };
        let value = i128::try_from(magnitude).ok()?;
        Some(if self.negative { -value } else { value })
    }
}

/// A DOUBLE as Java's `Double.parseDouble` reads it: also `NaN`, `Infinity`,
/// `1.5f`, `2d`.
pub fn parse_f64(text: &str) -> Option<f64> {
    match text {
        "NaN" | "+NaN" | "-NaN" => return Some(f64::NAN),
        "Infinity" | "+Infinity" => return Some(f64::INFINITY),
        "-Infinity" => return Some(f64::NEG_INFINITY),
        _ => {}
    }
    let digits = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    starts_as_number(digits).then(|| digits.parse().ok()).flatten()
}

/// As [`parse_f64`], rounded once to FLOAT.
pub fn parse_f32(text: &str) -> Option<f32> {
    let digits = text.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(text);
    if starts_as_number(digits) { digits.parse().ok() } else { parse_f64(text).map(|v| v as f32) }
}

// Rust also reads `inf` and `nan`; Java does not.
fn starts_as_number(text: &str) -> bool {
    text.trim_start_matches(['+', '-']).starts_with(|c: char| c.is_ascii_digit() || c == '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).expect("numbers are ASCII")
    }

    #[test]
    fn c5_22_doubles_are_written_as_java_writes_them() {
        let cases: &[(f64, &str)] = &[
            (0.0, "0.0"),
            (-0.0, "-0.0"),
            (1.0, "1.0"),
            (-1.5, "-1.5"),
            (100.0, "100.0"),
            (0.001, "0.001"),
            (0.0009, "9.0E-4"),
            (1e-5, "1.0E-5"),
            (9_999_999.0, "9999999.0"),
            (1e7, "1.0E7"),
            (12_345_678.9, "1.23456789E7"),
            (1e10, "1.0E10"),
            (7_058_350_309_194_144_000.0, "7.0583503091941437E18"),
            (-478_495_937_731_733_000.0, "-4.7849593773173299E17"),
            (-2.5e-7, "-2.5E-7"),
            (3.333_333_333_333_333_5, "3.3333333333333335"),
            (1e21, "1.0E21"),
            (1.234e100, "1.234E100"),
            (f64::MAX, "1.7976931348623157E308"),
            (f64::MIN_POSITIVE, "2.2250738585072014E-308"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "Infinity"),
            (f64::NEG_INFINITY, "-Infinity"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(|out| write_f64(*value, out)), *expected);
        }
    }

    #[test]
    fn c5_22_floats_are_written_as_java_writes_them() {
        let cases: &[(f32, &str)] = &[
            (1.1, "1.1"),
            (1e10, "1.0E10"),
            (-1.947_563_6e9, "-1.94756365E9"),
            (3.4e-5, "3.4E-5"),
            (16_777_216.0, "1.6777216E7"),
        ];
        for (value, expected) in cases {
            assert_eq!(text(|out| write_f32(*value, out)), *expected);
        }
    }

    #[test]
    fn g10_5_decimals_stripped_scientific_and_plain() {
        let cases: &[(i128, u32, &str, &str, &str)] = &[
            (150, 2, "1.5", "1.5", "1.50"),
            (100_000, 0, "1E+5", "100000", "100000"),
            (27, 9, "2.7E-8", "0.000000027", "0.000000027"),
            (-1, 7, "-1E-7", "-0.0000001", "-0.0000001"),
            (1, 6, "0.000001", "0.000001", "0.000001"),
            (0, 3, "0", "0", "0.000"),
            (-12_345, 2, "-123.45", "-123.45", "-123.45"),
            (12_000, 1, "1.2E+3", "1200", "1200.0"),
        ];
        for (unscaled, scale, scientific, plain, kept) in cases {
            let stripped =
                |plain| text(|out| write_decimal_stripped(*unscaled, *scale, plain, out));
            assert_eq!(stripped(false), *scientific);
            assert_eq!(stripped(true), *plain);
            assert_eq!(text(|out| write_decimal_plain(*unscaled, *scale, out)), *kept);
        }
    }

    #[test]
    fn c5_5_decimal_text_rounds_half_up() {
        let value = DecimalText::Value;
        let cases: &[(&str, DecimalText)] = &[
            ("1.5", value(150)),
            ("-1.005", value(-101)),
            ("1.004", value(100)),
            (".5", value(50)),
            ("1e2", value(10_000)),
            ("1E-3", value(0)),
            ("0.00000000000000000000000000000000000000000000001", value(0)),
            ("999.994", value(99_999)),
            ("999.995", DecimalText::TooLarge),
            ("1e30", DecimalText::TooLarge),
            ("99999999999999999999999999999999999999999999", DecimalText::TooLarge),
            ("", DecimalText::NotANumber),
            ("-", DecimalText::NotANumber),
            ("1.2.3", DecimalText::NotANumber),
            ("1e", DecimalText::NotANumber),
        ];
        for (input, expected) in cases {
            assert_eq!(parse_decimal(input.as_bytes(), 5, 2), *expected, "{input}");
        }
    }

    #[test]
    fn c5_6_double_text_is_java_s() {
        let cases: &[(&str, Option<f64>)] = &[
            ("1.5", Some(1.5)),
            ("1.5f", Some(1.5)),
            ("Infinity", Some(f64::INFINITY)),
            ("-Infinity", Some(f64::NEG_INFINITY)),
            ("inf", None),
            ("nan", None),
            ("", None),
            ("1,5", None),
        ];
        for (input, expected) in cases {
            assert_eq!(parse_f64(input), *expected, "{input}");
        }
        assert!(parse_f64("NaN").is_some_and(f64::is_nan));
    }
}

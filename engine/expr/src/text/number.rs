//! Numbers as Java prints and reads them.

/// `Double.toString`: `1.0`, `1.0E10`, `1.23456789E7`, `1.0E-5` (row C5.22).
pub(crate) fn double_to_text(value: f64) -> String {
    if !value.is_finite() {
        return not_finite(value);
    }
    java_form(&format!("{value:e}"))
}

/// `Float.toString`.
pub(crate) fn float_to_text(value: f32) -> String {
    if !value.is_finite() {
        return not_finite(f64::from(value));
    }
    java_form(&format!("{value:e}"))
}

fn not_finite(value: f64) -> String {
    if value.is_nan() {
        "NaN".to_owned()
    } else if value > 0.0 {
        "Infinity".to_owned()
    } else {
        "-Infinity".to_owned()
    }
}

/// From Rust's shortest `d.ddde±x` to Java's: plain between 10^-3 and 10^7.
fn java_form(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    if digits.bytes().all(|digit| digit == b'0') {
        return format!("{sign}0.0");
    }
    if !(-3..7).contains(&exponent) {
        let fraction = if digits.len() > 1 { &digits[1..] } else { "0" };
        return format!("{sign}{}.{fraction}E{exponent}", &digits[..1]);
    }
    if exponent < 0 {
        let zeros = "0".repeat((-exponent - 1) as usize);
        return format!("{sign}0.{zeros}{digits}");
    }
    let whole = exponent as usize + 1;
    if digits.len() <= whole {
        return format!("{sign}{digits:0<whole$}.0");
    }
    format!("{sign}{}.{}", &digits[..whole], &digits[whole..])
}

/// A string as an integer: trimmed, the fraction cut off, no exponent (row C5.4).
pub(crate) fn parse_integer(text: &str, minimum: i64, maximum: i64) -> Option<i64> {
    let trimmed = trim(text);
    let (whole, fraction) = trimmed.split_once('.').unwrap_or((trimmed, ""));
    if !fraction.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let value: i64 = match whole {
        // `.5` and `-.5` are zero; a sign or a point alone is nothing.
        "" | "+" | "-" if !fraction.is_empty() => 0,
        _ => whole.parse().ok()?,
    };
    (minimum..=maximum).contains(&value).then_some(value)
}

/// A string as a DOUBLE: Java's `Double.parseDouble`, with its `f` and `d` suffixes
/// (row C5.6).
pub(crate) fn parse_double(text: &str) -> Option<f64> {
    let trimmed = trim(text);
    let (sign, unsigned) = match trimmed.as_bytes().first()? {
        b'-' => (-1.0, &trimmed[1..]),
        b'+' => (1.0, &trimmed[1..]),
        _ => (1.0, trimmed),
    };
    match unsigned {
        "NaN" => return Some(f64::NAN),
        "Infinity" => return Some(sign * f64::INFINITY),
        _ => {}
    }
    let number = unsigned.strip_suffix(['f', 'F', 'd', 'D']).unwrap_or(unsigned);
    // Rust also reads "inf" and "nan": only digits may begin a number here.
    if !number.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
        return None;
    }
    number.parse::<f64>().ok().map(|value| sign * value)
}

/// Java's `String.trim`: everything up to U+0020.
pub(crate) fn trim(text: &str) -> &str {
    text.trim_matches(|c: char| c <= ' ')
}

/// Decimal digits, with zeros in front up to `width`; a sign stands before them.
pub(crate) fn push_padded(out: &mut String, value: i64, width: usize) {
    if value < 0 {
        out.push('-');
    }
    let mut digits = [b'0'; 20];
    let mut rest = value.unsigned_abs();
    let mut start = digits.len();
    while rest > 0 {
        start -= 1;
        digits[start] = b'0' + (rest % 10) as u8;
        rest /= 10;
    }
    let start = start.min(digits.len() - width.clamp(1, digits.len()));
    digits[start..].iter().for_each(|digit| out.push(char::from(*digit)));
}

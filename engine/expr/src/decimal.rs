//! DECIMAL: result types (section C.4) and arithmetic that rounds HALF_UP and
//! turns what does not fit into NULL (rows C4.9, C4.10).

use arrow::datatypes::i256;
use millrace_dataflow::TypeRoot;

const MAX_PRECISION: i32 = 38;
const MIN_KEPT_SCALE: i32 = 6;

/// `10^exponent`; the exponent is at most 38.
pub(crate) fn power_of_ten(exponent: u32) -> i128 {
    10i128.pow(exponent)
}

fn wide_power_of_ten(exponent: u32) -> i256 {
    (0..exponent).fold(i256::ONE, |power, _| power.wrapping_mul(i256::from_i128(10)))
}

/// Brings precision and scale under 38 digits (row C4.5).
fn bounded(precision: i32, scale: i32) -> TypeRoot {
    let (precision, scale) = if precision > MAX_PRECISION {
        let whole = precision - scale;
        (MAX_PRECISION, (MAX_PRECISION - whole).max(scale.min(MIN_KEPT_SCALE)))
    } else {
        (precision, scale)
    };
    TypeRoot::Decimal { precision: precision as u8, scale: scale as u8 }
}

/// The DECIMAL that an exact number is in mixed arithmetic (row C3.21).
pub(crate) fn as_decimal(root: &TypeRoot) -> Option<(u8, u8)> {
    match root {
        TypeRoot::TinyInt => Some((3, 0)),
        TypeRoot::SmallInt => Some((5, 0)),
        TypeRoot::Int => Some((10, 0)),
        TypeRoot::BigInt => Some((19, 0)),
        TypeRoot::Decimal { precision, scale } => Some((*precision, *scale)),
        _ => None,
    }
}

/// The result type of `+ - * / %` (rows C4.1 to C4.5).
pub(crate) fn arithmetic_type(operator: &str, left: (u8, u8), right: (u8, u8)) -> TypeRoot {
    let (p1, s1) = (i32::from(left.0), i32::from(left.1));
    let (p2, s2) = (i32::from(right.0), i32::from(right.1));
    match operator {
        "*" => bounded(p1 + p2 + 1, s1 + s2),
        "/" => {
            let scale = (s1 + p2 + 1).max(6);
            bounded(p1 - s1 + s2 + scale, scale)
        }
        "%" => {
            let scale = s1.max(s2);
            bounded((p1 - s1).min(p2 - s2) + scale, scale)
        }
        _ => {
            let scale = s1.max(s2);
            bounded((p1 - s1).max(p2 - s2) + scale + 1, scale)
        }
    }
}

/// The DECIMAL that holds every value of both.
pub(crate) fn common_decimal(left: (u8, u8), right: (u8, u8)) -> TypeRoot {
    let scale = left.1.max(right.1);
    let whole = (left.0 - left.1).max(right.0 - right.1);
    bounded(i32::from(whole) + i32::from(scale), i32::from(scale))
}

/// `ROUND(x, r)` for `r < scale` (row C4.6).
pub(crate) fn round_type(precision: u8, scale: u8, digits: i32) -> TypeRoot {
    let (p, s) = (i32::from(precision), i32::from(scale));
    if digits >= s {
        return TypeRoot::Decimal { precision, scale };
    }
    if digits < 0 {
        return TypeRoot::Decimal { precision: MAX_PRECISION.min(p - s + 1) as u8, scale: 0 };
    }
    TypeRoot::Decimal { precision: (p - s + digits + 1) as u8, scale: digits as u8 }
}

/// `None` when the value has more than `precision` digits.
pub(crate) fn fit(value: i128, precision: u8) -> Option<i128> {
    (value.unsigned_abs() < power_of_ten(u32::from(precision)).unsigned_abs()).then_some(value)
}

fn narrow(value: i256, precision: u8) -> Option<i128> {
    value.to_i128().and_then(|value| fit(value, precision))
}

/// `numerator / denominator`, HALF_UP away from zero. The denominator is not zero.
fn divide_half_up(numerator: i256, denominator: i256) -> i256 {
    let quotient = numerator.wrapping_div(denominator);
    let rest = numerator.wrapping_rem(denominator);
    if rest.wrapping_abs().wrapping_mul(i256::from_i128(2)) < denominator.wrapping_abs() {
        return quotient;
    }
    let negative = (numerator < i256::ZERO) != (denominator < i256::ZERO);
    quotient.wrapping_add(if negative { i256::MINUS_ONE } else { i256::ONE })
}

fn half_up(value: i128, divisor: i128) -> i128 {
    let quotient = value / divisor;
    let rest = (value % divisor).unsigned_abs();
    // `rest >= divisor - rest` is `2 * rest >= divisor` without overflow.
    if rest < divisor.unsigned_abs() - rest {
        return quotient;
    }
    quotient + value.signum() * divisor.signum()
}

/// Changes the scale, rounding HALF_UP; `None` when it does not fit the precision.
pub(crate) fn rescale(value: i128, from: u8, to: u8, precision: u8) -> Option<i128> {
    let changed = if to >= from {
        value.checked_mul(power_of_ten(u32::from(to - from)))?
    } else {
        half_up(value, power_of_ten(u32::from(from - to)))
    };
    fit(changed, precision)
}

fn rescale_wide(value: i256, from: u32, to: u32, precision: u8) -> Option<i128> {
    let changed = if to >= from {
        value.checked_mul(wide_power_of_ten(to - from))?
    } else {
        divide_half_up(value, wide_power_of_ten(from - to))
    };
    narrow(changed, precision)
}

/// A scaled operand or result: what its type says.
#[derive(Clone, Copy)]
pub(crate) struct Scale {
    pub precision: u8,
    pub scale: u8,
}

impl Scale {
    pub fn of(root: &TypeRoot) -> Scale {
        let (precision, scale) = as_decimal(root).unwrap_or((38, 0));
        Scale { precision, scale }
    }
}

/// `left operator right` as Flink's `DecimalDataUtils`: `Ok(None)` is overflow,
/// `Err` a division by zero.
pub(crate) fn arithmetic(
    operator: char,
    left: (i128, Scale),
    right: (i128, Scale),
    result: Scale,
) -> Result<Option<i128>, &'static str> {
    if right.0 == 0 && matches!(operator, '/' | '%') {
        return Err("Division by zero");
    }
    if let Some(value) = narrow_arithmetic(operator, left, right, result) {
        return Ok(fit(value, result.precision));
    }
    let (s1, s2) = (u32::from(left.1.scale), u32::from(right.1.scale));
    let (a, b) = (i256::from_i128(left.0), i256::from_i128(right.0));
    let target = u32::from(result.scale);
    let common = s1.max(s2);
    let aligned = || {
        (
            a.wrapping_mul(wide_power_of_ten(common - s1)),
            b.wrapping_mul(wide_power_of_ten(common - s2)),
        )
    };
    let value = match operator {
        '*' => return Ok(rescale_wide(a.wrapping_mul(b), s1 + s2, target, result.precision)),
        '/' => return Ok(quotient((a, s1), (b, s2), target, result.precision)),
        '%' => {
            let (a, b) = aligned();
            a.wrapping_rem(b)
        }
        '-' => {
            let (a, b) = aligned();
            a.wrapping_sub(b)
        }
        _ => {
            let (a, b) = aligned();
            a.wrapping_add(b)
        }
    };
    Ok(rescale_wide(value, common, target, result.precision))
}

/// The same within 128 bits, which nearly all values are; `None` when they are not.
fn narrow_arithmetic(
    operator: char,
    left: (i128, Scale),
    right: (i128, Scale),
    result: Scale,
) -> Option<i128> {
    let (s1, s2) = (left.1.scale, right.1.scale);
    let common = s1.max(s2);
    let lift = |value: i128, from: u8, to: u8| -> Option<i128> {
        let digits = u32::from(to.checked_sub(from)?);
        if digits == 0 { Some(value) } else { value.checked_mul(power_of_ten(digits)) }
    };
    match operator {
        '*' if result.scale == s1 + s2 => left.0.checked_mul(right.0),
        '/' if result.scale + s2 >= s1 && result.scale + s2 - s1 <= 38 => {
            let numerator = lift(left.0, s1, result.scale + s2)?;
            Some(half_up(numerator, right.0))
        }
        '+' | '-' | '%' if result.scale == common => {
            let (a, b) = (lift(left.0, s1, common)?, lift(right.0, s2, common)?);
            match operator {
                '+' => a.checked_add(b),
                '-' => a.checked_sub(b),
                _ => a.checked_rem(b),
            }
        }
        _ => None,
    }
}

fn quotient(left: (i256, u32), right: (i256, u32), target: u32, precision: u8) -> Option<i128> {
    let shift = i64::from(target) + i64::from(right.1) - i64::from(left.1);
    let power = wide_power_of_ten(shift.unsigned_abs() as u32);
    let (numerator, denominator) = if shift >= 0 {
        (left.0.checked_mul(power)?, right.0)
    } else {
        (left.0, right.0.checked_mul(power)?)
    };
    narrow(divide_half_up(numerator, denominator), precision)
}

/// Plain text with the scale kept (row C5.23).
pub(crate) fn to_text(value: i128, scale: u8) -> String {
    let digits = value.unsigned_abs().to_string();
    let sign = if value < 0 { "-" } else { "" };
    let scale = usize::from(scale);
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let padded = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = padded.split_at(padded.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// Reads `[+-]digits[.digits][e[+-]digits]` into an unscaled value and its scale
/// (negative for trailing zeros before the point); `None` when it is no number or
/// has more than 38 significant digits before rounding to `target`.
pub(crate) fn parse(text: &str, target: u8, precision: u8) -> Option<i128> {
    let (mantissa, exponent) = match text.find(['e', 'E']) {
        Some(at) => (&text[..at], text[at + 1..].parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, unsigned) = match mantissa.as_bytes().first()? {
        b'-' => (true, &mantissa[1..]),
        b'+' => (false, &mantissa[1..]),
        _ => (false, mantissa),
    };
    let (whole, fraction) = unsigned.split_once('.').unwrap_or((unsigned, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let mut digits: Vec<u8> = Vec::with_capacity(whole.len() + fraction.len());
    for byte in whole.bytes().chain(fraction.bytes()) {
        if !byte.is_ascii_digit() {
            return None;
        }
        digits.push(byte - b'0');
    }
    let scale = fraction.len() as i64 - i64::from(exponent);
    let value = digits_to_scale(&digits, scale, i64::from(target))?;
    fit(if negative { -value } else { value }, precision)
}

fn digits_to_scale(digits: &[u8], scale: i64, target: i64) -> Option<i128> {
    let keep = digits.len() as i64 - scale + target;
    let zero = digits.iter().all(|digit| *digit == 0);
    if keep < 0 || zero {
        return Some(0);
    }
    let mut value: i128 = 0;
    for position in 0..keep {
        let digit = digits.get(position as usize).copied().unwrap_or(0);
        value = value.checked_mul(10)?.checked_add(i128::from(digit))?;
    }
    let next = digits.get(keep as usize).copied().unwrap_or(0);
    Some(if next >= 5 { value + 1 } else { value })
}

/// A DOUBLE as DECIMAL: by its shortest text, as Java's `BigDecimal.valueOf`.
pub(crate) fn from_float(value: f64, target: u8, precision: u8) -> Option<i128> {
    if !value.is_finite() {
        return None;
    }
    parse(&format!("{value:e}"), target, precision)
}

pub(crate) fn to_float(value: i128, scale: u8) -> f64 {
    // Both exact in a double: one division rounds to the nearest.
    if value.unsigned_abs() < 1 << 53 && scale <= 22 {
        return value as f64 / 10f64.powi(i32::from(scale));
    }
    // Through text, so that 0.1 becomes the nearest double as Java's does.
    to_text(value, scale).parse().unwrap_or(f64::NAN)
}

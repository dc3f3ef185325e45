//! Scalar casts that are not to text.

use std::borrow::Cow;

use millrace_dataflow::{EvalError, TypeRoot};

use crate::decimal;
use crate::text::datetime::{self, MILLIS_PER_DAY, NANOS_PER_DAY, NANOS_PER_MILLI};
use crate::text::number;
use crate::value::Value;
use crate::zone::Zone;

pub(super) fn convert<'a>(
    value: Value<'a>,
    from: &TypeRoot,
    to: &TypeRoot,
    zone: Zone,
) -> Result<Value<'a>, EvalError> {
    if let Value::String(text) = &value
        && !to.is_binary()
    {
        return from_text(text, to, zone).ok_or_else(|| {
            EvalError::new(format!("cannot cast '{text}' to {to}; TRY_CAST gives NULL instead"))
        });
    }
    Ok(match to {
        TypeRoot::TinyInt | TypeRoot::SmallInt | TypeRoot::Int | TypeRoot::BigInt => {
            to_integer(&value, from, to)
        }
        TypeRoot::Float => {
            to_double(&value, from).map_or(Value::Null, |v| Value::Float(f64::from(v as f32)))
        }
        TypeRoot::Double => to_double(&value, from).map_or(Value::Null, Value::Float),
        TypeRoot::Decimal { precision, scale } => to_decimal(&value, from, *precision, *scale),
        TypeRoot::Boolean => to_boolean(&value),
        TypeRoot::Binary(length) => to_binary(value, *length, true),
        TypeRoot::VarBinary(length) => to_binary(value, *length, false),
        TypeRoot::Date | TypeRoot::Time => from_timestamp(&value, from, to, zone),
        TypeRoot::Timestamp { precision } | TypeRoot::TimestampLtz { precision } => {
            to_timestamp(&value, from, to, *precision, zone)
        }
        _ => value,
    })
}

fn limits(to: &TypeRoot) -> (i64, i64) {
    match to {
        TypeRoot::TinyInt => (i64::from(i8::MIN), i64::from(i8::MAX)),
        TypeRoot::SmallInt => (i64::from(i16::MIN), i64::from(i16::MAX)),
        TypeRoot::Int => (i64::from(i32::MIN), i64::from(i32::MAX)),
        _ => (i64::MIN, i64::MAX),
    }
}

/// Rows C5.4 to C5.11; `None` when the text is no such value.
pub(crate) fn from_text(text: &str, to: &TypeRoot, zone: Zone) -> Option<Value<'static>> {
    match to {
        TypeRoot::TinyInt | TypeRoot::SmallInt | TypeRoot::Int | TypeRoot::BigInt => {
            let (least, most) = limits(to);
            number::parse_integer(text, least, most).map(Value::Integer)
        }
        TypeRoot::Decimal { precision, scale } => {
            decimal::parse(number::trim(text), *scale, *precision).map(Value::Decimal)
        }
        TypeRoot::Float => number::parse_double(text).map(|v| Value::Float(f64::from(v as f32))),
        TypeRoot::Double => number::parse_double(text).map(Value::Float),
        TypeRoot::Boolean => boolean_from_text(text).map(Value::Boolean),
        TypeRoot::Date => datetime::parse_date(text).map(Value::Integer),
        TypeRoot::Time => datetime::parse_time(text).map(Value::Integer),
        TypeRoot::Timestamp { precision } => datetime::parse_timestamp(text)
            .map(|nanos| Value::Timestamp(datetime::truncate(nanos, *precision))),
        TypeRoot::TimestampLtz { precision } => datetime::parse_timestamp(text)
            .map(|nanos| Value::Timestamp(datetime::truncate(zone.to_instant(nanos), *precision))),
        _ => None,
    }
}

fn boolean_from_text(text: &str) -> Option<bool> {
    match number::trim(text).to_ascii_lowercase().as_str() {
        "t" | "true" | "y" | "yes" | "1" => Some(true),
        "f" | "false" | "n" | "no" | "0" => Some(false),
        _ => None,
    }
}

fn wrap(value: i64, to: &TypeRoot) -> i64 {
    match to {
        TypeRoot::TinyInt => i64::from(value as i8),
        TypeRoot::SmallInt => i64::from(value as i16),
        TypeRoot::Int => i64::from(value as i32),
        _ => value,
    }
}

fn to_integer(value: &Value<'_>, from: &TypeRoot, to: &TypeRoot) -> Value<'static> {
    Value::Integer(match value {
        Value::Integer(value) => wrap(*value, to),
        Value::Boolean(value) => i64::from(*value),
        Value::Decimal(value) => {
            let scale = decimal::Scale::of(from).scale;
            wrap((value / decimal::power_of_ten(u32::from(scale))) as i64, to)
        }
        Value::Float(value) => float_to_integer(*value, to),
        _ => return Value::Null,
    })
}

/// Java saturates to int or long first, and wraps to the shorter types after that
/// (row C5.16).
pub(super) fn float_to_integer(value: f64, to: &TypeRoot) -> i64 {
    match to {
        TypeRoot::BigInt => value as i64,
        to => wrap(i64::from(value as i32), to),
    }
}

fn to_double(value: &Value<'_>, from: &TypeRoot) -> Option<f64> {
    Some(match value {
        Value::Integer(value) => *value as f64,
        Value::Boolean(value) => f64::from(u8::from(*value)),
        Value::Float(value) => *value,
        Value::Decimal(value) => decimal::to_float(*value, decimal::Scale::of(from).scale),
        _ => return None,
    })
}

fn to_decimal(value: &Value<'_>, from: &TypeRoot, precision: u8, scale: u8) -> Value<'static> {
    let unscaled = match value {
        Value::Integer(value) => decimal::rescale(i128::from(*value), 0, scale, precision),
        Value::Boolean(value) => decimal::rescale(i128::from(*value), 0, scale, precision),
        Value::Decimal(value) => {
            decimal::rescale(*value, decimal::Scale::of(from).scale, scale, precision)
        }
        Value::Float(value) if *from == TypeRoot::Float => {
            // By its own shortest text, not that of the widened double.
            decimal::parse(&format!("{:e}", *value as f32), scale, precision)
        }
        Value::Float(value) => decimal::from_float(*value, scale, precision),
        _ => None,
    };
    unscaled.map_or(Value::Null, Value::Decimal)
}

fn to_boolean(value: &Value<'_>) -> Value<'static> {
    match value {
        Value::Integer(value) => Value::Boolean(*value != 0),
        Value::Decimal(value) => Value::Boolean(*value != 0),
        Value::Float(value) => Value::Boolean(*value != 0.0),
        _ => Value::Null,
    }
}

/// Cut to the length; BINARY is padded with zeros (row C5.12).
fn to_binary(value: Value<'_>, length: u32, pad: bool) -> Value<'_> {
    let length = length as usize;
    let mut bytes = match value {
        Value::Binary(bytes) => bytes,
        Value::String(Cow::Borrowed(text)) => Cow::Borrowed(text.as_bytes()),
        Value::String(Cow::Owned(text)) => Cow::Owned(text.into_bytes()),
        other => return other,
    };
    if bytes.len() > length {
        bytes.to_mut().truncate(length);
    } else if pad && bytes.len() < length {
        bytes.to_mut().resize(length, 0);
    }
    Value::Binary(bytes)
}

/// Rows C5.31, C5.35.
fn from_timestamp(value: &Value<'_>, from: &TypeRoot, to: &TypeRoot, zone: Zone) -> Value<'static> {
    let Value::Timestamp(nanos) = value else { return Value::Null };
    let local = match from {
        TypeRoot::TimestampLtz { .. } => zone.to_local(*nanos),
        _ => *nanos,
    };
    Value::Integer(match to {
        TypeRoot::Date => local.div_euclid(NANOS_PER_DAY) as i64,
        _ => (local.rem_euclid(NANOS_PER_DAY) / NANOS_PER_MILLI) as i64,
    })
}

/// Rows C5.31 to C5.34.
fn to_timestamp(
    value: &Value<'_>,
    from: &TypeRoot,
    to: &TypeRoot,
    precision: u8,
    zone: Zone,
) -> Value<'static> {
    let local = match (value, from) {
        (Value::Integer(days), TypeRoot::Date) => {
            i128::from(*days * MILLIS_PER_DAY) * NANOS_PER_MILLI
        }
        (Value::Integer(millis), _) => i128::from(*millis) * NANOS_PER_MILLI,
        (Value::Timestamp(nanos), _) => *nanos,
        _ => return Value::Null,
    };
    let from_instant = matches!(from, TypeRoot::TimestampLtz { .. });
    let nanos = match (from_instant, matches!(to, TypeRoot::TimestampLtz { .. })) {
        (true, false) => zone.to_local(local),
        (false, true) => zone.to_instant(local),
        _ => local,
    };
    Value::Timestamp(datetime::truncate(nanos, precision))
}

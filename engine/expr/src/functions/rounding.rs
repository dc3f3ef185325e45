//! FLOOR, CEIL, ROUND, TRUNCATE, of numbers and (the first two) of times
//! (rows D2.6 to D2.8, D4.8, C4.6).

use chrono::{Datelike, Months, NaiveDate, NaiveDateTime, TimeDelta};
use millrace_dataflow::{DataType, EvalError, TypeRoot};

use super::extract::constant_unit;
use super::unit::{self, Unit};
use crate::decimal::{self, Scale, power_of_ten};
use crate::physical::scope::Scope;
use crate::registry::{Body, Function};
use crate::signature::Signature;
use crate::text::datetime::{NANOS_PER_MILLI, NANOS_PER_SECOND, date, epoch_days};
use crate::typed::ExprError;
use crate::value::Value;
use crate::zone::{from_datetime, to_datetime};

type Outcome<'a> = Result<Value<'a>, EvalError>;

pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("FLOOR", (1, 2), whole_type, Body::Strict(|r, s| whole(r, s, false))),
    Function::new("CEIL", (1, 2), whole_type, Body::Strict(|r, s| whole(r, s, true))),
    Function::new("ROUND", (1, 2), round_type, Body::Strict(|r, s| rounded(r, s, Mode::HalfUp))),
    Function::new("TRUNCATE", (1, 2), round_type, Body::Strict(|r, s| rounded(r, s, Mode::Down))),
];

fn whole_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    if call.len() == 2 {
        return unit_type(call);
    }
    call.numeric(0)?;
    let root = match call.root(0) {
        TypeRoot::Decimal { precision, .. } => {
            TypeRoot::Decimal { precision: *precision, scale: 0 }
        }
        root => root.clone(),
    };
    call.result(root)
}

fn unit_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    let unit = constant_unit(call)?;
    let units = [
        Unit::Millisecond,
        Unit::Second,
        Unit::Minute,
        Unit::Hour,
        Unit::Day,
        Unit::Week,
        Unit::Month,
        Unit::Quarter,
        Unit::Year,
        Unit::Decade,
        Unit::Century,
        Unit::Millennium,
    ];
    if !units.contains(&unit) {
        return Err(ExprError::at(0, format!("{} does not round to {unit:?}", call.name)));
    }
    match call.root(1) {
        TypeRoot::Date | TypeRoot::Time => {}
        root if root.is_timestamp() => {}
        _ => return Err(call.error(1, "a date, a time or a timestamp")),
    }
    call.result(call.root(1).clone())
}

fn whole<'a>(row: &[Value<'a>], scope: &mut Scope<'_>, up: bool) -> Outcome<'a> {
    if row.len() == 2 {
        return to_unit(row, scope, up);
    }
    Ok(match &row[0] {
        Value::Float(value) => Value::Float(if up { value.ceil() } else { value.floor() }),
        Value::Decimal(value) => {
            let unit = power_of_ten(u32::from(Scale::of(&scope.env.arguments[0].root).scale));
            Value::Decimal(if up { -(-value).div_euclid(unit) } else { value.div_euclid(unit) })
        }
        other => other.clone(),
    })
}

fn to_unit<'a>(row: &[Value<'a>], scope: &Scope<'_>, up: bool) -> Outcome<'a> {
    let unit = unit::of(&row[0])?;
    let root = &scope.env.arguments[1].root;
    let rounded = |local: i128| {
        let below = floor(local, unit);
        if up && below < local { next(below, unit) } else { below }
    };
    Ok(match (&row[1], root) {
        (Value::Integer(days), TypeRoot::Date) => {
            let at = from_datetime(date(*days).and_time(chrono::NaiveTime::MIN));
            Value::Integer(epoch_days(to_datetime(rounded(at)).date()))
        }
        (Value::Integer(millis), _) => Value::Integer(
            (rounded(i128::from(*millis) * NANOS_PER_MILLI) / NANOS_PER_MILLI) as i64,
        ),
        (value, TypeRoot::TimestampLtz { .. }) => {
            let local = scope.zone().to_local(value.as_nanos());
            Value::Timestamp(scope.zone().to_instant(rounded(local)))
        }
        (value, _) => Value::Timestamp(rounded(value.as_nanos())),
    })
}

/// Units of fixed length, in nanoseconds.
fn fixed(unit: Unit) -> Option<i128> {
    Some(match unit {
        Unit::Millisecond => NANOS_PER_MILLI,
        Unit::Second => NANOS_PER_SECOND,
        Unit::Minute => 60 * NANOS_PER_SECOND,
        Unit::Hour => 3_600 * NANOS_PER_SECOND,
        Unit::Day => 86_400 * NANOS_PER_SECOND,
        _ => return None,
    })
}

fn floor(nanos: i128, unit: Unit) -> i128 {
    if let Some(length) = fixed(unit) {
        return nanos.div_euclid(length) * length;
    }
    let day = to_datetime(nanos).date();
    let first = |year: i32, month: u32| NaiveDate::from_ymd_opt(year, month, 1).unwrap_or(day);
    let year = day.year();
    let start = match unit {
        // A week begins on Sunday (row D4.8).
        Unit::Week => day - TimeDelta::days(i64::from(day.weekday().num_days_from_sunday())),
        Unit::Month => first(year, day.month()),
        Unit::Quarter => first(year, day.month0() / 3 * 3 + 1),
        Unit::Decade => first(year.div_euclid(10) * 10, 1),
        Unit::Century => first((year - 1).div_euclid(100) * 100 + 1, 1),
        Unit::Millennium => first((year - 1).div_euclid(1000) * 1000 + 1, 1),
        _ => first(year, 1),
    };
    from_datetime(start.and_time(chrono::NaiveTime::MIN))
}

/// The start of the unit after the one that starts at `nanos`.
fn next(nanos: i128, unit: Unit) -> i128 {
    if let Some(length) = fixed(unit) {
        return nanos + length;
    }
    let at: NaiveDateTime = to_datetime(nanos);
    let months = match unit {
        Unit::Week => return nanos + 7 * 86_400 * NANOS_PER_SECOND,
        Unit::Month => 1,
        Unit::Quarter => 3,
        Unit::Decade => 120,
        Unit::Century => 1_200,
        Unit::Millennium => 12_000,
        _ => 12,
    };
    at.checked_add_months(Months::new(months)).map_or(nanos, from_datetime)
}

#[derive(Clone, Copy, PartialEq)]
enum Mode {
    HalfUp,
    Down,
}

fn round_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.numeric(0)?;
    if call.len() == 2 {
        call.integer(1)?;
    }
    let TypeRoot::Decimal { precision, scale } = *call.root(0) else {
        return call.result(call.root(0).clone());
    };
    let digits = if call.len() == 1 { Some(0) } else { call.constant_integer(1) };
    let root = match digits {
        Some(digits) => decimal::round_type(precision, scale, digits.clamp(-39, 39) as i32),
        None => TypeRoot::Decimal { precision, scale },
    };
    call.result(root)
}

fn rounded<'a>(row: &[Value<'a>], scope: &mut Scope<'_>, mode: Mode) -> Outcome<'a> {
    let digits = row.get(1).map_or(0, Value::as_int).clamp(-400, 400);
    Ok(match &row[0] {
        Value::Integer(value) => {
            // Wraps to the width of the column, as Java's `intValue` does.
            Value::Integer(at_digit(i128::from(*value), 0, digits, mode) as i64)
        }
        Value::Decimal(value) => {
            let (from, to) =
                (Scale::of(&scope.env.arguments[0].root), Scale::of(&scope.env.result.root));
            let value = at_digit(*value, i64::from(from.scale), digits, mode);
            decimal::rescale(value, from.scale, to.scale, to.precision)
                .map_or(Value::Null, Value::Decimal)
        }
        Value::Float(value) if scope.env.result.root == TypeRoot::Float => {
            Value::Float(float(&format!("{:e}", *value as f32), *value, digits, mode))
        }
        Value::Float(value) => Value::Float(float(&format!("{value:e}"), *value, digits, mode)),
        other => other.clone(),
    })
}

/// `unscaled` at `scale` with everything behind `digits` made zero.
fn at_digit(unscaled: i128, scale: i64, digits: i64, mode: Mode) -> i128 {
    let drop = scale - digits;
    if drop <= 0 {
        return unscaled;
    }
    if drop > 38 {
        return 0;
    }
    let unit = power_of_ten(drop as u32);
    let (quotient, rest) = (unscaled / unit, unscaled % unit);
    let up = mode == Mode::HalfUp && rest.unsigned_abs() >= (unit / 2).unsigned_abs();
    (quotient + if up { unscaled.signum() } else { 0 }) * unit
}

/// Rounds by the shortest decimal text, as Java's `BigDecimal.valueOf(x)` does.
fn float(scientific: &str, value: f64, digits: i64, mode: Mode) -> f64 {
    if !value.is_finite() {
        return value;
    }
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i64 = exponent.parse().unwrap_or(0);
    let unscaled: i128 = mantissa.replace('.', "").parse().unwrap_or(0);
    let fraction = mantissa.split_once('.').map_or(0, |(_, fraction)| fraction.len()) as i64;
    let scale = fraction - exponent;
    if scale <= digits {
        return value;
    }
    let kept = at_digit(unscaled, scale, digits, mode);
    format!("{kept}e{}", -scale).parse().unwrap_or(value)
}

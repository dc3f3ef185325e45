//! TIMESTAMPADD, TIMESTAMPDIFF, OVERLAPS (rows D4.9 to D4.11).

use chrono::{Datelike, NaiveDateTime};
use millrace_dataflow::{DataType, EvalError, TypeRoot};

use super::extract::{constant_unit, local_nanos};
use super::interval::{add_millis, add_months};
use super::unit::{self, Unit};
use crate::physical::scope::Scope;
use crate::registry::{Body, Function};
use crate::signature::Signature;
use crate::text::datetime::{NANOS_PER_DAY, NANOS_PER_MILLI};
use crate::typed::ExprError;
use crate::value::Value;
use crate::zone::to_datetime;

type Outcome<'a> = Result<Value<'a>, EvalError>;

pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("TIMESTAMPADD", (3, 3), add_type, Body::Strict(add)),
    Function::new("TIMESTAMPDIFF", (3, 3), difference_type, Body::Strict(difference)),
    Function::new("OVERLAPS", (4, 4), overlaps_type, Body::Strict(overlaps)),
];

/// Milliseconds in a unit of fixed length, or months in a unit of the calendar.
enum Length {
    Millis(i64),
    Months(i64),
}

fn length(unit: Unit) -> Option<Length> {
    Some(match unit {
        Unit::Millisecond => Length::Millis(1),
        Unit::Second => Length::Millis(1_000),
        Unit::Minute => Length::Millis(60_000),
        Unit::Hour => Length::Millis(3_600_000),
        Unit::Day => Length::Millis(86_400_000),
        Unit::Week => Length::Millis(7 * 86_400_000),
        Unit::Month => Length::Months(1),
        Unit::Quarter => Length::Months(3),
        Unit::Year => Length::Months(12),
        _ => return None,
    })
}

fn checked_unit(call: &Signature<'_>) -> Result<Unit, ExprError> {
    let unit = constant_unit(call)?;
    match length(unit) {
        Some(_) => Ok(unit),
        None => Err(ExprError::at(0, format!("{} does not count in {unit:?}", call.name))),
    }
}

fn time_argument(call: &mut Signature<'_>, index: usize) -> Result<(), ExprError> {
    match call.root(index) {
        TypeRoot::Null => call.cast(index, &TypeRoot::Timestamp { precision: 3 }),
        TypeRoot::Date => {}
        root if root.is_timestamp() => {}
        _ => return Err(call.error(index, "a date or a timestamp")),
    }
    Ok(())
}

/// A DATE with a unit below the day becomes TIMESTAMP(6) (row D4.9).
fn add_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    let unit = checked_unit(call)?;
    call.integer(1)?;
    time_argument(call, 2)?;
    let clock = matches!(unit, Unit::Millisecond | Unit::Second | Unit::Minute | Unit::Hour);
    if clock && *call.root(2) == TypeRoot::Date {
        call.cast(2, &TypeRoot::Timestamp { precision: 6 });
    }
    call.result(call.root(2).clone())
}

fn add<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    let amount = row[1].as_int();
    let root = &scope.env.arguments[2].root;
    Ok(match length(unit::of(&row[0])?) {
        Some(Length::Months(months)) => {
            add_months(&row[2], root, amount.saturating_mul(months), scope)
        }
        Some(Length::Millis(millis)) => add_millis(&row[2], root, amount.saturating_mul(millis)),
        None => return Err(EvalError::new("no unit to add")),
    })
}

fn difference_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    checked_unit(call)?;
    time_argument(call, 1)?;
    time_argument(call, 2)?;
    call.result(TypeRoot::Int)
}

/// An instant beside a wall clock is seen in the session zone; two instants are
/// subtracted as they are.
fn comparable(row: &[Value<'_>], scope: &Scope<'_>) -> (i128, i128) {
    let roots = (&scope.env.arguments[1].root, &scope.env.arguments[2].root);
    let instants = matches!(roots, (TypeRoot::TimestampLtz { .. }, TypeRoot::TimestampLtz { .. }));
    if instants {
        return (row[1].as_nanos(), row[2].as_nanos());
    }
    (local_nanos(&row[1], roots.0, scope), local_nanos(&row[2], roots.1, scope))
}

fn difference<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    let (from, to) = comparable(row, scope);
    Ok(Value::Integer(match length(unit::of(&row[0])?) {
        Some(Length::Millis(millis)) => {
            ((to.div_euclid(NANOS_PER_MILLI) - from.div_euclid(NANOS_PER_MILLI))
                / i128::from(millis)) as i64
        }
        Some(Length::Months(months)) => months_between(to_datetime(from), to_datetime(to)) / months,
        None => return Err(EvalError::new("no unit to count in")),
    }))
}

/// Whole months, where the last day of a month completes one (row D4.10).
fn months_between(from: NaiveDateTime, to: NaiveDateTime) -> i64 {
    if to < from {
        return -months_between(to, from);
    }
    let count = |at: NaiveDateTime| i64::from(at.year()) * 12 + i64::from(at.month0());
    let months = count(to) - count(from);
    let reached = u32::try_from(months)
        .ok()
        .and_then(|months| from.checked_add_months(chrono::Months::new(months)))
        .is_none_or(|moved| moved <= to);
    if reached { months } else { months - 1 }
}

/// `(a, b) OVERLAPS (c, d)`; the second of a pair may be an interval.
fn overlaps_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    for index in [0, 2] {
        if *call.root(index) != TypeRoot::Time {
            time_argument(call, index)?;
        }
    }
    call.result(TypeRoot::Boolean)
}

fn overlaps<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    let at = |index: usize| -> i128 {
        let root = &scope.env.arguments[index].root;
        let start = &scope.env.arguments[index - index % 2].root;
        let moved = match root {
            TypeRoot::IntervalDayTime => add_millis(&row[index - 1], start, row[index].as_int()),
            TypeRoot::IntervalYearMonth => {
                add_months(&row[index - 1], start, row[index].as_int(), scope)
            }
            _ => row[index].clone(),
        };
        match moved {
            Value::Integer(days) if *start == TypeRoot::Date => i128::from(days) * NANOS_PER_DAY,
            Value::Integer(millis) => i128::from(millis) * NANOS_PER_MILLI,
            other => other.as_nanos(),
        }
    };
    let (a, b, c, d) = (at(0), at(1), at(2), at(3));
    Ok(Value::Boolean(a.max(b) >= c.min(d) && c.max(d) >= a.min(b)))
}

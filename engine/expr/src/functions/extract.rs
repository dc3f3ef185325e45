//! EXTRACT and its short forms (rows D4.6, D4.7).

use chrono::{Datelike, NaiveDateTime, Timelike};
use millrace_dataflow::{DataType, EvalError, TypeRoot};

use super::comparison::never;
use super::unit::{self, Unit};
use crate::physical::scope::Scope;
use crate::registry::{Body, Function, Rewrite};
use crate::signature::Signature;
use crate::text::datetime::{NANOS_PER_DAY, NANOS_PER_MILLI, NANOS_PER_SECOND};
use crate::typed::{ExprContext, ExprError, Literal, TypedExpr};
use crate::value::Value;
use crate::zone::to_datetime;

pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("EXTRACT", (2, 2), extract_type, Body::Strict(extract)),
    short("YEAR", |a, ctx| extracting("YEAR", a, ctx)),
    short("QUARTER", |a, ctx| extracting("QUARTER", a, ctx)),
    short("MONTH", |a, ctx| extracting("MONTH", a, ctx)),
    short("WEEK", |a, ctx| extracting("WEEK", a, ctx)),
    short("DAYOFYEAR", |a, ctx| extracting("DOY", a, ctx)),
    short("DAYOFMONTH", |a, ctx| extracting("DAY", a, ctx)),
    short("DAYOFWEEK", |a, ctx| extracting("DOW", a, ctx)),
    short("HOUR", |a, ctx| extracting("HOUR", a, ctx)),
    short("MINUTE", |a, ctx| extracting("MINUTE", a, ctx)),
    short("SECOND", |a, ctx| extracting("SECOND", a, ctx)),
];

const fn short(name: &'static str, rewrite: Rewrite) -> Function {
    Function::new(name, (1, 1), never, Body::Rewrite(rewrite))
}

fn extracting(
    unit: &str,
    mut arguments: Vec<TypedExpr>,
    ctx: &ExprContext,
) -> Result<TypedExpr, ExprError> {
    let length = unit.len() as u32;
    let unit =
        TypedExpr::literal(Literal::String(unit.to_owned()), TypeRoot::Char(length).not_null());
    arguments.insert(0, unit);
    crate::call("EXTRACT", arguments, ctx)
}

/// The unit is a constant; checks that it is one.
pub(super) fn constant_unit(call: &Signature<'_>) -> Result<Unit, ExprError> {
    let name = call.constant_text(0).unwrap_or_default();
    unit::parse(name).ok_or_else(|| ExprError::at(0, format!("'{name}' is no time unit")))
}

fn extract_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    constant_unit(call)?;
    match call.root(1) {
        TypeRoot::Null => call.cast(1, &TypeRoot::Timestamp { precision: 3 }),
        TypeRoot::Date | TypeRoot::Time => {}
        TypeRoot::IntervalYearMonth | TypeRoot::IntervalDayTime => {}
        root if root.is_timestamp() => {}
        _ => return Err(call.error(1, "a date, a time, a timestamp or an interval")),
    }
    call.result(TypeRoot::BigInt)
}

fn extract<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Result<Value<'a>, EvalError> {
    let unit = unit::of(&row[0])?;
    let root = &scope.env.arguments[1].root;
    match (root, &row[1]) {
        (TypeRoot::IntervalYearMonth, Value::Integer(months)) => from_months(unit, *months),
        (TypeRoot::IntervalDayTime, Value::Integer(millis)) => from_millis(unit, *millis),
        _ => Ok(Value::Integer(of_local(unit, local_nanos(&row[1], root, scope)))),
    }
}

/// The wall clock of any temporal value; an instant's in the session zone.
pub(super) fn local_nanos(value: &Value<'_>, root: &TypeRoot, scope: &Scope<'_>) -> i128 {
    match (value, root) {
        (Value::Integer(days), TypeRoot::Date) => i128::from(*days) * NANOS_PER_DAY,
        (Value::Integer(millis), _) => i128::from(*millis) * NANOS_PER_MILLI,
        (value, TypeRoot::TimestampLtz { .. }) => scope.zone().to_local(value.as_nanos()),
        (value, _) => value.as_nanos(),
    }
}

/// EPOCH of an instant is that of its wall clock (row C8.4).
fn of_local(unit: Unit, nanos: i128) -> i64 {
    let seconds = nanos.div_euclid(NANOS_PER_SECOND) as i64;
    match unit {
        Unit::Epoch => seconds,
        Unit::Hour => seconds.rem_euclid(86_400) / 3_600,
        Unit::Minute => seconds.rem_euclid(3_600) / 60,
        Unit::Second => seconds.rem_euclid(60),
        _ => of_datetime(unit, to_datetime(nanos)),
    }
}

fn of_datetime(unit: Unit, at: NaiveDateTime) -> i64 {
    let year = i64::from(at.year());
    match unit {
        Unit::Year => year,
        Unit::IsoYear => i64::from(at.iso_week().year()),
        Unit::Quarter => i64::from(at.month0() / 3) + 1,
        Unit::Month => i64::from(at.month()),
        Unit::Week => i64::from(at.iso_week().week()),
        Unit::Day => i64::from(at.day()),
        Unit::DayOfYear => i64::from(at.ordinal()),
        Unit::DayOfWeek => i64::from(at.weekday().num_days_from_sunday()) + 1,
        Unit::IsoDayOfWeek => i64::from(at.weekday().num_days_from_monday()) + 1,
        Unit::Hour => i64::from(at.hour()),
        Unit::Minute => i64::from(at.minute()),
        Unit::Second => i64::from(at.second()),
        Unit::Millisecond => i64::from(at.nanosecond() / 1_000_000),
        Unit::Microsecond => i64::from(at.nanosecond() / 1_000),
        Unit::Nanosecond => i64::from(at.nanosecond()),
        Unit::Decade => year.div_euclid(10),
        Unit::Century => rounded_up(year, 100),
        Unit::Millennium => rounded_up(year, 1000),
        Unit::Epoch => at.and_utc().timestamp(),
    }
}

/// 2000 is of the 20th century, 2001 of the 21st.
fn rounded_up(year: i64, size: i64) -> i64 {
    if year > 0 { (year + size - 1) / size } else { (year - size + 1) / size }
}

fn from_months<'a>(unit: Unit, months: i64) -> Result<Value<'a>, EvalError> {
    match unit {
        Unit::Year => Ok(Value::Integer(months / 12)),
        Unit::Quarter => Ok(Value::Integer(months % 12 / 3 + 1)),
        Unit::Month => Ok(Value::Integer(months % 12)),
        other => Err(EvalError::new(format!("an interval of months has no {other:?}"))),
    }
}

fn from_millis<'a>(unit: Unit, millis: i64) -> Result<Value<'a>, EvalError> {
    Ok(Value::Integer(match unit {
        Unit::Day => millis / 86_400_000,
        Unit::Hour => millis / 3_600_000 % 24,
        Unit::Minute => millis / 60_000 % 60,
        Unit::Second => millis / 1000 % 60,
        Unit::Millisecond => millis % 1000,
        Unit::Epoch => millis / 1000,
        other => return Err(EvalError::new(format!("an interval of seconds has no {other:?}"))),
    }))
}

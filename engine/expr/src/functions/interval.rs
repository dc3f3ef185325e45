//! Intervals: sums, products, and moving a time by one (section C.6).

use std::sync::Arc;

use arrow::array::types::Int64Type;
use arrow::array::{Array, ArrayRef, AsArray, Int64Array};
use arrow::compute::kernels::arity::binary;
use arrow::datatypes::{DataType as ArrowType, TimeUnit};
use arrow::error::ArrowError;
use chrono::Months;
use datafusion_physical_expr::PhysicalExpr;
use millrace_dataflow::{EvalError, TypeRoot};

use crate::decimal;
use crate::physical::call::CallExpr;
use crate::physical::scope::{Env, Scope};
use crate::text::datetime::{MILLIS_PER_DAY, NANOS_PER_MILLI, date, epoch_days};
use crate::value::Value;
use crate::zone::{from_datetime, to_datetime};

pub(super) fn node(
    operator: char,
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    env: &Arc<Env>,
) -> Arc<dyn PhysicalExpr> {
    let (left, right) = (&env.arguments[0].root, &env.arguments[1].root);
    if left.is_timestamp() && *right == TypeRoot::IntervalDayTime {
        return match operator {
            '+' => CallExpr::arrays("+", |a, _| moved(a, 1), env, arguments),
            _ => CallExpr::arrays("-", |a, _| moved(a, -1), env, arguments),
        };
    }
    match operator {
        '+' => CallExpr::strict("+", |row, scope| add(row, 1, scope), env, arguments),
        '-' => CallExpr::strict("-", |row, scope| add(row, -1, scope), env, arguments),
        '*' => CallExpr::strict("*", |row, scope| scale(row, false, scope), env, arguments),
        _ => CallExpr::strict("/", |row, scope| scale(row, true, scope), env, arguments),
    }
}

/// TIMESTAMP and an interval of milliseconds, a column at a time: every watermark
/// expression is one.
fn moved(arguments: &[ArrayRef], sign: i64) -> Result<ArrayRef, EvalError> {
    let failed = |error: ArrowError| EvalError::new(error.to_string());
    let times = &arguments[0];
    let ticks_a_milli: i64 = match times.data_type() {
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => 1_000,
        ArrowType::Timestamp(TimeUnit::Nanosecond, _) => 1_000_000,
        _ => 1,
    };
    let ticks = arrow::compute::cast(times, &ArrowType::Int64).map_err(failed)?;
    let millis = arguments[1].as_primitive::<Int64Type>();
    let sums: Int64Array = binary(ticks.as_primitive::<Int64Type>(), millis, |ticks, millis| {
        ticks.wrapping_add(millis.wrapping_mul(sign * ticks_a_milli))
    })
    .map_err(failed)?;
    arrow::compute::cast(&sums, times.data_type()).map_err(failed)
}

fn add<'a>(row: &[Value<'a>], sign: i64, scope: &mut Scope<'_>) -> Result<Value<'a>, EvalError> {
    let (left, right) = (&scope.env.arguments[0].root, &scope.env.arguments[1].root);
    let is_interval =
        |root: &TypeRoot| matches!(root, TypeRoot::IntervalYearMonth | TypeRoot::IntervalDayTime);
    if is_interval(left) && is_interval(right) {
        let sum = row[0].as_int().wrapping_add(row[1].as_int().wrapping_mul(sign));
        return Ok(Value::Integer(sum));
    }
    let (time, root, interval, kind) = if is_interval(left) {
        (&row[1], right, &row[0], left)
    } else {
        (&row[0], left, &row[1], right)
    };
    let amount = interval.as_int().wrapping_mul(sign);
    Ok(match kind {
        TypeRoot::IntervalYearMonth => add_months(time, root, amount, scope),
        _ => add_millis(time, root, amount),
    })
}

/// Days of a shorter month clamp to its end (row C6.1). An instant moves on its
/// UTC calendar, as Flink's `addMonths` on epoch milliseconds does.
pub(super) fn add_months<'a>(
    time: &Value<'a>,
    root: &TypeRoot,
    months: i64,
    _: &Scope<'_>,
) -> Value<'a> {
    match (time, root) {
        (Value::Integer(days), TypeRoot::Date) => shifted(date(*days), months)
            .map_or(Value::Null, |date| Value::Integer(epoch_days(date))),
        (Value::Timestamp(nanos), _) => {
            let at = to_datetime(*nanos);
            shifted(at.date(), months).map_or(Value::Null, |date| {
                Value::Timestamp(from_datetime(date.and_time(at.time())))
            })
        }
        (time, _) => time.clone(),
    }
}

fn shifted(date: chrono::NaiveDate, months: i64) -> Option<chrono::NaiveDate> {
    let amount = Months::new(u32::try_from(months.unsigned_abs()).ok()?);
    if months < 0 { date.checked_sub_months(amount) } else { date.checked_add_months(amount) }
}

/// TIME wraps at 24 hours (row C6.3).
pub(super) fn add_millis<'a>(time: &Value<'a>, root: &TypeRoot, millis: i64) -> Value<'a> {
    match (time, root) {
        (Value::Integer(days), TypeRoot::Date) => {
            Value::Integer(days.wrapping_add(millis / MILLIS_PER_DAY))
        }
        (Value::Integer(of_day), TypeRoot::Time) => {
            Value::Integer(of_day.wrapping_add(millis).rem_euclid(MILLIS_PER_DAY))
        }
        (Value::Timestamp(nanos), _) => {
            Value::Timestamp(nanos + i128::from(millis) * NANOS_PER_MILLI)
        }
        (time, _) => time.clone(),
    }
}

fn number(value: &Value<'_>, root: &TypeRoot) -> f64 {
    match value {
        Value::Integer(value) => *value as f64,
        Value::Decimal(value) => decimal::to_float(*value, decimal::Scale::of(root).scale),
        other => other.as_float(),
    }
}

/// `interval * n`, `n * interval`, `interval / n`; whole numbers stay exact.
fn scale<'a>(
    row: &[Value<'a>],
    divide: bool,
    scope: &mut Scope<'_>,
) -> Result<Value<'a>, EvalError> {
    let first = scope.env.arguments[0].root.is_numeric();
    let (factor, interval) = if first { (0, 1) } else { (1, 0) };
    let amount = row[interval].as_int();
    if let Value::Integer(factor) = row[factor] {
        return match (divide, factor) {
            (true, 0) => Err(EvalError::new("Division by zero")),
            (true, factor) => Ok(Value::Integer(amount.wrapping_div(factor))),
            (false, factor) => Ok(Value::Integer(amount.wrapping_mul(factor))),
        };
    }
    let factor = number(&row[factor], &scope.env.arguments[factor].root);
    if divide && factor == 0.0 {
        return Err(EvalError::new("Division by zero"));
    }
    let product = if divide { amount as f64 / factor } else { amount as f64 * factor };
    Ok(Value::Integer(product as i64))
}

//! Times from and to text: DATE_FORMAT, TO_DATE, TO_TIMESTAMP, UNIX_TIMESTAMP and
//! their kin (rows D4.12 to D4.19).

use std::sync::Arc;

use datafusion_physical_expr::PhysicalExpr;
use millrace_dataflow::{DataType, EvalError, TypeRoot};

use super::clock;
use super::extract::local_nanos;
use crate::decimal;
use crate::physical::call::CallExpr;
use crate::physical::scope::{Env, Scope};
use crate::registry::{Body, Function};
use crate::signature::{Signature, strings_to_string};
use crate::text::datetime::{
    NANOS_PER_DAY, NANOS_PER_MILLI, NANOS_PER_SECOND, parse_date, parse_timestamp, truncate,
};
use crate::text::pattern_parse::{Manner, parse};
use crate::typed::ExprError;
use crate::value::Value;
use crate::zone::{Zone, to_datetime};

type Outcome<'a> = Result<Value<'a>, EvalError>;

const SECONDS: &str = "yyyy-MM-dd HH:mm:ss";
/// Nanoseconds of 0000-01-01 and of the start of the year 10000.
const FIRST: i128 = -62_167_219_200 * NANOS_PER_SECOND;
const END: i128 = 253_402_300_800 * NANOS_PER_SECOND;

pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("DATE_FORMAT", (2, 2), date_format_type, Body::Strict(date_format)),
    Function::new("TO_DATE", (1, 2), to_date_type, Body::Strict(to_date)),
    Function::new("TO_TIMESTAMP", (1, 2), to_timestamp_type, Body::Strict(to_timestamp)),
    Function::new("TO_TIMESTAMP_LTZ", (2, 2), to_ltz_type, Body::Strict(to_ltz)),
    Function::new("UNIX_TIMESTAMP", (0, 2), unix_type, Body::Node(unix_node)).volatile(),
    Function::new("FROM_UNIXTIME", (1, 2), from_unix_type, Body::Strict(from_unix)),
    Function::new("CONVERT_TZ", (3, 3), convert_tz_type, Body::Strict(convert_tz)),
];

fn nullable_string() -> DataType {
    TypeRoot::string().nullable()
}

fn date_format_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.character(1)?;
    match call.root(0) {
        root if root.is_timestamp() => call.result(TypeRoot::string()),
        TypeRoot::Date => {
            call.cast(0, &TypeRoot::Timestamp { precision: 3 });
            call.result(TypeRoot::string())
        }
        root if root.is_character() || *root == TypeRoot::Null => {
            call.character(0)?;
            Ok(nullable_string())
        }
        _ => Err(call.error(0, "a timestamp or a string")),
    }
}

fn date_format<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    let local = if let Value::String(text) = &row[0] {
        let seconds = scope.pattern(SECONDS)?;
        match parse(seconds, text, Manner::Lenient) {
            Some((local, _)) => local,
            None => return Ok(Value::Null),
        }
    } else {
        local_nanos(&row[0], &scope.env.arguments[0].root, scope)
    };
    let text = row[1].as_str();
    let Some(step) = finest_step(text) else { return formatted(local, text, scope) };
    let moment = local.div_euclid(step);
    if let Some((known_moment, known_pattern, known)) = &scope.caches.formatted
        && *known_moment == moment
        && known_pattern == text
    {
        return Ok(Value::text(known.clone()));
    }
    let value = formatted(local, text, scope)?;
    scope.caches.formatted = Some((moment, text.to_owned(), value.as_str().to_owned()));
    Ok(value)
}

fn formatted<'a>(local: i128, pattern: &str, scope: &mut Scope<'_>) -> Outcome<'a> {
    let pattern = scope.pattern(pattern)?;
    pattern.format(to_datetime(local)).map(Value::text).map_err(EvalError::new)
}

/// Nanoseconds that a pattern's text is the same for; `None`: it has fractions of a second.
fn finest_step(pattern: &str) -> Option<i128> {
    if pattern.contains(['S', 'n', 'A', 'N']) {
        return None;
    }
    Some(if pattern.contains('s') { NANOS_PER_SECOND } else { 60 * NANOS_PER_SECOND })
}

fn to_date_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.characters()?;
    Ok(TypeRoot::Date.nullable())
}

fn to_date<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    let text = row[0].as_str();
    let days = match row.get(1).map(Value::as_str) {
        None | Some("yyyy-MM-dd") => parse_date(text),
        Some(pattern) => parse(scope.pattern(pattern)?, text, Manner::Lenient)
            .map(|(local, _)| local.div_euclid(NANOS_PER_DAY) as i64),
    };
    Ok(days.map_or(Value::Null, Value::Integer))
}

fn to_timestamp_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.characters()?;
    Ok(TypeRoot::Timestamp { precision: 3 }.nullable())
}

/// A pattern that does not fit falls back to `yyyy-[M]M-[d]d HH:mm:ss[.f]`
/// (Flink: `DateTimeUtils.parseTimestampData`).
fn to_timestamp<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    let text = row[0].as_str();
    let nanos = match row.get(1) {
        None => parse_timestamp(text),
        Some(pattern) => parse(scope.pattern(pattern.as_str())?, text, Manner::Strict)
            .map(|(local, _)| local)
            .or_else(|| parse_timestamp(text).filter(|_| text.contains(' '))),
    };
    Ok(nanos.map_or(Value::Null, |nanos| Value::Timestamp(truncate(nanos, 3))))
}

fn to_ltz_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.numeric(0)?;
    call.integer(1)?;
    Ok(TypeRoot::TimestampLtz { precision: 3 }.nullable())
}

fn to_ltz<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    let unit = match row[1].as_int() {
        0 => NANOS_PER_SECOND,
        3 => NANOS_PER_MILLI,
        other => {
            return Err(EvalError::new(format!(
                "the precision value {other} is not supported, supported values are 0 and 3"
            )));
        }
    };
    let nanos = match &row[0] {
        Value::Integer(value) => i128::from(*value) * unit,
        Value::Decimal(value) => {
            let scale = decimal::Scale::of(&scope.env.arguments[0].root).scale;
            let whole = value.saturating_mul(unit) / decimal::power_of_ten(u32::from(scale));
            truncate(whole, 3)
        }
        other => {
            (other.as_float() * if unit == NANOS_PER_SECOND { 1000.0 } else { 1.0 }) as i128
                * NANOS_PER_MILLI
        }
    };
    if !(FIRST..END).contains(&nanos) {
        return Ok(Value::Null);
    }
    Ok(Value::Timestamp(nanos))
}

fn unix_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.characters()?;
    if call.len() == 0 {
        return Ok(TypeRoot::BigInt.not_null());
    }
    call.result(TypeRoot::BigInt)
}

fn unix_node(
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    env: &Arc<Env>,
) -> Result<Arc<dyn PhysicalExpr>, ExprError> {
    if arguments.is_empty() {
        let seconds = |row: &[Value<'_>], _: &mut Scope<'_>| {
            Ok(Value::Integer(row[0].as_int().div_euclid(1000)))
        };
        return Ok(clock::now("UNIX_TIMESTAMP", seconds, env));
    }
    Ok(CallExpr::strict("UNIX_TIMESTAMP", unix, env, arguments))
}

/// Seconds in the session zone unless the text has an offset; bad text is the
/// smallest BIGINT (row D4.17).
fn unix<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    let zone = scope.zone();
    let pattern = scope.pattern(row.get(1).map_or(SECONDS, Value::as_str))?;
    Ok(Value::Integer(match parse(pattern, row[0].as_str(), Manner::Lenient) {
        None => i64::MIN,
        Some((local, Some(offset))) => local.div_euclid(NANOS_PER_SECOND) as i64 - offset,
        Some((local, None)) => zone.to_instant(local).div_euclid(NANOS_PER_SECOND) as i64,
    }))
}

fn from_unix_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.integer(0)?;
    if call.len() == 2 {
        call.character(1)?;
    }
    call.result(TypeRoot::string())
}

fn from_unix<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    let local = scope.zone().to_local(i128::from(row[0].as_int()) * NANOS_PER_SECOND);
    let pattern = scope.pattern(row.get(1).map_or(SECONDS, Value::as_str))?;
    pattern.format(to_datetime(local)).map(Value::text).map_err(EvalError::new)
}

fn convert_tz_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    strings_to_string(call)?;
    Ok(nullable_string())
}

fn convert_tz<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    // Java reads an unknown zone as GMT.
    let zone = |value: &Value<'_>| Zone::parse(value.as_str()).unwrap_or(Zone::UTC);
    let (from, to) = (zone(&row[1]), zone(&row[2]));
    let seconds = scope.pattern(SECONDS)?;
    let Some((local, _)) = parse(seconds, row[0].as_str(), Manner::Lenient) else {
        return Ok(Value::Null);
    };
    let moved = to.to_local(from.to_instant(local));
    seconds.format(to_datetime(moved)).map(Value::text).map_err(EvalError::new)
}

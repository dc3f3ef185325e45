//! Powers, logarithms, trigonometry and number texts (section D.2).

use std::sync::Arc;

use arrow::array::types::Float64Type;
use arrow::array::{ArrayRef, AsArray, Float64Array};
use arrow::compute::kernels::arity::binary;
use millrace_dataflow::{DataType, EvalError, TypeRoot};

use crate::physical::scope::Scope;
use crate::registry::{ArrayFunction, Body, Function};
use crate::signature::{Signature, doubles_to_double};
use crate::typed::ExprError;
use crate::value::Value;

type Outcome<'a> = Result<Value<'a>, EvalError>;

const fn unary(name: &'static str, run: ArrayFunction) -> Function {
    Function::new(name, (1, 1), doubles_to_double, Body::Arrays(run))
}

pub(crate) const FUNCTIONS: &[Function] = &[
    unary("SQRT", |a, _| map(a, f64::sqrt)),
    unary("EXP", |a, _| map(a, f64::exp)),
    unary("LN", |a, _| map(a, f64::ln)),
    unary("LOG10", |a, _| map(a, f64::log10)),
    unary("LOG2", |a, _| map(a, |x| x.ln() / std::f64::consts::LN_2)),
    unary("SIN", |a, _| map(a, f64::sin)),
    unary("COS", |a, _| map(a, f64::cos)),
    unary("TAN", |a, _| map(a, f64::tan)),
    unary("COT", |a, _| map(a, |x| 1.0 / x.tan())),
    unary("ASIN", |a, _| map(a, f64::asin)),
    unary("ACOS", |a, _| map(a, f64::acos)),
    unary("ATAN", |a, _| map(a, f64::atan)),
    unary("SINH", |a, _| map(a, f64::sinh)),
    unary("COSH", |a, _| map(a, f64::cosh)),
    unary("TANH", |a, _| map(a, f64::tanh)),
    unary("DEGREES", |a, _| map(a, |x| x * (180.0 / std::f64::consts::PI))),
    unary("RADIANS", |a, _| map(a, |x| x / 180.0 * std::f64::consts::PI)),
    Function::new("POWER", (2, 2), doubles_to_double, Body::Arrays(|a, _| join(a, f64::powf))),
    Function::new("ATAN2", (2, 2), doubles_to_double, Body::Arrays(|a, _| join(a, f64::atan2))),
    Function::new("LOG", (1, 2), doubles_to_double, Body::Arrays(log)),
    Function::new(
        "PI",
        (0, 0),
        constant,
        Body::Rows(|_, _| Ok(Value::Float(std::f64::consts::PI))),
    ),
    Function::new("E", (0, 0), constant, Body::Rows(|_, _| Ok(Value::Float(std::f64::consts::E)))),
    Function::new("ABS", (1, 1), same_number, Body::Strict(abs)),
    Function::new("SIGN", (1, 1), same_number, Body::Strict(sign)),
    Function::new("BIN", (1, 1), integer_to_string, Body::Strict(bin)),
    Function::new("HEX", (1, 1), hex_type, Body::Strict(hex)),
    Function::new("RAND", (1, 1), rand_type, Body::Rows(rand)).volatile(),
    Function::new("RAND_INTEGER", (2, 2), rand_integer_type, Body::Rows(rand_integer)).volatile(),
];

fn map(arguments: &[ArrayRef], run: fn(f64) -> f64) -> Result<ArrayRef, EvalError> {
    let mapped: Float64Array = arguments[0].as_primitive::<Float64Type>().unary(run);
    Ok(Arc::new(mapped))
}

fn join(arguments: &[ArrayRef], run: fn(f64, f64) -> f64) -> Result<ArrayRef, EvalError> {
    let (a, b) =
        (arguments[0].as_primitive::<Float64Type>(), arguments[1].as_primitive::<Float64Type>());
    let joined: Float64Array =
        binary(a, b, run).map_err(|error| EvalError::new(error.to_string()))?;
    Ok(Arc::new(joined))
}

/// `LOG(x)` is natural; `LOG(base, x)` divides, so that base 1 gives Infinity.
fn log(arguments: &[ArrayRef], _: &crate::physical::scope::Env) -> Result<ArrayRef, EvalError> {
    if arguments.len() == 1 {
        map(arguments, f64::ln)
    } else {
        join(arguments, |base, x| x.ln() / base.ln())
    }
}

fn constant(_: &mut Signature<'_>) -> Result<DataType, ExprError> {
    Ok(TypeRoot::Double.not_null())
}

fn same_number(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    if !matches!(call.root(0), TypeRoot::IntervalDayTime | TypeRoot::IntervalYearMonth) {
        call.numeric(0)?;
    }
    call.result(call.root(0).clone())
}

/// The smallest integer stays itself (row D2.2).
fn abs<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    Ok(match &row[0] {
        Value::Integer(value) => Value::Integer(value.wrapping_abs()),
        Value::Decimal(value) => Value::Decimal(value.abs()),
        Value::Float(value) => Value::Float(value.abs()),
        other => other.clone(),
    })
}

fn sign<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    Ok(match &row[0] {
        Value::Integer(value) => Value::Integer(value.signum()),
        Value::Decimal(value) => {
            let scale = crate::decimal::Scale::of(&scope.env.result.root).scale;
            Value::Decimal(value.signum() * crate::decimal::power_of_ten(u32::from(scale)))
        }
        // Java keeps zeros and NaN.
        Value::Float(value) if *value == 0.0 || value.is_nan() => Value::Float(*value),
        Value::Float(value) => Value::Float(value.signum()),
        other => other.clone(),
    })
}

fn integer_to_string(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.integer(0)?;
    call.result(TypeRoot::string())
}

fn bin<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    Ok(Value::text(format!("{:b}", row[0].as_int())))
}

fn hex_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    if !call.root(0).is_integer() {
        call.character(0)?;
    }
    call.result(TypeRoot::string())
}

fn hex<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    Ok(Value::text(match &row[0] {
        Value::Integer(value) => format!("{value:X}"),
        other => other.as_bytes().iter().map(|byte| format!("{byte:02X}")).collect(),
    }))
}

const MULTIPLIER: u64 = 0x5_DEEC_E66D;
const MASK: u64 = (1 << 48) - 1;

/// java.util.Random: the next `bits` bits (row D2.11). Seeded once a node, so that
/// the sequence goes on from batch to batch.
fn next(scope: &mut Scope<'_>, seed: i64, bits: u32) -> i32 {
    let state = scope.caches.random.unwrap_or((seed as u64 ^ MULTIPLIER) & MASK);
    let state = state.wrapping_mul(MULTIPLIER).wrapping_add(0xB) & MASK;
    scope.caches.random = Some(state);
    (state >> (48 - bits)) as i32
}

fn rand_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.integer(0)?;
    Ok(TypeRoot::Double.not_null())
}

fn rand<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    let seed = row[0].as_int();
    let high = i64::from(next(scope, seed, 26)) << 27;
    let low = i64::from(next(scope, seed, 27));
    Ok(Value::Float((high + low) as f64 * (1.0 / (1u64 << 53) as f64)))
}

fn rand_integer_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.integer(0)?;
    call.integer(1)?;
    call.result(TypeRoot::Int)
}

fn rand_integer<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    if row[1].is_null() {
        return Ok(Value::Null);
    }
    let (seed, bound) = (row[0].as_int(), row[1].as_int() as i32);
    if bound <= 0 {
        return Err(EvalError::new("bound must be positive"));
    }
    let mut bits = next(scope, seed, 31);
    if bound & (bound - 1) == 0 {
        return Ok(Value::Integer((i64::from(bound) * i64::from(bits)) >> 31));
    }
    // Java rejects the last incomplete round of `bound` values.
    while bits.wrapping_sub(bits % bound).wrapping_add(bound - 1) < 0 {
        bits = next(scope, seed, 31);
    }
    Ok(Value::Integer(i64::from(bits % bound)))
}

//! `+ - * / %` on columns: integers wrap, division by zero of exact numbers fails,
//! DECIMAL rounds HALF_UP and overflows to NULL (section C.7).

use std::sync::Arc;

use arrow::array::types::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
};
use arrow::array::{Array, ArrayRef, ArrowNativeTypeOp, AsArray, Decimal128Array, PrimitiveArray};
use arrow::compute::kernels::arity::{binary, try_binary};
use arrow::datatypes::{ArrowPrimitiveType, DataType as ArrowType};
use arrow::error::ArrowError;
use millrace_dataflow::EvalError;

use super::scope::Env;
use crate::decimal::{Scale, arithmetic as decimal_arithmetic};

/// Both arguments have the same Arrow type, or both are DECIMAL.
pub(crate) fn arithmetic(
    operator: char,
    arguments: &[ArrayRef],
    env: &Env,
) -> Result<ArrayRef, EvalError> {
    let (left, right) = (&arguments[0], &arguments[1]);
    match left.data_type() {
        ArrowType::Int8 => integers::<Int8Type>(operator, left, right),
        ArrowType::Int16 => integers::<Int16Type>(operator, left, right),
        ArrowType::Int32 => integers::<Int32Type>(operator, left, right),
        ArrowType::Int64 => integers::<Int64Type>(operator, left, right),
        ArrowType::Float32 => floats::<Float32Type>(operator, left, right),
        ArrowType::Float64 => floats::<Float64Type>(operator, left, right),
        _ => decimals(operator, left, right, env),
    }
}

fn unequal(error: ArrowError) -> EvalError {
    match error {
        ArrowError::DivideByZero => EvalError::new("Division by zero"),
        other => EvalError::new(other.to_string()),
    }
}

fn integers<T: ArrowPrimitiveType>(
    operator: char,
    left: &ArrayRef,
    right: &ArrayRef,
) -> Result<ArrayRef, EvalError> {
    let (a, b) = (left.as_primitive::<T>(), right.as_primitive::<T>());
    let guarded = |run: fn(T::Native, T::Native) -> T::Native| {
        try_binary::<_, _, _, T>(a, b, move |a, b| {
            if b.is_zero() { Err(ArrowError::DivideByZero) } else { Ok(run(a, b)) }
        })
    };
    let array: Result<PrimitiveArray<T>, ArrowError> = match operator {
        '+' => binary(a, b, |a, b| a.add_wrapping(b)),
        '-' => binary(a, b, |a, b| a.sub_wrapping(b)),
        '*' => binary(a, b, |a, b| a.mul_wrapping(b)),
        '/' => guarded(|a, b| a.div_wrapping(b)),
        _ => guarded(|a, b| a.mod_wrapping(b)),
    };
    Ok(Arc::new(array.map_err(unequal)?))
}

fn floats<T: ArrowPrimitiveType>(
    operator: char,
    left: &ArrayRef,
    right: &ArrayRef,
) -> Result<ArrayRef, EvalError> {
    let (a, b) = (left.as_primitive::<T>(), right.as_primitive::<T>());
    let array: Result<PrimitiveArray<T>, ArrowError> = match operator {
        '+' => binary(a, b, |a, b| a.add_wrapping(b)),
        '-' => binary(a, b, |a, b| a.sub_wrapping(b)),
        '*' => binary(a, b, |a, b| a.mul_wrapping(b)),
        '/' => binary(a, b, |a, b| a.div_wrapping(b)),
        _ => binary(a, b, |a, b| a.mod_wrapping(b)),
    };
    Ok(Arc::new(array.map_err(unequal)?))
}

fn decimals(
    operator: char,
    left: &ArrayRef,
    right: &ArrayRef,
    env: &Env,
) -> Result<ArrayRef, EvalError> {
    let (a, b) = (left.as_primitive::<Decimal128Type>(), right.as_primitive::<Decimal128Type>());
    let (from_left, from_right) =
        (Scale::of(&env.arguments[0].root), Scale::of(&env.arguments[1].root));
    let result = Scale::of(&env.result.root);
    if operator == '*' && is_exact_product(from_left, from_right, result) {
        // Types leave room for every product: NULLs aside, nothing is looked at.
        let products: Decimal128Array = binary(a, b, |a, b| a.wrapping_mul(b)).map_err(unequal)?;
        let products = products.with_precision_and_scale(result.precision, result.scale as i8);
        return Ok(Arc::new(products.map_err(unequal)?));
    }
    let values = (0..a.len())
        .map(|row| {
            if a.is_null(row) || b.is_null(row) {
                return Ok(None);
            }
            decimal_arithmetic(
                operator,
                (a.value(row), from_left),
                (b.value(row), from_right),
                result,
            )
            .map_err(EvalError::new)
        })
        .collect::<Result<Vec<Option<i128>>, EvalError>>()?;
    let array = Decimal128Array::from(values)
        .with_precision_and_scale(result.precision, result.scale as i8)
        .map_err(unequal)?;
    Ok(Arc::new(array))
}

fn is_exact_product(left: Scale, right: Scale, result: Scale) -> bool {
    result.scale == left.scale + right.scale && result.precision >= left.precision + right.precision
}

//! Casts between numbers, and between precisions of a timestamp, a column at a time.

use std::sync::Arc;

use arrow::array::types::{
    Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type, Int32Type, Int64Type,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
};
use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, PrimitiveArray, new_null_array};
use arrow::datatypes::{ArrowPrimitiveType, DataType as ArrowType, TimeUnit};
use millrace_dataflow::types::time_unit;
use millrace_dataflow::{DataType, TypeRoot};

use super::scalar::float_to_integer;
use crate::decimal::{power_of_ten, rescale};

/// `None` when the pair has no column form.
pub(super) fn cast(array: &ArrayRef, from: &TypeRoot, to: &TypeRoot) -> Option<ArrayRef> {
    if *from == TypeRoot::Null {
        let data_type = DataType { root: to.clone(), nullable: true };
        return Some(new_null_array(&data_type.to_arrow(), array.len()));
    }
    match array.data_type() {
        ArrowType::Int8 if from.is_integer() => from_integer::<Int8Type>(array, to),
        ArrowType::Int16 if from.is_integer() => from_integer::<Int16Type>(array, to),
        ArrowType::Int32 if from.is_integer() => from_integer::<Int32Type>(array, to),
        ArrowType::Int64 if from.is_integer() => from_integer::<Int64Type>(array, to),
        ArrowType::Float32 => from_float::<Float32Type>(array, to),
        ArrowType::Float64 => from_float::<Float64Type>(array, to),
        ArrowType::Timestamp(unit, _) => from_timestamp(array, *unit, from, to),
        ArrowType::Decimal128(..) => from_decimal(array, from, to),
        _ => None,
    }
}

fn map<F: ArrowPrimitiveType, T: ArrowPrimitiveType>(
    array: &ArrayRef,
    convert: impl Fn(F::Native) -> T::Native,
) -> ArrayRef {
    let mapped: PrimitiveArray<T> = array.as_primitive::<F>().unary(convert);
    Arc::new(mapped)
}

/// Narrowing wraps (row C5.15).
fn from_integer<F: ArrowPrimitiveType>(array: &ArrayRef, to: &TypeRoot) -> Option<ArrayRef>
where
    F::Native: Into<i64>,
{
    Some(match to {
        TypeRoot::TinyInt => map::<F, Int8Type>(array, |v| v.into() as i8),
        TypeRoot::SmallInt => map::<F, Int16Type>(array, |v| v.into() as i16),
        TypeRoot::Int => map::<F, Int32Type>(array, |v| v.into() as i32),
        TypeRoot::BigInt => map::<F, Int64Type>(array, Into::into),
        TypeRoot::Float => map::<F, Float32Type>(array, |v| v.into() as f32),
        TypeRoot::Double => map::<F, Float64Type>(array, |v| v.into() as f64),
        // Long enough for every integer: nothing to trim.
        TypeRoot::VarChar(20..) => arrow::compute::cast(array, &ArrowType::Utf8).ok()?,
        TypeRoot::Decimal { precision, scale } => {
            let values = array.as_primitive::<F>();
            // Every integer of 64 bits has 19 digits or fewer.
            let decimal: Decimal128Array = if *precision >= 19 + *scale {
                let unit = power_of_ten(u32::from(*scale));
                values.unary(|v| i128::from(v.into()) * unit)
            } else {
                values.unary_opt(|v| rescale(i128::from(v.into()), 0, *scale, *precision))
            };
            Arc::new(decimal.with_precision_and_scale(*precision, *scale as i8).ok()?)
        }
        _ => return None,
    })
}

/// What does not fit is NULL (row C4.10); with room for every value the digits are as
/// they were.
fn from_decimal(array: &ArrayRef, from: &TypeRoot, to: &TypeRoot) -> Option<ArrayRef> {
    let (TypeRoot::Decimal { precision: had, scale: from }, TypeRoot::Decimal { precision, scale }) =
        (from, to)
    else {
        return None;
    };
    let values = array.as_primitive::<Decimal128Type>();
    let decimal = match scale.checked_sub(*from) {
        Some(0) if precision >= had => values.clone(),
        Some(digits) if *precision >= had + digits => {
            let unit = power_of_ten(u32::from(digits));
            values.unary(|value| value * unit)
        }
        _ => values.unary_opt(|value| rescale(value, *from, *scale, *precision)),
    };
    Some(Arc::new(decimal.with_precision_and_scale(*precision, *scale as i8).ok()?))
}

fn from_float<F: ArrowPrimitiveType>(array: &ArrayRef, to: &TypeRoot) -> Option<ArrayRef>
where
    F::Native: Into<f64>,
{
    Some(match to {
        TypeRoot::TinyInt => {
            map::<F, Int8Type>(array, |v| float_to_integer(v.into(), &TypeRoot::TinyInt) as i8)
        }
        TypeRoot::SmallInt => {
            map::<F, Int16Type>(array, |v| float_to_integer(v.into(), &TypeRoot::SmallInt) as i16)
        }
        TypeRoot::Int => {
            map::<F, Int32Type>(array, |v| float_to_integer(v.into(), &TypeRoot::Int) as i32)
        }
        TypeRoot::BigInt => map::<F, Int64Type>(array, |v| v.into() as i64),
        TypeRoot::Float => map::<F, Float32Type>(array, |v| v.into() as f32),
        TypeRoot::Double => map::<F, Float64Type>(array, Into::into),
        _ => return None,
    })
}

/// Between precisions of the same kind that share a unit's ticks; the fraction is
/// cut (row C5.32).
fn from_timestamp(
    array: &ArrayRef,
    unit: TimeUnit,
    from: &TypeRoot,
    to: &TypeRoot,
) -> Option<ArrayRef> {
    let ((TypeRoot::Timestamp { precision }, TypeRoot::Timestamp { .. })
    | (TypeRoot::TimestampLtz { precision }, TypeRoot::TimestampLtz { .. })) = (to, from)
    else {
        return None;
    };
    let per_second = |unit: TimeUnit| match unit {
        TimeUnit::Second => 1,
        TimeUnit::Millisecond => 1_000,
        TimeUnit::Microsecond => 1_000_000,
        TimeUnit::Nanosecond => 1_000_000_000,
    };
    let target = time_unit(*precision);
    let (have, want) = (per_second(unit), per_second(target));
    let keep = 10i64.pow(u32::from(*precision));
    let ticks = arrow::compute::cast(array, &ArrowType::Int64).ok()?;
    let step = (want / keep).max(1);
    let shifted: PrimitiveArray<Int64Type> = ticks.as_primitive::<Int64Type>().unary(move |t| {
        let scaled =
            if want >= have { t.wrapping_mul(want / have) } else { t.div_euclid(have / want) };
        scaled.div_euclid(step) * step
    });
    let zone = matches!(to, TypeRoot::TimestampLtz { .. }).then(|| Arc::from("UTC"));
    Some(match target {
        TimeUnit::Second | TimeUnit::Millisecond => {
            Arc::new(shifted.reinterpret_cast::<TimestampMillisecondType>().with_timezone_opt(zone))
        }
        TimeUnit::Microsecond => {
            Arc::new(shifted.reinterpret_cast::<TimestampMicrosecondType>().with_timezone_opt(zone))
        }
        TimeUnit::Nanosecond => {
            Arc::new(shifted.reinterpret_cast::<TimestampNanosecondType>().with_timezone_opt(zone))
        }
    })
}

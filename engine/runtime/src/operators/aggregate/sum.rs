//! `SUM`: the type of the input; integers wrap, decimals beyond 38 digits are NULL,
//! no value at all is NULL (rows C7.1, D8.2).

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowNativeTypeOp, ArrowPrimitiveType, AsArray, Decimal128Builder, Int64Array,
    PrimitiveArray, PrimitiveBuilder,
};
use arrow::datatypes::{
    DataType as ArrowType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, i256,
};
use millrace_dataflow::{DataType, TypeRoot};
use millrace_state::cow::CowVec;

use super::blob::{load_wide, save_wide, wide_type};
use super::fold::{Accumulator, States, gather};
use super::{AggregateError, unsupported};

pub fn new(argument: &DataType, output: &DataType) -> Result<Box<dyn Accumulator>, AggregateError> {
    Ok(match argument.root {
        TypeRoot::TinyInt => Box::new(Sums::<Int8Type>::default()),
        TypeRoot::SmallInt => Box::new(Sums::<Int16Type>::default()),
        TypeRoot::Int | TypeRoot::IntervalYearMonth => Box::new(Sums::<Int32Type>::default()),
        TypeRoot::BigInt | TypeRoot::IntervalDayTime => Box::new(Sums::<Int64Type>::default()),
        TypeRoot::Float => Box::new(Sums::<Float32Type>::default()),
        TypeRoot::Double => Box::new(Sums::<Float64Type>::default()),
        TypeRoot::Decimal { .. } => {
            Box::new(DecimalSums { output: output.to_arrow(), ..DecimalSums::default() })
        }
        _ => return Err(unsupported("SUM", argument)),
    })
}

#[derive(Debug)]
struct Sums<T: ArrowPrimitiveType> {
    /// The sum, and the values in it.
    sums: CowVec<(T::Native, i64)>,
}

impl<T: ArrowPrimitiveType> Default for Sums<T> {
    fn default() -> Sums<T> {
        Sums { sums: CowVec::default() }
    }
}

impl<T: ArrowPrimitiveType + Debug> States for Sums<T>
where
    T::Native: ArrowNativeTypeOp,
{
    type Arguments<'a> = &'a [T::Native];
    type Output = PrimitiveBuilder<T>;

    fn bind<'a>(&self, columns: &'a [ArrayRef]) -> &'a [T::Native] {
        columns[0].as_primitive::<T>().values()
    }

    fn resize(&mut self, slots: usize) {
        self.sums.grow(slots);
    }

    fn clear(&mut self, slot: usize) {
        self.sums[slot] = (T::Native::ZERO, 0);
    }

    fn add(&mut self, slot: usize, values: &&[T::Native], row: usize) {
        let (sum, count) = &mut self.sums[slot];
        *sum = sum.add_wrapping(values[row]);
        *count += 1;
    }

    fn retract(&mut self, slot: usize, values: &&[T::Native], row: usize) {
        let (sum, count) = &mut self.sums[slot];
        *sum = sum.sub_wrapping(values[row]);
        *count -= 1;
    }

    fn output(&self, rows: usize) -> PrimitiveBuilder<T> {
        PrimitiveBuilder::with_capacity(rows)
    }

    fn append(&self, slot: usize, output: &mut PrimitiveBuilder<T>) {
        let (sum, count) = self.sums[slot];
        output.append_option((count != 0).then_some(sum));
    }

    fn finish(&self, mut output: PrimitiveBuilder<T>) -> ArrayRef {
        Arc::new(output.finish())
    }

    fn merge(&mut self, from: usize, to: usize) {
        let (sum, count) = self.sums[from];
        let held = &mut self.sums[to];
        *held = (held.0.add_wrapping(sum), held.1 + count);
    }

    fn save(&self, slots: &[u32]) -> Vec<ArrayRef> {
        let (sums, counts): (Vec<_>, Vec<_>) = gather(&self.sums, slots).into_iter().unzip();
        let sums = PrimitiveArray::<T>::from_iter_values(sums);
        vec![Arc::new(sums), Arc::new(Int64Array::from(counts))]
    }

    fn freeze(&mut self) -> Option<Sums<T>> {
        Some(Sums { sums: self.sums.freeze() })
    }

    fn saved_types(&self) -> Vec<ArrowType> {
        vec![T::DATA_TYPE, ArrowType::Int64]
    }

    fn load(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<(), AggregateError> {
        let sums = columns[0].as_primitive::<T>().values();
        let counts = columns[1].as_primitive::<Int64Type>().values();
        for (row, &slot) in slots.iter().enumerate() {
            self.sums[slot as usize] = (sums[row], counts[row]);
        }
        Ok(())
    }
}

/// Sums are exact in 256 bits; what does not fit the output is NULL, and comes back
/// when it is retracted.
#[derive(Debug)]
struct DecimalSums {
    output: ArrowType,
    sums: CowVec<i256>,
    counts: CowVec<i64>,
}

impl Default for DecimalSums {
    fn default() -> DecimalSums {
        DecimalSums { output: ArrowType::Null, sums: CowVec::default(), counts: CowVec::default() }
    }
}

impl States for DecimalSums {
    type Arguments<'a> = &'a [i128];
    type Output = Decimal128Builder;

    fn bind<'a>(&self, columns: &'a [ArrayRef]) -> &'a [i128] {
        columns[0].as_primitive::<Decimal128Type>().values()
    }

    fn resize(&mut self, slots: usize) {
        self.sums.grow(slots);
        self.counts.grow(slots);
    }

    fn clear(&mut self, slot: usize) {
        self.sums[slot] = i256::ZERO;
        self.counts[slot] = 0;
    }

    fn add(&mut self, slot: usize, values: &&[i128], row: usize) {
        let sum = &mut self.sums[slot];
        *sum = sum.wrapping_add(i256::from_i128(values[row]));
        self.counts[slot] += 1;
    }

    fn retract(&mut self, slot: usize, values: &&[i128], row: usize) {
        let sum = &mut self.sums[slot];
        *sum = sum.wrapping_sub(i256::from_i128(values[row]));
        self.counts[slot] -= 1;
    }

    fn output(&self, rows: usize) -> Decimal128Builder {
        Decimal128Builder::with_capacity(rows).with_data_type(self.output.clone())
    }

    fn append(&self, slot: usize, output: &mut Decimal128Builder) {
        let sum = if self.counts[slot] == 0 { None } else { fit(self.sums[slot], &self.output) };
        output.append_option(sum);
    }

    fn finish(&self, mut output: Decimal128Builder) -> ArrayRef {
        Arc::new(output.finish())
    }

    fn merge(&mut self, from: usize, to: usize) {
        let (sum, count) = (self.sums[from], self.counts[from]);
        self.sums[to] = self.sums[to].wrapping_add(sum);
        self.counts[to] += count;
    }

    fn save(&self, slots: &[u32]) -> Vec<ArrayRef> {
        let counts = Int64Array::from(gather(&self.counts, slots));
        vec![save_wide(&gather(&self.sums, slots)), Arc::new(counts)]
    }

    fn freeze(&mut self) -> Option<DecimalSums> {
        let (sums, counts) = (self.sums.freeze(), self.counts.freeze());
        Some(DecimalSums { output: self.output.clone(), sums, counts })
    }

    fn saved_types(&self) -> Vec<ArrowType> {
        vec![wide_type(), ArrowType::Int64]
    }

    fn load(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<(), AggregateError> {
        let sums = load_wide(&columns[0])?;
        let counts = columns[1].as_primitive::<Int64Type>().values();
        for (row, &slot) in slots.iter().enumerate() {
            self.sums[slot as usize] = sums[row];
            self.counts[slot as usize] = counts[row];
        }
        Ok(())
    }
}

/// The unscaled value, when it has no more digits than the type.
pub fn fit(value: i256, decimal: &ArrowType) -> Option<i128> {
    let ArrowType::Decimal128(precision, _) = decimal else { return None };
    let bound = 10_i128.checked_pow(u32::from(*precision))?;
    value.to_i128().filter(|value| -bound < *value && *value < bound)
}

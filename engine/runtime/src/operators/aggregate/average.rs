//! `AVG`: integers are summed in BIGINT and truncated toward zero, floats are summed
//! in DOUBLE, decimals are divided at the result's scale, half up (row D8.3).

use std::sync::Arc;

use arrow::array::{
    ArrayRef, AsArray, Decimal128Builder, Float32Array, Float64Array, Int8Array, Int16Array,
    Int32Array, Int64Array,
};
use arrow::datatypes::{
    DataType as ArrowType, Decimal128Type, Float32Type, Float64Type, Int8Type, Int16Type,
    Int32Type, Int64Type, i256,
};
use millrace_dataflow::{DataType, TypeRoot};

use millrace_state::cow::CowVec;

use super::blob::{load_wide, save_wide, wide_type};
use super::fold::{Accumulator, States, gather};
use super::sum::fit;
use super::{AggregateError, unsupported};

pub fn new(argument: &DataType, output: &DataType) -> Result<Box<dyn Accumulator>, AggregateError> {
    let output = output.to_arrow();
    Ok(match argument.root {
        TypeRoot::TinyInt | TypeRoot::SmallInt | TypeRoot::Int | TypeRoot::BigInt => {
            Box::new(IntegerAverages { output, sums: CowVec::default(), counts: CowVec::default() })
        }
        TypeRoot::Float | TypeRoot::Double => {
            Box::new(FloatAverages { output, sums: CowVec::default(), counts: CowVec::default() })
        }
        TypeRoot::Decimal { scale, .. } => Box::new(DecimalAverages {
            output,
            scale,
            sums: CowVec::default(),
            counts: CowVec::default(),
        }),
        _ => return Err(unsupported("AVG", argument)),
    })
}

/// The numbers of an integer column as BIGINT.
pub fn integers(column: &ArrayRef) -> Vec<i64> {
    macro_rules! widened {
        ($t:ty) => {
            column.as_primitive::<$t>().values().iter().map(|v| i64::from(*v)).collect()
        };
    }
    match column.data_type() {
        ArrowType::Int8 => widened!(Int8Type),
        ArrowType::Int16 => widened!(Int16Type),
        ArrowType::Int32 => widened!(Int32Type),
        _ => column.as_primitive::<Int64Type>().values().to_vec(),
    }
}

/// The numbers of a FLOAT or DOUBLE column as DOUBLE.
pub fn floats(column: &ArrayRef) -> Vec<f64> {
    match column.data_type() {
        ArrowType::Float32 => {
            column.as_primitive::<Float32Type>().values().iter().map(|v| f64::from(*v)).collect()
        }
        _ => column.as_primitive::<Float64Type>().values().to_vec(),
    }
}

/// A column of an integer type from BIGINT, cut to its width.
pub fn integer_column(output: &ArrowType, values: Vec<Option<i64>>) -> ArrayRef {
    macro_rules! cut {
        ($array:ty, $t:ty) => {
            Arc::new(<$array>::from_iter(values.iter().map(|value| value.map(|v| v as $t))))
        };
    }
    match output {
        ArrowType::Int8 => cut!(Int8Array, i8),
        ArrowType::Int16 => cut!(Int16Array, i16),
        ArrowType::Int32 => cut!(Int32Array, i32),
        _ => Arc::new(Int64Array::from(values)),
    }
}

/// A FLOAT or DOUBLE column.
pub fn float_column(output: &ArrowType, values: Vec<Option<f64>>) -> ArrayRef {
    match output {
        ArrowType::Float32 => {
            Arc::new(Float32Array::from_iter(values.iter().map(|value| value.map(|v| v as f32))))
        }
        _ => Arc::new(Float64Array::from(values)),
    }
}

#[derive(Debug)]
struct IntegerAverages {
    output: ArrowType,
    sums: CowVec<i64>,
    counts: CowVec<i64>,
}

impl States for IntegerAverages {
    type Arguments<'a> = Vec<i64>;
    type Output = Vec<Option<i64>>;

    fn bind(&self, columns: &[ArrayRef]) -> Vec<i64> {
        integers(&columns[0])
    }

    fn resize(&mut self, slots: usize) {
        self.sums.grow(slots);
        self.counts.grow(slots);
    }

    fn clear(&mut self, slot: usize) {
        self.sums[slot] = 0;
        self.counts[slot] = 0;
    }

    fn add(&mut self, slot: usize, values: &Vec<i64>, row: usize) {
        self.sums[slot] = self.sums[slot].wrapping_add(values[row]);
        self.counts[slot] += 1;
    }

    fn retract(&mut self, slot: usize, values: &Vec<i64>, row: usize) {
        self.sums[slot] = self.sums[slot].wrapping_sub(values[row]);
        self.counts[slot] -= 1;
    }

    fn output(&self, rows: usize) -> Vec<Option<i64>> {
        Vec::with_capacity(rows)
    }

    fn append(&self, slot: usize, output: &mut Vec<Option<i64>>) {
        let (sum, count) = (self.sums[slot], self.counts[slot]);
        output.push((count != 0).then(|| sum.wrapping_div(count)));
    }

    fn finish(&self, output: Vec<Option<i64>>) -> ArrayRef {
        integer_column(&self.output, output)
    }

    fn merge(&mut self, from: usize, to: usize) {
        self.sums[to] = self.sums[to].wrapping_add(self.sums[from]);
        self.counts[to] += self.counts[from];
    }

    fn save(&self, slots: &[u32]) -> Vec<ArrayRef> {
        [&self.sums, &self.counts]
            .map(|states| Arc::new(Int64Array::from(gather(states, slots))) as ArrayRef)
            .to_vec()
    }

    fn freeze(&mut self) -> Option<IntegerAverages> {
        let (sums, counts) = (self.sums.freeze(), self.counts.freeze());
        Some(IntegerAverages { output: self.output.clone(), sums, counts })
    }

    fn saved_types(&self) -> Vec<ArrowType> {
        vec![ArrowType::Int64, ArrowType::Int64]
    }

    fn load(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<(), AggregateError> {
        let sums = columns[0].as_primitive::<Int64Type>().values();
        let counts = columns[1].as_primitive::<Int64Type>().values();
        for (row, &slot) in slots.iter().enumerate() {
            self.sums[slot as usize] = sums[row];
            self.counts[slot as usize] = counts[row];
        }
        Ok(())
    }
}

#[derive(Debug)]
struct FloatAverages {
    output: ArrowType,
    sums: CowVec<f64>,
    counts: CowVec<i64>,
}

impl States for FloatAverages {
    type Arguments<'a> = Vec<f64>;
    type Output = Vec<Option<f64>>;

    fn bind(&self, columns: &[ArrayRef]) -> Vec<f64> {
        floats(&columns[0])
    }

    fn resize(&mut self, slots: usize) {
        self.sums.grow(slots);
        self.counts.grow(slots);
    }

    fn clear(&mut self, slot: usize) {
        self.sums[slot] = 0.0;
        self.counts[slot] = 0;
    }

    fn add(&mut self, slot: usize, values: &Vec<f64>, row: usize) {
        self.sums[slot] += values[row];
        self.counts[slot] += 1;
    }

    fn retract(&mut self, slot: usize, values: &Vec<f64>, row: usize) {
        self.sums[slot] -= values[row];
        self.counts[slot] -= 1;
    }

    fn output(&self, rows: usize) -> Vec<Option<f64>> {
        Vec::with_capacity(rows)
    }

    fn append(&self, slot: usize, output: &mut Vec<Option<f64>>) {
        let (sum, count) = (self.sums[slot], self.counts[slot]);
        output.push((count != 0).then(|| sum / count as f64));
    }

    fn finish(&self, output: Vec<Option<f64>>) -> ArrayRef {
        float_column(&self.output, output)
    }

    fn merge(&mut self, from: usize, to: usize) {
        self.sums[to] += self.sums[from];
        self.counts[to] += self.counts[from];
    }

    fn save(&self, slots: &[u32]) -> Vec<ArrayRef> {
        vec![
            Arc::new(Float64Array::from(gather(&self.sums, slots))),
            Arc::new(Int64Array::from(gather(&self.counts, slots))),
        ]
    }

    fn freeze(&mut self) -> Option<FloatAverages> {
        let (sums, counts) = (self.sums.freeze(), self.counts.freeze());
        Some(FloatAverages { output: self.output.clone(), sums, counts })
    }

    fn saved_types(&self) -> Vec<ArrowType> {
        vec![ArrowType::Float64, ArrowType::Int64]
    }

    fn load(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<(), AggregateError> {
        let sums = columns[0].as_primitive::<Float64Type>().values();
        let counts = columns[1].as_primitive::<Int64Type>().values();
        for (row, &slot) in slots.iter().enumerate() {
            self.sums[slot as usize] = sums[row];
            self.counts[slot as usize] = counts[row];
        }
        Ok(())
    }
}

#[derive(Debug)]
struct DecimalAverages {
    output: ArrowType,
    /// Of the argument.
    scale: u8,
    sums: CowVec<i256>,
    counts: CowVec<i64>,
}

impl DecimalAverages {
    fn average(&self, slot: usize) -> Option<i128> {
        let ArrowType::Decimal128(_, out_scale) = self.output else { return None };
        divide(self.sums[slot], self.counts[slot], out_scale - self.scale as i8)
            .and_then(|average| fit(average, &self.output))
    }
}

/// `sum / count` with `more` digits added, half up (away from zero).
pub fn divide(sum: i256, count: i64, more: i8) -> Option<i256> {
    let (mut numerator, mut denominator) = (sum, i256::from_i128(i128::from(count)));
    let power = i256::from_i128(10).checked_pow(u32::from(more.unsigned_abs()))?;
    if more >= 0 {
        numerator = numerator.checked_mul(power)?;
    } else {
        denominator = denominator.checked_mul(power)?;
    }
    let quotient = numerator.checked_div(denominator)?;
    let rest = numerator.checked_rem(denominator)?;
    let doubled = rest.checked_mul(i256::from_i128(2))?.checked_abs()?;
    if doubled < denominator.checked_abs()? {
        return Some(quotient);
    }
    let negative = (numerator < i256::ZERO) != (denominator < i256::ZERO);
    quotient.checked_add(if negative { i256::MINUS_ONE } else { i256::ONE })
}

impl States for DecimalAverages {
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
        self.sums[slot] = self.sums[slot].wrapping_add(i256::from_i128(values[row]));
        self.counts[slot] += 1;
    }

    fn retract(&mut self, slot: usize, values: &&[i128], row: usize) {
        self.sums[slot] = self.sums[slot].wrapping_sub(i256::from_i128(values[row]));
        self.counts[slot] -= 1;
    }

    fn output(&self, rows: usize) -> Decimal128Builder {
        Decimal128Builder::with_capacity(rows).with_data_type(self.output.clone())
    }

    fn append(&self, slot: usize, output: &mut Decimal128Builder) {
        output.append_option(self.average(slot));
    }

    fn finish(&self, mut output: Decimal128Builder) -> ArrayRef {
        Arc::new(output.finish())
    }

    fn merge(&mut self, from: usize, to: usize) {
        self.sums[to] = self.sums[to].wrapping_add(self.sums[from]);
        self.counts[to] += self.counts[from];
    }

    fn save(&self, slots: &[u32]) -> Vec<ArrayRef> {
        let counts = Int64Array::from(gather(&self.counts, slots));
        vec![save_wide(&gather(&self.sums, slots)), Arc::new(counts)]
    }

    fn freeze(&mut self) -> Option<DecimalAverages> {
        let (sums, counts) = (self.sums.freeze(), self.counts.freeze());
        Some(DecimalAverages { output: self.output.clone(), scale: self.scale, sums, counts })
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

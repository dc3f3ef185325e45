//! `VAR_POP`, `VAR_SAMP`, `STDDEV_POP`, `STDDEV_SAMP` by sum and sum of squares, in the
//! type of the input (rows C8.8, D8.5): integers are divided as integers, so their
//! result is truncated. A sample of one row is NULL, a population of one is 0.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Decimal128Array, Float64Array, Int64Array};
use arrow::datatypes::{DataType as ArrowType, Decimal128Type, Float64Type, Int64Type};
use millrace_dataflow::graph::AggregateFunction;
use millrace_dataflow::{DataType, TypeRoot};

use millrace_state::cow::CowVec;

use super::average::{float_column, floats, integer_column, integers};
use super::fold::{Accumulator, States, gather};
use super::{AggregateError, unsupported};

#[derive(Clone, Copy, Debug)]
struct Kind {
    sample: bool,
    root: bool,
}

pub fn new(
    function: &AggregateFunction,
    argument: &DataType,
    output: &DataType,
) -> Result<Box<dyn Accumulator>, AggregateError> {
    let kind = Kind {
        sample: matches!(function, AggregateFunction::StddevSamp | AggregateFunction::VarSamp),
        root: matches!(function, AggregateFunction::StddevSamp | AggregateFunction::StddevPop),
    };
    let output = output.to_arrow();
    if argument.root.is_integer() {
        let (counts, sums, squares) = Default::default();
        let states = IntegerMoments { kind, output, counts, sums, squares };
        return Ok(Box::new(states));
    }
    let scale = match argument.root {
        TypeRoot::Float | TypeRoot::Double => None,
        TypeRoot::Decimal { scale, .. } => Some(scale),
        _ => return Err(unsupported("variance", argument)),
    };
    let (counts, sums, squares) = Default::default();
    Ok(Box::new(FloatMoments { kind, output, scale, counts, sums, squares }))
}

impl Kind {
    /// What the sum of squared deviations is divided by; `None`: the result is NULL.
    fn divisor(self, count: i64) -> Option<i64> {
        let divisor = if self.sample { count - 1 } else { count };
        (count > 0 && divisor != 0).then_some(divisor)
    }
}

#[derive(Debug)]
struct IntegerMoments {
    kind: Kind,
    output: ArrowType,
    counts: CowVec<i64>,
    sums: CowVec<i64>,
    squares: CowVec<i64>,
}

impl IntegerMoments {
    /// `(sum(x * x) - sum(x) * sum(x) / n) / divisor` in whole numbers.
    fn value(&self, slot: usize) -> Option<i64> {
        let (count, sum) = (self.counts[slot], self.sums[slot]);
        let divisor = self.kind.divisor(count)?;
        let deviation = self.squares[slot].wrapping_sub(sum.wrapping_mul(sum).wrapping_div(count));
        let variance = deviation.wrapping_div(divisor);
        Some(if self.kind.root { (variance as f64).powf(0.5) as i64 } else { variance })
    }
}

impl States for IntegerMoments {
    type Arguments<'a> = Vec<i64>;
    type Output = Vec<Option<i64>>;

    fn bind(&self, columns: &[ArrayRef]) -> Vec<i64> {
        integers(&columns[0])
    }

    fn resize(&mut self, slots: usize) {
        for states in [&mut self.counts, &mut self.sums, &mut self.squares] {
            states.grow(slots);
        }
    }

    fn clear(&mut self, slot: usize) {
        (self.counts[slot], self.sums[slot], self.squares[slot]) = (0, 0, 0);
    }

    fn add(&mut self, slot: usize, values: &Vec<i64>, row: usize) {
        let value = values[row];
        self.counts[slot] += 1;
        self.sums[slot] = self.sums[slot].wrapping_add(value);
        self.squares[slot] = self.squares[slot].wrapping_add(value.wrapping_mul(value));
    }

    fn retract(&mut self, slot: usize, values: &Vec<i64>, row: usize) {
        let value = values[row];
        self.counts[slot] -= 1;
        self.sums[slot] = self.sums[slot].wrapping_sub(value);
        self.squares[slot] = self.squares[slot].wrapping_sub(value.wrapping_mul(value));
    }

    fn output(&self, rows: usize) -> Vec<Option<i64>> {
        Vec::with_capacity(rows)
    }

    fn append(&self, slot: usize, output: &mut Vec<Option<i64>>) {
        output.push(self.value(slot));
    }

    fn finish(&self, output: Vec<Option<i64>>) -> ArrayRef {
        integer_column(&self.output, output)
    }

    fn merge(&mut self, from: usize, to: usize) {
        self.counts[to] += self.counts[from];
        self.sums[to] = self.sums[to].wrapping_add(self.sums[from]);
        self.squares[to] = self.squares[to].wrapping_add(self.squares[from]);
    }

    fn save(&self, slots: &[u32]) -> Vec<ArrayRef> {
        [&self.counts, &self.sums, &self.squares]
            .map(|states| Arc::new(Int64Array::from(gather(states, slots))) as ArrayRef)
            .to_vec()
    }

    fn freeze(&mut self) -> Option<IntegerMoments> {
        let (counts, sums) = (self.counts.freeze(), self.sums.freeze());
        let (squares, output) = (self.squares.freeze(), self.output.clone());
        Some(IntegerMoments { kind: self.kind, output, counts, sums, squares })
    }

    fn saved_types(&self) -> Vec<ArrowType> {
        vec![ArrowType::Int64; 3]
    }

    fn load(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<(), AggregateError> {
        let states = [&mut self.counts, &mut self.sums, &mut self.squares];
        for (states, column) in states.into_iter().zip(columns) {
            let values = column.as_primitive::<Int64Type>().values();
            slots.iter().zip(values).for_each(|(&slot, value)| states[slot as usize] = *value);
        }
        Ok(())
    }
}

/// FLOAT, DOUBLE, and DECIMAL by way of DOUBLE, rounded to the result's scale.
#[derive(Debug)]
struct FloatMoments {
    kind: Kind,
    output: ArrowType,
    /// Of a DECIMAL argument.
    scale: Option<u8>,
    counts: CowVec<i64>,
    sums: CowVec<f64>,
    squares: CowVec<f64>,
}

impl FloatMoments {
    fn value(&self, slot: usize) -> Option<f64> {
        let (count, sum) = (self.counts[slot], self.sums[slot]);
        let divisor = self.kind.divisor(count)?;
        let variance = (self.squares[slot] - sum * sum / count as f64) / divisor as f64;
        Some(if self.kind.root { variance.powf(0.5) } else { variance })
    }
}

impl States for FloatMoments {
    type Arguments<'a> = Vec<f64>;
    type Output = Vec<Option<f64>>;

    fn bind(&self, columns: &[ArrayRef]) -> Vec<f64> {
        let Some(scale) = self.scale else { return floats(&columns[0]) };
        let unit = 10_f64.powi(i32::from(scale));
        let values = columns[0].as_primitive::<Decimal128Type>().values();
        values.iter().map(|value| *value as f64 / unit).collect()
    }

    fn resize(&mut self, slots: usize) {
        self.counts.grow(slots);
        self.sums.grow(slots);
        self.squares.grow(slots);
    }

    fn clear(&mut self, slot: usize) {
        (self.counts[slot], self.sums[slot], self.squares[slot]) = (0, 0.0, 0.0);
    }

    fn add(&mut self, slot: usize, values: &Vec<f64>, row: usize) {
        self.counts[slot] += 1;
        self.sums[slot] += values[row];
        self.squares[slot] += values[row] * values[row];
    }

    fn retract(&mut self, slot: usize, values: &Vec<f64>, row: usize) {
        self.counts[slot] -= 1;
        self.sums[slot] -= values[row];
        self.squares[slot] -= values[row] * values[row];
    }

    fn output(&self, rows: usize) -> Vec<Option<f64>> {
        Vec::with_capacity(rows)
    }

    fn append(&self, slot: usize, output: &mut Vec<Option<f64>>) {
        output.push(self.value(slot));
    }

    fn finish(&self, output: Vec<Option<f64>>) -> ArrayRef {
        let ArrowType::Decimal128(_, scale) = self.output else {
            return float_column(&self.output, output);
        };
        let unit = 10_f64.powi(i32::from(scale));
        let rounded = output.iter().map(|value| value.map(|v| (v * unit).round() as i128));
        let array = Decimal128Array::from_iter(rounded).with_data_type(self.output.clone());
        Arc::new(array)
    }

    fn merge(&mut self, from: usize, to: usize) {
        self.counts[to] += self.counts[from];
        self.sums[to] += self.sums[from];
        self.squares[to] += self.squares[from];
    }

    fn save(&self, slots: &[u32]) -> Vec<ArrayRef> {
        vec![
            Arc::new(Int64Array::from(gather(&self.counts, slots))),
            Arc::new(Float64Array::from(gather(&self.sums, slots))),
            Arc::new(Float64Array::from(gather(&self.squares, slots))),
        ]
    }

    fn freeze(&mut self) -> Option<FloatMoments> {
        let (counts, sums) = (self.counts.freeze(), self.sums.freeze());
        let (squares, output) = (self.squares.freeze(), self.output.clone());
        Some(FloatMoments { kind: self.kind, output, scale: self.scale, counts, sums, squares })
    }

    fn saved_types(&self) -> Vec<ArrowType> {
        vec![ArrowType::Int64, ArrowType::Float64, ArrowType::Float64]
    }

    fn load(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<(), AggregateError> {
        let counts = columns[0].as_primitive::<Int64Type>().values();
        let sums = columns[1].as_primitive::<Float64Type>().values();
        let squares = columns[2].as_primitive::<Float64Type>().values();
        for (row, &slot) in slots.iter().enumerate() {
            self.counts[slot as usize] = counts[row];
            self.sums[slot as usize] = sums[row];
            self.squares[slot as usize] = squares[row];
        }
        Ok(())
    }
}

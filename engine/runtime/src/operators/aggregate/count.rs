//! `COUNT(*)` and `COUNT(x)`: rows, and rows with a value (row D8.1).

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use millrace_state::cow::CowVec;

use super::AggregateError;
use super::fold::{Accumulator, States, gather};

#[derive(Debug, Default)]
struct Counts(CowVec<i64>);

pub fn new() -> Box<dyn Accumulator> {
    Box::new(Counts::default())
}

impl States for Counts {
    type Arguments<'a> = ();
    type Output = Vec<i64>;

    fn bind(&self, _: &[ArrayRef]) {}

    fn resize(&mut self, slots: usize) {
        self.0.grow(slots);
    }

    fn clear(&mut self, slot: usize) {
        self.0[slot] = 0;
    }

    fn add(&mut self, slot: usize, _: &(), _: usize) {
        self.0[slot] += 1;
    }

    fn retract(&mut self, slot: usize, _: &(), _: usize) {
        self.0[slot] -= 1;
    }

    fn output(&self, rows: usize) -> Vec<i64> {
        Vec::with_capacity(rows)
    }

    fn append(&self, slot: usize, output: &mut Vec<i64>) {
        output.push(self.0[slot]);
    }

    fn finish(&self, output: Vec<i64>) -> ArrayRef {
        Arc::new(Int64Array::from(output))
    }

    fn merge(&mut self, from: usize, to: usize) {
        let more = self.0[from];
        self.0[to] += more;
    }

    fn save(&self, slots: &[u32]) -> Vec<ArrayRef> {
        vec![Arc::new(Int64Array::from(gather(&self.0, slots)))]
    }

    fn freeze(&mut self) -> Option<Counts> {
        Some(Counts(self.0.freeze()))
    }

    fn saved_types(&self) -> Vec<ArrowType> {
        vec![ArrowType::Int64]
    }

    fn load(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<(), AggregateError> {
        for (&slot, count) in slots.iter().zip(columns[0].as_primitive::<Int64Type>().values()) {
            self.0[slot as usize] = *count;
        }
        Ok(())
    }
}

//! `AGG(DISTINCT x)`: how often each value is in its group, so that the function sees
//! a value only when it comes first or goes last (row B2.6).

use arrow::array::ArrayRef;
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType as ArrowType;
use foldhash::fast::FixedState;
use indexmap::IndexMap;
use millrace_state::row;

use super::AggregateError;
use super::blob::{Collection, load_collections, save_collections, value_bytes};
use super::encoded::decode_one;
use super::fold::{Accumulator, Steps};
use crate::operators::keys::Bytes;

/// Value to count, in order of first arrival as long as nothing is retracted.
type Counts = IndexMap<Bytes, i64, FixedState>;

#[derive(Debug)]
pub struct DistinctValues {
    data_type: ArrowType,
    counts: Vec<Counts>,
    held_bytes: usize,
}

impl DistinctValues {
    pub fn new(data_type: ArrowType) -> DistinctValues {
        DistinctValues { data_type, counts: Vec::new(), held_bytes: 0 }
    }

    pub fn resize(&mut self, slots: usize) {
        self.counts.resize_with(slots, Counts::default);
    }

    pub fn clear(&mut self, slot: u32) {
        let gone = std::mem::take(&mut self.counts[slot as usize]);
        self.held_bytes -= held_by(&gone);
    }

    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Which rows the function must see, of those in `mask`.
    pub fn changes(
        &mut self,
        column: &ArrayRef,
        steps: &Steps<'_>,
        mask: Option<&BooleanBuffer>,
    ) -> BooleanBuffer {
        let values = row::encode(std::slice::from_ref(column));
        let held_bytes = &mut self.held_bytes;
        BooleanBuffer::collect_bool(steps.slots.len(), |row| {
            let counts = &mut self.counts[steps.slots[row] as usize];
            if steps.is_fresh(row) {
                *held_bytes -= held_by(counts);
                counts.clear();
            }
            if mask.is_some_and(|mask| !mask.value(row)) {
                return false;
            }
            let value = values.row(row);
            match steps.is_accumulate(row) {
                true if add(counts, value, 1) => *held_bytes += value_bytes(value),
                false if remove(counts, value) => *held_bytes -= value_bytes(value),
                _ => return false,
            }
            true
        })
    }

    /// Merges the values, showing the function those that are new to `to`.
    pub fn merge(&mut self, from: &[u32], to: &[u32], function: &mut dyn Accumulator) {
        let (mut slots, mut fresh_values) = (Vec::new(), Vec::new());
        for (&from, &to) in from.iter().zip(to) {
            let source = self.counts[from as usize].clone();
            for (value, count) in source {
                if add(&mut self.counts[to as usize], &value, count) {
                    self.held_bytes += value_bytes(&value);
                    slots.push(to);
                    fresh_values.push(value);
                }
            }
        }
        let column = decode_one(&self.data_type, fresh_values.iter().map(Bytes::as_slice))
            .expect("values that were encoded or checked on load");
        let steps = Steps { slots: &slots, fresh: None, accumulate: None };
        function.update(&[column], &steps, None);
    }

    pub fn save(&self, slots: &[u32]) -> ArrayRef {
        save_collections(slots.iter().map(|&slot| {
            let mut collection = Collection::default();
            for (value, count) in &self.counts[slot as usize] {
                collection.push(value, *count);
            }
            collection
        }))
    }

    pub fn load(&mut self, slots: &[u32], column: &ArrayRef) -> Result<(), AggregateError> {
        load_collections(column, |row, value, count| {
            let counts = &mut self.counts[slots[row] as usize];
            if counts.insert(Bytes::from_slice(value), count).is_none() {
                self.held_bytes += value_bytes(value);
            }
        })?;
        let all = slots.iter().flat_map(|&slot| self.counts[slot as usize].keys());
        decode_one(&self.data_type, all.map(Bytes::as_slice)).map(drop)
    }
}

fn held_by(counts: &Counts) -> usize {
    counts.keys().map(|value| value_bytes(value)).sum()
}

/// Whether the value is new.
fn add(counts: &mut Counts, value: &[u8], by: i64) -> bool {
    if let Some(count) = counts.get_mut(value) {
        *count += by;
        return false;
    }
    counts.insert(Bytes::from_slice(value), by);
    true
}

/// Whether the value is gone. One that never came is none.
fn remove(counts: &mut Counts, value: &[u8]) -> bool {
    let Some(count) = counts.get_mut(value) else { return false };
    *count -= 1;
    if *count > 0 {
        return false;
    }
    counts.swap_remove(value);
    true
}

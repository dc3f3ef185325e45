//! What the first of two phases sends of an aggregate whose state knows nothing of
//! values that it never saw: the values themselves, each with how often it came or went.

use std::sync::Arc;

use arrow::array::{ArrayRef, NullArray};
use arrow::datatypes::DataType as ArrowType;
use foldhash::fast::FixedState;
use indexmap::IndexMap;
use millrace_dataflow::graph::{AggregateCall, AggregateFunction};
use millrace_state::row::{self, EncodedRows};

use super::AggregateError;
use super::blob::{Collection, load_collections, save_collections, value_bytes};
use super::encoded::decode_one;
use super::fold::States;
use crate::operators::keys::Bytes;

/// Whether a call over rows that may be taken back is sent as its values: a row can be
/// taken back here that another subtask added.
pub fn sends_values(call: &AggregateCall, retracts: bool) -> bool {
    let is_collection = matches!(
        call.function,
        AggregateFunction::FirstValue
            | AggregateFunction::LastValue
            | AggregateFunction::ListAgg { .. }
            | AggregateFunction::Collect
    );
    retracts && (call.distinct || is_collection) && !call.arguments.is_empty()
}

/// In order of arrival, `1` for one that came and `-1` for one that went.
#[derive(Debug)]
pub struct Deltas {
    /// The order of values does not matter: equal ones become one.
    folds: bool,
    logs: Vec<Vec<(Bytes, i64)>>,
    held_bytes: usize,
}

impl Deltas {
    pub fn new(call: &AggregateCall) -> Deltas {
        let is_ordered = matches!(
            call.function,
            AggregateFunction::FirstValue
                | AggregateFunction::LastValue
                | AggregateFunction::ListAgg { .. }
        );
        Deltas { folds: !is_ordered, logs: Vec::new(), held_bytes: 0 }
    }

    fn push(&mut self, slot: usize, value: &[u8], by: i64) {
        self.logs[slot].push((Bytes::from_slice(value), by));
        self.held_bytes += value_bytes(value);
    }

    fn collection(&self, slot: usize) -> Collection {
        let mut collection = Collection::default();
        if !self.folds {
            self.logs[slot].iter().for_each(|(value, by)| collection.push(value, *by));
            return collection;
        }
        let mut net: IndexMap<&[u8], i64, FixedState> = IndexMap::default();
        for (value, by) in &self.logs[slot] {
            *net.entry(value.as_slice()).or_default() += by;
        }
        let changed = net.into_iter().filter(|(_, by)| *by != 0);
        changed.for_each(|(value, by)| collection.push(value, by));
        collection
    }
}

/// Values that came and went, row by row.
#[derive(Debug)]
pub struct Changes {
    pub slots: Vec<u32>,
    pub accumulate: Vec<bool>,
    pub values: ArrayRef,
}

/// What [`Deltas`] sent, for the slot of each row.
///
/// # Errors
/// The bytes are no values of this type.
pub fn changes(
    data_type: &ArrowType,
    column: &ArrayRef,
    slots: &[u32],
) -> Result<Changes, AggregateError> {
    let (mut to, mut accumulate, mut values) = (Vec::new(), Vec::new(), Vec::new());
    load_collections(column, |row, value, by| {
        for _ in 0..by.unsigned_abs() {
            to.push(slots[row]);
            accumulate.push(by > 0);
            values.push(Bytes::from_slice(value));
        }
    })?;
    let values = decode_one(data_type, values.iter().map(Bytes::as_slice))?;
    Ok(Changes { slots: to, accumulate, values })
}

impl States for Deltas {
    type Arguments<'a> = EncodedRows;
    type Output = usize;

    fn bind(&self, columns: &[ArrayRef]) -> EncodedRows {
        row::encode(&columns[..1])
    }

    fn resize(&mut self, slots: usize) {
        self.logs.resize_with(slots, Vec::new);
    }

    fn clear(&mut self, slot: usize) {
        let gone = std::mem::take(&mut self.logs[slot]);
        self.held_bytes -= gone.iter().map(|(value, _)| value_bytes(value)).sum::<usize>();
    }

    fn add(&mut self, slot: usize, values: &EncodedRows, row: usize) {
        self.push(slot, values.row(row), 1);
    }

    fn retract(&mut self, slot: usize, values: &EncodedRows, row: usize) {
        self.push(slot, values.row(row), -1);
    }

    // It has no value before it is merged: nobody asks for one.
    fn output(&self, _: usize) -> usize {
        0
    }

    fn append(&self, _: usize, rows: &mut usize) {
        *rows += 1;
    }

    fn finish(&self, rows: usize) -> ArrayRef {
        Arc::new(NullArray::new(rows))
    }

    fn merge(&mut self, from: usize, to: usize) {
        for (value, by) in self.logs[from].clone() {
            self.push(to, &value, by);
        }
    }

    fn save(&self, slots: &[u32]) -> Vec<ArrayRef> {
        vec![save_collections(slots.iter().map(|&slot| self.collection(slot as usize)))]
    }

    fn saved_types(&self) -> Vec<ArrowType> {
        vec![ArrowType::Binary]
    }

    fn load(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<(), AggregateError> {
        load_collections(&columns[0], |row, value, by| {
            self.push(slots[row] as usize, value, by);
        })
    }

    fn held_bytes(&self) -> usize {
        self.held_bytes
    }
}

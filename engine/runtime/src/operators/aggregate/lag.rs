//! `LAG(x, offset, default)`: the value some rows earlier (row B5.7). A NULL there counts
//! as a row, but the default stands in for it, as it does in Flink 1.18.1.
//! Only for OVER windows without a lower end, so nothing is retracted.
//!
//! Source of the rule for peers (all see the value as of the last of them): Flink
//! `LagAggFunction` under a RANGE frame.

use std::collections::VecDeque;

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::DataType as ArrowType;
use millrace_dataflow::DataType;
use millrace_state::row::{self, EncodedRows};

use super::AggregateError;
use super::blob::{Collection, damaged, load_collections, save_collections};
use super::encoded::{EncodedColumn, decode_one};
use super::fold::{Accumulator, States};
use crate::operators::keys::Bytes;

#[derive(Debug)]
struct Lag {
    data_type: ArrowType,
    offset: usize,
    /// The last `offset + 1` values of each slot.
    values: Vec<VecDeque<Bytes>>,
    /// What stands before the first row; empty: NULL.
    defaults: Vec<Bytes>,
    /// How NULL is encoded.
    null: Bytes,
}

pub fn new(argument: &DataType, offset: u32) -> Box<dyn Accumulator> {
    let null = row::encode(&[new_null_array(&argument.to_arrow(), 1)]);
    Box::new(Lag {
        null: Bytes::from_slice(null.row(0)),
        data_type: argument.to_arrow(),
        offset: offset as usize,
        values: Vec::new(),
        defaults: Vec::new(),
    })
}

impl States for Lag {
    type Arguments<'a> = (EncodedRows, Option<EncodedRows>);
    type Output = EncodedColumn;

    fn bind(&self, columns: &[ArrayRef]) -> Self::Arguments<'_> {
        (row::encode(&columns[..1]), columns.get(1).map(|_| row::encode(&columns[1..2])))
    }

    fn resize(&mut self, slots: usize) {
        self.values.resize_with(slots, VecDeque::new);
        self.defaults.resize_with(slots, Bytes::new);
    }

    fn clear(&mut self, slot: usize) {
        self.values[slot].clear();
        self.defaults[slot].clear();
    }

    fn add(&mut self, slot: usize, (values, defaults): &Self::Arguments<'_>, row: usize) {
        let held = &mut self.values[slot];
        if held.len() > self.offset {
            held.pop_front();
        }
        held.push_back(Bytes::from_slice(values.row(row)));
        if let Some(defaults) = defaults {
            self.defaults[slot] = Bytes::from_slice(defaults.row(row));
        }
    }

    fn retract(&mut self, _: usize, _: &Self::Arguments<'_>, _: usize) {
        unreachable!("made for windows that no row leaves");
    }

    fn output(&self, rows: usize) -> EncodedColumn {
        EncodedColumn::with_capacity(rows)
    }

    fn append(&self, slot: usize, output: &mut EncodedColumn) {
        let held = &self.values[slot];
        let default = &self.defaults[slot];
        let before = (!default.is_empty()).then_some(default);
        let found = held.front().filter(|_| held.len() > self.offset);
        let value = found.filter(|value| **value != self.null).or(before);
        output.push(value.map(Bytes::as_slice));
    }

    fn finish(&self, output: EncodedColumn) -> ArrayRef {
        output.finish(&self.data_type)
    }

    fn merge(&mut self, _: usize, _: usize) {
        unreachable!("an OVER window is never merged");
    }

    fn save(&self, slots: &[u32]) -> Vec<ArrayRef> {
        let default = |slot: &u32| {
            let mut collection = Collection::default();
            let default = &self.defaults[*slot as usize];
            if !default.is_empty() {
                collection.push(default, 1);
            }
            collection
        };
        let values = |slot: &u32| {
            let mut collection = Collection::default();
            self.values[*slot as usize].iter().for_each(|value| collection.push(value, 1));
            collection
        };
        vec![
            save_collections(slots.iter().map(default)),
            save_collections(slots.iter().map(values)),
        ]
    }

    fn saved_types(&self) -> Vec<ArrowType> {
        vec![ArrowType::Binary, ArrowType::Binary]
    }

    fn load(&mut self, slots: &[u32], columns: &[ArrayRef]) -> Result<(), AggregateError> {
        load_collections(&columns[0], |row, value, _| {
            self.defaults[slots[row] as usize] = Bytes::from_slice(value);
        })?;
        load_collections(&columns[1], |row, value, _| {
            self.values[slots[row] as usize].push_back(Bytes::from_slice(value));
        })?;
        if slots.iter().any(|&slot| self.values[slot as usize].len() > self.offset + 1) {
            return Err(damaged("more values than LAG keeps"));
        }
        let defaults = slots.iter().map(|&slot| &self.defaults[slot as usize]);
        let values = slots.iter().flat_map(|&slot| &self.values[slot as usize]);
        let all = defaults.filter(|default| !default.is_empty()).chain(values);
        decode_one(&self.data_type, all.map(Bytes::as_slice)).map(drop)
    }
}

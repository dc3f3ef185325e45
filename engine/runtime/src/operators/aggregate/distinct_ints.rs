//! `AGG(DISTINCT x)` for integers and times over rows that are never taken back: which
//! calls have seen a value, a bit each, so that all calls over one column (with
//! different filters) share one lookup a row (row B2.6; Flink shares its distinct
//! state between filters, too).
//!
//! A set is a table of its own with open addressing: a lookup touches one place in
//! memory, where a map of row bytes touches three or four.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array};
use arrow::buffer::BooleanBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use millrace_dataflow::graph::{AggregateCall, AggregateFunction};
use millrace_state::row;

use super::AggregateError;
use super::blob::{Collection, load_collections, save_collections};
use super::encoded::decode_one;
use super::fold::Steps;

/// Bits of an entry.
const MOST_CALLS: usize = 64;

/// The values of one column, by group.
#[derive(Debug)]
pub struct DistinctInts {
    pub column: usize,
    data_type: ArrowType,
    calls: usize,
    sets: Vec<Set>,
    held_bytes: usize,
}

/// The values of one group.
#[derive(Clone, Debug, Default)]
struct Set {
    /// A power of two of places, or none.
    places: Vec<Entry>,
    used: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Entry {
    value: i64,
    /// The calls that saw the value; 0: a free place.
    seen_by: u64,
}

/// Whether the values of a call can be kept here: its function does not look at their
/// order.
pub fn takes(call: &AggregateCall, retracts: bool) -> bool {
    let is_unordered = matches!(
        call.function,
        AggregateFunction::Count
            | AggregateFunction::Sum
            | AggregateFunction::Avg
            | AggregateFunction::Min
            | AggregateFunction::Max
    );
    let is_integer = call.argument_types.first().is_some_and(|argument| {
        matches!(
            argument.to_arrow(),
            ArrowType::Int8
                | ArrowType::Int16
                | ArrowType::Int32
                | ArrowType::Int64
                | ArrowType::Date32
                | ArrowType::Timestamp(_, _)
        )
    });
    call.distinct && !retracts && is_unordered && is_integer
}

impl DistinctInts {
    pub fn new(column: usize, data_type: ArrowType) -> DistinctInts {
        DistinctInts { column, data_type, calls: 0, sets: Vec::new(), held_bytes: 0 }
    }

    /// The number of a further call; `None`: there are as many as there can be.
    pub fn join(&mut self) -> Option<usize> {
        let number = self.calls;
        (number < MOST_CALLS).then(|| {
            self.calls += 1;
            number
        })
    }

    pub fn resize(&mut self, slots: usize) {
        self.sets.resize_with(slots, Set::default);
    }

    pub fn clear(&mut self, slot: u32) {
        let gone = std::mem::take(&mut self.sets[slot as usize]);
        self.held_bytes -= gone.bytes();
    }

    /// What the values take, in bytes.
    pub fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Which rows each call's function must see, of those in its mask.
    pub fn changes(
        &mut self,
        column: &ArrayRef,
        steps: &Steps<'_>,
        masks: &[Option<&BooleanBuffer>],
    ) -> Vec<BooleanBuffer> {
        let values = ints(column);
        let values = values.as_primitive::<Int64Type>().values();
        let mut news = wanted(masks, steps.slots.len());
        for (row, &slot) in steps.slots.iter().enumerate() {
            if steps.is_fresh(row) {
                self.clear(slot);
            }
            if news[row] != 0 {
                news[row] = self.see(slot, values[row], news[row]);
            }
        }
        (0..masks.len())
            .map(|call| BooleanBuffer::collect_bool(news.len(), |row| news[row] >> call & 1 == 1))
            .collect()
    }

    /// For which of these calls the value is new.
    #[inline]
    fn see(&mut self, slot: u32, value: i64, calls: u64) -> u64 {
        let set = &mut self.sets[slot as usize];
        if set.is_full() {
            self.held_bytes -= set.bytes();
            set.grow();
            self.held_bytes += set.bytes();
        }
        set.see(value, calls)
    }

    /// Adds the values of slot `from[i]` to those of `to[i]`; for each call the values
    /// that are new to it, with their slots.
    pub fn merge(&mut self, from: &[u32], to: &[u32]) -> Vec<(Vec<u32>, ArrayRef)> {
        let mut news: Vec<(Vec<u32>, Vec<i64>)> = vec![Default::default(); self.calls];
        for (&from, &to) in from.iter().zip(to) {
            let source = std::mem::take(&mut self.sets[from as usize]);
            for entry in source.entries() {
                let new = self.see(to, entry.value, entry.seen_by);
                for call in (0..self.calls).filter(|call| new >> call & 1 == 1) {
                    news[call].0.push(to);
                    news[call].1.push(entry.value);
                }
            }
            self.sets[from as usize] = source;
        }
        news.into_iter().map(|(slots, values)| (slots, self.column_of(values))).collect()
    }

    /// The values that one call saw, as a map of row bytes keeps them.
    pub fn save(&self, slots: &[u32], call: usize) -> ArrayRef {
        let seen = |slot: u32| {
            let entries = self.sets[slot as usize].entries();
            entries.filter(move |entry| entry.seen_by >> call & 1 == 1).map(|entry| entry.value)
        };
        let all = self.column_of(slots.iter().flat_map(|&slot| seen(slot)).collect());
        let bytes = row::encode(&[all]);
        let mut next = 0;
        save_collections(slots.iter().map(|&slot| {
            let mut collection = Collection::default();
            for _ in seen(slot) {
                collection.push(bytes.row(next), 1);
                next += 1;
            }
            collection
        }))
    }

    /// # Errors
    /// The column is not what [`DistinctInts::save`] gives.
    pub fn load(
        &mut self,
        slots: &[u32],
        call: usize,
        column: &ArrayRef,
    ) -> Result<(), AggregateError> {
        let (mut of_slot, mut values) = (Vec::new(), Vec::new());
        load_collections(column, |row, value, _| {
            of_slot.push(slots[row]);
            values.push(value.to_vec());
        })?;
        let column = decode_one(&self.data_type, values.iter().map(Vec::as_slice))?;
        let values = ints(&column);
        for (slot, value) in of_slot.into_iter().zip(values.as_primitive::<Int64Type>().values()) {
            self.see(slot, *value, 1 << call);
        }
        Ok(())
    }

    fn column_of(&self, values: Vec<i64>) -> ArrayRef {
        let values: ArrayRef = Arc::new(Int64Array::from(values));
        cast(&values, &self.data_type).expect("values of this very type")
    }
}

fn ints(column: &ArrayRef) -> ArrayRef {
    cast(column, &ArrowType::Int64).expect("integers and times are 64 bits at most")
}

/// For each row the calls that it counts for.
fn wanted(masks: &[Option<&BooleanBuffer>], rows: usize) -> Vec<u64> {
    let mut wanted = vec![0; rows];
    for (call, mask) in masks.iter().enumerate() {
        match mask {
            None => wanted.iter_mut().for_each(|wanted| *wanted |= 1 << call),
            Some(mask) => mask.set_indices().for_each(|row| wanted[row] |= 1 << call),
        }
    }
    wanted
}

impl Set {
    fn bytes(&self) -> usize {
        self.places.len() * size_of::<Entry>()
    }

    fn entries(&self) -> impl Iterator<Item = &Entry> {
        self.places.iter().filter(|entry| entry.seen_by != 0)
    }

    /// Whether a further value needs more places: three of four are used.
    fn is_full(&self) -> bool {
        self.used * 4 >= self.places.len() * 3
    }

    fn grow(&mut self) {
        let places = vec![Entry::default(); (self.places.len() * 2).max(4)];
        let old = std::mem::replace(&mut self.places, places);
        self.used = 0;
        for entry in old.iter().filter(|entry| entry.seen_by != 0) {
            self.see(entry.value, entry.seen_by);
        }
    }

    #[inline]
    fn see(&mut self, value: i64, calls: u64) -> u64 {
        let mask = self.places.len() - 1;
        let mut at = spread(value) & mask;
        loop {
            let entry = &mut self.places[at];
            if entry.seen_by == 0 {
                *entry = Entry { value, seen_by: calls };
                self.used += 1;
                return calls;
            }
            if entry.value == value {
                let new = calls & !entry.seen_by;
                entry.seen_by |= calls;
                return new;
            }
            at = (at + 1) & mask;
        }
    }
}

/// Neighbouring values far apart, so that those of one residue do not crowd.
#[inline]
pub fn spread(value: i64) -> usize {
    let product = u128::from(value as u64 ^ 0x9e37_79b9_7f4a_7c15) * 0xa076_1d64_78bd_642f;
    (product as u64 ^ (product >> 64) as u64) as usize
}

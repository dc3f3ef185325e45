//! Aggregates in two phases (row F2.1): the first phase's states as bytes, and how the
//! second adds them to its own.
//!
//! A partial result is the row bytes of what [`Calls::save`] gives, behind the rows of
//! the group counted with their sign; nothing of it outlives a mini-batch.

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Int64Array};
use arrow::buffer::{Buffer, OffsetBuffer};
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use millrace_dataflow::graph::AggregateCall;
use millrace_state::row;

use super::deltas::{self, Deltas, sends_values};
use super::fold::Steps;
use super::{AggregateError, Call, Calls};

impl Calls {
    /// The aggregates of the first phase.
    ///
    /// # Errors
    /// As [`Calls::new`].
    pub fn local(calls: &[AggregateCall], retracts: bool) -> Result<Calls, AggregateError> {
        let mut all = Calls::new(calls, retracts)?;
        for (made, call) in all.0.iter_mut().zip(calls) {
            if sends_values(call, retracts) {
                made.distinct = None;
                made.accumulator = Box::new(Deltas::new(call));
            }
        }
        Ok(all)
    }

    /// Partial results of these slots, whose groups changed by so many rows.
    pub fn partials(&self, slots: &[u32], rows: Vec<i64>) -> BinaryArray {
        let mut columns: Vec<ArrayRef> = vec![std::sync::Arc::new(Int64Array::from(rows))];
        columns.extend(self.save(slots));
        let encoded = row::encode(&columns);
        let lengths = encoded.offsets.windows(2).map(|span| span[1] - span[0]);
        let offsets = OffsetBuffer::from_lengths(lengths);
        BinaryArray::new(offsets, Buffer::from_vec(encoded.bytes), None)
    }
}

/// Reads what the first phase of some calls sends.
#[derive(Debug)]
pub struct Partials {
    types: Vec<ArrowType>,
    /// For each call: how many columns it has, and the type of its values when those
    /// are what is sent.
    calls: Vec<(usize, Option<ArrowType>)>,
}

/// The partial results of a batch.
#[derive(Debug)]
pub struct Received {
    columns: Vec<ArrayRef>,
}

impl Partials {
    /// # Errors
    /// As [`Calls::new`].
    pub fn new(calls: &[AggregateCall], retracts: bool) -> Result<Partials, AggregateError> {
        let local = Calls::local(calls, retracts)?;
        let mut types = vec![ArrowType::Int64];
        types.extend(local.saved_types());
        let columns =
            |call: &Call| call.accumulator.saved_types().len() + usize::from(call.is_distinct());
        let of_values = |call: &AggregateCall| {
            let argument = call.argument_types.first()?;
            sends_values(call, retracts).then(|| argument.to_arrow())
        };
        let shapes = local.0.iter().map(columns).zip(calls.iter().map(of_values));
        Ok(Partials { calls: shapes.collect(), types })
    }

    /// # Errors
    /// The bytes are not what [`Calls::partials`] gives.
    pub fn read(&self, column: &ArrayRef) -> Result<Received, AggregateError> {
        let bytes = column.as_binary_opt::<i32>().ok_or_else(|| {
            AggregateError(format!("partial results of type {}", column.data_type()))
        })?;
        let rows = (0..bytes.len()).map(|row| bytes.value(row));
        let columns = row::decode(&self.types, rows);
        Ok(Received { columns: columns.map_err(|error| AggregateError(error.to_string()))? })
    }
}

impl Received {
    /// By how many rows each group changes.
    pub fn rows(&self) -> &[i64] {
        self.columns[0].as_primitive::<Int64Type>().values()
    }

    pub fn slice(&self, from: usize, rows: usize) -> Received {
        Received { columns: self.columns.iter().map(|column| column.slice(from, rows)).collect() }
    }

    /// Only the rows that the mask has.
    ///
    /// # Errors
    /// The mask has another length.
    pub fn filtered(
        &self,
        mask: &arrow::array::BooleanArray,
    ) -> Result<Received, arrow::error::ArrowError> {
        let kept = self.columns.iter().map(|column| arrow::compute::filter(column, mask));
        Ok(Received { columns: kept.collect::<Result<_, _>>()? })
    }
}

impl Calls {
    /// Adds each partial result to the state of its slot. Slots from `free` on are
    /// nobody's.
    ///
    /// # Errors
    /// A partial result is damaged.
    pub fn add_partials(
        &mut self,
        partials: &Partials,
        received: &Received,
        to: &[u32],
        free: usize,
    ) -> Result<(), AggregateError> {
        self.resize(free + to.len());
        let scratch: Vec<u32> = (free..free + to.len()).map(|slot| slot as u32).collect();
        let mut rest = &received.columns[1..];
        for (at, (columns, values)) in partials.calls.iter().enumerate() {
            let (own, after) = rest.split_at(*columns);
            rest = after;
            match values {
                Some(data_type) => self.0[at].add_values(&deltas::changes(data_type, &own[0], to)?),
                None => self.load_call(at, &scratch, own)?,
            }
        }
        let merged: Vec<bool> = partials.calls.iter().map(|(_, values)| values.is_none()).collect();
        self.merge_some(&scratch, to, |call| merged[call]);
        scratch.iter().for_each(|&slot| self.clear(slot));
        self.resize(free);
        Ok(())
    }
}

impl Call {
    fn add_values(&mut self, changes: &deltas::Changes) {
        let steps =
            Steps { slots: &changes.slots, fresh: None, accumulate: Some(&changes.accumulate) };
        let columns = [changes.values.clone()];
        let mask = self.distinct.as_mut().map(|set| set.changes(&columns[0], &steps, None));
        self.accumulator.update(&columns, &steps, mask.as_ref());
    }
}

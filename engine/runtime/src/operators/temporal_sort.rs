//! `ORDER BY rowtime [, ..]` without LIMIT: rows wait until the watermark has reached
//! their time and leave in order; rows of one time by the other columns of the order,
//! then by arrival. A row at or before the watermark is late and dropped (row E.14).
//!
//! Source of the rule: Flink `RowTimeSortOperator`.
//!
//! State: table 0, one entry a waiting row: number of arrival -> row; table 1, the
//! watermark. All rows are of one key, the empty one.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Int64Array, RecordBatch, UInt32Array};
use arrow::compute::{SortColumn, SortOptions, lexsort_to_indices, take_record_batch};
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use millrace_dataflow::graph::TemporalSort as Config;
use millrace_dataflow::key_group::key_group;
use millrace_dataflow::{Batch, Schema};
use millrace_state::row;

use super::progress::Progress;
use super::shape::{BATCH_ROWS, Shape};
use crate::memory::StateBytes;
use crate::operator::{Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter};

const WAITING: u8 = 0;
const PROGRESS: u8 = 1;

#[derive(Debug)]
pub struct TemporalSort {
    shape: Shape,
    config: Config,
    /// Column of the event time.
    time: usize,
    row_types: Vec<ArrowType>,
    /// Rows by time, each time's by arrival.
    waiting: BTreeMap<i64, Vec<Box<[u8]>>>,
    /// Of the waiting rows.
    held_bytes: usize,
    progress: Progress,
}

/// About what a row takes in memory.
fn row_bytes(row: &[u8]) -> usize {
    size_of::<Box<[u8]>>() + 16 + row.len()
}

impl TemporalSort {
    /// # Errors
    /// An order of nothing: the plan is unsound.
    pub fn new(
        config: &Config,
        output: &Schema,
        name: &str,
    ) -> Result<TemporalSort, OperatorError> {
        let shape = Shape::new(name, output);
        let row_types = shape.schema.fields().iter().map(|f| f.data_type().clone()).collect();
        let first = config.order.first().ok_or_else(|| shape.failed("a sort by no column"))?;
        Ok(TemporalSort {
            time: first.column,
            config: config.clone(),
            row_types,
            waiting: BTreeMap::new(),
            held_bytes: 0,
            progress: Progress::default(),
            shape,
        })
    }

    /// Keeps the rows that are still to come by the watermark; how many were late.
    fn keep(&mut self, record: &RecordBatch) -> Result<u64, OperatorError> {
        let times = self.shape.times_ms(record.column(self.time))?;
        let rows = row::encode(record.columns());
        let mut late = 0;
        for (at, time) in times.into_iter().enumerate() {
            if time <= self.progress.ms() {
                late += 1;
            } else {
                self.held_bytes += row_bytes(rows.row(at));
                self.waiting.entry(time).or_default().push(rows.row(at).into());
            }
        }
        Ok(late)
    }

    fn fire(&mut self, out: &mut Output) -> Result<(), OperatorError> {
        let rest = match self.progress.ms().checked_add(1) {
            Some(next) => self.waiting.split_off(&next),
            None => BTreeMap::new(),
        };
        let due = std::mem::replace(&mut self.waiting, rest);
        let mut rows: Vec<Box<[u8]>> = Vec::new();
        for (_, of_time) in due {
            self.held_bytes -= of_time.iter().map(|row| row_bytes(row)).sum::<usize>();
            // Whole times only, as those of one time are sorted together.
            rows.extend(of_time);
            if rows.len() >= BATCH_ROWS {
                self.emit(&std::mem::take(&mut rows), out)?;
            }
        }
        self.emit(&rows, out)
    }

    fn emit(&self, rows: &[Box<[u8]>], out: &mut Output) -> Result<(), OperatorError> {
        if rows.is_empty() {
            return Ok(());
        }
        let columns = row::decode(&self.row_types, rows.iter().map(|row| &**row))
            .map_err(|error| self.shape.damaged(error))?;
        let record = self.shape.record(columns, rows.len())?;
        out.emit(Batch::insert_only(self.sorted(record)?));
        Ok(())
    }

    // The rows are in order of time and arrival already.
    fn sorted(&self, record: RecordBatch) -> Result<RecordBatch, OperatorError> {
        if self.config.order.len() == 1 {
            return Ok(record);
        }
        let by = |key: &millrace_dataflow::graph::SortKey| SortColumn {
            values: record.column(key.column).clone(),
            options: Some(SortOptions { descending: !key.ascending, nulls_first: key.nulls_first }),
        };
        let mut columns: Vec<SortColumn> = self.config.order.iter().map(by).collect();
        let arrival: ArrayRef =
            Arc::new(UInt32Array::from_iter_values(0..record.num_rows() as u32));
        columns.push(SortColumn { values: arrival, options: None });
        let order = lexsort_to_indices(&columns, None).map_err(|error| self.shape.failed(error))?;
        take_record_batch(&record, &order).map_err(|error| self.shape.failed(error))
    }
}

impl Operator for TemporalSort {
    fn on_batch(
        &mut self,
        _: usize,
        batch: Batch,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        self.progress.advance(ctx.watermark.0);
        out.late_records_dropped += self.keep(&batch.record)?;
        Ok(())
    }

    fn on_watermark(
        &mut self,
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        self.progress.advance(ctx.watermark.0);
        self.fire(out)
    }

    fn state_bytes(&self) -> StateBytes {
        StateBytes::in_memory(self.held_bytes)
    }

    fn snapshot(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        self.progress.save(PROGRESS, ctx, writer);
        let rows: Vec<&[u8]> = self.waiting.values().flatten().map(|row| &**row).collect();
        let numbers = Int64Array::from_iter_values(0..rows.len() as i64);
        let numbers = row::encode(&[Arc::new(numbers)]);
        for (number, row) in numbers.iter().zip(rows) {
            writer.put(StateEntry {
                key_group: Some(key_group(row::hash(&[]), ctx.max_parallelism)),
                table: WAITING,
                key: number.to_vec(),
                value: row.to_vec(),
            });
        }
        Ok(())
    }

    fn restore(
        &mut self,
        _: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        let (progress, entries): (Vec<_>, Vec<_>) =
            entries.into_iter().partition(|entry| entry.table == PROGRESS);
        self.progress = Progress::load(&progress, &self.shape)?;
        if let Some(other) = entries.iter().find(|entry| entry.table != WAITING) {
            return Err(self.shape.damaged(format!("unknown table {}", other.table)));
        }
        if entries.is_empty() {
            return Ok(());
        }
        let damaged = |error| self.shape.damaged(error);
        let numbers =
            row::decode(&[ArrowType::Int64], entries.iter().map(|entry| entry.key.as_slice()))
                .map_err(damaged)?;
        let rows = entries.iter().map(|entry| entry.value.as_slice());
        let columns = row::decode(&self.row_types, rows).map_err(damaged)?;
        let times = self.shape.times_ms(&columns[self.time])?;
        let numbers = numbers[0].as_primitive::<Int64Type>();
        let mut order: Vec<usize> = (0..entries.len()).collect();
        order.sort_by_key(|&at| numbers.value(at));
        for at in order {
            let row: Box<[u8]> = entries[at].value.as_slice().into();
            self.held_bytes += row_bytes(&row);
            self.waiting.entry(times[at]).or_default().push(row);
        }
        Ok(())
    }
}

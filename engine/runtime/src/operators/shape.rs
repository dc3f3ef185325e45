//! What every operator needs to hand rows on: its name for errors and its columns.

use std::fmt::Display;
use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, RecordBatch, RecordBatchOptions, TimestampMillisecondArray,
};
use arrow::compute::{concat, interleave};
use arrow::datatypes::{
    ArrowTimestampType, DataType as ArrowType, SchemaRef, TimeUnit, TimestampMicrosecondType,
    TimestampMillisecondType, TimestampNanosecondType, TimestampSecondType,
};
use millrace_dataflow::{Batch, EvalContext, EvalError, RowKind, Schema, Watermark};
use millrace_state::{PageError, chain, row};

use crate::operator::{OperatorContext, OperatorError};

/// Rows a batch when much is emitted at once, as at the end of a window.
pub const BATCH_ROWS: usize = 4096;

/// Name and output columns of one operator.
#[derive(Clone, Debug)]
pub struct Shape {
    pub name: String,
    pub schema: SchemaRef,
}

impl Shape {
    pub fn new(name: &str, output: &Schema) -> Shape {
        Shape { name: name.to_owned(), schema: output.to_arrow() }
    }

    /// # Errors
    /// The columns are not those of the output: the plan and the data disagree.
    pub fn record(
        &self,
        columns: Vec<ArrayRef>,
        rows: usize,
    ) -> Result<RecordBatch, OperatorError> {
        let options = RecordBatchOptions::new().with_row_count(Some(rows));
        RecordBatch::try_new_with_options(self.schema.clone(), columns, &options)
            .map_err(|error| self.failed(error))
    }

    /// Rows picked from a batch (source 0) and from stored rows (source 1).
    ///
    /// # Errors
    /// A stored row cannot be read; else as [`Shape::record`].
    pub fn picked(
        &self,
        picks: Picks,
        batch: &Batch,
        stored: &[Arc<[u8]>],
    ) -> Result<Batch, OperatorError> {
        let types: Vec<ArrowType> =
            self.schema.fields().iter().map(|field| field.data_type().clone()).collect();
        let stored = row::decode(&types, stored.iter().map(|row| &**row))
            .map_err(|error| self.damaged(error))?;
        let sources = batch.record.columns().iter().zip(&stored);
        let columns = sources
            .map(|(arrived, stored)| picks.column(&[arrived, stored]))
            .collect::<Result<_, _>>()
            .map_err(|error| self.failed(error))?;
        let record = self.record(columns, picks.rows.len())?;
        Ok(Batch::changelog(record, picks.kinds))
    }

    /// The same rows under this operator's column names.
    ///
    /// # Errors
    /// As [`Shape::record`].
    pub fn rename(&self, batch: Batch) -> Result<Batch, OperatorError> {
        if batch.record.schema_ref() == &self.schema {
            return Ok(batch);
        }
        let rows = batch.num_rows();
        let record = self.record(batch.record.columns().to_vec(), rows)?;
        Ok(Batch { record, kinds: batch.kinds })
    }

    pub fn failed(&self, message: impl Display) -> OperatorError {
        OperatorError::Failed { operator: self.name.clone(), message: message.to_string() }
    }

    pub fn damaged(&self, message: impl Display) -> OperatorError {
        OperatorError::DamagedState { operator: self.name.clone(), message: message.to_string() }
    }

    /// What the page store of the operator said.
    pub fn lost(&self, error: &PageError) -> OperatorError {
        match error {
            PageError::Damaged { .. } => self.damaged(chain(error)),
            PageError::Disk { .. } => self.failed(chain(error)),
        }
    }

    pub fn evaluation(&self, source: EvalError) -> OperatorError {
        OperatorError::Evaluate { operator: self.name.clone(), source }
    }

    /// Event time of every row in milliseconds since the epoch.
    ///
    /// # Errors
    /// The column holds no timestamps, or a NULL (row A2.7).
    pub fn times_ms(&self, column: &ArrayRef) -> Result<Vec<i64>, OperatorError> {
        if column.null_count() > 0 {
            return Err(self.failed(
                "a row has NULL in its time attribute; filter such rows out or give a default \
                 in a computed column",
            ));
        }
        match column.data_type() {
            ArrowType::Timestamp(TimeUnit::Second, _) => {
                Ok(scaled::<TimestampSecondType>(column, |time| time.saturating_mul(1000)))
            }
            ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
                Ok(scaled::<TimestampMillisecondType>(column, |time| time))
            }
            ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
                Ok(scaled::<TimestampMicrosecondType>(column, |time| time.div_euclid(1000)))
            }
            ArrowType::Timestamp(TimeUnit::Nanosecond, _) => {
                Ok(scaled::<TimestampNanosecondType>(column, |time| time.div_euclid(1_000_000)))
            }
            other => Err(self.failed(format!("a time attribute of type {other}"))),
        }
    }

    /// A column of one timestamp a row, in the type of output column `index`.
    ///
    /// # Errors
    /// That column is no TIMESTAMP(3).
    pub fn timestamps(&self, index: usize, times: Vec<i64>) -> Result<ArrayRef, OperatorError> {
        let array = TimestampMillisecondArray::from(times);
        match self.schema.field(index).data_type() {
            ArrowType::Timestamp(TimeUnit::Millisecond, zone) => {
                Ok(std::sync::Arc::new(array.with_timezone_opt(zone.clone())))
            }
            other => Err(self.failed(format!("a window property of type {other}"))),
        }
    }
}

fn scaled<T: ArrowTimestampType>(column: &ArrayRef, scale: impl Fn(i64) -> i64) -> Vec<i64> {
    column.as_primitive::<T>().values().iter().map(|time| scale(*time)).collect()
}

/// What an expression may know during this call (row D4.5: no watermark yet is NULL).
pub fn eval_context(ctx: &OperatorContext) -> EvalContext {
    EvalContext {
        processing_time_ms: ctx.processing_time_ms,
        watermark_ms: (ctx.watermark != Watermark::MIN).then_some(ctx.watermark.0),
    }
}

/// Rows to emit, each from one of several sources of equal columns, in order.
#[derive(Debug, Default)]
pub struct Picks {
    /// Source and row.
    pub rows: Vec<(usize, usize)>,
    pub kinds: Vec<RowKind>,
}

impl Picks {
    pub fn push(&mut self, kind: RowKind, source: usize, row: usize) {
        self.kinds.push(kind);
        self.rows.push((source, row));
    }

    /// One column of the picked rows.
    pub fn column(&self, sources: &[&dyn Array]) -> Result<ArrayRef, arrow::error::ArrowError> {
        if self.is_everything_of_the_first(sources) {
            return concat(&sources[..1]);
        }
        interleave(sources, &self.rows)
    }

    fn is_everything_of_the_first(&self, sources: &[&dyn Array]) -> bool {
        self.rows.len() == sources[0].len()
            && self.rows.iter().enumerate().all(|(row, pick)| *pick == (0, row))
    }
}

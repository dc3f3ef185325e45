//! A sink as the last operator of a chain: what is kept from its writer, and what
//! a barrier asks of it.

use arrow::array::{Array, BooleanArray};
use millrace_dataflow::graph::{NotNullPolicy, SinkOperator};
use millrace_dataflow::sink::SinkWriter;
use millrace_dataflow::{Batch, RowKind, Schema};
use millrace_state::manifest::SinkState;

use crate::error::TaskError;
use crate::exchange::filter_batch;

pub struct SinkNode {
    name: String,
    operator: SinkOperator,
    columns: Schema,
    writer: Box<dyn SinkWriter>,
}

impl SinkNode {
    /// `columns`: what arrives, for messages.
    pub fn new(
        name: String,
        operator: SinkOperator,
        columns: Schema,
        writer: Box<dyn SinkWriter>,
    ) -> SinkNode {
        SinkNode { name, operator, columns, writer }
    }

    /// # Errors
    /// A NULL where none may be, or the writer fails.
    pub fn write(&mut self, batch: Batch) -> Result<(), TaskError> {
        let batch = self.without_update_before(batch)?;
        let batch = self.without_nulls(batch)?;
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.writer.write(&batch).map_err(|error| TaskError::from_error(&self.name, &error))
    }

    /// # Errors
    /// The writer fails.
    pub fn on_processing_time(&mut self, now_ms: i64) -> Result<(), TaskError> {
        let result = self.writer.on_processing_time(now_ms);
        result.map_err(|error| TaskError::from_error(&self.name, &error))
    }

    /// What a barrier asks: everything out, prepared, and noted.
    ///
    /// # Errors
    /// The writer fails.
    pub fn snapshot(&mut self, end_of_input: bool) -> Result<SinkState, TaskError> {
        let writer = &mut self.writer;
        let prepared = writer.flush(end_of_input).and_then(|()| {
            let committables = writer.prepare_commit()?;
            Ok(SinkState { writers: writer.snapshot()?, committables })
        });
        prepared.map_err(|error| TaskError::from_error(&self.name, &error))
    }

    fn without_update_before(&self, batch: Batch) -> Result<Batch, TaskError> {
        let Some(kinds) = &batch.kinds else { return Ok(batch) };
        if self.operator.changelog.update_before || !kinds.contains(&RowKind::UpdateBefore) {
            return Ok(batch);
        }
        let keep = kinds.iter().map(|kind| Some(*kind != RowKind::UpdateBefore)).collect();
        self.keep(&batch, &keep)
    }

    /// Rows C2.3 and C2.4.
    fn without_nulls(&self, batch: Batch) -> Result<Batch, TaskError> {
        let with_nulls: Vec<usize> = self
            .operator
            .not_null
            .iter()
            .copied()
            .filter(|column| batch.record.column(*column).null_count() > 0)
            .collect();
        let Some(first) = with_nulls.first() else { return Ok(batch) };
        if self.operator.not_null_policy == NotNullPolicy::Error {
            return Err(self.null_error(*first));
        }
        let has_value =
            |row| with_nulls.iter().all(|column| batch.record.column(*column).is_valid(row));
        let keep = (0..batch.num_rows()).map(|row| Some(has_value(row))).collect();
        self.keep(&batch, &keep)
    }

    fn keep(&self, batch: &Batch, keep: &BooleanArray) -> Result<Batch, TaskError> {
        filter_batch(batch, keep).map_err(|error| TaskError::new(&self.name, error.to_string()))
    }

    fn null_error(&self, column: usize) -> TaskError {
        let column = self.columns.fields.get(column).map_or("?", |field| field.name.as_str());
        TaskError::new(
            &self.name,
            format!(
                "Column '{column}' is NOT NULL, however, a null value is being written into it. You can set job configuration 'table.exec.sink.not-null-enforcer'='DROP' to suppress this exception and drop such records silently."
            ),
        )
    }
}

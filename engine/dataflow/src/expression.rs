//! A scalar expression that is ready to run over a batch.

use std::fmt;
use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::record_batch::RecordBatch;

use crate::types::DataType;

/// What an expression may know beside the row: nothing is read from the world.
#[derive(Clone, Copy, Debug, Default)]
pub struct EvalContext {
    /// Milliseconds since the epoch, fixed for the batch: `PROCTIME()`, `NOW()`, ...
    pub processing_time_ms: i64,
    /// The operator's current watermark; `None` before the first (row D4.5).
    pub watermark_ms: Option<i64>,
}

/// A row could not be computed: Flink fails the job (for example division by zero,
/// row C7.3). The text names the expression and the reason, never the row's values
/// beyond the offending one.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{message}")]
pub struct EvalError {
    pub message: String,
}

impl EvalError {
    pub fn new(message: impl Into<String>) -> EvalError {
        EvalError { message: message.into() }
    }
}

/// Computes one column from a batch.
pub trait Evaluate: Send + Sync + fmt::Debug {
    /// The result has the batch's number of rows and the Arrow type of the
    /// expression's [`DataType`].
    fn evaluate(&self, batch: &RecordBatch, ctx: &EvalContext) -> Result<ArrayRef, EvalError>;

    /// The batch's columns that it looks at: the others may be columns of NULLs of any
    /// type. `None`: not known, so all of them.
    fn reads(&self) -> Option<&[usize]> {
        None
    }
}

/// A typed expression, ready to run, with a text that is equal exactly when the
/// meaning is (used for state compatibility and for the plan's display).
#[derive(Clone, Debug)]
pub struct Expression {
    pub run: Arc<dyn Evaluate>,
    pub data_type: DataType,
    /// Canonical text, for example `+($0, 1)`.
    pub digest: String,
    /// `Some(i)` when the expression is just input column `i`.
    pub column: Option<usize>,
}

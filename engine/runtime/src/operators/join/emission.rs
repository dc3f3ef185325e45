//! The rows that a join emits, as places in columns: nothing is copied row by row.

use arrow::array::{ArrayRef, RecordBatch, UInt32Array};
use arrow::compute::take;
use arrow::error::ArrowError;
use millrace_dataflow::graph::JoinEmits;
use millrace_dataflow::{Batch, RowKind};

use crate::operator::{OperatorError, Output};
use crate::operators::shape::{BATCH_ROWS, Shape};

/// No row on that side: NULLs.
const NONE: u32 = u32::MAX;

/// Output rows in order.
#[derive(Debug, Default)]
pub struct Emission {
    /// Row of the batch that arrived.
    own: Vec<u32>,
    /// Row of the columns made of the other side's rows.
    other: Vec<u32>,
    kinds: Vec<RowKind>,
}

impl Emission {
    pub fn pair(&mut self, kind: RowKind, own: u32, other: u32) {
        self.push(kind, own, other);
    }

    pub fn own(&mut self, kind: RowKind, own: u32) {
        self.push(kind, own, NONE);
    }

    pub fn other(&mut self, kind: RowKind, other: u32) {
        self.push(kind, NONE, other);
    }

    fn push(&mut self, kind: RowKind, own: u32, other: u32) {
        self.own.push(own);
        self.other.push(other);
        self.kinds.push(kind);
    }

    /// Hands the rows on, a bounded number in each batch. `side` is the one that
    /// arrived; `columns` are its own, then the other's.
    ///
    /// # Errors
    /// The columns are not those of the output.
    pub fn emit(
        self,
        emits: JoinEmits,
        side: usize,
        [own, other]: [&[ArrayRef]; 2],
        shape: &Shape,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        for start in (0..self.kinds.len()).step_by(BATCH_ROWS) {
            let rows = start..self.kinds.len().min(start + BATCH_ROWS);
            let of_own = || picked(own, &self.own[rows.clone()]);
            let of_other = || picked(other, &self.other[rows.clone()]);
            let columns = match (emits, side) {
                (JoinEmits::Pairs(_), 0) => both(of_own(), of_other()),
                (JoinEmits::Pairs(_), _) => both(of_other(), of_own()),
                (JoinEmits::Semi | JoinEmits::Anti, 0) => of_own(),
                (JoinEmits::Semi | JoinEmits::Anti, _) => of_other(),
            };
            let columns = columns.map_err(|error| shape.failed(error))?;
            let record: RecordBatch = shape.record(columns, rows.len())?;
            out.emit(Batch::changelog(record, self.kinds[rows].to_vec()));
        }
        Ok(())
    }
}

type Columns = Result<Vec<ArrayRef>, ArrowError>;

fn both(left: Columns, right: Columns) -> Columns {
    Ok([left?, right?].concat())
}

/// These rows of the columns, with NULLs for no row.
pub fn picked(columns: &[ArrayRef], rows: &[u32]) -> Columns {
    let rows = if rows.contains(&NONE) {
        rows.iter().map(|row| (*row != NONE).then_some(*row)).collect()
    } else {
        UInt32Array::from(rows.to_vec())
    };
    columns.iter().map(|column| take(column, &rows, None)).collect()
}

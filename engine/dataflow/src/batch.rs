//! Rows in columns, with what each row does to the table it belongs to.

use std::fmt;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;

/// What a row does to the table it belongs to. Flink: `RowKind`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[repr(u8)]
pub enum RowKind {
    Insert = 0,
    UpdateBefore = 1,
    UpdateAfter = 2,
    Delete = 3,
}

impl RowKind {
    /// Flink's short text: `+I`, `-U`, `+U`, `-D`.
    pub fn short(self) -> &'static str {
        match self {
            RowKind::Insert => "+I",
            RowKind::UpdateBefore => "-U",
            RowKind::UpdateAfter => "+U",
            RowKind::Delete => "-D",
        }
    }

    /// Whether the row adds to the table (`+I`, `+U`) rather than takes from it.
    pub fn is_accumulate(self) -> bool {
        matches!(self, RowKind::Insert | RowKind::UpdateAfter)
    }
}

impl fmt::Display for RowKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.short())
    }
}

/// Rows in columns. `kinds` is `None` for an insert-only batch, so that the
/// common path carries and tests nothing.
#[derive(Clone, Debug)]
pub struct Batch {
    pub record: RecordBatch,
    /// One kind a row when present.
    pub kinds: Option<Arc<[RowKind]>>,
}

impl Batch {
    pub fn insert_only(record: RecordBatch) -> Batch {
        Batch { record, kinds: None }
    }

    /// # Panics
    /// When the number of kinds is not the number of rows.
    pub fn changelog(record: RecordBatch, kinds: Vec<RowKind>) -> Batch {
        assert_eq!(record.num_rows(), kinds.len(), "one kind a row");
        if kinds.iter().all(|kind| *kind == RowKind::Insert) {
            return Batch::insert_only(record);
        }
        Batch { record, kinds: Some(kinds.into()) }
    }

    /// `rows` rows from row `from` on; copies no columns.
    pub fn slice(&self, from: usize, rows: usize) -> Batch {
        let kinds = self.kinds.as_ref().map(|kinds| kinds[from..from + rows].into());
        Batch { record: self.record.slice(from, rows), kinds }
    }

    pub fn num_rows(&self) -> usize {
        self.record.num_rows()
    }

    pub fn kind(&self, row: usize) -> RowKind {
        self.kinds.as_ref().map_or(RowKind::Insert, |kinds| kinds[row])
    }
}

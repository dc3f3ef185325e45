//! Rows of past batches, kept as the columns they came in: a row is referred to by
//! batch and place, and rows are copied only when they are gathered.

use arrow::array::{Array, ArrayRef, UInt32Array, new_empty_array};
use arrow::compute::{interleave, take};
use arrow::datatypes::DataType as ArrowType;
use arrow::error::ArrowError;

use crate::operators::shape::BATCH_ROWS;

/// Rows that may be held for nothing beside as many as three for each live one.
const SLACK_ROWS: usize = 64 * 1024;

/// A row of a [`RowStore`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RowRef {
    pub chunk: u32,
    pub row: u32,
}

#[derive(Debug)]
pub struct RowStore {
    types: Vec<ArrowType>,
    chunks: Vec<Chunk>,
    free: Vec<u32>,
    held: usize,
    live: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Chunk {
    columns: Vec<ArrayRef>,
    rows: usize,
    live: usize,
    bytes: usize,
}

impl RowStore {
    pub fn new(types: Vec<ArrowType>) -> RowStore {
        RowStore { types, chunks: Vec::new(), free: Vec::new(), held: 0, live: 0, bytes: 0 }
    }

    /// Keeps a batch, of which `live` rows will be released one by one; gives its number.
    pub fn add(&mut self, columns: Vec<ArrayRef>, rows: usize, live: usize) -> u32 {
        let bytes = columns.iter().map(|column| column.get_array_memory_size()).sum();
        let chunk = Chunk { columns, rows, live, bytes };
        self.bytes += bytes;
        let id = self.free.pop().unwrap_or_else(|| {
            self.chunks.push(Chunk::default());
            u32::try_from(self.chunks.len() - 1).expect("fewer than 2^32 batches")
        });
        self.chunks[id as usize] = chunk;
        self.held += rows;
        self.live += live;
        if live == 0 {
            self.forget(id);
        }
        id
    }

    /// Rows that are not released.
    pub fn live(&self) -> usize {
        self.live
    }

    /// About what the batches take in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn release(&mut self, at: RowRef) {
        let chunk = &mut self.chunks[at.chunk as usize];
        chunk.live -= 1;
        self.live -= 1;
        if chunk.live == 0 {
            self.forget(at.chunk);
        }
    }

    fn forget(&mut self, id: u32) {
        let chunk = std::mem::take(&mut self.chunks[id as usize]);
        self.held -= chunk.rows;
        self.bytes -= chunk.bytes;
        self.free.push(id);
    }

    /// The columns of these rows, in order.
    pub fn gather(&self, rows: &[RowRef]) -> Result<Vec<ArrayRef>, ArrowError> {
        let mut places = vec![u32::MAX; self.chunks.len()];
        let mut used: Vec<&Chunk> = Vec::new();
        let mut picks = Vec::with_capacity(rows.len());
        for at in rows {
            let place = &mut places[at.chunk as usize];
            if *place == u32::MAX {
                *place = used.len() as u32;
                used.push(&self.chunks[at.chunk as usize]);
            }
            picks.push((*place as usize, at.row as usize));
        }
        match used.as_slice() {
            [] => Ok(self.types.iter().map(new_empty_array).collect()),
            [chunk] => {
                if rows.len() == chunk.rows && picks.iter().enumerate().all(|(at, p)| p.1 == at) {
                    return Ok(chunk.columns.clone());
                }
                let rows = UInt32Array::from_iter_values(rows.iter().map(|at| at.row));
                chunk.columns.iter().map(|column| take(column, &rows, None)).collect()
            }
            chunks => (0..self.types.len())
                .map(|column| {
                    let sources: Vec<&dyn Array> =
                        chunks.iter().map(|chunk| &*chunk.columns[column]).collect();
                    interleave(&sources, &picks)
                })
                .collect(),
        }
    }

    /// Whether half of what is held serves nobody.
    pub fn is_half_empty(&self) -> bool {
        self.held > 2 * self.live
    }

    /// Whether most of what is held serves nobody.
    pub fn is_sparse(&self) -> bool {
        self.held > 4 * self.live + SLACK_ROWS
    }

    /// Moves these rows, all that are live, to batches of their own.
    pub fn compact(&mut self, mut rows: Vec<&mut RowRef>) -> Result<(), ArrowError> {
        let mut store = RowStore::new(self.types.clone());
        for part in rows.chunks_mut(BATCH_ROWS) {
            let old: Vec<RowRef> = part.iter().map(|at| **at).collect();
            let chunk = store.add(self.gather(&old)?, old.len(), old.len());
            for (row, at) in part.iter_mut().enumerate() {
                **at = RowRef { chunk, row: row as u32 };
            }
        }
        *self = store;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::Int64Array;

    use super::*;

    fn numbers(values: std::ops::Range<i64>) -> Vec<ArrayRef> {
        vec![Arc::new(Int64Array::from_iter_values(values))]
    }

    #[test]
    fn rows_are_gathered_from_several_batches_and_survive_compaction() {
        let mut store = RowStore::new(vec![ArrowType::Int64]);
        let first = store.add(numbers(0..100_000), 100_000, 100_000);
        let second = store.add(numbers(100_000..200_000), 100_000, 100_000);
        let mut kept = Vec::new();
        for (chunk, start) in [(first, 0), (second, 100_000)] {
            for row in 0..100_000 {
                let at = RowRef { chunk, row };
                if row % 100 == 0 {
                    kept.push((at, start + i64::from(row)));
                } else {
                    store.release(at);
                }
            }
        }
        assert!(store.is_sparse());
        store.compact(kept.iter_mut().map(|(at, _)| at).collect()).unwrap();
        assert!(!store.is_sparse() && store.held == 2000);
        kept.reverse();
        let refs: Vec<RowRef> = kept.iter().map(|(at, _)| *at).collect();
        let expected = Int64Array::from_iter_values(kept.iter().map(|(_, value)| *value));
        assert_eq!(&*store.gather(&refs).unwrap()[0], &expected as &dyn Array);
        refs.into_iter().for_each(|at| store.release(at));
        assert_eq!((store.held, store.live), (0, 0));
        assert_eq!(store.gather(&[]).unwrap()[0].len(), 0);
    }
}

//! Rows to receiving subtasks by the key group of their key columns.
//!
//! One pass over the keys gives each row's owner; the rows are then put in the order of
//! their owners by one `take`, and each owner gets its slice of it.

use arrow::array::UInt32Array;
use arrow::compute::take_record_batch;
use millrace_dataflow::Batch;
use millrace_dataflow::key_group::{KeyGroup, key_group, subtask_of};
use millrace_state::row;

use crate::error::{TaskError, TaskStop};

/// How rows are spread over the subtasks of a keyed operator.
pub struct Partition {
    columns: Vec<usize>,
    max_parallelism: u16,
    receivers: usize,
    /// By key group.
    owner_of: Vec<u16>,
    /// Of the keys of the batch in hand.
    hashes: Vec<u64>,
    /// Of its rows.
    owners: Vec<u16>,
    /// Where each owner's rows begin; one more than there are owners.
    starts: Vec<u32>,
}

impl Partition {
    /// `columns`: indices of the key columns; `receivers`: at most `max_parallelism`.
    pub fn new(columns: Vec<usize>, max_parallelism: u16, receivers: u16) -> Partition {
        let owner = |group| subtask_of(KeyGroup(group), max_parallelism, receivers);
        Partition {
            columns,
            max_parallelism,
            receivers: usize::from(receivers),
            owner_of: (0..max_parallelism).map(owner).collect(),
            hashes: vec![],
            owners: vec![],
            starts: vec![],
        }
    }

    /// Gives each owner its rows, in their order; nothing to those that have none.
    ///
    /// # Errors
    /// Arrow refuses the batch, or `give` fails.
    pub fn split(
        &mut self,
        batch: &Batch,
        mut give: impl FnMut(usize, Batch) -> Result<(), TaskStop>,
    ) -> Result<(), TaskStop> {
        if batch.num_rows() == 0 {
            return Ok(());
        }
        self.find_owners(batch);
        if let Some(only) = self.only_owner() {
            return give(only, batch.clone());
        }
        let ordered = reordered(batch, self.order())?;
        for owner in 0..self.receivers {
            let (from, to) = (self.starts[owner] as usize, self.starts[owner + 1] as usize);
            if to > from {
                give(owner, ordered.slice(from, to - from))?;
            }
        }
        Ok(())
    }

    /// One owner's rows alone.
    ///
    /// # Errors
    /// Arrow refuses the batch.
    pub fn part(&mut self, batch: &Batch, owner: u16) -> Result<Option<Batch>, TaskError> {
        self.find_owners(batch);
        let owned = self.owners.iter().enumerate().filter(|(_, found)| **found == owner);
        let rows: Vec<u32> = owned.map(|(row, _)| row as u32).collect();
        if rows.is_empty() {
            return Ok(None);
        }
        reordered(batch, rows).map(Some)
    }

    fn find_owners(&mut self, batch: &Batch) {
        self.hashes.clear();
        row::hash_columns(&batch.record, &self.columns, &mut self.hashes);
        let (groups, owner_of) = (self.max_parallelism, &self.owner_of);
        self.owners.clear();
        self.owners.extend(
            self.hashes.iter().map(|hash| owner_of[usize::from(key_group(*hash, groups).0)]),
        );
    }

    fn only_owner(&self) -> Option<usize> {
        let first = *self.owners.first()?;
        self.owners.iter().all(|owner| *owner == first).then_some(usize::from(first))
    }

    /// The rows in the order of their owners, and where each owner's begin.
    fn order(&mut self) -> Vec<u32> {
        self.starts.clear();
        self.starts.resize(self.receivers + 1, 0);
        for owner in &self.owners {
            self.starts[usize::from(*owner) + 1] += 1;
        }
        for owner in 0..self.receivers {
            self.starts[owner + 1] += self.starts[owner];
        }
        let mut next = self.starts.clone();
        let mut order = vec![0; self.owners.len()];
        for (row, owner) in self.owners.iter().enumerate() {
            let at = &mut next[usize::from(*owner)];
            order[*at as usize] = row as u32;
            *at += 1;
        }
        order
    }
}

/// These rows of the batch, in this order.
fn reordered(batch: &Batch, rows: Vec<u32>) -> Result<Batch, TaskError> {
    let kinds = batch.kinds.as_ref();
    let kinds = kinds.map(|kinds| rows.iter().map(|row| kinds[*row as usize]).collect());
    let record = take_record_batch(&batch.record, &UInt32Array::from(rows))
        .map_err(|error| TaskError::new("exchange", error.to_string()))?;
    Ok(Batch { record, kinds })
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, AsArray, Int64Array, StringArray};
    use arrow::datatypes::Int64Type;
    use arrow::record_batch::RecordBatch;
    use millrace_dataflow::RowKind;

    use super::*;

    /// `k BIGINT, s STRING, n BIGINT`, `n` the row's number.
    fn batch(rows: usize) -> Batch {
        let keys = (0..rows as i64).map(|n| (n % 5 != 0).then_some(n * 7 % 23));
        let texts = (0..rows).map(|n| format!("text {}", n % 11));
        let columns: [(&str, ArrayRef); 3] = [
            ("k", Arc::new(Int64Array::from_iter(keys))),
            ("s", Arc::new(StringArray::from_iter_values(texts))),
            ("n", Arc::new(Int64Array::from_iter_values(0..rows as i64))),
        ];
        let kinds = (0..rows).map(|n| if n % 3 == 0 { RowKind::Delete } else { RowKind::Insert });
        Batch::changelog(RecordBatch::try_from_iter(columns).unwrap(), kinds.collect())
    }

    #[test]
    fn every_row_goes_to_the_owner_of_its_key_group_in_order() {
        let check = |columns: &[usize], receivers: u16, rows: usize| {
            let batch = batch(rows);
            let mut partition = Partition::new(columns.to_vec(), 128, receivers);
            let encoded = row::encode_column_subset(&batch.record, columns);
            let owner =
                |row: usize| subtask_of(row::key_groups(&encoded, 128)[row], 128, receivers);
            let mut parts = vec![];
            partition
                .split(&batch, |owner, part| {
                    parts.push((owner, part));
                    Ok(())
                })
                .unwrap();
            let mut seen = 0;
            for (to, part) in parts {
                let numbers = part.record.column(2).as_primitive::<Int64Type>().values().to_vec();
                assert!(numbers.is_sorted());
                for (at, number) in numbers.iter().enumerate() {
                    assert_eq!(usize::from(owner(*number as usize)), to);
                    assert_eq!(part.kind(at), batch.kind(*number as usize));
                }
                let alone = partition.part(&batch, to as u16).unwrap().unwrap();
                assert_eq!(alone.record, part.record);
                seen += numbers.len();
            }
            assert_eq!(seen, rows);
        };
        for columns in [&[0][..], &[1], &[0, 1], &[]] {
            for receivers in [1, 2, 3, 7] {
                check(columns, receivers, 100);
            }
            check(columns, 4, 1);
        }
    }
}

//! Rows of a table by key, built once.

use arrow::array::{Array, AsArray, Int64Array, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{DataType as ArrowType, Int64Type};
use arrow::error::ArrowError;
use hashbrown::HashTable;
use millrace_dataflow::Schema;
use millrace_state::row::{self, EncodedRows};

/// Ends a list of rows.
const END: u32 = u32::MAX;

/// A table held whole, with its rows found by some of its columns.
#[derive(Debug)]
pub struct KeyedTable {
    pub record: RecordBatch,
    keys: Keys,
    /// The first row of each key.
    first: HashTable<u32>,
    /// Of each row: the next one of its key.
    next: Vec<u32>,
}

/// How keys are compared.
#[derive(Debug)]
enum Keys {
    /// One column without an encoding of its own.
    Ints(Int64Array),
    Encoded(EncodedRows),
}

/// The keys of rows that are looked up.
pub struct Probe {
    hashes: Vec<u64>,
    keys: Keys,
    has_null: Vec<bool>,
}

impl Probe {
    pub fn of(record: &RecordBatch, columns: &[usize]) -> Probe {
        let mut hashes = Vec::with_capacity(record.num_rows());
        row::hash_columns(record, columns, &mut hashes);
        let keys = match columns {
            [column] if record.column(*column).data_type() == &ArrowType::Int64 => {
                Keys::Ints(record.column(*column).as_primitive::<Int64Type>().clone())
            }
            _ => Keys::Encoded(row::encode_column_subset(record, columns)),
        };
        Probe { hashes, keys, has_null: nulls(record, columns) }
    }

    pub fn len(&self) -> usize {
        self.hashes.len()
    }
}

fn nulls(record: &RecordBatch, columns: &[usize]) -> Vec<bool> {
    let mut found = vec![false; record.num_rows()];
    for column in columns.iter().map(|column| record.column(*column)) {
        if column.null_count() > 0 {
            (0..found.len()).for_each(|row| found[row] |= column.is_null(row));
        }
    }
    found
}

impl KeyedTable {
    /// # Errors
    /// The batches have not the columns of the schema, or 2^32 rows or more.
    pub fn build(
        batches: &[RecordBatch],
        schema: &Schema,
        key_columns: &[usize],
    ) -> Result<KeyedTable, ArrowError> {
        let record = concat_batches(&schema.to_arrow(), batches)?;
        let rows = u32::try_from(record.num_rows()).ok().filter(|rows| *rows < END);
        let rows = rows.ok_or_else(|| {
            ArrowError::ComputeError("a table that is looked up has 2^32 rows or more".to_owned())
        })?;
        let Probe { hashes, keys, has_null } = Probe::of(&record, key_columns);
        let mut first: HashTable<u32> = HashTable::with_capacity(record.num_rows());
        let mut next = vec![END; record.num_rows()];
        // Backwards, so that the rows of a key are met in their order.
        for row in (0..rows).rev().filter(|row| !has_null[*row as usize]) {
            let same = |other: &u32| keys.equal(row as usize, &keys, *other as usize);
            let hash = hashes[row as usize];
            match first.find_mut(hash, same) {
                Some(head) => next[row as usize] = std::mem::replace(head, row),
                None => drop(first.insert_unique(hash, row, |other| hashes[*other as usize])),
            }
        }
        Ok(KeyedTable { record, keys, first, next })
    }

    /// The table's rows with the key of a row, in their order.
    pub fn rows<'a>(&'a self, probe: &Probe, row: usize) -> impl Iterator<Item = u32> + use<'a> {
        let head = if probe.has_null[row] {
            None
        } else {
            let same = |other: &u32| self.keys.equal(*other as usize, &probe.keys, row);
            self.first.find(probe.hashes[row], same).copied()
        };
        std::iter::successors(head, |row| {
            Some(self.next[*row as usize]).filter(|next| *next != END)
        })
    }

    /// About what it takes in memory.
    pub fn memory_bytes(&self) -> usize {
        let keys = match &self.keys {
            Keys::Ints(_) => 0,
            Keys::Encoded(rows) => rows.memory_bytes(),
        };
        self.record.get_array_memory_size()
            + keys
            + self.next.len() * size_of::<u32>()
            + self.first.capacity() * (size_of::<u32>() + 1)
    }
}

impl Keys {
    fn equal(&self, row: usize, other: &Keys, other_row: usize) -> bool {
        match (self, other) {
            (Keys::Ints(one), Keys::Ints(other)) => one.value(row) == other.value(other_row),
            (Keys::Encoded(one), Keys::Encoded(other)) => one.row(row) == other.row(other_row),
            _ => unreachable!("both sides of a key have one type"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, StringArray};
    use millrace_dataflow::{Field, TypeRoot};

    use super::*;

    fn record(keys: &[Option<i64>], names: &[Option<&str>]) -> (RecordBatch, Schema) {
        let schema = Schema::new(vec![
            Field::new("k", TypeRoot::BigInt.nullable()),
            Field::new("n", TypeRoot::string().nullable()),
        ]);
        let columns: Vec<ArrayRef> = vec![
            Arc::new(Int64Array::from(keys.to_vec())),
            Arc::new(StringArray::from(names.to_vec())),
        ];
        (RecordBatch::try_new(schema.to_arrow(), columns).unwrap(), schema)
    }

    #[test]
    fn rows_are_found_by_one_key_and_by_several() {
        let check = |columns: &[usize], expected: &[&[u32]]| {
            let (table, schema) = record(
                &[Some(1), Some(2), Some(1), None],
                &[Some("a"), Some("b"), None, Some("c")],
            );
            let parts = [table.slice(0, 2), table.slice(2, 2)];
            let table = KeyedTable::build(&parts, &schema, columns).unwrap();
            let (asked, _) =
                record(&[Some(1), Some(2), None, Some(9)], &[Some("a"), None, Some("c"), None]);
            let probe = Probe::of(&asked, columns);
            let found: Vec<Vec<u32>> =
                (0..probe.len()).map(|row| table.rows(&probe, row).collect()).collect();
            assert_eq!(found, expected, "{columns:?}");
            assert!(table.memory_bytes() > 0);
        };
        check(&[0], &[&[0, 2], &[1], &[], &[]]);
        check(&[1], &[&[0], &[], &[3], &[]]);
        check(&[0, 1], &[&[0], &[], &[], &[]]);
    }
}

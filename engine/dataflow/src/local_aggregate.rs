//! The first of two phases of an aggregation (row F2.1; Flink: `LocalGroupAggregate`).

use crate::graph::{AggregateCall, MiniBatch};
use crate::types::{Field, Schema, TypeRoot};

/// Adds up the rows of a mini-batch before they are sent to the subtasks of their keys.
/// Keeps nothing across a barrier. Output: the keys, then what became of the group as one
/// BYTES column, which a [`crate::graph::GroupAggregate`] that `merges` reads. When
/// `adaptive`, the input's other columns follow: a row without BYTES is one of the input.
#[derive(Clone, Debug)]
pub struct LocalGroupAggregate {
    pub keys: Vec<usize>,
    pub aggregates: Vec<AggregateCall>,
    /// The input carries -U, +U or -D.
    pub retracts: bool,
    pub mini_batch: MiniBatch,
    /// Rows go on as they are where there is nothing to be won: while few of them are of
    /// one group, and on a single subtask (the strategy is AUTO).
    pub adaptive: bool,
}

/// The name of the column behind the keys.
pub const PARTIAL: &str = "partial";

impl LocalGroupAggregate {
    /// The output for these keys of an input.
    pub fn output(input: &Schema, keys: &[usize], adaptive: bool) -> Schema {
        let mut fields: Vec<Field> = keys.iter().map(|key| input.fields[*key].clone()).collect();
        fields.push(Field::new(PARTIAL, TypeRoot::bytes().nullable()));
        if adaptive {
            let others = Self::others(input.len(), keys).into_iter();
            fields.extend(others.map(|column| {
                let Field { name, data_type, .. } = &input.fields[column];
                Field::new(name, data_type.clone().with_nullable(true))
            }));
        }
        Schema::new(fields)
    }

    /// The input's columns that are no keys.
    pub fn others(width: usize, keys: &[usize]) -> Vec<usize> {
        (0..width).filter(|column| !keys.contains(column)).collect()
    }

    /// Where a column of the input is in the output of an adaptive one.
    pub fn place(keys: &[usize], column: usize) -> usize {
        match keys.iter().position(|key| *key == column) {
            Some(at) => at,
            None => keys.len() + 1 + (0..column).filter(|other| !keys.contains(other)).count(),
        }
    }
}

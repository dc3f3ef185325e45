//! The first of two phases of an aggregation (row F2.1; Flink: `LocalGroupAggregate`).

use crate::graph::{AggregateCall, MiniBatch};
use crate::types::{Field, Schema, TypeRoot};

/// Adds up the rows of a mini-batch before they are sent to the subtasks of their keys.
/// Keeps nothing across a barrier. Output, insert-only: the keys, then what became of
/// the group as one BYTES column, which a [`crate::graph::GroupAggregate`] that `merges`
/// reads.
#[derive(Clone, Debug)]
pub struct LocalGroupAggregate {
    pub keys: Vec<usize>,
    pub aggregates: Vec<AggregateCall>,
    /// The input carries -U, +U or -D.
    pub retracts: bool,
    pub mini_batch: MiniBatch,
    /// Rows go on one by one while there is little to add up (the strategy is AUTO).
    pub adaptive: bool,
}

/// The name of the column behind the keys.
pub const PARTIAL: &str = "partial";

impl LocalGroupAggregate {
    /// The output for these keys.
    pub fn output(keys: Vec<Field>) -> Schema {
        let mut fields = keys;
        fields.push(Field::new(PARTIAL, TypeRoot::bytes().not_null()));
        Schema::new(fields)
    }
}

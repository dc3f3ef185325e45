//! What a running job measures of itself, read at one moment.

use std::collections::BTreeMap;

use crate::ids::{Generation, Timestamp};

/// Metrics by Flink's names.
#[derive(Clone, Debug, PartialEq)]
pub struct JobReading {
    pub at: Timestamp,
    pub generation: Generation,
    pub job: BTreeMap<String, f64>,
    pub vertices: Vec<VertexReading>,
}

/// A vertex: operators that run as one task.
#[derive(Clone, Debug, PartialEq)]
pub struct VertexReading {
    pub id: String,
    pub name: String,
    pub parallelism: u64,
    pub status: String,
    pub metrics: BTreeMap<String, f64>,
}

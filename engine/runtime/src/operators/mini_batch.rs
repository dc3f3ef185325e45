//! When a mini-batch ends (rows F1.2 to F1.4).

use millrace_dataflow::graph::MiniBatch;
use millrace_dataflow::{Batch, Watermark};

use crate::operator::OperatorContext;

/// The mini-batch that an operator is filling.
#[derive(Debug)]
pub struct Filling {
    config: MiniBatch,
    rows: usize,
    due_ms: Option<i64>,
    /// How long after a multiple of the latency it ends.
    lag_ms: i64,
}

/// At most so long after the first phase of an aggregation the second one ends its
/// mini-batch: what was given out to it has come by then.
const MOST_LAG_MS: i64 = 100;

impl Filling {
    pub fn new(config: MiniBatch) -> Filling {
        Filling { config, rows: 0, due_ms: None, lag_ms: 0 }
    }

    /// Of the operator that takes what others give out at the ends of such mini-batches:
    /// it does not wait a whole latency more.
    pub fn after_others(config: MiniBatch) -> Filling {
        let lag_ms = (config.latency_ms / 10).clamp(0, MOST_LAG_MS);
        Filling { lag_ms, ..Filling::new(config) }
    }

    /// The rows of a batch that still go into this mini-batch, which they may fill, and
    /// those that do not.
    pub fn split(&self, batch: Batch) -> (Batch, Option<Batch>) {
        let room = self.config.rows.max(1).saturating_sub(self.rows).max(1);
        match batch.num_rows() {
            rows if rows <= room => (batch, None),
            rows => (batch.slice(0, room), Some(batch.slice(room, rows - room))),
        }
    }

    pub fn add(&mut self, rows: usize, ctx: &OperatorContext) {
        self.rows += rows;
        let (config, lag_ms) = (self.config, self.lag_ms);
        let now_ms = ctx.processing_time_ms;
        self.due_ms.get_or_insert_with(|| config.end_ms(now_ms - lag_ms).saturating_add(lag_ms));
    }

    /// Rows taken in since the last end.
    pub fn rows(&self) -> usize {
        self.rows
    }

    pub fn is_full(&self) -> bool {
        self.rows >= self.config.rows
    }

    pub fn due_ms(&self) -> Option<i64> {
        self.due_ms
    }

    pub fn is_due(&self, ctx: &OperatorContext) -> bool {
        self.due_ms.is_some_and(|due| due <= ctx.processing_time_ms)
    }

    /// Whether it ends when the watermark has grown to this.
    pub fn ends_at(&self, watermark: Watermark) -> bool {
        self.rows > 0 && (self.config.ends_at_watermarks() || watermark == Watermark::MAX)
    }

    /// The next one begins.
    pub fn end(&mut self) {
        self.rows = 0;
        self.due_ms = None;
    }
}

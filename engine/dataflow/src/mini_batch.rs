//! What mini-batches are (Flink: `table.exec.mini-batch.*`, rows F1.2 to F1.4, E.23).

/// An operator gives out the net change of each key now and then, not every change:
/// after so many rows, after so long, before a barrier, at the end of input, and in
/// event time when the watermark grows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MiniBatch {
    /// `table.exec.mini-batch.size`: rows taken in before their changes are given out.
    pub rows: usize,
    /// `table.exec.mini-batch.allow-latency`: a change is given out when the wall clock
    /// next reaches a multiple of it.
    pub latency_ms: i64,
    pub mode: MiniBatchMode,
}

/// What ends a mini-batch beside its size and the time that it may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MiniBatchMode {
    /// Nothing of the job needs watermarks: they end none.
    ProcTime,
    /// What was taken in before a watermark is given out before it; the source holds
    /// watermarks back to multiples of the latency (row E.23).
    RowTime,
}

impl MiniBatch {
    /// Whether a watermark ends the mini-batch.
    pub fn ends_at_watermarks(&self) -> bool {
        self.mode == MiniBatchMode::RowTime
    }

    /// When a mini-batch that begins at `now_ms` ends by the wall clock.
    pub fn end_ms(&self, now_ms: i64) -> i64 {
        let latency = self.latency_ms.max(1);
        now_ms.div_euclid(latency).saturating_add(1).saturating_mul(latency)
    }
}

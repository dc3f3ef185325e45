//! What tasks count, read by others while they run.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU8, AtomicU64, Ordering};

use crate::memory::StateBytes;
use crate::view::TaskStatus;

/// Counters of one subtask of a task (rows I2.1 to I2.3).
#[derive(Debug)]
pub struct SubtaskMetrics {
    /// Records that came in over channels; for sources none.
    pub records_in: AtomicU64,
    /// Records that left the task.
    pub records_out: AtomicU64,
    pub late_records_dropped: AtomicU64,
    /// Nanoseconds spent waiting for input.
    idle_ns: AtomicU64,
    /// Nanoseconds spent waiting for a full channel.
    back_pressured_ns: AtomicU64,
    /// Monotonic nanoseconds when it began to run; 0 before.
    started_ns: AtomicU64,
    ended_ns: AtomicU64,
    watermark: AtomicI64,
    status: AtomicU8,
    state_memory: AtomicU64,
    state_stored: AtomicU64,
}

/// Where a subtask's time went so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TimeSpent {
    pub busy_ms: u64,
    pub idle_ms: u64,
    pub back_pressured_ms: u64,
}

impl Default for SubtaskMetrics {
    fn default() -> SubtaskMetrics {
        SubtaskMetrics {
            records_in: AtomicU64::new(0),
            records_out: AtomicU64::new(0),
            late_records_dropped: AtomicU64::new(0),
            idle_ns: AtomicU64::new(0),
            back_pressured_ns: AtomicU64::new(0),
            started_ns: AtomicU64::new(0),
            ended_ns: AtomicU64::new(0),
            watermark: AtomicI64::new(i64::MIN),
            status: AtomicU8::new(TaskStatus::Created as u8),
            state_memory: AtomicU64::new(0),
            state_stored: AtomicU64::new(0),
        }
    }
}

impl SubtaskMetrics {
    pub fn shared() -> Arc<SubtaskMetrics> {
        Arc::new(SubtaskMetrics::default())
    }

    pub fn start(&self, now_ns: u64) {
        self.started_ns.store(now_ns.max(1), Ordering::Relaxed);
    }

    pub fn end(&self, now_ns: u64) {
        self.ended_ns.store(now_ns.max(1), Ordering::Relaxed);
    }

    pub fn add(counter: &AtomicU64, amount: usize) {
        counter.fetch_add(amount as u64, Ordering::Relaxed);
    }

    pub fn add_idle(&self, nanoseconds: u64) {
        self.idle_ns.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    pub fn add_back_pressured(&self, nanoseconds: u64) {
        self.back_pressured_ns.fetch_add(nanoseconds, Ordering::Relaxed);
    }

    /// One operator's state takes `after` instead of `before`.
    pub fn change_state(&self, before: StateBytes, after: StateBytes) {
        // Differences may be negative: they wrap, and so do the sums.
        let change = |counter: &AtomicU64, before: u64, after: u64| {
            counter.fetch_add(after.wrapping_sub(before), Ordering::Relaxed);
        };
        change(&self.state_memory, before.memory, after.memory);
        change(&self.state_stored, before.stored, after.stored);
    }

    /// Of all operators of the subtask.
    pub fn state_bytes(&self) -> StateBytes {
        StateBytes {
            memory: self.state_memory.load(Ordering::Relaxed),
            stored: self.state_stored.load(Ordering::Relaxed),
        }
    }

    pub fn set_watermark(&self, watermark_ms: i64) {
        self.watermark.store(watermark_ms, Ordering::Relaxed);
    }

    /// Flink's `currentInputWatermark`; `i64::MIN` before the first.
    pub fn watermark(&self) -> i64 {
        self.watermark.load(Ordering::Relaxed)
    }

    pub fn set_status(&self, status: TaskStatus) {
        self.status.store(status as u8, Ordering::Relaxed);
    }

    pub fn status(&self) -> TaskStatus {
        TaskStatus::from_code(self.status.load(Ordering::Relaxed))
    }

    /// Time since the start, divided; a wait under way counts once it is over.
    pub fn time_spent(&self, now_ns: u64) -> TimeSpent {
        let started = self.started_ns.load(Ordering::Relaxed);
        if started == 0 {
            return TimeSpent::default();
        }
        let end = match self.ended_ns.load(Ordering::Relaxed) {
            0 => now_ns,
            ended => ended,
        };
        let idle = self.idle_ns.load(Ordering::Relaxed);
        let back_pressured = self.back_pressured_ns.load(Ordering::Relaxed);
        let busy = end.saturating_sub(started).saturating_sub(idle + back_pressured);
        TimeSpent {
            busy_ms: busy / 1_000_000,
            idle_ms: idle / 1_000_000,
            back_pressured_ms: back_pressured / 1_000_000,
        }
    }
}

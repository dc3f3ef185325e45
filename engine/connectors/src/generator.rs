//! What generated sources share: rows are numbered, numbers are dealt out to splits
//! in blocks, and a reader goes through its splits in the order of the numbers.
//!
//! So the same rows come out whatever the parallelism, one reader gives them in
//! order, and a snapshot is one number a split. The number of splits is fixed at
//! the first start; there are more of them than readers, so that a job can be
//! restored at a higher parallelism.

use std::collections::BTreeSet;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use millrace_dataflow::batch::Batch;
use millrace_dataflow::source::{ReaderEvent, SourceError, SourceReader, Split, SplitEnumerator};
use serde::{Deserialize, Serialize};

use crate::errors::source_failed;

/// Splits of a generator that is fast enough to keep several busy.
const USUAL_SPLITS: u32 = 8;
/// Below this rate (rows a second) one split a reader is enough; more would only
/// hold the watermark back, which is the minimum over the splits.
const SLOW_RATE: u64 = 1_000;
const MAX_BLOCK: u64 = 1_024;
const MAX_WAIT_MS: i64 = 100;

/// One split: every `count`-th block of numbers, beginning with block `index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lane {
    pub index: u32,
    pub count: u32,
    /// Numbers a block.
    pub block: u64,
    /// The next number to give.
    pub next: u64,
    pub seed: u64,
    /// Milliseconds since the epoch at which number 0 happened.
    pub base_ms: i64,
}

impl Lane {
    fn id(&self) -> String {
        format!("generator-{}", self.index)
    }

    fn into_split(self) -> Split {
        let state = serde_json::to_value(self).expect("numbers have a JSON form");
        Split { id: self.id(), state }
    }

    /// Numbers left in the current block.
    fn run(&self, end: Option<u64>) -> u64 {
        let left = self.block - self.next % self.block;
        end.map_or(left, |end| left.min(end.saturating_sub(self.next)))
    }

    fn advance(&mut self, numbers: u64) {
        self.next += numbers;
        if self.next.is_multiple_of(self.block) {
            self.next += self.block * u64::from(self.count - 1);
        }
    }

    fn is_done(&self, end: Option<u64>) -> bool {
        end.is_some_and(|end| self.next >= end)
    }
}

/// Plans the splits at the first start.
pub struct LaneEnumerator {
    pub parallelism: u16,
    /// Rows a second; `None`: as fast as can be.
    pub rate: Option<u64>,
    pub seed: u64,
    pub base_ms: i64,
    planned: bool,
}

impl LaneEnumerator {
    pub fn new(
        parallelism: u16,
        rate: Option<u64>,
        (seed, base_ms): (u64, i64),
        restored: Option<&serde_json::Value>,
    ) -> LaneEnumerator {
        LaneEnumerator { parallelism, rate, seed, base_ms, planned: restored.is_some() }
    }

    fn lanes(&self) -> Vec<Lane> {
        let readers = u32::from(self.parallelism.max(1));
        let slow = self.rate.is_some_and(|rate| rate < SLOW_RATE);
        let count = if slow { readers } else { readers * USUAL_SPLITS.div_ceil(readers) };
        // A block lasts 10 ms or less, so that splits stay close to each other in time.
        let block = self.rate.map_or(MAX_BLOCK, |rate| (rate / 100).clamp(1, MAX_BLOCK));
        let (seed, base_ms) = (self.seed, self.base_ms);
        (0..count)
            .map(|index| Lane {
                index,
                count,
                block,
                next: u64::from(index) * block,
                seed,
                base_ms,
            })
            .collect()
    }
}

impl SplitEnumerator for LaneEnumerator {
    fn discover(&mut self) -> Result<Vec<Split>, SourceError> {
        if std::mem::replace(&mut self.planned, true) {
            return Ok(Vec::new());
        }
        Ok(self.lanes().into_iter().map(Lane::into_split).collect())
    }

    fn snapshot(&self) -> serde_json::Value {
        serde_json::json!({ "planned": self.planned })
    }
}

/// Makes the rows of a run of numbers.
pub trait Rows: Send {
    /// `numbers` rows from `lane.next` on.
    fn generate(
        &mut self,
        lane: &Lane,
        numbers: usize,
        processing_time_ms: i64,
    ) -> Result<RecordBatch, SourceError>;
}

/// Reads the lanes that it is given, the smallest number first.
pub struct LaneReader<R> {
    rows: R,
    pace: Pace,
    /// One past the last number; `None`: for ever.
    end: Option<u64>,
    batch_rows: u64,
    lanes: Vec<Lane>,
    /// Lanes stay when their numbers are used up.
    keep_alive: bool,
    /// Indices of the lanes to give no rows of.
    paused: BTreeSet<u32>,
}

impl<R: Rows> LaneReader<R> {
    pub fn new(rows: R, rate: Option<u64>, end: Option<u64>, batch_rows: usize) -> LaneReader<R> {
        let pace = Pace { rate, begun: None };
        let batch_rows = batch_rows.max(1) as u64;
        let (lanes, paused) = (Vec::new(), BTreeSet::new());
        LaneReader { rows, pace, end, batch_rows, lanes, keep_alive: false, paused }
    }

    pub fn keep_alive(mut self) -> LaneReader<R> {
        self.keep_alive = true;
        self
    }

    // A finished lane, else the one that is furthest behind.
    fn pick(&self) -> Option<usize> {
        let finished = self.lanes.iter().position(|lane| lane.is_done(self.end));
        if finished.is_some() && !self.keep_alive {
            return finished;
        }
        let open = |at: &usize| {
            !self.lanes[*at].is_done(self.end) && !self.paused.contains(&self.lanes[*at].index)
        };
        (0..self.lanes.len()).filter(open).min_by_key(|at| self.lanes[*at].next)
    }
}

impl<R: Rows> SourceReader for LaneReader<R> {
    fn add_split(&mut self, split: Split) -> Result<(), SourceError> {
        let lane = serde_json::from_value(split.state).map_err(|error| {
            source_failed(format!("the saved position of split '{}' is damaged", split.id), error)
        })?;
        self.lanes.push(lane);
        Ok(())
    }

    fn poll(&mut self, processing_time_ms: i64) -> Result<ReaderEvent, SourceError> {
        let Some(at) = self.pick() else {
            return Ok(ReaderEvent::Wait(Duration::from_millis(MAX_WAIT_MS as u64)));
        };
        let lane = self.lanes[at];
        let split = lane.id();
        if lane.is_done(self.end) {
            self.lanes.swap_remove(at);
            return Ok(ReaderEvent::SplitFinished { split });
        }
        let due = match self.pace.due(&lane, processing_time_ms) {
            Ok(due) => due,
            Err(wait) => return Ok(ReaderEvent::Wait(wait)),
        };
        let numbers = lane.run(self.end).min(self.batch_rows).min(due);
        let record = self.rows.generate(&lane, numbers as usize, processing_time_ms)?;
        self.lanes[at].advance(numbers);
        Ok(ReaderEvent::Batch { split, batch: Batch::insert_only(record) })
    }

    fn set_paused(&mut self, split: &str, paused: bool) {
        let Some(lane) = self.lanes.iter().find(|lane| lane.id() == split) else { return };
        if paused {
            self.paused.insert(lane.index);
        } else {
            self.paused.remove(&lane.index);
        }
    }

    fn snapshot(&self) -> Vec<Split> {
        self.lanes.iter().copied().map(Lane::into_split).collect()
    }
}

/// Spreads numbers over time: number `n` is due `n - first` steps after the first.
struct Pace {
    rate: Option<u64>,
    /// When a number was due first, and which.
    begun: Option<(i64, u64)>,
}

/// A reader that is late by less makes up for it; beyond that, rows that were missed are
/// not given in a burst.
const MADE_UP_FOR_MS: i64 = 1_000;

impl Pace {
    /// How many numbers from `next` on may be given now, at least one.
    ///
    /// # Errors
    /// None yet: how long to wait.
    fn due(&mut self, lane: &Lane, now_ms: i64) -> Result<u64, Duration> {
        let Some(rate) = self.rate else { return Ok(u64::MAX) };
        let next = lane.next;
        let (begun_ms, first) = *self.begun.get_or_insert_with(|| begin(lane, rate, now_ms));
        let passed_ms = now_ms.saturating_sub(begun_ms).max(0) as u128;
        let given = u128::from(next.saturating_sub(first));
        let allowed = passed_ms * u128::from(rate) / 1_000 + 1;
        if allowed > given + u128::from(rate) + u128::from(MAX_BLOCK) {
            // More than a second behind (the job was held up): the missed rows are
            // not made up for in a burst.
            self.begun = Some((now_ms, next));
            return Ok(1);
        }
        if allowed > given {
            return Ok((allowed - given) as u64);
        }
        let due_ms = (given * 1_000).div_ceil(u128::from(rate)) as i64;
        let wait_ms = (due_ms - passed_ms as i64).clamp(1, MAX_WAIT_MS);
        Err(Duration::from_millis(wait_ms as u64))
    }
}

/// From the lane's own time on when that is not long ago: a row then comes when it says
/// that it happened, and the time that the job took to start delays none.
fn begin(lane: &Lane, rate: u64, now_ms: i64) -> (i64, u64) {
    let offset_ms = u128::from(lane.next) * 1_000 / u128::from(rate);
    let due_ms = i64::try_from(offset_ms).map_or(i64::MAX, |ms| lane.base_ms.saturating_add(ms));
    let late_ms = now_ms.saturating_sub(due_ms);
    let begun_ms = if (0..MADE_UP_FOR_MS).contains(&late_ms) { due_ms } else { now_ms };
    (begun_ms, lane.next)
}

/// A number that is the same for the same inputs and otherwise looks random
/// (splitmix64).
pub fn mix(seed: u64, number: u64) -> u64 {
    let mut value = seed.wrapping_add(number.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// A cheap stream of random numbers that starts from a seed.
#[derive(Clone, Copy, Debug)]
pub struct Dice {
    state: u64,
}

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice { state: seed }
    }

    pub fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut value = self.state;
        value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        value ^ (value >> 31)
    }

    /// Evenly from `0..bound`; 0 when the bound is 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.next()) * u128::from(bound)) >> 64) as u64
    }

    /// Evenly from `0.0..1.0`.
    pub fn fraction(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }
}

#[cfg(test)]
mod tests;

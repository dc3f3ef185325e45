//! Rows that wait for their time, in buckets of time so that neither a row nor a
//! watermark looks at all of them.

use std::collections::BTreeMap;

use arrow::array::ArrayRef;
use arrow::datatypes::DataType as ArrowType;
use arrow::error::ArrowError;

use super::store::{RowRef, RowStore};

const BUCKET_MS: i64 = 64;

#[derive(Clone, Copy, Debug)]
pub struct Waiting {
    pub time_ms: i64,
    /// Number of arrival: rows of equal time keep their order.
    pub arrival: i64,
    pub slot: u32,
    pub at: RowRef,
}

#[derive(Debug)]
pub struct Pending {
    rows: RowStore,
    /// By time / [`BUCKET_MS`], each in order of arrival.
    buckets: BTreeMap<i64, Vec<Waiting>>,
    arrivals: i64,
}

impl Pending {
    pub fn new(types: Vec<ArrowType>) -> Pending {
        Pending { rows: RowStore::new(types), buckets: BTreeMap::new(), arrivals: 0 }
    }

    /// Keeps rows of a batch, each given as time, slot and row.
    pub fn add(&mut self, columns: &[ArrayRef], rows: usize, kept: &[(i64, u32, u32)]) {
        if kept.is_empty() {
            return;
        }
        let chunk = self.rows.add(columns.to_vec(), rows, kept.len());
        for &(time_ms, slot, row) in kept {
            let arrival = self.arrivals;
            self.put(Waiting { time_ms, arrival, slot, at: RowRef { chunk, row } });
        }
    }

    /// Restored rows, one a row of the columns: time, number of arrival and slot, in
    /// order of arrival.
    pub fn restore(&mut self, columns: Vec<ArrayRef>, rows: &[(i64, i64, u32)]) {
        let chunk = self.rows.add(columns, rows.len(), rows.len());
        for (row, &(time_ms, arrival, slot)) in rows.iter().enumerate() {
            self.put(Waiting { time_ms, arrival, slot, at: RowRef { chunk, row: row as u32 } });
        }
    }

    /// About what the waiting rows take in memory.
    pub fn bytes(&self) -> usize {
        self.rows.bytes() + self.rows.live() * size_of::<Waiting>()
    }

    fn put(&mut self, waiting: Waiting) {
        self.arrivals = self.arrivals.max(waiting.arrival.saturating_add(1));
        self.buckets.entry(waiting.time_ms.div_euclid(BUCKET_MS)).or_default().push(waiting);
    }

    /// Takes out the rows up to a time, in order of time, then arrival.
    pub fn take_until(&mut self, to_ms: i64) -> Vec<Waiting> {
        let bucket = to_ms.div_euclid(BUCKET_MS);
        if self.buckets.first_key_value().is_none_or(|(first, _)| *first > bucket) {
            return Vec::new();
        }
        let later = self.buckets.split_off(&bucket);
        let earlier = std::mem::replace(&mut self.buckets, later);
        let mut ready: Vec<Waiting> = earlier.into_values().flatten().collect();
        if let Some(last) = self.buckets.remove(&bucket) {
            let (now, rest): (Vec<_>, Vec<_>) =
                last.into_iter().partition(|waiting| waiting.time_ms <= to_ms);
            ready.extend(now);
            if !rest.is_empty() {
                self.buckets.insert(bucket, rest);
            }
        }
        ready.sort_by_key(|waiting| waiting.time_ms);
        ready
    }

    /// The columns of rows that were taken out, which are gone after this.
    pub fn consume(&mut self, rows: &[Waiting]) -> Result<Vec<ArrayRef>, ArrowError> {
        let refs: Vec<RowRef> = rows.iter().map(|waiting| waiting.at).collect();
        let columns = self.rows.gather(&refs)?;
        refs.into_iter().for_each(|at| self.rows.release(at));
        Ok(columns)
    }

    /// Drops the rows of some slots.
    pub fn forget(&mut self, is_gone: impl Fn(u32) -> bool) -> Result<(), ArrowError> {
        let rows = &mut self.rows;
        for bucket in self.buckets.values_mut() {
            bucket.retain(|waiting| {
                let goes = is_gone(waiting.slot);
                if goes {
                    rows.release(waiting.at);
                }
                !goes
            });
        }
        self.buckets.retain(|_, bucket| !bucket.is_empty());
        if self.rows.is_half_empty() { self.compact() } else { Ok(()) }
    }

    /// Gives back memory that too few rows hold.
    pub fn tidy(&mut self) -> Result<(), ArrowError> {
        if self.rows.is_sparse() { self.compact() } else { Ok(()) }
    }

    fn compact(&mut self) -> Result<(), ArrowError> {
        let rows = self.buckets.values_mut().flatten().map(|waiting| &mut waiting.at).collect();
        self.rows.compact(rows)
    }

    pub fn first_ms(&self) -> Option<i64> {
        let (_, first) = self.buckets.first_key_value()?;
        first.iter().map(|waiting| waiting.time_ms).min()
    }

    pub fn waiting(&self) -> Vec<Waiting> {
        self.buckets.values().flatten().copied().collect()
    }

    pub fn columns(&self, rows: &[Waiting]) -> Result<Vec<ArrayRef>, ArrowError> {
        let refs: Vec<RowRef> = rows.iter().map(|waiting| waiting.at).collect();
        self.rows.gather(&refs)
    }
}

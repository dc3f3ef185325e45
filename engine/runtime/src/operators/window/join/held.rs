//! The rows of windows that have not fired, as they came.

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;
use millrace_dataflow::key_group::{KeyGroup, KeyGroupRange, key_group};
use millrace_state::frozen::PutEntry;
use millrace_state::{Frozen, row};

use crate::operators::window::attached::prefix;
use crate::operators::window::slices::Span;

/// Rows of one side, and their numbers of arrival.
#[derive(Clone, Debug)]
pub struct Held {
    pub record: RecordBatch,
    pub arrivals: Arrivals,
    /// They are in the store, too.
    pub is_stored: bool,
}

#[derive(Clone, Debug)]
pub enum Arrivals {
    /// One behind the other.
    From(i64),
    /// Ascending.
    Listed(Arc<[i64]>),
}

/// Rows of one window: left, then right.
pub type Sides = [Vec<Held>; 2];
pub type Windows = BTreeMap<Span, Sides>;

impl Held {
    pub fn bytes(&self) -> usize {
        let listed = match &self.arrivals {
            Arrivals::From(_) => 0,
            Arrivals::Listed(arrivals) => arrivals.len() * size_of::<i64>(),
        };
        self.record.get_array_memory_size() + listed
    }

    fn arrival(&self, row: usize) -> i64 {
        match &self.arrivals {
            Arrivals::From(first) => first + row as i64,
            Arrivals::Listed(arrivals) => arrivals[row],
        }
    }

    /// The key group of each row.
    pub fn groups(&self, keys: &[usize], max_parallelism: u16) -> Vec<u16> {
        let keys = row::encode_column_subset(&self.record, keys);
        keys.iter().map(|key| key_group(row::hash(key), max_parallelism).0).collect()
    }

    /// The entries of some rows, of these groups.
    pub fn write(
        &self,
        window: Span,
        side: usize,
        keys: &[usize],
        (rows, groups): (&[u32], &[u16]),
        put: PutEntry<'_>,
    ) {
        let numbers: Vec<i64> = rows.iter().map(|&row| self.arrival(row as usize)).collect();
        let prefixes = row::encode(&prefix(window, numbers.into_iter()));
        let record = if rows.len() == self.record.num_rows() {
            self.record.clone()
        } else {
            let rows = UInt32Array::from(rows.to_vec());
            take_record_batch(&self.record, &rows).expect("rows of the batch itself")
        };
        let keys = row::encode_column_subset(&record, keys);
        let values = row::encode(record.columns());
        for (at, &row) in rows.iter().enumerate() {
            let group = KeyGroup(groups[row as usize]);
            put(group, side as u8, [prefixes.row(at), keys.row(at)], values.row(at));
        }
    }
}

/// What a barrier found: the batches themselves, which nothing changes.
#[derive(Debug)]
pub struct FrozenWindows {
    parts: Vec<Part>,
    /// Of the left, of the right side.
    keys: [Vec<usize>; 2],
    max_parallelism: u16,
    bytes: usize,
}

#[derive(Debug)]
struct Part {
    window: Span,
    side: usize,
    held: Held,
    /// Of each row; made by the thread that asks first.
    groups: OnceLock<Vec<u16>>,
}

impl FrozenWindows {
    pub fn new(
        windows: &Windows,
        keys: [&[usize]; 2],
        max_parallelism: u16,
        bytes: usize,
    ) -> FrozenWindows {
        let mut parts = Vec::new();
        for (window, sides) in windows {
            for (side, batches) in sides.iter().enumerate() {
                parts.extend(batches.iter().map(|held| Part {
                    window: *window,
                    side,
                    held: held.clone(),
                    groups: OnceLock::new(),
                }));
            }
        }
        FrozenWindows { parts, keys: keys.map(<[usize]>::to_vec), max_parallelism, bytes }
    }

    fn groups_of<'a>(&self, part: &'a Part) -> &'a [u16] {
        let keys = &self.keys[part.side];
        part.groups.get_or_init(|| part.held.groups(keys, self.max_parallelism))
    }
}

impl Frozen for FrozenWindows {
    fn groups(&self) -> Vec<KeyGroup> {
        let mut found = vec![false; usize::from(self.max_parallelism)];
        let groups = self.parts.iter().flat_map(|part| self.groups_of(part));
        groups.for_each(|group| found[usize::from(*group)] = true);
        (0..).zip(found).filter_map(|(group, found)| found.then_some(KeyGroup(group))).collect()
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn write(&self, groups: KeyGroupRange, put: PutEntry<'_>) {
        let wanted = groups.start..groups.end;
        for part in &self.parts {
            let groups = self.groups_of(part);
            let rows = (0..).zip(groups).filter(|(_, group)| wanted.contains(*group));
            let rows: Vec<u32> = rows.map(|(row, _)| row).collect();
            if !rows.is_empty() {
                let keys = &self.keys[part.side];
                part.held.write(part.window, part.side, keys, (&rows, groups), put);
            }
        }
    }
}

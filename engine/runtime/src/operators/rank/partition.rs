//! The rows of one partition in rank order, and what a row that comes or goes changes.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_dataflow::RowKind;

use crate::operators::keys::{Bytes, spilled_bytes};

/// Which ranks are shown, and how.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// First and last rank shown, from 1.
    pub start: usize,
    pub end: usize,
    /// Changes are by rank, not by row.
    pub by_rank: bool,
    /// Rows behind the last rank may come back.
    pub keep_rest: bool,
    /// `-U` is wanted, too.
    pub update_before: bool,
}

/// A row with its place.
#[derive(Clone, Debug)]
pub struct Ranked {
    /// Bytes that are ordered as the sort columns are.
    pub sort: Bytes,
    /// Breaks ties (row B9.4).
    pub arrival: i64,
    pub row: Arc<[u8]>,
}

/// A row to emit.
#[derive(Clone, Debug)]
pub struct Change {
    pub kind: RowKind,
    pub rank: usize,
    pub row: Arc<[u8]>,
}

/// The first `end` rows in a vector, so that ranks are indices; the others in a map.
#[derive(Clone, Debug, Default)]
pub struct Partition {
    top: Vec<Ranked>,
    rest: BTreeMap<(Bytes, i64), Arc<[u8]>>,
    /// About what the rows take.
    bytes: usize,
}

/// What a row takes, with the counters that it is shared by.
fn row_bytes(sort: &Bytes, row: &[u8]) -> usize {
    size_of::<Ranked>() + 24 + spilled_bytes(sort.len()) + row.len()
}

impl Partition {
    pub fn is_empty(&self) -> bool {
        self.top.is_empty()
    }

    /// About what its rows take in memory.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// All rows in order, with their numbers of arrival.
    pub fn rows(&self) -> impl Iterator<Item = (i64, &[u8])> {
        let top = self.top.iter().map(|ranked| (ranked.arrival, &*ranked.row));
        top.chain(self.rest.iter().map(|((_, arrival), row)| (*arrival, &**row)))
    }

    /// Whether a new row of this sort key would be kept.
    pub fn admits(&self, sort: &[u8], limits: &Limits) -> bool {
        limits.keep_rest
            || self.top.len() < limits.end
            || self.top.last().is_some_and(|last| sort < last.sort.as_slice())
    }

    pub fn insert(&mut self, new: Ranked, limits: &Limits, changes: &mut Vec<Change>) {
        let at = self.top.partition_point(|held| held.sort <= new.sort);
        let bytes = row_bytes(&new.sort, &new.row);
        if at >= limits.end {
            if limits.keep_rest {
                self.bytes += bytes;
                self.rest.insert((new.sort, new.arrival), new.row);
            }
            return;
        }
        let before = self.top.len();
        self.bytes += bytes;
        self.top.insert(at, new);
        let dropped = if self.top.len() > limits.end { self.top.pop() } else { None };
        if limits.by_rank {
            self.shift_down(at, before, dropped.as_ref(), limits, changes);
        } else {
            changes.extend(dropped.iter().map(|out| change(RowKind::Delete, 0, &out.row)));
            changes.push(change(RowKind::Insert, at + 1, &self.top[at].row));
        }
        match dropped {
            Some(out) if limits.keep_rest => {
                self.rest.insert((out.sort, out.arrival), out.row);
            }
            Some(out) => self.bytes -= row_bytes(&out.sort, &out.row),
            None => {}
        }
    }

    /// Every rank from the new row's on has another row now.
    fn shift_down(
        &self,
        at: usize,
        before: usize,
        dropped: Option<&Ranked>,
        limits: &Limits,
        changes: &mut Vec<Change>,
    ) {
        for index in at..self.top.len() {
            let rank = index + 1;
            if rank < limits.start {
                continue;
            }
            if index == before {
                changes.push(change(RowKind::Insert, rank, &self.top[index].row));
                continue;
            }
            let old = self.top.get(index + 1).or(dropped).expect("what stood here moved on");
            if limits.update_before {
                changes.push(change(RowKind::UpdateBefore, rank, &old.row));
            }
            changes.push(change(RowKind::UpdateAfter, rank, &self.top[index].row));
        }
    }

    /// Takes out the first row of this sort key and content.
    pub fn remove(&mut self, gone: &Ranked, limits: &Limits, changes: &mut Vec<Change>) {
        let first = self.top.partition_point(|held| held.sort < gone.sort);
        let mut equal = self.top[first..].iter().take_while(|held| held.sort == gone.sort);
        let Some(at) = equal.position(|held| held.row == gone.row) else {
            self.remove_from_rest(gone);
            return;
        };
        let at = first + at;
        let out = self.top.remove(at);
        self.bytes -= row_bytes(&out.sort, &out.row);
        let next = self.rest.pop_first();
        let refilled = next.is_some();
        self.top.extend(next.map(|((sort, arrival), row)| Ranked { sort, arrival, row }));
        if limits.by_rank {
            self.shift_up(at, out, refilled, limits, changes);
            return;
        }
        changes.push(change(RowKind::Delete, at + 1, &out.row));
        if refilled {
            let last = self.top.last().expect("just put in");
            changes.push(change(RowKind::Insert, self.top.len(), &last.row));
        }
    }

    fn remove_from_rest(&mut self, gone: &Ranked) {
        let from = (gone.sort.clone(), i64::MIN);
        let to = (gone.sort.clone(), i64::MAX);
        let found = self.rest.range(from..=to).find(|(_, row)| **row == gone.row);
        if let Some(place) = found.map(|(place, _)| place.clone()) {
            self.rest.remove(&place);
            self.bytes -= row_bytes(&gone.sort, &gone.row);
        }
    }

    /// Every rank from the lost row's on has the row of the next, the last has none
    /// unless a row came up.
    fn shift_up(
        &self,
        at: usize,
        out: Ranked,
        refilled: bool,
        limits: &Limits,
        changes: &mut Vec<Change>,
    ) {
        let mut old = &out.row;
        for index in at..self.top.len() {
            if index + 1 >= limits.start {
                if limits.update_before {
                    changes.push(change(RowKind::UpdateBefore, index + 1, old));
                }
                changes.push(change(RowKind::UpdateAfter, index + 1, &self.top[index].row));
            }
            old = &self.top[index].row;
        }
        let lost = self.top.len() + 1;
        if !refilled && lost >= limits.start {
            changes.push(change(RowKind::Delete, lost, old));
        }
    }
}

fn change(kind: RowKind, rank: usize, row: &Arc<[u8]>) -> Change {
    Change { kind, rank, row: row.clone() }
}

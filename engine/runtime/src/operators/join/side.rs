//! The kept rows of one side of a join: a multiset for each key.
//!
//! A row is a place in an arena, and its key's list is a ring through the rows, in order
//! of arrival. All columns are copied on the first write after they were frozen.

use arrow::datatypes::DataType as ArrowType;
use hashbrown::HashTable;
use millrace_dataflow::Schema;
use millrace_state::cow::CowVec;
use millrace_state::row;

use crate::operator::OperatorContext;
use crate::operators::arena::{Arena, FrozenArena, Place};
use crate::operators::frozen::PutOfSlots;
use crate::operators::ttl::{FrozenTtl, Ttl};

/// Rows of one kind under one key.
#[derive(Clone, Copy, Debug, Default)]
pub struct Kept {
    /// How often the row is there; 0: the place is free.
    pub count: i64,
    row: Place,
    pub key: u32,
    /// The rows of the key around it.
    next: u32,
    last: u32,
}

/// A row in the index of rows.
#[derive(Clone, Copy, Debug)]
struct Indexed {
    hash: u64,
    id: u32,
}

#[derive(Debug)]
pub struct Side {
    pub types: Vec<ArrowType>,
    /// Its rows know how many rows of the other side match.
    pub outer: bool,
    pub ttl: Ttl,
    kept: CowVec<Kept>,
    rows: Arena,
    /// Rows of the other side that match; of an outer side alone.
    degrees: CowVec<i64>,
    free: Vec<u32>,
    /// One more than a key's last row; 0: it has none.
    of_key: CowVec<u32>,
    /// Finds equal rows. Rows that are never taken back need no finding.
    by_row: Option<HashTable<Indexed>>,
}

/// One side as it was at a barrier.
#[derive(Debug)]
pub struct FrozenSide {
    kept: CowVec<Kept>,
    rows: FrozenArena,
    degrees: CowVec<i64>,
    of_key: CowVec<u32>,
    ttl: FrozenTtl,
}

/// What a row takes beside its bytes: its entry, what stands before it in memory, and its
/// degree.
const ROW_BYTES: usize = size_of::<Kept>() + 8 + 8;
/// A row's place in the index of rows.
const INDEXED_BYTES: usize = size_of::<Indexed>() * 3 / 2;

impl Side {
    pub fn new(schema: &Schema, outer: bool, retracts: bool, ttl_ms: i64) -> Side {
        Side {
            types: schema.fields.iter().map(|field| field.data_type.to_arrow()).collect(),
            outer,
            ttl: Ttl::new(ttl_ms),
            kept: CowVec::default(),
            rows: Arena::default(),
            degrees: CowVec::default(),
            free: Vec::new(),
            of_key: CowVec::default(),
            by_row: retracts.then(HashTable::new),
        }
    }

    pub fn get(&self, id: u32) -> &Kept {
        &self.kept[id as usize]
    }

    /// The row's bytes.
    pub fn row(&self, id: u32) -> &[u8] {
        self.rows.row(self.get(id).row)
    }

    /// Matches of the row; 0 where they are not counted.
    pub fn degree(&self, id: u32) -> i64 {
        self.degrees.get(id as usize).copied().unwrap_or_default()
    }

    /// About what the rows take in memory.
    pub fn memory_bytes(&self) -> usize {
        let rows = self.kept.len() - self.free.len();
        let indexed = if self.by_row.is_some() { INDEXED_BYTES } else { 0 };
        rows * (ROW_BYTES + indexed + self.ttl.slot_bytes()) + self.rows.live_bytes()
    }

    /// Rows of the key, those past their time among them.
    pub fn of_key(&self, key: u32) -> impl Iterator<Item = u32> + '_ {
        let last = self.last_of_key(key);
        let mut next = last.map(|last| self.get(last).next);
        std::iter::from_fn(move || {
            let id = next?;
            next = (Some(id) != last).then(|| self.get(id).next);
            Some(id)
        })
    }

    pub fn has_key(&self, key: u32) -> bool {
        self.last_of_key(key).is_some()
    }

    fn last_of_key(&self, key: u32) -> Option<u32> {
        self.of_key.get(key as usize)?.checked_sub(1)
    }

    pub fn is_live(&self, id: u32, ctx: &OperatorContext) -> bool {
        self.get(id).count > 0 && !self.ttl.is_expired(id, ctx)
    }

    /// Adds a row; all that equal it have this many matches from now on.
    pub fn add(&mut self, key: u32, row: &[u8], degree: i64, ctx: &OperatorContext) {
        self.add_at(key, row, (1, degree), ctx.processing_time_ms, Some(ctx));
    }

    /// Adds rows as they were when last written.
    pub fn restore(&mut self, key: u32, row: &[u8], counts: (i64, i64), written_ms: i64) {
        self.add_at(key, row, counts, written_ms, None);
    }

    fn add_at(
        &mut self,
        key: u32,
        row: &[u8],
        (count, degree): (i64, i64),
        written_ms: i64,
        ctx: Option<&OperatorContext>,
    ) {
        let hash = if self.by_row.is_some() { row::hash(row) } else { 0 };
        let id = match self.find(hash, row) {
            Some(id) => {
                let expired = ctx.is_some_and(|ctx| self.ttl.is_expired(id, ctx));
                let kept = &mut self.kept[id as usize];
                kept.count = if expired { count } else { kept.count + count };
                id
            }
            None => self.insert(key, count, row, hash),
        };
        if self.outer {
            self.degrees.grow(id as usize + 1);
            self.degrees[id as usize] = degree;
        }
        self.ttl.write(id, written_ms);
    }

    fn find(&self, hash: u64, row: &[u8]) -> Option<u32> {
        let by_row = self.by_row.as_ref()?;
        let is_it = |held: &Indexed| held.hash == hash && self.row(held.id) == row;
        by_row.find(hash, is_it).map(|held| held.id)
    }

    fn insert(&mut self, key: u32, count: i64, row: &[u8], hash: u64) -> u32 {
        let id = self.free.pop().unwrap_or_else(|| {
            self.kept.grow(self.kept.len() + 1);
            u32::try_from(self.kept.len() - 1).expect("fewer than 2^32 rows in one subtask")
        });
        let row = self.rows.add(id, row);
        let (last, next) = match self.last_of_key(key) {
            Some(last) => (last, std::mem::replace(&mut self.kept[last as usize].next, id)),
            None => (id, id),
        };
        self.kept[id as usize] = Kept { count, row, key, next, last };
        self.kept[next as usize].last = id;
        self.set_last(key, Some(id));
        if let Some(by_row) = &mut self.by_row {
            by_row.insert_unique(hash, Indexed { hash, id }, |held| held.hash);
        }
        id
    }

    fn set_last(&mut self, key: u32, last: Option<u32>) {
        self.of_key.grow(key as usize + 1);
        self.of_key[key as usize] = last.map_or(0, |last| last + 1);
    }

    /// Takes one such row away; nothing when there is none. The key whose last row of
    /// this side that was.
    pub fn retract(&mut self, row: &[u8], ctx: &OperatorContext) -> Option<u32> {
        let id = self.find(row::hash(row), row)?;
        let kept = &mut self.kept[id as usize];
        if kept.count > 1 {
            kept.count -= 1;
            self.ttl.write(id, ctx.processing_time_ms);
            return None;
        }
        self.remove(id)
    }

    /// Takes rows away whatever their count. The key whose last rows those were.
    pub fn remove(&mut self, id: u32) -> Option<u32> {
        let hash = if self.by_row.is_some() { row::hash(self.row(id)) } else { 0 };
        if let Some(by_row) = &mut self.by_row
            && let Ok(found) = by_row.find_entry(hash, |held| held.id == id)
        {
            found.remove();
        }
        let gone = std::mem::take(&mut self.kept[id as usize]);
        self.free.push(id);
        self.remove_row(gone.row);
        if gone.next == id {
            self.set_last(gone.key, None);
            return Some(gone.key);
        }
        self.kept[gone.last as usize].next = gone.next;
        self.kept[gone.next as usize].last = gone.last;
        if self.last_of_key(gone.key) == Some(id) {
            self.set_last(gone.key, Some(gone.last));
        }
        None
    }

    fn remove_row(&mut self, row: Place) {
        let Some(chunk) = self.rows.remove(row) else { return };
        for (id, from) in self.rows.records(chunk) {
            let kept = &self.kept[id as usize];
            if kept.count > 0 && kept.row == from {
                self.kept[id as usize].row = self.rows.relocate(id, from);
            }
        }
        self.rows.release(chunk);
    }

    /// Drops all rows of a key.
    pub fn forget(&mut self, key: u32) {
        while let Some(id) = self.last_of_key(key) {
            self.remove(id);
        }
    }

    /// One match more or less. How many there were before.
    pub fn shift_degree(&mut self, id: u32, by: i64, ctx: &OperatorContext) -> i64 {
        self.degrees.grow(id as usize + 1);
        let degree = &mut self.degrees[id as usize];
        let before = *degree;
        // Matches that state has forgotten may be taken back.
        *degree = (before + by).max(0);
        self.ttl.write(id, ctx.processing_time_ms);
        before
    }

    pub fn freeze(&mut self, ctx: &OperatorContext) -> FrozenSide {
        FrozenSide {
            kept: self.kept.freeze(),
            rows: self.rows.freeze(),
            degrees: self.degrees.freeze(),
            of_key: self.of_key.freeze(),
            ttl: self.ttl.freeze(ctx),
        }
    }
}

impl FrozenSide {
    pub fn has_key(&self, key: u32) -> bool {
        self.of_key.get(key as usize).is_some_and(|last| *last > 0)
    }

    /// The live rows of a key, in the order of its list.
    pub fn write(&self, table: u8, slot: u32, scratch: &mut Vec<u8>, put: PutOfSlots<'_>) {
        let last = self.of_key.get(slot as usize).and_then(|last| last.checked_sub(1));
        let mut next = last.map(|last| self.kept[last as usize].next);
        let mut place = 0;
        while let Some(id) = next {
            let kept = &self.kept[id as usize];
            next = (Some(id) != last).then_some(kept.next);
            if kept.count == 0 || self.ttl.is_expired(id) {
                continue;
            }
            scratch.clear();
            row::push_int(scratch, place);
            let split = scratch.len();
            row::push_int(scratch, kept.count);
            row::push_int(scratch, self.degrees.get(id as usize).copied().unwrap_or_default());
            row::push_int(scratch, self.ttl.written_ms(id));
            row::push_binary(scratch, self.rows.row(kept.row));
            put(slot, table, &scratch[..split], &scratch[split..]);
            place += 1;
        }
    }
}

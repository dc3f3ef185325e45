//! The kept rows of one side of a join: a multiset for each key.

use arrow::datatypes::DataType as ArrowType;
use hashbrown::HashTable;
use millrace_dataflow::Schema;
use millrace_state::row;
use smallvec::SmallVec;

use crate::operator::OperatorContext;
use crate::operators::ttl::Ttl;

/// Rows of one kind under one key.
#[derive(Clone, Debug, Default)]
pub struct Kept {
    pub key: u32,
    /// How often the row is there; 0: the place is free.
    pub count: i64,
    /// Rows of the other side that match; counted for an outer side alone.
    pub degree: i64,
    pub row: Box<[u8]>,
    /// Index in the key's list.
    place: u32,
    hash: u64,
}

#[derive(Debug)]
pub struct Side {
    pub types: Vec<ArrowType>,
    /// Its rows know how many rows of the other side match.
    pub outer: bool,
    pub ttl: Ttl,
    rows: Vec<Kept>,
    free: Vec<u32>,
    of_key: Vec<SmallVec<[u32; 4]>>,
    /// Finds equal rows. Rows that are never taken back need no finding.
    by_row: Option<HashTable<u32>>,
    /// Bytes of all rows.
    held_bytes: usize,
}

/// What a row takes beside its bytes: its entry, and its places in its key's list, in
/// the index of rows and in memory.
const ROW_BYTES: usize = size_of::<Kept>() + 4 + 8 + 16;

impl Side {
    pub fn new(schema: &Schema, outer: bool, retracts: bool, ttl_ms: i64) -> Side {
        Side {
            types: schema.fields.iter().map(|field| field.data_type.to_arrow()).collect(),
            outer,
            ttl: Ttl::new(ttl_ms),
            rows: Vec::new(),
            free: Vec::new(),
            of_key: Vec::new(),
            by_row: retracts.then(HashTable::new),
            held_bytes: 0,
        }
    }

    pub fn get(&self, id: u32) -> &Kept {
        &self.rows[id as usize]
    }

    /// One more than the greatest row ever given out.
    pub fn capacity(&self) -> usize {
        self.rows.len()
    }

    /// About what the rows take in memory.
    pub fn memory_bytes(&self) -> usize {
        let rows = self.rows.len() - self.free.len();
        rows * (ROW_BYTES + self.ttl.slot_bytes()) + self.held_bytes
    }

    /// Rows of the key, those past their time among them.
    pub fn of_key(&self, key: u32) -> &[u32] {
        self.of_key.get(key as usize).map_or(&[], |ids| ids)
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
                let kept = &mut self.rows[id as usize];
                kept.count = if expired { count } else { kept.count + count };
                kept.degree = degree;
                id
            }
            None => self.insert(Kept { key, count, degree, row: row.into(), place: 0, hash }),
        };
        self.ttl.write(id, written_ms);
    }

    fn find(&self, hash: u64, row: &[u8]) -> Option<u32> {
        let by_row = self.by_row.as_ref()?;
        by_row.find(hash, |id| *self.rows[*id as usize].row == *row).copied()
    }

    fn insert(&mut self, mut kept: Kept) -> u32 {
        let (key, hash) = (kept.key as usize, kept.hash);
        if self.of_key.len() <= key {
            self.of_key.resize_with(key + 1, SmallVec::new);
        }
        kept.place = self.of_key[key].len() as u32;
        self.held_bytes += kept.row.len();
        let id = match self.free.pop() {
            Some(id) => {
                self.rows[id as usize] = kept;
                id
            }
            None => {
                self.rows.push(kept);
                u32::try_from(self.rows.len() - 1).expect("fewer than 2^32 rows in one subtask")
            }
        };
        self.of_key[key].push(id);
        if let Some(by_row) = &mut self.by_row {
            let rows = &self.rows;
            by_row.insert_unique(hash, id, |id| rows[*id as usize].hash);
        }
        id
    }

    /// Takes one such row away; nothing when there is none. The key whose last row of
    /// this side that was.
    pub fn retract(&mut self, row: &[u8], ctx: &OperatorContext) -> Option<u32> {
        let id = self.find(row::hash(row), row)?;
        let kept = &mut self.rows[id as usize];
        kept.count -= 1;
        if kept.count > 0 {
            self.ttl.write(id, ctx.processing_time_ms);
            return None;
        }
        self.remove(id)
    }

    /// Takes rows away whatever their count. The key whose last rows those were.
    pub fn remove(&mut self, id: u32) -> Option<u32> {
        let kept = std::mem::take(&mut self.rows[id as usize]);
        self.free.push(id);
        self.held_bytes -= kept.row.len();
        if let Some(by_row) = &mut self.by_row
            && let Ok(found) = by_row.find_entry(kept.hash, |held| *held == id)
        {
            found.remove();
        }
        let list = &mut self.of_key[kept.key as usize];
        list.swap_remove(kept.place as usize);
        if let Some(moved) = list.get(kept.place as usize) {
            self.rows[*moved as usize].place = kept.place;
        }
        list.is_empty().then_some(kept.key)
    }

    /// Drops all rows of a key.
    pub fn forget(&mut self, key: u32) {
        while let Some(id) = self.of_key(key).last().copied() {
            self.remove(id);
        }
        if let Some(list) = self.of_key.get_mut(key as usize) {
            *list = SmallVec::new();
        }
    }

    /// One match more or less. How many there were before.
    pub fn shift_degree(&mut self, id: u32, by: i64, ctx: &OperatorContext) -> i64 {
        let degree = &mut self.rows[id as usize].degree;
        let before = *degree;
        // Matches that state has forgotten may be taken back.
        *degree = (before + by).max(0);
        self.ttl.write(id, ctx.processing_time_ms);
        before
    }
}

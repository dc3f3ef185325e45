//! A copy of all state of an operator in memory, taken on its task's thread; what it is
//! made into by a snapshot's format is worked out elsewhere.
//!
//! The copy is columns in the order of the slots, which is the order of memory: a few
//! nanoseconds a key, where an entry takes a hundred.

use arrow::array::ArrayRef;
use millrace_dataflow::key_group::{KeyGroup, key_group};
use millrace_state::row;

use super::Pageable;
use crate::operator::{Later, OperatorContext, PutEntry};
use crate::operators::keys::KeySlab;
use crate::operators::shape::BATCH_ROWS;

/// One entry for each of some slots.
pub struct Captured {
    /// Those of the slots asked for that live, in their order.
    pub slots: Vec<u32>,
    pub table: u8,
    /// What the values of the entries are the row bytes of.
    pub columns: Vec<ArrayRef>,
}

/// Entries with their keys.
struct Part {
    table: u8,
    columns: Vec<ArrayRef>,
    hashes: Vec<u64>,
    /// The keys one after another, and the end of each.
    keys: Vec<u8>,
    ends: Vec<usize>,
}

/// `None`: the operator does not say what its state is made of.
pub fn capture<O: Pageable>(operator: &O, ctx: &OperatorContext) -> Option<Later> {
    let slab = &operator.table().slab;
    let slots = slab.used();
    let mut parts = Vec::with_capacity(slots.len().div_ceil(BATCH_ROWS));
    // Asked once even when there are no slots, whether it can.
    for slots in slots.chunks(BATCH_ROWS) {
        parts.push(Part::of(operator.capture(slots, ctx)?, slab));
    }
    let max_parallelism = ctx.max_parallelism;
    Some(Later::new(move |put: &mut PutEntry<'_>| {
        parts.into_iter().for_each(|part| part.put(max_parallelism, put));
    }))
}

impl Part {
    fn of(captured: Captured, slab: &KeySlab) -> Part {
        let Captured { slots, table, columns } = captured;
        let mut keys = Vec::with_capacity(slots.len() * 12);
        let mut ends = Vec::with_capacity(slots.len());
        for slot in &slots {
            keys.extend_from_slice(slab.key(*slot));
            ends.push(keys.len());
        }
        let hashes = slots.iter().map(|slot| slab.hash(*slot)).collect();
        Part { table, columns, hashes, keys, ends }
    }

    fn put(self, max_parallelism: u16, put: &mut PutEntry<'_>) {
        let (values, mut start) = (row::encode(&self.columns), 0);
        for ((value, hash), end) in values.iter().zip(&self.hashes).zip(&self.ends) {
            let group: KeyGroup = key_group(*hash, max_parallelism);
            put(Some(group), self.table, &self.keys[start..*end], value);
            start = *end;
        }
    }
}

//! What a barrier finds in a table of keys, turned into entries by another thread.
//!
//! The columns of the table are [`millrace_state::cow::CowVec`]s, so that freezing them
//! takes the task no longer than listing their chunks; a column's chunk is copied when
//! the task first writes to it again.

use std::fmt::Debug;
use std::sync::{Arc, OnceLock};

use millrace_dataflow::key_group::{KeyGroup, KeyGroupRange, key_group};
use millrace_state::Frozen;
use millrace_state::frozen::PutEntry;

use super::keys::FrozenKeys;
use super::paged::Pageable;
use crate::operator::{OperatorContext, StateWriter};

/// Receives entries: slot, table, bytes before the key, value.
pub type PutOfSlots<'a> = &'a mut dyn FnMut(u32, u8, &[u8], &[u8]);

/// The frozen columns of one operator, beside its keys.
pub trait FrozenColumns: Debug + Send + Sync + 'static {
    /// Whether the slot was in use.
    fn has(&self, slot: u32) -> bool;

    /// The live entries of these slots, which ascend.
    fn write(&self, slots: &[u32], put: PutOfSlots<'_>);
}

/// A slot that is not in use; in no range of groups.
const NO_GROUP: u16 = u16::MAX;

#[derive(Debug)]
struct FrozenTable<C> {
    keys: FrozenKeys,
    columns: C,
    bytes: usize,
    max_parallelism: u16,
    /// Of each slot; made by the thread that asks first.
    groups: OnceLock<Vec<u16>>,
}

/// Hands over the columns of an operator's table, unless it is empty.
pub fn freeze<O: Pageable, C: FrozenColumns>(
    operator: &mut O,
    columns: impl FnOnce(&mut O) -> C,
    ctx: &OperatorContext,
    writer: &mut dyn StateWriter,
) {
    if operator.table().slab.live() > 0 {
        writer.put_frozen(Arc::new(FrozenTable {
            bytes: operator.memory_bytes(),
            keys: operator.table_mut().slab.freeze(),
            columns: columns(operator),
            max_parallelism: ctx.max_parallelism,
            groups: OnceLock::new(),
        }));
    }
}

impl<C: FrozenColumns> FrozenTable<C> {
    fn group_of_slots(&self) -> &[u16] {
        self.groups.get_or_init(|| {
            let group = |slot| match self.columns.has(slot) {
                true => key_group(self.keys.hash(slot), self.max_parallelism).0,
                false => NO_GROUP,
            };
            (0..self.keys.capacity() as u32).map(group).collect()
        })
    }
}

impl<C: FrozenColumns> Frozen for FrozenTable<C> {
    fn groups(&self) -> Vec<KeyGroup> {
        let mut found = vec![false; usize::from(self.max_parallelism)];
        let groups = self.group_of_slots().iter().filter(|group| **group != NO_GROUP);
        groups.for_each(|group| found[usize::from(*group)] = true);
        (0..).zip(found).filter_map(|(group, found)| found.then_some(KeyGroup(group))).collect()
    }

    fn bytes(&self) -> usize {
        self.bytes
    }

    fn write(&self, groups: KeyGroupRange, put: PutEntry<'_>) {
        let (of_slots, wanted) = (self.group_of_slots(), groups.start..groups.end);
        let slots = (0..).zip(of_slots).filter(|(_, group)| wanted.contains(*group));
        let slots: Vec<u32> = slots.map(|(slot, _)| slot).collect();
        self.columns.write(&slots, &mut |slot, table, prefix, value| {
            let group = KeyGroup(of_slots[slot as usize]);
            put(group, table, [prefix, self.keys.key(slot)], value);
        });
    }
}

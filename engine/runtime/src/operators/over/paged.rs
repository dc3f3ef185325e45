//! OVER larger than memory: a page is a key with its aggregates, the rows of it that
//! wait and those in its frame. Its timer goes off when the first row is due.
//!
//! Rows of all keys lie together in columns, so what belongs to a key is found by
//! looking through all of them: keys are saved and dropped many at once.

use std::collections::HashSet;

use super::snapshot::{FRAMES, KEYS, NUMBER_BYTES, PROGRESS};
use super::{Key, Over};
use crate::operator::{OperatorContext, StateWriter};
use crate::operators::keys::KeyTable;
use crate::operators::paged::{Pageable, Put};

/// Keys saved or dropped at once, if there are not many more.
const LEAST_AT_ONCE: usize = 1024;
/// Part of all keys that is saved or dropped at once.
const PARTS: usize = 16;
/// Times of keys that are gone, beside two for each that is not.
const MOST_STALE: usize = 1024;

impl Pageable for Over {
    fn table(&self) -> &KeyTable {
        &self.table
    }

    fn table_mut(&mut self) -> &mut KeyTable {
        &mut self.table
    }

    fn key_columns(&self, _: usize) -> &[usize] {
        &self.config.partition
    }

    fn prefix_of(&self, table: u8) -> usize {
        if table == KEYS { 0 } else { NUMBER_BYTES }
    }

    fn progress_table(&self) -> Option<u8> {
        Some(PROGRESS)
    }

    fn save_progress(&self, ctx: &OperatorContext, writer: &mut dyn StateWriter) {
        self.progress.save(PROGRESS, ctx, writer);
    }

    fn has_timers(&self) -> bool {
        self.waits()
    }

    /// By the wall clock a millisecond fires when it is over.
    fn due_ms(&self, slot: u32) -> Option<i64> {
        let key = &self.keys[slot as usize];
        let due_ms = match (key.waiting, key.cleanup_ms) {
            (0, i64::MIN) => return None,
            (0, cleanup_ms) => cleanup_ms,
            _ => key.first_waiting_ms,
        };
        Some(due_ms.saturating_add(i64::from(self.is_proctime())))
    }

    fn goes_by_clock(&self) -> bool {
        self.is_proctime()
    }

    fn marks_what_it_uses(&self) -> bool {
        true
    }

    fn slots_at_once(&self) -> usize {
        LEAST_AT_ONCE.max(self.table.slab.live() / PARTS)
    }

    fn save(&self, slots: &[u32], ctx: &OperatorContext, put: &mut Put<'_>) {
        self.write(slots, ctx, put);
    }

    fn forget(&mut self, slots: &[u32]) {
        if slots.iter().any(|slot| self.keys[*slot as usize].waiting > 0) {
            let gone: HashSet<u32> = slots.iter().copied().collect();
            self.pending.forget(|slot| gone.contains(&slot)).expect("rows of one schema");
        }
        for &slot in slots {
            self.stale += usize::from(self.keys[slot as usize].cleanup_ms != i64::MIN);
            self.reset(slot);
            self.table.evict(slot);
        }
        if self.frames.is_half_empty() {
            let frames = self.keys.iter_mut().flat_map(|key| &mut key.frame);
            let rows = frames.map(|(_, at)| at).collect();
            self.frames.compact(rows).expect("rows of one schema");
        }
        self.drop_stale();
    }

    fn memory_bytes(&self) -> usize {
        let live = self.table.slab.live();
        let of_keys = self.table.memory_bytes()
            + live * (size_of::<Key>() + self.ttl.slot_bytes())
            + self.calls.memory_bytes(live);
        of_keys + self.pending.bytes() + self.frames.bytes() + self.frames.live() * 16
    }

    /// A frame alone keeps no key alive.
    fn life_of(&self, table: u8) -> Option<(i64, usize)> {
        match table {
            KEYS => self.ttl.life_ms().map(|ttl_ms| (ttl_ms, 0)),
            FRAMES => Some((i64::MIN, 0)),
            _ => None,
        }
    }
}

impl Over {
    /// Makes the times at which keys are dropped anew when most may be of keys that are
    /// gone.
    fn drop_stale(&mut self) {
        if self.stale < MOST_STALE + 2 * self.table.slab.live() {
            return;
        }
        self.stale = 0;
        self.cleanups.clear();
        for slot in self.table.index.slots() {
            let cleanup_ms = self.keys[slot as usize].cleanup_ms;
            if cleanup_ms != i64::MIN {
                self.cleanups.entry(cleanup_ms).or_default().push(slot);
            }
        }
    }
}

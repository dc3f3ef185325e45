//! Which keys of a table are used, changed, and in the page store; and which died
//! since the store was last told.

use super::keys::KeyTable;

/// The slot has a key.
const LIVE: u8 = 1;
/// Used since the hand last passed.
const USED: u8 = 2;
/// Differs from what the store has.
const DIRTY: u8 = 4;
/// The store has a page of the key.
const STORED: u8 = 8;

/// The store has no timer of the slot.
const NO_TIMER: i64 = i64::MIN;

/// A key that died: its hash, its bytes, and the time of its timer in the store.
pub type DeadTimer = (u64, Vec<u8>, i64);

/// One byte a slot, and the hand of the clock that looks for slots to drop.
#[derive(Debug, Default)]
pub struct Residency {
    flags: Vec<u8>,
    hand: usize,
    /// Keys whose page must be removed from the store.
    dead: KeyTable,
    /// By slot, the time for which the store has a timer; empty when there are none.
    timers: Vec<i64>,
    /// Keys whose timer must be removed from the store.
    dead_timers: Vec<DeadTimer>,
}

impl Residency {
    pub fn arrive(&mut self, slot: u32) {
        if self.flags.len() <= slot as usize {
            self.flags.resize(slot as usize + 1, 0);
        }
        self.flags[slot as usize] = LIVE | USED | DIRTY;
    }

    pub fn die(&mut self, slot: u32, hash: u64, key: &[u8]) {
        if self.has(slot, STORED) {
            self.dead.find_or_insert(hash, key);
        }
        self.flags[slot as usize] = 0;
        if let Some(time_ms) = self.replace_timer(slot, None) {
            self.dead_timers.push((hash, key.to_vec(), time_ms));
        }
    }

    /// The time that was noted before.
    fn replace_timer(&mut self, slot: u32, timer: Option<i64>) -> Option<i64> {
        if self.timers.len() <= slot as usize {
            timer?;
            self.timers.resize(slot as usize + 1, NO_TIMER);
        }
        let timer = timer.unwrap_or(NO_TIMER);
        let before = std::mem::replace(&mut self.timers[slot as usize], timer);
        (before != NO_TIMER).then_some(before)
    }

    fn has(&self, slot: u32, flag: u8) -> bool {
        self.flags[slot as usize] & flag != 0
    }

    fn set(&mut self, slot: u32, flags: u8) {
        self.flags[slot as usize] |= flags;
    }

    /// Slots that were not used since the hand last came by; at most twice round.
    fn victims(&mut self, most: usize) -> Vec<u32> {
        let mut victims = Vec::new();
        for _ in 0..self.flags.len() * 2 {
            if victims.len() == most {
                break;
            }
            self.hand = (self.hand + 1) % self.flags.len();
            let flags = &mut self.flags[self.hand];
            match *flags & (LIVE | USED) {
                LIVE => {
                    // Not twice among the victims.
                    *flags |= USED;
                    victims.push(self.hand as u32);
                }
                0 | USED => {}
                _ => *flags &= !USED,
            }
        }
        victims.sort_unstable();
        victims.dedup();
        victims
    }
}

/// The page cache's side of a table; every call but `track` is for tracked tables.
impl KeyTable {
    /// From now on the table knows what becomes of each key.
    pub fn track(&mut self) {
        self.residency = Some(Box::default());
    }

    fn tracked(&self) -> &Residency {
        self.residency.as_deref().expect("called for tables with pages alone")
    }

    fn tracked_mut(&mut self) -> &mut Residency {
        self.residency.as_deref_mut().expect("called for tables with pages alone")
    }

    /// A slot changed; nothing happens in a table without pages.
    pub fn mark_dirty(&mut self, slot: u32) {
        if let Some(residency) = &mut self.residency {
            residency.set(slot, DIRTY);
        }
    }

    /// A slot is used and changed; nothing happens in a table without pages.
    pub fn mark_used(&mut self, slot: u32) {
        if let Some(residency) = &mut self.residency {
            residency.set(slot, USED | DIRTY);
        }
    }

    /// A slot is used and not changed; nothing happens in a table without pages.
    pub fn mark_read(&mut self, slot: u32) {
        if let Some(residency) = &mut self.residency {
            residency.set(slot, USED);
        }
    }

    /// The store has a timer of the slot for this time, and none for the one before.
    pub fn set_timer(&mut self, slot: u32, timer: Option<i64>) -> Option<i64> {
        self.tracked_mut().replace_timer(slot, timer)
    }

    pub fn take_dead_timers(&mut self) -> Vec<DeadTimer> {
        std::mem::take(&mut self.tracked_mut().dead_timers)
    }

    pub fn touch(&mut self, slot: u32, dirty: bool) {
        self.tracked_mut().set(slot, if dirty { USED | DIRTY } else { USED });
    }

    /// The slot holds what the store has.
    pub fn note_loaded(&mut self, slot: u32, dirty: bool) {
        let flags = LIVE | USED | STORED | if dirty { DIRTY } else { 0 };
        self.tracked_mut().flags[slot as usize] = flags;
    }

    pub fn note_stored(&mut self, slot: u32) {
        self.tracked_mut().set(slot, STORED);
    }

    /// The store has been told; whether it has a page of the key now.
    pub fn note_written(&mut self, slot: u32, is_there: bool) {
        let (hash, key) = (self.slab.hash(slot), self.slab.key(slot));
        let residency = self.residency.as_deref_mut().expect("called for tables with pages alone");
        residency.flags[slot as usize] &= !(DIRTY | STORED);
        if !is_there {
            return;
        }
        residency.set(slot, STORED);
        if let Some(of_dead) = residency.dead.find(hash, key) {
            residency.dead.remove(of_dead);
        }
    }

    pub fn is_dirty(&self, slot: u32) -> bool {
        self.tracked().has(slot, DIRTY)
    }

    pub fn is_stored(&self, slot: u32) -> bool {
        self.tracked().has(slot, STORED)
    }

    /// All live slots that differ from the store.
    pub fn dirty(&self) -> Vec<u32> {
        let flags = self.tracked().flags.iter().enumerate();
        let dirty = flags.filter(|(_, flags)| *flags & (LIVE | DIRTY) == LIVE | DIRTY);
        dirty.map(|(slot, _)| slot as u32).collect()
    }

    /// Slots to drop, those not used lately first; none when there is no key.
    pub fn victims(&mut self, most: usize) -> Vec<u32> {
        self.tracked_mut().victims(most)
    }

    /// Takes the slot out; its page stays.
    pub fn evict(&mut self, slot: u32) {
        let residency = self.tracked_mut();
        residency.flags[slot as usize] = 0;
        residency.replace_timer(slot, None);
        self.index.remove(&self.slab, slot);
        self.slab.release(slot);
    }

    /// Whether the page of the key, which is in no slot, waits for its removal.
    pub fn is_dead(&self, hash: u64, key: &[u8]) -> bool {
        self.tracked().dead.find(hash, key).is_some()
    }

    /// How many pages and timers wait for their removal.
    pub fn dead(&self) -> usize {
        self.tracked().dead.slab.live() + self.tracked().dead_timers.len()
    }

    /// Hashes and keys of the pages to remove.
    pub fn take_dead(&mut self) -> Vec<(u64, Vec<u8>)> {
        let KeyTable { slab, index, .. } = std::mem::take(&mut self.tracked_mut().dead);
        index.slots().map(|slot| (slab.hash(slot), slab.key(slot).to_vec())).collect()
    }

    /// About what the table itself takes.
    pub fn memory_bytes(&self) -> usize {
        let of_residency = self.residency.as_ref().map_or(0, |residency| {
            let timer = size_of::<DeadTimer>() + 16;
            residency.dead.slab.memory_bytes() + residency.dead_timers.len() * timer
        });
        self.slab.memory_bytes() + of_residency
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(keys: &[&str]) -> KeyTable {
        let mut table = KeyTable::default();
        table.track();
        for key in keys {
            table.find_or_insert(7, key.as_bytes());
        }
        table
    }

    #[test]
    fn a_key_that_was_stored_and_died_is_removed_unless_it_was_written_again() {
        let mut table = table(&["a", "b", "c"]);
        assert_eq!(table.dirty(), [0, 1, 2]);
        [0, 1].into_iter().for_each(|slot| table.note_written(slot, true));
        assert_eq!(table.dirty(), [2]);
        (0..3).for_each(|slot| table.remove(slot));
        assert!(table.is_dead(7, b"a") && table.is_dead(7, b"b"));
        assert!(!table.is_dead(7, b"c"), "the store never had it");
        let (slot, _) = table.find_or_insert(7, b"b");
        table.note_written(slot, true);
        assert_eq!(table.take_dead(), [(7, b"a".to_vec())]);
    }

    #[test]
    fn slots_not_used_lately_go_first_and_each_once() {
        let mut table = table(&["a", "b", "c", "d"]);
        assert_eq!(table.victims(9).len(), 4, "all were used: the second round takes them");
        let mut table = super::tests::table(&["a", "b", "c", "d"]);
        let first = table.victims(1);
        assert_eq!(first.len(), 1);
        first.iter().for_each(|&slot| table.evict(slot));
        table.touch(2, false);
        assert!(!table.victims(2).contains(&2));
        assert_eq!(table.find(7, b"c"), Some(2), "found until it is evicted");
    }
}

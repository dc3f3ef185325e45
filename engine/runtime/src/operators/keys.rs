//! Keys to slots: one lookup a row, and everything else about a key is a column
//! indexed by its slot.

use hashbrown::HashTable;
use hashbrown::hash_table::Entry;
use millrace_dataflow::key_group::{KeyGroup, key_group};
use millrace_state::cow::CowVec;
use smallvec::SmallVec;

use super::int_index::IntIndex;
use super::residency::Residency;

/// Bytes of a key or value; those of a few fixed-width columns are held in place.
pub type Bytes = SmallVec<[u8; 24]>;

/// A slot in a slab and an index: the key, its hash, a place in a table that is at
/// least half full.
const SLOT_BYTES: usize = size_of::<Bytes>() + size_of::<u64>() + 10;

/// What such bytes take beside their place.
pub fn spilled_bytes(length: usize) -> usize {
    if length > 24 { length + 16 } else { 0 }
}

/// The keys of slots. A slot is an index that is reused once released.
#[derive(Debug, Default)]
pub struct KeySlab {
    hashes: CowVec<u64>,
    keys: CowVec<Bytes>,
    free: Vec<u32>,
    /// Bytes of keys that are not held in place.
    spilled: usize,
    /// Some of the keys that are one 64-bit integer; whoever looks keys up by integer
    /// fills it.
    pub ints: IntIndex,
}

/// The keys of a slab as they were.
#[derive(Clone, Debug)]
pub struct FrozenKeys {
    hashes: CowVec<u64>,
    keys: CowVec<Bytes>,
}

impl FrozenKeys {
    pub fn capacity(&self) -> usize {
        self.hashes.len()
    }

    pub fn key(&self, slot: u32) -> &[u8] {
        &self.keys[slot as usize]
    }

    pub fn hash(&self, slot: u32) -> u64 {
        self.hashes[slot as usize]
    }
}

impl KeySlab {
    /// One more than the greatest slot ever given out.
    pub fn capacity(&self) -> usize {
        self.keys.len()
    }

    /// Slots in use.
    pub fn live(&self) -> usize {
        self.keys.len() - self.free.len()
    }

    /// About what the slab and an index over it take.
    pub fn memory_bytes(&self) -> usize {
        self.live() * SLOT_BYTES + self.spilled + self.ints.memory_bytes()
    }

    pub fn key(&self, slot: u32) -> &[u8] {
        &self.keys[slot as usize]
    }

    pub fn hash(&self, slot: u32) -> u64 {
        self.hashes[slot as usize]
    }

    pub fn freeze(&mut self) -> FrozenKeys {
        FrozenKeys { hashes: self.hashes.freeze(), keys: self.keys.freeze() }
    }

    pub fn group(&self, slot: u32, max_parallelism: u16) -> KeyGroup {
        key_group(self.hash(slot), max_parallelism)
    }

    /// The slot goes to a later key. No index may still hold it.
    pub fn release(&mut self, slot: u32) {
        let key = std::mem::take(&mut self.keys[slot as usize]);
        self.spilled -= spilled_bytes(key.len());
        if let Some(int) = as_int(&key) {
            self.ints.remove(int);
        }
        self.free.push(slot);
    }

    fn allocate(&mut self, hash: u64, key: &[u8]) -> u32 {
        self.spilled += spilled_bytes(key.len());
        if let Some(slot) = self.free.pop() {
            self.hashes[slot as usize] = hash;
            self.keys[slot as usize] = Bytes::from_slice(key);
            return slot;
        }
        let slot = u32::try_from(self.keys.len()).expect("fewer than 2^32 keys in one subtask");
        self.hashes.push(hash);
        self.keys.push(Bytes::from_slice(key));
        slot
    }
}

/// The integer whose row bytes these may be.
fn as_int(key: &[u8]) -> Option<i64> {
    let (_, value) = key.split_first()?;
    value.try_into().ok().map(i64::from_le_bytes)
}

/// Tables that an index is made of.
const PARTS: usize = 32;
/// Where each part begins in 512 parts of all hashes: `512 * (2^(i / 32) - 1)`. The last is
/// twice as large as the first and each a little larger than the one before, so that they
/// are full one after another: a row never waits for more than one of them to grow.
const STARTS: [u16; PARTS] = [
    0, 11, 23, 34, 46, 59, 71, 84, 97, 110, 124, 138, 152, 167, 181, 197, 212, 228, 244, 261, 278,
    295, 313, 331, 349, 368, 387, 407, 427, 448, 469, 490,
];
const PART_OF: [u8; 512] = part_of();

const fn part_of() -> [u8; 512] {
    let (mut all, mut at, mut part) = ([0; 512], 0, 0);
    while at < all.len() {
        if part + 1 < PARTS && STARTS[part + 1] as usize == at {
            part += 1;
        }
        all[at] = part as u8;
        at += 1;
    }
    all
}

/// By bits of the hash that a part does not use itself: it goes by the lowest and the seven
/// highest.
fn part(hash: u64) -> usize {
    usize::from(PART_OF[(hash >> 44) as usize % PART_OF.len()])
}

/// Finds slots of a [`KeySlab`] by key. Several indexes may share one slab.
#[derive(Debug, Default)]
pub struct KeyIndex {
    parts: Box<[HashTable<u32>; PARTS]>,
}

impl KeyIndex {
    /// Slots in no particular order.
    pub fn slots(&self) -> impl Iterator<Item = u32> {
        self.parts.iter().flat_map(|part| part.iter().copied())
    }

    pub fn find(&self, slab: &KeySlab, hash: u64, key: &[u8]) -> Option<u32> {
        self.parts[part(hash)].find(hash, |slot| slab.key(*slot) == key).copied()
    }

    /// The key's slot, and whether it is new.
    pub fn find_or_insert(&mut self, slab: &mut KeySlab, hash: u64, key: &[u8]) -> (u32, bool) {
        let table = &mut self.parts[part(hash)];
        let entry = table.entry(hash, |slot| slab.key(*slot) == key, |slot| slab.hash(*slot));
        match entry {
            Entry::Occupied(found) => (*found.get(), false),
            Entry::Vacant(vacant) => {
                let slot = slab.allocate(hash, key);
                vacant.insert(slot);
                (slot, true)
            }
        }
    }

    /// The slot's key must not be there.
    pub fn insert(&mut self, slab: &KeySlab, slot: u32) {
        let hash = slab.hash(slot);
        self.parts[part(hash)].insert_unique(hash, slot, |held| slab.hash(*held));
    }

    pub fn contains(&self, slab: &KeySlab, slot: u32) -> bool {
        let hash = slab.hash(slot);
        self.parts[part(hash)].find(hash, |held| *held == slot).is_some()
    }

    /// Takes the slot out; the slab still has it.
    pub fn remove(&mut self, slab: &KeySlab, slot: u32) {
        let hash = slab.hash(slot);
        if let Ok(found) = self.parts[part(hash)].find_entry(hash, |held| *held == slot) {
            found.remove();
        }
    }
}

/// A slab with its one index.
#[derive(Debug, Default)]
pub struct KeyTable {
    pub slab: KeySlab,
    pub index: KeyIndex,
    /// For tables that are a cache of pages.
    pub(super) residency: Option<Box<Residency>>,
}

impl KeyTable {
    pub fn find(&self, hash: u64, key: &[u8]) -> Option<u32> {
        self.index.find(&self.slab, hash, key)
    }

    pub fn find_or_insert(&mut self, hash: u64, key: &[u8]) -> (u32, bool) {
        let (slot, is_new) = self.index.find_or_insert(&mut self.slab, hash, key);
        if is_new && let Some(residency) = &mut self.residency {
            residency.arrive(slot);
        }
        (slot, is_new)
    }

    /// Whether the slot is in use.
    pub fn find_slot(&self, slot: u32) -> bool {
        self.index.contains(&self.slab, slot)
    }

    pub fn remove(&mut self, slot: u32) {
        if let Some(residency) = &mut self.residency {
            residency.die(slot, self.slab.hash(slot), self.slab.key(slot));
        }
        self.index.remove(&self.slab, slot);
        self.slab.release(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_released_slot_serves_another_key() {
        let mut keys = KeyTable::default();
        assert_eq!(keys.find_or_insert(1, b"a"), (0, true));
        assert_eq!(keys.find_or_insert(1, b"b"), (1, true), "equal hashes are told apart");
        assert_eq!(keys.find_or_insert(1, b"a"), (0, false));
        keys.remove(0);
        assert_eq!(keys.find(1, b"a"), None);
        assert_eq!(keys.find_or_insert(2, b"c"), (0, true));
        assert_eq!(keys.find(1, b"b"), Some(1));
        assert_eq!(keys.slab.live(), 2);
        keys.remove(0);
        assert_eq!(keys.slab.live(), 1);
        assert_eq!(keys.find_or_insert(2, b"c"), (0, true));
        assert_eq!(keys.slab.capacity(), 2);
    }

    #[test]
    fn the_parts_of_an_index_grow_one_after_another() {
        let starts = (0..PARTS).map(|at| 512.0 * (2_f64.powf(at as f64 / PARTS as f64) - 1.0));
        assert!(starts.zip(STARTS).all(|(start, held)| start.round() == f64::from(held)));
        let mut keys = KeyTable::default();
        let mut most = 0;
        for key in 0..200_000_u64 {
            let before: Vec<usize> = keys.index.parts.iter().map(HashTable::capacity).collect();
            let bytes = key.to_le_bytes();
            assert!(keys.find_or_insert(millrace_state::row::hash(&bytes), &bytes).1);
            let after = keys.index.parts.iter().map(HashTable::capacity);
            let grown = before.iter().zip(after).filter(|(before, after)| *before < after);
            most = most.max(grown.map(|(before, _)| *before).sum());
        }
        assert!(most < 200_000 / 16, "a row waited for {most} keys to be moved");
        let found =
            |key: u64| keys.find(millrace_state::row::hash(&key.to_le_bytes()), &key.to_le_bytes());
        assert!((0..200_000).all(|key| found(key) == Some(key as u32)));
    }
}

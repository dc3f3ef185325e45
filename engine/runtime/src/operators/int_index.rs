//! Slots by a key that is one 64-bit integer: a lookup touches one place in memory and
//! encodes nothing. It stands before the table of row bytes, which alone says what the
//! keys are; a key that is not found here may still be there.

use super::aggregate::spread;

/// Open addressing by the highest bits of [`spread`], so that a table of twice the size has
/// the same order. It grows a little with each insert, from its front: no row waits for all
/// keys to be moved, nor for the system to bring the memory of all new places, and what was
/// moved gives its memory back.
#[derive(Debug, Default)]
pub struct IntIndex {
    table: Table,
    /// What it had before it grew, as long as it has keys that were not moved: those whose
    /// home there is not in front of `moved`.
    before: Option<Table>,
    moved: usize,
    /// Keys in both.
    used: usize,
}

/// Places looked at with each insert while it grows: eight times as many keys come before it
/// is full again.
const MOVED_AT_ONCE: usize = 16;
/// The least number of places that are a home.
const LEAST: usize = 16;
/// Places behind the last home. A key that finds none is not kept.
const TAIL: usize = 256;

/// A key, and one more than its slot; 0: free.
type Place = [u64; 2];

const FREE: Place = [0; 2];

fn place(key: i64, slot: u32) -> Place {
    [key.cast_unsigned(), u64::from(slot) + 1]
}

#[inline]
fn key_of(place: Place) -> i64 {
    place[0].cast_signed()
}

#[inline]
fn is_free(place: Place) -> bool {
    place[1] == 0
}

/// Of a place that is taken.
#[inline]
fn slot_of(place: Place) -> u32 {
    (place[1] - 1) as u32
}

/// Places that are brought, and given back, together.
type Segment = [Place; SEGMENT];

const SEGMENT: usize = 2048;

/// Places by home, which ascends within a run of taken ones.
#[derive(Debug, Default)]
struct Table {
    /// A power of two of homes and the tail, or none; a segment of which no place was taken
    /// yet is not there.
    segments: Vec<Option<Box<Segment>>>,
    homes: usize,
    /// Of a hash, to its home.
    shift: u32,
}

impl Table {
    fn new(homes: usize) -> Table {
        let segments = vec![None; (homes + TAIL).div_ceil(SEGMENT)];
        Table { segments, homes, shift: u64::BITS - homes.ilog2() }
    }

    fn end(&self) -> usize {
        self.segments.len() * SEGMENT
    }

    #[inline]
    fn home(&self, key: i64) -> usize {
        (spread(key) as u64 >> self.shift) as usize
    }

    /// Free beyond the end.
    #[inline]
    fn place(&self, at: usize) -> Place {
        match self.segments.get(at / SEGMENT) {
            Some(Some(segment)) => segment[at % SEGMENT],
            _ => FREE,
        }
    }

    fn set(&mut self, at: usize, place: Place) {
        let segment = &mut self.segments[at / SEGMENT];
        segment.get_or_insert_with(|| Box::new([FREE; SEGMENT]))[at % SEGMENT] = place;
    }

    /// Where the key is, if it is there.
    #[inline]
    fn find(&self, key: i64) -> Option<(usize, Place)> {
        if self.homes == 0 {
            return None;
        }
        let mut at = self.home(key);
        loop {
            let place = self.place(at);
            if is_free(place) {
                return None;
            }
            if key_of(place) == key {
                return Some((at, place));
            }
            at += 1;
        }
    }

    /// Whether there was room.
    fn put(&mut self, place: Place) -> bool {
        let home = self.home(key_of(place));
        let free = (home..self.end()).find(|at| is_free(self.place(*at)));
        free.inspect(|at| self.set(*at, place)).is_some()
    }

    /// Whether the key was there. Those behind it that would no longer be found move up.
    fn remove(&mut self, key: i64) -> bool {
        let Some((mut hole, _)) = self.find(key) else { return false };
        for at in hole + 1.. {
            let place = self.place(at);
            if is_free(place) {
                break;
            }
            if self.home(key_of(place)) <= hole {
                self.set(hole, place);
                hole = at;
            }
        }
        self.set(hole, FREE);
        true
    }

    /// Gives back the segments in front of that place.
    fn drop_front(&mut self, end: usize) {
        let gone = self.segments.iter_mut().take(end / SEGMENT).rev();
        gone.take_while(|segment| segment.is_some()).for_each(|segment| *segment = None);
    }
}

impl IntIndex {
    #[inline]
    pub fn find(&self, key: i64) -> Option<u32> {
        self.table_of(key).find(key).map(|(_, place)| slot_of(place))
    }

    #[inline]
    fn table_of(&self, key: i64) -> &Table {
        self.before.as_ref().filter(|table| table.home(key) >= self.moved).unwrap_or(&self.table)
    }

    fn table_of_mut(&mut self, key: i64) -> &mut Table {
        let before = self.before.as_mut().filter(|table| table.home(key) >= self.moved);
        before.unwrap_or(&mut self.table)
    }

    /// The key must not be there.
    pub fn insert(&mut self, key: i64, slot: u32) {
        if self.used * 4 >= self.table.homes * 3 {
            self.move_up_to(usize::MAX);
            let table = Table::new((self.table.homes * 2).max(LEAST));
            self.before = Some(std::mem::replace(&mut self.table, table));
            self.moved = 0;
        }
        self.move_up_to(self.moved + MOVED_AT_ONCE);
        self.used += usize::from(self.table_of_mut(key).put(place(key, slot)));
    }

    /// Moves what is in front of that place, and the rest of the run of taken places there:
    /// no key of a later home is among them, and none of an earlier one behind them.
    fn move_up_to(&mut self, end: usize) {
        let Some(before) = &mut self.before else { return };
        for at in self.moved..before.end() {
            let place = before.place(at);
            if !is_free(place) {
                self.used -= usize::from(!self.table.put(place));
            } else if at >= end {
                before.drop_front(at);
                self.moved = at;
                return;
            }
        }
        self.before = None;
    }

    /// Forgets the key.
    pub fn remove(&mut self, key: i64) {
        self.used -= usize::from(self.table_of_mut(key).remove(key));
    }

    /// About what the keys take, in bytes: three in eight to three in four of the places are
    /// theirs.
    pub fn memory_bytes(&self) -> usize {
        self.used * 2 * size_of::<Place>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::operators::tests::naive::Dice;

    /// As its owner does: a key that is not found is put in again.
    #[test]
    fn an_index_of_integers_equals_a_map_under_random_changes() {
        let mut missed = 0;
        for seed in 1..40 {
            let mut dice = Dice::new(seed);
            let (mut index, mut map) = (IntIndex::default(), BTreeMap::new());
            for slot in 0..4000 {
                let key = dice.roll(300 + 3 * u64::from(slot)) as i64 * 1024 - 5000;
                let known = map.get(&key).copied();
                if let (Some(slot), None) = (known, index.find(key)) {
                    index.insert(key, slot);
                    missed += 1;
                }
                assert_eq!(index.find(key), known, "seed {seed}");
                if map.remove(&key).is_some() {
                    index.remove(key);
                } else {
                    index.insert(key, slot);
                    map.insert(key, slot);
                }
                assert!(index.used <= map.len());
            }
            for (key, slot) in map {
                assert!(index.find(key).is_none_or(|found| found == slot), "seed {seed}");
            }
            index.remove(i64::MAX);
        }
        assert_eq!(missed, 0, "keys that were not found");
    }

    fn segments(index: &IntIndex) -> usize {
        let tables = index.before.iter().chain([&index.table]);
        tables.flat_map(|table| &table.segments).flatten().count()
    }

    #[test]
    fn it_grows_a_little_with_each_insert() {
        let mut index = IntIndex::default();
        let mut longest = 0;
        for key in 0..100_000 {
            let before = segments(&index);
            index.insert(key, key as u32);
            longest = longest.max(segments(&index).saturating_sub(before));
            assert!((0..=key).step_by(997).all(|key| index.find(key) == Some(key as u32)));
        }
        assert!(longest <= 3, "a row waited for {longest} segments");
        assert!(segments(&index) * SEGMENT < 3 * 100_000, "what was moved is given back");
    }
}

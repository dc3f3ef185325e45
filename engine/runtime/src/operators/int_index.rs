//! Slots by a key that is one 64-bit integer: a lookup touches one place in memory and
//! encodes nothing. It stands before the table of row bytes, which alone says what the
//! keys are; a key that is not found here may still be there.

use super::aggregate::spread;

/// Open addressing; places are taken in the order of [`spread`]. It grows a little with each
/// insert: no row waits for all keys to be moved.
#[derive(Debug, Default)]
pub struct IntIndex {
    /// A power of two of places, or none.
    places: Vec<Place>,
    /// Keys in `places`.
    used: usize,
    /// What it had before it grew, those in front of `moved` copied already.
    before: Vec<Place>,
    moved: usize,
}

/// Places looked at with each insert while it grows: twice as many come before it is full
/// again.
const MOVED_AT_ONCE: usize = 8;

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    key: i64,
    /// One more than the slot; 0: free.
    slot: u32,
}

/// Where the key is, if it is there.
#[inline]
fn place_of(places: &[Place], key: i64) -> Option<usize> {
    if places.is_empty() {
        return None;
    }
    let mask = places.len() - 1;
    let mut at = spread(key) & mask;
    loop {
        let place = places[at];
        if place.slot == 0 {
            return None;
        }
        if place.key == key {
            return Some(at);
        }
        at = (at + 1) & mask;
    }
}

/// Empties a place; those behind it that would no longer be found move up.
fn free(places: &mut [Place], mut hole: usize) {
    let mask = places.len() - 1;
    let mut at = hole;
    loop {
        at = (at + 1) & mask;
        let place = places[at];
        if place.slot == 0 {
            break;
        }
        let home = spread(place.key) & mask;
        if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
            places[hole] = place;
            hole = at;
        }
    }
    places[hole] = Place::default();
}

impl IntIndex {
    #[inline]
    pub fn find(&self, key: i64) -> Option<u32> {
        match place_of(&self.places, key) {
            Some(at) => Some(self.places[at].slot - 1),
            None if self.before.is_empty() => None,
            None => place_of(&self.before, key).map(|at| self.before[at].slot - 1),
        }
    }

    /// The key must not be there.
    pub fn insert(&mut self, key: i64, slot: u32) {
        if self.used * 4 >= self.places.len() * 3 {
            self.move_up_to(usize::MAX);
            let places = vec![Place::default(); (self.places.len() * 2).max(16)];
            self.before = std::mem::replace(&mut self.places, places);
            (self.used, self.moved) = (0, 0);
        }
        self.put(Place { key, slot: slot + 1 });
        if !self.before.is_empty() {
            self.move_up_to(self.moved + MOVED_AT_ONCE);
        }
    }

    /// Copies what is in front of that place to where it goes now.
    fn move_up_to(&mut self, end: usize) {
        let end = end.min(self.before.len());
        for at in self.moved..end {
            let place = self.before[at];
            if place.slot != 0 && place_of(&self.places, place.key).is_none() {
                self.put(place);
            }
        }
        self.moved = end;
        if end == self.before.len() {
            self.before = Vec::new();
        }
    }

    fn put(&mut self, place: Place) {
        let mask = self.places.len() - 1;
        let mut at = spread(place.key) & mask;
        while self.places[at].slot != 0 {
            at = (at + 1) & mask;
        }
        self.places[at] = place;
        self.used += 1;
    }

    /// Forgets the key.
    pub fn remove(&mut self, key: i64) {
        if let Some(at) = place_of(&self.places, key) {
            free(&mut self.places, at);
            self.used -= 1;
        }
        // What moves up here past those that were copied is forgotten, too: it is found by
        // its bytes, and put in again.
        if let Some(at) = place_of(&self.before, key) {
            free(&mut self.before, at);
        }
    }

    /// About what the keys take, in bytes: three in eight to three in four of the places
    /// are theirs.
    pub fn memory_bytes(&self) -> usize {
        (self.used * 2).max(self.before.len()) * size_of::<Place>()
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
        for seed in 1..20 {
            let mut dice = Dice::new(seed);
            let (mut index, mut map) = (IntIndex::default(), BTreeMap::new());
            for slot in 0..4000 {
                let key = dice.roll(300 + u64::from(slot)) as i64 * 1024 - 5000;
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
        assert!(missed < 100, "{missed} of 76000 were not found");
    }

    #[test]
    fn it_grows_a_little_with_each_insert() {
        let mut index = IntIndex::default();
        let mut longest = 0;
        for key in 0..100_000 {
            let before = index.moved;
            index.insert(key, key as u32);
            longest = longest.max(index.moved.saturating_sub(before));
            assert!((0..=key).step_by(997).all(|key| index.find(key) == Some(key as u32)));
        }
        assert_eq!(longest, MOVED_AT_ONCE, "a row waited for that many to be moved");
    }
}

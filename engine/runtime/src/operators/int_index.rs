//! Slots by a key that is one 64-bit integer: a lookup touches one place in memory and
//! encodes nothing. It stands before the table of row bytes, which alone says what the
//! keys are; a key that is not found here may still be there.

use super::aggregate::spread;

/// Open addressing; places are taken in the order of [`spread`].
#[derive(Debug, Default)]
pub struct IntIndex {
    /// A power of two of places, or none.
    places: Vec<Place>,
    used: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Place {
    key: i64,
    /// One more than the slot; 0: free.
    slot: u32,
}

impl IntIndex {
    #[inline]
    pub fn find(&self, key: i64) -> Option<u32> {
        if self.places.is_empty() {
            return None;
        }
        let mask = self.places.len() - 1;
        let mut at = spread(key) & mask;
        loop {
            let place = self.places[at];
            if place.slot == 0 {
                return None;
            }
            if place.key == key {
                return Some(place.slot - 1);
            }
            at = (at + 1) & mask;
        }
    }

    /// The key must not be there.
    pub fn insert(&mut self, key: i64, slot: u32) {
        if self.used * 4 >= self.places.len() * 3 {
            let places = vec![Place::default(); (self.places.len() * 2).max(16)];
            for place in std::mem::replace(&mut self.places, places) {
                if place.slot != 0 {
                    self.put(place);
                }
            }
        }
        self.put(Place { key, slot: slot + 1 });
        self.used += 1;
    }

    fn put(&mut self, place: Place) {
        let mask = self.places.len() - 1;
        let mut at = spread(place.key) & mask;
        while self.places[at].slot != 0 {
            at = (at + 1) & mask;
        }
        self.places[at] = place;
    }

    /// Forgets the key; those behind it that would no longer be found move up.
    pub fn remove(&mut self, key: i64) {
        if self.places.is_empty() {
            return;
        }
        let mask = self.places.len() - 1;
        let mut hole = spread(key) & mask;
        while self.places[hole].key != key || self.places[hole].slot == 0 {
            if self.places[hole].slot == 0 {
                return;
            }
            hole = (hole + 1) & mask;
        }
        let mut at = hole;
        loop {
            at = (at + 1) & mask;
            let place = self.places[at];
            if place.slot == 0 {
                break;
            }
            let home = spread(place.key) & mask;
            if (at.wrapping_sub(home) & mask) >= (at.wrapping_sub(hole) & mask) {
                self.places[hole] = place;
                hole = at;
            }
        }
        self.places[hole] = Place::default();
        self.used -= 1;
    }

    /// About what the keys take, in bytes: three in eight to three in four of the places
    /// are theirs.
    pub fn memory_bytes(&self) -> usize {
        self.used * 2 * size_of::<Place>()
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::operators::tests::naive::Dice;

    #[test]
    fn an_index_of_integers_equals_a_map_under_random_changes() {
        for seed in 1..20 {
            let mut dice = Dice::new(seed);
            let (mut index, mut map) = (IntIndex::default(), BTreeMap::new());
            for slot in 0..2000 {
                let key = dice.roll(300) as i64 * 1024 - 5000;
                assert_eq!(index.find(key), map.get(&key).copied(), "seed {seed}");
                if map.remove(&key).is_some() {
                    index.remove(key);
                } else {
                    index.insert(key, slot);
                    map.insert(key, slot);
                }
            }
            assert!(map.iter().all(|(key, slot)| index.find(*key) == Some(*slot)));
            index.remove(i64::MAX);
            assert_eq!(index.used, map.len());
        }
    }
}

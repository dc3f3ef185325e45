//! What the tests compare with: seeded dice, and tables built up from a changelog.

use std::collections::BTreeMap;

/// A small generator of numbers; the same seed gives the same numbers.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    /// Below `n`.
    pub fn roll(&mut self, n: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % n
    }

    pub fn one_in(&mut self, n: u64) -> bool {
        self.roll(n) == 0
    }
}

/// `(kind, values)` of `+I[a, 1]`.
pub fn parts(row: &str) -> (&str, Vec<&str>) {
    let (kind, values) = row.split_once('[').expect("kind[values]");
    (kind, values.strip_suffix(']').expect("closed").split(", ").collect())
}

/// A table keyed by some columns. Every change must fit what is there.
#[derive(Debug, Default)]
pub struct KeyedTable(pub BTreeMap<Vec<String>, Vec<String>>);

impl KeyedTable {
    pub fn apply(&mut self, row: &str, key: &[usize]) {
        let (kind, values) = parts(row);
        let values: Vec<String> = values.into_iter().map(str::to_owned).collect();
        let key: Vec<String> = key.iter().map(|&at| values[at].clone()).collect();
        match kind {
            "+I" => assert_eq!(self.0.insert(key, values), None, "inserted twice: {row}"),
            "-U" | "-D" => assert_eq!(self.0.remove(&key), Some(values), "not there: {row}"),
            "+U" => {
                self.0.insert(key, values);
            }
            other => panic!("no kind {other}"),
        }
    }
}

/// A table that may hold a row several times.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Bag(pub BTreeMap<String, i64>);

impl Bag {
    pub fn apply(&mut self, row: &str) {
        let (kind, _) = parts(row);
        let values = &row[2..];
        let by = if kind.starts_with('+') { 1 } else { -1 };
        let count = self.0.entry(values.to_owned()).or_insert(0);
        *count += by;
        assert!(*count >= 0, "retracted what is not there: {row}");
        if *count == 0 {
            self.0.remove(values);
        }
    }
}

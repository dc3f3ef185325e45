//! Key groups: the unit in which keyed state moves between subtasks.
//!
//! Source of the rule: Flink `KeyGroupRangeAssignment`; a key belongs to
//! `murmur(hash(key)) mod max_parallelism`, and subtask `i` of `p` owns a
//! contiguous range of groups.

use serde::{Deserialize, Serialize};

/// A key's group, `0 <= group < max_parallelism`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct KeyGroup(pub u16);

/// The groups one subtask owns: `start <= group < end`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct KeyGroupRange {
    pub start: u16,
    pub end: u16,
}

impl KeyGroupRange {
    /// The range of `subtask` of `parallelism` (Flink: `computeKeyGroupRangeForOperatorIndex`).
    pub fn of_subtask(max_parallelism: u16, parallelism: u16, subtask: u16) -> KeyGroupRange {
        let (max, p, i) = (u32::from(max_parallelism), u32::from(parallelism), u32::from(subtask));
        let start = (i * max).div_ceil(p);
        let end = ((i + 1) * max).div_ceil(p);
        KeyGroupRange { start: start as u16, end: end as u16 }
    }

    pub fn contains(self, group: KeyGroup) -> bool {
        (self.start..self.end).contains(&group.0)
    }
}

/// The group of a key given the 64-bit hash of its encoded bytes.
pub fn key_group(key_hash: u64, max_parallelism: u16) -> KeyGroup {
    let folded = (key_hash ^ (key_hash >> 32)) as u32;
    KeyGroup((murmur_finish(folded) % u32::from(max_parallelism)) as u16)
}

/// The subtask that owns a group (Flink: `computeOperatorIndexForKeyGroup`).
pub fn subtask_of(group: KeyGroup, max_parallelism: u16, parallelism: u16) -> u16 {
    (u32::from(group.0) * u32::from(parallelism) / u32::from(max_parallelism)) as u16
}

/// Flink's default: `min(max(next_power_of_two(p + p/2), 128), 32768)` (row H5.8).
pub fn default_max_parallelism(parallelism: u16) -> u16 {
    let wanted = (u32::from(parallelism) + u32::from(parallelism) / 2).next_power_of_two();
    wanted.clamp(128, 32_768) as u16
}

fn murmur_finish(mut hash: u32) -> u32 {
    hash ^= hash >> 16;
    hash = hash.wrapping_mul(0x85eb_ca6b);
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(0xc2b2_ae35);
    hash ^ (hash >> 16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_group_belongs_to_exactly_the_subtask_whose_range_holds_it() {
        for parallelism in 1..=17 {
            for group in 0..128 {
                let owner = subtask_of(KeyGroup(group), 128, parallelism);
                for subtask in 0..parallelism {
                    let range = KeyGroupRange::of_subtask(128, parallelism, subtask);
                    assert_eq!(range.contains(KeyGroup(group)), subtask == owner);
                }
            }
        }
    }
}

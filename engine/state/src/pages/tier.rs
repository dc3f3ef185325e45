//! Runs that follow each other in order of key: one sorted sequence, cut into files.

use std::sync::Arc;

use millrace_dataflow::key_group::{KeyGroup, KeyGroupRange};

use super::PageError;
use super::block::{Block, split_key};
use super::run::Run;

/// A run, of which only some key groups count: a subtask may have taken over half of
/// what another wrote.
#[derive(Clone, Debug)]
pub struct RunRef {
    pub run: Arc<Run>,
    pub groups: KeyGroupRange,
}

/// Pages that are older than those of every tier before it, and newer than those behind.
#[derive(Clone, Debug, Default)]
pub struct Tier {
    pub runs: Vec<RunRef>,
}

/// Reads a block, from a cache or not.
pub(super) type Load<'a> = &'a mut dyn FnMut(&Run, usize) -> Result<Arc<Block>, PageError>;

impl RunRef {
    /// The groups that count, no more than those that the run has something of.
    pub(crate) fn span(&self) -> KeyGroupRange {
        let (first, last) = (split_key(&self.run.index.first).0, split_key(self.run.last_key()).0);
        intersection(self.groups, KeyGroupRange { start: first, end: last.saturating_add(1) })
    }

    /// Only the groups of `range`; `None` when the run has nothing of them.
    pub fn restricted(&self, range: KeyGroupRange) -> Option<RunRef> {
        let groups = intersection(self.span(), range);
        (groups.start < groups.end).then(|| RunRef { run: Arc::clone(&self.run), groups })
    }

    /// Where the restriction begins, as a full key.
    fn begin(&self) -> [u8; 2] {
        self.groups.start.to_be_bytes()
    }

    fn holds(&self, key: &[u8]) -> bool {
        self.groups.contains(KeyGroup(split_key(key).0))
    }
}

pub(crate) fn intersection(one: KeyGroupRange, other: KeyGroupRange) -> KeyGroupRange {
    KeyGroupRange { start: one.start.max(other.start), end: one.end.min(other.end) }
}

impl Tier {
    /// Of the files, in bytes.
    pub fn bytes(&self) -> u64 {
        self.runs.iter().map(|part| part.run.length).sum()
    }

    /// Of keys and values, in bytes.
    pub(super) fn page_bytes(&self) -> u64 {
        self.runs.iter().map(|part| part.run.footer.bytes).sum()
    }

    /// Of filters and indexes, in bytes of memory.
    pub(super) fn index_bytes(&self) -> u64 {
        self.runs.iter().map(|part| part.run.index_bytes()).sum()
    }

    /// The block that alone can hold a full key with this hash, and its run.
    pub(super) fn place_of(&self, key: &[u8], hash: u64) -> Option<(&Run, usize)> {
        let at = self.runs.partition_point(|part| part.run.last_key() < key);
        let part = self.runs.get(at).filter(|part| part.holds(key))?;
        let run = part.run.as_ref();
        (key >= run.index.first.as_slice() && run.bloom.may_hold(hash))
            .then(|| (run, run.index.block_of(key)))
    }
}

/// Walks a tier in order of key.
pub(super) struct TierCursor {
    tier: Arc<Tier>,
    part: usize,
    at: usize,
    block: Option<Arc<Block>>,
    entry: usize,
    /// Not below this, when the next block is entered.
    from: Vec<u8>,
}

impl TierCursor {
    /// At the first entry whose full key is not below `from`.
    pub fn new(tier: Arc<Tier>, from: &[u8], load: Load<'_>) -> Result<TierCursor, PageError> {
        let part = tier.runs.partition_point(|part| part.run.last_key() < from);
        let mut cursor =
            TierCursor { tier, part, at: 0, block: None, entry: 0, from: from.to_vec() };
        cursor.enter_run();
        cursor.settle(load)?;
        Ok(cursor)
    }

    /// `None` at the end.
    pub fn key(&self) -> Option<&[u8]> {
        Some(self.block.as_ref()?.entry(self.entry).0)
    }

    pub fn value(&self) -> Option<&[u8]> {
        self.block.as_ref()?.entry(self.entry).1
    }

    pub fn advance(&mut self, load: Load<'_>) -> Result<(), PageError> {
        self.entry += 1;
        self.settle(load)
    }

    fn enter_run(&mut self) {
        let Some(part) = self.tier.runs.get(self.part) else { return };
        if self.from.as_slice() < part.begin().as_slice() {
            self.from = part.begin().to_vec();
        }
        self.at = part.run.index.block_of(&self.from);
        self.block = None;
    }

    /// Goes on until an entry is there that counts.
    fn settle(&mut self, load: Load<'_>) -> Result<(), PageError> {
        while let Some(part) = self.tier.runs.get(self.part) {
            if let Some(block) = &self.block {
                if self.entry < block.entries() {
                    if part.holds(block.entry(self.entry).0) {
                        return Ok(());
                    }
                    // Below the restriction there is nothing, so it is behind it.
                    self.part += 1;
                    self.enter_run();
                    continue;
                }
                self.at += 1;
                self.block = None;
            }
            if self.at >= part.run.index.blocks() {
                self.part += 1;
                self.enter_run();
                continue;
            }
            let block = load(&part.run, self.at)?;
            self.entry = block.lower_bound(&self.from);
            self.block = Some(block);
        }
        self.block = None;
        Ok(())
    }
}

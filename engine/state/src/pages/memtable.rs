//! Pages that were applied and lie in no run yet.

use std::collections::{BTreeMap, btree_map};
use std::ops::Bound;

use millrace_dataflow::key_group::{KeyGroup, KeyGroupRange};

use super::block::full_key;

type Group = BTreeMap<Vec<u8>, Option<Vec<u8>>>;

/// What one entry takes beside its bytes, roughly.
const OVERHEAD: usize = 64;

/// By key group, then by key; `None`: the page is removed.
#[derive(Clone, Debug, Default)]
pub(super) struct Memtable {
    groups: BTreeMap<u16, Group>,
    /// Of memory, roughly.
    bytes: usize,
}

impl Memtable {
    pub fn put(&mut self, group: KeyGroup, key: Vec<u8>, value: Option<Vec<u8>>) {
        self.bytes += key.len() + OVERHEAD + value.as_ref().map_or(0, Vec::len);
        let before = self.groups.entry(group.0).or_default().insert(key, value);
        if let Some(before) = before {
            // Its key was counted when it came, and now again.
            self.bytes -= before.map_or(0, |value| value.len()).min(self.bytes);
        }
    }

    pub fn bytes(&self) -> usize {
        self.bytes
    }

    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// `Some(None)`: the page is removed.
    pub fn get(&self, group: KeyGroup, key: &[u8]) -> Option<Option<&[u8]>> {
        self.groups.get(&group.0)?.get(key).map(Option::as_deref)
    }

    /// All of it, as full keys in order.
    pub fn for_each<E>(
        &self,
        mut visit: impl FnMut(&[u8], Option<&[u8]>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut full = vec![];
        for (group, pages) in &self.groups {
            for (key, value) in pages {
                full_key(*group, key, &mut full);
                visit(&full, value.as_deref())?;
            }
        }
        Ok(())
    }

    /// The pages of a group from a key on, one after another.
    pub fn walk(&self, group: KeyGroup, from: &[u8]) -> MemtableCursor<'_> {
        let bounds = (Bound::Included(from), Bound::Unbounded);
        let rest = self.groups.get(&group.0).map(|pages| pages.range::<[u8], _>(bounds));
        let mut cursor = MemtableCursor { group: group.0, rest, at: None, full: vec![] };
        cursor.advance();
        cursor
    }

    /// The pages of some groups whose key starts with `prefix`: full keys in order.
    pub fn select(&self, range: KeyGroupRange, prefix: &[u8]) -> Vec<(Vec<u8>, Option<&[u8]>)> {
        let mut selected = vec![];
        for (group, pages) in self.groups.range(range.start..range.end) {
            let from = pages
                .range::<[u8], _>((std::ops::Bound::Included(prefix), std::ops::Bound::Unbounded));
            for (key, value) in from.take_while(|(key, _)| key.starts_with(prefix)) {
                let mut full = vec![];
                full_key(*group, key, &mut full);
                selected.push((full, value.as_deref()));
            }
        }
        selected
    }
}

/// Walks one group of a memtable without copying it.
#[derive(Debug)]
pub(super) struct MemtableCursor<'a> {
    group: u16,
    rest: Option<btree_map::Range<'a, Vec<u8>, Option<Vec<u8>>>>,
    /// The value it is at; `None`: the end.
    at: Option<Option<&'a [u8]>>,
    full: Vec<u8>,
}

impl<'a> MemtableCursor<'a> {
    /// As a full key; `None` at the end.
    pub fn key(&self) -> Option<&[u8]> {
        self.at.map(|_| self.full.as_slice())
    }

    /// `None`: the page is removed.
    pub fn value(&self) -> Option<&'a [u8]> {
        self.at.flatten()
    }

    pub fn advance(&mut self) {
        let next = self.rest.as_mut().and_then(Iterator::next);
        self.at = next.map(|(key, value)| {
            full_key(self.group, key, &mut self.full);
            value.as_deref()
        });
    }
}

//! Pages in memory: for tests, and as the model that the store on disk must equal.

use std::sync::Arc;

use millrace_dataflow::key_group::{KeyGroup, KeyGroupRange};

use super::block::split_key;
use super::memtable::Memtable;
use super::set::{Frozen, RunSet, Source};
use super::{Change, PageError, PageStore};

/// A [`PageStore`] that keeps everything in memory. What it freezes can be read, and
/// not be uploaded.
#[derive(Clone, Debug, Default)]
pub struct MemoryPages {
    pages: Memtable,
}

impl PageStore for MemoryPages {
    fn apply(&mut self, changes: &mut dyn Iterator<Item = Change>) -> Result<(), PageError> {
        changes.for_each(|(group, key, value)| self.pages.put(group, key, value));
        Ok(())
    }

    fn read(&mut self, group: KeyGroup, key: &[u8], out: &mut Vec<u8>) -> Result<bool, PageError> {
        let page = self.pages.get(group, key).flatten();
        out.extend_from_slice(page.unwrap_or_default());
        Ok(page.is_some())
    }

    fn read_many(
        &mut self,
        keys: &[(KeyGroup, &[u8])],
        found: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<(), PageError> {
        for (index, (group, key)) in keys.iter().enumerate() {
            if let Some(page) = self.pages.get(*group, key).flatten() {
                found(index, page);
            }
        }
        Ok(())
    }

    fn scan(
        &mut self,
        group: KeyGroup,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), PageError> {
        let range = KeyGroupRange { start: group.0, end: group.0 + 1 };
        for (full, value) in self.pages.select(range, prefix) {
            if let Some(value) = value {
                visit(split_key(&full).1, value);
            }
        }
        Ok(())
    }

    fn walk(
        &mut self,
        group: KeyGroup,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), PageError> {
        let mut cursor = self.pages.walk(group, from);
        while let Some(full) = cursor.key() {
            if cursor.value().is_some_and(|value| !visit(split_key(full).1, value)) {
                break;
            }
            cursor.advance();
        }
        Ok(())
    }

    fn freeze(&mut self) -> Result<RunSet, PageError> {
        let frozen = Frozen::in_memory(self.pages.clone());
        Ok(RunSet { sources: vec![Source::Frozen(Arc::new(frozen))] })
    }

    fn bytes(&self) -> u64 {
        self.pages.bytes() as u64
    }
}

#[cfg(test)]
mod tests {
    use super::super::{put_entry, visit_entries};
    use super::*;

    #[test]
    fn what_is_frozen_stays_and_entries_come_back() {
        let mut store = MemoryPages::default();
        let mut page = vec![];
        put_entry(&mut page, 1, b"k", b"v");
        put_entry(&mut page, 2, b"", b"");
        store.apply(&mut [(KeyGroup(3), b"k".to_vec(), Some(page))].into_iter()).unwrap();
        let frozen = store.freeze().unwrap();
        store.apply(&mut [(KeyGroup(3), b"k".to_vec(), None)].into_iter()).unwrap();
        assert!(!store.read(KeyGroup(3), b"k", &mut vec![]).unwrap());
        let mut seen = vec![];
        let mut visit = |group: KeyGroup, _: &[u8], page: &[u8]| {
            let entries = visit_entries(page, |table, key, value| {
                seen.push((group.0, table, key.to_vec(), value.to_vec()));
            });
            assert_eq!(entries, Ok(2));
        };
        frozen.pages(KeyGroupRange { start: 3, end: 4 }, &mut visit).unwrap();
        assert_eq!(seen, [(3, 1, b"k".to_vec(), b"v".to_vec()), (3, 2, vec![], vec![])]);
    }
}

//! Pages in memory: for tests, and as the model that the store on disk must equal.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_dataflow::key_group::{KeyGroup, KeyGroupRange};

use super::{Change, PageError, PageStore};

type Pages = BTreeMap<(u16, Vec<u8>), Vec<u8>>;

/// A [`PageStore`] that keeps everything in memory.
#[derive(Clone, Debug, Default)]
pub struct MemoryPages {
    pages: Pages,
}

/// Pages as of one moment, which never change.
#[derive(Clone, Debug, Default)]
pub struct RunSet {
    pages: Arc<Pages>,
}

impl RunSet {
    /// Gives the pages of `range` to `visit(group, key, value)`, in order of group and key.
    ///
    /// # Errors
    /// As [`PageStore::read`].
    pub fn pages(
        &self,
        range: KeyGroupRange,
        visit: &mut dyn FnMut(KeyGroup, &[u8], &[u8]),
    ) -> Result<(), PageError> {
        for ((group, key), value) in &*self.pages {
            if range.contains(KeyGroup(*group)) {
                visit(KeyGroup(*group), key, value);
            }
        }
        Ok(())
    }
}

impl PageStore for MemoryPages {
    fn apply(&mut self, changes: &mut dyn Iterator<Item = Change>) -> Result<(), PageError> {
        for (group, key, value) in changes {
            match value {
                Some(value) => self.pages.insert((group.0, key), value),
                None => self.pages.remove(&(group.0, key)),
            };
        }
        Ok(())
    }

    fn read(&mut self, group: KeyGroup, key: &[u8], out: &mut Vec<u8>) -> Result<bool, PageError> {
        let page = self.pages.get(&(group.0, key.to_vec()));
        if let Some(page) = page {
            out.extend_from_slice(page);
        }
        Ok(page.is_some())
    }

    fn read_many(
        &mut self,
        keys: &[(KeyGroup, &[u8])],
        found: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<(), PageError> {
        for (index, (group, key)) in keys.iter().enumerate() {
            if let Some(page) = self.pages.get(&(group.0, key.to_vec())) {
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
        let from = (group.0, prefix.to_vec());
        let of_prefix = self
            .pages
            .range(from..)
            .take_while(|((at, key), _)| *at == group.0 && key.starts_with(prefix));
        of_prefix.for_each(|((_, key), value)| visit(key, value));
        Ok(())
    }

    fn freeze(&mut self) -> Result<RunSet, PageError> {
        Ok(RunSet { pages: Arc::new(self.pages.clone()) })
    }

    fn bytes(&self) -> u64 {
        self.pages.iter().map(|((_, key), value)| (key.len() + value.len()) as u64).sum()
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

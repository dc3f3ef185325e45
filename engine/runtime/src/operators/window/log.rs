//! Rows of windows larger than memory, for operators that add to a window until it fires
//! and read it once then.
//!
//! What came since the last barrier is appended as new pages, one for each key group:
//! nothing is ever rewritten. When memory is short, the rows of the windows that end last
//! leave it. A window whose rows are all in memory fires as without a store; any other
//! fires key group by key group, each read from its pages. Memory for that: the rows of
//! one window and one key group.
//!
//! A page's key is its window, its number counted down from the greatest (so the first
//! page of a window is its newest), and the number of the arrival after it: so a restore
//! finds how far both had come by a look at one page for each window and group. A number
//! is used once by a subtask, and a key group has one subtask, so no page replaces
//! another.

use std::collections::{BTreeMap, BTreeSet};

use millrace_dataflow::key_group::KeyGroup;
use millrace_state::PageStore;
use millrace_state::pages::{Change, put_entry};

use super::pages::{Found, prefix_of, spans_in};
use super::slices::Span;
use crate::operator::{OperatorContext, OperatorError, StateEntry, StateWriter};
use crate::operators::shape::Shape;

/// A key group and the key of a page.
type PageKey = (KeyGroup, Vec<u8>);

pub struct WindowLog {
    store: Box<dyn PageStore>,
    shape: Shape,
    /// Windows with rows that are in the store alone.
    absent: BTreeSet<Span>,
    /// The pages of windows whose rows are all in memory, too.
    pages: BTreeMap<Span, Vec<PageKey>>,
    last_page: u64,
    is_known: bool,
}

/// Rows of one window on their way into pages.
pub struct Append {
    window: Span,
    /// By key group.
    pages: BTreeMap<u16, Vec<u8>>,
}

impl Append {
    pub fn new(window: Span) -> Append {
        Append { window, pages: BTreeMap::new() }
    }

    /// The key in two parts.
    pub fn put(&mut self, group: KeyGroup, table: u8, key: [&[u8]; 2], value: &[u8]) {
        let page = self.pages.entry(group.0).or_default();
        put_entry(page, table, &key.concat(), value);
    }
}

impl WindowLog {
    pub fn new(store: Box<dyn PageStore>, shape: &Shape) -> WindowLog {
        WindowLog {
            is_known: store.bytes() == 0,
            store,
            shape: shape.clone(),
            absent: BTreeSet::new(),
            pages: BTreeMap::new(),
            last_page: 0,
        }
    }

    pub fn stored_bytes(&self) -> u64 {
        self.store.bytes()
    }

    pub fn index_bytes(&self) -> u64 {
        self.store.index_bytes()
    }

    /// Finds out what a restore has put into the store: the number of the next arrival,
    /// if there is anything. Later calls do nothing.
    ///
    /// # Errors
    /// The disk fails, or a page is not one of this log.
    pub fn look_around(&mut self, ctx: &OperatorContext) -> Result<Option<i64>, OperatorError> {
        if std::mem::replace(&mut self.is_known, true) {
            return Ok(None);
        }
        let (mut last_page, mut next_arrival, mut is_bad) = (0, None, false);
        let mut look = |key: &[u8]| match read_numbers(key) {
            Some((page, next)) => {
                last_page = last_page.max(page);
                next_arrival = next_arrival.max(Some(next));
            }
            None => is_bad = true,
        };
        self.absent = spans_in(self.store.as_mut(), ctx, &self.shape, &mut look)?;
        if is_bad {
            return Err(self.shape.damaged("a page of a window without a number"));
        }
        self.last_page = last_page;
        Ok(next_arrival)
    }

    /// Appends rows to their window; `next_arrival` is greater than all numbers of
    /// arrival so far.
    ///
    /// # Errors
    /// The disk fails.
    pub fn append(&mut self, append: Append, next_arrival: i64) -> Result<(), OperatorError> {
        if append.pages.is_empty() {
            return Ok(());
        }
        self.last_page += 1;
        let numbers = numbers(self.last_page, next_arrival);
        let key = [prefix_of(append.window).as_slice(), &numbers].concat();
        let known = self.pages.entry(append.window).or_default();
        let change = |(group, page)| {
            known.push((KeyGroup(group), key.clone()));
            (KeyGroup(group), key.clone(), Some(page))
        };
        let changes: Vec<Change> = append.pages.into_iter().map(change).collect();
        self.apply(changes)
    }

    /// The window's rows are in memory no longer.
    pub fn let_go(&mut self, window: Span) {
        if self.pages.remove(&window).is_some() {
            self.absent.insert(window);
        }
    }

    /// Whether some rows of the window are in the store alone.
    pub fn is_absent(&self, window: Span) -> bool {
        self.absent.contains(&window)
    }

    /// The first window with rows that are in the store alone.
    pub fn first_absent(&self) -> Option<Span> {
        self.absent.first().copied()
    }

    /// The window has fired from memory.
    ///
    /// # Errors
    /// The disk fails.
    pub fn remove(&mut self, window: Span) -> Result<(), OperatorError> {
        let pages = self.pages.remove(&window).unwrap_or_default().into_iter();
        self.apply(pages.map(|(group, key)| (group, key, None)).collect())
    }

    /// The window fires from the store alone.
    pub fn begin(&mut self, window: Span) {
        self.absent.remove(&window);
        self.pages.remove(&window);
    }

    /// Takes the rows of one key group of a window out of the store.
    ///
    /// # Errors
    /// The disk fails, or what it holds is damaged.
    pub fn take(
        &mut self,
        window: Span,
        group: KeyGroup,
    ) -> Result<Vec<StateEntry>, OperatorError> {
        let (mut found, mut removals) = (Found::default(), Vec::new());
        let read = self.store.scan(group, &prefix_of(window), &mut |key, page| {
            found.take(group, page);
            removals.push((group, key.to_vec(), None));
        });
        read.map_err(|error| self.shape.lost(&error))?;
        self.apply(removals)?;
        found.entries(&self.shape)
    }

    /// Hands over the store's runs.
    ///
    /// # Errors
    /// The disk fails.
    pub fn freeze(&mut self, writer: &mut dyn StateWriter) -> Result<(), OperatorError> {
        writer.put_runs(self.store.freeze().map_err(|error| self.shape.lost(&error))?);
        Ok(())
    }

    fn apply(&mut self, changes: Vec<Change>) -> Result<(), OperatorError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.store.apply(&mut changes.into_iter()).map_err(|error| self.shape.lost(&error))
    }
}

fn numbers(page: u64, next_arrival: i64) -> [u8; 16] {
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&(u64::MAX - page).to_be_bytes());
    bytes[8..].copy_from_slice(&next_arrival.to_be_bytes());
    bytes
}

fn read_numbers(key: &[u8]) -> Option<(u64, i64)> {
    let (page, next) = key.split_at_checked(8)?;
    let page = u64::MAX - u64::from_be_bytes(page.try_into().ok()?);
    Some((page, i64::from_be_bytes(next.try_into().ok()?)))
}

#[cfg(test)]
mod tests {
    use millrace_dataflow::key_group::KeyGroupRange;
    use millrace_dataflow::{Schema, Watermark};
    use millrace_state::pages::MemoryPages;

    use super::*;

    fn append(log: &mut WindowLog, window: Span, groups: &[u16], next: i64) {
        let mut rows = Append::new(window);
        for group in groups {
            rows.put(KeyGroup(*group), 0, [b"k", &[*group as u8]], &next.to_le_bytes());
        }
        log.append(rows, next).unwrap();
    }

    fn taken(log: &mut WindowLog, window: Span, group: u16) -> Vec<i64> {
        let entries = log.take(window, KeyGroup(group)).unwrap();
        let number = |entry: &StateEntry| i64::from_le_bytes(entry.value[..].try_into().unwrap());
        entries.iter().map(number).collect()
    }

    #[test]
    fn a_restored_log_goes_on_behind_what_it_finds_and_replaces_no_page() {
        let shape = Shape::new("w", &Schema { fields: vec![] });
        let ctx = OperatorContext {
            subtask: 0,
            max_parallelism: 8,
            key_groups: KeyGroupRange { start: 2, end: 5 },
            processing_time_ms: 0,
            watermark: Watermark::MIN,
        };
        let [one, two] = [10, 20].map(|end| Span { end, start: end - 10 });
        let mut log = WindowLog::new(Box::new(MemoryPages::default()), &shape);
        append(&mut log, one, &[2, 4], 7);
        append(&mut log, two, &[3], 9);
        append(&mut log, one, &[4], 12);
        assert!(!log.is_absent(one), "all of it is in memory");
        let mut log = WindowLog::new(log.store, &shape);
        assert_eq!(log.look_around(&ctx).unwrap(), Some(12));
        assert_eq!(log.look_around(&ctx).unwrap(), None, "known by now");
        assert_eq!(log.first_absent(), Some(one));
        append(&mut log, one, &[4], 15);
        log.begin(one);
        assert_eq!(taken(&mut log, one, 2), [7]);
        assert_eq!(taken(&mut log, one, 3), Vec::<i64>::new());
        assert_eq!(taken(&mut log, one, 4), [15, 12, 7], "the newest first");
        assert_eq!(taken(&mut log, one, 4), Vec::<i64>::new());
        assert!(log.is_absent(two));
    }

    #[test]
    fn a_window_that_fires_from_memory_leaves_no_page() {
        let shape = Shape::new("w", &Schema { fields: vec![] });
        let window = Span { end: 10, start: 0 };
        let mut log = WindowLog::new(Box::new(MemoryPages::default()), &shape);
        append(&mut log, window, &[1, 2], 1);
        append(&mut log, window, &[2], 2);
        log.remove(window).unwrap();
        assert_eq!(taken(&mut log, window, 1), Vec::<i64>::new());
        assert_eq!(taken(&mut log, window, 2), Vec::<i64>::new());
    }
}

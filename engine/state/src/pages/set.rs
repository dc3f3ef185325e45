//! All pages as of one moment.

use std::sync::Arc;

use millrace_dataflow::key_group::{KeyGroup, KeyGroupRange};
use parking_lot::{Condvar, Mutex};

use super::PageError;
use super::block::split_key;
use super::memtable::Memtable;
use super::merge::{Cursor, cursors, merge, read_past_cache};
use super::tier::Tier;

/// Takes the group, the key and the value of a page.
pub type VisitPage<'a> = &'a mut dyn FnMut(KeyGroup, &[u8], &[u8]);

/// The immutable runs that hold all pages as of the moment of a freeze. Some of them
/// may still be on their way to the disk: whoever asks for them waits.
#[derive(Clone, Debug, Default)]
pub struct RunSet {
    /// Newest first.
    pub(super) sources: Vec<Source>,
}

#[derive(Clone, Debug)]
pub(super) enum Source {
    Frozen(Arc<Frozen>),
    Tier(Arc<Tier>),
}

/// A memtable that nobody changes any more, and the tier that it becomes.
#[derive(Debug)]
pub(super) struct Frozen {
    pub memtable: Memtable,
    written: Mutex<Written>,
    ready: Condvar,
}

#[derive(Clone, Debug)]
enum Written {
    /// By whom: nobody, when its store is in memory alone.
    NotYet,
    Never,
    Done(Arc<Tier>),
    Failed(String),
}

impl Frozen {
    pub fn to_be_written(memtable: Memtable) -> Frozen {
        Frozen { memtable, written: Mutex::new(Written::NotYet), ready: Condvar::new() }
    }

    pub fn in_memory(memtable: Memtable) -> Frozen {
        Frozen { memtable, written: Mutex::new(Written::Never), ready: Condvar::new() }
    }

    pub fn finish(&self, result: Result<Arc<Tier>, String>) {
        *self.written.lock() = match result {
            Ok(tier) => Written::Done(tier),
            Err(reason) => Written::Failed(reason),
        };
        self.ready.notify_all();
    }

    fn wait(&self) -> Result<Arc<Tier>, PageError> {
        let mut written = self.written.lock();
        self.ready.wait_while(&mut written, |written| matches!(written, Written::NotYet));
        match &*written {
            Written::Done(tier) => Ok(Arc::clone(tier)),
            Written::Failed(reason) => Err(lost(reason)),
            Written::NotYet | Written::Never => Err(lost("these pages are in memory alone")),
        }
    }
}

/// What a background write failed of, for whoever needed it.
pub(super) fn lost(reason: &str) -> PageError {
    let source = std::io::Error::other(reason.to_owned());
    PageError::Disk { doing: "write pages to the disk".into(), source }
}

impl RunSet {
    /// Of tiers that are there, newest first.
    pub fn of(tiers: Vec<Arc<Tier>>) -> RunSet {
        let tiers = tiers.into_iter().filter(|tier| !tier.runs.is_empty());
        RunSet { sources: tiers.map(Source::Tier).collect() }
    }

    /// The tiers, newest first; waits until all of them are written.
    ///
    /// # Errors
    /// One could not be written, or is in memory alone.
    pub fn tiers(&self) -> Result<Vec<Arc<Tier>>, PageError> {
        let tiers = self.sources.iter().map(|source| match source {
            Source::Tier(tier) => Ok(Arc::clone(tier)),
            Source::Frozen(frozen) => frozen.wait(),
        });
        tiers.filter(|tier| tier.as_ref().map_or(true, |tier| !tier.runs.is_empty())).collect()
    }

    /// What a subtask takes over from others: their pages of `range`. The sets hold
    /// different key groups, as those of different subtasks do.
    ///
    /// # Errors
    /// As [`RunSet::tiers`].
    pub fn restricted(sets: &[RunSet], range: KeyGroupRange) -> Result<RunSet, PageError> {
        let mut tiers = vec![];
        for tier in sets.iter().map(RunSet::tiers).collect::<Result<Vec<_>, _>>()?.concat() {
            let runs = tier.runs.iter().filter_map(|part| part.restricted(range)).collect();
            tiers.push(Arc::new(Tier { runs }));
        }
        Ok(RunSet::of(tiers))
    }

    pub fn is_empty(&self) -> bool {
        self.sources.is_empty()
    }

    /// Gives the pages of `range` to `visit(group, key, value)`, in order of group and
    /// key, without taking them all into memory.
    ///
    /// # Errors
    /// The disk fails, or what it holds is damaged.
    pub fn pages(&self, range: KeyGroupRange, visit: VisitPage<'_>) -> Result<(), PageError> {
        let from = range.start.to_be_bytes();
        let mut load = read_past_cache;
        let selected = self.sources.iter().map(|source| match source {
            Source::Frozen(frozen) => frozen.memtable.select(range, &[]),
            Source::Tier(_) => vec![],
        });
        let selected: Vec<_> = selected.collect();
        let mut all = vec![];
        for (source, selected) in self.sources.iter().zip(&selected) {
            match source {
                Source::Frozen(_) => all.push(Cursor::Memory(selected)),
                Source::Tier(tier) => {
                    all.append(&mut cursors(std::slice::from_ref(tier), &from, &mut load)?);
                }
            }
        }
        merge(all, &mut load, &mut |full, value| {
            let (group, key) = split_key(full);
            if group >= range.end {
                return Ok(false);
            }
            if let Some(value) = value {
                visit(KeyGroup(group), key, value);
            }
            Ok(true)
        })
    }
}

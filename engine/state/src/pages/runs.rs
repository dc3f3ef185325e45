//! A log-structured store of pages in a local directory.
//!
//! Flow: changes go to a memtable; a full one is frozen and becomes a tier of runs on
//! another thread, and tiers of like size are merged on a third. A page is looked for
//! in the memtable, then tier by tier from the newest on; Bloom filters say where it is
//! not, so that one block is read.
//!
//! Guarantees: memory is bounded by the buffer, those being written, the cache, and
//! the filters and indexes (about 2 bytes a page). Whoever applies waits when writing
//! or merging does not keep up.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use millrace_dataflow::key_group::{KeyGroup, KeyGroupRange};
use parking_lot::{Condvar, Mutex};

use super::block::{full_key, split_key};
use super::bloom;
use super::cache::Cache;
use super::compact::{Background, Target, TierWriter, choose, merge_tiers};
use super::memtable::Memtable;
use super::merge::{Cursor, cursors, merge};
use super::run::disk_error;
use super::set::{Frozen, RunSet, Source, lost};
use super::tier::Tier;
use super::write::RunFormat;
use super::{Change, PageError, PageStore};

/// How one store behaves.
#[derive(Clone, Debug)]
pub struct RunOptions {
    /// Its own: nobody else writes there. Made when it is not there.
    pub directory: PathBuf,
    /// Begins the name of every run it writes; differs between all stores that ever
    /// write for the same application.
    pub prefix: String,
    pub format: RunFormat,
    /// A memtable of about so much memory is frozen.
    pub write_buffer_bytes: usize,
    /// So many frozen ones may wait to be written.
    pub write_buffers: usize,
    pub cache_bytes: usize,
    /// A run ends when its file is so long.
    pub file_bytes: u64,
    /// So many tiers are merged; at three times as many, changes wait.
    pub merge_at: usize,
}

impl RunOptions {
    pub fn new(directory: impl Into<PathBuf>, prefix: impl Into<String>) -> RunOptions {
        RunOptions {
            directory: directory.into(),
            prefix: prefix.into(),
            format: RunFormat::default(),
            write_buffer_bytes: 64 << 20,
            write_buffers: 2,
            cache_bytes: 32 << 20,
            file_bytes: 64 << 20,
            merge_at: 8,
        }
    }
}

/// A [`PageStore`] on disk.
#[derive(Debug)]
pub struct Runs {
    shared: Arc<Shared>,
    active: Memtable,
    cache: Cache,
    /// The sources as they were last seen.
    seen: Arc<Vec<Source>>,
    key: Vec<u8>,
}

#[derive(Debug)]
struct Shared {
    options: RunOptions,
    background: Background,
    state: Mutex<State>,
    changed: Condvar,
    next_run: AtomicU64,
    is_closed: AtomicBool,
}

#[derive(Debug, Default)]
struct State {
    /// Newest first.
    sources: Arc<Vec<Source>>,
    is_merging: bool,
    /// What a background thread failed of.
    failed: Option<String>,
}

impl Runs {
    /// A store that begins with these pages.
    ///
    /// # Errors
    /// The directory cannot be made, or the pages are in memory alone.
    pub fn open(
        options: RunOptions,
        background: Background,
        restored: &RunSet,
    ) -> Result<Runs, PageError> {
        let directory = &options.directory;
        std::fs::create_dir_all(directory)
            .map_err(|source| disk_error("make", directory, source))?;
        let sources: Vec<Source> = restored.tiers()?.into_iter().map(Source::Tier).collect();
        let sources = Arc::new(sources);
        let cache = Cache::new(options.cache_bytes);
        let state = State { sources: Arc::clone(&sources), ..State::default() };
        let shared = Arc::new(Shared {
            options,
            background,
            state: Mutex::new(state),
            changed: Condvar::new(),
            next_run: AtomicU64::new(0),
            is_closed: AtomicBool::new(false),
        });
        Shared::merge_when_due(&shared, &mut shared.state.lock());
        Ok(Runs { shared, active: Memtable::default(), cache, seen: sources, key: vec![] })
    }

    /// Blocks that were read from the disk so far.
    pub fn block_reads(&self) -> u64 {
        self.cache.reads
    }

    /// Bytes of blocks in memory.
    pub fn cached_bytes(&self) -> usize {
        self.cache.bytes()
    }

    /// How many tiers a key may have to be looked for in.
    pub fn tiers(&self) -> usize {
        self.shared.state.lock().sources.len()
    }

    /// Waits until nothing is being written or merged: for tests and measurements.
    ///
    /// # Errors
    /// Writing or merging failed.
    pub fn settle(&mut self) -> Result<(), PageError> {
        self.wait_while(|state| {
            let is_frozen = |source: &Source| matches!(source, Source::Frozen(_));
            state.is_merging || state.sources.iter().any(is_frozen)
        })
    }

    fn wait_while(&mut self, mut busy: impl FnMut(&State) -> bool) -> Result<(), PageError> {
        let mut state = self.shared.state.lock();
        self.shared.changed.wait_while(&mut state, |state| state.failed.is_none() && busy(state));
        self.seen = Arc::clone(&state.sources);
        state.failed.as_deref().map_or(Ok(()), |reason| Err(lost(reason)))
    }

    fn look(&mut self) -> Result<(), PageError> {
        self.wait_while(|_| false)
    }

    /// Freezes the memtable, and waits when too many are frozen already.
    fn rotate(&mut self) -> Result<(), PageError> {
        if self.active.is_empty() {
            return self.look();
        }
        let (buffers, tiers) = {
            let options = &self.shared.options;
            (options.write_buffers.max(1), options.merge_at.max(2) * 3)
        };
        self.wait_while(|state| {
            let is_frozen = |source: &&Source| matches!(source, Source::Frozen(_));
            let frozen = state.sources.iter().filter(is_frozen).count();
            frozen >= buffers || (state.is_merging && state.sources.len() - frozen >= tiers)
        })?;
        let frozen = Arc::new(Frozen::to_be_written(std::mem::take(&mut self.active)));
        let mut state = self.shared.state.lock();
        let newest = [Source::Frozen(Arc::clone(&frozen))];
        state.sources = Arc::new(newest.into_iter().chain(state.sources.iter().cloned()).collect());
        self.seen = Arc::clone(&state.sources);
        drop(state);
        let shared = Arc::clone(&self.shared);
        self.shared.background.write(Box::new(move || shared.write(&frozen)));
        Ok(())
    }

    /// Looks in what is frozen and in the tiers: `Some(None)` when the page is removed.
    fn find(&mut self, group: KeyGroup, key: &[u8], out: &mut Vec<u8>) -> Result<bool, PageError> {
        full_key(group.0, key, &mut self.key);
        let hash = bloom::hash(&self.key);
        for source in self.seen.iter() {
            let place = match source {
                Source::Frozen(frozen) => match frozen.memtable.get(group, key) {
                    Some(value) => return Ok(append(value, out)),
                    None => None,
                },
                Source::Tier(tier) => tier.place_of(&self.key, hash),
            };
            let Some((run, block)) = place else { continue };
            if let Some(value) = self.cache.get(run, block)?.find(&self.key) {
                return Ok(append(value, out));
            }
        }
        Ok(false)
    }
}

fn append(value: Option<&[u8]>, out: &mut Vec<u8>) -> bool {
    out.extend_from_slice(value.unwrap_or_default());
    value.is_some()
}

impl PageStore for Runs {
    fn apply(&mut self, changes: &mut dyn Iterator<Item = Change>) -> Result<(), PageError> {
        for (group, key, value) in changes {
            self.active.put(group, key, value);
            if self.active.bytes() >= self.shared.options.write_buffer_bytes {
                self.rotate()?;
            }
        }
        Ok(())
    }

    fn read(&mut self, group: KeyGroup, key: &[u8], out: &mut Vec<u8>) -> Result<bool, PageError> {
        if let Some(value) = self.active.get(group, key) {
            return Ok(append(value, out));
        }
        self.look()?;
        self.find(group, key, out)
    }

    /// In order of key, so that keys of one block come one after the other.
    fn read_many(
        &mut self,
        keys: &[(KeyGroup, &[u8])],
        found: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<(), PageError> {
        self.look()?;
        let mut order: Vec<usize> = (0..keys.len()).collect();
        order.sort_unstable_by_key(|index| (keys[*index].0, keys[*index].1));
        let mut value = vec![];
        for index in order {
            let (group, key) = keys[index];
            if let Some(active) = self.active.get(group, key) {
                if let Some(value) = active {
                    found(index, value);
                }
                continue;
            }
            value.clear();
            if self.find(group, key, &mut value)? {
                found(index, &value);
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
        self.look()?;
        let range = KeyGroupRange { start: group.0, end: group.0 + 1 };
        full_key(group.0, prefix, &mut self.key);
        let seen = Arc::clone(&self.seen);
        let active = self.active.select(range, prefix);
        let frozen: Vec<_> = (seen.iter())
            .map(|source| match source {
                Source::Frozen(frozen) => frozen.memtable.select(range, prefix),
                Source::Tier(_) => vec![],
            })
            .collect();
        let (cache, from) = (&mut self.cache, &self.key);
        let mut load = |run: &super::run::Run, block| cache.get(run, block);
        let mut all = vec![Cursor::Memory(&active)];
        for (source, selected) in seen.iter().zip(&frozen) {
            match source {
                Source::Frozen(_) => all.push(Cursor::Memory(selected)),
                Source::Tier(tier) => {
                    all.append(&mut cursors(std::slice::from_ref(tier), from, &mut load)?);
                }
            }
        }
        merge(all, &mut load, &mut |full, value| {
            if !full.starts_with(from) {
                return Ok(false);
            }
            if let Some(value) = value {
                visit(split_key(full).1, value);
            }
            Ok(true)
        })
    }

    fn walk(
        &mut self,
        group: KeyGroup,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), PageError> {
        self.look()?;
        full_key(group.0, from, &mut self.key);
        let (cache, from_full, seen) = (&mut self.cache, &self.key, Arc::clone(&self.seen));
        let mut load = |run: &super::run::Run, block| cache.get(run, block);
        let mut all = vec![Cursor::Memtable(self.active.walk(group, from))];
        for source in seen.iter() {
            match source {
                Source::Frozen(frozen) => {
                    all.push(Cursor::Memtable(frozen.memtable.walk(group, from)));
                }
                Source::Tier(tier) => {
                    all.append(&mut cursors(std::slice::from_ref(tier), from_full, &mut load)?);
                }
            }
        }
        merge(all, &mut load, &mut |full, value| {
            let (of, key) = split_key(full);
            Ok(of == group.0 && value.is_none_or(|value| visit(key, value)))
        })
    }

    /// Does not wait for the disk, unless too much is on its way to it already.
    fn freeze(&mut self) -> Result<RunSet, PageError> {
        self.rotate()?;
        Ok(RunSet { sources: self.seen.to_vec() })
    }

    fn bytes(&self) -> u64 {
        let state = self.shared.state.lock();
        let sources = state.sources.iter().map(|source| match source {
            Source::Frozen(frozen) => frozen.memtable.bytes() as u64,
            Source::Tier(tier) => tier.page_bytes(),
        });
        sources.sum::<u64>() + self.active.bytes() as u64
    }

    fn index_bytes(&self) -> u64 {
        let state = self.shared.state.lock();
        let tiers = state.sources.iter().filter_map(|source| match source {
            Source::Frozen(_) => None,
            Source::Tier(tier) => Some(tier.index_bytes()),
        });
        tiers.sum()
    }
}

impl Drop for Runs {
    fn drop(&mut self) {
        // What is frozen is still written: a checkpoint may wait for it.
        self.shared.is_closed.store(true, Ordering::Relaxed);
    }
}

impl Shared {
    fn with_target<T>(&self, use_it: impl FnOnce(&Target<'_>) -> T) -> T {
        let name = || {
            let number = self.next_run.fetch_add(1, Ordering::Relaxed);
            format!("{}-{number}.run", self.options.prefix)
        };
        use_it(&Target {
            directory: &self.options.directory,
            format: self.options.format,
            file_bytes: self.options.file_bytes,
            name: &name,
            is_given_up: &|| self.is_closed.load(Ordering::Relaxed),
        })
    }

    /// Writes a frozen memtable, and puts its tier in its place.
    fn write(self: &Arc<Shared>, frozen: &Arc<Frozen>) {
        let written = self.with_target(|target| {
            let mut writer = TierWriter::new(target);
            frozen.memtable.for_each(|key, value| writer.put(key, value))?;
            writer.finish().map(Arc::new)
        });
        let written = written.map_err(|error| crate::error::chain(&error));
        let mut state = self.state.lock();
        match &written {
            Ok(tier) => {
                let is_it = |source: &Source| match source {
                    Source::Frozen(other) => Arc::ptr_eq(frozen, other),
                    Source::Tier(_) => false,
                };
                let mut sources = state.sources.to_vec();
                if let Some(at) = sources.iter().position(is_it) {
                    sources[at] = Source::Tier(Arc::clone(tier));
                }
                state.sources = Arc::new(sources);
            }
            Err(reason) => state.failed = Some(reason.clone()),
        }
        Shared::merge_when_due(self, &mut state);
        drop(state);
        frozen.finish(written);
        self.changed.notify_all();
    }

    /// Hands the next merge to a thread, one at a time for each store.
    fn merge_when_due(this: &Arc<Shared>, state: &mut State) {
        if state.is_merging || state.failed.is_some() || this.is_closed.load(Ordering::Relaxed) {
            return;
        }
        // Only behind the oldest that is still being written: what lies between two tiers
        // must not be overtaken.
        let behind = state.sources.iter().rposition(|source| as_tier(source).is_none());
        let settled = &state.sources[behind.map_or(0, |at| at + 1)..];
        let tiers: Vec<Arc<Tier>> = settled.iter().filter_map(as_tier).collect();
        let sizes: Vec<u64> = tiers.iter().map(|tier| tier.bytes()).collect();
        let Some(range) = choose(&sizes, this.options.merge_at) else { return };
        state.is_merging = true;
        let is_oldest = range.end == tiers.len();
        let (shared, chosen) = (Arc::clone(this), tiers[range].to_vec());
        this.background.merge(Box::new(move || shared.merge(&chosen, is_oldest)));
    }

    fn merge(self: &Arc<Shared>, chosen: &[Arc<Tier>], is_oldest: bool) {
        let merged = self.with_target(|target| merge_tiers(chosen, is_oldest, target));
        let mut state = self.state.lock();
        state.is_merging = false;
        match merged {
            Ok(Some(tier)) => {
                state.sources = Arc::new(replaced(&state.sources, chosen, tier));
                Shared::merge_when_due(self, &mut state);
            }
            Ok(None) => {}
            Err(error) => state.failed = Some(crate::error::chain(&error)),
        }
        drop(state);
        self.changed.notify_all();
    }
}

fn as_tier(source: &Source) -> Option<Arc<Tier>> {
    match source {
        Source::Tier(tier) => Some(Arc::clone(tier)),
        Source::Frozen(_) => None,
    }
}

/// The sources with one tier where `chosen` were: neighbours, since tiers come in
/// front alone.
fn replaced(sources: &[Source], chosen: &[Arc<Tier>], merged: Tier) -> Vec<Source> {
    let is_chosen = |source: &Source| {
        as_tier(source).is_some_and(|tier| chosen.iter().any(|other| Arc::ptr_eq(&tier, other)))
    };
    let at = sources.iter().position(is_chosen).unwrap_or(sources.len());
    let mut left: Vec<Source> =
        sources.iter().filter(|source| !is_chosen(source)).cloned().collect();
    if !merged.runs.is_empty() {
        left.insert(at, Source::Tier(Arc::new(merged)));
    }
    left
}

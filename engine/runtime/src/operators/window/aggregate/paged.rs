//! Windows larger than memory: a page is one key of one slice.
//!
//! A page's key begins with the slice, so the pages of a slice lie together within
//! their key group. Which slices there are is known in memory; which keys of a slice are
//! not in memory nobody keeps, only that there may be some: such a key is looked for in
//! the store when a row of it comes.
//!
//! A window of slices that are all in memory fires as without a store. Otherwise it
//! fires key group by key group: the pages of the group are read in order, what is in
//! memory counts before them, and what must stay is written back. Memory for that: all
//! keys of one key group in the slices of one window.
//!
//! When the tables outgrow their allowance, keys that were not used since the last time
//! go first, those of the slices that end first before others.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::RecordBatch;
use millrace_dataflow::graph::WindowKind;
use millrace_dataflow::key_group::{KeyGroup, key_group};
use millrace_state::pages::{Change, put_entry};
use millrace_state::{PageError, PageStore, row};

use super::{Input, SLICES, Slice, Span, WindowAggregate};
use crate::operator::{OperatorContext, OperatorError, Output, StateEntry, StateWriter};
use crate::operators::keys::KeySlab;
use crate::operators::window::pages::{Found, SPAN_BYTES, prefix_of, spans_in};

/// Used since slots were last looked through.
const USED: u8 = 1;
/// Differs from what the store has.
const DIRTY: u8 = 2;
/// The store has a page of it.
const STORED: u8 = 4;

/// Pages written at once: bounds the copies that are held meanwhile.
const PAGES_AT_ONCE: usize = 4096;
/// Entries restored before the tables are looked at again.
const ENTRIES_AT_ONCE: usize = 16 * 1024;

pub struct Pages {
    store: Box<dyn PageStore>,
    /// By slot.
    flags: Vec<u8>,
    /// Slices that may have pages of keys that are not in memory.
    absent: BTreeSet<Span>,
    /// Not told to the store yet.
    changes: Vec<Change>,
    max_parallelism: u16,
    /// The slices of the pages that were there before are in `absent`.
    is_known: bool,
}

impl Pages {
    pub fn new(store: Box<dyn PageStore>) -> Pages {
        let is_known = store.bytes() == 0;
        Pages {
            store,
            flags: Vec::new(),
            absent: BTreeSet::new(),
            changes: Vec::new(),
            max_parallelism: 1,
            is_known,
        }
    }

    pub fn stored_bytes(&self) -> u64 {
        self.store.bytes()
    }

    pub fn index_bytes(&self) -> u64 {
        self.store.index_bytes()
    }

    fn set(&mut self, slots: &[u32], flags: u8) {
        for &slot in slots {
            if self.flags.len() <= slot as usize {
                self.flags.resize(slot as usize + 1, 0);
            }
            self.flags[slot as usize] |= flags;
        }
    }

    /// The slots are used and changed.
    pub fn mark_used(&mut self, slots: &[u32]) {
        self.set(slots, USED | DIRTY);
    }

    fn has(&self, slot: u32, flag: u8) -> bool {
        self.flags.get(slot as usize).is_some_and(|flags| flags & flag != 0)
    }

    /// The keys are no more, and neither are their pages.
    pub fn remove(&mut self, slice: Span, slots: &[u32], slab: &KeySlab) {
        let prefix = prefix_of(slice);
        for &slot in slots {
            if self.has(slot, STORED) {
                let group = slab.group(slot, self.max_parallelism);
                self.changes.push((group, [&prefix, slab.key(slot)].concat(), None));
            }
            if let Some(flags) = self.flags.get_mut(slot as usize) {
                *flags = 0;
            }
        }
    }

    fn apply(&mut self) -> Result<(), PageError> {
        if self.changes.is_empty() {
            return Ok(());
        }
        self.store.apply(&mut std::mem::take(&mut self.changes).into_iter())
    }
}

impl WindowAggregate {
    fn pages(&mut self) -> &mut Pages {
        self.pages.as_mut().expect("called with pages alone")
    }

    pub(super) fn apply(&mut self) -> Result<(), OperatorError> {
        let Some(pages) = &mut self.pages else { return Ok(()) };
        pages.apply().map_err(|error| self.shape.lost(&error))
    }

    /// Every slice that there is.
    pub(super) fn spans_held(&self) -> Vec<Span> {
        let absent = self.pages.iter().flat_map(|pages| &pages.absent);
        self.slices.keys().chain(absent).copied().collect()
    }

    /// The slices of a window of which keys may not be in memory.
    pub(super) fn absent_of(&self, window: Span) -> Vec<Span> {
        let Some(pages) = self.pages.as_ref().filter(|pages| !pages.absent.is_empty()) else {
            return Vec::new();
        };
        let Input::Assign { slices, .. } = &self.input else {
            return pages.absent.get(&window).copied().into_iter().collect();
        };
        let last = slices.of(window.end - 1);
        let upto = Span { end: window.end, start: i64::MAX };
        let parts: Vec<Span> = match slices.kind() {
            WindowKind::Hop { .. } => return pages.absent.range(..=upto).copied().collect(),
            WindowKind::Cumulate { .. } => vec![slices.base(last), last],
            WindowKind::Tumble { .. } | WindowKind::Session { .. } => vec![window],
        };
        parts.into_iter().filter(|part| pages.absent.contains(part)).collect()
    }

    /// Loads what the store has of the rows' keys.
    pub(super) fn bring(
        &mut self,
        record: &RecordBatch,
        targets: &[Span],
        ctx: &OperatorContext,
    ) -> Result<(), OperatorError> {
        let Some(pages) = &mut self.pages else { return Ok(()) };
        pages.max_parallelism = ctx.max_parallelism;
        if pages.absent.is_empty() || !targets.iter().any(|span| pages.absent.contains(span)) {
            return Ok(());
        }
        let keys = row::encode_column_subset(record, &self.keys);
        let mut wanted = Vec::new();
        for (key, span) in keys.iter().zip(targets) {
            let hash = row::hash(key);
            let slice = self.slices.get(span);
            let is_here =
                slice.is_some_and(|slice| slice.index.find(&self.slab, hash, key).is_some());
            if !is_here && pages.absent.contains(span) {
                wanted.push((*span, key_group(hash, ctx.max_parallelism), key));
            }
        }
        wanted.sort_unstable();
        wanted.dedup();
        let page_key = |(span, group, key): &(Span, KeyGroup, &[u8])| {
            (*group, [prefix_of(*span).as_slice(), key].concat())
        };
        let wanted: Vec<(KeyGroup, Vec<u8>)> = wanted.iter().map(page_key).collect();
        self.read(&wanted)
    }

    fn read(&mut self, wanted: &[(KeyGroup, Vec<u8>)]) -> Result<(), OperatorError> {
        let keys: Vec<(KeyGroup, &[u8])> =
            wanted.iter().map(|(group, key)| (*group, key.as_slice())).collect();
        let mut found = Found::default();
        let take = &mut |at: usize, page: &[u8]| found.take(keys[at].0, page);
        let read = self.pages().store.read_many(&keys, take);
        read.map_err(|error| self.shape.lost(&error))?;
        self.load_pages(found)
    }

    fn load_pages(&mut self, found: Found) -> Result<(), OperatorError> {
        let slots = self.load(&found.entries(&self.shape)?)?;
        self.pages().set(&slots, USED | STORED);
        Ok(())
    }

    /// Fires a window of which some slices are not all in memory.
    pub(super) fn fire_by_group(
        &mut self,
        window: Span,
        absent: &[Span],
        ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        let parts = self.parts_of(window, absent);
        let mut here = self.split(&parts, ctx);
        for span in absent {
            self.pages().absent.remove(span);
        }
        let mut kept: BTreeMap<Span, Slice> = BTreeMap::new();
        for group in ctx.key_groups.start..ctx.key_groups.end {
            let resident = here.remove(&group).unwrap_or_default();
            for (span, slots) in &resident {
                self.slices.insert(*span, slice_of(&self.slab, slots));
            }
            self.load_group(KeyGroup(group), absent)?;
            self.fire(window, out)?;
            for span in &parts {
                let Some(slice) = self.slices.remove(span) else { continue };
                let before = resident.get(span).map_or(0, Vec::len);
                let into = kept.entry(*span).or_default();
                for &slot in &slice.slots[..before] {
                    into.index.insert(&self.slab, slot);
                    into.slots.push(slot);
                }
                self.evict(*span, &slice.slots[before..])?;
            }
            self.apply()?;
        }
        kept.retain(|_, slice| !slice.slots.is_empty());
        self.slices.extend(kept);
        Ok(())
    }

    /// The slices that firing a window may change.
    fn parts_of(&self, window: Span, absent: &[Span]) -> Vec<Span> {
        let mut parts = absent.to_vec();
        match &self.input {
            Input::Assign { slices, .. } => match slices.kind() {
                WindowKind::Hop { .. } => parts.extend(self.slices_until(window.end)),
                WindowKind::Cumulate { .. } => {
                    let last = slices.of(window.end - 1);
                    parts.extend([slices.base(last), last]);
                }
                WindowKind::Tumble { .. } | WindowKind::Session { .. } => parts.push(window),
            },
            Input::Attached { .. } => parts.push(window),
        }
        parts.sort_unstable();
        parts.dedup();
        parts
    }

    /// Takes the slices out: their slots by key group.
    fn split(
        &mut self,
        parts: &[Span],
        ctx: &OperatorContext,
    ) -> BTreeMap<u16, BTreeMap<Span, Vec<u32>>> {
        let mut groups: BTreeMap<u16, BTreeMap<Span, Vec<u32>>> = BTreeMap::new();
        for span in parts {
            for slot in self.slices.remove(span).unwrap_or_default().slots {
                let group = self.slab.group(slot, ctx.max_parallelism);
                groups.entry(group.0).or_default().entry(*span).or_default().push(slot);
            }
        }
        groups
    }

    /// Loads the pages of some slices that are not in memory.
    fn load_group(&mut self, group: KeyGroup, absent: &[Span]) -> Result<(), OperatorError> {
        for span in absent {
            let mut found = Found::default();
            let slice = self.slices.get(span);
            let pages = self.pages.as_mut().expect("called with pages alone");
            let read = pages.store.scan(group, &prefix_of(*span), &mut |page_key, page| {
                let key = &page_key[SPAN_BYTES.min(page_key.len())..];
                let held = slice.and_then(|s| s.index.find(&self.slab, row::hash(key), key));
                if held.is_none() {
                    found.take(group, page);
                }
            });
            read.map_err(|error| self.shape.lost(&error))?;
            self.load_pages(found)?;
        }
        Ok(())
    }

    /// Drops keys until the tables fit into three quarters of what they may take.
    pub(super) fn shrink(&mut self, ctx: &OperatorContext) -> Result<(), OperatorError> {
        let Some(account) = &self.account else { return Ok(()) };
        let allowance = usize::try_from(account.allowance()).unwrap_or(usize::MAX);
        if self.memory_bytes() <= allowance {
            return Ok(());
        }
        self.pages().max_parallelism = ctx.max_parallelism;
        for _ in 0..2 {
            let spans: Vec<Span> = self.slices.keys().copied().collect();
            for span in spans {
                let memory = self.memory_bytes();
                let beyond = memory.saturating_sub(allowance / 4 * 3);
                if beyond == 0 {
                    return Ok(());
                }
                let each = (memory / self.slab.live().max(1)).max(1);
                self.evict_unused(span, beyond.div_ceil(each))?;
            }
        }
        Ok(())
    }

    /// Drops keys of a slice that were not used since they were last looked at.
    fn evict_unused(&mut self, span: Span, most: usize) -> Result<(), OperatorError> {
        let Some(mut slice) = self.slices.remove(&span) else { return Ok(()) };
        let flags = &mut self.pages().flags;
        let mut victims = Vec::new();
        slice.slots.retain(|&slot| {
            let flags = &mut flags[slot as usize];
            let goes = *flags & USED == 0 && victims.len() < most;
            *flags &= !USED;
            if goes {
                victims.push(slot);
            }
            !goes
        });
        victims.iter().for_each(|&slot| slice.index.remove(&self.slab, slot));
        if !slice.slots.is_empty() {
            self.slices.insert(span, slice);
        }
        self.evict(span, &victims)?;
        self.apply()
    }

    /// Lets slots go that no index has any more; their pages stay.
    fn evict(&mut self, span: Span, slots: &[u32]) -> Result<(), OperatorError> {
        if slots.is_empty() {
            return Ok(());
        }
        self.write(span, slots)?;
        self.pages().absent.insert(span);
        for &slot in slots {
            self.pages().flags[slot as usize] = 0;
            self.calls.clear(slot);
            self.slab.release(slot);
        }
        Ok(())
    }

    /// Writes those of a slice's keys that changed.
    fn write(&mut self, span: Span, slots: &[u32]) -> Result<(), OperatorError> {
        let pages = self.pages.as_mut().expect("called with pages alone");
        let dirty: Vec<u32> =
            slots.iter().copied().filter(|&slot| pages.has(slot, DIRTY)).collect();
        let prefix = prefix_of(span);
        for slots in dirty.chunks(PAGES_AT_ONCE) {
            let values = row::encode(&self.calls.save(slots));
            for (at, &slot) in slots.iter().enumerate() {
                let key = [&prefix, self.slab.key(slot)].concat();
                let mut page = Vec::new();
                let value = if values.is_empty() { &[] } else { values.row(at) };
                put_entry(&mut page, SLICES, &key, value);
                let group = self.slab.group(slot, pages.max_parallelism);
                pages.changes.push((group, key, Some(page)));
                let flags = &mut pages.flags[slot as usize];
                *flags = (*flags & !DIRTY) | STORED;
            }
            if let Err(error) = pages.apply() {
                return Err(self.shape.lost(&error));
            }
        }
        Ok(())
    }

    /// Brings the store up to date and hands over its runs.
    pub(super) fn freeze(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        self.pages().max_parallelism = ctx.max_parallelism;
        let spans: Vec<Span> = self.slices.keys().copied().collect();
        for span in spans {
            let slots = std::mem::take(&mut self.slices.get_mut(&span).expect("its own key").slots);
            self.write(span, &slots)?;
            self.slices.get_mut(&span).expect("its own key").slots = slots;
        }
        self.apply()?;
        let runs = self.pages().store.freeze();
        writer.put_runs(runs.map_err(|error| self.shape.lost(&error))?);
        Ok(())
    }

    /// Takes entries that lie in no page yet, part by part.
    pub(super) fn restore_pages(
        &mut self,
        mut entries: Vec<StateEntry>,
        ctx: &OperatorContext,
    ) -> Result<(), OperatorError> {
        self.pages().max_parallelism = ctx.max_parallelism;
        if !self.pages().is_known {
            let pages = self.pages.as_mut().expect("called with pages alone");
            pages.absent = spans_in(pages.store.as_mut(), ctx, &self.shape, &mut |_| ())?;
            pages.is_known = true;
        }
        while !entries.is_empty() {
            let part = entries.split_off(entries.len().saturating_sub(ENTRIES_AT_ONCE));
            let slots = self.load(&part)?;
            self.pages().mark_used(&slots);
            self.shrink(ctx)?;
        }
        Ok(())
    }
}

fn slice_of(slab: &KeySlab, slots: &[u32]) -> Slice {
    let mut slice = Slice { slots: slots.to_vec(), ..Slice::default() };
    slots.iter().for_each(|&slot| slice.index.insert(slab, slot));
    slice
}

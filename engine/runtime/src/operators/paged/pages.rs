//! What goes between the tables of one operator and its page store.

use millrace_dataflow::Batch;
use millrace_dataflow::key_group::{KeyGroup, key_group};
use millrace_state::pages::{Change, put_entry, visit_entries};
use millrace_state::{PageError, PageStore, chain, row};

use super::Pageable;
use super::expiry::Expiry;
use super::timers::{Timers, timer_key};
use crate::memory::Account;
use crate::operator::{OperatorContext, OperatorError, StateEntry, StateWriter};
use crate::operators::keys::KeyTable;

/// Entries restored before the tables are looked at again.
const ENTRIES_AT_ONCE: usize = 16 * 1024;
/// Of an entry in a page beside its key and its value.
const ENTRY_BYTES: usize = 9;
/// Keys whose time has come that are loaded at once, if they fit into memory.
const MOST_AWAKE: usize = 4096;
/// That many even if they do not.
const LEAST_AWAKE: usize = 64;
/// Removals kept in memory until the next barrier.
const MOST_DEAD: usize = 64 * 1024;

pub struct Pages {
    store: Box<dyn PageStore>,
    name: String,
    expiry: Expiry,
    /// Anything was ever written: else no key needs to be looked for.
    has_pages: bool,
    /// A page may be there whose key is not in memory.
    has_absent: bool,
    timers: Timers,
    most_awake: usize,
}

/// A key of a batch that is not in memory: its hash and its row.
type Missing = (u64, u32);

impl Pages {
    pub fn new(store: Box<dyn PageStore>, name: &str) -> Pages {
        let has_pages = store.bytes() > 0;
        Pages {
            store,
            name: name.to_owned(),
            expiry: Expiry::default(),
            has_pages,
            has_absent: has_pages,
            timers: Timers::new(has_pages),
            most_awake: MOST_AWAKE,
        }
    }

    pub fn stored_bytes(&self) -> u64 {
        self.store.bytes()
    }

    pub fn index_bytes(&self) -> u64 {
        self.store.index_bytes()
    }

    /// Loads what the store has of the batch's keys, and notes that they are used.
    pub fn bring<O: Pageable>(
        &mut self,
        operator: &mut O,
        input: usize,
        batch: &Batch,
        ctx: &OperatorContext,
    ) -> Result<(), OperatorError> {
        self.expiry.begin(ctx.processing_time_ms);
        if !self.has_absent && operator.marks_what_it_uses() {
            return Ok(());
        }
        let keys = row::encode_column_subset(&batch.record, operator.key_columns(input));
        let dirty = operator.changes_what_it_touches();
        let table = operator.table_mut();
        let mut missing: Vec<Missing> = Vec::new();
        for (at, key) in keys.iter().enumerate() {
            let hash = row::hash(key);
            match table.find(hash, key) {
                Some(slot) => table.touch(slot, dirty),
                None if table.is_dead(hash, key) => {}
                None => missing.push((hash, at as u32)),
            }
        }
        if missing.is_empty() || !self.has_pages {
            return Ok(());
        }
        let key = |missing: &Missing| keys.row(missing.1 as usize);
        missing.sort_unstable_by(|a, b| a.0.cmp(&b.0).then_with(|| key(a).cmp(key(b))));
        missing.dedup_by(|a, b| a.0 == b.0 && key(a) == key(b));
        let wanted: Vec<(KeyGroup, &[u8])> =
            missing.iter().map(|at| (key_group(at.0, ctx.max_parallelism), key(at))).collect();
        let hash = |at: usize| missing[at].0;
        let loaded = self.load(operator, &wanted, hash, dirty, ctx)?;
        if operator.has_timers() {
            for slot in loaded {
                let due_ms = operator.due_ms(slot);
                operator.table_mut().set_timer(slot, due_ms);
            }
        }
        Ok(())
    }

    /// The slots of those pages that are there.
    fn load<O: Pageable>(
        &mut self,
        operator: &mut O,
        wanted: &[(KeyGroup, &[u8])],
        hash: impl Fn(usize) -> u64,
        dirty: bool,
        ctx: &OperatorContext,
    ) -> Result<Vec<u32>, OperatorError> {
        let (entries, found) = self.read(wanted)?;
        operator.restore(ctx, entries)?;
        let table = operator.table_mut();
        let slots = found.into_iter().filter_map(|at| table.find(hash(at), wanted[at].1));
        let slots: Vec<u32> = slots.collect();
        slots.iter().for_each(|&slot| table.note_loaded(slot, dirty));
        Ok(slots)
    }

    /// When the first timer in the store may go off.
    pub fn first_timer_ms(&self) -> Option<i64> {
        self.timers.first_ms()
    }

    /// Loads keys whose time has come; whether there are more.
    pub fn wake<O: Pageable>(
        &mut self,
        operator: &mut O,
        account: Option<&Account>,
        ctx: &OperatorContext,
    ) -> Result<bool, OperatorError> {
        if !operator.has_timers() || !self.has_pages {
            return Ok(false);
        }
        let now_ms = operator.time_ms(ctx);
        let due = self.timers.take_due(self.store.as_mut(), now_ms, self.most_awake, ctx);
        let (due, has_more) = due.map_err(|error| self.failed(&error))?;
        if due.is_empty() {
            return Ok(has_more);
        }
        let mut removals: Vec<Change> = Vec::with_capacity(due.len());
        let mut absent: Vec<(KeyGroup, &[u8])> = Vec::new();
        let table = operator.table_mut();
        for (group, time_ms, key) in &due {
            removals.push((*group, timer_key(*time_ms, key), None));
            let hash = row::hash(key);
            match table.find(hash, key) {
                Some(slot) => {
                    // Its time may have changed since: it is written anew.
                    table.touch(slot, true);
                    if let Some(other_ms) = table.set_timer(slot, None) {
                        removals.push((*group, timer_key(other_ms, key), None));
                    }
                }
                None if table.is_dead(hash, key) => {}
                None => absent.push((*group, key)),
            }
        }
        // A key may have an earlier timer that was good for nothing.
        absent.sort_unstable();
        absent.dedup();
        let hash = |at: usize| row::hash(absent[at].1);
        self.load(operator, &absent, hash, true, ctx)?;
        self.apply(removals)?;
        let allowance = account.map_or(u64::MAX, Account::allowance);
        let fits = operator.memory_bytes() as u64 <= allowance;
        let most = if fits { self.most_awake * 2 } else { self.most_awake / 2 };
        self.most_awake = most.clamp(LEAST_AWAKE, MOST_AWAKE);
        Ok(has_more)
    }

    /// The entries of the pages that are there, and which those are.
    fn read(
        &mut self,
        wanted: &[(KeyGroup, &[u8])],
    ) -> Result<(Vec<StateEntry>, Vec<usize>), OperatorError> {
        let (mut entries, mut found, mut bad) = (Vec::new(), Vec::new(), None);
        let mut take = |at: usize, page: &[u8]| {
            let put = |table: u8, key: &[u8], value: &[u8]| {
                let (key, value) = (key.to_vec(), value.to_vec());
                entries.push(StateEntry { key_group: Some(wanted[at].0), table, key, value });
            };
            found.push(at);
            bad = visit_entries(page, put).err().or(bad.take());
        };
        let read = self.store.read_many(wanted, &mut take);
        read.map_err(|error| self.failed(&error))?;
        match bad {
            Some(message) => {
                Err(OperatorError::DamagedState { operator: self.name.clone(), message })
            }
            None => Ok((entries, found)),
        }
    }

    /// Drops keys until the tables fit into three quarters of what they may take.
    pub fn shrink<O: Pageable>(
        &mut self,
        operator: &mut O,
        account: Option<&Account>,
        ctx: &OperatorContext,
    ) -> Result<(), OperatorError> {
        if operator.table().dead() > MOST_DEAD {
            self.bury(operator.table_mut(), ctx)?;
        }
        let Some(account) = account else { return Ok(()) };
        let allowance = usize::try_from(account.allowance()).unwrap_or(usize::MAX);
        if operator.memory_bytes() <= allowance {
            return Ok(());
        }
        let at_once = operator.slots_at_once();
        while operator.memory_bytes() > allowance / 4 * 3 {
            let mut victims = operator.table_mut().victims(at_once);
            victims.retain(|&slot| !operator.is_pinned(slot));
            if victims.is_empty() {
                break;
            }
            let dirty: Vec<u32> =
                victims.iter().copied().filter(|&slot| operator.table().is_dirty(slot)).collect();
            self.write(operator, &dirty, ctx)?;
            self.has_absent = true;
            operator.forget(&victims);
        }
        Ok(())
    }

    /// Writes the pages of these slots; one without entries is removed.
    fn write<O: Pageable>(
        &mut self,
        operator: &mut O,
        slots: &[u32],
        ctx: &OperatorContext,
    ) -> Result<(), OperatorError> {
        if slots.is_empty() {
            return Ok(());
        }
        self.bury_timers(operator.table_mut(), ctx)?;
        let has_timers = operator.has_timers();
        let mut pages: Vec<Vec<u8>> = vec![Vec::new(); slots.len()];
        let mut key_of_entry = Vec::new();
        let slab = &operator.table().slab;
        operator.save(slots, ctx, &mut |at, table, prefix, value| {
            key_of_entry.clear();
            key_of_entry.extend_from_slice(prefix);
            key_of_entry.extend_from_slice(slab.key(slots[at]));
            let page = &mut pages[at];
            if page.is_empty() {
                page.reserve_exact(ENTRY_BYTES + key_of_entry.len() + value.len());
            }
            put_entry(page, table, &key_of_entry, value);
        });
        let mut changes: Vec<Change> = Vec::with_capacity(slots.len());
        for (&slot, page) in slots.iter().zip(pages) {
            let is_there = !page.is_empty();
            let due_ms = if has_timers && is_there { operator.due_ms(slot) } else { None };
            let table = operator.table_mut();
            let group = table.slab.group(slot, ctx.max_parallelism);
            if has_timers {
                let before_ms = table.set_timer(slot, due_ms);
                let key = table.slab.key(slot);
                self.timers.change((group, key), before_ms, due_ms, ctx, &mut changes);
            }
            if is_there || table.is_stored(slot) {
                changes.push((group, table.slab.key(slot).to_vec(), is_there.then_some(page)));
            }
            table.note_written(slot, is_there);
        }
        self.apply(changes)
    }

    /// Removes the pages of keys that died, but for those that came again: their pages
    /// are or will be written anew.
    fn bury(&mut self, table: &mut KeyTable, ctx: &OperatorContext) -> Result<(), OperatorError> {
        self.bury_timers(table, ctx)?;
        let dead = table.take_dead();
        let mut changes: Vec<Change> = Vec::with_capacity(dead.len());
        for (hash, key) in dead {
            match table.find(hash, &key) {
                // Written or not: removed when it dies again.
                Some(slot) => table.note_stored(slot),
                None => changes.push((key_group(hash, ctx.max_parallelism), key, None)),
            }
        }
        self.apply(changes)
    }

    /// Removes the timers of keys that died.
    fn bury_timers(
        &mut self,
        table: &mut KeyTable,
        ctx: &OperatorContext,
    ) -> Result<(), OperatorError> {
        let dead = table.take_dead_timers().into_iter();
        let removal = |(hash, key, time_ms): (u64, Vec<u8>, i64)| {
            (key_group(hash, ctx.max_parallelism), timer_key(time_ms, &key), None)
        };
        self.apply(dead.map(removal).collect())
    }

    fn apply(&mut self, changes: Vec<Change>) -> Result<(), OperatorError> {
        if changes.is_empty() {
            return Ok(());
        }
        self.has_pages = true;
        self.store.apply(&mut changes.into_iter()).map_err(|error| self.failed(&error))
    }

    /// Brings the store up to date and hands over its runs.
    pub fn snapshot<O: Pageable>(
        &mut self,
        operator: &mut O,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        self.bury(operator.table_mut(), ctx)?;
        let dirty = operator.table().dirty();
        for slots in dirty.chunks(operator.slots_at_once()) {
            self.write(operator, slots, ctx)?;
        }
        let expired = self.expiry.look(self.store.as_mut(), operator, ctx);
        let expired = expired.map_err(|error| self.failed(&error))?;
        self.apply(expired)?;
        writer.put_runs(self.store.freeze().map_err(|error| self.failed(&error))?);
        Ok(())
    }

    /// Takes entries that lie in no page yet: they are loaded part by part, so that the
    /// tables never outgrow what they may take.
    pub fn restore<O: Pageable>(
        &mut self,
        operator: &mut O,
        account: Option<&Account>,
        ctx: &OperatorContext,
        mut entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        self.expiry.begin(ctx.processing_time_ms);
        let prefixes: Vec<usize> = (0..=u8::MAX).map(|table| operator.prefix_of(table)).collect();
        let key = |entry: &StateEntry| entry.key.len().min(prefixes[usize::from(entry.table)]);
        entries.sort_by(|a, b| a.key[key(a)..].cmp(&b.key[key(b)..]));
        while !entries.is_empty() {
            let mut cut = entries.len().saturating_sub(ENTRIES_AT_ONCE);
            let first = |at: usize| &entries[at].key[key(&entries[at])..];
            while cut > 0 && first(cut - 1) == first(cut) {
                cut -= 1;
            }
            let part = entries.split_off(cut);
            operator.restore(ctx, part)?;
            self.shrink(operator, account, ctx)?;
        }
        Ok(())
    }

    fn failed(&self, error: &PageError) -> OperatorError {
        let (operator, message) = (self.name.clone(), chain(error));
        match error {
            PageError::Damaged { .. } => OperatorError::DamagedState { operator, message },
            PageError::Disk { .. } => OperatorError::Failed { operator, message },
        }
    }
}

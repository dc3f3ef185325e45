//! What goes between the tables of one operator and its page store.

use millrace_dataflow::Batch;
use millrace_dataflow::key_group::{KeyGroup, key_group};
use millrace_state::pages::{Change, put_entry, visit_entries};
use millrace_state::{PageError, PageStore, chain, row};

use super::Pageable;
use super::expiry::Expiry;
use crate::memory::Account;
use crate::operator::{OperatorContext, OperatorError, StateEntry, StateWriter};
use crate::operators::keys::KeyTable;

/// Slots saved or dropped at once: bounds the copies that are held meanwhile.
const SLOTS_AT_ONCE: usize = 1024;
/// Entries restored before the tables are looked at again.
const ENTRIES_AT_ONCE: usize = 16 * 1024;
/// Of an entry in a page beside its key and its value.
const ENTRY_BYTES: usize = 9;
/// Removals kept in memory until the next barrier.
const MOST_DEAD: usize = 64 * 1024;

pub struct Pages {
    store: Box<dyn PageStore>,
    name: String,
    expiry: Expiry,
    /// Anything was ever written: else no key needs to be looked for.
    has_pages: bool,
}

/// A key of a batch that is not in memory: its hash and its row.
type Missing = (u64, u32);

impl Pages {
    pub fn new(store: Box<dyn PageStore>, name: &str) -> Pages {
        let has_pages = store.bytes() > 0;
        Pages { store, name: name.to_owned(), expiry: Expiry::default(), has_pages }
    }

    pub fn stored_bytes(&self) -> u64 {
        self.store.bytes()
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
        let (entries, found) = self.read(&wanted)?;
        operator.restore(ctx, entries)?;
        let table = operator.table_mut();
        for at in found {
            if let Some(slot) = table.find(missing[at].0, wanted[at].1) {
                table.note_loaded(slot, dirty);
            }
        }
        Ok(())
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
        while operator.memory_bytes() > allowance / 4 * 3 {
            let mut victims = operator.table_mut().victims(SLOTS_AT_ONCE);
            victims.retain(|&slot| !operator.is_pinned(slot));
            if victims.is_empty() {
                break;
            }
            let dirty: Vec<u32> =
                victims.iter().copied().filter(|&slot| operator.table().is_dirty(slot)).collect();
            self.write(operator, &dirty, ctx)?;
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
        let table = operator.table_mut();
        let mut changes: Vec<Change> = Vec::with_capacity(slots.len());
        for (&slot, page) in slots.iter().zip(pages) {
            let group = table.slab.group(slot, ctx.max_parallelism);
            let is_there = !page.is_empty();
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
        for slots in dirty.chunks(SLOTS_AT_ONCE) {
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
        let prefix = operator.prefix_bytes();
        let key = |entry: &StateEntry| entry.key.len().min(prefix);
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

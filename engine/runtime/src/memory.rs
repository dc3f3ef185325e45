//! How much memory the state of one process may take, and how much it takes.
//!
//! Flow: every operator of every subtask has an [`Account`], set after each call to
//! what its tables take. Operators that keep pages ask it for their allowance and drop
//! what is beyond; an operator without pages has nowhere to put its state, so when all
//! accounts together pass the limit, the job fails with the greatest of them named,
//! before the operating system ends the process without a word.
//!
//! Source of the options: Flink `taskmanager.memory.managed.size`, `.fraction`,
//! `taskmanager.numberOfTaskSlots`.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Weak};

use millrace_dataflow::settings::parse_size_bytes;
use parking_lot::Mutex;

use crate::settings::BadSetting;

/// Memory of one Kinesis Processing Unit (AWS: 1 vCPU and 4 GB).
pub const KPU_BYTES: u64 = 4 << 30;

const MANAGED_SIZE: &str = "taskmanager.memory.managed.size";
const MANAGED_FRACTION: &str = "taskmanager.memory.managed.fraction";
const SLOTS: &str = "taskmanager.numberOfTaskSlots";

/// What the state of one process may take, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MemoryLimits {
    /// What operators with pages keep their tables within, together with the others.
    pub budget_bytes: u64,
    /// More than this fails the job.
    pub limit_bytes: u64,
}

impl MemoryLimits {
    /// For tests and trials: no bound at all.
    pub const NONE: MemoryLimits = MemoryLimits { budget_bytes: u64::MAX, limit_bytes: u64::MAX };

    /// `process_bytes`: the memory of this process, which has all subtasks of the job.
    /// A TaskManager has `taskmanager.numberOfTaskSlots` of them.
    ///
    /// The limit is half of the process's memory: tables take up to twice what is in
    /// them while they grow, and a snapshot is a copy; or the budget and a quarter, if
    /// that was set higher.
    ///
    /// # Errors
    /// An option with a value that cannot be used.
    pub fn of(
        settings: &BTreeMap<String, String>,
        process_bytes: u64,
        parallelism: u16,
    ) -> Result<MemoryLimits, BadSetting> {
        let budget_bytes = match settings.get(MANAGED_SIZE) {
            Some(text) => {
                let size = parse_size_bytes(text.trim())
                    .map_err(|error| bad(MANAGED_SIZE, error.to_string()))?;
                (size / slots(settings)?).saturating_mul(u64::from(parallelism))
            }
            None => (process_bytes as f64 * fraction(settings)?) as u64,
        };
        let limit_bytes = (process_bytes / 2).max(budget_bytes.saturating_add(budget_bytes / 4));
        Ok(MemoryLimits { budget_bytes, limit_bytes })
    }
}

fn slots(settings: &BTreeMap<String, String>) -> Result<u64, BadSetting> {
    let Some(text) = settings.get(SLOTS) else { return Ok(1) };
    let slots: Option<u64> = text.trim().parse().ok().filter(|slots| *slots > 0);
    slots.ok_or_else(|| bad(SLOTS, format!("'{text}' is no number of slots")))
}

fn fraction(settings: &BTreeMap<String, String>) -> Result<f64, BadSetting> {
    let Some(text) = settings.get(MANAGED_FRACTION) else { return Ok(0.4) };
    let fraction: Option<f64> = text.trim().parse().ok().filter(|part| (0.0..1.0).contains(part));
    fraction.ok_or_else(|| bad(MANAGED_FRACTION, format!("'{text}' is not between 0 and 1")))
}

fn bad(key: &str, reason: String) -> BadSetting {
    BadSetting { key: key.to_owned(), reason }
}

/// What the state of one operator's subtask takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StateBytes {
    /// Of its tables, an estimate from counters.
    pub memory: u64,
    /// Of its page store: keys and values.
    pub stored: u64,
    /// Of the filters and indexes of its page store, in memory.
    pub indexes: u64,
}

impl StateBytes {
    /// Of an operator without pages.
    pub fn in_memory(bytes: usize) -> StateBytes {
        StateBytes { memory: bytes as u64, ..StateBytes::default() }
    }
}

/// The accounts of one process.
#[derive(Debug)]
pub struct StateMemory {
    limits: MemoryLimits,
    /// What the buffers and the cache of each page store may take.
    store_bytes: u64,
    used: AtomicU64,
    /// Part of `used`: operators that keep pages, and how many those are.
    paged: AtomicU64,
    pagers: AtomicU64,
    accounts: Mutex<Vec<Weak<Account>>>,
}

/// What one operator's subtask takes.
#[derive(Debug)]
pub struct Account {
    all: Arc<StateMemory>,
    name: String,
    keeps_pages: bool,
    /// Of its tables.
    used: AtomicU64,
    /// Of the filters and indexes of its store: they cannot be dropped, so they count as
    /// what operators without pages take.
    indexes: AtomicU64,
}

impl StateMemory {
    pub fn shared(limits: MemoryLimits) -> Arc<StateMemory> {
        StateMemory::with_stores(limits, 0, 0)
    }

    /// With page stores that want so many bytes each: together they get at most a
    /// quarter of the budget.
    pub fn with_stores(limits: MemoryLimits, stores: u64, wanted: u64) -> Arc<StateMemory> {
        let store_bytes = wanted.min(limits.budget_bytes / 4 / stores.max(1));
        let budget_bytes = limits.budget_bytes.saturating_sub(store_bytes * stores);
        Arc::new(StateMemory {
            limits: MemoryLimits { budget_bytes, ..limits },
            store_bytes,
            used: AtomicU64::new(0),
            paged: AtomicU64::new(0),
            pagers: AtomicU64::new(0),
            accounts: Mutex::new(Vec::new()),
        })
    }

    pub fn store_bytes(&self) -> usize {
        usize::try_from(self.store_bytes).unwrap_or(usize::MAX)
    }

    pub fn open(self: &Arc<StateMemory>, name: &str, keeps_pages: bool) -> Arc<Account> {
        self.pagers.fetch_add(u64::from(keeps_pages), Ordering::Relaxed);
        let account = Arc::new(Account {
            all: Arc::clone(self),
            name: name.to_owned(),
            keeps_pages,
            used: AtomicU64::new(0),
            indexes: AtomicU64::new(0),
        });
        self.accounts.lock().push(Arc::downgrade(&account));
        account
    }

    /// The operator that takes most, over all its subtasks.
    fn greatest(&self) -> (String, u64) {
        let mut by_name: BTreeMap<String, u64> = BTreeMap::new();
        for account in self.accounts.lock().iter().filter_map(Weak::upgrade) {
            let bytes = account.used() + account.indexes.load(Ordering::Relaxed);
            *by_name.entry(account.name.clone()).or_default() += bytes;
        }
        by_name.into_iter().max_by_key(|(_, used)| *used).unwrap_or_default()
    }
}

impl Account {
    fn used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }

    /// The tables, and the filters and indexes of the store, take this much now.
    ///
    /// # Errors
    /// All state together is beyond the limit: what to do about it.
    pub fn set(&self, state: StateBytes) -> Result<(), String> {
        // Differences may be negative: they wrap, and so do the sums.
        let of_tables = state.memory.wrapping_sub(self.used.swap(state.memory, Ordering::Relaxed));
        let of_indexes =
            state.indexes.wrapping_sub(self.indexes.swap(state.indexes, Ordering::Relaxed));
        if self.keeps_pages {
            self.all.paged.fetch_add(of_tables, Ordering::Relaxed);
        }
        let by = of_tables.wrapping_add(of_indexes);
        let used = self.all.used.fetch_add(by, Ordering::Relaxed).wrapping_add(by);
        if used <= self.all.limits.limit_bytes || (by as i64) <= 0 {
            return Ok(());
        }
        let (name, greatest) = self.all.greatest();
        Err(format!(
            "the state of this job takes about {} of memory, more than the {} that its process \
             may use for it; most of it, {}, is of {name}: set state.backend.type to rocksdb, \
             which keeps state on disk, give the job more parallelism and so more Kinesis \
             Processing Units, or bound the state with table.exec.state.ttl",
            readable(used),
            readable(self.all.limits.limit_bytes),
            readable(greatest)
        ))
    }

    /// What an operator with pages may take: an even share of what operators without
    /// pages leave, at least a quarter of the share it would have without those; or
    /// what nobody else uses.
    pub fn allowance(&self) -> u64 {
        let all = &self.all;
        let budget = all.limits.budget_bytes;
        let paged = all.paged.load(Ordering::Relaxed);
        let in_memory = all.used.load(Ordering::Relaxed).saturating_sub(paged);
        let pagers = all.pagers.load(Ordering::Relaxed).max(1);
        let left = budget.saturating_sub(in_memory);
        let others = paged.saturating_sub(self.used());
        (left / pagers).max(budget / 4 / pagers).max(left.saturating_sub(others))
    }
}

impl Drop for Account {
    fn drop(&mut self) {
        let used = self.used();
        let indexes = self.indexes.load(Ordering::Relaxed);
        self.all.used.fetch_sub(used + indexes, Ordering::Relaxed);
        if self.keeps_pages {
            self.all.paged.fetch_sub(used, Ordering::Relaxed);
            self.all.pagers.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

/// `1.5 GiB`.
fn readable(bytes: u64) -> String {
    let units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
    let mut size = bytes as f64;
    let mut unit = 0;
    while size >= 1024.0 && unit + 1 < units.len() {
        size /= 1024.0;
        unit += 1;
    }
    if unit == 0 { format!("{bytes} bytes") } else { format!("{size:.1} {}", units[unit]) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tables(bytes: usize) -> StateBytes {
        StateBytes::in_memory(bytes)
    }

    #[test]
    fn the_budget_is_the_managed_memory_of_the_slots_or_a_part_of_the_process() {
        let check = |pairs: &[(&str, &str)], parallelism, budget: u64, limit: u64| {
            let settings = pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
            let limits = MemoryLimits::of(&settings, 1000 << 20, parallelism).unwrap();
            assert_eq!(
                limits,
                MemoryLimits { budget_bytes: budget << 20, limit_bytes: limit << 20 }
            );
        };
        check(&[], 2, 400, 500);
        check(&[(MANAGED_FRACTION, "0.2")], 2, 200, 500);
        check(&[(MANAGED_SIZE, "128 mb")], 1, 128, 500);
        check(&[(MANAGED_SIZE, "128 mb")], 4, 512, 640);
        check(&[(MANAGED_SIZE, "128 mb"), (SLOTS, "2")], 4, 256, 500);
        for (key, value) in [(MANAGED_SIZE, "much"), (MANAGED_FRACTION, "1.5")] {
            let settings = BTreeMap::from([(key.to_owned(), value.to_owned())]);
            assert_eq!(MemoryLimits::of(&settings, 1, 1).unwrap_err().key, key);
        }
    }

    #[test]
    fn the_greatest_operator_is_named_when_all_pass_the_limit() {
        let limits = MemoryLimits { budget_bytes: 100, limit_bytes: 2 << 20 };
        let all = StateMemory::shared(limits);
        let [a, b, c] = ["Join", "Rank", "Rank"].map(|name| all.open(name, false));
        a.set(tables(900 << 10)).unwrap();
        b.set(tables(600 << 10)).unwrap();
        let message = c.set(tables(700 << 10)).unwrap_err();
        for part in ["2.1 MiB", "2.0 MiB", "1.3 MiB, is of Rank", "rocksdb", "Processing Units"] {
            assert!(message.contains(part), "{part}: {message}");
        }
        drop(a);
        c.set(tables(710 << 10)).unwrap();
    }

    #[test]
    fn the_buffers_of_page_stores_are_part_of_the_budget() {
        let check = |stores, wanted, each: usize, left: u64| {
            let limits = MemoryLimits { budget_bytes: 1000, limit_bytes: 2000 };
            let all = StateMemory::with_stores(limits, stores, wanted);
            assert_eq!((all.store_bytes(), all.open("a", true).allowance()), (each, left));
        };
        check(0, 48, 48, 1000);
        check(2, 48, 48, 904);
        check(2, 480, 125, 750);
    }

    #[test]
    fn pagers_share_what_is_left_and_may_use_what_others_do_not() {
        let limits = MemoryLimits { budget_bytes: 1000, limit_bytes: u64::MAX };
        let all = StateMemory::shared(limits);
        let [a, b] = ["a", "b"].map(|name| all.open(name, true));
        let fixed = all.open("c", false);
        assert_eq!(a.allowance(), 1000, "nobody else uses any");
        fixed.set(tables(200)).unwrap();
        b.set(tables(100)).unwrap();
        assert_eq!(a.allowance(), 700);
        b.set(tables(600)).unwrap();
        assert_eq!((a.allowance(), b.allowance()), (400, 800));
        a.set(tables(400)).unwrap();
        assert_eq!((a.allowance(), b.allowance()), (400, 400));
        fixed.set(tables(5000)).unwrap();
        assert_eq!(a.allowance(), 125, "never squeezed to nothing");
    }

    #[test]
    fn filters_and_indexes_leave_less_for_tables() {
        let limits = MemoryLimits { budget_bytes: 1000, limit_bytes: 1500 };
        let all = StateMemory::shared(limits);
        let [a, b] = ["a", "b"].map(|name| all.open(name, true));
        a.set(StateBytes { memory: 100, indexes: 300, ..StateBytes::default() }).unwrap();
        assert_eq!(b.allowance(), 600, "300 are taken for good, 100 by tables");
        assert_eq!(a.allowance(), 700);
        let message = b.set(StateBytes { indexes: 1200, ..StateBytes::default() }).unwrap_err();
        assert!(message.contains("1.2 KiB, is of b"), "{message}");
        drop(b);
        assert_eq!(a.allowance(), 700);
    }
}

//! Tables that lookup joins hold whole: read at the start of an attempt, and again when
//! their options say so (Flink: FLIP-221, `FullCachingLookupProvider`).
//!
//! Every subtask of a join shares one table. It is there before a subtask runs, so a row
//! never meets half of it; a later reading replaces it at once, and leaves it as it was
//! when it fails.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use millrace_dataflow::graph::{LookupCache, LookupJoin, Reload};
use millrace_dataflow::key_group::KeyGroupRange;
use millrace_dataflow::source::{ReaderEvent, Source, SourceReader, TaskContext};
use millrace_dataflow::{Batch, Watermark};
use parking_lot::{Mutex, RwLock};
use tracing::{info, warn};

use crate::clock::Clock;
use crate::error::{TaskError, TaskStop};
use crate::memory::{Account, StateBytes, StateMemory};
use crate::operator::{Operator, OperatorContext, Output};
use crate::operators::lookup_join::KeyedTable;
use crate::operators::read_calc;

/// Between two looks at the memory that is taken while a table is read.
const COUNT_BYTES: usize = 16 << 20;

/// The tables of one attempt, by node; each made by the first subtask that asks.
#[derive(Default)]
pub struct LookupTables(Mutex<BTreeMap<usize, Arc<FullTable>>>);

impl LookupTables {
    pub fn table(&self, node: usize, make: impl FnOnce() -> FullTable) -> Arc<FullTable> {
        Arc::clone(self.0.lock().entry(node).or_insert_with(|| Arc::new(make())))
    }
}

/// What is told of a table (rows I2.14; Flink: `CacheMetricGroup`).
#[derive(Debug, Default)]
pub struct TableMetrics {
    pub loads: AtomicU64,
    pub load_failures: AtomicU64,
    /// Milliseconds that the last reading took.
    pub latest_load_ms: AtomicU64,
    pub records: AtomicU64,
    pub bytes: AtomicU64,
}

/// What one subtask of a lookup join counts.
#[derive(Debug, Default)]
pub struct LookupMetrics {
    pub hits: AtomicU64,
    pub misses: AtomicU64,
    pub table: Arc<TableMetrics>,
}

impl LookupMetrics {
    pub fn of(table: &Arc<TableMetrics>) -> LookupMetrics {
        LookupMetrics { table: Arc::clone(table), ..LookupMetrics::default() }
    }
}

/// A table held whole.
pub struct FullTable {
    reading: Reading,
    reload: Reload,
    /// `None` until it was read.
    current: RwLock<Option<Arc<KeyedTable>>>,
    /// One reading at a time.
    loading: Mutex<()>,
    /// When to read again; [`NEVER`].
    next_ms: AtomicI64,
    pub metrics: Arc<TableMetrics>,
}

const NEVER: i64 = i64::MAX;

/// How it is read.
struct Reading {
    name: String,
    source: Arc<dyn Source>,
    join: LookupJoin,
    clock: Arc<dyn Clock>,
    account: Arc<Account>,
}

impl FullTable {
    pub fn new(
        name: &str,
        source: Arc<dyn Source>,
        join: &LookupJoin,
        clock: Arc<dyn Clock>,
        memory: &Arc<StateMemory>,
    ) -> FullTable {
        let reload = match join.table.cache {
            LookupCache::Full(reload) => reload,
            _ => Reload::Never,
        };
        let account = memory.open(name, false);
        let reading = Reading { name: name.to_owned(), source, join: join.clone(), clock, account };
        FullTable {
            reading,
            reload,
            current: RwLock::default(),
            loading: Mutex::default(),
            next_ms: AtomicI64::new(NEVER),
            metrics: Arc::default(),
        }
    }

    /// Reads it unless that was done; whoever comes second waits.
    ///
    /// # Errors
    /// It cannot be read, or takes more memory than the job may, or the job was cancelled.
    pub fn ready(&self, is_cancelled: &dyn Fn() -> bool) -> Result<(), TaskStop> {
        let reading = self.loading.lock();
        if self.current.read().is_some() {
            return Ok(());
        }
        let loaded = self.load(is_cancelled);
        drop(reading);
        loaded
    }

    /// # Panics
    /// Before [`FullTable::ready`].
    pub fn current(&self) -> Arc<KeyedTable> {
        let current = self.current.read();
        Arc::clone(current.as_ref().expect("an operator is made when its table was read"))
    }

    /// Whether it is to be read again by now; told to one caller alone.
    pub fn take_due(&self, now_ms: i64) -> bool {
        let due = |next: i64| (next <= now_ms).then_some(NEVER);
        self.next_ms.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok()
    }

    /// When [`FullTable::take_due`] is to be asked.
    pub fn next_reload_ms(&self) -> Option<i64> {
        Some(self.next_ms.load(Ordering::Relaxed)).filter(|next| *next != NEVER)
    }

    /// Reads it once more on a thread of its own, which ends early when nobody uses the
    /// table any more.
    pub fn reload(self: &Arc<FullTable>) {
        let table = Arc::clone(self);
        let body = move || {
            // This thread has one, and the attempt.
            let unused = || Arc::strong_count(&table) == 1;
            let _one = table.loading.lock();
            if let Err(TaskStop::Failed(error)) = table.load(&unused) {
                warn!(table = table.reading.name, %error, "a table that is looked up stays as it was");
            }
        };
        if let Err(error) = std::thread::Builder::new().name("lookup-reload".to_owned()).spawn(body)
        {
            warn!(table = self.reading.name, %error, "no thread to read a table again");
            let now = self.reading.clock.now_ms();
            self.next_ms.store(self.reload.next_ms(now, now).unwrap_or(NEVER), Ordering::Relaxed);
        }
    }

    fn load(&self, is_cancelled: &dyn Fn() -> bool) -> Result<(), TaskStop> {
        let clock = &self.reading.clock;
        let (began_ms, began) = (clock.now_ms(), clock.monotonic_ms());
        let held = self.metrics.bytes.load(Ordering::Relaxed);
        let loaded = self.reading.read(held, is_cancelled);
        let next = self.reload.next_ms(began_ms, clock.now_ms());
        self.next_ms.store(next.unwrap_or(NEVER), Ordering::Relaxed);
        let took_ms = clock.monotonic_ms() - began;
        let table = loaded.inspect_err(|_| {
            self.metrics.load_failures.fetch_add(1, Ordering::Relaxed);
            // What was read of it is gone.
            let _ = self.reading.account.set(StateBytes { memory: held, ..StateBytes::default() });
        })?;
        let (rows, bytes) = (table.record.num_rows() as u64, table.memory_bytes() as u64);
        *self.current.write() = Some(Arc::new(table));
        self.metrics.loads.fetch_add(1, Ordering::Relaxed);
        self.metrics.latest_load_ms.store(took_ms.max(0) as u64, Ordering::Relaxed);
        self.metrics.records.store(rows, Ordering::Relaxed);
        self.metrics.bytes.store(bytes, Ordering::Relaxed);
        info!(table = self.reading.name, rows, bytes, took_ms, "read a table that is looked up");
        self.reading.count(bytes)
    }
}

impl Reading {
    /// `held`: bytes of the table that stays until this one is there.
    fn read(&self, held: u64, is_cancelled: &dyn Fn() -> bool) -> Result<KeyedTable, TaskStop> {
        let table = &self.join.table;
        let mut calc = read_calc(table, &self.name);
        let (mut batches, mut bytes, mut counted) = (Vec::new(), 0, 0);
        self.each_batch(is_cancelled, &mut |batch| {
            let ctx = self.context();
            let mut out = Output::default();
            calc.on_batch(0, batch, &ctx, &mut out)
                .map_err(|error| TaskError::from_operator(&self.name, &error))?;
            for batch in out.batches {
                bytes += batch.record.get_array_memory_size();
                batches.push(batch.record);
            }
            if bytes >= counted + COUNT_BYTES {
                counted = bytes;
                self.count(held + bytes as u64)?;
            }
            Ok(())
        })?;
        let batches: Vec<RecordBatch> = batches;
        KeyedTable::build(&batches, &table.columns, &self.join.right_keys)
            .map_err(|error| TaskError::new(&self.name, error.to_string()).into())
    }

    fn each_batch(
        &self,
        is_cancelled: &dyn Fn() -> bool,
        take: &mut dyn FnMut(Batch) -> Result<(), TaskStop>,
    ) -> Result<(), TaskStop> {
        let failed = |error| TaskStop::from(TaskError::from_error(&self.name, &error));
        let task = TaskContext { subtask: 0, parallelism: 1 };
        let mut splits = self.source.create_enumerator(1, None).map_err(failed)?;
        let mut reader = self.source.create_reader(task).map_err(failed)?;
        for split in splits.discover().map_err(failed)? {
            reader.add_split(split).map_err(failed)?;
            self.read_split(reader.as_mut(), is_cancelled, take)?;
        }
        Ok(())
    }

    fn read_split(
        &self,
        reader: &mut dyn SourceReader,
        is_cancelled: &dyn Fn() -> bool,
        take: &mut dyn FnMut(Batch) -> Result<(), TaskStop>,
    ) -> Result<(), TaskStop> {
        loop {
            if is_cancelled() {
                return Err(TaskStop::Cancelled);
            }
            let event = reader.poll(self.clock.now_ms());
            match event.map_err(|error| TaskError::from_error(&self.name, &error))? {
                ReaderEvent::Batch { batch, .. } => take(batch)?,
                ReaderEvent::SplitFinished { .. } => return Ok(()),
                ReaderEvent::Wait(patience) => {
                    std::thread::sleep(patience.min(Duration::from_millis(10)));
                }
            }
        }
    }

    fn count(&self, bytes: u64) -> Result<(), TaskStop> {
        let state = StateBytes { memory: bytes, ..StateBytes::default() };
        Ok(self.account.set(state).map_err(|message| TaskError::new(&self.name, message))?)
    }

    fn context(&self) -> OperatorContext {
        OperatorContext {
            subtask: 0,
            max_parallelism: 1,
            key_groups: KeyGroupRange { start: 0, end: 1 },
            processing_time_ms: self.clock.now_ms(),
            watermark: Watermark::MIN,
        }
    }
}

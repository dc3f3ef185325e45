//! A small world for whole jobs: a source of numbers, an operator that counts by
//! key, and a sink whose visible rows can be compared with what went in.
#![allow(dead_code, reason = "each test file uses its part")]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use arrow::array::{Array, Int64Array};
use arrow::record_batch::RecordBatch;
use millrace_dataflow::catalog::{ChangelogMode, ConnectorFactory};
use millrace_dataflow::graph::{
    Edge, Exchange, Node, NotNullPolicy, Operator as GraphOperator, SinkOperator, SourceOperator,
    StateLayout,
};
use millrace_dataflow::key_group::KeyGroup;
use millrace_dataflow::sink::{Committable, Committer, Sink, SinkError, SinkWriter, WriterContext};
use millrace_dataflow::source::{
    Assignment, Boundedness, ReaderEvent, ScanSpec, Source, SourceError, SourceReader, Split,
    SplitEnumerator, TaskContext,
};
use millrace_dataflow::table::TableSpec;
use millrace_dataflow::{
    Batch, CommitPermit, Field, Generation, JobGraph, OperatorId, RuntimeLevel, Schema, TypeRoot,
};
use millrace_runtime::memory::MemoryLimits;
use millrace_runtime::operator::{
    Operator, OperatorContext, OperatorError, Output, StateEntry, StateWriter,
};
use millrace_runtime::{Clock, Command, Connections, JobHandle, JobSpec, Outcome, RuntimeSettings};
use millrace_state::pages::{put_entry, visit_entries};
use millrace_state::{CheckpointStore, PageStore, RestoreRequest, row};
use object_store::ObjectStore;
use parking_lot::Mutex;
use serde_json::{Value, json};

pub struct WallClock {
    start: Instant,
}

impl Default for WallClock {
    #[expect(clippy::disallowed_methods, reason = "whole jobs run in real time")]
    fn default() -> WallClock {
        WallClock { start: Instant::now() }
    }
}

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "whole jobs run in real time")]
    fn now_ms(&self) -> i64 {
        let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        since.expect("the clock is past 1970").as_millis() as i64
    }

    fn monotonic_ns(&self) -> u64 {
        self.start.elapsed().as_nanos() as u64
    }
}

/// What exists outside of the engines.
#[derive(Default)]
pub struct World {
    /// Committed: the name of the committable and its rows.
    pub visible: Mutex<BTreeMap<String, Vec<i64>>>,
    pub commits: AtomicU64,
    /// The commit at which the process dies; 0: never.
    pub die_at_commit: AtomicU64,
    /// Rows that a source may give before it waits; for endless sources.
    pub allowance: AtomicI64,
    /// The number that cannot be counted; 0: none.
    pub fail_on: AtomicI64,
    /// How long each batch takes in the sink or the counting operator, in microseconds.
    pub slow_us: AtomicU64,
}

impl World {
    fn be_slow(&self) {
        std::thread::sleep(Duration::from_micros(self.slow_us.load(Ordering::SeqCst)));
    }

    pub fn rows(&self) -> Vec<i64> {
        let mut rows: Vec<i64> = self.visible.lock().values().flatten().copied().collect();
        rows.sort_unstable();
        rows
    }
}

#[derive(Clone)]
pub struct Numbers {
    pub world: Arc<World>,
    pub splits: u64,
    pub rows_per_split: i64,
    pub batch_rows: i64,
    pub assignment: Assignment,
    pub bounded: bool,
}

impl Source for Numbers {
    fn boundedness(&self) -> Boundedness {
        if self.bounded { Boundedness::Bounded } else { Boundedness::Unbounded }
    }

    fn assignment(&self) -> Assignment {
        self.assignment
    }

    fn discovery_interval(&self) -> Option<Duration> {
        None
    }

    fn create_enumerator(
        &self,
        _parallelism: u16,
        restored: Option<&Value>,
    ) -> Result<Box<dyn SplitEnumerator>, SourceError> {
        let given = restored.and_then(Value::as_u64).unwrap_or(0);
        Ok(Box::new(NumberSplits { splits: self.splits, given }))
    }

    fn create_reader(&self, _ctx: TaskContext) -> Result<Box<dyn SourceReader>, SourceError> {
        Ok(Box::new(NumberReader { source: self.clone(), splits: vec![], polls: 0 }))
    }
}

struct NumberSplits {
    splits: u64,
    given: u64,
}

impl SplitEnumerator for NumberSplits {
    fn discover(&mut self) -> Result<Vec<Split>, SourceError> {
        let found = (self.given..self.splits)
            .map(|number| Split { id: number.to_string(), state: json!(0) })
            .collect();
        self.given = self.splits;
        Ok(found)
    }

    fn snapshot(&self) -> Value {
        json!(self.given)
    }
}

struct NumberReader {
    source: Numbers,
    splits: Vec<Split>,
    polls: u64,
}

pub const BATCH: i64 = 7;

impl SourceReader for NumberReader {
    fn add_split(&mut self, split: Split) -> Result<(), SourceError> {
        self.splits.push(split);
        Ok(())
    }

    fn poll(&mut self, _now_ms: i64) -> Result<ReaderEvent, SourceError> {
        let source = &self.source;
        let Some(split) = self.splits.first_mut() else {
            return Ok(ReaderEvent::Wait(Duration::from_millis(1)));
        };
        let position = split.state.as_i64().expect("positions are numbers");
        self.polls += 1;
        if self.polls.is_multiple_of(4) {
            // Slow enough for several checkpoints.
            return Ok(ReaderEvent::Wait(Duration::from_millis(1)));
        }
        let left = source.rows_per_split - position;
        if left <= 0 {
            let split = self.splits.remove(0).id;
            return Ok(ReaderEvent::SplitFinished { split });
        }
        if source.world.allowance.fetch_sub(1, Ordering::SeqCst) <= 0 {
            source.world.allowance.fetch_add(1, Ordering::SeqCst);
            return Ok(ReaderEvent::Wait(Duration::from_millis(1)));
        }
        let number: i64 = split.id.parse().expect("ids are numbers");
        let rows = left.min(source.batch_rows);
        let first = number * source.rows_per_split + position;
        split.state = json!(position + rows);
        let id = split.id.clone();
        // In turn, so that several splits are under way at a time.
        self.splits.rotate_left(1);
        Ok(ReaderEvent::Batch { split: id, batch: batch((first..first + rows).collect()) })
    }

    fn snapshot(&self) -> Vec<Split> {
        self.splits.clone()
    }
}

pub fn schema() -> Schema {
    Schema::new(vec![Field::new("n", TypeRoot::BigInt.not_null())])
}

pub fn batch(rows: Vec<i64>) -> Batch {
    let column = Arc::new(Int64Array::from(rows));
    Batch::insert_only(RecordBatch::try_new(schema().to_arrow(), vec![column]).unwrap())
}

fn numbers(batch: &Batch) -> Vec<i64> {
    let column = batch.record.column(0).as_any().downcast_ref::<Int64Array>();
    column.expect("one BIGINT column").values().to_vec()
}

pub struct Collected {
    pub world: Arc<World>,
}

impl Sink for Collected {
    fn create_writer(
        &self,
        ctx: WriterContext,
        _restored: &[Value],
    ) -> Result<Box<dyn SinkWriter>, SinkError> {
        let prefix = format!("g{}-a{}-s{}", ctx.generation, ctx.attempt, ctx.task.subtask);
        let world = Arc::clone(&self.world);
        Ok(Box::new(Writer { world, prefix, count: 0, rows: vec![] }))
    }

    fn clean_up(&self, _generation: Generation, _attempt: u32) -> Result<(), SinkError> {
        Ok(())
    }

    fn create_committer(&self) -> Result<Box<dyn Committer>, SinkError> {
        Ok(Box::new(Visible { world: Arc::clone(&self.world) }))
    }
}

struct Writer {
    world: Arc<World>,
    prefix: String,
    count: u32,
    rows: Vec<i64>,
}

impl SinkWriter for Writer {
    fn write(&mut self, batch: &Batch) -> Result<(), SinkError> {
        self.world.be_slow();
        self.rows.extend(numbers(batch));
        Ok(())
    }

    fn flush(&mut self, _end_of_input: bool) -> Result<(), SinkError> {
        Ok(())
    }

    fn prepare_commit(&mut self) -> Result<Vec<Committable>, SinkError> {
        if self.rows.is_empty() {
            return Ok(vec![]);
        }
        self.count += 1;
        let name = format!("{}-{}", self.prefix, self.count);
        Ok(vec![Committable(json!({ "name": name, "rows": std::mem::take(&mut self.rows) }))])
    }

    fn snapshot(&mut self) -> Result<Vec<Value>, SinkError> {
        Ok(vec![])
    }
}

struct Visible {
    world: Arc<World>,
}

impl Committer for Visible {
    fn commit(
        &mut self,
        _permit: &CommitPermit,
        committables: &[Committable],
    ) -> Result<(), SinkError> {
        for committable in committables {
            let number = self.world.commits.fetch_add(1, Ordering::SeqCst) + 1;
            let die_at = self.world.die_at_commit.load(Ordering::SeqCst);
            if die_at != 0 && number >= die_at {
                return Err(SinkError { message: "died in a commit".into(), source: None });
            }
            let name = committable.0["name"].as_str().expect("named").to_owned();
            let rows: Vec<i64> = serde_json::from_value(committable.0["rows"].clone()).unwrap();
            self.world.visible.lock().insert(name, rows);
        }
        Ok(())
    }
}

/// Sums by `n % 10`, and gives `key * 1_000_000 + count` for every key at the end. Its
/// counts are in pages when it is given a store for them.
pub struct CountByKey {
    counts: BTreeMap<i64, i64>,
    pages: Option<Box<dyn PageStore>>,
    world: Arc<World>,
}

impl CountByKey {
    fn add(&mut self, key: i64, group: KeyGroup, count: i64) {
        let Some(pages) = &mut self.pages else {
            *self.counts.entry(key).or_default() += count;
            return;
        };
        let (bytes, mut page, mut sum) = (key.to_le_bytes(), vec![], count);
        pages.read(group, &bytes, &mut page).unwrap();
        visit_entries(&page, |_, _, value| sum += number(value)).unwrap();
        page.clear();
        put_entry(&mut page, 0, &bytes, &sum.to_le_bytes());
        pages.apply(&mut std::iter::once((group, bytes.to_vec(), Some(page)))).unwrap();
    }

    /// Moves all counts out of the pages.
    fn empty_pages(&mut self, ctx: &OperatorContext) {
        let Some(pages) = &mut self.pages else { return };
        for group in (ctx.key_groups.start..ctx.key_groups.end).map(KeyGroup) {
            let (mut gone, counts) = (vec![], &mut self.counts);
            let mut visit = |key: &[u8], page: &[u8]| {
                gone.push((group, key.to_vec(), None));
                let add = |_, key: &[u8], count: &[u8]| {
                    assert!(counts.insert(number(key), number(count)).is_none());
                };
                visit_entries(page, add).unwrap();
            };
            pages.scan(group, b"", &mut visit).unwrap();
            pages.apply(&mut gone.into_iter()).unwrap();
        }
    }
}

fn number(bytes: &[u8]) -> i64 {
    i64::from_le_bytes(bytes.try_into().expect("eight bytes"))
}

impl Operator for CountByKey {
    fn on_batch(
        &mut self,
        _input: usize,
        batch: Batch,
        ctx: &OperatorContext,
        _out: &mut Output,
    ) -> Result<(), OperatorError> {
        self.world.be_slow();
        for number in numbers(&batch) {
            if number != 0 && self.world.fail_on.load(Ordering::SeqCst) == number {
                let message = format!("cannot count {number}");
                return Err(OperatorError::Failed { operator: "count".into(), message });
            }
            assert!(ctx.key_groups.contains(group(number, ctx)), "a row of another's key group");
            self.add(number, group(number, ctx), 1);
        }
        Ok(())
    }

    fn on_end(&mut self, ctx: &OperatorContext, out: &mut Output) -> Result<(), OperatorError> {
        self.empty_pages(ctx);
        // Once given out they are gone: a start from the last checkpoint ends, too.
        let counts = std::mem::take(&mut self.counts);
        out.emit(batch(counts.into_iter().map(|(key, n)| key * 1_000_000 + n).collect()));
        Ok(())
    }

    fn snapshot(
        &mut self,
        ctx: &OperatorContext,
        writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        if let Some(pages) = &mut self.pages {
            writer.put_runs(pages.freeze().unwrap());
        }
        for (key, count) in &self.counts {
            writer.put(StateEntry {
                key_group: Some(group(*key, ctx)),
                table: 0,
                key: key.to_le_bytes().to_vec(),
                value: count.to_le_bytes().to_vec(),
            });
        }
        Ok(())
    }

    fn restore(
        &mut self,
        _ctx: &OperatorContext,
        entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        for entry in entries {
            let group = entry.key_group.expect("every entry has a key");
            self.add(number(&entry.key), group, number(&entry.value));
        }
        Ok(())
    }

    fn keeps_pages(&self) -> bool {
        true
    }

    fn use_pages(&mut self, store: Box<dyn PageStore>) {
        self.pages = Some(store);
    }
}

fn group(number: i64, ctx: &OperatorContext) -> KeyGroup {
    let rows = row::encode_column_subset(&batch(vec![number]).record, &[0]);
    row::key_groups(&rows, ctx.max_parallelism)[0]
}

/// Takes `n % 10`.
struct Modulo;

impl Operator for Modulo {
    fn on_batch(
        &mut self,
        _input: usize,
        rows: Batch,
        _ctx: &OperatorContext,
        out: &mut Output,
    ) -> Result<(), OperatorError> {
        out.emit(batch(numbers(&rows).into_iter().map(|n| n % 10).collect()));
        Ok(())
    }

    fn snapshot(
        &mut self,
        _ctx: &OperatorContext,
        _writer: &mut dyn StateWriter,
    ) -> Result<(), OperatorError> {
        Ok(())
    }

    fn restore(
        &mut self,
        _ctx: &OperatorContext,
        _entries: Vec<StateEntry>,
    ) -> Result<(), OperatorError> {
        Ok(())
    }
}

fn table() -> TableSpec {
    TableSpec {
        name: "t".into(),
        options: BTreeMap::new(),
        physical: schema(),
        metadata: vec![],
        partition_keys: vec![],
        primary_key: vec![],
    }
}

fn node(name: &str, operator: GraphOperator, state: Option<&str>) -> Node {
    Node {
        id: OperatorId(format!("{:0>32}", name.len())),
        name: name.into(),
        operator,
        output: schema(),
        parallelism: None,
        state: state.map(|kind| StateLayout { kind: kind.into(), layout: "n".into() }),
    }
}

fn source_node() -> Node {
    let scan = ScanSpec { table: table(), columns: vec![], members: vec![], batch_rows: 100 };
    let source = SourceOperator { scan, compute: None, watermark: None, watermark_step_ms: None };
    node("numbers", GraphOperator::Source(source), Some("source"))
}

fn sink_node() -> Node {
    let sink = SinkOperator {
        table: table(),
        changelog: ChangelogMode::INSERT_ONLY,
        not_null: vec![0],
        not_null_policy: NotNullPolicy::Error,
    };
    node("sink", GraphOperator::Sink(sink), Some("sink"))
}

/// numbers → sink.
pub fn copy_graph(level: RuntimeLevel) -> JobGraph {
    let edges = vec![Edge { from: 0, to: 1, input: 0, exchange: Exchange::Rebalance }];
    JobGraph { level, nodes: vec![source_node(), sink_node()], edges }
}

/// numbers → modulo → by key: count → sink.
pub fn count_graph(level: RuntimeLevel) -> JobGraph {
    let nodes = vec![
        source_node(),
        node("mod", GraphOperator::Union, None),
        node("count by key", GraphOperator::Union, Some("count")),
        sink_node(),
    ];
    let edges = vec![
        Edge { from: 0, to: 1, input: 0, exchange: Exchange::Forward },
        Edge { from: 1, to: 2, input: 0, exchange: Exchange::Hash(vec![0]) },
        Edge { from: 2, to: 3, input: 0, exchange: Exchange::Forward },
    ];
    JobGraph { level, nodes, edges }
}

struct Factory {
    numbers: Numbers,
}

impl ConnectorFactory for Factory {
    fn source(&self, _scan: &ScanSpec) -> Result<Box<dyn Source>, SourceError> {
        Ok(Box::new(self.numbers.clone()))
    }

    fn sink(&self, _table: &TableSpec) -> Result<Box<dyn Sink>, SinkError> {
        Ok(Box::new(Collected { world: Arc::clone(&self.numbers.world) }))
    }
}

/// One start of the job.
pub struct Start {
    pub graph: JobGraph,
    pub numbers: Numbers,
    pub parallelism: u16,
    pub generation: u64,
    pub restore: RestoreRequest,
    pub hold_commits: bool,
    pub settings: Vec<(&'static str, &'static str)>,
    pub memory: MemoryLimits,
}

pub fn numbers_source(world: &Arc<World>) -> Numbers {
    world.allowance.store(i64::MAX / 2, Ordering::SeqCst);
    Numbers {
        world: Arc::clone(world),
        splits: 5,
        rows_per_split: 200,
        batch_rows: BATCH,
        assignment: Assignment::OnDemand,
        bounded: true,
    }
}

impl Start {
    pub fn new(graph: JobGraph, numbers: Numbers, generation: u64) -> Start {
        Start {
            graph,
            numbers,
            parallelism: 2,
            generation,
            restore: RestoreRequest::Latest,
            hold_commits: false,
            settings: vec![("execution.checkpointing.interval", "10 ms")],
            memory: MemoryLimits::NONE,
        }
    }

    pub fn start(self, objects: &Arc<dyn ObjectStore>, io: &tokio::runtime::Handle) -> JobHandle {
        let settings = self.settings.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned()));
        let settings = RuntimeSettings::parse(&settings.collect(), self.graph.level).unwrap();
        let world = Arc::clone(&self.numbers.world);
        let factory = Factory { numbers: self.numbers };
        let owner = format!("engine {}", self.generation);
        JobHandle::start(JobSpec {
            id: "0".repeat(32),
            name: "test".into(),
            application: "app".into(),
            generation: Generation(self.generation),
            connections: Connections::open(&self.graph, &factory).unwrap(),
            graph: self.graph,
            parallelism: self.parallelism,
            settings,
            memory: self.memory,
            restore: self.restore,
            allow_non_restored_state: false,
            hold_commits: self.hold_commits,
            create_operator: Arc::new(move |node, _inputs| {
                Ok(match node.name.as_str() {
                    "mod" => Box::new(Modulo),
                    _ => Box::new(CountByKey {
                        counts: BTreeMap::new(),
                        pages: None,
                        world: Arc::clone(&world),
                    }),
                })
            }),
            // As if every snapshot were larger than what is held in memory.
            store: CheckpointStore::new(Arc::clone(objects), "/app", "app", owner)
                .unwrap()
                .holding_at_most(0),
            io: io.clone(),
            clock: Arc::new(WallClock::default()),
            random: Arc::new(|| 0.0),
            on_rows: Arc::new(|_, _| {}),
        })
    }
}

/// Sends a command and waits for its answer.
pub fn ask(
    job: &JobHandle,
    command: impl FnOnce(millrace_runtime::Reply) -> Command,
) -> Result<String, String> {
    let (reply, answer) = tokio::sync::oneshot::channel();
    job.send(command(reply))?;
    answer.blocking_recv().expect("every command is answered")
}

pub fn stop(job: JobHandle, drain: bool, level: Option<RuntimeLevel>) -> String {
    let location = ask(&job, |reply| Command::Stop { target: None, drain, level, reply }).unwrap();
    assert_eq!(job.wait(), Outcome::Finished);
    location
}

pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    for _ in 0..5_000 {
        if condition() {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
    panic!("waited in vain for {what}");
}

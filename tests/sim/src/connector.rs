//! The connector `sim`: tables in memory that crash when they are told to, and one
//! place where what was committed can be seen.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::record_batch::RecordBatch;
use arrow::util::display::{ArrayFormatter, FormatOptions};
use millrace_dataflow::catalog::{
    ChangelogMode, ConnectorCatalog, ConnectorDescriptor, ConnectorFactory, OptionError, TableUsage,
};
use millrace_dataflow::sink::{Committable, Committer, Sink, SinkError, SinkWriter, WriterContext};
use millrace_dataflow::source::{
    Assignment, Boundedness, ReaderEvent, ScanSpec, Source, SourceError, SourceReader, Split,
    SplitEnumerator, TaskContext,
};
use millrace_dataflow::table::{ProducedColumn, TableSpec};
use millrace_dataflow::{Batch, CommitPermit, Generation, RuntimeLevel};
use parking_lot::Mutex;
use serde_json::{Value, json};

use crate::faults::Trips;
use crate::input::Input;

/// Rows as text with what they add to the table: 1, or -1 for a row that is taken back.
type Changes = Vec<(String, i64)>;

/// What is outside of all engines: what they read, and what has become visible.
#[derive(Debug)]
pub struct World {
    /// By the last part of the table's name.
    inputs: BTreeMap<&'static str, Input>,
    /// By name of the committable: committing twice changes nothing.
    visible: Mutex<BTreeMap<String, Changes>>,
}

impl World {
    pub fn new(inputs: BTreeMap<&'static str, Input>) -> World {
        World { inputs, visible: Mutex::default() }
    }

    /// What all that is visible adds up to; empty entries are left out.
    pub fn total(&self) -> BTreeMap<String, i64> {
        let mut total = BTreeMap::new();
        for (row, count) in self.visible.lock().values().flatten() {
            *total.entry(row.clone()).or_insert(0) += count;
        }
        total.retain(|_, count| *count != 0);
        total
    }
}

/// Crashes of one engine.
#[derive(Debug, Default)]
pub struct Crashes {
    pub polls: Trips,
    pub writes: Trips,
    pub commits: Trips,
    /// Every so many polls a reader waits; more waits are more checkpoints.
    pub pace: u64,
}

/// The connector as one engine has it.
#[derive(Clone, Debug)]
pub struct Sim {
    pub world: Arc<World>,
    pub crashes: Arc<Crashes>,
}

/// What the planner knows of it.
#[derive(Debug)]
pub struct SimCatalog {
    descriptor: ConnectorDescriptor,
}

impl Default for SimCatalog {
    fn default() -> SimCatalog {
        let since = RuntimeLevel::Flink1_15;
        let descriptor =
            ConnectorDescriptor { name: "sim", source: true, sink: true, since, metadata: vec![] };
        SimCatalog { descriptor }
    }
}

impl ConnectorCatalog for SimCatalog {
    fn connector(&self, name: &str) -> Option<&ConnectorDescriptor> {
        (name == "sim").then_some(&self.descriptor)
    }

    fn names(&self) -> Vec<&str> {
        vec!["sim"]
    }

    fn check_options(
        &self,
        _table: &TableSpec,
        _usage: TableUsage,
        _level: RuntimeLevel,
    ) -> Result<(), OptionError> {
        Ok(())
    }

    fn changelog_mode(&self, _table: &TableSpec, usage: TableUsage) -> ChangelogMode {
        match usage {
            TableUsage::Source => ChangelogMode::INSERT_ONLY,
            TableUsage::Sink => ChangelogMode::ALL,
        }
    }
}

impl ConnectorFactory for Sim {
    fn source(&self, scan: &ScanSpec) -> Result<Box<dyn Source>, SourceError> {
        let name = scan.table.name.rsplit('.').next().unwrap_or_default();
        let input = self.world.inputs.get(name).ok_or_else(|| failed("no such input"))?;
        let batches = |split: &Vec<crate::input::Rows>| {
            split.iter().map(|rows| produced(&rows.record(&scan.table.physical)?, scan)).collect()
        };
        let splits = input.splits.iter().map(batches).collect::<anyhow::Result<Vec<Vec<_>>>>();
        let splits = splits.map_err(|error| failed(&format!("{error:#}")))?;
        Ok(Box::new(Table { splits: Arc::new(splits), crashes: Arc::clone(&self.crashes) }))
    }

    fn sink(&self, _table: &TableSpec) -> Result<Box<dyn Sink>, SinkError> {
        Ok(Box::new(Results { sim: self.clone() }))
    }
}

fn produced(record: &RecordBatch, scan: &ScanSpec) -> anyhow::Result<RecordBatch> {
    let columns = scan.columns.iter().map(|column| match column {
        ProducedColumn::Physical(index) => Ok(*index),
        ProducedColumn::Metadata(_) => anyhow::bail!("no metadata here"),
    });
    Ok(record.project(&columns.collect::<anyhow::Result<Vec<_>>>()?)?)
}

fn failed(message: &str) -> SourceError {
    SourceError::Failed { message: message.to_owned(), source: None }
}

struct Table {
    splits: Arc<Vec<Vec<RecordBatch>>>,
    crashes: Arc<Crashes>,
}

impl Source for Table {
    fn boundedness(&self) -> Boundedness {
        Boundedness::Bounded
    }

    // All at once: a split that began later would have late rows.
    fn assignment(&self) -> Assignment {
        Assignment::Eager
    }

    fn discovery_interval(&self) -> Option<Duration> {
        None
    }

    fn create_enumerator(
        &self,
        _parallelism: u16,
        restored: Option<&Value>,
    ) -> Result<Box<dyn SplitEnumerator>, SourceError> {
        let given = restored.and_then(Value::as_bool).unwrap_or(false);
        Ok(Box::new(Splits { count: self.splits.len(), given }))
    }

    fn create_reader(&self, _ctx: TaskContext) -> Result<Box<dyn SourceReader>, SourceError> {
        let (splits, crashes) = (Arc::clone(&self.splits), Arc::clone(&self.crashes));
        Ok(Box::new(Reader { splits, crashes, reading: vec![], polls: 0 }))
    }
}

struct Splits {
    count: usize,
    given: bool,
}

impl SplitEnumerator for Splits {
    fn discover(&mut self) -> Result<Vec<Split>, SourceError> {
        if std::mem::replace(&mut self.given, true) {
            return Ok(vec![]);
        }
        Ok((0..self.count).map(|id| Split { id: id.to_string(), state: json!(0) }).collect())
    }

    fn snapshot(&self) -> Value {
        json!(self.given)
    }
}

struct Reader {
    splits: Arc<Vec<Vec<RecordBatch>>>,
    crashes: Arc<Crashes>,
    /// A split's state is the number of batches that were given.
    reading: Vec<Split>,
    polls: u64,
}

impl Reader {
    fn batches(&self, split: &Split) -> Result<&[RecordBatch], SourceError> {
        let number: usize = split.id.parse().map_err(|_| failed("a split of another table"))?;
        self.splits.get(number).map(Vec::as_slice).ok_or_else(|| failed("no such split"))
    }
}

impl SourceReader for Reader {
    fn add_split(&mut self, split: Split) -> Result<(), SourceError> {
        self.reading.push(split);
        Ok(())
    }

    fn poll(&mut self, _now_ms: i64) -> Result<ReaderEvent, SourceError> {
        let wait = Ok(ReaderEvent::Wait(Duration::from_millis(1)));
        if self.reading.is_empty() {
            return wait;
        }
        if self.crashes.polls.trip() {
            return Err(failed("crashed while reading"));
        }
        self.polls += 1;
        if self.polls.is_multiple_of(self.crashes.pace.max(2)) {
            return wait;
        }
        // In turn, so that several splits are under way at a time.
        self.reading.rotate_left(1);
        let split = self.reading[0].clone();
        let given = split.state.as_u64().unwrap_or_default() as usize;
        let Some(record) = self.batches(&split)?.get(given).cloned() else {
            self.reading.remove(0);
            return Ok(ReaderEvent::SplitFinished { split: split.id });
        };
        self.reading[0].state = json!(given + 1);
        Ok(ReaderEvent::Batch { split: split.id, batch: Batch::insert_only(record) })
    }

    fn snapshot(&self) -> Vec<Split> {
        self.reading.clone()
    }
}

struct Results {
    sim: Sim,
}

impl Sink for Results {
    fn create_writer(
        &self,
        ctx: WriterContext,
        _restored: &[Value],
    ) -> Result<Box<dyn SinkWriter>, SinkError> {
        let prefix = format!("g{}-a{}-s{}", ctx.generation, ctx.attempt, ctx.task.subtask);
        let crashes = Arc::clone(&self.sim.crashes);
        Ok(Box::new(Writer { prefix, crashes, prepared: 0, changes: vec![] }))
    }

    fn clean_up(&self, _generation: Generation, _attempt: u32) -> Result<(), SinkError> {
        Ok(())
    }

    fn create_committer(&self) -> Result<Box<dyn Committer>, SinkError> {
        Ok(Box::new(Visible { sim: self.sim.clone() }))
    }
}

struct Writer {
    prefix: String,
    crashes: Arc<Crashes>,
    prepared: u32,
    changes: Changes,
}

impl SinkWriter for Writer {
    fn write(&mut self, batch: &Batch) -> Result<(), SinkError> {
        if self.crashes.writes.trip() {
            return Err(crashed("crashed while writing"));
        }
        let rows = texts(&batch.record).map_err(|error| crashed(&error.to_string()))?;
        self.changes.extend(
            rows.into_iter()
                .enumerate()
                .map(|(row, text)| (text, if batch.kind(row).is_accumulate() { 1 } else { -1 })),
        );
        Ok(())
    }

    fn flush(&mut self, _end_of_input: bool) -> Result<(), SinkError> {
        Ok(())
    }

    fn prepare_commit(&mut self) -> Result<Vec<Committable>, SinkError> {
        if self.changes.is_empty() {
            return Ok(vec![]);
        }
        self.prepared += 1;
        let name = format!("{}-{}", self.prefix, self.prepared);
        let changes = std::mem::take(&mut self.changes);
        Ok(vec![Committable(json!({ "name": name, "changes": changes }))])
    }

    fn snapshot(&mut self) -> Result<Vec<Value>, SinkError> {
        Ok(vec![])
    }
}

fn texts(record: &RecordBatch) -> Result<Vec<String>, arrow::error::ArrowError> {
    let options = FormatOptions::default().with_null("NULL");
    let columns = record.columns().iter().map(|column| ArrayFormatter::try_new(column, &options));
    let columns = columns.collect::<Result<Vec<_>, _>>()?;
    let text = |row: usize| {
        let cells: Vec<String> = columns.iter().map(|c| c.value(row).to_string()).collect();
        cells.join("|")
    };
    Ok((0..record.num_rows()).map(text).collect())
}

fn crashed(message: &str) -> SinkError {
    SinkError { message: message.to_owned(), source: None }
}

struct Visible {
    sim: Sim,
}

impl Committer for Visible {
    fn commit(
        &mut self,
        _permit: &CommitPermit,
        committables: &[Committable],
    ) -> Result<(), SinkError> {
        for Committable(content) in committables {
            if self.sim.crashes.commits.trip() {
                return Err(crashed("crashed while committing"));
            }
            let name = content["name"].as_str().unwrap_or_default().to_owned();
            let changes = serde_json::from_value(content["changes"].clone())
                .map_err(|error| crashed(&format!("a committable cannot be read: {error}")))?;
            self.sim.world.visible.lock().insert(name, changes);
        }
        Ok(())
    }
}

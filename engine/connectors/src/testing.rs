//! Tables, and a job in miniature: an enumerator and readers driven as the runtime
//! drives them, with snapshots at any moment.

use std::collections::VecDeque;

use millrace_dataflow::batch::Batch;
use millrace_dataflow::catalog::ConnectorFactory;
use millrace_dataflow::source::{
    Assignment, ReaderEvent, ScanSpec, Source, SourceError, SourceReader, Split, SplitEnumerator,
    TaskContext,
};
use millrace_dataflow::table::{MetadataColumn, ProducedColumn, TableSpec};
use millrace_dataflow::types::{DataType, Field, Schema, TypeRoot};

use crate::Connectors;
use crate::print::RowText;

pub const INT: TypeRoot = TypeRoot::Int;
pub const BIGINT: TypeRoot = TypeRoot::BigInt;
pub const TEXT: TypeRoot = TypeRoot::VarChar(millrace_dataflow::types::MAX_LENGTH);

pub fn table(columns: &[(&str, TypeRoot)], options: &[(&str, &str)]) -> TableSpec {
    let field = |(name, root): &(&str, TypeRoot)| Field::new(*name, root.clone().nullable());
    TableSpec {
        name: "default_catalog.default_database.t".to_owned(),
        options: options
            .iter()
            .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
            .collect(),
        physical: Schema::new(columns.iter().map(field).collect()),
        metadata: Vec::new(),
        partition_keys: Vec::new(),
        primary_key: Vec::new(),
    }
}

pub fn metadata(key: &str, data_type: DataType) -> MetadataColumn {
    MetadataColumn { name: key.replace('.', "_"), key: key.to_owned(), data_type, is_virtual: true }
}

/// All physical, then all metadata columns.
pub fn scan(table: &TableSpec, batch_rows: usize) -> ScanSpec {
    let physical = (0..table.physical.len()).map(ProducedColumn::Physical);
    let metadata = (0..table.metadata.len()).map(ProducedColumn::Metadata);
    let columns = physical.chain(metadata).collect();
    ScanSpec { table: table.clone(), columns, members: Vec::new(), batch_rows }
}

pub fn produced_fields(scan: &ScanSpec) -> Vec<Field> {
    let field = |column: &ProducedColumn| match column {
        ProducedColumn::Physical(at) => scan.table.physical.fields[*at].clone(),
        ProducedColumn::Metadata(at) => {
            let metadata = &scan.table.metadata[*at];
            Field::new(metadata.name.clone(), metadata.data_type.clone())
        }
    };
    scan.columns.iter().map(field).collect()
}

/// With a clock that stands still and ids that count.
pub fn connectors() -> Connectors {
    Connectors::builder().owner("job").clock(|| 1_000_000).counted_ids(1).build()
}

/// Rows as the print connector shows them.
pub fn shown(fields: &[Field], batch: &Batch) -> Vec<String> {
    let text = RowText::new(fields, batch.record.columns()).expect("columns as declared");
    let line = |row| {
        let mut out = Vec::new();
        text.write(batch.kind(row), row, &mut out);
        String::from_utf8(out).expect("UTF-8")
    };
    (0..batch.num_rows()).map(line).collect()
}

/// A source running at a parallelism.
pub struct Job {
    source: Box<dyn Source>,
    enumerator: Box<dyn SplitEnumerator>,
    fields: Vec<Field>,
    unassigned: VecDeque<Split>,
    /// With the number of splits each holds.
    readers: Vec<(Box<dyn SourceReader>, usize)>,
    pub now_ms: i64,
}

/// What a checkpoint holds of a source.
#[derive(Clone)]
pub struct Saved {
    enumerator: serde_json::Value,
    splits: Vec<Split>,
}

impl Job {
    pub fn start(scan: &ScanSpec, parallelism: u16, saved: Option<&Saved>) -> Job {
        let source = connectors().source(scan).expect("a good source");
        Job::run_source(source, produced_fields(scan), parallelism, saved)
    }

    pub fn run_source(
        source: Box<dyn Source>,
        fields: Vec<Field>,
        parallelism: u16,
        saved: Option<&Saved>,
    ) -> Job {
        let enumerator = source
            .create_enumerator(parallelism, saved.map(|saved| &saved.enumerator))
            .expect("an enumerator");
        let reader = |subtask| source.create_reader(TaskContext { subtask, parallelism });
        let readers = (0..parallelism).map(|at| (reader(at).expect("a reader"), 0)).collect();
        let unassigned = saved.map(|saved| saved.splits.clone()).unwrap_or_default().into();
        let mut job = Job { source, enumerator, fields, unassigned, readers, now_ms: 0 };
        job.discover().expect("splits");
        job
    }

    pub fn discover(&mut self) -> Result<(), SourceError> {
        self.unassigned.extend(self.enumerator.discover()?);
        if self.source.assignment() == Assignment::Eager {
            while !self.unassigned.is_empty() {
                let least = (0..self.readers.len()).min_by_key(|at| self.readers[*at].1);
                self.assign(least.expect("at least one reader"))?;
            }
        }
        Ok(())
    }

    fn assign(&mut self, reader: usize) -> Result<(), SourceError> {
        let Some(split) = self.unassigned.pop_front() else { return Ok(()) };
        self.readers[reader].1 += 1;
        self.readers[reader].0.add_split(split)
    }

    /// Polls every reader once; the rows they give.
    pub fn step(&mut self) -> Result<Vec<String>, SourceError> {
        let mut rows = Vec::new();
        for at in 0..self.readers.len() {
            if self.readers[at].1 == 0 {
                self.assign(at)?;
            }
            match self.readers[at].0.poll(self.now_ms)? {
                ReaderEvent::Batch { batch, .. } => rows.extend(shown(&self.fields, &batch)),
                ReaderEvent::SplitFinished { .. } => self.readers[at].1 -= 1,
                ReaderEvent::Wait(wait) => self.now_ms += wait.as_millis() as i64,
            }
        }
        Ok(rows)
    }

    pub fn is_finished(&self) -> bool {
        self.unassigned.is_empty() && self.readers.iter().all(|(_, splits)| *splits == 0)
    }

    /// All rows until every split is finished.
    pub fn finish(&mut self) -> Result<Vec<String>, SourceError> {
        let mut rows = Vec::new();
        while !self.is_finished() {
            rows.extend(self.step()?);
        }
        Ok(rows)
    }

    pub fn save(&self) -> Saved {
        let held = self.readers.iter().flat_map(|(reader, _)| reader.snapshot());
        let splits = held.chain(self.unassigned.iter().cloned()).collect();
        Saved { enumerator: self.enumerator.snapshot(), splits }
    }
}

/// Stops a bounded source after every number of steps and goes on at other
/// parallelisms: all rows come out once each, whatever the moment.
pub fn check_resumes(scan: &ScanSpec) -> Vec<String> {
    let mut all = Job::start(scan, 1, None).finish().expect("all rows");
    all.sort();
    for steps in 0.. {
        let mut first = Job::start(scan, 2, None);
        let mut before = Vec::new();
        for _ in 0..steps {
            before.extend(first.step().expect("rows"));
        }
        let saved = first.save();
        for parallelism in [1, 2, 3] {
            let after = Job::start(scan, parallelism, Some(&saved)).finish().expect("the rest");
            let mut whole = before.clone();
            whole.extend(after);
            whole.sort();
            assert_eq!(whole, all, "after {steps} steps, then at parallelism {parallelism}");
        }
        if first.is_finished() {
            break;
        }
    }
    all
}

//! The file system as a sink: exactly once by hidden files that a commit renames
//! (row G8.27). Every checkpoint ends the open files, so that a restored writer
//! never appends to a file whose tail a crash may have torn.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use arrow::array::ArrayRef;
use millrace_dataflow::batch::{Batch, RowKind};
use millrace_dataflow::message::Generation;
use millrace_dataflow::sink::{Committable, Committer, Sink, SinkError, SinkWriter, WriterContext};
use millrace_dataflow::table::TableSpec;
use millrace_formats::format::Encoded;
use millrace_formats::{Cells, Format, RowEncoder};
use uuid::Uuid;

use super::committer::{FileCommitter, PendingFile, sync_directory};
use super::names::{self, Owner, Start};
use super::{OPTIONS, clean_up, file_columns, partition, path};
use crate::errors::{sink_failed, sink_refused};
use crate::options::TableOptions;
use crate::world::World;

pub struct FileSink {
    plan: Arc<WritePlan>,
    world: World,
}

/// What all writers of the table share.
struct WritePlan {
    root: PathBuf,
    table: TableSpec,
    format: Box<dyn Format>,
    file_columns: Vec<usize>,
    owner: Owner,
    rolling: RollingPolicy,
    default_partition: String,
    success_file: Option<String>,
}

/// When a file is ended before its checkpoint (rows G8.10 to G8.12).
struct RollingPolicy {
    bytes: u64,
    age: Duration,
    inactivity: Duration,
}

impl FileSink {
    /// # Errors
    /// The options are not what [`super::check`] lets through.
    pub fn new(table: &TableSpec, world: &World) -> Result<FileSink, SinkError> {
        let options = TableOptions::new(&table.options, OPTIONS);
        let duration = |key| options.duration(key).unwrap_or(Duration::MAX);
        let partitioned = !table.partition_keys.is_empty();
        let policy = options.text("sink.partition-commit.policy.kind").filter(|_| partitioned);
        let name = options.text("sink.partition-commit.success-file.name");
        let plan = WritePlan {
            root: path::of_option(options.text("path").unwrap_or("")).map_err(sink_refused)?,
            format: super::format(table).map_err(sink_refused)?,
            file_columns: file_columns(table),
            owner: Owner::of(&world.owner, &table.name),
            rolling: RollingPolicy {
                bytes: options.memory_size("sink.rolling-policy.file-size").unwrap_or(u64::MAX),
                age: duration("sink.rolling-policy.rollover-interval"),
                inactivity: duration("sink.rolling-policy.inactivity-interval"),
            },
            default_partition: options.text("partition.default-name").unwrap_or("").to_owned(),
            success_file: policy.and(name).map(str::to_owned),
            table: table.clone(),
        };
        Ok(FileSink { plan: Arc::new(plan), world: world.clone() })
    }
}

impl Sink for FileSink {
    fn create_writer(
        &self,
        ctx: WriterContext,
        _restored: &[serde_json::Value],
    ) -> Result<Box<dyn SinkWriter>, SinkError> {
        Ok(Box::new(FileWriter {
            encoder: self.plan.format.encoder(),
            plan: self.plan.clone(),
            id: self.world.new_id(),
            start: Start { generation: ctx.generation, attempt: ctx.attempt },
            subtask: ctx.task.subtask,
            files_begun: 0,
            open: BTreeMap::new(),
            pending: Vec::new(),
            encoded: Encoded::default(),
        }))
    }

    // A file does not say whether a checkpoint names it, so the caller first commits
    // the restored committables of all sinks of the job, and does not call this while
    // it holds any back.
    fn clean_up(&self, generation: Generation, attempt: u32) -> Result<(), SinkError> {
        let start = Start { generation, attempt };
        clean_up::remove_unfinished(&self.plan.root, self.plan.owner, start).map_err(
            |(at, error)| {
                let at = path::text(&at);
                sink_failed(format!("an unfinished file at '{at}' cannot be removed"), error)
            },
        )
    }

    fn create_committer(&self) -> Result<Box<dyn Committer>, SinkError> {
        Ok(Box::new(FileCommitter))
    }
}

struct FileWriter {
    plan: Arc<WritePlan>,
    encoder: Box<dyn RowEncoder>,
    id: Uuid,
    start: Start,
    subtask: u16,
    files_begun: u64,
    /// By directory relative to the root.
    open: BTreeMap<String, OpenFile>,
    pending: Vec<PendingFile>,
    encoded: Encoded,
}

struct OpenFile {
    out: BufWriter<File>,
    pending: PendingFile,
    bytes: u64,
    /// Written to since the last look at the clock.
    active: bool,
    /// Processing time of the first and the latest look at the clock that found it
    /// written to.
    begun_ms: Option<i64>,
    active_ms: i64,
}

impl FileWriter {
    fn encode(&mut self, columns: &[ArrayRef], rows: usize) -> Result<(), SinkError> {
        self.encoded.clear();
        let kept: Vec<ArrayRef> =
            self.plan.file_columns.iter().map(|at| columns[*at].clone()).collect();
        self.encoder.encode(&kept, rows, &mut self.encoded).map_err(|error| {
            sink_failed(
                format!("a row of table '{}' cannot be written", self.plan.table.name),
                error,
            )
        })
    }

    // Runs of rows of one partition are written together.
    fn write_partitioned(&mut self, columns: &[ArrayRef], rows: usize) -> Result<(), SinkError> {
        let plan = self.plan.clone();
        let keys = partition_cells(&plan.table, columns)?;
        let mut begin = 0;
        while begin < rows {
            let directory = directory_of(&keys, begin, &plan.default_partition);
            let mut end = begin + 1;
            while end < rows && directory_of(&keys, end, &plan.default_partition) == directory {
                end += 1;
            }
            self.append(&directory, begin, end)?;
            begin = end;
        }
        Ok(())
    }

    /// Appends the encoded rows `begin..end` to the open file of a directory.
    fn append(&mut self, directory: &str, begin: usize, end: usize) -> Result<(), SinkError> {
        if !self.open.contains_key(directory) {
            let file = self.begin_file(directory)?;
            self.open.insert(directory.to_owned(), file);
        }
        let file = self.open.get_mut(directory).expect("inserted above");
        let from = if begin == 0 { 0 } else { self.encoded.ends[begin - 1] };
        let bytes = &self.encoded.bytes[from..self.encoded.ends[end - 1]];
        file.out.write_all(bytes).map_err(|error| unwritable(&file.pending, error))?;
        file.bytes += bytes.len() as u64;
        file.active = true;
        if file.bytes >= self.plan.rolling.bytes {
            self.end_file(directory)?;
        }
        Ok(())
    }

    fn begin_file(&mut self, directory: &str) -> Result<OpenFile, SinkError> {
        let visible = names::visible(self.id, self.subtask, self.files_begun);
        self.files_begun += 1;
        let pending = PendingFile {
            directory: self.plan.root.join(directory),
            hidden: names::hidden(&visible, self.start, self.plan.owner),
            visible,
            success_file: self.plan.success_file.clone(),
        };
        let file = create(&pending).map_err(|error| unwritable(&pending, error))?;
        let out = BufWriter::with_capacity(64 * 1024, file);
        Ok(OpenFile { out, pending, bytes: 0, active: true, begun_ms: None, active_ms: 0 })
    }

    /// Everything written is on disk afterwards, and waits for its rename.
    fn end_file(&mut self, directory: &str) -> Result<(), SinkError> {
        let Some(mut file) = self.open.remove(directory) else { return Ok(()) };
        let synced = file.out.flush().and_then(|()| file.out.get_ref().sync_data());
        synced.map_err(|error| unwritable(&file.pending, error))?;
        self.pending.push(file.pending);
        Ok(())
    }

    /// The names of the pending files are on disk, too: a checkpoint will count on them.
    fn sync_names(&self) -> Result<(), SinkError> {
        let mut synced = BTreeSet::new();
        for pending in &self.pending {
            let ours = pending.directory.ancestors();
            for directory in ours.take_while(|known| known.starts_with(&self.plan.root)) {
                if synced.insert(directory) {
                    sync_directory(directory).map_err(|error| unwritable(pending, error))?;
                }
            }
        }
        Ok(())
    }

    fn end_all(&mut self) -> Result<(), SinkError> {
        while let Some(directory) = self.open.keys().next().cloned() {
            self.end_file(&directory)?;
        }
        Ok(())
    }
}

impl SinkWriter for FileWriter {
    fn write(&mut self, batch: &Batch) -> Result<(), SinkError> {
        refuse_changes(batch, &self.plan.table.name)?;
        let (columns, rows) = (batch.record.columns(), batch.num_rows());
        if rows == 0 {
            return Ok(());
        }
        self.encode(columns, rows)?;
        if self.plan.table.partition_keys.is_empty() {
            return self.append("", 0, rows);
        }
        self.write_partitioned(columns, rows)
    }

    fn on_processing_time(&mut self, now_ms: i64) -> Result<(), SinkError> {
        let due: Vec<String> = self
            .open
            .iter_mut()
            .filter_map(|(directory, file)| {
                file.is_due(&self.plan.rolling, now_ms).then(|| directory.clone())
            })
            .collect();
        due.iter().try_for_each(|directory| self.end_file(directory))
    }

    fn flush(&mut self, _end_of_input: bool) -> Result<(), SinkError> {
        self.end_all()
    }

    fn prepare_commit(&mut self) -> Result<Vec<Committable>, SinkError> {
        self.end_all()?;
        self.sync_names()?;
        Ok(self.pending.drain(..).map(PendingFile::into_committable).collect())
    }

    fn snapshot(&mut self) -> Result<Vec<serde_json::Value>, SinkError> {
        Ok(Vec::new()) // the committables say it all
    }
}

impl OpenFile {
    fn is_due(&mut self, rolling: &RollingPolicy, now_ms: i64) -> bool {
        if std::mem::take(&mut self.active) {
            self.active_ms = now_ms;
        }
        let begun_ms = *self.begun_ms.get_or_insert(now_ms);
        let passed = |since_ms: i64, limit: Duration| {
            u128::from(now_ms.saturating_sub(since_ms).max(0) as u64) >= limit.as_millis()
        };
        passed(begun_ms, rolling.age) || passed(self.active_ms, rolling.inactivity)
    }
}

// Row G8.28: json and csv hold inserted rows only.
fn refuse_changes(batch: &Batch, table: &str) -> Result<(), SinkError> {
    let change = batch.kinds.iter().flat_map(|kinds| kinds.iter()).find(|k| **k != RowKind::Insert);
    match change {
        None => Ok(()),
        Some(kind) => Err(sink_refused(format!(
            "table '{table}' takes inserted rows only and was given a {kind}; write the query's \
             result to a table that takes changes"
        ))),
    }
}

fn create(pending: &PendingFile) -> io::Result<File> {
    fs::create_dir_all(&pending.directory)?;
    let path = pending.directory.join(&pending.hidden);
    OpenOptions::new().append(true).create_new(true).open(path)
}

fn unwritable(pending: &PendingFile, error: io::Error) -> SinkError {
    let directory: &Path = &pending.directory;
    let file = path::text(&directory.join(&pending.visible));
    sink_failed(format!("file '{file}' cannot be written"), error)
}

type PartitionKeys<'a> = Vec<(&'a str, Cells<'a>)>;

fn partition_cells<'a>(
    table: &'a TableSpec,
    columns: &'a [ArrayRef],
) -> Result<PartitionKeys<'a>, SinkError> {
    let cells = |at: &usize| {
        let field = &table.physical.fields[*at];
        Ok((field.name.as_str(), Cells::new(&field.data_type, &columns[*at])?))
    };
    table.partition_keys.iter().map(cells).collect::<Result<_, _>>().map_err(
        |error: millrace_formats::FormatError| {
            sink_failed(format!("table '{}' cannot be partitioned", table.name), error)
        },
    )
}

fn directory_of(keys: &PartitionKeys<'_>, row: usize, default_name: &str) -> String {
    let parts: Vec<String> = keys
        .iter()
        .map(|(key, cells)| partition::directory(key, cells, row, default_name))
        .collect();
    parts.join("/")
}

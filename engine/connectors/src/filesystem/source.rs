//! The file system as a source.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use arrow::datatypes::SchemaRef;
use millrace_dataflow::source::{
    Assignment, Boundedness, ScanSpec, Source, SourceError, SourceReader, SplitEnumerator,
    TaskContext,
};
use millrace_dataflow::table::{ProducedColumn, TableSpec};
use millrace_dataflow::types::{DataType, Field, Schema};
use millrace_formats::{Format, Framing};
use regex::Regex;

use super::enumerator::FileEnumerator;
use super::reader::FileReader;
use super::{OPTIONS, file_columns, listing, metadata_keys, path};
use crate::errors::source_refused;
use crate::options::TableOptions;

/// Bounded files are read in ranges of about this many bytes.
const RANGE_BYTES: u64 = 32 * 1024 * 1024;

pub struct FileSource {
    root: PathBuf,
    pattern: Option<Regex>,
    interval: Option<Duration>,
    range_bytes: u64,
    plan: Arc<ReadPlan>,
}

/// How the columns asked for come about; shared by all readers.
pub struct ReadPlan {
    pub root: PathBuf,
    pub format: Box<dyn Format>,
    /// Indices into the format's columns.
    pub decoded: Vec<usize>,
    pub slots: Vec<Slot>,
    pub schema: SchemaRef,
    pub batch_rows: usize,
    pub default_partition: String,
}

/// Where one produced column comes from.
pub enum Slot {
    /// The decoder's column of this position.
    Decoded(usize),
    /// The same in every row of a file.
    Constant(Constant),
}

pub enum Constant {
    Path,
    Name,
    Size,
    ModificationTime,
    Partition { key: String, data_type: DataType },
}

impl FileSource {
    /// # Errors
    /// The options are not what [`super::check`] lets through.
    pub fn new(scan: &ScanSpec) -> Result<FileSource, SourceError> {
        let options = TableOptions::new(&scan.table.options, OPTIONS);
        let root = path::of_option(options.text("path").unwrap_or("")).map_err(source_refused)?;
        let pattern = options.text("source.path.regex-pattern").map(listing::whole_path);
        let pattern = pattern
            .transpose()
            .map_err(|error| source_refused(format!("'source.path.regex-pattern': {error}")))?;
        let plan = Arc::new(ReadPlan::new(scan, root.clone())?);
        let interval = options.duration("source.monitor-interval");
        Ok(FileSource { root, pattern, interval, range_bytes: RANGE_BYTES, plan })
    }

    #[cfg(test)]
    pub fn with_range_bytes(mut self, bytes: u64) -> FileSource {
        self.range_bytes = bytes;
        self
    }
}

impl Source for FileSource {
    fn boundedness(&self) -> Boundedness {
        match self.interval {
            Some(_) => Boundedness::Unbounded,
            None => Boundedness::Bounded,
        }
    }

    fn assignment(&self) -> Assignment {
        Assignment::OnDemand
    }

    fn discovery_interval(&self) -> Option<Duration> {
        self.interval
    }

    fn create_enumerator(
        &self,
        _parallelism: u16,
        restored: Option<&serde_json::Value>,
    ) -> Result<Box<dyn SplitEnumerator>, SourceError> {
        let continuous = self.interval.is_some();
        // Quoted line ends make a file readable from its start only.
        let in_ranges = !continuous && self.plan.format.framing() == Framing::Lines;
        let range_bytes = in_ranges.then_some(self.range_bytes);
        let (root, pattern) = (self.root.clone(), self.pattern.clone());
        Ok(Box::new(FileEnumerator::new(root, pattern, continuous, range_bytes, restored)?))
    }

    fn create_reader(&self, _ctx: TaskContext) -> Result<Box<dyn SourceReader>, SourceError> {
        Ok(Box::new(FileReader::new(self.plan.clone())))
    }
}

impl ReadPlan {
    fn new(scan: &ScanSpec, root: PathBuf) -> Result<ReadPlan, SourceError> {
        let table = &scan.table;
        let options = TableOptions::new(&table.options, OPTIONS);
        let in_files = file_columns(table);
        let (mut decoded, mut slots, mut fields) = (Vec::new(), Vec::new(), Vec::new());
        for column in &scan.columns {
            let (slot, field) = slot_of(table, column, &in_files, &mut decoded)?;
            slots.push(slot);
            fields.push(field);
        }
        Ok(ReadPlan {
            root,
            format: super::format(table).map_err(source_refused)?,
            decoded,
            slots,
            schema: Schema::new(fields).to_arrow(),
            batch_rows: scan.batch_rows.max(1),
            default_partition: options.text("partition.default-name").unwrap_or("").to_owned(),
        })
    }
}

fn slot_of(
    table: &TableSpec,
    column: &ProducedColumn,
    in_files: &[usize],
    decoded: &mut Vec<usize>,
) -> Result<(Slot, Field), SourceError> {
    match column {
        ProducedColumn::Physical(at) => {
            let field = table.physical.fields[*at].clone();
            let slot = match in_files.iter().position(|in_file| in_file == at) {
                Some(position) => Slot::Decoded(place(decoded, position)),
                None => Slot::Constant(Constant::Partition {
                    key: field.name.clone(),
                    data_type: field.data_type.clone(),
                }),
            };
            Ok((slot, field))
        }
        ProducedColumn::Metadata(at) => {
            let metadata = &table.metadata[*at];
            let constant = match metadata.key.as_str() {
                "file.path" => Constant::Path,
                "file.name" => Constant::Name,
                "file.size" => Constant::Size,
                "file.modification-time" => Constant::ModificationTime,
                other => return Err(unknown_metadata(table, other)),
            };
            let known = metadata_keys().into_iter().find(|known| known.key == metadata.key);
            let data_type = known.map_or(metadata.data_type.clone(), |known| known.data_type);
            Ok((Slot::Constant(constant), Field::new(metadata.name.clone(), data_type)))
        }
    }
}

// The position of a column among the decoded ones; each is decoded once.
fn place(decoded: &mut Vec<usize>, column: usize) -> usize {
    decoded.iter().position(|present| *present == column).unwrap_or_else(|| {
        decoded.push(column);
        decoded.len() - 1
    })
}

fn unknown_metadata(table: &TableSpec, key: &str) -> SourceError {
    let known = metadata_keys().iter().map(|known| known.key).collect::<Vec<_>>().join(", ");
    source_refused(format!("table '{}' has no metadata '{key}'; there are {known}", table.name))
}

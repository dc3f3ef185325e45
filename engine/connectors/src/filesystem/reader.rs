//! Reads file splits one after the other.

use std::collections::VecDeque;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::TimestampMillisecondArray;
use arrow::array::{ArrayRef, Int64Array, RecordBatch, RecordBatchOptions, StringArray};
use millrace_dataflow::batch::Batch;
use millrace_dataflow::source::{ReaderEvent, SourceError, SourceReader, Split};
use millrace_formats::RowDecoder;
use millrace_formats::column::repeat;

use super::partition;
use super::records::{RecordFile, line_of};
use super::source::{Constant, ReadPlan, Slot};
use super::split::FileSplit;
use crate::errors::{source_failed, source_refused};

/// A batch ends after this many bytes, so that a poll stays short, and that its bytes,
/// its columns and what is written of them fit a processor's cache of 512 KiB together.
const BATCH_BYTES: u64 = 128 * 1024;
const IDLE: Duration = Duration::from_millis(100);

pub struct FileReader {
    plan: Arc<ReadPlan>,
    decoder: Box<dyn RowDecoder>,
    /// Not yet opened, oldest first.
    waiting: VecDeque<(String, FileSplit)>,
    open: Option<OpenFile>,
}

struct OpenFile {
    id: String,
    records: RecordFile,
    /// One row each, by slot.
    constants: Vec<Option<ArrayRef>>,
}

impl FileReader {
    pub fn new(plan: Arc<ReadPlan>) -> FileReader {
        let decoder = plan.format.decoder(&plan.decoded);
        FileReader { plan, decoder, waiting: VecDeque::new(), open: None }
    }

    fn open(&self, id: String, split: FileSplit) -> Result<OpenFile, SourceError> {
        let constants = constants(&self.plan, &split)?;
        let path = split.path.clone();
        let records = RecordFile::open(split).map_err(|error| unreadable(&path, error))?;
        Ok(OpenFile { id, records, constants })
    }
}

impl SourceReader for FileReader {
    fn add_split(&mut self, split: Split) -> Result<(), SourceError> {
        let position = FileSplit::of_split(&split)?;
        self.waiting.push_back((split.id, position));
        Ok(())
    }

    fn poll(&mut self, _processing_time_ms: i64) -> Result<ReaderEvent, SourceError> {
        if self.open.is_none() {
            let Some((id, split)) = self.waiting.front().cloned() else {
                return Ok(ReaderEvent::Wait(IDLE));
            };
            self.open = Some(self.open(id, split)?);
            self.waiting.pop_front();
        }
        let Some(file) = &mut self.open else { return Ok(ReaderEvent::Wait(IDLE)) };
        let ended = decode_some(&mut file.records, self.decoder.as_mut(), self.plan.batch_rows)?;
        let rows = self.decoder.rows();
        if rows > 0 {
            let batch = assemble(&self.plan, &file.constants, rows, self.decoder.finish())?;
            return Ok(ReaderEvent::Batch { split: file.id.clone(), batch });
        }
        if !ended {
            return Ok(ReaderEvent::Wait(Duration::ZERO)); // a stretch of skipped records
        }
        let split = file.id.clone();
        self.open = None;
        Ok(ReaderEvent::SplitFinished { split })
    }

    fn snapshot(&self) -> Vec<Split> {
        let open = self.open.iter().map(|file| (&file.id, &file.records.split));
        let waiting = self.waiting.iter().map(|(id, split)| (id, split));
        open.chain(waiting)
            .map(|(id, split)| Split { id: id.clone(), state: split.state() })
            .collect()
    }
}

// `true` when the range has no more records.
fn decode_some(
    records: &mut RecordFile,
    decoder: &mut dyn RowDecoder,
    batch_rows: usize,
) -> Result<bool, SourceError> {
    let stop_at = records.split.offset + BATCH_BYTES;
    while decoder.rows() < batch_rows && records.split.offset < stop_at {
        if records.is_at_end() {
            return Ok(true);
        }
        let left = stop_at.min(records.split.end) - records.split.offset;
        let stretch = decoder.decode_lines(records.unread(), left as usize, batch_rows);
        records.advance(stretch.bytes);
        stretch.result.map_err(|error| bad_record(&records.split, &error.message))?;
        let filled = stretch.bytes > 0
            || records.fill().map_err(|error| unreadable(&records.split.path, error))?;
        if !filled {
            return decode_rest(records, decoder).map(|()| true);
        }
    }
    Ok(false)
}

// What follows the last line end of the file.
fn decode_rest(records: &mut RecordFile, decoder: &mut dyn RowDecoder) -> Result<(), SourceError> {
    let rest = records.unread();
    if !rest.is_empty() {
        decoder.decode(rest).map_err(|error| bad_record(&records.split, &error.message))?;
        records.advance(rest.len());
    }
    Ok(())
}

/// The record at the position of the split is bad.
fn bad_record(split: &FileSplit, reason: &str) -> SourceError {
    let FileSplit { path, offset, .. } = split;
    let offset = *offset;
    let line = match line_of(path, offset) {
        Ok(line) => format!("line {line}, "),
        Err(_) => String::new(),
    };
    SourceError::BadRecord {
        message: format!("bad record in file '{path}', {line}byte {offset}: {reason}"),
    }
}

fn unreadable(path: &str, error: io::Error) -> SourceError {
    let reason = if error.kind() == io::ErrorKind::NotFound {
        "is gone since it was found; files must stay until they are read"
    } else {
        "cannot be read"
    };
    source_failed(format!("file '{path}' {reason}"), error)
}

fn assemble(
    plan: &ReadPlan,
    constants: &[Option<ArrayRef>],
    rows: usize,
    decoded: Vec<ArrayRef>,
) -> Result<Batch, SourceError> {
    let columns = plan.slots.iter().zip(constants).map(|(slot, constant)| match (slot, constant) {
        (Slot::Decoded(at), _) => decoded[*at].clone(),
        (Slot::Constant(_), Some(constant)) => repeat(constant, rows),
        (Slot::Constant(_), None) => unreachable!("every constant slot has its value"),
    });
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(plan.schema.clone(), columns.collect(), &options)
        .map(Batch::insert_only)
        .map_err(|error| source_failed("the columns of a batch do not fit together", error))
}

fn constants(plan: &ReadPlan, split: &FileSplit) -> Result<Vec<Option<ArrayRef>>, SourceError> {
    let value = |constant: &Constant| -> Result<ArrayRef, SourceError> {
        Ok(match constant {
            Constant::Path => Arc::new(StringArray::from(vec![split.path.as_str()])),
            Constant::Name => Arc::new(StringArray::from(vec![file_name(&split.path)])),
            Constant::Size => Arc::new(Int64Array::from(vec![split.size as i64])),
            Constant::ModificationTime => Arc::new(
                TimestampMillisecondArray::from(vec![split.modified_ms]).with_timezone("UTC"),
            ),
            Constant::Partition { key, data_type } => {
                partition::value(&split.path, &plan.root, key, data_type, &plan.default_partition)
                    .map_err(source_refused)?
            }
        })
    };
    plan.slots
        .iter()
        .map(|slot| match slot {
            Slot::Decoded(_) => Ok(None),
            Slot::Constant(constant) => value(constant).map(Some),
        })
        .collect()
}

fn file_name(path: &str) -> &str {
    Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or(path)
}

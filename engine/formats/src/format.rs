//! The face of a format, and the formats there are.

use std::collections::BTreeMap;
use std::fmt::Debug;

use arrow::array::ArrayRef;
use millrace_dataflow::types::Schema;

use crate::error::FormatError;
use crate::options::OptionSpec;
use crate::{csv, json, raw};

/// A format as data.
#[derive(Clone, Copy, Debug)]
pub struct FormatDescriptor {
    /// Also the prefix of its options (row G.2).
    pub name: &'static str,
    /// Keys without the prefix.
    pub options: &'static [OptionSpec],
    /// Makes the format from its options (keys without the prefix) for the columns
    /// of a table; also says what is wrong with them.
    pub create: CreateFormat,
}

/// See [`FormatDescriptor::create`].
pub type CreateFormat = fn(&FormatOptions, &Schema) -> Result<Box<dyn Format>, FormatError>;

/// Option values by key without the format's prefix.
pub type FormatOptions = BTreeMap<String, String>;

/// The formats this build has, by name.
pub fn formats() -> &'static [FormatDescriptor] {
    const FORMATS: &[FormatDescriptor] = &[csv::DESCRIPTOR, json::DESCRIPTOR, raw::DESCRIPTOR];
    FORMATS
}

/// A format made for one table.
pub trait Format: Send + Sync + Debug {
    fn framing(&self) -> Framing;

    /// A decoder that produces `columns` (indices into the table's columns, each at
    /// most once), in order.
    fn decoder(&self, columns: &[usize]) -> Box<dyn RowDecoder>;

    fn encoder(&self) -> Box<dyn RowEncoder>;
}

/// How records follow each other in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Framing {
    /// Ended by `\n`; such a file can be read from any line on.
    Lines,
    /// Ended by a `\n` that is not between quotes; only readable from its start.
    QuotedLines,
}

/// What became of one record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decoded {
    Row,
    /// Blank, a comment, or bad and ignored as the options ask.
    Skipped,
}

/// How far [`RowDecoder::decode_lines`] came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stretch {
    /// Where the next record starts; on an error, where the bad one does.
    pub bytes: usize,
    pub result: Result<(), FormatError>,
}

/// Turns records into columns.
pub trait RowDecoder: Send {
    /// Appends the row of one record (without its line end).
    ///
    /// # Errors
    /// The record does not fit the table; nothing was appended.
    fn decode(&mut self, record: &[u8]) -> Result<Decoded, FormatError>;

    /// Appends the rows of the records at the start of `bytes`, each ended by a `\n` as
    /// the format's [`Framing`] says,
    /// until one starts at `stop_at` or later, there are `most_rows` rows, or the next
    /// record has no end here.
    fn decode_lines(&mut self, bytes: &[u8], stop_at: usize, most_rows: usize) -> Stretch {
        let mut at = 0;
        while at < stop_at.min(bytes.len()) && self.rows() < most_rows {
            let Some(length) = memchr::memchr(b'\n', &bytes[at..]) else { break };
            if let Err(error) = self.decode(&bytes[at..at + length]) {
                return Stretch { bytes: at, result: Err(error) };
            }
            at += length + 1;
        }
        Stretch { bytes: at, result: Ok(()) }
    }

    /// Rows appended since the last [`RowDecoder::finish`].
    fn rows(&self) -> usize;

    /// The columns of the rows so far; the decoder starts anew.
    fn finish(&mut self) -> Vec<ArrayRef>;
}

/// Records one after the other, each ending where `ends` says.
#[derive(Clone, Debug, Default)]
pub struct Encoded {
    pub bytes: Vec<u8>,
    pub ends: Vec<usize>,
}

impl Encoded {
    pub fn clear(&mut self) {
        self.bytes.clear();
        self.ends.clear();
    }

    pub fn record(&self, row: usize) -> &[u8] {
        let start = if row == 0 { 0 } else { self.ends[row - 1] };
        &self.bytes[start..self.ends[row]]
    }
}

/// Turns the table's columns into records.
pub trait RowEncoder: Send {
    /// Appends one record a row, each with its line end.
    ///
    /// # Errors
    /// A value that the format cannot hold; `out` is then to be thrown away.
    fn encode(
        &mut self,
        columns: &[ArrayRef],
        rows: usize,
        out: &mut Encoded,
    ) -> Result<(), FormatError>;
}

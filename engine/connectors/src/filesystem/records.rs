//! The records of a file range, read in large blocks and handed out in place.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};
use std::ops::Range;

use millrace_formats::Framing;
use millrace_formats::csv::open_quote;

use super::split::FileSplit;

const BLOCK_BYTES: usize = 256 * 1024;
/// A record longer than this is taken for a file that is not what it should be.
const MAX_RECORD_BYTES: usize = 64 * 1024 * 1024;

/// A file open at the position of a split, which it moves on record by record.
pub struct RecordFile {
    file: File,
    framing: Framing,
    buffer: Vec<u8>,
    /// Start of what is unread in `buffer`, which is at `split.offset` of the file.
    start: usize,
    pub split: FileSplit,
}

impl RecordFile {
    /// # Errors
    /// The file is gone, or shorter than when it was listed.
    pub fn open(mut split: FileSplit, framing: Framing) -> io::Result<RecordFile> {
        let mut file = File::open(&split.path)?;
        let length = file.metadata()?.len();
        if length < split.size {
            return Err(shrank(split.size, length));
        }
        // A range begins behind the first line end at or after the byte before it.
        let from = split.offset - u64::from(!split.aligned && split.offset > 0);
        file.seek(SeekFrom::Start(from))?;
        let skip_first = !split.aligned;
        split.offset = from;
        let buffer = Vec::with_capacity(BLOCK_BYTES);
        let mut records = RecordFile { file, framing, buffer, start: 0, split };
        if skip_first {
            records.next()?;
            records.split.aligned = true;
        }
        Ok(records)
    }

    /// The next record of the range as a range of [`RecordFile::bytes`] without its
    /// line end; the split's offset is behind it afterwards.
    pub fn next(&mut self) -> io::Result<Option<Range<usize>>> {
        if self.split.aligned && self.split.offset >= self.split.end {
            return Ok(None);
        }
        let mut scanned = 0;
        loop {
            match self.line_end(scanned) {
                Some(length) => {
                    let line = self.start..self.start + length;
                    if self.goes_on(&self.buffer[line.clone()]) {
                        scanned = length + 1;
                        continue;
                    }
                    self.advance(length + 1);
                    return Ok(Some(line));
                }
                None => scanned = self.buffer.len() - self.start,
            }
            if !self.fill()? {
                return Ok(self.rest());
            }
        }
    }

    pub fn bytes(&self, range: Range<usize>) -> &[u8] {
        &self.buffer[range]
    }

    fn line_end(&self, from: usize) -> Option<usize> {
        let unread = &self.buffer[self.start..];
        memchr::memchr(b'\n', &unread[from..]).map(|at| from + at)
    }

    fn goes_on(&self, line: &[u8]) -> bool {
        match self.framing {
            Framing::Lines => false,
            Framing::QuotedLines { quote, delimiter, escape } => {
                open_quote(line, quote, delimiter, escape)
            }
        }
    }

    fn advance(&mut self, bytes: usize) {
        self.start += bytes;
        self.split.offset += bytes as u64;
    }

    // What follows the last line end of the file.
    fn rest(&mut self) -> Option<Range<usize>> {
        let rest = self.start..self.buffer.len();
        self.advance(rest.len());
        (!rest.is_empty()).then_some(rest)
    }

    /// Reads a block more; `false` at the end of what was listed.
    fn fill(&mut self) -> io::Result<bool> {
        let unread = self.buffer.len() - self.start;
        if unread > MAX_RECORD_BYTES {
            return Err(io::Error::other("a record is longer than 64 MiB"));
        }
        self.buffer.drain(..self.start);
        self.start = 0;
        let left = self.split.size - (self.split.offset + unread as u64);
        let wanted = (BLOCK_BYTES as u64).min(left) as usize;
        if wanted == 0 {
            return Ok(false);
        }
        self.buffer.resize(unread + wanted, 0);
        let mut filled = unread;
        while filled < unread + wanted {
            match self.file.read(&mut self.buffer[filled..])? {
                0 => return Err(shrank(self.split.size, self.split.offset + filled as u64)),
                read => filled += read,
            }
        }
        Ok(true)
    }
}

fn shrank(size: u64, length: u64) -> io::Error {
    io::Error::other(format!(
        "the file had {size} bytes when it was found and has {length} now; files must not change \
         after they appear"
    ))
}

/// The line (counted from 1) that a byte of a file is in; read only for messages.
pub fn line_of(path: &str, offset: u64) -> io::Result<u64> {
    let mut before = File::open(path)?.take(offset);
    let mut block = vec![0; BLOCK_BYTES];
    let mut lines = 1;
    loop {
        match before.read(&mut block)? {
            0 => return Ok(lines),
            read => lines += memchr::memchr_iter(b'\n', &block[..read]).count() as u64,
        }
    }
}

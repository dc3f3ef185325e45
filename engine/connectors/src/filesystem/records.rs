//! The bytes of a file range, read in large blocks and handed out in place.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use super::split::FileSplit;

const BLOCK_BYTES: usize = 256 * 1024;
/// A record longer than this is taken for a file that is not what it should be.
const MAX_RECORD_BYTES: usize = 64 * 1024 * 1024;

/// A file open at the position of a split, which it moves on.
pub struct RecordFile {
    file: File,
    /// `buffer[start..end]` is what was read of the file from `split.offset` on and is
    /// not yet decoded; what is behind it is to be written over.
    buffer: Vec<u8>,
    start: usize,
    end: usize,
    pub split: FileSplit,
}

impl RecordFile {
    /// # Errors
    /// The file is gone, or shorter than when it was listed.
    pub fn open(mut split: FileSplit) -> io::Result<RecordFile> {
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
        let mut records = RecordFile { file, buffer: Vec::new(), start: 0, end: 0, split };
        if skip_first {
            records.skip_line()?;
            records.split.aligned = true;
        }
        Ok(records)
    }

    /// Whether the next record, if there is one, belongs to another split.
    pub fn is_at_end(&self) -> bool {
        self.split.offset >= self.split.end
    }

    /// What was read and not yet decoded; a record starts here.
    pub fn unread(&self) -> &[u8] {
        &self.buffer[self.start..self.end]
    }

    /// Steps over some of [`RecordFile::unread`].
    pub fn advance(&mut self, bytes: usize) {
        self.start += bytes;
        self.split.offset += bytes as u64;
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            if let Some(length) = memchr::memchr(b'\n', self.unread()) {
                self.advance(length + 1);
                return Ok(());
            }
            self.advance(self.unread().len());
            if !self.fill()? {
                return Ok(());
            }
        }
    }

    /// Reads a block more; `false` at the end of what was listed.
    pub fn fill(&mut self) -> io::Result<bool> {
        let unread = self.end - self.start;
        if unread > MAX_RECORD_BYTES {
            return Err(io::Error::other("a record is longer than 64 MiB"));
        }
        let left = self.split.size - (self.split.offset + unread as u64);
        let wanted = (BLOCK_BYTES as u64).min(left) as usize;
        if wanted == 0 {
            return Ok(false);
        }
        self.buffer.copy_within(self.start..self.end, 0);
        (self.start, self.end) = (0, unread);
        if self.buffer.len() < unread + wanted {
            self.buffer.resize(unread + wanted, 0);
        }
        while self.end < unread + wanted {
            match self.file.read(&mut self.buffer[self.end..unread + wanted])? {
                0 => return Err(shrank(self.split.size, self.split.offset + self.end as u64)),
                read => self.end += read,
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

//! A run: an immutable file of pages in order of key (`engine/design/state-runs.md`).

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};

use super::PageError;
use super::block::{self, Block};
use super::bloom::Bloom;

pub(super) const MAGIC: &[u8; 8] = b"MLRCRUN\x01";
/// The newest format that this build writes and reads.
pub(super) const FORMAT: u32 = 1;
/// See [`Footer`].
const FOOTER: usize = 68;
/// An index or a filter larger than this is refused before memory is taken for it.
const MAX_PART: u64 = 1 << 31;

static NEXT_NUMBER: AtomicU64 = AtomicU64::new(0);

/// An open run. Dropping it removes its file: it lies in a working directory, and
/// whoever still needs it holds on to it.
#[derive(Debug)]
pub struct Run {
    /// Differs between all runs of the process: what the cache knows it by.
    pub(super) number: u64,
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) file: File,
    pub(super) length: u64,
    /// Of the whole file.
    pub(super) crc32: u32,
    pub(super) footer: Footer,
    pub(super) index: Index,
    pub(super) bloom: Bloom,
}

/// The last bytes of a run: 7 `u64` LE, `u32` LE format, `u32` LE CRC-32 of all that,
/// 4 zeros.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Footer {
    pub index_at: u64,
    pub index_length: u64,
    pub bloom_at: u64,
    pub bloom_length: u64,
    /// Entries, those that remove a page among them.
    pub entries: u64,
    pub removed: u64,
    /// Of keys and values.
    pub bytes: u64,
}

/// The blocks of a run: the last key of each, and where it lies.
#[derive(Debug, Default)]
pub(super) struct Index {
    keys: Vec<u8>,
    /// Where each key ends in `keys`.
    ends: Vec<u32>,
    /// Offset and length in the file.
    places: Vec<(u64, u32)>,
    pub first: Vec<u8>,
}

impl Footer {
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![];
        for field in self.fields() {
            out.extend_from_slice(&field.to_le_bytes());
        }
        out.extend_from_slice(&FORMAT.to_le_bytes());
        let checksum = crc32fast::hash(&out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(&[0; 4]);
        out
    }

    fn fields(&self) -> [u64; 7] {
        [
            self.index_at,
            self.index_length,
            self.bloom_at,
            self.bloom_length,
            self.entries,
            self.removed,
            self.bytes,
        ]
    }

    fn decode(bytes: &[u8]) -> Result<Footer, String> {
        let word = |at| block::word(bytes, at).ok_or("its footer is too short");
        let (format, checksum) = (word(56)?, word(60)?);
        if checksum != crc32fast::hash(&bytes[..60]) || bytes[64..] != [0; 4] {
            return Err("its footer's checksum does not fit: it was cut off or changed".into());
        }
        if format > FORMAT {
            return Err(format!("it has format {format}, and this build reads up to {FORMAT}"));
        }
        let field = |at: usize| {
            u64::from_le_bytes(bytes[8 * at..8 * at + 8].try_into().expect("eight bytes"))
        };
        Ok(Footer {
            index_at: field(0),
            index_length: field(1),
            bloom_at: field(2),
            bloom_length: field(3),
            entries: field(4),
            removed: field(5),
            bytes: field(6),
        })
    }
}

impl Index {
    /// What it takes in memory.
    fn memory_bytes(&self) -> usize {
        let each = size_of::<u32>() + size_of::<(u64, u32)>();
        self.keys.len() + self.first.len() + self.ends.len() * each
    }

    pub fn push(&mut self, last: &[u8], offset: u64, length: u32) {
        self.keys.extend_from_slice(last);
        self.ends.push(self.keys.len() as u32);
        self.places.push((offset, length));
    }

    pub fn blocks(&self) -> usize {
        self.places.len()
    }

    pub fn last_key(&self, block: usize) -> &[u8] {
        let start = if block == 0 { 0 } else { self.ends[block - 1] };
        &self.keys[start as usize..self.ends[block] as usize]
    }

    /// The only block that can hold the key, or the first behind it.
    pub fn block_of(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.blocks());
        while low < high {
            let middle = low.midpoint(high);
            if self.last_key(middle) < key {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        low
    }

    /// The first key of the run, then each block: offset, length, last key.
    pub fn encode(&self) -> Vec<u8> {
        let mut out = vec![];
        let put_key = |key: &[u8], out: &mut Vec<u8>| {
            out.extend_from_slice(&(key.len() as u32).to_le_bytes());
            out.extend_from_slice(key);
        };
        put_key(&self.first, &mut out);
        for (block, (offset, length)) in self.places.iter().enumerate() {
            out.extend_from_slice(&offset.to_le_bytes());
            out.extend_from_slice(&length.to_le_bytes());
            put_key(self.last_key(block), &mut out);
        }
        out
    }

    fn decode(bytes: &[u8], blocks: u32) -> Result<Index, String> {
        let mut index = Index::default();
        let (first, mut rest) = crate::block::take_part(bytes)?;
        index.first = first.to_vec();
        for _ in 0..blocks {
            let (place, tail) = rest.split_first_chunk::<12>().ok_or("its index is cut off")?;
            let (offset, length) = place.split_at(8);
            let (key, tail) = crate::block::take_part(tail)?;
            index.push(
                key,
                u64::from_le_bytes(offset.try_into().expect("eight bytes")),
                u32::from_le_bytes(length.try_into().expect("four bytes")),
            );
            rest = tail;
        }
        if rest.is_empty() { Ok(index) } else { Err("its index has bytes at its end".into()) }
    }
}

impl Run {
    /// Opens a file that is there; from now on it is the run's own, and goes with it.
    ///
    /// # Errors
    /// The file is no run, or is damaged; its data blocks are looked at when they are read.
    pub fn open(path: &Path, name: &str) -> Result<Run, PageError> {
        let disk = |source| disk_error("open", path, source);
        let file = File::open(path).map_err(disk)?;
        let length = file.metadata().map_err(disk)?.len();
        let parts = read_parts(&file, length).map_err(|error| error.at(path, name))?;
        let (footer, index, bloom) = parts;
        let number = Run::next_number();
        let (name, path) = (name.to_owned(), path.to_owned());
        Ok(Run { number, name, path, file, length, crc32: 0, footer, index, bloom })
    }

    pub(super) fn next_number() -> u64 {
        NEXT_NUMBER.fetch_add(1, Ordering::Relaxed)
    }

    /// As [`Run::open`], for a file whose bytes were compared with this checksum.
    ///
    /// # Errors
    /// As [`Run::open`].
    pub fn open_checked(path: &Path, name: &str, crc32: u32) -> Result<Run, PageError> {
        let mut run = Run::open(path, name)?;
        run.crc32 = crc32;
        Ok(run)
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Of the file, in bytes.
    pub fn length(&self) -> u64 {
        self.length
    }

    pub fn crc32(&self) -> u32 {
        self.crc32
    }

    /// How many pages it writes or removes.
    pub fn entries(&self) -> u64 {
        self.footer.entries
    }

    /// All bytes of the file, compared with its checksum; they stay readable when its
    /// directory has gone.
    ///
    /// # Errors
    /// The disk fails, or the file has changed.
    pub fn read_whole(&self) -> Result<Vec<u8>, PageError> {
        let mut bytes = vec![0; self.length as usize];
        let read = self.file.read_exact_at(&mut bytes, 0);
        read.map_err(|source| disk_error("read", &self.path, source))?;
        if crc32fast::hash(&bytes) != self.crc32 {
            return Err(PageError::damaged(&self.name, "its checksum does not fit its bytes"));
        }
        Ok(bytes)
    }

    /// What its filter and its index take in memory.
    pub(super) fn index_bytes(&self) -> u64 {
        (self.index.memory_bytes() + self.bloom.memory_bytes()) as u64
    }

    pub(super) fn last_key(&self) -> &[u8] {
        self.index.last_key(self.index.blocks() - 1)
    }

    pub(super) fn read_block(&self, block: usize) -> Result<Block, PageError> {
        let (offset, length) = self.index.places[block];
        read_part(&self.file, offset, u64::from(length), self.length)
            .and_then(|bytes| Block::read(bytes).map_err(OpenError::Damaged))
            .map_err(|error| error.at(&self.path, &self.name))
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        // A file that stays goes with its directory.
        let _ = fs::remove_file(&self.path);
    }
}

enum OpenError {
    Disk(std::io::Error),
    Damaged(String),
}

impl OpenError {
    fn at(self, path: &Path, name: &str) -> PageError {
        match self {
            OpenError::Disk(source) => disk_error("read", path, source),
            OpenError::Damaged(reason) => PageError::damaged(name, reason),
        }
    }
}

fn read_parts(file: &File, length: u64) -> Result<(Footer, Index, Bloom), OpenError> {
    let damaged = |reason: String| OpenError::Damaged(reason);
    let least = (MAGIC.len() + FOOTER) as u64;
    if length < least {
        return Err(damaged(format!("it has {length} bytes, too few for a run")));
    }
    if read_part(file, 0, MAGIC.len() as u64, length)? != MAGIC {
        return Err(damaged("it does not begin as a run does".into()));
    }
    let footer_at = length - FOOTER as u64;
    let footer = read_part(file, footer_at, FOOTER as u64, length)?;
    let footer = Footer::decode(&footer).map_err(damaged)?;
    let part = |at, size| {
        let bytes = read_part(file, at, size, footer_at)?;
        block::unframe(bytes).map_err(OpenError::Damaged)
    };
    let (index, blocks) = part(footer.index_at, footer.index_length)?;
    let index = Index::decode(&index, blocks).map_err(damaged)?;
    let (bloom, _) = part(footer.bloom_at, footer.bloom_length)?;
    if index.blocks() == 0 {
        return Err(damaged("it has no blocks".into()));
    }
    Ok((footer, index, Bloom::decode(&bloom).map_err(damaged)?))
}

fn read_part(file: &File, at: u64, length: u64, limit: u64) -> Result<Vec<u8>, OpenError> {
    let inside = at.checked_add(length).is_some_and(|end| end <= limit) && length < MAX_PART;
    if !inside {
        return Err(OpenError::Damaged("it points beyond its end".into()));
    }
    let mut bytes = vec![0; length as usize];
    file.read_exact_at(&mut bytes, at).map_err(OpenError::Disk)?;
    Ok(bytes)
}

pub(super) fn disk_error(doing: &str, path: &Path, source: std::io::Error) -> PageError {
    PageError::Disk { doing: format!("{doing} {}", path.display()), source }
}

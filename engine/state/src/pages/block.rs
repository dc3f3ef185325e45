//! A run's blocks: framed, checked, searched by halves.
//!
//! ```text
//! 0  u32 LE  CRC-32 (IEEE) of all bytes from 4 on
//! 4  u32 LE  length of the body before compression
//! 8  u32 LE  number of entries
//! 12 u8      codec: 0 plain, 1 zstd
//! 13 3 bytes 0
//! 16 ...     body
//! ```
//!
//! A data block's body holds its entries in order of key, then where each of them
//! begins (`u32` LE). An entry is `u32` LE key length, `u32` LE value length
//! (`0xFFFFFFFF`: the page is removed), key, value; its key is the key group, big
//! endian, and the page's key.

use std::cell::RefCell;
use std::cmp::Ordering;

pub(super) const HEADER: usize = 16;
const ZSTD_LEVEL: i32 = 1;
const REMOVED: u32 = u32::MAX;
/// A block larger than this is refused before memory is taken for it.
const MAX_BODY: usize = 1 << 31;

thread_local! {
    static UNPACK: RefCell<Option<zstd::bulk::Decompressor<'static>>> = const { RefCell::new(None) };
}

/// A key within a run: ordered as the bytes are.
pub(super) fn full_key(group: u16, key: &[u8], out: &mut Vec<u8>) {
    out.clear();
    out.extend_from_slice(&group.to_be_bytes());
    out.extend_from_slice(key);
}

/// The key group and the page's key.
pub(super) fn split_key(full: &[u8]) -> (u16, &[u8]) {
    let (group, key) = full.split_first_chunk::<2>().expect("a full key begins with its group");
    (u16::from_be_bytes(*group), key)
}

/// Appends a framed body to `out`.
pub(super) fn frame(body: &[u8], entries: u32, compress: bool, out: &mut Vec<u8>) {
    let packed = compress
        .then(|| zstd::bulk::compress(body, ZSTD_LEVEL).ok())
        .flatten()
        .filter(|packed| packed.len() < body.len());
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    out.extend_from_slice(&(body.len() as u32).to_le_bytes());
    out.extend_from_slice(&entries.to_le_bytes());
    out.extend_from_slice(&[u8::from(packed.is_some()), 0, 0, 0]);
    out.extend_from_slice(packed.as_deref().unwrap_or(body));
    let checksum = crc32fast::hash(&out[start + 4..]);
    out[start..start + 4].copy_from_slice(&checksum.to_le_bytes());
}

/// The body of a frame and its number of entries.
///
/// # Errors
/// What is wrong with the frame, in words.
pub(super) fn unframe(mut bytes: Vec<u8>) -> Result<(Vec<u8>, u32), String> {
    let (from, entries) = unpack_frame(&mut bytes)?;
    bytes.drain(..from);
    Ok((bytes, entries))
}

/// Puts the body of a frame into `bytes`; where it begins, and its number of entries.
fn unpack_frame(bytes: &mut Vec<u8>) -> Result<(usize, u32), String> {
    if bytes.len() < HEADER {
        return Err("a block is shorter than its header".into());
    }
    let word = |at: usize| word(bytes, at).expect("within the header");
    let (checksum, length, entries) = (word(0), word(4) as usize, word(8));
    if checksum != crc32fast::hash(&bytes[4..]) {
        return Err("the checksum of a block does not fit its bytes".into());
    }
    if length > MAX_BODY {
        return Err(format!("a block claims {length} bytes"));
    }
    let from = match bytes[12] {
        0 => HEADER,
        1 => {
            *bytes = unpack(&bytes[HEADER..], length)?;
            0
        }
        other => return Err(format!("a block has the unknown codec {other}")),
    };
    if bytes.len() - from != length {
        return Err(format!("a block has {} bytes instead of {length}", bytes.len() - from));
    }
    Ok((from, entries))
}

fn unpack(stored: &[u8], length: usize) -> Result<Vec<u8>, String> {
    let unpacked = UNPACK.with_borrow_mut(|unpack| {
        if unpack.is_none() {
            *unpack = Some(zstd::bulk::Decompressor::new()?);
        }
        unpack.as_mut().expect("made above").decompress(stored, length)
    });
    unpacked.map_err(|error| format!("a block cannot be unpacked: {error}"))
}

pub(super) fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Gathers the entries of one block, given in order.
#[derive(Debug, Default)]
pub(super) struct BlockBuilder {
    body: Vec<u8>,
    starts: Vec<u32>,
}

impl BlockBuilder {
    pub fn put(&mut self, key: &[u8], value: Option<&[u8]>) {
        self.starts.push(self.body.len() as u32);
        self.body.extend_from_slice(&(key.len() as u32).to_le_bytes());
        let length = value.map_or(REMOVED, |value| value.len() as u32);
        self.body.extend_from_slice(&length.to_le_bytes());
        self.body.extend_from_slice(key);
        self.body.extend_from_slice(value.unwrap_or_default());
    }

    pub fn bytes(&self) -> usize {
        self.body.len() + 4 * self.starts.len()
    }

    /// Appends the block to `out`, and begins the next.
    pub fn finish(&mut self, compress: bool, out: &mut Vec<u8>) {
        for start in &self.starts {
            self.body.extend_from_slice(&start.to_le_bytes());
        }
        frame(&self.body, self.starts.len() as u32, compress, out);
        self.body.clear();
        self.starts.clear();
    }
}

/// A data block as read.
#[derive(Debug)]
pub(super) struct Block {
    bytes: Vec<u8>,
    /// Where the body begins: a plain one stays behind its header.
    from: usize,
    entries: usize,
    /// Where the starts begin.
    table: usize,
}

/// A full key, and the page's value unless it is removed.
pub(super) type EntryOf<'a> = (&'a [u8], Option<&'a [u8]>);

impl Block {
    /// # Errors
    /// What is wrong with the block, in words.
    pub fn read(mut bytes: Vec<u8>) -> Result<Block, String> {
        let (from, entries) = unpack_frame(&mut bytes)?;
        let entries = entries as usize;
        let table = (entries.checked_mul(4))
            .and_then(|table| (bytes.len() - from).checked_sub(table))
            .ok_or("a block is too short for its entries")?;
        let block = Block { bytes, from, entries, table };
        // Whatever the checksum says: nothing below may point outside.
        let whole = (0..entries).all(|at| block.try_entry(at).is_some());
        if whole { Ok(block) } else { Err("an entry reaches beyond its block".into()) }
    }

    pub fn entries(&self) -> usize {
        self.entries
    }

    pub fn bytes(&self) -> usize {
        self.bytes.len()
    }

    fn body(&self) -> &[u8] {
        &self.bytes[self.from..]
    }

    pub fn entry(&self, at: usize) -> EntryOf<'_> {
        self.try_entry(at).expect("every entry was looked at when the block was read")
    }

    fn try_entry(&self, at: usize) -> Option<EntryOf<'_>> {
        let start = word(self.body(), self.table + 4 * at)? as usize;
        let entry = self.body().get(start..self.table)?;
        let key_length = word(entry, 0)? as usize;
        let (key, rest) = entry.get(8..)?.split_at_checked(key_length)?;
        let value = match word(entry, 4)? {
            REMOVED => None,
            length => Some(rest.get(..length as usize)?),
        };
        (key.len() >= 2).then_some((key, value))
    }

    /// The first entry whose key is not below.
    pub fn lower_bound(&self, key: &[u8]) -> usize {
        let (mut low, mut high) = (0, self.entries);
        while low < high {
            let middle = low.midpoint(high);
            match self.entry(middle).0.cmp(key) {
                Ordering::Less => low = middle + 1,
                Ordering::Equal | Ordering::Greater => high = middle,
            }
        }
        low
    }

    /// `Some(None)`: the page is removed.
    pub fn find(&self, key: &[u8]) -> Option<Option<&[u8]>> {
        let at = self.lower_bound(key);
        let (found, value) = (at < self.entries).then(|| self.entry(at))?;
        (found == key).then_some(value)
    }
}

//! State entries as framed blocks: one block a key group, so that a subtask reads
//! just the groups it owns.
//!
//! A block is a 20-byte header and its body:
//!
//! ```text
//! 0  u32 LE  length of the stored body
//! 4  u32 LE  CRC-32 (IEEE) of header bytes 8..20 and the stored body
//! 8  u32 LE  length of the body before compression
//! 12 u32 LE  number of entries
//! 16 u16 LE  key group; 0xFFFF: entries without one
//! 18 u8      codec: 0 plain, 1 zstd (from format 2 on)
//! 19 u8      0
//! 20 ...     entries: u8 table, u32 LE key length, key, u32 LE value length, value
//! ```

use std::collections::BTreeMap;

use millrace_dataflow::key_group::{KeyGroup, KeyGroupRange};

use crate::pages::{self, PageError, RunSet};

pub(crate) const HEADER: usize = 20;
const NO_GROUP: u16 = u16::MAX;
const ZSTD_LEVEL: i32 = 1;
/// A block larger than this is refused before memory is taken for it.
const MAX_BODY: usize = 1 << 31;

/// The entries of one operator's subtask, gathered by key group.
#[derive(Clone, Debug, Default)]
pub struct EntryBuffer {
    groups: BTreeMap<u16, Body>,
}

/// The entries of one key group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    bytes: Vec<u8>,
    entries: u32,
}

/// Where a block lies within its section.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct BlockMeta {
    /// `None`: entries without a key group.
    pub group: Option<u16>,
    pub offset: u64,
    pub length: u64,
    pub entries: u32,
}

/// One entry as read back, borrowed from its block.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct EntryRef<'a> {
    pub group: Option<KeyGroup>,
    pub table: u8,
    pub key: &'a [u8],
    pub value: &'a [u8],
}

impl EntryBuffer {
    /// Adds an entry; `group` is below 32768.
    pub fn put(&mut self, group: Option<KeyGroup>, table: u8, key: &[u8], value: &[u8]) {
        let body = self.groups.entry(group.map_or(NO_GROUP, |group| group.0)).or_default();
        body.entries += 1;
        body.bytes.push(table);
        for part in [key, value] {
            body.bytes.extend_from_slice(&(part.len() as u32).to_le_bytes());
            body.bytes.extend_from_slice(part);
        }
    }

    pub fn entries(&self) -> u64 {
        self.groups.values().map(|body| u64::from(body.entries)).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Gives what it holds and the pages of `range` to `put(group, body)`, in order of
    /// key group, entries without one last. Pages are read group by group, so that no
    /// more than one of them is in memory.
    ///
    /// # Errors
    /// The pages cannot be read, or are no lists of entries; or those of `put`.
    pub(crate) fn each_group(
        &self,
        runs: &RunSet,
        range: KeyGroupRange,
        put: &mut dyn FnMut(u16, &Body) -> Result<(), PageError>,
    ) -> Result<(), PageError> {
        let mut rest = self.groups.iter().peekable();
        let mut current: Option<(u16, Body)> = None;
        let mut result = Ok(());
        runs.pages(range, &mut |group, _, page| {
            if result.is_err() {
                return;
            }
            if current.as_ref().is_none_or(|(of, _)| *of != group.0) {
                result = current.take().map_or(Ok(()), |(of, body)| put(of, &body));
                while let Some((of, body)) = rest.next_if(|(of, _)| **of < group.0) {
                    result = std::mem::replace(&mut result, Ok(())).and_then(|()| put(*of, body));
                }
                let own = rest.next_if(|(of, _)| **of == group.0);
                current = Some((group.0, own.map_or_else(Body::default, |own| own.1.clone())));
            }
            let Some((_, body)) = &mut current else { return };
            match pages::visit_entries(page, |_, _, _| {}) {
                Ok(entries) => body.entries += entries,
                Err(reason) => result = Err(PageError::damaged("a page", reason)),
            }
            body.bytes.extend_from_slice(page);
        })?;
        result?;
        if let Some((of, body)) = current {
            put(of, &body)?;
        }
        rest.try_for_each(|(of, body)| put(*of, body))
    }

    /// Appends the blocks to `out`.
    #[cfg(test)]
    fn encode(&self, compress: bool, out: &mut Vec<u8>) -> Vec<BlockMeta> {
        let all = KeyGroupRange { start: 0, end: NO_GROUP };
        let (start, mut metas) = (out.len(), vec![]);
        self.each_group(&RunSet::default(), all, &mut |group, body| {
            let offset = (out.len() - start) as u64;
            metas.push(body.encode(group, compress, offset, out));
            Ok(())
        })
        .expect("there are no runs to read");
        metas
    }
}

impl Body {
    /// Appends the block to `out`; `offset` is its place within its section.
    pub(crate) fn encode(
        &self,
        group: u16,
        compress: bool,
        offset: u64,
        out: &mut Vec<u8>,
    ) -> BlockMeta {
        let packed = compress
            .then(|| zstd::bulk::compress(&self.bytes, ZSTD_LEVEL).ok())
            .flatten()
            .filter(|packed| packed.len() < self.bytes.len());
        let stored = packed.as_deref().unwrap_or(&self.bytes);
        let mut tail = [0u8; 12];
        tail[0..4].copy_from_slice(&(self.bytes.len() as u32).to_le_bytes());
        tail[4..8].copy_from_slice(&self.entries.to_le_bytes());
        tail[8..10].copy_from_slice(&group.to_le_bytes());
        tail[10] = u8::from(packed.is_some());
        out.extend_from_slice(&(stored.len() as u32).to_le_bytes());
        out.extend_from_slice(&checksum(&tail, stored).to_le_bytes());
        out.extend_from_slice(&tail);
        out.extend_from_slice(stored);
        BlockMeta {
            group: (group != NO_GROUP).then_some(group),
            offset,
            length: (HEADER + stored.len()) as u64,
            entries: self.entries,
        }
    }
}

fn checksum(header_tail: &[u8], stored: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header_tail);
    hasher.update(stored);
    hasher.finalize()
}

/// Reads one block and gives its entries to `visit`.
///
/// # Errors
/// What is wrong with the block, in words.
pub fn decode(block: &[u8], mut visit: impl FnMut(EntryRef<'_>)) -> Result<(), String> {
    let (header, stored) =
        block.split_at_checked(HEADER).ok_or("a block is shorter than its header")?;
    let word = |at: usize| {
        u32::from_le_bytes(header[at..at + 4].try_into().expect("four bytes of a 20-byte header"))
    };
    if word(0) as usize != stored.len() {
        return Err(format!("a block of {} bytes should have {}", stored.len(), word(0)));
    }
    if word(4) != checksum(&header[8..], stored) {
        return Err("the checksum of a block does not fit its bytes".into());
    }
    let raw_length = word(8) as usize;
    let group = u16::from_le_bytes([header[16], header[17]]);
    let body = unpack(header[18], stored, raw_length)?;
    visit_entries(&body, (group != NO_GROUP).then_some(KeyGroup(group)), word(12), &mut visit)
}

fn unpack(codec: u8, stored: &[u8], length: usize) -> Result<std::borrow::Cow<'_, [u8]>, String> {
    if length > MAX_BODY {
        return Err(format!("a block claims {length} bytes"));
    }
    let body = match codec {
        0 => std::borrow::Cow::Borrowed(stored),
        1 => zstd::bulk::decompress(stored, length)
            .map_err(|error| format!("a block cannot be unpacked: {error}"))?
            .into(),
        other => return Err(format!("a block has the unknown codec {other}")),
    };
    if body.len() != length {
        return Err(format!("a block unpacks to {} bytes instead of {length}", body.len()));
    }
    Ok(body)
}

fn visit_entries(
    mut rest: &[u8],
    group: Option<KeyGroup>,
    entries: u32,
    visit: &mut impl FnMut(EntryRef<'_>),
) -> Result<(), String> {
    for _ in 0..entries {
        let (table, key, value);
        (table, rest) = rest.split_first().ok_or("a block ends within an entry")?;
        (key, rest) = take_part(rest)?;
        (value, rest) = take_part(rest)?;
        visit(EntryRef { group, table: *table, key, value });
    }
    if rest.is_empty() { Ok(()) } else { Err("a block has bytes after its last entry".into()) }
}

pub(crate) fn take_part(bytes: &[u8]) -> Result<(&[u8], &[u8]), String> {
    let (length, rest) = bytes.split_first_chunk::<4>().ok_or("a block ends within an entry")?;
    let length = u32::from_le_bytes(*length) as usize;
    rest.split_at_checked(length).ok_or_else(|| "a block ends within an entry".into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> EntryBuffer {
        let mut buffer = EntryBuffer::default();
        for index in 0..50u16 {
            let group = (index % 5 != 0).then_some(KeyGroup(index % 7));
            buffer.put(group, (index % 3) as u8, &index.to_le_bytes(), &[7; 40]);
        }
        buffer
    }

    /// Group, table, key.
    type Seen = (Option<u16>, u8, Vec<u8>);

    fn read(bytes: &[u8], blocks: &[BlockMeta]) -> Result<Vec<Seen>, String> {
        let mut seen = vec![];
        for block in blocks {
            let bytes = &bytes[block.offset as usize..(block.offset + block.length) as usize];
            decode(bytes, |entry| {
                seen.push((entry.group.map(|group| group.0), entry.table, entry.key.to_vec()));
            })?;
        }
        Ok(seen)
    }

    #[test]
    fn entries_come_back_plain_and_compressed() {
        for compress in [false, true] {
            let mut bytes = vec![];
            let blocks = sample().encode(compress, &mut bytes);
            let mut seen = read(&bytes, &blocks).unwrap();
            assert_eq!(seen.len() as u64, sample().entries());
            seen.sort_by(|a, b| a.2.cmp(&b.2));
            assert!(seen.contains(&(Some(1), 1, vec![1, 0])));
            assert!(seen.contains(&(None, 2, vec![5, 0])));
        }
    }

    #[test]
    fn any_flipped_bit_is_found() {
        let mut bytes = vec![];
        let blocks = sample().encode(true, &mut bytes);
        for at in 0..bytes.len() * 8 {
            let mut bad = bytes.clone();
            bad[at / 8] ^= 1 << (at % 8);
            assert!(read(&bad, &blocks).is_err(), "bit {at}");
        }
    }

    #[test]
    fn any_truncation_is_found() {
        let mut bytes = vec![];
        let mut buffer = EntryBuffer::default();
        buffer.put(Some(KeyGroup(1)), 0, b"key", b"value");
        buffer.encode(false, &mut bytes);
        for length in 0..bytes.len() {
            assert!(decode(&bytes[..length], |_| {}).is_err(), "{length} bytes");
        }
    }
}

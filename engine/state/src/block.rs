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
use std::collections::btree_map::IntoIter;
use std::iter::Peekable;
use std::sync::Arc;

use bytes::Bytes;
use millrace_dataflow::key_group::{KeyGroup, KeyGroupRange};

use crate::frozen::Frozen;
use crate::pages::{self, PageError, RunSet};

pub(crate) const HEADER: usize = 20;
const NO_GROUP: u16 = u16::MAX;
const ZSTD_LEVEL: i32 = 1;
/// A block larger than this is refused before memory is taken for it.
const MAX_BODY: usize = 1 << 31;
/// Entries are gathered in chunks of this size: a buffer that grows is never copied, and
/// each chunk is freed once it is written.
const CHUNK: usize = 64 << 10;
/// Of a key group's first chunk; each next one has twice as much.
const FIRST_CHUNK: usize = 512;
/// Bytes of the key groups that are gathered together from what is frozen.
const GROUPS_AT_ONCE: usize = 48 << 20;
/// Less is copied into the chunk before it rather than handed on by itself.
const OWN_CHUNK: usize = 4 << 10;

/// The entries of one operator's subtask, gathered by key group; or what will give them,
/// when they are wanted.
#[derive(Clone, Debug, Default)]
pub struct EntryBuffer {
    groups: BTreeMap<u16, Body>,
    frozen: Option<Arc<dyn Frozen>>,
}

/// The entries of one key group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Body {
    chunks: Vec<Vec<u8>>,
    length: usize,
    entries: u32,
}

/// Bytes to be written, in order, copied as little as possible.
#[derive(Debug, Default)]
pub(crate) struct Parts {
    done: Vec<Bytes>,
    tail: Vec<u8>,
    length: usize,
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

/// Takes the blocks of a section in order: key group, body.
pub(crate) type PutBody<'a> = &'a mut dyn FnMut(u16, Body) -> Result<(), PageError>;

impl EntryBuffer {
    /// Adds an entry; `group` is below 32768.
    pub fn put(&mut self, group: Option<KeyGroup>, table: u8, key: &[u8], value: &[u8]) {
        let body = self.groups.entry(group.map_or(NO_GROUP, |group| group.0)).or_default();
        body.put(table, [key, &[]], value);
    }

    /// Adds all that a table held when it was frozen: at most one table a buffer.
    pub fn put_frozen(&mut self, frozen: Arc<dyn Frozen>) {
        debug_assert!(self.frozen.is_none(), "an operator freezes its state as one");
        self.frozen = Some(frozen);
    }

    /// Those that are here already: what is frozen is not looked through.
    pub fn entries(&self) -> u64 {
        self.groups.values().map(|body| u64::from(body.entries)).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.groups.is_empty() && self.frozen.is_none()
    }

    /// Gives what it holds and the pages of `range` to `put(group, body)`, in order of
    /// key group, entries without one last. Pages and what is frozen are read group by
    /// group, so that no more than one of them is in memory.
    ///
    /// # Errors
    /// The pages cannot be read, or are no lists of entries; or those of `put`.
    pub(crate) fn each_group(
        mut self,
        runs: &RunSet,
        range: KeyGroupRange,
        put: PutBody<'_>,
    ) -> Result<(), PageError> {
        match self.frozen.take() {
            Some(frozen) if runs.is_empty() => self.each_frozen(frozen.as_ref(), put),
            Some(frozen) => {
                // No operator has both; it is right, if not lean.
                frozen.write(range, &mut |group, table, key, value| {
                    self.groups.entry(group.0).or_default().put(table, key, value);
                });
                self.each_paged(runs, range, put)
            }
            None => self.each_paged(runs, range, put),
        }
    }

    /// As many groups at once as are of a bounded size: their entries are looked for in
    /// the order in which they lie in memory.
    fn each_frozen(mut self, frozen: &dyn Frozen, put: PutBody<'_>) -> Result<(), PageError> {
        let groups = frozen.groups();
        let at_once = groups.len().saturating_mul(GROUPS_AT_ONCE) / frozen.bytes().max(1);
        for part in groups.chunks(at_once.max(1)) {
            let [Some(first), Some(last)] = [part.first(), part.last()] else { continue };
            let range = KeyGroupRange { start: first.0, end: last.0 + 1 };
            let later = self.groups.split_off(&range.end);
            let mut bodies: Vec<Body> = (range.start..range.end)
                .map(|group| self.groups.remove(&group).unwrap_or_default())
                .collect();
            frozen.write(range, &mut |group, table, key, value| {
                bodies[usize::from(group.0 - range.start)].put(table, key, value);
            });
            let before = std::mem::replace(&mut self.groups, later);
            let bodies = before.into_iter().chain((range.start..).zip(bodies));
            let mut some = bodies.filter(|(_, body)| body.entries > 0);
            some.try_for_each(|(of, body)| put(of, body))?;
        }
        self.groups.into_iter().try_for_each(|(of, body)| put(of, body))
    }

    fn each_paged(
        self,
        runs: &RunSet,
        range: KeyGroupRange,
        put: PutBody<'_>,
    ) -> Result<(), PageError> {
        let mut rest = self.groups.into_iter().peekable();
        let mut current: Option<(u16, Body)> = None;
        let mut result = Ok(());
        runs.pages(range, &mut |group, _, page| {
            if result.is_err() {
                return;
            }
            if current.as_ref().is_none_or(|(of, _)| *of != group.0) {
                result = current.take().map_or(Ok(()), |(of, body)| put(of, body));
                result = std::mem::replace(&mut result, Ok(()))
                    .and_then(|()| put_below(&mut rest, group.0, put));
                let own = rest.next_if(|(of, _)| *of == group.0);
                current = Some(own.unwrap_or((group.0, Body::default())));
            }
            let Some((_, body)) = &mut current else { return };
            match pages::visit_entries(page, |_, _, _| {}) {
                Ok(entries) => body.entries += entries,
                Err(reason) => result = Err(PageError::damaged("a page", reason)),
            }
            body.room(page.len()).extend_from_slice(page);
        })?;
        result?;
        if let Some((of, body)) = current {
            put(of, body)?;
        }
        rest.try_for_each(|(of, body)| put(of, body))
    }

    /// Appends the blocks to `out`.
    #[cfg(test)]
    fn encode(self, compress: bool, out: &mut Vec<u8>) -> Vec<BlockMeta> {
        let all = KeyGroupRange { start: 0, end: NO_GROUP };
        let (mut parts, mut metas) = (Parts::default(), vec![]);
        self.each_group(&RunSet::default(), all, &mut |group, body| {
            let offset = parts.len() as u64;
            metas.push(body.encode(group, compress, offset, &mut parts));
            Ok(())
        })
        .expect("there are no runs to read");
        parts.take().iter().for_each(|part| out.extend_from_slice(part));
        metas
    }
}

/// The bodies of the groups before `group`.
fn put_below(
    rest: &mut Peekable<IntoIter<u16, Body>>,
    group: u16,
    put: PutBody<'_>,
) -> Result<(), PageError> {
    while let Some((of, body)) = rest.next_if(|(of, _)| *of < group) {
        put(of, body)?;
    }
    Ok(())
}

impl Body {
    fn put(&mut self, table: u8, [first, last]: [&[u8]; 2], value: &[u8]) {
        self.entries += 1;
        let key = first.len() + last.len();
        let chunk = self.room(1 + 4 + key + 4 + value.len());
        chunk.push(table);
        chunk.extend_from_slice(&(key as u32).to_le_bytes());
        chunk.extend_from_slice(first);
        chunk.extend_from_slice(last);
        chunk.extend_from_slice(&(value.len() as u32).to_le_bytes());
        chunk.extend_from_slice(value);
    }

    /// Where so many bytes are to be appended.
    fn room(&mut self, bytes: usize) -> &mut Vec<u8> {
        self.length += bytes;
        let last = self.chunks.last();
        if last.is_none_or(|chunk| chunk.capacity() - chunk.len() < bytes) {
            let next = last.map_or(FIRST_CHUNK, |chunk| (chunk.capacity() * 2).min(CHUNK));
            self.chunks.push(Vec::with_capacity(next.max(bytes)));
        }
        self.chunks.last_mut().expect("one was just put there")
    }

    /// Appends the block to `out`; `offset` is its place within its section.
    pub(crate) fn encode(
        mut self,
        group: u16,
        compress: bool,
        offset: u64,
        out: &mut Parts,
    ) -> BlockMeta {
        let (length, entries) = (self.length, self.entries);
        let packed = compress.then(|| self.packed()).flatten();
        let codec = u8::from(packed.is_some());
        if let Some(packed) = packed {
            (self.length, self.chunks) = (packed.len(), vec![packed]);
        }
        let mut tail = [0u8; 12];
        tail[0..4].copy_from_slice(&(length as u32).to_le_bytes());
        tail[4..8].copy_from_slice(&entries.to_le_bytes());
        tail[8..10].copy_from_slice(&group.to_le_bytes());
        tail[10] = codec;
        let checksum = checksum(&tail, self.chunks.iter().map(Vec::as_slice));
        out.copy(&(self.length as u32).to_le_bytes());
        out.copy(&checksum.to_le_bytes());
        out.copy(&tail);
        let length = (HEADER + self.length) as u64;
        self.chunks.into_iter().for_each(|chunk| out.push(chunk));
        BlockMeta { group: (group != NO_GROUP).then_some(group), offset, length, entries }
    }

    /// The body compressed, if that makes it smaller.
    fn packed(&self) -> Option<Vec<u8>> {
        let packed = zstd::bulk::compress(&self.chunks.concat(), ZSTD_LEVEL).ok()?;
        (packed.len() < self.length).then_some(packed)
    }
}

impl Parts {
    pub fn len(&self) -> usize {
        self.length
    }

    fn copy(&mut self, bytes: &[u8]) {
        self.length += bytes.len();
        self.tail.extend_from_slice(bytes);
        if self.tail.len() >= CHUNK {
            self.end_tail();
        }
    }

    fn push(&mut self, bytes: Vec<u8>) {
        if bytes.len() < OWN_CHUNK {
            return self.copy(&bytes);
        }
        self.length += bytes.len();
        self.end_tail();
        self.done.push(bytes.into());
    }

    fn end_tail(&mut self) {
        if !self.tail.is_empty() {
            self.done.push(std::mem::take(&mut self.tail).into());
        }
    }

    /// All of it; nothing is left.
    pub fn take(&mut self) -> Vec<Bytes> {
        self.end_tail();
        self.length = 0;
        std::mem::take(&mut self.done)
    }
}

fn checksum<'a>(header_tail: &[u8], stored: impl Iterator<Item = &'a [u8]>) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(header_tail);
    stored.for_each(|part| hasher.update(part));
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
    if word(4) != checksum(&header[8..], std::iter::once(stored)) {
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

    #[derive(Debug)]
    struct Numbers;

    impl Frozen for Numbers {
        fn groups(&self) -> Vec<KeyGroup> {
            [2, 3, 6].map(KeyGroup).into()
        }

        /// So large that the groups come one after another.
        fn bytes(&self) -> usize {
            usize::MAX
        }

        fn write(&self, groups: KeyGroupRange, put: crate::frozen::PutEntry<'_>) {
            for group in [6, 2, 3, 2].map(KeyGroup) {
                if (groups.start..groups.end).contains(&group.0) {
                    put(group, 9, [b"ke", b"y"], &[7; 9000]);
                }
            }
        }
    }

    #[test]
    fn what_is_frozen_comes_between_the_other_entries_in_order_of_group() {
        for is_large in [false, true] {
            let mut buffer = sample();
            buffer.put_frozen(Arc::new(Numbers));
            let mut bytes = vec![];
            let blocks = buffer.encode(is_large, &mut bytes);
            let groups: Vec<_> = blocks.iter().map(|block| block.group).collect();
            let expected = (0..7).map(Some).chain([None]);
            assert!(groups.iter().copied().eq(expected), "{groups:?}");
            let seen = read(&bytes, &blocks).unwrap();
            let frozen = seen.iter().filter(|(_, table, key)| *table == 9 && key == b"key");
            let frozen: Vec<_> = frozen.map(|(group, ..)| group.expect("it has one")).collect();
            assert_eq!(frozen, [2, 2, 3, 6]);
            assert_eq!(seen.len() as u64, sample().entries() + 4);
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

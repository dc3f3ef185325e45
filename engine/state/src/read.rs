//! A snapshot whose every byte was checked, and what a subtask takes from it.
//!
//! A large one is not held in memory: it is read once to be checked, and what a subtask
//! takes is read again, each block with a checksum of its own.

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use bytes::Bytes;
use millrace_dataflow::OperatorId;
use millrace_dataflow::key_group::KeyGroupRange;

use crate::block::{self, BlockMeta, EntryRef};
use crate::error::StateError;
use crate::manifest::{FileMeta, Manifest, OperatorState, Section};

/// Blocks that lie side by side are read together, up to so many bytes.
const READ_BYTES: u64 = 8 << 20;

/// A manifest with its files, all of the length and checksum that it names.
#[derive(Clone, Debug)]
pub struct LoadedSnapshot {
    pub manifest: Manifest,
    /// Directory, as [`crate::location::display`] writes it.
    pub location: String,
    files: Files,
}

#[derive(Clone, Debug)]
enum Files {
    Held(Vec<Bytes>),
    Stored(Arc<dyn ReadFiles>),
}

/// Reads parts of a snapshot's files; waits for them.
pub trait ReadFiles: Debug + Send + Sync {
    /// # Errors
    /// The store fails, or the file is gone.
    fn read(&self, meta: &FileMeta, range: Range<u64>) -> Result<Bytes, StateError>;
}

/// Which part of an operator's state a subtask takes.
#[derive(Clone, Copy, Debug)]
pub struct Share {
    pub key_groups: KeyGroupRange,
    pub subtask: u16,
    pub parallelism: u16,
}

impl LoadedSnapshot {
    /// # Errors
    /// A file has another length or checksum, or the manifest points outside a file.
    pub fn verified(
        manifest: Manifest,
        location: String,
        files: Vec<Bytes>,
    ) -> Result<LoadedSnapshot, StateError> {
        for (meta, bytes) in manifest.files.iter().zip(&files) {
            check_file(meta, bytes)
                .map_err(|reason| StateError::damaged(file_name(&location, meta), reason))?;
        }
        LoadedSnapshot { manifest, location, files: Files::Held(files) }.bounded()
    }

    /// Of files whose length and checksum were found right.
    ///
    /// # Errors
    /// The manifest points outside a file.
    pub fn stored(
        manifest: Manifest,
        location: String,
        files: Arc<dyn ReadFiles>,
    ) -> Result<LoadedSnapshot, StateError> {
        LoadedSnapshot { manifest, location, files: Files::Stored(files) }.bounded()
    }

    fn bounded(self) -> Result<LoadedSnapshot, StateError> {
        for section in self.manifest.operators.iter().flat_map(|operator| &operator.sections) {
            for block in &section.blocks {
                self.range(section, block)?;
            }
        }
        Ok(self)
    }

    pub fn operator(&self, id: &OperatorId) -> Option<&OperatorState> {
        self.manifest.operators.iter().find(|operator| operator.id == *id)
    }

    /// Gives the entries of the share to `visit`: those of its key groups, and of
    /// those without one every `parallelism`-th.
    ///
    /// # Errors
    /// A block is not what was written.
    pub fn entries(
        &self,
        operator: &OperatorState,
        share: Share,
        mut visit: impl FnMut(EntryRef<'_>),
    ) -> Result<(), StateError> {
        let mut without_group = 0u64;
        for section in &operator.sections {
            self.blocks(section, share.key_groups, &mut |block| {
                block::decode(block, |entry| {
                    if entry.group.is_none() {
                        without_group += 1;
                        let owner = (without_group - 1) % u64::from(share.parallelism);
                        if owner != u64::from(share.subtask) {
                            return;
                        }
                    }
                    visit(entry);
                })
                .map_err(|reason| self.damaged(section, reason))
            })?;
        }
        Ok(())
    }

    /// The blocks of some key groups, in their order.
    fn blocks(
        &self,
        section: &Section,
        groups: KeyGroupRange,
        take: &mut dyn FnMut(&[u8]) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let mut together: Vec<Range<u64>> = vec![];
        for meta in section.blocks.iter().filter(|meta| wanted(meta, groups)) {
            let next = self.range(section, meta)?;
            let starts = together.first().map_or(next.start, |first| first.start);
            let follows = together.last().is_none_or(|last| last.end == next.start);
            if !follows || next.end - starts > READ_BYTES {
                self.read(section, &std::mem::take(&mut together), take)?;
            }
            together.push(next);
        }
        self.read(section, &together, take)
    }

    /// Ranges that follow each other.
    fn read(
        &self,
        section: &Section,
        ranges: &[Range<u64>],
        take: &mut dyn FnMut(&[u8]) -> Result<(), StateError>,
    ) -> Result<(), StateError> {
        let (Some(first), Some(last)) = (ranges.first(), ranges.last()) else { return Ok(()) };
        let bytes = match &self.files {
            Files::Held(files) => {
                files[section.file].slice(first.start as usize..last.end as usize)
            }
            Files::Stored(files) => {
                files.read(&self.manifest.files[section.file], first.start..last.end)?
            }
        };
        for range in ranges {
            let at = |place: u64| (place - first.start) as usize;
            let block = bytes.get(at(range.start)..at(range.end));
            take(block.ok_or_else(|| self.damaged(section, "it has become shorter".into()))?)?;
        }
        Ok(())
    }

    /// Where the block is in its file, which is so long.
    fn range(&self, section: &Section, meta: &BlockMeta) -> Result<Range<u64>, StateError> {
        let missing = || self.damaged(section, "the manifest names bytes beyond its end".into());
        let file = self.manifest.files.get(section.file).ok_or_else(missing)?;
        let start = section.offset.checked_add(meta.offset).ok_or_else(missing)?;
        let end = start.checked_add(meta.length).filter(|end| *end <= file.length);
        Ok(start..end.ok_or_else(missing)?)
    }

    fn damaged(&self, section: &Section, reason: String) -> StateError {
        let file = match self.manifest.files.get(section.file) {
            Some(meta) => file_name(&self.location, meta),
            None => format!("{}/_metadata", self.location),
        };
        StateError::damaged(file, reason)
    }
}

fn wanted(meta: &BlockMeta, range: KeyGroupRange) -> bool {
    meta.group.is_none_or(|group| (range.start..range.end).contains(&group))
}

pub(crate) fn file_name(location: &str, meta: &FileMeta) -> String {
    format!("{location}/{}", meta.name)
}

fn check_file(meta: &FileMeta, bytes: &[u8]) -> Result<(), String> {
    odd_file(meta, bytes.len() as u64, crc32fast::hash(bytes)).map_or(Ok(()), Err)
}

/// Why a file of that length and checksum is not the one that was written, if so.
pub(crate) fn odd_file(meta: &FileMeta, length: u64, crc32: u32) -> Option<String> {
    if length != meta.length {
        return Some(format!("it has {length} bytes and should have {}", meta.length));
    }
    (crc32 != meta.crc32).then(|| "its checksum does not fit its bytes".into())
}

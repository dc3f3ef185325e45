//! A snapshot whose every byte was checked, and what a subtask takes from it.

use bytes::Bytes;
use millrace_dataflow::OperatorId;
use millrace_dataflow::key_group::KeyGroupRange;

use crate::block::{self, BlockMeta, EntryRef};
use crate::error::StateError;
use crate::manifest::{FileMeta, Manifest, OperatorState, Section};

/// A manifest with its files, all of the length and checksum that it names.
#[derive(Clone, Debug)]
pub struct LoadedSnapshot {
    pub manifest: Manifest,
    /// Directory, as [`crate::location::display`] writes it.
    pub location: String,
    files: Vec<Bytes>,
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
        let snapshot = LoadedSnapshot { manifest, location, files };
        for section in snapshot.manifest.operators.iter().flat_map(|operator| &operator.sections) {
            for block in &section.blocks {
                snapshot.block(section, block)?;
            }
        }
        Ok(snapshot)
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
            for meta in section.blocks.iter().filter(|meta| wanted(meta, share.key_groups)) {
                let damaged = |reason| self.damaged(section, reason);
                block::decode(self.block(section, meta)?, |entry| {
                    if entry.group.is_none() {
                        without_group += 1;
                        let owner = (without_group - 1) % u64::from(share.parallelism);
                        if owner != u64::from(share.subtask) {
                            return;
                        }
                    }
                    visit(entry);
                })
                .map_err(damaged)?;
            }
        }
        Ok(())
    }

    fn block(&self, section: &Section, meta: &BlockMeta) -> Result<&[u8], StateError> {
        let missing = || self.damaged(section, "the manifest names bytes beyond its end".into());
        let bytes = self.files.get(section.file).ok_or_else(missing)?;
        let start = section.offset.checked_add(meta.offset).ok_or_else(missing)?;
        let end = start.checked_add(meta.length).ok_or_else(missing)?;
        bytes.get(start as usize..end as usize).ok_or_else(missing)
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
    if bytes.len() as u64 != meta.length {
        return Err(format!("it has {} bytes and should have {}", bytes.len(), meta.length));
    }
    if crc32fast::hash(bytes) != meta.crc32 {
        return Err("its checksum does not fit its bytes".into());
    }
    Ok(())
}

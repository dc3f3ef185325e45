//! Pages: keyed state on disk, one value for each key of one operator.
//!
//! Flow: an operator applies the pages that it changed, reads those it needs, and at
//! a checkpoint freezes the store: the [`RunSet`] it gets holds all pages as of then,
//! never changes, and can be read from any thread while the operator goes on.
//!
//! Caveats: a store belongs to one subtask and is no database: what was applied and
//! not frozen is lost with the process, and comes back by replay from the checkpoint.

mod block;
mod bloom;
mod cache;
mod compact;
mod memory;
mod memtable;
mod merge;
mod run;
mod runs;
mod set;
mod tier;
mod write;

use std::io;

use millrace_dataflow::key_group::KeyGroup;

pub use compact::Background;
pub use memory::MemoryPages;
pub use run::Run;
pub use runs::{RunOptions, Runs};
pub use set::{RunSet, VisitPage};
pub(crate) use tier::intersection;
pub use tier::{RunRef, Tier};
pub use write::RunFormat;

/// A change of one page: its key group and key, and its new value; `None` removes it.
pub type Change = (KeyGroup, Vec<u8>, Option<Vec<u8>>);

/// A page: everything one operator keeps for one key. Its value is the operator's
/// `StateEntry`s of that key, one behind the other as a block's body holds them: `u8`
/// table, `u32` LE key length, key, `u32` LE value length, value. A store does not
/// look into it; whoever makes entries of pages does ([`visit_entries`]).
pub trait PageStore: Send {
    /// Later calls win, and within a call later changes. `None` removes. The order of
    /// pages does not matter.
    ///
    /// # Errors
    /// The disk fails.
    fn apply(&mut self, changes: &mut dyn Iterator<Item = Change>) -> Result<(), PageError>;

    /// Appends the page's value to `out`; false when there is none.
    ///
    /// # Errors
    /// The disk fails, or what it holds is damaged.
    fn read(&mut self, group: KeyGroup, key: &[u8], out: &mut Vec<u8>) -> Result<bool, PageError>;

    /// Many pages, their keys sorted or not: `found(index, value)` for each that is
    /// there, in any order.
    ///
    /// # Errors
    /// As [`PageStore::read`].
    fn read_many(
        &mut self,
        keys: &[(KeyGroup, &[u8])],
        found: &mut dyn FnMut(usize, &[u8]),
    ) -> Result<(), PageError>;

    /// The pages of a group whose key starts with `prefix`, in order of key:
    /// `visit(key, value)`.
    ///
    /// # Errors
    /// As [`PageStore::read`].
    fn scan(
        &mut self,
        group: KeyGroup,
        prefix: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]),
    ) -> Result<(), PageError>;

    /// The pages of a group from key `from` on, in order of key, until `visit` says
    /// false: `visit(key, value)`.
    ///
    /// # Errors
    /// As [`PageStore::read`].
    fn walk(
        &mut self,
        group: KeyGroup,
        from: &[u8],
        visit: &mut dyn FnMut(&[u8], &[u8]) -> bool,
    ) -> Result<(), PageError>;

    /// The immutable runs that hold all pages as of now: what a checkpoint refers to.
    ///
    /// # Errors
    /// The disk fails.
    fn freeze(&mut self) -> Result<RunSet, PageError>;

    /// About how much the store holds, in bytes of keys and values.
    fn bytes(&self) -> u64;

    /// What the filters and indexes of its files take in memory, in bytes.
    fn index_bytes(&self) -> u64 {
        0
    }
}

/// A caller cannot do anything about either but fail the task; the text says where.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    #[error(
        "cannot {doing}; see that the disk below state.backend.rocksdb.localdir works and has room"
    )]
    Disk {
        doing: String,
        #[source]
        source: io::Error,
    },
    #[error("state is damaged: {file}: {reason}; the job must restart from its last checkpoint")]
    Damaged { file: String, reason: String },
}

impl PageError {
    pub(crate) fn damaged(file: impl Into<String>, reason: impl Into<String>) -> PageError {
        PageError::Damaged { file: file.into(), reason: reason.into() }
    }
}

/// Appends one entry to a page's value.
pub fn put_entry(page: &mut Vec<u8>, table: u8, key: &[u8], value: &[u8]) {
    page.push(table);
    for part in [key, value] {
        page.extend_from_slice(&(part.len() as u32).to_le_bytes());
        page.extend_from_slice(part);
    }
}

/// Gives a page's entries to `visit(table, key, value)`; how many there were.
///
/// # Errors
/// The value is no list of entries: in words.
pub fn visit_entries(
    mut page: &[u8],
    mut visit: impl FnMut(u8, &[u8], &[u8]),
) -> Result<u32, String> {
    let mut entries = 0;
    while let Some((table, rest)) = page.split_first() {
        let (key, rest) = crate::block::take_part(rest)?;
        let (value, rest) = crate::block::take_part(rest)?;
        visit(*table, key, value);
        page = rest;
        entries += 1;
    }
    Ok(entries)
}

//! State as it was at a barrier, turned into entries later and on another thread, while
//! its operator goes on.
//!
//! An operator that keeps its tables in chunks that are copied when they are first written
//! to after a barrier ([`crate::cow::CowVec`]) hands over the chunks themselves: its task
//! stops for no longer than it takes to list them.

use std::fmt::Debug;

use millrace_dataflow::key_group::{KeyGroup, KeyGroupRange};

/// Receives entries: key group, table, key in two parts, value.
pub type PutEntry<'a> = &'a mut dyn FnMut(KeyGroup, u8, [&[u8]; 2], &[u8]);

/// What a barrier found in the tables of one operator's subtask. Nothing changes it.
pub trait Frozen: Debug + Send + Sync {
    /// The key groups that may have entries, ascending, each once.
    fn groups(&self) -> Vec<KeyGroup>;

    /// About how many bytes all entries have.
    fn bytes(&self) -> usize;

    /// All entries of these key groups, in any order: that in which they lie in memory is
    /// the quickest.
    fn write(&self, groups: KeyGroupRange, put: PutEntry<'_>);
}

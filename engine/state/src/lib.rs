//! Keyed state's encoding and the checkpoint protocol: pure decisions, formats,
//! the snapshot manifest, and the object-store port.
//!
//! Contract: a snapshot is a directory of state files and a manifest
//! (`engine/design/snapshot-format.md`); it counts only once an entry of the
//! checkpoint log names it (`engine/design/checkpoint-log.md`). Everything that
//! decides is a pure function over values ([`log`], [`write::encode`],
//! [`retention`]); [`CheckpointStore`] alone does I/O.
//!
//! Must not know: runtime, sql, plan.

pub mod block;
pub mod cow;
mod dispose;
pub mod durable;
mod error;
pub mod fault;
pub mod frozen;
pub mod location;
pub mod log;
pub mod manifest;
pub mod pages;
pub mod read;
pub mod retention;
pub mod row;
pub mod shared;
pub mod store;
pub mod write;

pub use block::EntryBuffer;
pub use error::{StateError, chain};
pub use frozen::Frozen;
pub use log::{Claim, Entry, EntryKind, RestoreRequest, Restored};
pub use manifest::{Manifest, SnapshotKind};
pub use pages::{PageError, PageStore, RunSet};
pub use read::LoadedSnapshot;
pub use store::{CheckpointStore, Claimed, Published};

//! The only SQL: aggregates, transactions, leases, wake-ups.
//!
//! [`Store::commit`] writes one [`Change`](millrace_domain::Change) whole or not at
//! all, by compare-and-set on the application's revision. Everything else is a read,
//! or the controller's own book-keeping (leases, wake-ups), which changes nothing that
//! the API shows.
//!
//! Guarantees: a committed change survives the process; two changes decided from the
//! same revision never both commit; a retry of a committed call finds its answer.
//! Keeps nothing in memory: several stores may be open on one database.
//!
//! Must not know: axum, kube, the engine.

mod access_keys;
mod applications;
mod audit;
mod commit;
mod enhanced;
mod error;
mod events;
mod group;
mod idempotency;
mod known;
mod leases;
mod load;
mod open;
mod operations;
mod policies;
mod retention;
mod row;
mod snapshot_uses;
mod snapshot_work;
mod snapshots;
mod tags;
mod versions;
mod wake_ups;

pub use access_keys::StoredKey;
pub use applications::Listed;
pub use audit::{AuditEntry, AuditId};
pub use enhanced::{Owner, SnapshotFilter};
pub use error::{CommitError, OpenError, StoreError};
pub use events::StoredEvent;
pub use load::Loaded;
pub use open::{Place, Store};
pub use operations::OperationFilter;
pub use policies::StoredPolicy;
pub use retention::SnapshotGroup;
pub use snapshot_work::{SnapshotWork, WorkKind};
pub use wake_ups::Due;

/// A part of a list, and where the next part begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page<T> {
    pub items: Vec<T>,
    /// Hand it back for what follows; `None` at the end of the list.
    pub next: Option<u64>,
}

//! Observe, plan, one step, for each application, for ever.
//!
//! Contract. A look at an application takes nothing from what caused it: it loads the
//! facts, observes the clusters, asks [`millrace_domain::lifecycle::plan`] for one step, does it,
//! commits the outcome by compare-and-set, and forgets. A look that was overtaken commits
//! nothing. A lost wake-up costs latency, never correctness; a crash at any point leads
//! to the same next step. Replicas share work by leases in the store.
//!
//! Must not know: the API, axum, the engine's runtime.

mod care;
mod controller;
mod look;
mod perform;
mod pulse;
mod records;
mod retention;
mod schedule;
mod snapshot_work;

pub use care::{CareSettings, Carer};
pub use controller::{Controller, ControllerSettings, Wake};
pub use look::{Look, LookError, Looker};
pub use millrace_store::Due;
pub use perform::perform;
pub use records::{RecordError, Records, Stored};
pub use retention::{OperationIds, Sweeper, Swept};
pub use schedule::Rest;
pub use snapshot_work::{FilesError, Kept, SnapshotFiles, SnapshotWorker, WorkSettings};

use std::sync::Arc;

use millrace_domain::Timestamp;

/// The time, given from outside.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

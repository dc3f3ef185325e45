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
mod deletions;
mod look;
mod perform;
mod records;
mod schedule;

pub use care::{CareSettings, Carer};
pub use controller::{Controller, ControllerSettings, Wake};
pub use deletions::Deletions;
pub use look::{Look, LookError, Looker};
pub use perform::perform;
pub use records::{RecordError, Records, Stored};

use std::sync::Arc;

use millrace_domain::Timestamp;

/// The time, given from outside.
pub type Clock = Arc<dyn Fn() -> Timestamp + Send + Sync>;

//! Makes a job cluster exist; the Flink REST client.
//!
//! Contract of [`Launcher`]. Every effect carries (application, generation). Each is
//! idempotent: done twice it is done once. A start of a generation is refused when a greater
//! one is known, or when it has already lived and ended, so that a stale decision starts
//! nothing. Only processes that this launcher started are ever ended.
//!
//! Must not know: the store, the API, the engine's crates. Clusters are known by Flink's
//! REST interface alone.

mod engines;
mod error;
pub mod flink;
mod flink_rest;
mod job_file;
mod launcher;
mod local;
mod savepoint;

pub use engines::Engines;
pub use error::LauncherError;
pub use flink_rest::{FlinkRest, JobFailure, JobOverview, RawAnswer, SavepointStatus, TaskCounts};
pub use job_file::{JobFile, RestoreField};
pub use launcher::Launcher;
pub use local::{LocalLauncher, LocalSettings};

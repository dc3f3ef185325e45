//! What an application is and what may happen to it: pure and synchronous.
//!
//! Commands from the API ([`commands`]) and steps of the
//! controller both end in a [`Change`], which the store commits in one transaction
//! or not at all.
//!
//! Must not know: tokio, sqlx, axum, kube, the engine. Reads no clock; ids and time
//! are arguments.

pub mod application;
pub mod care;
pub mod change;
pub mod commands;
pub mod configuration;
pub mod enhanced;
pub mod event;
pub mod ids;
pub mod lifecycle;
pub mod maintenance;
pub mod operation;
pub mod quota;
pub mod reading;
pub mod reject;
pub mod retention;
pub mod runtime_environment;
pub mod snapshot;
pub mod transfer;

pub use application::{Application, Job, Status};
pub use change::Change;
pub use configuration::{Configuration, Version};
pub use ids::*;
pub use operation::{Operation, OperationKind, OperationStatus};
pub use reject::Reject;
pub use snapshot::{Snapshot, SnapshotStatus};

//! HTTP: decode, call, encode; one file per operation.
//!
//! `POST /` speaks AWS JSON 1.1. Each operation reads as one story: load, decide (a
//! pure command of the domain), commit, answer. A mutation is answered from what was
//! committed, and the answer is committed with it, so that a retry of the same call
//! finds it and no error can follow a commit.
//!
//! Below `/v1` is the REST surface ([`rest`]): the same operations, and more.
//!
//! The world comes in through [`ApiState`]: store, artifacts, clock, ids, and the
//! callback that wakes the controller.
//!
//! Must not know: kube, launcher, controller, the engine.

mod artifacts;
mod calls;
mod code;
mod convert;
mod describe;
mod error;
mod jobs;
mod operations;
mod pagination;
mod protocol;
mod rest;
mod serve;
mod snapshots;
mod state;

pub use artifacts::{ArtifactError, Artifacts, LocalArtifacts, S3Object};
pub use jobs::{Jobs, LogChunk, LogFrom, LogPlace, NoJobs, Sample};
pub use rest::document as openapi_document;
pub use serve::{router, serve, serve_until};
pub use state::{ApiConfig, ApiState, Clock, Ids, Wake};

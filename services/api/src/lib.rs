//! HTTP: decode, call, encode; one file per operation.
//!
//! `POST /` speaks AWS JSON 1.1. Each operation reads as one story: load, decide (a
//! pure command of the domain), commit, answer. A mutation is answered from what was
//! committed, and the answer is committed with it, so that a retry of the same call
//! finds it and no error can follow a commit.
//!
//! Who asks is proven by a signature ([`access`]); every operation is asked for by its
//! action on its resources, and one that changes something is in the audit log before it
//! does.
//! Below `/v1` is the REST surface ([`rest`]): the same operations, and more.
//!
//! The world comes in through [`ApiState`]: store, artifacts, clock, ids, and the
//! callback that wakes the controller.
//!
//! Must not know: kube, launcher, controller, the engine.

pub mod access;
mod admission;
mod artifacts;
mod calls;
mod code;
mod convert;
mod dashboard;
mod describe;
mod error;
mod jobs;
mod operations;
mod pagination;
mod protocol;
mod rest;
mod s3_locations;
mod serve;
mod snapshots;
mod state;
mod transfers;

pub use access::{Caller, Limits, NoTokens, NotProven, Tokens};
pub use artifacts::{ArtifactError, Artifacts, LocalArtifacts, S3Object};
pub use error::ApiError;
pub use jobs::{Jobs, LogChunk, LogFrom, LogPlace, Looked, NoJobs, RunsOn, Sample};
pub use rest::document as openapi_document;
pub use s3_locations::{S3Location, S3Locations};
pub use serve::{router, serve, serve_until};
pub use state::{ApiConfig, ApiState, Clock, Ids, Wake};

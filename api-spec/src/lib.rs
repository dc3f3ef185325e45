//! The AWS surface as data: wire types, the operation table, the constraints of every
//! member, the error catalogue.
//!
//! Shapes and numbers: the service model of `kinesisanalyticsv2` (2018-05-23), which
//! clients do not check themselves beyond required members and minimum lengths.
//!
//! Must not know: domain, SQL, axum, kube, the engine.

pub mod errors;
pub mod operations;
pub mod shape;
pub mod shapes;
pub mod timestamp;
pub mod validate;
pub mod wire;

pub use errors::ErrorCode;
pub use operations::{OperationSpec, TARGET_PREFIX};
pub use timestamp::EpochSeconds;
pub use validate::{Finding, validate};

/// What requests and replies say they are.
pub const CONTENT_TYPE: &str = "application/x-amz-json-1.1";

//! All that one decision writes.

use serde::{Deserialize, Serialize};

use crate::application::Application;
use crate::configuration::Version;
use crate::enhanced::EnhancedRequest;
use crate::ids::{ApplicationId, Revision, SnapshotName, Timestamp};
use crate::operation::Operation;
use crate::snapshot::Snapshot;

/// What one command or one step writes: the store commits all of it in one
/// transaction, or nothing when the application is no longer at `expected`.
#[derive(Clone, Debug, PartialEq)]
pub struct Change {
    /// `None` for a creation.
    pub expected: Option<Revision>,
    pub application: ApplicationWrite,
    pub new_version: Option<Version>,
    /// Inserted or replaced, by id.
    pub operations: Vec<Operation>,
    /// Inserted or replaced, by name.
    pub snapshots: Vec<Snapshot>,
    pub deleted_snapshots: Vec<SnapshotName>,
    /// Inserted or replaced, by name; with their operations, by id.
    pub enhanced: Vec<EnhancedRequest>,
    /// When the controller should look next; `None`: it need not.
    pub wake_at: Option<Timestamp>,
    /// The answer to give to a retry of the same call.
    pub idempotency: Option<IdempotencyRecord>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ApplicationWrite {
    Put(Box<Application>),
    /// The application and everything of it goes.
    Delete(ApplicationId),
}

/// AWS SDKs resend a mutation with the same `amz-sdk-invocation-id` (aws-api 0.6).
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct IdempotencyRecord {
    pub account: String,
    pub invocation_id: String,
    /// The operation's name and a digest of its request body: a reused id with
    /// another request is no retry.
    pub request_digest: String,
    pub response: String,
    pub created_at: Timestamp,
}

//! One change, one transaction.

use millrace_domain::change::{ApplicationWrite, IdempotencyRecord};
use millrace_domain::{Application, Change, Revision, Timestamp};
use sqlx::SqliteConnection;

use crate::error::CommitError;
use crate::open::Store;
use crate::{applications, enhanced, idempotency, operations, snapshots, tags, versions, wake_ups};

impl Store {
    /// Writes all of `change`, or nothing. Answers the application's new revision.
    ///
    /// # Errors
    /// [`CommitError::AlreadyDone`] before all others when the change carries a call
    /// that was committed before; [`CommitError::Stale`] when the application is not at
    /// `change.expected`; [`CommitError::NameTaken`] for a creation.
    pub async fn commit(&self, change: &Change, now: Timestamp) -> Result<Revision, CommitError> {
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await?;
        not_done_before(&mut tx, change.idempotency.as_ref()).await?;
        let revision = match &change.application {
            ApplicationWrite::Put(application) => put(&mut tx, change, application, now).await?,
            ApplicationWrite::Delete(id) => {
                let expected = change.expected.ok_or(CommitError::Stale)?;
                applications::delete(&mut tx, id, expected).await?
            }
        };
        if let Some(record) = &change.idempotency {
            idempotency::insert(&mut tx, record, now).await?;
        }
        tx.commit().await?;
        Ok(revision)
    }
}

pub(crate) async fn not_done_before(
    connection: &mut SqliteConnection,
    record: Option<&IdempotencyRecord>,
) -> Result<(), CommitError> {
    let Some(record) = record else { return Ok(()) };
    let IdempotencyRecord { account, invocation_id, request_digest, .. } = record;
    match idempotency::by_id(connection, account, invocation_id, request_digest).await? {
        None => Ok(()),
        Some(earlier) => Err(CommitError::AlreadyDone(Box::new(earlier))),
    }
}

async fn put(
    connection: &mut SqliteConnection,
    change: &Change,
    application: &Application,
    now: Timestamp,
) -> Result<Revision, CommitError> {
    let revision = match change.expected {
        None => applications::insert(connection, application).await?,
        Some(expected) => applications::replace(connection, application, expected).await?,
    };
    tags::replace(connection, application).await?;
    if let Some(version) = &change.new_version {
        versions::insert(connection, &application.id, version).await?;
    }
    for operation in &change.operations {
        operations::put(connection, operation).await?;
    }
    for name in &change.deleted_snapshots {
        snapshots::delete(connection, &application.id, name).await?;
    }
    for snapshot in &change.snapshots {
        snapshots::put(connection, snapshot).await?;
    }
    for request in &change.enhanced {
        enhanced::put(connection, request, now).await?;
    }
    wake_ups::put(connection, &application.id, change.wake_at).await?;
    Ok(revision)
}

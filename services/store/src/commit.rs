//! One change, one transaction.

use millrace_domain::change::{ApplicationWrite, IdempotencyRecord};
use millrace_domain::quota::QuotaBook;
use millrace_domain::{Application, Change, Operation, Revision, Timestamp};
use sqlx::AnyConnection;

use crate::error::CommitError;
use crate::known::Touched;
use crate::open::{Dialect, Store};
use crate::{
    applications, enhanced, events, idempotency, operations, snapshot_uses, snapshots, tags,
    versions, wake_ups,
};

impl Store {
    /// Writes all of `change`, or nothing. Answers the application's new revision.
    ///
    /// # Errors
    /// [`CommitError::AlreadyDone`] before all others when the change carries a call
    /// that was committed before; [`CommitError::Stale`] when the application is not at
    /// `change.expected`; [`CommitError::NameTaken`] for a creation.
    pub async fn commit(&self, change: &Change, now: Timestamp) -> Result<Revision, CommitError> {
        let (store, written) = (self.clone(), change.clone());
        let id = match &change.application {
            ApplicationWrite::Put(application) => &application.id,
            ApplicationWrite::Delete(id) => id,
        };
        let revision = self
            .write_touching(Touched::Application(id.clone()), move |connection| {
                Box::pin(async move { write(connection, &store, &written, now).await })
            })
            .await?;
        if change.idempotency.is_some() {
            self.forget_old_answers(now).await;
        }
        Ok(revision)
    }
}

async fn write(
    connection: &mut AnyConnection,
    store: &Store,
    change: &Change,
    now: Timestamp,
) -> Result<Revision, CommitError> {
    claim(connection, change.idempotency.as_ref()).await?;
    match &change.application {
        ApplicationWrite::Put(application) => {
            lock_for(connection, store.dialect, change).await?;
            put(connection, (change, application), &store.quotas, now).await
        }
        ApplicationWrite::Delete(id) => {
            let expected = change.expected.ok_or(CommitError::Stale)?;
            applications::delete(connection, id, expected).await
        }
    }
}

/// A creation counts the applications of its account: nobody may add one meanwhile.
async fn lock_for(
    connection: &mut AnyConnection,
    dialect: Dialect,
    change: &Change,
) -> Result<(), CommitError> {
    let lock = dialect.lock_applications().filter(|_| change.expected.is_none());
    if let Some(lock) = lock {
        sqlx::query(lock).execute(connection).await?;
    }
    Ok(())
}

/// Writes down the call's answer, before all else: of two attempts at one call the second
/// waits here for the first.
pub(crate) async fn claim(
    connection: &mut AnyConnection,
    record: Option<&IdempotencyRecord>,
) -> Result<(), CommitError> {
    let Some(record) = record else { return Ok(()) };
    if idempotency::insert(connection, record).await? {
        return Ok(());
    }
    let IdempotencyRecord { account, invocation_id, request_digest, .. } = record;
    match idempotency::by_id(connection, account, invocation_id, request_digest).await? {
        Some(earlier) => Err(CommitError::AlreadyDone(Box::new(earlier))),
        // Forgotten between the two statements, a day after it was written.
        None => Err(CommitError::Stale),
    }
}

async fn put(
    connection: &mut AnyConnection,
    (change, application): (&Change, &Application),
    quotas: &QuotaBook,
    now: Timestamp,
) -> Result<Revision, CommitError> {
    let before = match change.expected {
        None => None,
        Some(_) => applications::without_tags(connection, &application.id).await?,
    };
    let revision = match change.expected {
        None => {
            let quotas = quotas.of(&application.account);
            applications::insert(connection, application, quotas).await?
        }
        Some(expected) => applications::replace(connection, application, expected).await?,
    };
    tags::replace(connection, application).await?;
    if let Some(version) = &change.new_version {
        versions::insert(connection, &application.id, version).await?;
    }
    for operation in &change.operations {
        if is_begun(before.as_ref(), operation) {
            snapshot_uses::expect_ready(connection, application, operation).await?;
        }
        operations::put(connection, operation).await?;
    }
    for name in &change.deleted_snapshots {
        snapshots::delete(connection, &application.id, name).await?;
    }
    for snapshot in &change.snapshots {
        snapshots::put(connection, snapshot).await?;
    }
    for request in &change.enhanced {
        enhanced::put(connection, request, quotas, now).await?;
    }
    events::tell(connection, before.as_ref(), &application.id, change, now).await?;
    wake_ups::put(connection, &application.id, change.wake_at).await?;
    Ok(revision)
}

/// Whether it is this change that begins the operation.
fn is_begun(before: Option<&Application>, operation: &Operation) -> bool {
    let open = before.and_then(|before| before.open_operation.as_ref());
    operation.ended_at.is_none() && open != Some(&operation.id)
}

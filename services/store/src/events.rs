//! Events: what happened to applications, written with the changes themselves.

use millrace_domain::event::{Event, EventKind, KEPT, events};
use millrace_domain::{Application, ApplicationId, Change, Timestamp};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::Page;
use crate::error::StoreError;
use crate::open::Store;
use crate::operations::{bound, page};
use crate::row::{Reader, json, word};

/// An event and its place: greater is later.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredEvent {
    pub sequence: u64,
    pub event: Event,
}

impl Store {
    /// Up to `limit` events, newest first, those before `before`.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn events(
        &self,
        application: &ApplicationId,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<StoredEvent>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM events WHERE application = $1 AND sequence < $2
             ORDER BY sequence DESC LIMIT $3",
        )
        .bind(application.as_str())
        .bind(bound(before))
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.reader)
        .await?;
        page(&rows, limit, "events", "sequence", event)
    }

    /// Up to `limit` events after `after`, oldest first. Changes of one application commit
    /// one after another, so none appears later before one that was read.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn events_after(
        &self,
        application: &ApplicationId,
        after: u64,
        limit: u32,
    ) -> Result<Vec<StoredEvent>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM events WHERE application = $1 AND sequence > $2
             ORDER BY sequence LIMIT $3",
        )
        .bind(application.as_str())
        .bind(i64::try_from(after).unwrap_or(i64::MAX))
        .bind(i64::from(limit))
        .fetch_all(&self.reader)
        .await?;
        rows.iter().map(event).collect()
    }

    /// Whether the application is there (still).
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn has_application(&self, application: &ApplicationId) -> Result<bool, StoreError> {
        let row = sqlx::query("SELECT 1 FROM applications WHERE id = $1")
            .bind(application.as_str())
            .fetch_optional(&self.reader)
            .await?;
        Ok(row.is_some())
    }
}

/// Writes what `change` makes happen to the application that was `before`.
pub(crate) async fn tell(
    connection: &mut AnyConnection,
    before: Option<&Application>,
    application: &ApplicationId,
    change: &Change,
    now: Timestamp,
) -> Result<(), StoreError> {
    let told = events(before, change, now);
    for Event { at, kind, detail } in &told {
        sqlx::query("INSERT INTO events (application, at, kind, detail) VALUES ($1, $2, $3, $4)")
            .bind(application.as_str())
            .bind(at.0)
            .bind(word(kind))
            .bind(json(detail))
            .execute(&mut *connection)
            .await?;
    }
    // Nothing goes on for long without one of these.
    let often = |it: &Event| matches!(it.kind, EventKind::OperationEnded | EventKind::JobStarted);
    if told.iter().any(often) {
        forget_old(connection, application).await?;
    }
    Ok(())
}

async fn forget_old(
    connection: &mut AnyConnection,
    application: &ApplicationId,
) -> Result<(), StoreError> {
    sqlx::query(
        "DELETE FROM events
         WHERE application = $1 AND sequence <
             (SELECT sequence FROM events WHERE application = $1
              ORDER BY sequence DESC LIMIT 1 OFFSET $2)",
    )
    .bind(application.as_str())
    .bind(i64::from(KEPT) - 1)
    .execute(connection)
    .await?;
    Ok(())
}

fn event(row: &AnyRow) -> Result<StoredEvent, StoreError> {
    let row = Reader { table: "events", row };
    let event = Event { at: row.time("at")?, kind: row.word("kind")?, detail: row.json("detail")? };
    Ok(StoredEvent { sequence: row.count("sequence")?, event })
}

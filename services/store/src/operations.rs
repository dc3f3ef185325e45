//! Operations: kept for as long as their application.

use millrace_domain::{
    ApplicationId, Operation, OperationId, OperationKind, OperationStatus, VersionId,
};
use sqlx::AnyConnection;
use sqlx::any::AnyRow;

use crate::Page;
use crate::error::StoreError;
use crate::open::Store;
use crate::row::{Reader, count, json, word};

/// Which operations to list; `None` is any.
#[derive(Clone, Copy, Debug, Default)]
pub struct OperationFilter {
    pub kind: Option<OperationKind>,
    pub status: Option<OperationStatus>,
}

impl Store {
    /// One operation of an application, if it is there.
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn operation(
        &self,
        application: &ApplicationId,
        id: &OperationId,
    ) -> Result<Option<Operation>, StoreError> {
        by_id(&mut *self.reader.acquire().await?, application, id).await
    }

    /// Up to `limit` operations, newest first, those before `before` (a `next` of an
    /// earlier page).
    ///
    /// # Errors
    /// The database does not answer.
    pub async fn operations(
        &self,
        application: &ApplicationId,
        filter: OperationFilter,
        before: Option<u64>,
        limit: u32,
    ) -> Result<Page<Operation>, StoreError> {
        let rows = sqlx::query(
            "SELECT * FROM operations
             WHERE application = $1 AND sequence < $2
               AND (CAST($3 AS TEXT) IS NULL OR kind = $3)
               AND (CAST($4 AS TEXT) IS NULL OR status = $4)
             ORDER BY sequence DESC
             LIMIT $5",
        )
        .bind(application.as_str())
        .bind(bound(before))
        .bind(filter.kind.as_ref().map(word))
        .bind(filter.status.as_ref().map(word))
        .bind(i64::from(limit) + 1)
        .fetch_all(&self.reader)
        .await?;
        page(&rows, limit, "operations", "sequence", operation)
    }
}

pub(crate) async fn by_id(
    connection: &mut AnyConnection,
    application: &ApplicationId,
    id: &OperationId,
) -> Result<Option<Operation>, StoreError> {
    let row = sqlx::query("SELECT * FROM operations WHERE application = $1 AND id = $2")
        .bind(application.as_str())
        .bind(id.as_str())
        .fetch_optional(connection)
        .await?;
    row.as_ref().map(operation).transpose()
}

/// Inserts, or replaces what may change of the one with the same id.
pub(crate) async fn put(
    connection: &mut AnyConnection,
    operation: &Operation,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO operations (application, id, kind, status, started_at, ended_at,
             from_version, to_version, request, failure, evidence)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
         ON CONFLICT (application, id) DO UPDATE
         SET status = excluded.status, ended_at = excluded.ended_at,
             to_version = excluded.to_version, request = excluded.request,
             failure = excluded.failure, evidence = excluded.evidence",
    )
    .bind(operation.application.as_str())
    .bind(operation.id.as_str())
    .bind(word(&operation.kind))
    .bind(word(&operation.status))
    .bind(operation.started_at.0)
    .bind(operation.ended_at.map(|time| time.0))
    .bind(count(operation.from_version.0))
    .bind(count(operation.to_version.0))
    .bind(json(&operation.request))
    .bind(operation.failure.as_ref().map(json))
    .bind(json(&operation.evidence))
    .execute(connection)
    .await?;
    Ok(())
}

fn operation(row: &AnyRow) -> Result<Operation, StoreError> {
    let row = Reader { table: "operations", row };
    Ok(Operation {
        application: row.id("application", ApplicationId::new)?,
        id: row.id("id", OperationId::new)?,
        kind: row.word("kind")?,
        status: row.word("status")?,
        started_at: row.time("started_at")?,
        ended_at: row.optional_time("ended_at")?,
        from_version: VersionId(row.count("from_version")?),
        to_version: VersionId(row.count("to_version")?),
        request: row.json("request")?,
        failure: row.optional_json("failure")?,
        evidence: row.json("evidence")?,
    })
}

/// The exclusive upper bound of a descending page.
pub(crate) fn bound(before: Option<u64>) -> i64 {
    before.and_then(|before| i64::try_from(before).ok()).unwrap_or(i64::MAX)
}

/// `rows` has one more than `limit` when the list goes on: then `next` is the place
/// of the last one shown.
pub(crate) fn page<T>(
    rows: &[AnyRow],
    limit: u32,
    table: &'static str,
    place: &'static str,
    value: fn(&AnyRow) -> Result<T, StoreError>,
) -> Result<Page<T>, StoreError> {
    let shown = &rows[..rows.len().min(limit as usize)];
    let next = match shown.last() {
        Some(row) if rows.len() > shown.len() => Some(Reader { table, row }.count(place)?),
        _ => None,
    };
    Ok(Page { items: shown.iter().map(value).collect::<Result<_, _>>()?, next })
}

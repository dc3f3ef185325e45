//! Who reads an enhanced snapshot: a start or an update from it, and the applications that
//! may go back to it.
//!
//! A start and a deletion of one snapshot both write to its row, so that one comes after the
//! other: after the deletion the start finds it gone, after the start the deletion finds it
//! used.

use millrace_domain::configuration::Restore;
use millrace_domain::enhanced::EnhancedSnapshot;
use millrace_domain::{Application, ApplicationName, Operation, OperationKind};
use sqlx::AnyConnection;

use crate::error::CommitError;
use crate::row::Reader;

/// Whatever was decided for an application that knows the snapshot is decided anew.
pub(crate) async fn overtake_holders(
    connection: &mut AnyConnection,
    snapshot: &EnhancedSnapshot,
) -> Result<(), CommitError> {
    sqlx::query(
        "UPDATE applications SET revision = revision + 1
         WHERE id IN (SELECT application FROM snapshots WHERE enhanced = 1 AND location = $1)",
    )
    .bind(&snapshot.location)
    .execute(connection)
    .await?;
    Ok(())
}

/// # Errors
/// [`CommitError::SnapshotUsed`]: an operation under way names its files, or is of an
/// application that may go back to it, or on from it.
pub(crate) async fn check_unused(
    connection: &mut AnyConnection,
    snapshot: &EnhancedSnapshot,
) -> Result<(), CommitError> {
    let Some(location) = &snapshot.location else { return Ok(()) };
    let rows = sqlx::query(
        "SELECT applications.name AS name, operations.kind AS kind,
                operations.request AS request, operations.evidence AS evidence,
                (SELECT COUNT(*) FROM snapshots
                 WHERE snapshots.application = applications.id
                   AND snapshots.enhanced = 1 AND snapshots.location = $1) AS knows
         FROM applications
         JOIN operations ON operations.application = applications.id
             AND operations.id = applications.open_operation
         WHERE applications.account = $2 AND applications.region = $3",
    )
    .bind(location)
    .bind(&snapshot.account)
    .bind(&snapshot.region)
    .fetch_all(connection)
    .await?;
    let named = crate::row::json(location);
    for row in &rows {
        let row = Reader { table: "operations", row };
        let kind = row.word::<OperationKind>("kind")?;
        let texts = [row.text("request")?, row.text("evidence")?];
        let is_named = texts.iter().any(|text| text.contains(&named));
        if is_named || (row.count("knows")? > 0 && restores(kind)) {
            return Err(CommitError::SnapshotUsed {
                name: snapshot.name.clone(),
                application: row.id("name", ApplicationName::new)?,
                operation: kind.name(),
            });
        }
    }
    Ok(())
}

/// Whether such an operation may start a job.
fn restores(kind: OperationKind) -> bool {
    match kind {
        OperationKind::StartApplication
        | OperationKind::UpdateApplication
        | OperationKind::RollbackApplication
        | OperationKind::SystemRollback
        | OperationKind::Autoscaling
        | OperationKind::Maintenance => true,
        OperationKind::StopApplication
        | OperationKind::CreateApplicationSnapshot
        | OperationKind::CreateSnapshot
        | OperationKind::DeleteApplication
        | OperationKind::AddApplicationVpcConfiguration
        | OperationKind::DeleteApplicationVpcConfiguration
        | OperationKind::AddApplicationCloudWatchLoggingOption
        | OperationKind::DeleteApplicationCloudWatchLoggingOption => false,
    }
}

/// Takes the snapshot from the applications that know it.
pub(crate) async fn forget(
    connection: &mut AnyConnection,
    snapshot: &EnhancedSnapshot,
) -> Result<(), CommitError> {
    sqlx::query("DELETE FROM snapshots WHERE enhanced = 1 AND location = $1")
        .bind(&snapshot.location)
        .execute(connection)
        .await?;
    Ok(())
}

/// # Errors
/// [`CommitError::SnapshotGone`]: the operation begins from a snapshot that is not READY.
pub(crate) async fn expect_ready(
    connection: &mut AnyConnection,
    application: &Application,
    operation: &Operation,
) -> Result<(), CommitError> {
    let run = operation.request.run.as_ref();
    let Some(Restore::Enhanced { location, .. }) = run.map(|run| &run.restore) else {
        return Ok(());
    };
    let found = sqlx::query(
        "UPDATE enhanced_snapshots SET status = status
         WHERE account = $1 AND region = $2 AND location = $3 AND status = 'READY'",
    )
    .bind(&application.account)
    .bind(&application.region)
    .bind(location)
    .execute(connection)
    .await?;
    if found.rows_affected() == 0 { Err(CommitError::SnapshotGone) } else { Ok(()) }
}

//! `millrace keys`, `millrace policy`, `millrace audit`: for who runs the service, on its
//! machine. They open its database, running or not: who may read the data directory needs
//! no further proof. What they change is in the audit log like a call.

mod args;
mod audit;
mod keys;
mod policy;

use std::future::Future;
use std::process::ExitCode;

pub use args::{AuditArguments, KeysArguments, PolicyArguments};
use millrace_auth::Principal;
use millrace_domain::Timestamp;
use millrace_store::{AuditEntry, Store};

use crate::edge;

pub fn keys(arguments: KeysArguments) -> anyhow::Result<ExitCode> {
    block_on(keys::run(arguments))
}

pub fn policy(arguments: PolicyArguments) -> anyhow::Result<ExitCode> {
    block_on(policy::run(arguments))
}

pub fn audit(arguments: AuditArguments) -> anyhow::Result<ExitCode> {
    block_on(audit::run(arguments))
}

fn block_on(work: impl Future<Output = anyhow::Result<()>>) -> anyhow::Result<ExitCode> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work)?;
    Ok(ExitCode::SUCCESS)
}

/// Does `work` between the two entries of the audit log. `action` is IAM's.
async fn audited<T>(
    store: &Store,
    owner: &Principal,
    action: &str,
    resource: String,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<T> {
    let entry = AuditEntry {
        at: Timestamp(edge::now_ms()),
        account: owner.account().to_owned(),
        region: "aws-global".to_owned(),
        principal: Principal::root(owner.account())?.to_string(),
        credential: "command-line".to_owned(),
        request: edge::new_id().to_string(),
        action: format!("iam:{action}"),
        resource,
        outcome: String::new(),
    };
    let id = store.begin_audit(&entry).await?;
    let outcome = work.await;
    store.end_audit(id, if outcome.is_ok() { "Success" } else { "Failure" }).await?;
    outcome
}

/// A time for people: 2026-11-22T14:03:24Z.
fn shown(time: Timestamp) -> String {
    let time = chrono::DateTime::from_timestamp_millis(time.0).unwrap_or_default();
    time.format("%Y-%m-%dT%H:%M:%SZ").to_string()
}

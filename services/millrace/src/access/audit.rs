//! `millrace audit`.

use millrace_store::AuditEntry;
use serde_json::json;

use super::args::AuditArguments;
use super::shown;
use crate::output::{self, Format};

/// Entries read at once.
const PART: u32 = 1_000;

/// Oldest first, as one reads a log.
pub async fn run(arguments: AuditArguments) -> anyhow::Result<()> {
    let store = arguments.place.store().await?;
    let (mut entries, mut before) = (Vec::new(), None);
    while (entries.len() as u64) < u64::from(arguments.limit) {
        let left = arguments.limit - u32::try_from(entries.len())?;
        let page = store.audit(arguments.account.as_deref(), before, left.min(PART)).await?;
        entries.extend(page.items);
        before = page.next;
        if before.is_none() {
            break;
        }
    }
    entries.reverse();
    match arguments.output {
        Format::Json => entries.iter().for_each(|entry| output::line(&line(entry))),
        Format::Text => {
            let headings = ["TIME", "WHO", "ACTION", "RESOURCE", "OUTCOME"];
            let rows: Vec<_> = entries.iter().map(row).collect();
            output::line(&output::table(&headings, &rows));
        }
    }
    Ok(())
}

fn row(entry: &AuditEntry) -> Vec<String> {
    let outcome = if entry.outcome.is_empty() { "?" } else { entry.outcome.as_str() };
    vec![
        shown(entry.at),
        entry.principal.clone(),
        entry.action.clone(),
        entry.resource.clone(),
        outcome.to_owned(),
    ]
}

fn line(entry: &AuditEntry) -> String {
    json!({
        "time": shown(entry.at),
        "account": entry.account,
        "region": entry.region,
        "principal": entry.principal,
        "credential": entry.credential,
        "request": entry.request,
        "action": entry.action,
        "resource": entry.resource,
        "outcome": entry.outcome,
    })
    .to_string()
}

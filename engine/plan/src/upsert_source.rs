//! Which sources need their changelog normalized (row B12.20).

use std::collections::BTreeMap;

use millrace_dataflow::catalog::{ConnectorCatalog, TableUsage};
use millrace_sql::logical::{BoundTable, TableColumn};
use millrace_sql::{Problem, Span};

use crate::build::Built;

/// What of the connectors and settings decides about sources.
pub(crate) struct Sources<'a> {
    pub connectors: &'a dyn ConnectorCatalog,
    pub settings: &'a BTreeMap<String, String>,
}

impl Sources<'_> {
    /// The primary key, as columns of the table, of a source whose changes must be
    /// normalized: one that sends no -U, or may send changes twice.
    pub(crate) fn normalized_key(&self, table: &BoundTable) -> Option<Vec<usize>> {
        let mode = self.connectors.changelog_mode(&table.spec, TableUsage::Source);
        let key = primary_key(table);
        let repeats = !mode.is_insert_only() && self.events_duplicate();
        ((is_upsert(mode) || repeats) && !key.is_empty()).then_some(key)
    }

    /// # Errors
    /// An upsert source without the key that its changes are about.
    pub(crate) fn check(&self, table: &BoundTable, span: Span) -> Built<()> {
        let mode = self.connectors.changelog_mode(&table.spec, TableUsage::Source);
        if !is_upsert(mode) || !table.spec.primary_key.is_empty() {
            return Ok(());
        }
        let name = &table.spec.name;
        let message = format!(
            "table '{name}' sends updates without what they replace, so it needs a primary key"
        );
        Err(Problem::new(span, message).with_hint("declare PRIMARY KEY (..) NOT ENFORCED"))
    }

    fn events_duplicate(&self) -> bool {
        let value = self.settings.get("table.exec.source.cdc-events-duplicate");
        value.is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }
}

fn is_upsert(mode: millrace_dataflow::catalog::ChangelogMode) -> bool {
    mode.update_after && !mode.update_before
}

/// The primary key as columns of the table; empty without one.
pub(crate) fn primary_key(table: &BoundTable) -> Vec<usize> {
    let column = |key: &usize| {
        table.columns.iter().position(|column| *column == TableColumn::Physical(*key))
    };
    let key: Option<Vec<usize>> = table.spec.primary_key.iter().map(column).collect();
    key.unwrap_or_default()
}

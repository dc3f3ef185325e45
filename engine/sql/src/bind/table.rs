//! CREATE TABLE and the use of tables with their options (sections A.2 and B.7).

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_dataflow::catalog::{ConnectorDescriptor, TableUsage};
use millrace_dataflow::graph::WatermarkAlignment;
use millrace_dataflow::settings::parse_duration_ms;
use millrace_dataflow::table::{MetadataColumn, TableSpec};
use millrace_dataflow::{Field, Schema, TimeAttribute, TypeRoot};

use super::scalar::Scalars;
use super::scope::Scope;
use super::{Binder, Bound};
use crate::ast::{
    ColumnDefinition, ColumnKind, CreateTable, Hint, Ident, Like, LikeStrategy, TableOption,
    Watermark,
};
use crate::diagnostic::Problem;
use crate::expressions;
use crate::logical::{BoundTable, TableColumn, TableWatermark};
use crate::nearest;
use crate::since::Feature;
use crate::span::Span;

const IDLE_TIMEOUT: &str = "scan.watermark.idle-timeout";
const ALIGNMENT_GROUP: &str = "scan.watermark.alignment.group";
const ALIGNMENT_DRIFT: &str = "scan.watermark.alignment.max-drift";
const ALIGNMENT_INTERVAL: &str = "scan.watermark.alignment.update-interval";
const EMIT_STRATEGY: &str = "scan.watermark.emit.strategy";
const WATERMARK_OPTIONS: &str = "scan.watermark.";

impl Binder<'_> {
    /// `None`: it exists and the statement says IF NOT EXISTS.
    pub(super) fn bind_table(&self, table: &CreateTable) -> Bound<Option<BoundTable>> {
        if table.if_not_exists && self.catalog.exists(&table.name) {
            return Ok(None);
        }
        let mut draft = match &table.like {
            Some(like) => self.like(like)?,
            None => Draft::default(),
        };
        draft.add_columns(&table.columns)?;
        let options = own_options(&table.options)?;
        draft.options.extend(options);
        draft.partition_keys = draft.partition_keys(&table.partitioned_by)?;
        self.primary_key(table, &mut draft)?;
        let computed = self.computed_columns(&mut draft, &table.columns)?;
        self.watermark(table, &mut draft)?;
        self.check_connector_key(table, &draft)?;
        let name = self.catalog.full_name(&table.name)?.join(".");
        Ok(Some(draft.finish(name, computed, self, table.name.span())?))
    }

    fn check_connector_key(&self, table: &CreateTable, draft: &Draft) -> Bound<()> {
        if draft.options.contains_key("connector") {
            return Ok(());
        }
        Err(Problem::new(table.name.span(), format!("table '{}' names no connector", table.name))
            .with_hint("add 'connector' = '...' to its WITH clause"))
    }

    // Row A2.11: physical columns always; the rest unless it is excluded.
    fn like(&self, like: &Like) -> Bound<Draft> {
        let base = self.catalog.find_table(&like.source)?;
        let excluded = |feature: &str| {
            let named = like.options.iter().rev().find(|option| option.feature == feature);
            let all = like.options.iter().rev().find(|option| option.feature == "ALL");
            named.or(all).is_some_and(|option| option.strategy == LikeStrategy::Excluding)
        };
        let mut draft = Draft { columns: Vec::new(), ..Draft::default() };
        for (field, column) in base.schema.fields.iter().zip(&base.columns) {
            let kind = match column {
                TableColumn::Physical(_) => DraftColumn::Physical,
                TableColumn::Metadata(_) if excluded("METADATA") => continue,
                TableColumn::Metadata(at) => DraftColumn::Metadata(base.spec.metadata[*at].clone()),
                TableColumn::Computed(_) if excluded("GENERATED") => continue,
                TableColumn::Computed(expression) => {
                    DraftColumn::Inherited(Box::new(expression.clone()))
                }
            };
            draft.columns.push((field.clone(), kind));
        }
        let inherits_all = draft.columns.len() == base.columns.len();
        if !inherits_all
            && draft.columns.iter().any(|(_, kind)| matches!(kind, DraftColumn::Inherited(_)))
        {
            let span = like.options.first().map_or(like.source.span(), |option| option.span);
            return Err(Problem::new(
                span,
                "LIKE that excludes some columns but keeps computed ones is not offered yet",
            ));
        }
        if !excluded("OPTIONS") {
            draft.options = base.spec.options.clone();
        }
        if !excluded("PARTITIONS") {
            draft.partition_keys = base.spec.partition_keys.clone();
        }
        if !excluded("CONSTRAINTS") {
            draft.primary_key = base.spec.primary_key.clone();
        }
        if !excluded("WATERMARKS") && inherits_all {
            draft.watermark = base.watermark.clone();
        } else {
            draft.columns.iter_mut().for_each(|(field, _)| field.time = TimeAttribute::None);
        }
        Ok(draft)
    }

    fn primary_key(&self, table: &CreateTable, draft: &mut Draft) -> Bound<()> {
        let Some(key) = table.primary_keys.first() else { return Ok(()) };
        if let Some(second) = table.primary_keys.get(1) {
            return Err(Problem::new(second.span, "Duplicate primary key definition"));
        }
        draft.primary_key = draft.physical_indices(&key.columns, "a primary key")?;
        for column in &key.columns {
            if let Some((field, _)) = draft.columns.iter_mut().find(|(f, _)| f.name == column.text)
            {
                field.data_type.nullable = false;
            }
        }
        Ok(())
    }

    // Computed columns may use physical and metadata columns alone (row A2.4); the
    // expressions are over the table's columns.
    fn computed_columns(
        &self,
        draft: &mut Draft,
        definitions: &[ColumnDefinition],
    ) -> Bound<BTreeMap<String, millrace_expr::TypedExpr>> {
        let context = self.context();
        let scope = draft.scope_of_read_columns();
        let mut computed = BTreeMap::new();
        for definition in definitions {
            let ColumnKind::Computed { expression } = &definition.kind else { continue };
            let bound = Scalars::new(&scope, &context).bind(expression)?;
            let proctime = expressions::time_attribute(&bound, &Schema::default());
            if let Some((field, _)) =
                draft.columns.iter_mut().find(|(f, _)| f.name == definition.name.text)
            {
                field.data_type = bound.data_type.clone();
                field.time = proctime;
            }
            let bound = expressions::renumber(&bound, &|at| draft.read_columns()[at]);
            computed.insert(definition.name.text.clone(), bound);
        }
        Ok(computed)
    }

    fn watermark(&self, table: &CreateTable, draft: &mut Draft) -> Bound<()> {
        let Some(watermark) = table.watermarks.first() else { return Ok(()) };
        if let Some(second) = table.watermarks.get(1) {
            return Err(Problem::new(
                second.span,
                "Multiple WATERMARK declarations are not supported yet.",
            ));
        }
        let column = draft.rowtime_column(watermark)?;
        let context = self.context();
        let schema = draft.schema();
        let scope = Scope::of_schema(Vec::new(), &schema);
        let expression = Scalars::new(&scope, &context).bind(&watermark.expression)?;
        let same_kind = matches!(
            (&schema.fields[column].data_type.root, &expression.data_type.root),
            (TypeRoot::Timestamp { .. }, TypeRoot::Timestamp { .. })
                | (TypeRoot::TimestampLtz { .. }, TypeRoot::TimestampLtz { .. })
        );
        if !same_kind {
            let message = format!(
                "a watermark must have the kind of its time column, {}, but this is {}",
                schema.fields[column].data_type.root, expression.data_type.root
            );
            return Err(Problem::new(watermark.expression.span, message));
        }
        draft.columns[column].0.time = TimeAttribute::Rowtime;
        draft.watermark = Some(TableWatermark {
            column,
            expression,
            idle_timeout_ms: None,
            alignment: None,
            on_event: false,
        });
        Ok(())
    }

    /// The table with the OPTIONS of one use over its own (row B7.1).
    pub(super) fn with_hints(
        &self,
        table: &Arc<BoundTable>,
        hints: &[Hint],
    ) -> Bound<Arc<BoundTable>> {
        let mut table = table.clone();
        for hint in hints {
            let name = hint.name.text.to_ascii_uppercase();
            if name != "OPTIONS" {
                let message =
                    format!("the hint {name} does not stand behind a table; OPTIONS does");
                return Err(Problem::new(hint.name.span, message));
            }
            let enabled = self.settings.get("table.dynamic-table-options.enabled");
            if enabled.is_some_and(|value| value.eq_ignore_ascii_case("false")) {
                let message =
                    "the OPTIONS hint is switched off by 'table.dynamic-table-options.enabled'";
                return Err(Problem::new(hint.name.span, message));
            }
            let options = own_options(&hint.options)?;
            let changed = Arc::make_mut(&mut table);
            self.apply_options(changed, options, hint.name.span)?;
        }
        Ok(table)
    }

    fn apply_options(
        &self,
        table: &mut BoundTable,
        mut options: BTreeMap<String, String>,
        span: Span,
    ) -> Bound<()> {
        let watermark: Vec<(String, String)> =
            options.extract_if(.., |key, _| key.starts_with(WATERMARK_OPTIONS)).collect();
        for (key, value) in &watermark {
            self.watermark_option(table, key, value, span)?;
        }
        if let Some(alignment) = alignment(&watermark, span)?
            && let Some(watermark) = &mut table.watermark
        {
            watermark.alignment = Some(alignment);
        }
        table.spec.options.extend(options);
        Ok(())
    }

    // These concern the planner, not the connector (rows E.4 to E.7).
    fn watermark_option(
        &self,
        table: &mut BoundTable,
        key: &str,
        value: &str,
        span: Span,
    ) -> Bound<()> {
        Feature::ScanWatermarkOptions.check(self.level, span)?;
        let known =
            [IDLE_TIMEOUT, EMIT_STRATEGY, ALIGNMENT_GROUP, ALIGNMENT_DRIFT, ALIGNMENT_INTERVAL];
        if !known.contains(&key) {
            return Err(Problem::new(span, format!("Unsupported option '{key}'"))
                .or_hint(nearest::hint(key, known)));
        }
        if key == EMIT_STRATEGY {
            let on_event = on_event(value, span)?;
            if let Some(watermark) = &mut table.watermark {
                watermark.on_event = on_event;
            }
        }
        if key == IDLE_TIMEOUT {
            let timeout = duration_option(key, value, span)?;
            if let Some(watermark) = &mut table.watermark {
                watermark.idle_timeout_ms = (timeout > 0).then_some(timeout);
            }
        }
        Ok(())
    }

    /// The connector exists, reads or writes, and accepts the table's options (row
    /// A2.10: checked on use).
    pub(super) fn check_usage(
        &self,
        table: &BoundTable,
        usage: TableUsage,
        span: Span,
    ) -> Bound<()> {
        let descriptor = self.descriptor(table, span)?;
        let (able, what) = match usage {
            TableUsage::Source => (descriptor.source, "read from"),
            TableUsage::Sink => (descriptor.sink, "written to"),
        };
        if !able {
            let message = format!(
                "table '{}' cannot be {what}: connector '{}' is {} only",
                table.spec.name,
                descriptor.name,
                if usage == TableUsage::Source { "a sink" } else { "a source" }
            );
            return Err(Problem::new(span, message));
        }
        self.check_metadata(table, descriptor, usage, span)?;
        self.connectors.check_options(&table.spec, usage, self.level).map_err(|error| {
            let message = format!("table '{}': {}", table.spec.name, error.message);
            let key = error.key.as_deref().unwrap_or_default();
            Problem::new(self.option_span(table, key).unwrap_or(span), message)
        })
    }

    /// Where CREATE TABLE has the option.
    pub(super) fn option_place(&self, table: &BoundTable, key: Option<&str>) -> Option<Span> {
        self.option_span(table, key?)
    }

    // Where CREATE TABLE has the option; a hint's option has no place of its own.
    fn option_span(&self, table: &BoundTable, key: &str) -> Option<Span> {
        self.option_spans.get(&(table.spec.name.clone(), key.to_owned())).copied()
    }

    fn descriptor(&self, table: &BoundTable, span: Span) -> Bound<&ConnectorDescriptor> {
        let name = table.spec.options.get("connector").map_or("", String::as_str);
        let Some(descriptor) = self.connectors.connector(name) else {
            let names = self.connectors.names();
            let message = format!("there is no connector '{name}' (table '{}')", table.spec.name);
            return Err(
                Problem::new(span, message).with_hint(format!("there are {}", names.join(", ")))
            );
        };
        if self.level < descriptor.since {
            let message = format!(
                "connector '{name}' needs {} or later; this application runs on {}",
                descriptor.since, self.level
            );
            return Err(Problem::new(span, message));
        }
        Ok(descriptor)
    }

    fn check_metadata(
        &self,
        table: &BoundTable,
        descriptor: &ConnectorDescriptor,
        usage: TableUsage,
        span: Span,
    ) -> Bound<()> {
        for column in &table.spec.metadata {
            if usage == TableUsage::Sink && !column.is_virtual {
                let message = format!(
                    "connector '{}' cannot write metadata column '{}' of table '{}'",
                    descriptor.name, column.name, table.spec.name
                );
                return Err(Problem::new(span, message).with_hint("declare it VIRTUAL: read only"));
            }
            let known = descriptor.metadata.iter().any(|metadata| metadata.key == column.key);
            if usage == TableUsage::Source && !known {
                let keys: Vec<&str> = descriptor.metadata.iter().map(|m| m.key).collect();
                let keys = if keys.is_empty() { "none".to_owned() } else { keys.join(", ") };
                let message = format!(
                    "Invalid metadata key '{}' in column '{}' of table '{}'; connector '{}' has {keys}",
                    column.key, column.name, table.spec.name, descriptor.name
                );
                return Err(Problem::new(span, message));
            }
        }
        Ok(())
    }
}

fn own_options(options: &[TableOption]) -> Bound<BTreeMap<String, String>> {
    let mut map = BTreeMap::new();
    for option in options {
        if map.insert(option.key.value.clone(), option.value.value.clone()).is_some() {
            let message = format!("option '{}' is given twice", option.key.value);
            return Err(Problem::new(option.key.span, message));
        }
    }
    Ok(map)
}

/// A table while its clauses are put together.
#[derive(Default)]
struct Draft {
    columns: Vec<(Field, DraftColumn)>,
    options: BTreeMap<String, String>,
    /// Indices into the physical columns.
    partition_keys: Vec<usize>,
    primary_key: Vec<usize>,
    watermark: Option<TableWatermark>,
}

enum DraftColumn {
    Physical,
    Metadata(MetadataColumn),
    Computed,
    /// A computed column of the table that LIKE names.
    Inherited(Box<millrace_expr::TypedExpr>),
}

impl Draft {
    fn add_columns(&mut self, definitions: &[ColumnDefinition]) -> Bound<()> {
        for definition in definitions {
            let name = &definition.name;
            if self.columns.iter().any(|(field, _)| field.name == name.text) {
                let message =
                    format!("A column named '{}' already exists in the table.", name.text);
                return Err(Problem::new(name.span, message));
            }
            self.columns.push(draft_column(definition));
        }
        Ok(())
    }

    fn schema(&self) -> Schema {
        Schema::new(self.columns.iter().map(|(field, _)| field.clone()).collect())
    }

    fn physical(&self) -> Schema {
        let physical =
            self.columns.iter().filter(|(_, kind)| matches!(kind, DraftColumn::Physical));
        Schema::new(
            physical.map(|(field, _)| field.clone().with_time(TimeAttribute::None)).collect(),
        )
    }

    // Positions of the physical and metadata columns.
    fn read_columns(&self) -> Vec<usize> {
        let read = |(_, kind): &(Field, DraftColumn)| {
            matches!(kind, DraftColumn::Physical | DraftColumn::Metadata(_))
        };
        (0..self.columns.len()).filter(|at| read(&self.columns[*at])).collect()
    }

    fn scope_of_read_columns(&self) -> Scope {
        let fields = self.read_columns().into_iter().map(|at| self.columns[at].0.clone()).collect();
        Scope::of_schema(Vec::new(), &Schema::new(fields))
    }

    fn physical_indices(&self, names: &[Ident], what: &str) -> Bound<Vec<usize>> {
        let physical = self.physical();
        let mut indices = Vec::new();
        for name in names {
            let Some(index) = physical.index_of(&name.text) else {
                let known = physical.fields.iter().map(|field| field.name.as_str());
                let message = format!("{what} names '{}', which is no physical column", name.text);
                return Err(
                    Problem::new(name.span, message).or_hint(nearest::hint(&name.text, known))
                );
            };
            if indices.contains(&index) {
                return Err(Problem::new(name.span, format!("{what} names '{}' twice", name.text)));
            }
            indices.push(index);
        }
        Ok(indices)
    }

    fn partition_keys(&self, names: &[Ident]) -> Bound<Vec<usize>> {
        if names.is_empty() {
            return Ok(self.partition_keys.clone());
        }
        self.physical_indices(names, "PARTITIONED BY")
    }

    fn rowtime_column(&self, watermark: &Watermark) -> Bound<usize> {
        let path = &watermark.column;
        if path.parts.len() > 1 {
            let message = "the time column must be a top-level column of the table";
            return Err(Problem::new(path.span(), message)
                .with_hint("declare a computed column: ts AS r.ts"));
        }
        let name = &path.parts[0];
        let Some(index) = self.columns.iter().position(|(field, _)| field.name == name.text) else {
            let known = self.columns.iter().map(|(field, _)| field.name.as_str());
            let message = format!(
                "The rowtime attribute field '{}' is not defined in the table schema",
                name.text
            );
            return Err(Problem::new(name.span, message).or_hint(nearest::hint(&name.text, known)));
        };
        match self.columns[index].0.data_type.root {
            TypeRoot::Timestamp { precision: 0..=3 }
            | TypeRoot::TimestampLtz { precision: 0..=3 } => Ok(index),
            ref root => Err(Problem::new(
                name.span,
                format!(
                    "Invalid data type of time field for watermark definition: '{}' is {root}; it must be TIMESTAMP(p) or TIMESTAMP_LTZ(p) with p from 0 to 3",
                    name.text
                ),
            )),
        }
    }

    fn finish(
        self,
        name: String,
        mut computed: BTreeMap<String, millrace_expr::TypedExpr>,
        binder: &Binder<'_>,
        span: Span,
    ) -> Bound<BoundTable> {
        let (schema, physical) = (self.schema(), self.physical());
        let (mut columns, mut metadata) = (Vec::new(), Vec::new());
        let mut next_physical = 0;
        for (field, kind) in self.columns {
            columns.push(match kind {
                DraftColumn::Physical => {
                    next_physical += 1;
                    TableColumn::Physical(next_physical - 1)
                }
                DraftColumn::Metadata(column) => {
                    metadata.push(column);
                    TableColumn::Metadata(metadata.len() - 1)
                }
                DraftColumn::Inherited(expression) => TableColumn::Computed(*expression),
                DraftColumn::Computed => match computed.remove(&field.name) {
                    Some(expression) => TableColumn::Computed(expression),
                    None => return Err(Problem::new(Span::default(), "")),
                },
            });
        }
        let spec = TableSpec {
            name,
            options: BTreeMap::new(),
            physical,
            metadata,
            partition_keys: self.partition_keys,
            primary_key: self.primary_key,
        };
        let mut table = BoundTable { spec, schema, columns, watermark: self.watermark };
        binder.apply_options(&mut table, self.options, span)?;
        Ok(table)
    }
}

fn draft_column(definition: &ColumnDefinition) -> (Field, DraftColumn) {
    let name = definition.name.text.clone();
    match &definition.kind {
        ColumnKind::Physical { data_type } => {
            (Field::new(name, data_type.clone()), DraftColumn::Physical)
        }
        ColumnKind::Metadata { data_type, key, is_virtual } => {
            let column = MetadataColumn {
                key: key.as_ref().map_or_else(|| name.clone(), |key| key.value.clone()),
                name: name.clone(),
                data_type: data_type.clone(),
                is_virtual: *is_virtual,
            };
            (Field::new(name, data_type.clone()), DraftColumn::Metadata(column))
        }
        // Its type is known once the expression is bound.
        ColumnKind::Computed { .. } => {
            (Field::new(name, TypeRoot::Null.nullable()), DraftColumn::Computed)
        }
    }
}

fn on_event(value: &str, span: Span) -> Bound<bool> {
    match value.to_ascii_lowercase().as_str() {
        "on-event" => Ok(true),
        "on-periodic" => Ok(false),
        _ => {
            let message =
                format!("option '{EMIT_STRATEGY}' is on-periodic or on-event, not '{value}'");
            Err(Problem::new(span, message))
        }
    }
}

fn duration_option(key: &str, value: &str, span: Span) -> Bound<i64> {
    parse_duration_ms(value).map_err(|error| Problem::new(span, format!("option '{key}': {error}")))
}

/// Group and drift come together; the interval is Flink's second when it is not given.
fn alignment(options: &[(String, String)], span: Span) -> Bound<Option<WatermarkAlignment>> {
    let get = |wanted: &str| options.iter().find(|(key, _)| key == wanted).map(|(_, value)| value);
    let (group, drift) = match (get(ALIGNMENT_GROUP), get(ALIGNMENT_DRIFT)) {
        (Some(group), Some(drift)) => (group.clone(), drift),
        (None, None) if get(ALIGNMENT_INTERVAL).is_none() => return Ok(None),
        (group, _) => {
            let missing = if group.is_some() { ALIGNMENT_DRIFT } else { ALIGNMENT_GROUP };
            let message = format!("watermark alignment needs '{missing}', too");
            return Err(Problem::new(span, message));
        }
    };
    let interval = get(ALIGNMENT_INTERVAL).map_or("1 s", String::as_str);
    let update_interval_ms = duration_option(ALIGNMENT_INTERVAL, interval, span)?;
    if update_interval_ms <= 0 {
        let message = format!("option '{ALIGNMENT_INTERVAL}' must be positive, not {interval}");
        return Err(Problem::new(span, message));
    }
    let max_drift_ms = duration_option(ALIGNMENT_DRIFT, drift, span)?;
    Ok(Some(WatermarkAlignment { group, max_drift_ms, update_interval_ms }))
}

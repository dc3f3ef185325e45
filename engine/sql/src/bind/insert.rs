//! INSERT: the query's columns meet the table's (rows A5.1 to A5.4).

use millrace_dataflow::catalog::TableUsage;
use millrace_dataflow::{Field, Schema, TimeAttribute, TypeRoot};
use millrace_expr::{Literal, TypedExpr};

use super::aggregate::project;
use super::{Binder, Bound};
use crate::ast::Insert;
use crate::diagnostic::Problem;
use crate::logical::{BoundInsert, BoundTable, Rel};
use crate::nearest;
use crate::span::Span;

impl Binder<'_> {
    pub(super) fn bind_insert(&self, insert: &Insert) -> Bound<BoundInsert> {
        let span = insert.table.span();
        let table = self.catalog.find_table(&insert.table)?;
        let table = self.with_hints(&table, &insert.hints)?;
        self.check_usage(&table, TableUsage::Sink, span)?;
        let query = self.finished_query(&insert.query)?;
        let targets = target_columns(insert, &table)?;
        let query = self.matched(query, &table, &targets, insert)?;
        Ok(BoundInsert { table, query, span, time_zone: self.time_zone() })
    }

    // The query's columns cast and put where the sink has them; NULL where it names none.
    fn matched(
        &self,
        query: Rel,
        table: &BoundTable,
        targets: &[usize],
        insert: &Insert,
    ) -> Bound<Rel> {
        let sink = &table.spec.physical;
        if query.schema.len() != targets.len() {
            return Err(mismatch(
                table,
                &query.schema,
                "Different number of columns.",
                insert.query.span,
            ));
        }
        let context = self.context();
        let mut expressions = Vec::new();
        for (position, field) in sink.fields.iter().enumerate() {
            let Some(from) = targets.iter().position(|target| *target == position) else {
                expressions.push(missing(field, insert)?);
                continue;
            };
            let column = &query.schema.fields[from];
            let value = TypedExpr::column(from, column.data_type.clone());
            let cast = sink_cast(value, field, &context).ok_or_else(|| {
                let cause = format!(
                    "Incompatible types for sink column '{}' at position {position}.",
                    field.name
                );
                mismatch(table, &query.schema, &cause, insert.query.span)
            })?;
            expressions.push(cast);
        }
        let names = sink.fields.iter().map(|field| field.name.clone()).collect();
        Ok(project(query, expressions, names, insert.span))
    }
}

// Casts are for the type, not for nullability: the sink checks NOT NULL itself.
fn sink_cast(
    value: TypedExpr,
    field: &Field,
    context: &millrace_expr::ExprContext,
) -> Option<TypedExpr> {
    let target = field.data_type.clone().with_nullable(value.data_type.nullable);
    if value.data_type.root == target.root {
        return Some(value);
    }
    if value.data_type.root == TypeRoot::Null {
        return Some(TypedExpr::literal(Literal::Null, target));
    }
    millrace_expr::implicit_cast(value, &target, context)
}

fn missing(field: &Field, insert: &Insert) -> Bound<TypedExpr> {
    if field.data_type.nullable {
        return Ok(TypedExpr::literal(Literal::Null, field.data_type.clone()));
    }
    let span = insert.columns.first().map_or(insert.span, |first| first.span);
    Err(Problem::new(
        span,
        format!("Column '{}' has no default value and does not allow NULLs", field.name),
    ))
}

// The sink's columns that the query's columns go to, in the query's order.
fn target_columns(insert: &Insert, table: &BoundTable) -> Bound<Vec<usize>> {
    let physical = &table.spec.physical;
    if insert.columns.is_empty() {
        return Ok((0..physical.len()).collect());
    }
    let mut targets: Vec<usize> = Vec::new();
    for column in &insert.columns {
        let Some(target) = physical.index_of(&column.text) else {
            let names = physical.fields.iter().map(|field| field.name.as_str());
            let message = match table.schema.index_of(&column.text) {
                Some(_) => format!(
                    "column '{}' is computed or read only: no row can bring it",
                    column.text
                ),
                None => format!("Unknown target column '{}'", column.text),
            };
            return Err(
                Problem::new(column.span, message).or_hint(nearest::hint(&column.text, names))
            );
        };
        if targets.contains(&target) {
            let message = format!("Target column '{}' is assigned more than once", column.text);
            return Err(Problem::new(column.span, message));
        }
        targets.push(target);
    }
    Ok(targets)
}

// Flink's text (row A5.2).
fn mismatch(table: &BoundTable, query: &Schema, cause: &str, span: Span) -> Problem {
    let message = format!(
        "Column types of query result and sink for '{}' do not match.\nCause: {cause}\n\nQuery schema: [{}]\nSink schema:  [{}]",
        table.spec.name,
        columns(query),
        columns(&table.spec.physical)
    );
    Problem::new(span, message)
}

fn columns(schema: &Schema) -> String {
    let column = |field: &Field| {
        let time = match field.time {
            TimeAttribute::None => "",
            TimeAttribute::Rowtime => " *ROWTIME*",
            TimeAttribute::Proctime => " *PROCTIME*",
        };
        format!("{}: {}{time}", field.name, field.data_type)
    };
    schema.fields.iter().map(column).collect::<Vec<_>>().join(", ")
}

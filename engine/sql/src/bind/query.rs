//! Queries around SELECT: WITH, VALUES, set operators; and views.

use millrace_dataflow::graph::SortKey;
use millrace_dataflow::{DataType, Field, Schema};
use millrace_expr::{ExprContext, TypedExpr};

use super::aggregate::{project, select_columns};
use super::from::{CommonTables, renamed};
use super::rank::{check_resolved, sort_items};
use super::scalar::Scalars;
use super::scope::Scope;
use super::select::{common_types, distinct, limit};
use super::{Binder, Bound};
use crate::ast::{CreateView, Expr, Query, SetExpr, SetOperator};
use crate::diagnostic::Problem;
use crate::expressions;
use crate::logical::{Rel, RelNode};
use crate::span::Span;

impl Binder<'_> {
    /// A query that nothing is built upon: every ROW_NUMBER() has found its filter.
    pub(super) fn finished_query(&self, query: &Query) -> Bound<Rel> {
        let rel = self.query(query, &CommonTables::default())?;
        check_resolved(&rel)?;
        Ok(rel)
    }

    pub(super) fn view_relation(&self, view: &CreateView) -> Bound<Rel> {
        let rel = self.query(&view.query, &CommonTables::default())?;
        if view.columns.is_empty() {
            return Ok(rel);
        }
        renamed(rel, &view.columns, view.name.span())
    }

    pub(super) fn query(&self, query: &Query, outer: &CommonTables) -> Bound<Rel> {
        let mut common = outer.clone();
        for table in &query.with {
            let mut rel = self.query(&table.query, &common)?;
            if !table.columns.is_empty() {
                rel = renamed(rel, &table.columns, table.name.span)?;
            }
            common = common.with(&table.name.text, rel);
        }
        if let SetExpr::Select(select) = &query.body {
            return self.select(select, query, &common);
        }
        let rel = self.set_expression(&query.body, &common)?;
        self.order_and_limit(rel, query)
    }

    // Above a set operator or VALUES, ORDER BY sees the output columns alone.
    fn order_and_limit(&self, rel: Rel, query: &Query) -> Bound<Rel> {
        if query.order_by.is_empty() {
            return limit(rel, Vec::new(), query, query.span);
        }
        let context = self.context();
        let scope = Scope::of_schema(Vec::new(), &rel.schema);
        let mut scalars = Scalars::new(&scope, &context);
        let items = sort_items(&query.order_by, |expression| scalars.bind(expression))?;
        let span = query.order_by[0].expression.span;
        let mut keys = Vec::new();
        for (expression, ascending, nulls_first) in items {
            let column = expressions::column_of(&expression).ok_or_else(|| {
                Problem::new(span, "ORDER BY above UNION or VALUES takes column names only")
            })?;
            keys.push(SortKey { column, ascending, nulls_first });
        }
        limit(rel, keys, query, span)
    }

    fn set_expression(&self, body: &SetExpr, common: &CommonTables) -> Bound<Rel> {
        match body {
            SetExpr::Select(select) => {
                let tail = bare_tail(select.span, body);
                self.select(select, &tail, common)
            }
            SetExpr::Nested(query) => self.query(query, common),
            SetExpr::Values { rows, span } => self.values(rows, *span),
            SetExpr::Combine { left, right, operator, all, span } => {
                let left = self.set_expression(left, common)?;
                let right = self.set_expression(right, common)?;
                if *operator != SetOperator::Union {
                    return self.in_both_or_one(left, right, (*operator, *all), *span);
                }
                let rel = self.union(left, right, *span)?;
                if *all { Ok(rel) } else { distinct(rel, *span) }
            }
        }
    }

    // Rows B8.1, B8.2: columns by position, types widened.
    fn union(&self, left: Rel, right: Rel, span: Span) -> Bound<Rel> {
        let left_fields = left.schema.fields.clone();
        let (left, right) = self.alike(left, right, "UNION", span)?;
        let fields = left_fields
            .into_iter()
            .zip(&left.schema.fields)
            .zip(&right.schema.fields)
            .map(|((named, one), other)| {
                let time = if one.time == other.time { one.time } else { Default::default() };
                let nullable = one.data_type.nullable || other.data_type.nullable;
                let data_type = one.data_type.clone().with_nullable(nullable);
                Field::new(named.name, data_type).with_time(time)
            })
            .collect();
        let mut inputs = Vec::new();
        for rel in [left, right] {
            match rel.node {
                RelNode::Union(below) => inputs.extend(below),
                _ => inputs.push(rel),
            }
        }
        Ok(Rel::new(RelNode::Union(inputs), Schema::new(fields), span))
    }

    /// Both sides with the common types of their columns.
    pub(super) fn alike(&self, left: Rel, right: Rel, name: &str, span: Span) -> Bound<(Rel, Rel)> {
        if left.schema.len() != right.schema.len() {
            let message = format!(
                "Column count mismatch in {name}: {} and {}",
                left.schema.len(),
                right.schema.len()
            );
            return Err(Problem::new(span, message));
        }
        let types = [&left, &right].map(|rel| {
            rel.schema.fields.iter().map(|field| field.data_type.clone()).collect::<Vec<_>>()
        });
        let common = common_types(&types).map_err(|column| {
            let message = format!(
                "Type mismatch in column {} of {name}: {} and {}",
                column + 1,
                types[0][column],
                types[1][column]
            );
            Problem::new(span, message)
        })?;
        let context = self.context();
        Ok((with_types(left, &common, &context)?, with_types(right, &common, &context)?))
    }

    fn values(&self, rows: &[Vec<Expr>], span: Span) -> Bound<Rel> {
        let context = self.context();
        let scope = Scope::default();
        let width = rows.first().map_or(0, Vec::len);
        let mut bound = Vec::new();
        for row in rows {
            if row.len() != width {
                let place = row.first().map_or(span, |first| first.span);
                let message = format!("this row has {} values, the first has {width}", row.len());
                return Err(Problem::new(place, message));
            }
            let mut scalars = Scalars::new(&scope, &context);
            bound.push(row.iter().map(|e| scalars.bind(e)).collect::<Bound<Vec<_>>>()?);
        }
        self.values_relation(bound, span)
    }

    fn values_relation(&self, rows: Vec<Vec<TypedExpr>>, span: Span) -> Bound<Rel> {
        let context = self.context();
        let types: Vec<Vec<DataType>> = rows
            .iter()
            .map(|row| row.iter().map(|value| value.data_type.clone()).collect())
            .collect();
        let common = common_types(&types).map_err(|column| {
            Problem::new(span, format!("the values of column {} have no common type", column + 1))
        })?;
        let cast_row = |row: Vec<TypedExpr>| {
            row.into_iter()
                .zip(&common)
                .map(|(value, target)| cast_to(value, target, &context, span))
                .collect::<Bound<Vec<_>>>()
        };
        let rows = rows.into_iter().map(cast_row).collect::<Bound<Vec<_>>>()?;
        let fields = common
            .iter()
            .enumerate()
            .map(|(at, data_type)| Field::new(format!("EXPR${at}"), data_type.clone()))
            .collect();
        Ok(Rel::new(RelNode::Values(rows), Schema::new(fields), span))
    }
}

fn bare_tail(span: Span, body: &SetExpr) -> Query {
    Query { with: vec![], body: body.clone(), order_by: vec![], limit: None, offset: None, span }
}

fn cast_to(
    value: TypedExpr,
    target: &DataType,
    context: &ExprContext,
    span: Span,
) -> Bound<TypedExpr> {
    if value.data_type.root == target.root {
        return Ok(value);
    }
    millrace_expr::cast(value, target.clone(), false, context)
        .map_err(|error| Problem::new(span, error.message))
}

// The relation with its columns cast where their types differ.
fn with_types(rel: Rel, types: &[DataType], context: &ExprContext) -> Bound<Rel> {
    let same = |field: &Field, target: &DataType| field.data_type.root == target.root;
    if rel.schema.fields.iter().zip(types).all(|(field, target)| same(field, target)) {
        // A union's inputs keep their own nodes: no rename below it.
        let all: Vec<usize> = (0..rel.schema.len()).collect();
        return Ok(match rel.node {
            RelNode::Scan(_) => select_columns(rel, &all, Span::default()),
            _ => rel,
        });
    }
    let span = rel.span;
    let columns = rel.schema.fields.iter().enumerate().zip(types);
    let expressions = columns
        .map(|((index, field), target)| {
            let column = TypedExpr::column(index, field.data_type.clone());
            let target = target.clone().with_nullable(field.data_type.nullable);
            cast_to(column, &target, context, span)
        })
        .collect::<Bound<Vec<_>>>()?;
    let names = rel.schema.fields.iter().map(|field| field.name.clone()).collect();
    Ok(project(rel, expressions, names, span))
}

//! `JOIN d FOR SYSTEM_TIME AS OF l.proctime`: joins with what a table has now (row B6.14).

use millrace_dataflow::TimeAttribute;
use millrace_dataflow::graph::JoinKind;
use millrace_expr::{ExprContext, TypedExpr, TypedKind};

use super::aggregate::{check_key, select_columns};
use super::from::{join_schema, padded};
use super::interval_join::{appended, resolve_side};
use super::scope::Scope;
use super::temporal_join::over_left;
use super::{Binder, Bound};
use crate::ast::TableAsOf;
use crate::diagnostic::Problem;
use crate::expressions;
use crate::logical::{BoundTable, LookupJoinRel, LookupOptions, Rel, RelNode, TableColumn};
use crate::span::Span;

/// An input column that is computed of the left side, and a column of the right.
type KeyPair = (TypedExpr, usize);

/// The two sides with the condition over both.
pub(super) struct Sides {
    pub left: Rel,
    pub right: Rel,
    pub kind: JoinKind,
    pub conjuncts: Vec<TypedExpr>,
    pub hint: LookupOptions,
}

impl Binder<'_> {
    pub(super) fn lookup_join(
        &self,
        sides: Sides,
        scope: Scope,
        table: &TableAsOf,
        span: Span,
    ) -> Bound<(Rel, Scope)> {
        let Sides { left, right, kind, conjuncts, hint } = sides;
        let Some(looked_up) = looked_up(&right) else {
            let message = "a temporal join by processing time needs a table whose connector can look rows up, not a query";
            return Err(Problem::new(table.time.span, message)
                .with_hint("join a versioned table by an event time: a column with a WATERMARK"));
        };
        let cache = self.connectors.lookup(&looked_up.spec).map_err(|error| {
            let place = self.option_place(looked_up, error.key.as_deref());
            Problem::new(place.unwrap_or(table.name.span()), error.message)
        })?;
        let width = left.schema.len();
        let (keys, residual) = split(conjuncts, &right, width);
        if keys.is_empty() {
            return Err(no_key(&right, span));
        }
        keys.iter().try_for_each(|(key, _)| check_key(key, span))?;
        let residual = expressions::conjunction(residual, &self.context());
        let (on_left, right_keys): (Vec<TypedExpr>, Vec<usize>) = keys.into_iter().unzip();
        let (left, left_keys) = appended(left, on_left, span);
        let join =
            LookupJoinRel { left, right, kind, left_keys, right_keys, residual, cache, hint };
        let rel = assembled(join, width, span);
        let scope = padded(scope, &rel);
        Ok((rel, scope))
    }
}

/// Whether the relation is a lookup join, or columns of one.
pub(super) fn is_one(rel: &Rel) -> bool {
    match &rel.node {
        RelNode::LookupJoin(_) => true,
        RelNode::Project { input, expressions } => {
            let picks = expressions.iter().all(|e| expressions::column_of(e).is_some());
            picks && matches!(input.node, RelNode::LookupJoin(_))
        }
        _ => false,
    }
}

/// Conjuncts on the left side alone go there, so that fewer rows are looked up; the rest is
/// given back.
pub(super) fn resolve(
    mut rel: Rel,
    filter: Vec<TypedExpr>,
    context: &ExprContext,
) -> Bound<(Rel, Vec<TypedExpr>)> {
    let (join, columns) = match &mut rel.node {
        RelNode::LookupJoin(join) => (join, None),
        RelNode::Project { input, expressions } => match &mut input.node {
            RelNode::LookupJoin(join) => (join, Some(&*expressions)),
            _ => return Ok((rel, filter)),
        },
        _ => return Ok((rel, filter)),
    };
    let width = join.left.schema.len();
    let (mut below, mut rest) = (Vec::new(), Vec::new());
    for conjunct in filter {
        let of_join =
            columns.map_or_else(|| conjunct.clone(), |e| expressions::inline(&conjunct, e));
        match over_left(&of_join, width) && expressions::is_deterministic(&of_join) {
            true => below.push(of_join),
            false => rest.push(conjunct),
        }
    }
    if !below.is_empty() {
        join.left = resolve_side(join.left.clone(), below, context)?;
    }
    Ok((rel, rest))
}

/// The table below filters and projections.
fn looked_up(right: &Rel) -> Option<&BoundTable> {
    match &right.node {
        RelNode::Scan(table) => Some(table),
        RelNode::Filter { input, .. } => looked_up(input),
        RelNode::Project { input, expressions } => {
            looked_up(input).filter(|_| expressions.iter().all(expressions::is_deterministic))
        }
        _ => None,
    }
}

/// Whether the column is one that the connector has, as it is.
fn is_physical(right: &Rel, column: usize) -> bool {
    match &right.node {
        RelNode::Scan(table) => matches!(table.columns[column], TableColumn::Physical(_)),
        RelNode::Filter { input, .. } => is_physical(input, column),
        RelNode::Project { input, expressions } => expressions::column_of(&expressions[column])
            .is_some_and(|column| is_physical(input, column)),
        _ => false,
    }
}

// `l = r.column`, where `l` is over left or a constant; and the other conditions.
fn split(conjuncts: Vec<TypedExpr>, right: &Rel, width: usize) -> (Vec<KeyPair>, Vec<TypedExpr>) {
    let (mut keys, mut residual): (Vec<KeyPair>, Vec<TypedExpr>) = (Vec::new(), Vec::new());
    for conjunct in conjuncts {
        match key_pair(&conjunct, right, width) {
            Some(pair) if keys.iter().all(|known| known.1 != pair.1) => keys.push(pair),
            _ => residual.push(conjunct),
        }
    }
    // Constants narrow a lookup down; they are none alone.
    if keys.iter().all(|(key, _)| expressions::columns(key).is_empty()) {
        keys.clear();
    }
    (keys, residual)
}

fn key_pair(conjunct: &TypedExpr, right: &Rel, width: usize) -> Option<KeyPair> {
    let TypedKind::Call { function, arguments } = &conjunct.kind else { return None };
    let ("=", [one, other]) = (function.as_str(), arguments.as_slice()) else { return None };
    let pair = |left: &TypedExpr, on_right: &TypedExpr| {
        let column = expressions::column_of(on_right)?.checked_sub(width)?;
        let same = left.data_type.root == on_right.data_type.root
            || (left.data_type.root.is_character() && on_right.data_type.root.is_character());
        let is_constant = matches!(left.kind, TypedKind::Literal(_));
        let fits = same && (is_constant || over_left(left, width)) && is_physical(right, column);
        fits.then(|| (left.clone(), column))
    };
    pair(one, other).or_else(|| pair(other, one))
}

fn no_key(right: &Rel, span: Span) -> Problem {
    let names: Vec<&str> = right
        .schema
        .fields
        .iter()
        .enumerate()
        .filter(|(column, _)| is_physical(right, *column))
        .map(|(_, field)| field.name.as_str())
        .collect();
    let message = "the condition of a lookup join must equate a column of the table that is looked up with an expression of the same type over the left side";
    Problem::new(span, message).with_hint(format!("the table's columns are {}", names.join(", ")))
}

// Keys that are no plain columns are computed below the join and cut off above it.
fn assembled(mut join: LookupJoinRel, width: usize, span: Span) -> Rel {
    let extra = join.left.schema.len() - width;
    let all = width + join.right.schema.len();
    let moved = |column: usize| if column < width { column } else { column + extra };
    let mut schema = join_schema(&join.left, &join.right, join.kind);
    let of_right = &mut schema.fields[width + extra..];
    of_right.iter_mut().for_each(|field| field.time = TimeAttribute::None);
    join.residual = join.residual.map(|residual| expressions::renumber(&residual, &moved));
    let rel = Rel::new(RelNode::LookupJoin(Box::new(join)), schema, span);
    if extra == 0 {
        return rel;
    }
    let columns: Vec<usize> = (0..all).map(moved).collect();
    select_columns(rel, &columns, span)
}

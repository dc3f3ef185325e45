//! `JOIN v FOR SYSTEM_TIME AS OF l.rowtime`: joins with the versions of a table (rows
//! B6.10, B6.15). By processing time they are lookup joins.

use millrace_dataflow::graph::{JoinKind, Keep, WindowTime};
use millrace_dataflow::{TimeAttribute, TypeRoot};
use millrace_expr::{TypedExpr, TypedKind};

use super::aggregate::{check_key, select_columns};
use super::from::{CommonTables, aliased, join_schema, padded};
use super::interval_join::{appended, resolve};
use super::lookup_join::Sides;
use super::scalar::Scalars;
use super::scope::Scope;
use super::{Binder, Bound};
use crate::ast::{self, Expr, JoinCondition, TableAsOf};
use crate::diagnostic::Problem;
use crate::expressions;
use crate::logical::{Rel, RelNode, TableColumn, TemporalJoinRel};
use crate::span::Span;

/// What makes a relation a history: each key's row of some time is valid until its next.
struct Versioned {
    key: Vec<usize>,
    time: usize,
}

impl Binder<'_> {
    pub(super) fn temporal_join(
        &self,
        (left, left_scope): (Rel, Scope),
        table: &TableAsOf,
        kind: ast::JoinKind,
        condition: &JoinCondition,
        common: &CommonTables,
        span: Span,
    ) -> Bound<(Rel, Scope)> {
        let kind = match kind {
            ast::JoinKind::Inner => JoinKind::Inner,
            ast::JoinKind::Left => JoinKind::Left,
            _ => {
                let message = "a temporal join (FOR SYSTEM_TIME AS OF) is an inner or a left join";
                return Err(Problem::new(span, message));
            }
        };
        let right = self.named_relation(&table.name, &table.hints, common)?;
        let parts = match &table.alias {
            Some(_) => Vec::new(),
            None if common.find(&table.name).is_some() => vec![table.name.to_string()],
            None => self.catalog.full_name(&table.name)?.to_vec(),
        };
        let (right, right_scope) = aliased(right, parts, table.alias.as_ref())?;
        let Some(left_time) = self.as_of(&table.time, &left, &left_scope)? else {
            let hint = common.lookup_options(&right_scope);
            let scope = left_scope.join(right_scope);
            let conjuncts = self.join_conjuncts(condition, &scope)?;
            let (left, rest) = resolve(left, Vec::new(), &self.context())?;
            let left = super::interval_join::filtered(left, rest, &self.context());
            return self.lookup_join(
                Sides { left, right, kind, conjuncts, hint },
                scope,
                table,
                span,
            );
        };
        let versioned = versioned(&right).ok_or_else(|| not_versioned(table))?;
        check_times(&left, left_time, &right, versioned.time, table.time.span)?;
        let scope = left_scope.join(right_scope);
        let conjuncts = self.join_conjuncts(condition, &scope)?;
        let context = self.context();
        let (left, rest) = resolve(left, Vec::new(), &context)?;
        let left = super::interval_join::filtered(left, rest, &context);
        let (keys, residual) = split(conjuncts, &versioned.key, left.schema.len());
        let keys = complete_keys(keys, &versioned.key, &right, span)?;
        let residual = expressions::conjunction(residual, &context);
        let sides = (left, right);
        let rel = assemble(sides, kind, keys, (left_time, versioned), residual, span)?;
        let scope = padded(scope, &rel);
        Ok((rel, scope))
    }

    // The left side's event time that versions are looked up by; none for the wall clock.
    fn as_of(&self, time: &Expr, left: &Rel, scope: &Scope) -> Bound<Option<usize>> {
        let context = self.context();
        let bound = Scalars::new(scope, &context).bind(time)?;
        let column = expressions::column_of(&bound);
        let attribute = column.map(|column| left.schema.fields[column].time);
        match (column, attribute) {
            (Some(column), Some(TimeAttribute::Rowtime)) => Ok(Some(column)),
            (_, Some(TimeAttribute::Proctime)) => Ok(None),
            _ => {
                let message = "FOR SYSTEM_TIME AS OF takes a time attribute of the left side";
                Err(Problem::new(time.span, message)
                    .with_hint("use the column of its WATERMARK, such as o.order_time"))
            }
        }
    }
}

fn not_versioned(table: &TableAsOf) -> Problem {
    let message = format!(
        "'{}' has no versions: a temporal join needs a primary key and a row time",
        table.name
    );
    Problem::new(table.name.span(), message).with_hint(
        "declare PRIMARY KEY (..) NOT ENFORCED and a WATERMARK, or use a view that keeps the last row of each key: ROW_NUMBER() OVER (PARTITION BY key ORDER BY rowtime DESC) = 1",
    )
}

/// Key and time of a table with both, or of a query that keeps each key's last row by
/// event time; projections may stand above.
fn versioned(rel: &Rel) -> Option<Versioned> {
    match &rel.node {
        RelNode::Scan(table) => {
            let time = table.watermark.as_ref()?.column;
            let place = |key: &usize| {
                table.columns.iter().position(|column| *column == TableColumn::Physical(*key))
            };
            let key = table.spec.primary_key.iter().map(place).collect::<Option<Vec<_>>>()?;
            (!key.is_empty()).then_some(Versioned { key, time })
        }
        RelNode::Deduplicate {
            keys, time: WindowTime::Rowtime(time), keep: Keep::Last, ..
        } if !keys.is_empty() => Some(Versioned { key: keys.clone(), time: *time }),
        RelNode::Project { input, expressions } => {
            let below = versioned(input)?;
            let place = |column: usize| {
                expressions.iter().position(|e| expressions::column_of(e) == Some(column))
            };
            let key = below.key.iter().map(|column| place(*column)).collect::<Option<_>>()?;
            Some(Versioned { key, time: place(below.time)? })
        }
        _ => None,
    }
}

fn check_times(left: &Rel, at: usize, right: &Rel, version: usize, span: Span) -> Bound<()> {
    let (one, other) =
        (&left.schema.fields[at].data_type.root, &right.schema.fields[version].data_type.root);
    let is_local = |root: &TypeRoot| matches!(root, TypeRoot::TimestampLtz { .. });
    if is_local(one) == is_local(other) {
        return Ok(());
    }
    let message =
        format!("the two times of a temporal join are of different kinds: {one} and {other}");
    Err(Problem::new(span, message))
}

type KeyPair = (TypedExpr, usize);

// `l = r.key` as (over left, column of right); and the other conditions.
fn split(conjuncts: Vec<TypedExpr>, key: &[usize], width: usize) -> (Vec<KeyPair>, Vec<TypedExpr>) {
    let (mut keys, mut residual): (Vec<KeyPair>, Vec<TypedExpr>) = (Vec::new(), Vec::new());
    for conjunct in conjuncts {
        match key_pair(&conjunct, width) {
            Some((left, right))
                if key.contains(&right) && keys.iter().all(|known| known.1 != right) =>
            {
                keys.push((left, right));
            }
            _ => residual.push(conjunct),
        }
    }
    (keys, residual)
}

fn key_pair(conjunct: &TypedExpr, width: usize) -> Option<KeyPair> {
    let TypedKind::Call { function, arguments } = &conjunct.kind else { return None };
    let ("=", [one, other]) = (function.as_str(), arguments.as_slice()) else { return None };
    let on_right = |e: &TypedExpr| expressions::column_of(e).filter(|column| *column >= width);
    let pair = |left: &TypedExpr, right: &TypedExpr| {
        let column = on_right(right)?;
        let same = left.data_type.root == right.data_type.root
            || (left.data_type.root.is_character() && right.data_type.root.is_character());
        same.then_some(())?;
        over_left(left, width).then(|| (left.clone(), column - width))
    };
    pair(one, other).or_else(|| pair(other, one))
}

/// Whether the expression is of left's columns, and of one at least.
pub(super) fn over_left(expression: &TypedExpr, width: usize) -> bool {
    let columns = expressions::columns(expression);
    !columns.is_empty() && columns.iter().all(|column| *column < width)
}

// In the order of the primary key, all of it.
fn complete_keys(
    keys: Vec<KeyPair>,
    key: &[usize],
    right: &Rel,
    span: Span,
) -> Bound<Vec<KeyPair>> {
    let find = |column: &usize| keys.iter().find(|pair| pair.1 == *column).cloned();
    let all: Option<Vec<KeyPair>> = key.iter().map(find).collect();
    all.ok_or_else(|| {
        let names: Vec<&str> =
            key.iter().map(|column| right.schema.fields[*column].name.as_str()).collect();
        let message = format!(
            "the condition of a temporal join must equate the whole key of the versions ({}) with columns of the same types",
            names.join(", ")
        );
        Problem::new(span, message)
    })
}

// Keys that are no plain columns are computed below the join and cut off above it.
fn assemble(
    (left, right): (Rel, Rel),
    kind: JoinKind,
    keys: Vec<KeyPair>,
    (left_time, versioned): (usize, Versioned),
    residual: Option<TypedExpr>,
    span: Span,
) -> Bound<Rel> {
    let (left_width, right_width) = (left.schema.len(), right.schema.len());
    for (key, _) in &keys {
        check_key(key, span)?;
    }
    let (on_left, right_keys): (Vec<TypedExpr>, Vec<usize>) = keys.into_iter().unzip();
    let (left, left_keys) = appended(left, on_left, span);
    let extra = left.schema.len() - left_width;
    let moved = |column: usize| if column < left_width { column } else { column + extra };
    let mut schema = join_schema(&left, &right, kind);
    // A version's time is long past when it is joined.
    schema.fields[left_width + extra..].iter_mut().for_each(|f| f.time = TimeAttribute::None);
    let join = TemporalJoinRel {
        kind,
        left_keys,
        right_keys,
        left_time,
        right_time: versioned.time,
        residual: residual.map(|residual| expressions::renumber(&residual, &moved)),
        left,
        right,
    };
    let rel = Rel::new(RelNode::TemporalJoin(Box::new(join)), schema, span);
    if extra == 0 {
        return Ok(rel);
    }
    let columns: Vec<usize> = (0..left_width + right_width).map(moved).collect();
    Ok(select_columns(rel, &columns, span))
}

//! GROUPING SETS, CUBE and ROLLUP (rows B2.8, B2.9): each row once for each set, with the
//! keys that are not in the set NULL, and the number of the set as one more key.

use std::collections::{BTreeMap, BTreeSet};

use millrace_dataflow::{Field, Schema, TypeRoot};
use millrace_expr::{ExprContext, Literal, TypedExpr, TypedKind};

use super::Bound;
use super::aggregate::{Grouping, LegacyWindow};
use crate::ast::Call;
use crate::diagnostic::Problem;
use crate::logical::{Rel, RelNode};
use crate::span::Span;

/// Bits of a BIGINT that can say which keys are not in a set.
const MAX_KEYS: usize = 48;

/// What the sets make of the keys.
pub(super) struct Expansion {
    /// Each key over the expanded rows.
    pub columns: Vec<TypedExpr>,
    /// The number of the set, over the expanded rows.
    pub set: TypedExpr,
    sets: Vec<Set>,
}

struct Set {
    keys: BTreeSet<usize>,
    /// How often the same set stands before it.
    repeated: i64,
    /// A bit for each key, the first the highest: 1 when it is not in the set. Above them
    /// the repetition, so that no two sets share a number.
    number: i64,
}

/// The rows for each set, and the keys to group them by. `sets` are positions in `keys`.
pub(super) fn expanded(
    input: Rel,
    keys: Vec<TypedExpr>,
    sets: &[Vec<usize>],
    legacy: Option<LegacyWindow>,
    context: &ExprContext,
    span: Span,
) -> Bound<(Rel, Grouping)> {
    let (keys, sets) = unique(keys, sets);
    if keys.len() > MAX_KEYS {
        let message = format!("GROUPING SETS over more than {MAX_KEYS} columns");
        return Err(Problem::new(span, message));
    }
    let sets = numbered(sets, keys.len());
    let moving: Vec<usize> =
        (0..keys.len()).filter(|key| sets.iter().any(|set| !set.keys.contains(key))).collect();
    let rows = sets.iter().map(|set| row(&keys, &moving, set, context));
    let rows = rows.collect::<Result<Vec<_>, _>>();
    let collection = rows.and_then(|rows| millrace_expr::call("ARRAY", rows, context));
    let collection = collection.map_err(|error| Problem::new(span, error.message))?;
    let width = input.schema.len();
    let mut columns = keys.clone();
    let mut fields = input.schema.fields.clone();
    for (at, key) in moving.iter().enumerate() {
        let data_type = keys[*key].data_type.clone().with_nullable(true);
        columns[*key] = TypedExpr::column(width + at, data_type.clone());
        fields.push(Field::new(format!("$g{at}"), data_type));
    }
    fields.push(Field::new("$e", TypeRoot::BigInt.not_null()));
    let set = TypedExpr::column(width + moving.len(), TypeRoot::BigInt.not_null());
    let windows = input.windows;
    let node = RelNode::Correlate { input: Box::new(input), collection, outer: false };
    let rel = Rel { node, schema: Schema::new(fields), windows, span };
    Ok((rel, Grouping::over_sets(keys, legacy, Expansion { columns, set, sets })))
}

// Each key once, however often it is written.
fn unique(keys: Vec<TypedExpr>, sets: &[Vec<usize>]) -> (Vec<TypedExpr>, Vec<BTreeSet<usize>>) {
    let (mut once, mut places): (Vec<TypedExpr>, Vec<usize>) = (Vec::new(), Vec::new());
    for key in keys {
        let known = once.iter().position(|other| *other == key);
        places.push(known.unwrap_or(once.len()));
        if known.is_none() {
            once.push(key);
        }
    }
    let sets = sets.iter().map(|set| set.iter().map(|key| places[*key]).collect()).collect();
    (once, sets)
}

fn numbered(sets: Vec<BTreeSet<usize>>, keys: usize) -> Vec<Set> {
    let mut seen: BTreeMap<i64, i64> = BTreeMap::new();
    let number = |set: BTreeSet<usize>| {
        let missing = (0..keys).filter(|key| !set.contains(key));
        let mask = missing.fold(0_i64, |mask, key| mask | 1 << (keys - 1 - key));
        let before = seen.entry(mask).or_default();
        let repeated = *before;
        *before += 1;
        Set { keys: set, repeated, number: mask | repeated << keys }
    };
    sets.into_iter().map(number).collect()
}

// The moving keys of a set, then its number.
fn row(
    keys: &[TypedExpr],
    moving: &[usize],
    set: &Set,
    context: &ExprContext,
) -> Result<TypedExpr, millrace_expr::ExprError> {
    let value = |key: &usize| {
        if set.keys.contains(key) {
            return keys[*key].clone();
        }
        let data_type = keys[*key].data_type.clone().with_nullable(true);
        TypedExpr { kind: TypedKind::Literal(Literal::Null), data_type }
    };
    let mut values: Vec<TypedExpr> = moving.iter().map(value).collect();
    values.push(long(set.number));
    millrace_expr::call("ROW", values, context)
}

fn long(value: i64) -> TypedExpr {
    let kind = TypedKind::Literal(Literal::Integer(value));
    TypedExpr { kind, data_type: TypeRoot::BigInt.not_null() }
}

/// `GROUPING(a, ..)`, `GROUPING_ID(a, ..)`: a bit for each argument, the first the highest,
/// 1 when it is aggregated away; `GROUP_ID()`: how often the same set stands before. `keys`:
/// where each argument is among the keys. `set`: the number over the aggregate's output.
pub(super) fn indicator(
    call: &Call,
    keys: &[usize],
    expansion: Option<&Expansion>,
    set: &TypedExpr,
    context: &ExprContext,
) -> Bound<TypedExpr> {
    let Some(expansion) = expansion else { return Ok(long(0)) };
    let failed = |error: millrace_expr::ExprError| Problem::new(call.name_span, error.message);
    let mut arguments = Vec::new();
    for each in &expansion.sets {
        let bits = keys.iter().fold(0, |bits, key| bits << 1 | i64::from(!each.keys.contains(key)));
        let value = if keys.is_empty() { each.repeated } else { bits };
        let is_set = millrace_expr::call("=", vec![set.clone(), long(each.number)], context);
        arguments.extend([is_set.map_err(failed)?, long(value)]);
    }
    arguments.push(long(0));
    millrace_expr::call("CASE", arguments, context).map_err(failed)
}

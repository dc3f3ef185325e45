//! `[NOT] IN (SELECT ..)` and `[NOT] EXISTS (SELECT ..)` in WHERE: semi and anti joins
//! (row B6.6).
//!
//! A subquery may name columns of the query around it in its own WHERE clause, when it
//! is a plain SELECT; such conditions become conditions of the join.

use millrace_dataflow::graph::JoinEmits;
use millrace_expr::{ExprContext, TypedExpr};

use super::from::CommonTables;
use super::scalar::Scalars;
use super::scope::Scope;
use super::{Binder, Bound, interval_join, rank, regular_join};
use crate::ast::{Expr, ExprKind, Query, Select, SelectItem, SetExpr, SubqueryTest};
use crate::diagnostic::Problem;
use crate::expressions;
use crate::logical::Rel;
use crate::span::Span;

/// A subquery that a row must pass.
pub(super) struct Test<'a> {
    /// The value that must be among the subquery's; `None`: EXISTS.
    value: Option<&'a Expr>,
    query: &'a Query,
    negated: bool,
    span: Span,
}

/// The parts of a condition that are joined by AND: plain ones, and tests of subqueries.
pub(super) fn split(filter: &Expr) -> (Vec<&Expr>, Vec<Test<'_>>) {
    let (mut plain, mut tests) = (Vec::new(), Vec::new());
    for part in parts(filter) {
        match test(part, false) {
            Some(test) => tests.push(test),
            None => plain.push(part),
        }
    }
    // Without a test the condition is bound as it stands.
    if tests.is_empty() { (vec![filter], tests) } else { (plain, tests) }
}

pub(super) fn parts(filter: &Expr) -> Vec<&Expr> {
    let mut parts = Vec::new();
    flatten(filter, &mut parts);
    parts
}

fn flatten<'a>(filter: &'a Expr, parts: &mut Vec<&'a Expr>) {
    match &filter.kind {
        ExprKind::Call(call) if call.is_operator && call.name == "AND" => {
            call.arguments.iter().for_each(|part| flatten(part, parts));
        }
        _ => parts.push(filter),
    }
}

fn test(condition: &Expr, negated: bool) -> Option<Test<'_>> {
    match &condition.kind {
        ExprKind::Call(call) if call.is_operator && call.name == "NOT" => {
            test(call.arguments.first()?, !negated)
        }
        ExprKind::Subquery { test, query, .. } => {
            let value = match test {
                SubqueryTest::In(value) => Some(&**value),
                SubqueryTest::Exists => None,
                SubqueryTest::Scalar => return None,
            };
            Some(Test { value, query, negated, span: condition.span })
        }
        _ => None,
    }
}

/// A subquery's rows, and what of the row around them they are compared with.
struct Inner {
    rel: Rel,
    /// The columns of its SELECT list, over `rel`.
    list: Vec<TypedExpr>,
    /// Over the outer row, then `rel`'s.
    conditions: Vec<TypedExpr>,
}

impl Binder<'_> {
    /// The rows of the relation that pass the test.
    pub(super) fn tested(
        &self,
        rel: Rel,
        scope: &Scope,
        test: &Test<'_>,
        common: &CommonTables,
    ) -> Bound<Rel> {
        let context = self.context();
        let inner = self.inner(test, scope, common)?;
        let width = rel.schema.len();
        let mut conditions = inner.conditions;
        if let Some(value) = test.value {
            let values = row_values(value)
                .into_iter()
                .map(|value| Scalars::new(scope, &context).bind(value))
                .collect::<Bound<Vec<_>>>()?;
            if values.len() != inner.list.len() {
                let message = format!(
                    "{} values are compared with {} columns of the subquery",
                    values.len(),
                    inner.list.len()
                );
                return Err(Problem::new(test.span, message));
            }
            for (value, column) in values.into_iter().zip(&inner.list) {
                let column = expressions::renumber(column, &|column| column + width);
                conditions.push(equal(value, column, test, &context)?);
            }
        }
        let emits = if test.negated { JoinEmits::Anti } else { JoinEmits::Semi };
        regular_join::regular_join(rel, inner.rel, emits, conditions, &context, test.span)
    }

    fn inner(&self, test: &Test<'_>, outer: &Scope, common: &CommonTables) -> Bound<Inner> {
        let alone = self.query(test.query, common);
        let problem = match alone {
            Ok(rel) => {
                let columns = rel.schema.fields.iter().enumerate();
                let list = columns.map(|(at, f)| TypedExpr::column(at, f.data_type.clone()));
                return Ok(Inner { list: list.collect(), rel, conditions: Vec::new() });
            }
            Err(problem) => problem,
        };
        match plain_select(test.query) {
            Some(select) => self.correlated(select, test, outer, common).map_err(|_| problem),
            None => Err(problem),
        }
    }

    // FROM and WHERE of the subquery; conditions that need the outer row are the join's.
    fn correlated(
        &self,
        select: &Select,
        test: &Test<'_>,
        outer: &Scope,
        common: &CommonTables,
    ) -> Bound<Inner> {
        let context = self.context();
        let from = select.from.as_ref().ok_or_else(|| Problem::new(select.span, "no FROM"))?;
        let (rel, scope) = self.from(from, common)?;
        let both = scope.clone().within(outer);
        let (mut own, mut conditions) = (Vec::new(), Vec::new());
        for condition in select.filter.iter().flat_map(parts) {
            match Scalars::new(&scope, &context).condition(condition, "WHERE") {
                Ok(bound) => own.extend(expressions::conjuncts(bound)),
                Err(_) => {
                    let bound = Scalars::new(&both, &context).condition(condition, "WHERE")?;
                    conditions.extend(expressions::conjuncts(bound));
                }
            }
        }
        let mut list = Vec::new();
        for item in select.items.iter().filter(|_| test.value.is_some()) {
            let SelectItem::Expr { expression, .. } = item else {
                return Err(Problem::new(test.span, "name the column that IN compares with"));
            };
            list.push(Scalars::new(&scope, &context).bind(expression)?);
        }
        let (rel, rest) = interval_join::resolve(rel, own, &context)?;
        Ok(Inner { rel: rank::filter(rel, rest, &context)?, list, conditions })
    }
}

// A SELECT whose rows are its FROM's that pass WHERE.
fn plain_select(query: &Query) -> Option<&Select> {
    let SetExpr::Select(select) = &query.body else { return None };
    let plain = query.with.is_empty()
        && query.limit.is_none()
        && query.offset.is_none()
        && select.group_by.is_none()
        && select.having.is_none()
        && select.filter.as_ref().is_none_or(|filter| split(filter).1.is_empty())
        && !select.items.iter().any(|item| match item {
            SelectItem::Expr { expression, .. } => super::aggregate::contains_aggregate(expression),
            SelectItem::Wildcard { .. } => false,
        });
    plain.then_some(select)
}

// `(a, b) IN (..)` compares rows.
fn row_values(value: &Expr) -> Vec<&Expr> {
    match &value.kind {
        ExprKind::Call(call) if call.is_operator && call.name == "ROW" => {
            call.arguments.iter().collect()
        }
        _ => vec![value],
    }
}

// NOT IN keeps only what is known to be unequal to every row: a NULL on either side is
// as good as a match. So Flink plans it too; without a key, it runs in one subtask.
fn equal(
    value: TypedExpr,
    column: TypedExpr,
    test: &Test<'_>,
    context: &ExprContext,
) -> Bound<TypedExpr> {
    let call = |name: &str, arguments: Vec<TypedExpr>| {
        millrace_expr::call(name, arguments, context)
            .map_err(|error| Problem::new(test.span, error.message))
    };
    let nullable: Vec<TypedExpr> = [&value, &column]
        .into_iter()
        .filter(|side| test.negated && side.data_type.nullable)
        .cloned()
        .collect();
    let equal = call("=", vec![value, column])?;
    nullable.into_iter().try_fold(equal, |condition, side| {
        let is_null = call("IS NULL", vec![side])?;
        call("OR", vec![condition, is_null])
    })
}

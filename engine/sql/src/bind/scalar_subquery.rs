//! Subqueries of one value, and LATERAL: joined to the row they stand in (rows B1.7, B6.6).
//!
//! A subquery that names columns of the query around it is taken apart: its conditions on
//! them become those of a join, and an aggregate is computed for each value of its side of
//! them. So Calcite's decorrelation plans it too; what that refuses is refused here.

use std::borrow::Cow;

use millrace_dataflow::graph::JoinKind;
use millrace_dataflow::{Schema, TypeRoot};
use millrace_expr::{ExprContext, Literal, TypedExpr, TypedKind};

use super::aggregate::{Grouping, contains_aggregate, project};
use super::from::{CommonTables, aliased, padded, pending_join};
use super::interval_join::{self, equal_keys};
use super::scalar::Scalars;
use super::scope::Scope;
use super::select::implicit_name;
use super::{Binder, Bound, rank, subquery};
use crate::ast::{
    self, Alias, Call, Expr, ExprKind, Ident, LiteralValue, Path, Query, Select, SelectItem,
    SetExpr, SubqueryTest,
};
use crate::diagnostic::Problem;
use crate::expressions;
use crate::logical::{Rel, RelNode};
use crate::span::Span;

/// A subquery's rows beside those of the query around it.
struct Beside {
    rel: Rel,
    /// Over the outer row, then `rel`'s.
    conditions: Vec<TypedExpr>,
    /// The subquery's columns, over `rel`.
    list: Vec<TypedExpr>,
    names: Vec<String>,
    /// Columns that are 0 where nothing matches, as a scalar subquery's COUNT of no rows.
    counts: Vec<bool>,
}

impl Binder<'_> {
    /// The query with its scalar subqueries as columns of the relation.
    pub(super) fn with_scalars<'s>(
        &self,
        select: &'s Select,
        (rel, scope): (Rel, Scope),
        common: &CommonTables,
    ) -> Bound<(Rel, Scope, Cow<'s, Select>)> {
        let mut found = Found { binder: self, common, rel, scope, count: 0 };
        let mut select = Cow::Borrowed(select);
        if select.filter.as_ref().is_some_and(contains_scalar)
            && let Some(filter) = &mut select.to_mut().filter
        {
            found.replace(filter)?;
        }
        let grouped = select.group_by.is_some() || select.items.iter().any(is_aggregated);
        if !grouped && select.items.iter().any(is_scalar) {
            for item in &mut select.to_mut().items {
                if let SelectItem::Expr { expression, alias } = item {
                    if alias.is_none() && contains_scalar(expression) {
                        *alias = Some(Ident { text: "EXPR$0".to_owned(), span: expression.span });
                    }
                    found.replace(expression)?;
                }
            }
        }
        Ok((found.rel, found.scope, select))
    }

    fn scalar_rows(&self, query: &Query, outer: &Scope, common: &CommonTables) -> Bound<Beside> {
        let problem = match self.query(query, common) {
            Ok(rel) => {
                if rel.schema.len() != 1 {
                    let message = "a scalar subquery has one column";
                    return Err(Problem::new(query.span, message));
                }
                if !has_one_row_at_most(&rel) {
                    let message = "a scalar subquery that may have several rows is not offered yet";
                    return Err(Problem::new(query.span, message)
                        .with_hint("aggregate it: (SELECT MAX(x) FROM t)"));
                }
                return Ok(Beside::alone(rel));
            }
            Err(problem) => problem,
        };
        match plain_select(query) {
            Some(select) if select.items.len() == 1 && select.items.iter().all(is_aggregated) => {
                self.aggregated(select, outer, common).map_err(|own| nearer(problem, own))
            }
            _ => Err(problem),
        }
    }

    /// `left, LATERAL (SELECT ..)`, `left LEFT JOIN LATERAL (SELECT ..) ON TRUE`. An aggregate
    /// of no rows joins nothing, and a LEFT JOIN pads even its COUNT with NULL: so does Flink's
    /// decorrelation.
    pub(super) fn lateral(
        &self,
        (left, scope): (Rel, Scope),
        (query, alias): (&Query, Option<&Alias>),
        kind: ast::JoinKind,
        condition: &ast::JoinCondition,
        common: &CommonTables,
        span: Span,
    ) -> Bound<(Rel, Scope)> {
        let kind = match kind {
            ast::JoinKind::Inner => JoinKind::Inner,
            ast::JoinKind::Left => JoinKind::Left,
            _ => return Err(Problem::new(span, "LATERAL stands right of an inner or LEFT JOIN")),
        };
        let context = self.context();
        let beside = self.lateral_rows(query, &left, &scope, common)?;
        let width = left.schema.len();
        let first = width + beside.rel.schema.len();
        let inner = with_list(beside.rel, beside.list, span);
        let rel = pending_join(left, inner, kind, beside.conditions, span);
        let (rel, _) = interval_join::resolve(rel, Vec::new(), &context)?;
        let mut columns: Vec<TypedExpr> = (0..width)
            .map(|at| TypedExpr::column(at, rel.schema.fields[at].data_type.clone()))
            .collect();
        columns.extend(
            rel.schema.fields[first..]
                .iter()
                .enumerate()
                .map(|(at, field)| TypedExpr::column(first + at, field.data_type.clone())),
        );
        let outer_names = rel.schema.fields[..width].iter().map(|field| field.name.clone());
        let names = outer_names.chain(beside.names).collect();
        let rel = project(rel, columns, names, span);
        let fields = rel.schema.fields[width..].to_vec();
        let inner = Rel::new(RelNode::Values(Vec::new()), Schema::new(fields), span);
        let scope = padded(scope, &rel).join(aliased(inner, Vec::new(), alias)?.1);
        let conjuncts = self.join_conjuncts(condition, &scope)?;
        let conjuncts: Vec<_> = conjuncts.into_iter().filter(|one| !is_true(one)).collect();
        if kind == JoinKind::Left && !conjuncts.is_empty() {
            let message = "LEFT JOIN LATERAL takes no condition but ON TRUE";
            return Err(Problem::new(span, message));
        }
        Ok((rank::filter(rel, conjuncts, &context)?, scope))
    }

    fn lateral_rows(
        &self,
        query: &Query,
        left: &Rel,
        outer: &Scope,
        common: &CommonTables,
    ) -> Bound<Beside> {
        let problem = match self.query(query, common) {
            Ok(rel) => return Ok(Beside::alone(rel)),
            Err(problem) => problem,
        };
        let bound = match lateral_select(query) {
            Some(select) if select.items.iter().any(is_aggregated) && query.limit.is_none() => {
                self.aggregated(select, outer, common)
            }
            Some(select) if query.limit.is_some() => {
                self.ranked(select, query, left, outer, common)
            }
            Some(select) if query.order_by.is_empty() => self.joined(select, outer, common),
            _ => return Err(problem),
        };
        bound.map_err(|own| nearer(problem, own))
    }

    // An aggregate without GROUP BY, for each value of what it is compared with.
    fn aggregated(&self, select: &Select, outer: &Scope, common: &CommonTables) -> Bound<Beside> {
        let context = self.context();
        let (rel, scope, conditions) = self.taken_apart(select, outer, common)?;
        let keys = equalities(conditions, outer.len(), select.span)?;
        let mut grouping =
            Grouping::new(keys.iter().map(|(_, inner)| inner.clone()).collect(), None);
        let (mut list, mut names, mut counts) = (Vec::new(), Vec::new(), Vec::new());
        for item in &select.items {
            let (expression, name) = named(item, names.len())?;
            let count = is_count(expression);
            if !count && contains_count(expression) {
                let message = "COUNT inside of an expression is not offered in such a subquery";
                return Err(Problem::new(expression.span, message));
            }
            let mut scalars = Scalars::new(&scope, &context);
            scalars.grouping = Some(&mut grouping);
            list.push(scalars.bind(expression)?);
            names.push(name);
            counts.push(count);
        }
        let rel = grouping.relation(rel, select.span)?;
        let key = |at: usize| TypedExpr::column(at, keys[at].1.data_type.clone());
        let mut conditions = Vec::new();
        for (at, (outside, _)) in keys.iter().enumerate() {
            let inner = expressions::renumber(&key(at), &|column| column + outer.len());
            conditions.push(call("=", vec![outside.clone(), inner], &context, select.span)?);
        }
        Ok(Beside { rel, conditions, list, names, counts })
    }

    // The first rows for each value, when the outer rows are such values, each once: so
    // does Flink's CorrelateSortToRankRule.
    fn ranked(
        &self,
        select: &Select,
        query: &Query,
        left: &Rel,
        outer: &Scope,
        common: &CommonTables,
    ) -> Bound<Beside> {
        let context = self.context();
        if !is_distinct(left) || query.offset.is_some() || select.items.iter().any(is_aggregated) {
            let message = "unexpected correlate variable in the plan: LATERAL with LIMIT joins distinct values to their first rows only";
            return Err(Problem::new(query.span, message)
                .with_hint("put (SELECT DISTINCT k FROM t) before it"));
        }
        let (rel, scope, conditions) = self.taken_apart(select, outer, common)?;
        let keys = equalities(conditions, outer.len(), select.span)?;
        let mut scalars = Scalars::new(&scope, &context);
        let order = rank::sort_items(&query.order_by, |expression| scalars.bind(expression))?;
        let partition = keys.iter().map(|(_, inner)| inner.clone()).collect();
        let number = rank::RowNumber { partition, order, span: query.span };
        let (list, names) = self.plain_list(select, &scope)?;
        let rel = rank::row_number(rel, number);
        let position = rel.schema.len() - 1;
        let last = query.limit.as_ref().map_or(u64::MAX, |limit| limit.rows);
        let last = i64::try_from(last).unwrap_or(i64::MAX);
        let column = TypedExpr::column(position, TypeRoot::BigInt.not_null());
        let bound = call("<=", vec![column, long(last)], &context, query.span)?;
        let rel = rank::filter(rel, vec![bound], &context)?;
        let mut conditions = Vec::new();
        for (outside, inner) in keys {
            let inner = expressions::renumber(&inner, &|column| column + outer.len());
            conditions.push(call("=", vec![outside, inner], &context, query.span)?);
        }
        let counts = vec![false; list.len()];
        Ok(Beside { rel, conditions, list, names, counts })
    }

    fn joined(&self, select: &Select, outer: &Scope, common: &CommonTables) -> Bound<Beside> {
        let (rel, scope, conditions) = self.taken_apart(select, outer, common)?;
        let (list, names) = self.plain_list(select, &scope)?;
        let counts = vec![false; list.len()];
        Ok(Beside { rel, conditions, list, names, counts })
    }

    fn plain_list(&self, select: &Select, scope: &Scope) -> Bound<(Vec<TypedExpr>, Vec<String>)> {
        let context = self.context();
        let (mut list, mut names) = (Vec::new(), Vec::new());
        for item in &select.items {
            let (expression, name) = named(item, names.len())?;
            list.push(Scalars::new(scope, &context).bind(expression)?);
            names.push(name);
        }
        Ok((list, names))
    }

    // FROM and its own conditions; and those that need the outer row, over both.
    fn taken_apart(
        &self,
        select: &Select,
        outer: &Scope,
        common: &CommonTables,
    ) -> Bound<(Rel, Scope, Vec<TypedExpr>)> {
        let context = self.context();
        let from = select.from.as_ref().ok_or_else(|| Problem::new(select.span, "no FROM"))?;
        let (rel, scope) = self.from(from, common)?;
        let both = scope.clone().within(outer);
        let (mut own, mut conditions) = (Vec::new(), Vec::new());
        for condition in select.filter.iter().flat_map(subquery::parts) {
            match Scalars::new(&scope, &context).condition(condition, "WHERE") {
                Ok(bound) => own.extend(expressions::conjuncts(bound)),
                Err(_) => {
                    let bound = Scalars::new(&both, &context).condition(condition, "WHERE")?;
                    conditions.extend(expressions::conjuncts(bound));
                }
            }
        }
        let (rel, rest) = interval_join::resolve(rel, own, &context)?;
        Ok((rank::filter(rel, rest, &context)?, scope, conditions))
    }
}

impl Beside {
    fn alone(rel: Rel) -> Beside {
        let columns = rel.schema.fields.iter().enumerate();
        let list: Vec<_> =
            columns.map(|(at, field)| TypedExpr::column(at, field.data_type.clone())).collect();
        let names = rel.schema.fields.iter().map(|field| field.name.clone()).collect();
        let counts = vec![false; list.len()];
        Beside { rel, conditions: Vec::new(), list, names, counts }
    }
}

/// The relation of a query while its subqueries are joined to it.
struct Found<'a, 'b> {
    binder: &'a Binder<'b>,
    common: &'a CommonTables,
    rel: Rel,
    scope: Scope,
    count: usize,
}

impl Found<'_, '_> {
    // Each subquery by the column that has its value.
    fn replace(&mut self, expression: &mut Expr) -> Bound<()> {
        match &mut expression.kind {
            ExprKind::Subquery { test: SubqueryTest::Scalar, query, .. } => {
                let value = self.column(query, expression.span)?;
                *expression = value;
                Ok(())
            }
            ExprKind::Subquery { test: SubqueryTest::In(value), .. } => self.replace(value),
            ExprKind::Subquery { .. } | ExprKind::Path(_) | ExprKind::Literal(_) => Ok(()),
            ExprKind::Call(call) => {
                call.arguments.iter_mut().try_for_each(|argument| self.replace(argument))
            }
            ExprKind::Cast { value, .. } | ExprKind::Field { value, .. } => self.replace(value),
        }
    }

    fn column(&mut self, query: &Query, span: Span) -> Bound<Expr> {
        let Beside { rel: inner, conditions, list, counts, .. } =
            self.binder.scalar_rows(query, &self.scope, self.common)?;
        let value = format!("${}", inner.schema.len());
        let inner = with_list(inner, list, span);
        let name = format!("$scalar{}", self.count);
        self.count += 1;
        let scope = Scope::of_schema(vec![name.clone()], &inner.schema);
        let width = self.scope.len();
        let outer = std::mem::take(&mut self.scope);
        let left = std::mem::replace(
            &mut self.rel,
            Rel::new(RelNode::Values(Vec::new()), Schema::default(), span),
        );
        self.rel = pending_join(left, inner, JoinKind::Left, conditions, span);
        self.scope = padded(outer.join(scope), &self.rel);
        self.scope.hidden.extend(width..self.scope.len());
        let ident = |text: &str| Ident { text: text.to_owned(), span };
        let path = Path { parts: vec![ident(&name), ident(&value)] };
        let column = Expr { kind: ExprKind::Path(path), span };
        Ok(if counts == [true] { coalesced(column, span) } else { column })
    }
}

fn coalesced(column: Expr, span: Span) -> Expr {
    let zero = Expr { kind: ExprKind::Literal(LiteralValue::Number("0".to_owned())), span };
    let call = Call {
        name: "COALESCE".to_owned(),
        name_span: span,
        arguments: vec![column, zero],
        distinct: false,
        star: false,
        filter: None,
        over: None,
        is_operator: true,
    };
    Expr { kind: ExprKind::Call(Box::new(call)), span }
}

// A SELECT without clauses that its taking apart would lose.
fn lateral_select(query: &Query) -> Option<&Select> {
    let SetExpr::Select(select) = &query.body else { return None };
    let plain = query.with.is_empty()
        && select.group_by.is_none()
        && select.having.is_none()
        && !select.distinct
        && select.windows.is_empty()
        && select.filter.as_ref().is_none_or(|filter| subquery::split(filter).1.is_empty());
    plain.then_some(&**select)
}

fn plain_select(query: &Query) -> Option<&Select> {
    let plain = query.limit.is_none() && query.offset.is_none() && query.order_by.is_empty();
    lateral_select(query).filter(|_| plain)
}

// Where the taking apart knows the mistake better than the binding alone did: it had the
// outer columns in sight.
fn nearer(alone: Problem, apart: Problem) -> Problem {
    if alone.message.contains("not found") { apart } else { alone }
}

fn equalities(
    conditions: Vec<TypedExpr>,
    width: usize,
    span: Span,
) -> Bound<Vec<(TypedExpr, TypedExpr)>> {
    let pair = |condition: TypedExpr| {
        equal_keys(&condition, width).ok_or_else(|| {
            let message = "such a subquery is compared with the row around it by '=' alone";
            Problem::new(span, message)
        })
    };
    conditions.into_iter().map(pair).collect()
}

fn named(item: &SelectItem, at: usize) -> Bound<(&Expr, String)> {
    match item {
        SelectItem::Expr { expression, alias } => {
            let name = alias.as_ref().map(|alias| alias.text.clone());
            Ok((expression, name.unwrap_or_else(|| implicit_name(expression, at))))
        }
        SelectItem::Wildcard { span, .. } => {
            Err(Problem::new(*span, "name the columns of a subquery that names outer ones"))
        }
    }
}

fn has_one_row_at_most(rel: &Rel) -> bool {
    match &rel.node {
        RelNode::Project { input, .. } | RelNode::Filter { input, .. } => {
            has_one_row_at_most(input)
        }
        RelNode::Aggregate { keys, .. } => keys.is_empty(),
        RelNode::Rank { partition, start, end, .. } => partition.is_empty() && start == end,
        RelNode::Values(rows) => rows.len() <= 1,
        _ => false,
    }
}

fn is_distinct(rel: &Rel) -> bool {
    match &rel.node {
        RelNode::Aggregate { calls, .. } => calls.is_empty(),
        RelNode::Project { input, expressions } => {
            expressions.iter().all(|each| expressions::column_of(each).is_some())
                && expressions.len() == input.schema.len()
                && is_distinct(input)
        }
        _ => false,
    }
}

fn is_aggregated(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Expr { expression, .. } if contains_aggregate(expression))
}

fn is_scalar(item: &SelectItem) -> bool {
    matches!(item, SelectItem::Expr { expression, .. } if contains_scalar(expression))
}

fn contains_scalar(expression: &Expr) -> bool {
    match &expression.kind {
        ExprKind::Subquery { test, .. } => match test {
            SubqueryTest::Scalar => true,
            SubqueryTest::In(value) => contains_scalar(value),
            SubqueryTest::Exists => false,
        },
        ExprKind::Call(call) => call.arguments.iter().any(contains_scalar),
        ExprKind::Cast { value, .. } | ExprKind::Field { value, .. } => contains_scalar(value),
        ExprKind::Path(_) | ExprKind::Literal(_) => false,
    }
}

fn is_count(expression: &Expr) -> bool {
    matches!(&expression.kind, ExprKind::Call(call) if call.name.eq_ignore_ascii_case("COUNT"))
}

fn contains_count(expression: &Expr) -> bool {
    match &expression.kind {
        ExprKind::Call(call) => is_count(expression) || call.arguments.iter().any(contains_count),
        ExprKind::Cast { value, .. } | ExprKind::Field { value, .. } => contains_count(value),
        _ => false,
    }
}

fn is_true(condition: &TypedExpr) -> bool {
    matches!(condition.kind, TypedKind::Literal(Literal::Boolean(true)))
}

// The relation with the list behind its columns; those go by their numbers.
fn with_list(rel: Rel, list: Vec<TypedExpr>, span: Span) -> Rel {
    let columns = rel.schema.fields.iter().enumerate();
    let mut all: Vec<TypedExpr> =
        columns.map(|(at, field)| TypedExpr::column(at, field.data_type.clone())).collect();
    all.extend(list);
    let names = (0..all.len()).map(|at| format!("${at}")).collect();
    project(rel, all, names, span)
}

fn long(value: i64) -> TypedExpr {
    let kind = TypedKind::Literal(Literal::Integer(value));
    TypedExpr { kind, data_type: TypeRoot::BigInt.not_null() }
}

fn call(
    name: &str,
    arguments: Vec<TypedExpr>,
    context: &ExprContext,
    span: Span,
) -> Bound<TypedExpr> {
    millrace_expr::call(name, arguments, context).map_err(|error| Problem::new(span, error.message))
}

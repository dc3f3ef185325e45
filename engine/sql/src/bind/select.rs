//! SELECT: FROM, WHERE, GROUP BY, HAVING, the list, DISTINCT, ORDER BY, LIMIT.

use millrace_dataflow::graph::SortKey;
use millrace_dataflow::{DataType, Schema, TimeAttribute};
use millrace_expr::{ExprContext, TypedExpr};

use super::aggregate::{
    Grouping, check_key, contains_aggregate, contains_over, group_aggregate, project,
    select_columns,
};
use super::from::CommonTables;
use super::interval_join::{self, filtered};
use super::over::OverCalls;
use super::rank;
use super::scalar::Scalars;
use super::scope::Scope;
use super::subquery;
use super::window::is_legacy_window;
use super::{Binder, Bound, grouping_sets};
use crate::ast::{Expr, ExprKind, OrderItem, Path, Query, Select, SelectItem};
use crate::diagnostic::Problem;
use crate::expressions;
use crate::logical::{Rel, RelNode};
use crate::nearest;
use crate::span::Span;

/// A bound item of the list.
struct Item {
    expression: TypedExpr,
    name: String,
}

impl Binder<'_> {
    /// A SELECT with the ORDER BY and LIMIT that follow it.
    pub(super) fn select(
        &self,
        select: &Select,
        tail: &Query,
        common: &CommonTables,
    ) -> Bound<Rel> {
        self.check_select_hints(&select.hints)?;
        let context = self.context();
        let common = &common.with_hints(self.state_ttl_hint(select)?, self.lookup_hints(select)?);
        let input = self.select_input(select, common)?;
        common.check_state_ttl(&input.1)?;
        common.check_lookup_hints(&input.1)?;
        let (input, scope, select) = self.with_scalars(select, input, common)?;
        let select = &*select;
        let input = self.filtered_input(select, input, &scope, common, &context)?;
        let mut shape = Shape { scope: &scope, context: &context, grouping: None };
        let input = self.group(select, input, &mut shape)?;
        if let Some(grouping) = &mut shape.grouping {
            grouping.state_ttl_ms = common.ttl_of(&scope);
        }
        let list = shape.list(select, &input)?;
        shape.finish(select, tail, input, list)
    }

    fn select_input(&self, select: &Select, common: &CommonTables) -> Bound<(Rel, Scope)> {
        match &select.from {
            Some(from) => self.from(from, common),
            None => {
                // One row without columns.
                let rel = Rel::new(RelNode::Values(vec![vec![]]), Schema::default(), select.span);
                Ok((rel, Scope::default()))
            }
        }
    }

    fn filtered_input(
        &self,
        select: &Select,
        input: Rel,
        scope: &Scope,
        common: &CommonTables,
        context: &ExprContext,
    ) -> Bound<Rel> {
        let (mut conjuncts, mut tests) = (Vec::new(), Vec::new());
        if let Some(filter) = &select.filter {
            if contains_aggregate(filter) {
                return Err(Problem::new(
                    filter.span,
                    "Aggregate expression is illegal in WHERE clause",
                )
                .with_hint("filter groups with HAVING"));
            }
            let (plain, asked) = subquery::split(filter);
            tests = asked;
            for condition in plain {
                let bound = Scalars::new(scope, context).condition(condition, "WHERE")?;
                conjuncts.extend(expressions::conjuncts(bound));
            }
        }
        let (rel, rest) = interval_join::resolve(input, conjuncts, context)?;
        let rel = rank::filter(rel, rest, context)?;
        tests.iter().try_fold(rel, |rel, test| self.tested(rel, scope, test, common))
    }

    // Prepares the grouping; the aggregate itself is made when all calls are known.
    fn group(&self, select: &Select, mut input: Rel, shape: &mut Shape<'_>) -> Bound<Rel> {
        let is_grouped = select.group_by.is_some()
            || select.having.as_ref().is_some_and(contains_aggregate)
            || select.items.iter().any(|item| {
                matches!(item, SelectItem::Expr { expression, .. } if contains_aggregate(expression))
            });
        if !is_grouped {
            if let Some(having) = &select.having {
                return Err(Problem::new(having.span, "HAVING needs GROUP BY or an aggregate"));
            }
            return Ok(input);
        }
        let (mut keys, mut places) = (Vec::new(), Vec::new());
        let mut legacy = None;
        for key in select.group_by.iter().flat_map(|group| &group.keys) {
            places.push(keys.len()..keys.len() + 1);
            if let ExprKind::Call(call) = &key.kind
                && is_legacy_window(call)
            {
                let (rel, mut window) = self.legacy_window(call, input, shape.scope)?;
                window.start_key = keys.len();
                let width = rel.schema.len();
                keys.extend((width - 3..width).map(|index| {
                    TypedExpr::column(index, rel.schema.fields[index].data_type.clone())
                }));
                places.push(window.start_key..keys.len());
                places.swap_remove(places.len() - 2);
                (input, legacy) = (rel, Some(window));
                continue;
            }
            let bound = Scalars::new(shape.scope, shape.context).bind(key)?;
            check_key(&bound, key.span)?;
            keys.push(bound);
        }
        let group = select.group_by.as_ref();
        let Some(sets) = group.and_then(|group| group.sets.as_ref()) else {
            shape.grouping = Some(Grouping::new(keys, legacy));
            return Ok(input);
        };
        let places = |set: &Vec<usize>| set.iter().flat_map(|key| places[*key].clone()).collect();
        let sets: Vec<Vec<usize>> = sets.iter().map(places).collect();
        let span = group.map_or(select.span, |group| group.span);
        let (input, grouping) =
            grouping_sets::expanded(input, keys, &sets, legacy, shape.context, span)?;
        shape.grouping = Some(grouping);
        Ok(input)
    }
}

/// What the clauses after FROM are bound with.
struct Shape<'a> {
    scope: &'a Scope,
    context: &'a ExprContext,
    grouping: Option<Grouping>,
}

/// The bound list, before the relation below it is made.
struct List {
    items: Vec<Item>,
    overs: OverCalls,
}

impl Shape<'_> {
    fn scalars(&mut self) -> Scalars<'_> {
        let mut scalars = Scalars::new(self.scope, self.context);
        scalars.grouping = self.grouping.as_mut();
        scalars
    }

    fn list(&mut self, select: &Select, input: &Rel) -> Bound<List> {
        let mut items = Vec::new();
        let mut overs = OverCalls::new(&select.windows);
        for item in &select.items {
            match item {
                SelectItem::Wildcard { qualifier, span } => {
                    self.wildcard(qualifier.as_ref(), *span, input, &mut items)?;
                }
                SelectItem::Expr { expression, alias } => {
                    let mut scalars = self.scalars();
                    scalars.overs = Some(&mut overs);
                    let bound = scalars.bind(expression)?;
                    let name = match alias {
                        Some(alias) => alias.text.clone(),
                        None => implicit_name(expression, items.len()),
                    };
                    items.push(Item { expression: bound, name });
                }
            }
        }
        Ok(List { items: unique_names(items), overs })
    }

    fn wildcard(
        &mut self,
        qualifier: Option<&Path>,
        span: Span,
        input: &Rel,
        items: &mut Vec<Item>,
    ) -> Bound<()> {
        if self.scope.relations.is_empty() {
            return Err(Problem::new(span, "'*' needs a FROM clause"));
        }
        let before = items.len();
        for (index, name) in self.scope.listed(qualifier) {
            let data_type = input.schema.fields[index].data_type.clone();
            let column = TypedExpr::column(index, data_type);
            let expression = self.grouped_column(column, name, span)?;
            items.push(Item { expression, name: name.to_owned() });
        }
        match qualifier {
            Some(qualifier) if items.len() == before => self.row_wildcard(qualifier, span, items),
            _ => Ok(()),
        }
    }

    // Under GROUP BY only the keys can be named.
    fn grouped_column(&self, column: TypedExpr, name: &str, span: Span) -> Bound<TypedExpr> {
        let Some(grouping) = &self.grouping else { return Ok(column) };
        grouping
            .key(&column)
            .ok_or_else(|| Problem::new(span, format!("Expression '{name}' is not being grouped")))
    }

    // `t.r.*`: the members of a ROW.
    fn row_wildcard(&mut self, qualifier: &Path, span: Span, items: &mut Vec<Item>) -> Bound<()> {
        let row = Expr { kind: ExprKind::Path(qualifier.clone()), span };
        let names = self.scope.relations.iter().filter_map(|relation| relation.name.last());
        let hint = nearest::hint(&qualifier.parts[0].text, names.map(String::as_str));
        let bound = self.scalars().bind(&row).map_err(|_| {
            Problem::new(qualifier.span(), format!("Unknown identifier '{qualifier}'"))
                .or_hint(hint)
        })?;
        let millrace_dataflow::TypeRoot::Row(fields) = bound.data_type.root.clone() else {
            return Err(Problem::new(
                span,
                format!("'{qualifier}' is {}, not a ROW", bound.data_type),
            ));
        };
        for field in fields {
            let member = millrace_expr::field(bound.clone(), &field.name)
                .map_err(|error| Problem::new(span, error.message))?;
            items.push(Item { expression: member, name: field.name });
        }
        Ok(())
    }

    fn finish(mut self, select: &Select, tail: &Query, input: Rel, list: List) -> Bound<Rel> {
        let having = match &select.having {
            Some(having) => Some(self.scalars().condition(having, "HAVING")?),
            None => None,
        };
        let order = self.order(select, tail, &list)?;
        let List { items, overs } = list;
        let (mut expressions, names): (Vec<TypedExpr>, Vec<String>) =
            items.into_iter().map(|item| (item.expression, item.name)).unzip();
        let mut rel = match self.grouping.take() {
            Some(grouping) => grouping.relation(input, select.span)?,
            None => input,
        };
        name_aggregates(&mut rel, &expressions, &names);
        if let Some(having) = having {
            rel = filtered(rel, expressions::conjuncts(having), self.context);
        }
        let over_span = over_span(select);
        rel = overs.apply(rel, &mut expressions, over_span)?;
        arrange(rel, expressions, names, order, select, tail)
    }

    // Each ORDER BY item as an output column, or as one more expression to compute.
    fn order(&mut self, select: &Select, tail: &Query, list: &List) -> Bound<Vec<Sort>> {
        let mut sorts = Vec::new();
        for item in &tail.order_by {
            let output = output_column(&item.expression, &list.items)?;
            let key = match output {
                Some(column) => SortColumn::Output(column),
                None if select.distinct => {
                    let message = "ORDER BY of a SELECT DISTINCT takes columns of its list only";
                    return Err(Problem::new(item.expression.span, message));
                }
                None => SortColumn::Hidden(self.scalars().bind(&item.expression)?),
            };
            sorts.push(Sort::new(key, item));
        }
        Ok(sorts)
    }
}

// Where the first OVER call stands: what its window is refused at.
fn over_span(select: &Select) -> Span {
    let items = select.items.iter().filter_map(|item| match item {
        SelectItem::Expr { expression, .. } if contains_over(expression) => Some(expression.span),
        _ => None,
    });
    items.into_iter().next().unwrap_or(select.span)
}

enum SortColumn {
    Output(usize),
    Hidden(TypedExpr),
}

struct Sort {
    column: SortColumn,
    ascending: bool,
    nulls_first: bool,
    span: Span,
}

impl Sort {
    fn new(column: SortColumn, item: &OrderItem) -> Sort {
        Sort {
            column,
            ascending: item.ascending,
            nulls_first: item.nulls_first.unwrap_or(item.ascending),
            span: item.expression.span,
        }
    }
}

// An alias, or an ordinal counted from 1.
fn output_column(expression: &Expr, items: &[Item]) -> Bound<Option<usize>> {
    match &expression.kind {
        ExprKind::Path(path) if path.parts.len() == 1 => {
            Ok(items.iter().position(|item| item.name == path.parts[0].text))
        }
        ExprKind::Literal(crate::ast::LiteralValue::Number(text)) => match text.parse::<usize>() {
            Ok(ordinal) if (1..=items.len()).contains(&ordinal) => Ok(Some(ordinal - 1)),
            _ => Err(Problem::new(expression.span, "Ordinal out of range")),
        },
        _ => Ok(None),
    }
}

// Projection, DISTINCT, order and limit above the relation.
fn arrange(
    rel: Rel,
    mut expressions: Vec<TypedExpr>,
    mut names: Vec<String>,
    sorts: Vec<Sort>,
    select: &Select,
    tail: &Query,
) -> Bound<Rel> {
    let width = expressions.len();
    let mut keys = Vec::new();
    let first_span = sorts.first().map_or(tail.span, |sort| sort.span);
    for sort in sorts {
        let column = match sort.column {
            SortColumn::Output(column) => column,
            SortColumn::Hidden(expression) => {
                names.push(format!("$order{}", expressions.len()));
                expressions.push(expression);
                expressions.len() - 1
            }
        };
        keys.push(SortKey { column, ascending: sort.ascending, nulls_first: sort.nulls_first });
    }
    let mut rel = project(rel, expressions, names, select.span);
    if select.distinct {
        rel = distinct(rel, select.span)?;
    }
    let rel = limit(rel, keys, tail, first_span)?;
    if rel.schema.len() == width {
        return Ok(rel);
    }
    Ok(select_columns(rel, &(0..width).collect::<Vec<_>>(), select.span))
}

/// `SELECT DISTINCT` and UNION: a grouping by all columns (row B1.8).
pub(super) fn distinct(rel: Rel, span: Span) -> Bound<Rel> {
    for (index, field) in rel.schema.fields.iter().enumerate() {
        check_key(&TypedExpr::column(index, field.data_type.clone()), span)?;
    }
    let keys = (0..rel.schema.len()).collect();
    Ok(group_aggregate(rel, keys, Vec::new(), span))
}

/// ORDER BY, LIMIT and OFFSET over a relation's own columns.
pub(super) fn limit(rel: Rel, keys: Vec<SortKey>, tail: &Query, span: Span) -> Bound<Rel> {
    let offset = tail.offset.as_ref().map_or(0, |offset| offset.rows);
    let Some(limit) = &tail.limit else {
        if let Some(offset) = &tail.offset {
            return Err(Problem::new(
                offset.span,
                "OFFSET without LIMIT is not supported on streaming tables",
            ));
        }
        return unlimited(rel, &keys, span);
    };
    let end = offset.saturating_add(limit.rows);
    Ok(rank::limited(rel, keys, (offset.saturating_add(1), end), tail.span))
}

fn unlimited(rel: Rel, keys: &[SortKey], span: Span) -> Bound<Rel> {
    let Some(first) = keys.first() else { return Ok(rel) };
    match rel.schema.fields[first.column].time {
        TimeAttribute::Rowtime if first.ascending => return Ok(temporal_sort(rel, keys, span)),
        TimeAttribute::Proctime if first.ascending => {
            let message = "ORDER BY a processing time without LIMIT is not offered yet";
            return Err(Problem::new(span, message)
                .with_hint("order by an event time: a column with a WATERMARK"));
        }
        _ => {}
    }
    Err(Problem::new(span, "Sort on a non-time-attribute field is not supported.")
        .with_hint("add LIMIT for an updating Top-N"))
}

fn temporal_sort(rel: Rel, keys: &[SortKey], span: Span) -> Rel {
    let schema = rel.schema.clone();
    Rel::new(RelNode::TemporalSort { input: Box::new(rel), order: keys.to_vec() }, schema, span)
}

// For people who read the plan: an aggregate is named by its alias.
fn name_aggregates(rel: &mut Rel, expressions: &[TypedExpr], names: &[String]) {
    if !matches!(rel.node, RelNode::Aggregate { .. }) {
        return;
    }
    let RelNode::Aggregate { keys, .. } = &rel.node else { return };
    let first_call = keys.len();
    for (expression, name) in expressions.iter().zip(names) {
        if let Some(column) = expressions::column_of(expression)
            && (first_call..rel.schema.len()).contains(&column)
        {
            rel.schema.fields[column].name = name.clone();
        }
    }
}

// Row A1.13: a path keeps its last name, all else is EXPR$n.
pub(super) fn implicit_name(expression: &Expr, position: usize) -> String {
    match &expression.kind {
        ExprKind::Path(path) => {
            path.parts.last().map_or_else(String::new, |part| part.text.clone())
        }
        ExprKind::Field { name, .. } => name.text.clone(),
        _ => format!("EXPR${position}"),
    }
}

// Calcite appends a number to a name that is taken: `a`, `a0`, `a1`.
fn unique_names(mut items: Vec<Item>) -> Vec<Item> {
    for at in 1..items.len() {
        let taken = |name: &str, items: &[Item]| items[..at].iter().any(|item| item.name == name);
        let base = items[at].name.clone();
        let mut number = 0;
        while taken(&items[at].name, &items) {
            items[at].name = format!("{base}{number}");
            number += 1;
        }
    }
    items
}

/// The common type of some columns, or the positions that have none.
pub(super) fn common_types(rows: &[Vec<DataType>]) -> Result<Vec<DataType>, usize> {
    let width = rows.first().map_or(0, Vec::len);
    (0..width)
        .map(|column| {
            let types: Vec<DataType> = rows.iter().map(|row| row[column].clone()).collect();
            millrace_expr::common_type(&types).ok_or(column)
        })
        .collect()
}

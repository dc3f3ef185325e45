//! GROUP BY and aggregates (section B.2), and the windows they fall into (B.3, B.4).

use millrace_dataflow::graph::{AggregateCall, AggregateFunction};
use millrace_dataflow::{DataType, Field, Schema, TimeAttribute, TypeRoot};
use millrace_expr::{ExprContext, Literal, TypedExpr, TypedKind};

use super::Bound;
use super::grouping_sets::{Expansion, indicator};
use super::scalar::Scalars;
use super::scope::Scope;
use crate::ast::{Call, Expr, ExprKind, Path};
use crate::diagnostic::Problem;
use crate::expressions;
use crate::logical::{Rel, RelNode, WindowColumns};
use crate::span::Span;

const AGGREGATES: [&str; 14] = [
    "COUNT",
    "SUM",
    "AVG",
    "MIN",
    "MAX",
    "FIRST_VALUE",
    "LAST_VALUE",
    "STDDEV_POP",
    "STDDEV_SAMP",
    "VAR_POP",
    "VAR_SAMP",
    "VARIANCE",
    "LISTAGG",
    "COLLECT",
];

/// Aggregates that Flink has and this engine does not offer.
const NOT_OFFERED: [&str; 3] = ["JSON_OBJECTAGG", "JSON_ARRAYAGG", "ARRAY_AGG"];

/// What says which of the GROUPING SETS a row belongs to (row B2.9).
const INDICATORS: [&str; 3] = ["GROUPING", "GROUPING_ID", "GROUP_ID"];

pub(super) fn is_aggregate(name: &str) -> bool {
    let mut all = AGGREGATES.iter().chain(&NOT_OFFERED).chain(&INDICATORS);
    all.any(|known| known.eq_ignore_ascii_case(name))
}

/// Whether an aggregate stands in the expression (not counting `OVER`).
pub(super) fn contains_aggregate(expression: &Expr) -> bool {
    match &expression.kind {
        ExprKind::Path(_) | ExprKind::Literal(_) | ExprKind::Subquery { .. } => false,
        ExprKind::Call(call) => {
            (call.over.is_none() && !call.is_operator && is_aggregate(&call.name))
                || is_window_auxiliary(&call.name)
                || call.arguments.iter().any(contains_aggregate)
                || call.over.as_ref().is_some_and(|over| {
                    over.partition.iter().any(contains_aggregate)
                        || over.order.iter().any(|item| contains_aggregate(&item.expression))
                })
        }
        ExprKind::Cast { value, .. } | ExprKind::Field { value, .. } => contains_aggregate(value),
    }
}

/// Whether `OVER` stands in the expression.
pub(super) fn contains_over(expression: &Expr) -> bool {
    match &expression.kind {
        ExprKind::Call(call) => call.over.is_some() || call.arguments.iter().any(contains_over),
        ExprKind::Cast { value, .. } | ExprKind::Field { value, .. } => contains_over(value),
        _ => false,
    }
}

/// `TUMBLE_START` and its kin (row B4.2).
fn is_window_auxiliary(name: &str) -> bool {
    auxiliary(name).is_some()
}

fn auxiliary(name: &str) -> Option<(&'static str, &'static str)> {
    let upper = name.to_ascii_uppercase();
    for window in ["TUMBLE", "HOP", "SESSION"] {
        for property in ["START", "END", "ROWTIME", "PROCTIME"] {
            if upper.strip_prefix(window).and_then(|rest| rest.strip_prefix('_')) == Some(property)
            {
                return Some((window, property));
            }
        }
    }
    None
}

/// What a grouped query groups by and computes, while its clauses are bound.
pub(super) struct Grouping {
    /// Over the input.
    keys: Vec<TypedExpr>,
    calls: Vec<PendingCall>,
    /// Where the columns of a legacy `GROUP BY TUMBLE(..)` are among the keys.
    legacy: Option<LegacyWindow>,
    /// Of GROUPING SETS, over the expanded input.
    expansion: Option<Expansion>,
    /// What a STATE_TTL hint says of the table that is grouped (row B7.11).
    pub state_ttl_ms: Option<i64>,
}

/// A window in GROUP BY, before TVFs (section B.4).
#[derive(Clone, Debug)]
pub(super) struct LegacyWindow {
    pub function: String,
    /// As written, to be compared with those of the auxiliary functions.
    pub arguments: Vec<TypedExpr>,
    /// Indices into the keys.
    pub start_key: usize,
    pub proctime: bool,
}

/// A call whose arguments are not columns yet.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct PendingCall {
    pub function: AggregateFunction,
    pub arguments: Vec<TypedExpr>,
    pub distinct: bool,
    pub filter: Option<TypedExpr>,
    pub output: DataType,
}

impl Grouping {
    pub(super) fn new(keys: Vec<TypedExpr>, legacy: Option<LegacyWindow>) -> Grouping {
        Grouping { keys, calls: Vec::new(), legacy, expansion: None, state_ttl_ms: None }
    }

    /// `keys` are what the clauses name; the expansion says where they are.
    pub(super) fn over_sets(
        keys: Vec<TypedExpr>,
        legacy: Option<LegacyWindow>,
        expansion: Expansion,
    ) -> Grouping {
        Grouping { expansion: Some(expansion), ..Grouping::new(keys, legacy) }
    }

    // The keys, and the number of the set behind them.
    fn key_columns(&self) -> Vec<TypedExpr> {
        match &self.expansion {
            Some(expansion) => expansion.columns.iter().chain([&expansion.set]).cloned().collect(),
            None => self.keys.clone(),
        }
    }

    /// `GROUPING(a)` and its kin.
    pub(super) fn indicator(
        &self,
        call: &Call,
        scope: &Scope,
        context: &ExprContext,
    ) -> Bound<Option<TypedExpr>> {
        let name = call.name.to_ascii_uppercase();
        if !INDICATORS.contains(&name.as_str()) {
            return Ok(None);
        }
        if call.arguments.is_empty() != (name == "GROUP_ID") {
            let wanted = if name == "GROUP_ID" { "no arguments" } else { "columns of GROUP BY" };
            return Err(Problem::new(call.name_span, format!("{name} takes {wanted}")));
        }
        let mut keys = Vec::new();
        for argument in &call.arguments {
            let bound = Scalars::new(scope, context).bind(argument)?;
            let place = self.keys.iter().position(|key| *key == bound);
            keys.push(place.ok_or_else(|| {
                Problem::new(
                    argument.span,
                    format!("Argument to {name} operator must be a grouped expression"),
                )
            })?);
        }
        let set = TypedExpr::column(self.keys.len(), TypeRoot::BigInt.not_null());
        indicator(call, &keys, self.expansion.as_ref(), &set, context).map(Some)
    }

    pub(super) fn key(&self, over_input: &TypedExpr) -> Option<TypedExpr> {
        let position = self.keys.iter().position(|key| key == over_input)?;
        let data_type = match &self.expansion {
            Some(expansion) => &expansion.columns[position].data_type,
            None => &over_input.data_type,
        };
        Some(TypedExpr::column(position, data_type.clone()))
    }

    /// `r.f.g` when `r` or `r.f` is a key.
    pub(super) fn member_of_key(
        &self,
        path: &Path,
        scope: &Scope,
        context: &ExprContext,
    ) -> Bound<Option<TypedExpr>> {
        for used in (1..path.parts.len()).rev() {
            let prefix = Path { parts: path.parts[..used].to_vec() };
            let expression = Expr { span: prefix.span(), kind: ExprKind::Path(prefix) };
            let Ok(bound) = Scalars::new(scope, context).bind(&expression) else { continue };
            if let Some(key) = self.key(&bound) {
                let members = path.parts[used..].iter();
                let result = members.clone().try_fold(key, |value, name| {
                    millrace_expr::field(value, &name.text)
                        .map_err(|error| Problem::new(name.span, error.message))
                });
                return result.map(Some);
            }
        }
        Ok(None)
    }

    /// An aggregate call; equal ones are computed once.
    pub(super) fn aggregate(
        &mut self,
        call: &Call,
        expression: &Expr,
        scope: &Scope,
        context: &ExprContext,
    ) -> Bound<TypedExpr> {
        let pending = pending_call(call, expression, &mut Scalars::new(scope, context))?;
        let output = pending.output.clone();
        let position = match self.calls.iter().position(|known| *known == pending) {
            Some(position) => position,
            None => {
                self.calls.push(pending);
                self.calls.len() - 1
            }
        };
        Ok(TypedExpr::column(self.key_columns().len() + position, output))
    }

    /// `TUMBLE_START(ts, size)` over `GROUP BY TUMBLE(ts, size)`.
    pub(super) fn window_auxiliary(
        &self,
        call: &Call,
        scope: &Scope,
        context: &ExprContext,
    ) -> Bound<Option<TypedExpr>> {
        let Some((window, property)) = auxiliary(&call.name) else { return Ok(None) };
        let mut scalars = Scalars::new(scope, context);
        let arguments =
            call.arguments.iter().map(|a| scalars.bind(a)).collect::<Bound<Vec<_>>>()?;
        let legacy = self
            .legacy
            .as_ref()
            .filter(|legacy| legacy.function == window && legacy.arguments == arguments);
        let Some(legacy) = legacy else {
            let message = format!(
                "Call to auxiliary group function '{}' must have matching call to group function '{window}' in GROUP BY clause",
                call.name.to_uppercase()
            );
            return Err(Problem::new(call.name_span, message));
        };
        let offset = match property {
            "START" => 0,
            "END" => 1,
            _ => 2,
        };
        if (property == "PROCTIME") != legacy.proctime && offset == 2 {
            let message = format!(
                "{} does not fit the time attribute of the window",
                call.name.to_uppercase()
            );
            return Err(Problem::new(call.name_span, message));
        }
        let at = legacy.start_key + offset;
        Ok(Some(TypedExpr::column(at, self.keys[at].data_type.clone())))
    }

    /// The relation whose columns are the keys, then the calls.
    pub(super) fn relation(self, input: Rel, span: Span) -> Bound<Rel> {
        let mut pre = PreProjection::new();
        let keys: Vec<usize> = self.key_columns().iter().map(|key| pre.column(key)).collect();
        let calls: Vec<AggregateCall> = self.calls.iter().map(|call| pre.call(call)).collect();
        let input = pre.project(input, span);
        match windowed_keys(&keys, input.windows) {
            Some(window) => {
                let legacy = self.legacy.is_some();
                window_aggregate(input, &keys, calls, window, legacy, span)
            }
            None => {
                let mut rel = group_aggregate(input, keys, calls, span);
                if let RelNode::Aggregate { state_ttl_ms, .. } = &mut rel.node {
                    *state_ttl_ms = self.state_ttl_ms;
                }
                Ok(rel)
            }
        }
    }
}

pub(super) fn pending_call(
    call: &Call,
    expression: &Expr,
    scalars: &mut Scalars<'_>,
) -> Bound<PendingCall> {
    let name = call.name.to_ascii_uppercase();
    if NOT_OFFERED.contains(&name.as_str()) {
        return Err(Problem::new(
            call.name_span,
            format!("the aggregate {name} is not offered yet"),
        ));
    }
    let mut arguments =
        call.arguments.iter().map(|a| scalars.bind(a)).collect::<Bound<Vec<_>>>()?;
    check_arguments(call, &name, arguments.len(), expression)?;
    let types: Vec<DataType> = arguments.iter().map(|a| a.data_type.clone()).collect();
    let output = millrace_expr::aggregate_type(&name, &types).map_err(|error| {
        let at = error.argument.and_then(|at| call.arguments.get(at));
        Problem::new(at.map_or(expression.span, |argument| argument.span), error.message)
    })?;
    let separator = list_separator(&name, &arguments, call)?;
    if separator.is_some() {
        arguments.truncate(1);
    }
    let function = aggregate_function(&name, arguments.is_empty(), separator);
    let filter = match &call.filter {
        Some(filter) => Some(scalars.condition(filter, "FILTER")?),
        None => None,
    };
    let distinct =
        call.distinct && !matches!(function, AggregateFunction::Min | AggregateFunction::Max);
    Ok(PendingCall { function, arguments, distinct, filter, output })
}

fn check_arguments(call: &Call, name: &str, count: usize, expression: &Expr) -> Bound<()> {
    if call.star && name != "COUNT" {
        return Err(Problem::new(
            expression.span,
            format!("{name}(*) has no meaning; only COUNT(*) has"),
        ));
    }
    if count == 0 && !call.star {
        return Err(Problem::new(expression.span, format!("{name} needs an argument")));
    }
    if name == "COUNT" && count > 1 {
        let message = "COUNT of several columns is not supported in Flink SQL";
        return Err(Problem::new(expression.span, message));
    }
    Ok(())
}

fn list_separator(name: &str, arguments: &[TypedExpr], call: &Call) -> Bound<Option<String>> {
    if name != "LISTAGG" {
        return Ok(None);
    }
    match arguments.get(1).map(|argument| &argument.kind) {
        None => Ok(Some(",".to_owned())),
        Some(TypedKind::Literal(Literal::String(separator))) => Ok(Some(separator.clone())),
        Some(_) => {
            let span = call.arguments.get(1).map_or(call.name_span, |argument| argument.span);
            Err(Problem::new(span, "the separator of LISTAGG must be a string literal"))
        }
    }
}

fn aggregate_function(name: &str, star: bool, separator: Option<String>) -> AggregateFunction {
    match name {
        "COUNT" if star => AggregateFunction::CountStar,
        "COUNT" => AggregateFunction::Count,
        "SUM" => AggregateFunction::Sum,
        "AVG" => AggregateFunction::Avg,
        "MIN" => AggregateFunction::Min,
        "MAX" => AggregateFunction::Max,
        "FIRST_VALUE" => AggregateFunction::FirstValue,
        "LAST_VALUE" => AggregateFunction::LastValue,
        "STDDEV_POP" => AggregateFunction::StddevPop,
        "STDDEV_SAMP" => AggregateFunction::StddevSamp,
        "VAR_POP" => AggregateFunction::VarPop,
        "VAR_SAMP" | "VARIANCE" => AggregateFunction::VarSamp,
        "COLLECT" => AggregateFunction::Collect,
        _ => AggregateFunction::ListAgg { separator: separator.unwrap_or_default() },
    }
}

/// Collects what an operator needs as columns: each expression once.
pub(super) struct PreProjection {
    expressions: Vec<TypedExpr>,
}

impl PreProjection {
    pub(super) fn new() -> PreProjection {
        PreProjection { expressions: Vec::new() }
    }

    pub(super) fn column(&mut self, expression: &TypedExpr) -> usize {
        let known = self
            .expressions
            .iter()
            .position(|e| e == expression && expressions::is_deterministic(expression));
        known.unwrap_or_else(|| {
            self.expressions.push(expression.clone());
            self.expressions.len() - 1
        })
    }

    fn call(&mut self, call: &PendingCall) -> AggregateCall {
        AggregateCall {
            function: call.function.clone(),
            arguments: call.arguments.iter().map(|argument| self.column(argument)).collect(),
            argument_types: call.arguments.iter().map(|a| a.data_type.clone()).collect(),
            distinct: call.distinct,
            filter: call.filter.as_ref().map(|filter| self.column(filter)),
            output: call.output.clone(),
        }
    }

    /// The projection over `input`; plain columns keep their names and time attributes.
    pub(super) fn project(self, input: Rel, span: Span) -> Rel {
        let names =
            self.expressions.iter().enumerate().map(
                |(at, expression)| match expressions::column_of(expression) {
                    Some(column) => input.schema.fields[column].name.clone(),
                    None => format!("$f{at}"),
                },
            );
        let names: Vec<String> = names.collect();
        project(input, self.expressions, names, span)
    }
}

/// A projection, with time attributes and window columns carried through.
pub(super) fn project(
    input: Rel,
    expressions: Vec<TypedExpr>,
    names: Vec<String>,
    span: Span,
) -> Rel {
    let fields = expressions.iter().zip(names).map(|(expression, name)| {
        let time = expressions::time_attribute(expression, &input.schema);
        Field::new(name, expression.data_type.clone()).with_time(time)
    });
    let schema = Schema::new(fields.collect());
    let windows = input.windows.and_then(|windows| windows.projected(&expressions));
    let node = RelNode::Project { input: Box::new(input), expressions };
    Rel { node, schema, windows, span }
}

impl WindowColumns {
    fn projected(self, expressions: &[TypedExpr]) -> Option<WindowColumns> {
        let place = |column: Option<usize>| {
            let column = column?;
            expressions.iter().position(|e| expressions::column_of(e) == Some(column))
        };
        let (start, end, time) = (place(self.start), place(self.end), place(self.time));
        let any = start.is_some() || end.is_some() || time.is_some();
        any.then_some(WindowColumns { start, end, time, ..self })
    }
}

// A window aggregation groups by both bounds (row B3.10); by one alone it is an
// unbounded aggregation (row B3.11).
fn windowed_keys(keys: &[usize], windows: Option<WindowColumns>) -> Option<WindowColumns> {
    let windows = windows?;
    let grouped = |column: Option<usize>| column.filter(|column| keys.contains(column));
    let start = grouped(windows.start)?;
    let end = grouped(windows.end)?;
    let time = grouped(windows.time);
    Some(WindowColumns { start: Some(start), end: Some(end), time, ..windows })
}

pub(super) fn group_aggregate(
    input: Rel,
    keys: Vec<usize>,
    calls: Vec<AggregateCall>,
    span: Span,
) -> Rel {
    // GROUP BY's output keeps no time attribute (row E.21).
    let key_fields =
        keys.iter().map(|key| input.schema.fields[*key].clone().with_time(TimeAttribute::None));
    let call_fields = call_fields(&calls);
    let schema = Schema::new(key_fields.chain(call_fields).collect());
    let node = RelNode::Aggregate { input: Box::new(input), keys, calls, state_ttl_ms: None };
    Rel::new(node, schema, span)
}

fn call_fields(calls: &[AggregateCall]) -> impl Iterator<Item = Field> {
    calls.iter().enumerate().map(|(at, call)| Field::new(format!("EXPR${at}"), call.output.clone()))
}

// The node's own order is keys, calls, bounds; a projection brings back GROUP BY's.
fn window_aggregate(
    input: Rel,
    keys: &[usize],
    calls: Vec<AggregateCall>,
    window: WindowColumns,
    legacy: bool,
    span: Span,
) -> Bound<Rel> {
    let bounds: Vec<usize> =
        [window.start, window.end, window.time].into_iter().flatten().collect();
    let other: Vec<usize> = keys.iter().copied().filter(|key| !bounds.contains(key)).collect();
    let key_fields =
        other.iter().map(|key| input.schema.fields[*key].clone().with_time(TimeAttribute::None));
    let bound_fields = bounds.iter().map(|bound| input.schema.fields[*bound].clone());
    let fields = key_fields.chain(call_fields(&calls)).chain(bound_fields).collect();
    let first_bound = other.len() + calls.len();
    let count = calls.len();
    let node = RelNode::WindowAggregate {
        keys: other.clone(),
        calls,
        start: bounds[0],
        end: bounds[1],
        with_time: window.time.is_some(),
        legacy,
        input: Box::new(input),
    };
    let windows = WindowColumns {
        start: Some(first_bound),
        end: Some(first_bound + 1),
        time: window.time.map(|_| first_bound + 2),
        ..window
    };
    let rel = Rel { node, schema: Schema::new(fields), windows: Some(windows), span };
    let place = |key: &usize| match bounds.iter().position(|bound| bound == key) {
        Some(bound) => Some(first_bound + bound),
        None => other.iter().position(|k| k == key),
    };
    let key_places = keys.iter().filter_map(place);
    let order: Vec<usize> = key_places.chain(other.len()..other.len() + count).collect();
    Ok(select_columns(rel, &order, span))
}

/// A projection to some columns.
pub(super) fn select_columns(input: Rel, columns: &[usize], span: Span) -> Rel {
    let fields = columns.iter().map(|column| &input.schema.fields[*column]);
    let expressions = columns
        .iter()
        .map(|column| TypedExpr::column(*column, input.schema.fields[*column].data_type.clone()))
        .collect();
    let names = fields.map(|field| field.name.clone()).collect();
    project(input, expressions, names, span)
}

/// Whether a type can be a key of GROUP BY, PARTITION BY or a join.
pub(super) fn check_key(expression: &TypedExpr, span: Span) -> Bound<()> {
    match expression.data_type.root {
        TypeRoot::Map(..) | TypeRoot::Multiset(_) => {
            Err(Problem::new(span, format!("{} cannot be a key", expression.data_type.root)))
        }
        _ => Ok(()),
    }
}

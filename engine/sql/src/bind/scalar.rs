//! Scalar expressions: names become columns, calls are typed by `millrace_expr`.

use millrace_dataflow::DataType;
use millrace_expr::{ExprContext, ExprError, TypedExpr, TypedKind};

use super::aggregate::{Grouping, contains_aggregate, contains_over, is_aggregate};
use super::over::OverCalls;
use super::scope::Scope;
use super::{Bound, literal};
use crate::ast::{Call, Expr, ExprKind, Ident, Path, SubqueryTest};
use crate::diagnostic::Problem;
use crate::expressions;

/// Binds expressions over one row.
pub(super) struct Scalars<'a> {
    pub scope: &'a Scope,
    pub context: &'a ExprContext,
    /// Set where aggregates may stand: SELECT, HAVING and ORDER BY of a grouped query.
    /// The result is then over the aggregate's output.
    pub grouping: Option<&'a mut Grouping>,
    /// Set where `OVER` may stand: the SELECT list.
    pub overs: Option<&'a mut OverCalls>,
}

impl<'a> Scalars<'a> {
    pub(super) fn new(scope: &'a Scope, context: &'a ExprContext) -> Scalars<'a> {
        Scalars { scope, context, grouping: None, overs: None }
    }

    pub(super) fn bind(&mut self, expression: &Expr) -> Bound<TypedExpr> {
        if self.grouping.is_some()
            && let Some(bound) = self.bind_grouped(expression)?
        {
            return Ok(bound);
        }
        match &expression.kind {
            ExprKind::Path(path) => self.path(path),
            ExprKind::Literal(value) => literal::bind(value, expression.span),
            ExprKind::Call(call) => self.call(call, expression),
            ExprKind::Cast { value, target, try_cast } => {
                let bound = self.bind(value)?;
                self.cast(bound, target.clone(), *try_cast, expression)
            }
            ExprKind::Field { value, name } => {
                let value = self.bind(value)?;
                member(value, name)
            }
            ExprKind::Subquery { construct, test, .. } => {
                let problem =
                    Problem::new(expression.span, format!("{construct} is not offered yet here"));
                Err(match test {
                    SubqueryTest::Scalar => problem.with_hint("write a join"),
                    _ => problem.with_hint("it can stand in WHERE, alone or joined by AND"),
                })
            }
        }
    }

    /// A condition: BOOLEAN or the untyped NULL.
    pub(super) fn condition(&mut self, expression: &Expr, clause: &str) -> Bound<TypedExpr> {
        let bound = self.bind(expression)?;
        match bound.data_type.root {
            millrace_dataflow::TypeRoot::Boolean => Ok(bound),
            millrace_dataflow::TypeRoot::Null => {
                let boolean = millrace_dataflow::TypeRoot::Boolean.nullable();
                self.cast(bound, boolean, false, expression)
            }
            _ => Err(Problem::new(
                expression.span,
                format!("{clause} clause must be a condition, but this is {}", bound.data_type),
            )),
        }
    }

    fn cast(
        &self,
        value: TypedExpr,
        target: DataType,
        try_cast: bool,
        expression: &Expr,
    ) -> Bound<TypedExpr> {
        // CAST(x AS t) is nullable when x is; TRY_CAST always.
        let nullable = value.data_type.nullable || try_cast;
        millrace_expr::cast(value, target.with_nullable(nullable), try_cast, self.context)
            .map_err(|error| Problem::new(expression.span, error.message))
    }

    fn path(&self, path: &Path) -> Bound<TypedExpr> {
        let found = self.scope.resolve(path)?;
        let column = TypedExpr::column(found.index, found.data_type);
        found.members.iter().try_fold(column, member)
    }

    fn call(&mut self, call: &Call, expression: &Expr) -> Bound<TypedExpr> {
        if let Some(over) = &call.over {
            return self.over(call, over, expression);
        }
        if !call.is_operator && is_aggregate(&call.name) {
            return Err(Problem::new(
                call.name_span,
                format!("{} is an aggregate and cannot stand here", call.name.to_uppercase()),
            ));
        }
        if let Some(problem) = misused(call) {
            return Err(problem);
        }
        let arguments =
            call.arguments.iter().map(|argument| self.bind(argument)).collect::<Bound<Vec<_>>>()?;
        millrace_expr::call(&call.name, arguments, self.context)
            .map_err(|error| call_problem(error, call, expression))
    }

    fn over(&mut self, call: &Call, over: &crate::ast::Over, whole: &Expr) -> Bound<TypedExpr> {
        let Some(overs) = self.overs.take() else {
            return Err(Problem::new(whole.span, "OVER can stand in a SELECT list only"));
        };
        let result = overs.add(call, over, whole, self);
        self.overs = Some(overs);
        result
    }

    // Over the aggregate's output: a key, an aggregate, a constant, or built of those.
    fn bind_grouped(&mut self, expression: &Expr) -> Bound<Option<TypedExpr>> {
        let Some(grouping) = self.grouping.take() else { return Ok(None) };
        let scope = self.scope;
        let context = self.context;
        let result = bind_in_group(expression, grouping, scope, context);
        self.grouping = Some(grouping);
        result
    }
}

fn bind_in_group(
    expression: &Expr,
    grouping: &mut Grouping,
    scope: &Scope,
    context: &ExprContext,
) -> Bound<Option<TypedExpr>> {
    if let ExprKind::Call(call) = &expression.kind
        && call.over.is_none()
        && !call.is_operator
    {
        if let Some(bound) = grouping.window_auxiliary(call, scope, context)? {
            return Ok(Some(bound));
        }
        if let Some(bound) = grouping.indicator(call, scope, context)? {
            return Ok(Some(bound));
        }
        if is_aggregate(&call.name) {
            return grouping.aggregate(call, expression, scope, context).map(Some);
        }
    }
    if contains_aggregate(expression) || contains_over(expression) {
        return Ok(None);
    }
    let over_input = Scalars::new(scope, context).bind(expression)?;
    if let Some(key) = grouping.key(&over_input) {
        return Ok(Some(key));
    }
    if expressions::columns(&over_input).is_empty() {
        return Ok(Some(over_input));
    }
    match &expression.kind {
        ExprKind::Path(path) if matches!(over_input.kind, TypedKind::Column(_)) => {
            Err(not_grouped(path.to_string(), expression))
        }
        ExprKind::Path(path) => grouping.member_of_key(path, scope, context).and_then(|bound| {
            bound.map_or_else(
                || Err(not_grouped(path.to_string(), expression)),
                |bound| Ok(Some(bound)),
            )
        }),
        _ => Ok(None),
    }
}

fn not_grouped(name: String, expression: &Expr) -> Problem {
    Problem::new(expression.span, format!("Expression '{name}' is not being grouped"))
        .with_hint("add it to GROUP BY, or aggregate it")
}

fn member(value: TypedExpr, name: &Ident) -> Bound<TypedExpr> {
    millrace_expr::field(value, &name.text).map_err(|error| Problem::new(name.span, error.message))
}

fn misused(call: &Call) -> Option<Problem> {
    let name = call.name.to_uppercase();
    let message = if call.star {
        format!("{name}(*) has no meaning; only COUNT(*) has")
    } else if call.distinct {
        format!("DISTINCT is for aggregates; {name} is none")
    } else if call.filter.is_some() {
        format!("FILTER is for aggregates; {name} is none")
    } else {
        return None;
    };
    Some(Problem::new(call.name_span, message))
}

fn call_problem(error: ExprError, call: &Call, expression: &Expr) -> Problem {
    let argument = error.argument.and_then(|at| call.arguments.get(at));
    let span = match argument {
        Some(argument) => argument.span,
        None if call.is_operator => expression.span,
        None => call.name_span,
    };
    Problem::new(span, error.message)
}

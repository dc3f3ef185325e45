//! CASE, COALESCE, IF, NULLIF, IFNULL, GREATEST, LEAST, TYPEOF (section D.5).

use std::cmp::Ordering;
use std::sync::Arc;

use datafusion_physical_expr::PhysicalExpr;
use millrace_dataflow::{DataType, EvalError, TypeRoot};

use super::comparison::never;
use crate::physical::choice::ChoiceExpr;
use crate::physical::logic::{Logic, LogicExpr};
use crate::physical::scope::{Env, Scope};
use crate::registry::{Body, Function, MANY};
use crate::signature::Signature;
use crate::typed::{ExprContext, ExprError, Literal, TypedExpr};
use crate::value::Value;

pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("CASE", (2, MANY), case_type, Body::Node(case)).lazy(),
    Function::new("COALESCE", (1, MANY), coalesce_type, Body::Node(coalesce)).lazy(),
    Function::new("IFNULL", (2, 2), never, Body::Rewrite(|a, ctx| crate::call("COALESCE", a, ctx))),
    Function::new("IF", (3, 3), never, Body::Rewrite(|a, ctx| crate::call("CASE", a, ctx))),
    Function::new("NULLIF", (2, 2), never, Body::Rewrite(null_if)),
    Function::new(
        "GREATEST",
        (1, MANY),
        ordered,
        Body::Strict(|r, _| extreme(r, Ordering::Greater)),
    ),
    Function::new("LEAST", (1, MANY), ordered, Body::Strict(|r, _| extreme(r, Ordering::Less))),
    Function::new("TYPEOF", (1, 2), type_text, Body::Rows(type_of)),
];

/// `condition, value, ..., else`; without an else, NULL.
fn case_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    if call.len().is_multiple_of(2) {
        call.arguments.push(TypedExpr::literal(Literal::Null, TypeRoot::Null.nullable()));
    }
    let last = call.len() - 1;
    (0..last).step_by(2).try_for_each(|index| call.boolean(index))?;
    let values: Vec<usize> = (1..last).step_by(2).chain([last]).collect();
    call.common(values.into_iter())
}

fn case(
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    env: &Arc<Env>,
) -> Result<Arc<dyn PhysicalExpr>, ExprError> {
    Ok(ChoiceExpr::node(env.result.to_arrow(), arguments))
}

/// NOT NULL as soon as one argument is (row C2.2).
fn coalesce_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    let all = 0..call.len();
    let nullable = all.clone().all(|index| call.arguments[index].data_type.nullable);
    Ok(call.common(all)?.with_nullable(nullable))
}

fn coalesce(
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    env: &Arc<Env>,
) -> Result<Arc<dyn PhysicalExpr>, ExprError> {
    Ok(LogicExpr::node(Logic::Coalesce, env.result.to_arrow(), arguments))
}

fn null_if(arguments: Vec<TypedExpr>, ctx: &ExprContext) -> Result<TypedExpr, ExprError> {
    let value = arguments[0].clone();
    let equal = crate::call("=", arguments, ctx)?;
    let null = TypedExpr::literal(Literal::Null, TypeRoot::Null.nullable());
    crate::call("CASE", vec![equal, null, value], ctx)
}

fn ordered(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    let all = 0..call.len();
    call.common(all)
}

fn extreme<'a>(row: &[Value<'a>], wanted: Ordering) -> Result<Value<'a>, EvalError> {
    let mut best = &row[0];
    for value in &row[1..] {
        if value.compare(best) == Some(wanted) {
            best = value;
        }
    }
    Ok(best.clone())
}

fn type_text(_: &mut Signature<'_>) -> Result<DataType, ExprError> {
    Ok(TypeRoot::string().not_null())
}

fn type_of<'a>(_: &[Value<'a>], scope: &mut Scope<'_>) -> Result<Value<'a>, EvalError> {
    Ok(Value::text(scope.env.arguments[0].to_string()))
}

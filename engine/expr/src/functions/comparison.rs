//! `= <> < <= > >=`, IS [NOT] DISTINCT FROM, IN, BETWEEN (section D.1).

use std::sync::Arc;

use arrow::array::types::{Float32Type, Float64Type};
use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{ArrowPrimitiveType, DataType as ArrowType};
use datafusion_expr::Operator;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{BinaryExpr, in_list};
use millrace_dataflow::{DataType, EvalError, TypeRoot};

use crate::coerce::{comparable, comparable_list};
use crate::physical::call::CallExpr;
use crate::physical::logic::{Logic, LogicExpr};
use crate::physical::scope::{Env, Scope};
use crate::registry::{Body, Function, MANY};
use crate::signature::Signature;
use crate::typed::{ExprContext, ExprError, TypedExpr};
use crate::value::Value;

pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("=", (2, 2), equality, Body::Node(|a, env| compare(Operator::Eq, a, env))),
    Function::new("<>", (2, 2), equality, Body::Node(|a, env| compare(Operator::NotEq, a, env))),
    Function::new("<", (2, 2), ordering, Body::Node(|a, env| compare(Operator::Lt, a, env))),
    Function::new("<=", (2, 2), ordering, Body::Node(|a, env| compare(Operator::LtEq, a, env))),
    Function::new(">", (2, 2), ordering, Body::Node(|a, env| compare(Operator::Gt, a, env))),
    Function::new(">=", (2, 2), ordering, Body::Node(|a, env| compare(Operator::GtEq, a, env))),
    Function::new("IS DISTINCT FROM", (2, 2), distinctness, Body::Rows(is_distinct)),
    Function::new("IS NOT DISTINCT FROM", (2, 2), distinctness, Body::Rows(is_not_distinct)),
    Function::new("IN", (2, MANY), membership, Body::Node(is_in)),
    Function::new("BETWEEN", (3, 3), never, Body::Rewrite(between)),
];

/// The typing of a function that is rewritten before typing.
pub(super) fn never(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    Err(ExprError::new(format!("{} is not rewritten", call.name)))
}

fn both(call: &mut Signature<'_>) -> Result<(), ExprError> {
    let right = call.arguments.pop().expect("two arguments");
    let left = call.arguments.pop().expect("two arguments");
    let (left, right) = comparable(left, right)?;
    call.arguments.extend([left, right]);
    Ok(())
}

fn equality(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    both(call)?;
    call.result(TypeRoot::Boolean)
}

fn ordering(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    both(call)?;
    if matches!(
        call.root(0),
        TypeRoot::Array(_) | TypeRoot::Map(_, _) | TypeRoot::Multiset(_) | TypeRoot::Row(_)
    ) {
        return Err(call.error(0, "a type that has an order"));
    }
    call.result(TypeRoot::Boolean)
}

fn distinctness(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    both(call)?;
    Ok(TypeRoot::Boolean.not_null())
}

fn compare(
    operator: Operator,
    mut arguments: Vec<Arc<dyn PhysicalExpr>>,
    env: &Arc<Env>,
) -> Result<Arc<dyn PhysicalExpr>, ExprError> {
    let name = operator_name(operator);
    Ok(match env.arguments[0].root {
        // Arrow orders NaN and -0.0; SQL does not (row C7.5).
        TypeRoot::Float | TypeRoot::Double => {
            CallExpr::arrays(name, float_kernel(operator), env, arguments)
        }
        TypeRoot::Array(_) | TypeRoot::Map(_, _) | TypeRoot::Multiset(_) | TypeRoot::Row(_) => {
            let run = if operator == Operator::Eq { deep_equal } else { deep_unequal };
            CallExpr::strict(name, run, env, arguments)
        }
        _ => {
            let right = arguments.pop().expect("two arguments");
            let left = arguments.pop().expect("two arguments");
            Arc::new(BinaryExpr::new(left, operator, right))
        }
    })
}

fn operator_name(operator: Operator) -> &'static str {
    match operator {
        Operator::Eq => "=",
        Operator::NotEq => "<>",
        Operator::Lt => "<",
        Operator::LtEq => "<=",
        Operator::Gt => ">",
        _ => ">=",
    }
}

fn float_kernel(operator: Operator) -> fn(&[ArrayRef], &Env) -> Result<ArrayRef, EvalError> {
    match operator {
        Operator::Eq => |a, _| floats(a, |a, b| a == b),
        Operator::NotEq => |a, _| floats(a, |a, b| a != b),
        Operator::Lt => |a, _| floats(a, |a, b| a < b),
        Operator::LtEq => |a, _| floats(a, |a, b| a <= b),
        Operator::Gt => |a, _| floats(a, |a, b| a > b),
        _ => |a, _| floats(a, |a, b| a >= b),
    }
}

fn floats(arguments: &[ArrayRef], holds: impl Fn(f64, f64) -> bool) -> Result<ArrayRef, EvalError> {
    fn pairs<T: ArrowPrimitiveType>(
        left: &ArrayRef,
        right: &ArrayRef,
        holds: impl Fn(f64, f64) -> bool,
    ) -> ArrayRef
    where
        T::Native: Into<f64>,
    {
        let (a, b) = (left.as_primitive::<T>().values(), right.as_primitive::<T>().values());
        let values = a.iter().zip(b.iter()).map(|(a, b)| holds((*a).into(), (*b).into())).collect();
        let nulls = NullBuffer::union(left.nulls(), right.nulls());
        Arc::new(BooleanArray::new(values, nulls))
    }
    let (left, right) = (&arguments[0], &arguments[1]);
    Ok(match left.data_type() {
        ArrowType::Float32 => pairs::<Float32Type>(left, right, holds),
        _ => pairs::<Float64Type>(left, right, holds),
    })
}

fn deep_equal<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Result<Value<'a>, EvalError> {
    Ok(Value::Boolean(row[0].same(&row[1])))
}

fn deep_unequal<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Result<Value<'a>, EvalError> {
    Ok(Value::Boolean(!row[0].same(&row[1])))
}

fn is_distinct<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Result<Value<'a>, EvalError> {
    Ok(Value::Boolean(!row[0].same(&row[1])))
}

fn is_not_distinct<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Result<Value<'a>, EvalError> {
    Ok(Value::Boolean(row[0].same(&row[1])))
}

/// Brings value and candidates to one type (row C3.13).
fn membership(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    // Twice: a late candidate may widen the value, and earlier ones follow.
    for _ in 0..2 {
        for index in 1..call.len() {
            let value = call.arguments[0].clone();
            let candidate = call.arguments[index].clone();
            let (value, candidate) = comparable_list(value, candidate)
                .map_err(|error| ExprError::at(index, error.message))?;
            call.arguments[0] = value;
            call.arguments[index] = candidate;
        }
    }
    call.result(TypeRoot::Boolean)
}

fn is_in(
    mut arguments: Vec<Arc<dyn PhysicalExpr>>,
    env: &Arc<Env>,
) -> Result<Arc<dyn PhysicalExpr>, ExprError> {
    let candidates = arguments.split_off(1);
    let value = arguments.pop().expect("typing asks for two arguments");
    let literals = candidates.iter().all(|c| super::logic::is_literal(c.as_ref()));
    let plain = !matches!(
        env.arguments[0].root,
        TypeRoot::Float
            | TypeRoot::Double
            | TypeRoot::Array(_)
            | TypeRoot::Map(_, _)
            | TypeRoot::Multiset(_)
            | TypeRoot::Row(_)
    );
    if literals && plain && !super::logic::is_literal(value.as_ref()) {
        return in_list(value, candidates, &false, &env.schema)
            .map_err(|error| ExprError::new(error.strip_backtrace()));
    }
    let tests = candidates
        .into_iter()
        .map(|candidate| compare(Operator::Eq, vec![value.clone(), candidate], env))
        .collect::<Result<Vec<_>, _>>()?;
    Ok(LogicExpr::node(Logic::Or, ArrowType::Boolean, tests))
}

/// `value >= low AND value <= high`: three-valued (row D1.4).
fn between(arguments: Vec<TypedExpr>, ctx: &ExprContext) -> Result<TypedExpr, ExprError> {
    let [value, low, high]: [TypedExpr; 3] =
        arguments.try_into().map_err(|_| ExprError::new("BETWEEN takes three arguments"))?;
    let (from, low) = comparable_list(value.clone(), low)?;
    let (to, high) = comparable_list(value, high)?;
    let above = crate::call(">=", vec![from, low], ctx)?;
    let below = crate::call("<=", vec![to, high], ctx)?;
    crate::call("AND", vec![above, below], ctx)
}

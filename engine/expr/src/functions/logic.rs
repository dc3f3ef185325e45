//! AND, OR, NOT and the IS tests (rows D1.2, D1.8).

use std::any::Any;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray};
use arrow::datatypes::DataType as ArrowType;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::{IsNotNullExpr, IsNullExpr, Literal, NotExpr};
use millrace_dataflow::{DataType, EvalError, TypeRoot};

use crate::physical::logic::{Logic, LogicExpr};
use crate::registry::{Body, Function, MANY};
use crate::signature::Signature;
use crate::typed::ExprError;

pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("AND", (2, MANY), booleans, Body::Node(|a, _| Ok(logic(Logic::And, a)))).lazy(),
    Function::new("OR", (2, MANY), booleans, Body::Node(|a, _| Ok(logic(Logic::Or, a)))).lazy(),
    Function::new("NOT", (1, 1), booleans, Body::Node(|a, _| Ok(Arc::new(NotExpr::new(only(a)))))),
    Function::new(
        "IS NULL",
        (1, 1),
        anything,
        Body::Node(|a, _| Ok(Arc::new(IsNullExpr::new(only(a))))),
    ),
    Function::new(
        "IS NOT NULL",
        (1, 1),
        anything,
        Body::Node(|a, _| Ok(Arc::new(IsNotNullExpr::new(only(a))))),
    ),
    Function::new("IS TRUE", (1, 1), test, Body::Arrays(|a, _| tested(a, |v| v == Some(true)))),
    Function::new("IS NOT TRUE", (1, 1), test, Body::Arrays(|a, _| tested(a, |v| v != Some(true)))),
    Function::new("IS FALSE", (1, 1), test, Body::Arrays(|a, _| tested(a, |v| v == Some(false)))),
    Function::new(
        "IS NOT FALSE",
        (1, 1),
        test,
        Body::Arrays(|a, _| tested(a, |v| v != Some(false))),
    ),
    Function::new("IS UNKNOWN", (1, 1), test, Body::Arrays(|a, _| tested(a, |v| v.is_none()))),
    Function::new("IS NOT UNKNOWN", (1, 1), test, Body::Arrays(|a, _| tested(a, |v| v.is_some()))),
];

/// The one argument of a unary function, whose number typing has checked.
pub(super) fn only(mut arguments: Vec<Arc<dyn PhysicalExpr>>) -> Arc<dyn PhysicalExpr> {
    arguments.pop().expect("typing asks for one argument")
}

pub(crate) fn literal(expression: &dyn PhysicalExpr) -> Option<&Literal> {
    (expression as &dyn Any).downcast_ref::<Literal>()
}

pub(crate) fn is_literal(expression: &dyn PhysicalExpr) -> bool {
    literal(expression).is_some()
}

fn logic(logic: Logic, arguments: Vec<Arc<dyn PhysicalExpr>>) -> Arc<dyn PhysicalExpr> {
    LogicExpr::node(logic, ArrowType::Boolean, arguments)
}

fn booleans(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    (0..call.len()).try_for_each(|index| call.boolean(index))?;
    call.result(TypeRoot::Boolean)
}

fn anything(_: &mut Signature<'_>) -> Result<DataType, ExprError> {
    Ok(TypeRoot::Boolean.not_null())
}

fn test(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.boolean(0)?;
    Ok(TypeRoot::Boolean.not_null())
}

fn tested(
    arguments: &[ArrayRef],
    holds: impl Fn(Option<bool>) -> bool,
) -> Result<ArrayRef, EvalError> {
    let values = arguments[0].as_boolean();
    let results = (0..values.len())
        .map(|row| holds(values.is_valid(row).then(|| values.value(row))))
        .collect::<Vec<bool>>();
    Ok(Arc::new(BooleanArray::from(results)))
}

//! `+ - * / %` and NEGATE, of numbers, intervals and times (rows C6.1 to C7.3).

use std::sync::Arc;

use datafusion_expr::Operator;
use datafusion_physical_expr::PhysicalExpr;
use datafusion_physical_expr::expressions::BinaryExpr;
use millrace_dataflow::{DataType, EvalError, TypeRoot};

use super::interval;
use crate::cast::Cast;
use crate::coerce::common_numeric;
use crate::decimal::{arithmetic_type, as_decimal};
use crate::physical::arithmetic::arithmetic;
use crate::physical::call::CallExpr;
use crate::physical::cast::CastExpr;
use crate::physical::scope::{Env, Scope};
use crate::registry::{ArrayFunction, Body, Function};
use crate::signature::Signature;
use crate::typed::ExprError;
use crate::value::Value;

pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("+", (2, 2), sum_type, Body::Node(|a, env| node('+', a, env))),
    Function::new("-", (2, 2), sum_type, Body::Node(|a, env| node('-', a, env))),
    Function::new("*", (2, 2), product_type, Body::Node(|a, env| node('*', a, env))),
    Function::new("/", (2, 2), product_type, Body::Node(|a, env| node('/', a, env))),
    Function::new("%", (2, 2), modulo_type, Body::Node(modulo)),
    Function::new("NEGATE", (1, 1), negate_type, Body::Strict(negate)),
];

fn is_interval(root: &TypeRoot) -> bool {
    matches!(root, TypeRoot::IntervalYearMonth | TypeRoot::IntervalDayTime)
}

fn is_datetime(root: &TypeRoot) -> bool {
    matches!(root, TypeRoot::Date | TypeRoot::Time) || root.is_timestamp()
}

/// Gives an untyped NULL the type of the other side.
fn settle_nulls(call: &mut Signature<'_>) {
    for (index, other) in [(0, 1), (1, 0)] {
        if *call.root(index) == TypeRoot::Null {
            let root = match call.root(other) {
                TypeRoot::Null => TypeRoot::Int,
                root if is_datetime(root) => TypeRoot::IntervalDayTime,
                root => root.clone(),
            };
            call.cast(index, &root);
        }
    }
}

fn sum_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    settle_nulls(call);
    let (left, right) = (call.root(0).clone(), call.root(1).clone());
    if is_interval(&left) && left == right {
        return call.result(left);
    }
    if is_datetime(&left) && is_interval(&right) {
        return call.result(left);
    }
    if is_interval(&left) && is_datetime(&right) && call.name == "+" {
        return call.result(right);
    }
    if is_datetime(&left) && is_datetime(&right) {
        return Err(ExprError::new(format!(
            "{left} {} {right} has no meaning; use TIMESTAMPDIFF for the difference of two times",
            call.name
        )));
    }
    numeric_type(call)
}

fn product_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    settle_nulls(call);
    let (left, right) = (call.root(0).clone(), call.root(1).clone());
    if is_interval(&left) && right.is_numeric() {
        return call.result(left);
    }
    if call.name == "*" && left.is_numeric() && is_interval(&right) {
        return call.result(right);
    }
    numeric_type(call)
}

fn numeric_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    let (left, right) = (call.root(0).clone(), call.root(1).clone());
    for (index, root) in [(0, &left), (1, &right)] {
        if !root.is_numeric() {
            return Err(call.error(index, "a number"));
        }
    }
    let decimal =
        matches!(left, TypeRoot::Decimal { .. }) || matches!(right, TypeRoot::Decimal { .. });
    if decimal && let (Some(a), Some(b)) = (as_decimal(&left), as_decimal(&right)) {
        for (index, (precision, scale)) in [(0, a), (1, b)] {
            call.cast(index, &TypeRoot::Decimal { precision, scale });
        }
        return call.result(arithmetic_type(call.name, a, b));
    }
    let common = common_numeric(&left, &right).expect("two numbers have a common type");
    call.cast(0, &common);
    call.cast(1, &common);
    call.result(common)
}

/// The type of the second argument, except for DECIMAL (Flink: `ARG1_NULLABLE`).
fn modulo_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    settle_nulls(call);
    let second = call.root(1).clone();
    let computed = numeric_type(call)?;
    if matches!(computed.root, TypeRoot::Decimal { .. }) {
        return Ok(computed);
    }
    call.result(second)
}

fn negate_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    if !is_interval(call.root(0)) {
        call.numeric(0)?;
    }
    call.result(call.root(0).clone())
}

fn node(
    operator: char,
    mut arguments: Vec<Arc<dyn PhysicalExpr>>,
    env: &Arc<Env>,
) -> Result<Arc<dyn PhysicalExpr>, ExprError> {
    let (left, right) = (&env.arguments[0].root, &env.arguments[1].root);
    if !left.is_numeric() || !right.is_numeric() {
        return Ok(interval::node(operator, arguments, env));
    }
    let plain = match (operator, left) {
        (_, TypeRoot::Decimal { .. }) => None,
        ('+', _) => Some(Operator::Plus),
        ('-', _) => Some(Operator::Minus),
        ('*', _) => Some(Operator::Multiply),
        _ => None,
    };
    Ok(match plain {
        // DataFusion's wraps like Flink's, and takes constants without a column.
        Some(operator) => {
            let right = arguments.pop().expect("two arguments");
            let left = arguments.pop().expect("two arguments");
            Arc::new(BinaryExpr::new(left, operator, right))
        }
        None => CallExpr::arrays(symbol(operator), kernel(operator), env, arguments),
    })
}

fn symbol(operator: char) -> &'static str {
    match operator {
        '+' => "+",
        '-' => "-",
        '*' => "*",
        '/' => "/",
        _ => "%",
    }
}

fn kernel(operator: char) -> ArrayFunction {
    match operator {
        '+' => |a, env| arithmetic('+', a, env),
        '-' => |a, env| arithmetic('-', a, env),
        '*' => |a, env| arithmetic('*', a, env),
        '/' => |a, env| arithmetic('/', a, env),
        _ => |a, env| arithmetic('%', a, env),
    }
}

/// Computed in the common type, given in the second argument's.
fn modulo(
    arguments: Vec<Arc<dyn PhysicalExpr>>,
    env: &Arc<Env>,
) -> Result<Arc<dyn PhysicalExpr>, ExprError> {
    let common = &env.arguments[0].root;
    if matches!(common, TypeRoot::Decimal { .. }) || *common == env.result.root {
        return Ok(CallExpr::arrays("%", kernel('%'), env, arguments));
    }
    let computed = DataType { root: common.clone(), nullable: env.result.nullable };
    let inner = Arc::new(Env { result: computed.clone(), ..(**env).clone() });
    let value = CallExpr::arrays("%", kernel('%'), &inner, arguments);
    let cast = Cast { from: computed, to: env.result.clone(), try_cast: false, zone: env.zone };
    Ok(CastExpr::node(cast, value))
}

fn negate<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Result<Value<'a>, EvalError> {
    Ok(match &row[0] {
        // Narrower integers wrap when the column is built.
        Value::Integer(value) => Value::Integer(value.wrapping_neg()),
        Value::Decimal(value) => Value::Decimal(-value),
        Value::Float(value) => Value::Float(-value),
        other => {
            return Err(EvalError::new(format!(
                "cannot negate {other:?} of type {}",
                scope.env.result
            )));
        }
    })
}

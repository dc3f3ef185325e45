//! What a batch's context says: the processing time and the watermark
//! (rows D4.1 to D4.5, D4.16).

use std::sync::Arc;

use datafusion_physical_expr::PhysicalExpr;
use millrace_dataflow::{DataType, EvalError, TypeRoot};

use crate::physical::call::CallExpr;
use crate::physical::context::{Hidden, HiddenColumn};
use crate::physical::scope::{Env, Scope};
use crate::registry::{Body, Function, RowFunction};
use crate::signature::Signature;
use crate::text::datetime::{MILLIS_PER_DAY, NANOS_PER_MILLI};
use crate::typed::ExprError;
use crate::value::Value;

pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new(
        "PROCTIME",
        (0, 0),
        instant,
        Body::Node(|_, env| Ok(now("PROCTIME", as_instant, env))),
    )
    .volatile(),
    Function::new(
        "CURRENT_TIMESTAMP",
        (0, 0),
        instant,
        Body::Node(|_, env| Ok(now("CURRENT_TIMESTAMP", as_instant, env))),
    )
    .volatile(),
    Function::new(
        "LOCALTIMESTAMP",
        (0, 0),
        wall_clock,
        Body::Node(|_, env| Ok(now("LOCALTIMESTAMP", as_wall_clock, env))),
    )
    .volatile(),
    Function::new(
        "CURRENT_DATE",
        (0, 0),
        today,
        Body::Node(|_, env| Ok(now("CURRENT_DATE", as_date, env))),
    )
    .volatile(),
    Function::new(
        "CURRENT_TIME",
        (0, 0),
        time,
        Body::Node(|_, env| Ok(now("CURRENT_TIME", as_time, env))),
    )
    .volatile(),
    Function::new(
        "LOCALTIME",
        (0, 0),
        time,
        Body::Node(|_, env| Ok(now("LOCALTIME", as_time, env))),
    )
    .volatile(),
    Function::new(
        "CURRENT_WATERMARK",
        (1, 1),
        watermark_type,
        Body::Node(|_, env| Ok(watermark(env))),
    )
    .volatile(),
    Function::new(
        "CURRENT_DATABASE",
        (0, 0),
        database,
        Body::Rows(|_, _| Ok(Value::text("default_database"))),
    ),
];

fn instant(_: &mut Signature<'_>) -> Result<DataType, ExprError> {
    Ok(TypeRoot::TimestampLtz { precision: 3 }.not_null())
}

fn wall_clock(_: &mut Signature<'_>) -> Result<DataType, ExprError> {
    Ok(TypeRoot::Timestamp { precision: 3 }.not_null())
}

fn today(_: &mut Signature<'_>) -> Result<DataType, ExprError> {
    Ok(TypeRoot::Date.not_null())
}

fn time(_: &mut Signature<'_>) -> Result<DataType, ExprError> {
    Ok(TypeRoot::Time.not_null())
}

fn database(_: &mut Signature<'_>) -> Result<DataType, ExprError> {
    Ok(TypeRoot::string().not_null())
}

/// The same kind as the rowtime, with precision 3 (row D4.5).
fn watermark_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    Ok(match call.root(0) {
        TypeRoot::Timestamp { .. } => TypeRoot::Timestamp { precision: 3 }.nullable(),
        TypeRoot::TimestampLtz { .. } => TypeRoot::TimestampLtz { precision: 3 }.nullable(),
        _ => return Err(call.error(0, "a rowtime column")),
    })
}

/// Milliseconds of the processing time through `run`.
pub(super) fn now(name: &'static str, run: RowFunction, env: &Arc<Env>) -> Arc<dyn PhysicalExpr> {
    CallExpr::strict(name, run, env, vec![HiddenColumn::node(Hidden::ProcessingTime)])
}

fn watermark(env: &Arc<Env>) -> Arc<dyn PhysicalExpr> {
    let hidden = vec![HiddenColumn::node(Hidden::Watermark)];
    CallExpr::strict("CURRENT_WATERMARK", as_instant, env, hidden)
}

fn nanos(row: &[Value<'_>]) -> i128 {
    i128::from(row[0].as_int()) * NANOS_PER_MILLI
}

fn local_millis(row: &[Value<'_>], scope: &Scope<'_>) -> i64 {
    (scope.zone().to_local(nanos(row)).div_euclid(NANOS_PER_MILLI)) as i64
}

fn as_instant<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Result<Value<'a>, EvalError> {
    Ok(Value::Timestamp(nanos(row)))
}

fn as_wall_clock<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Result<Value<'a>, EvalError> {
    Ok(Value::Timestamp(scope.zone().to_local(nanos(row))))
}

fn as_date<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Result<Value<'a>, EvalError> {
    Ok(Value::Integer(local_millis(row, scope).div_euclid(MILLIS_PER_DAY)))
}

/// Keeps its milliseconds (row C8.5).
fn as_time<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Result<Value<'a>, EvalError> {
    Ok(Value::Integer(local_millis(row, scope).rem_euclid(MILLIS_PER_DAY)))
}

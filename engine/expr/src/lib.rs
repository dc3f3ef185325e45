//! Scalar expressions by Flink's rules: typing, implicit casts, functions, and
//! evaluation over Arrow through DataFusion's physical expressions, with our own
//! functions wherever Flink's meaning differs.
//!
//! Flow: the SQL front end turns each parsed operator or function into
//! [`call`] / [`cast`] on typed children, gets a [`TypedExpr`] or an [`ExprError`]
//! that says what is wrong with which argument, and at the end asks [`lower`] for
//! something that runs.
//!
//! Must not know: sql, plan, runtime, state, connectors. Reads no clock.

mod aggregate;
mod cast;
mod coerce;
mod decimal;
mod digest;
mod functions;
mod lower;
mod physical;
mod registry;
mod signature;
#[cfg(test)]
mod tests;
mod text;
mod typed;
mod value;
mod zone;

pub use typed::{ExprContext, ExprError, Literal, TypedExpr, TypedKind};

use millrace_dataflow::{DataType, Expression, TypeRoot};

use crate::registry::{Body, Function, MANY};
use crate::signature::Signature;

/// Resolves an operator or function by Flink's name and types its result,
/// inserting implicit casts (section C.3).
///
/// Operators are functions too, named in upper case as Flink prints them:
/// `+ - * / % ||`, `= <> < <= > >=`, `AND OR NOT`, unary `NEGATE`,
/// `IS NULL`, `IS NOT NULL`, `IS TRUE`, `IS NOT TRUE`, `IS FALSE`, `IS NOT FALSE`,
/// `IS UNKNOWN`, `IS NOT UNKNOWN`, `IS DISTINCT FROM`, `IS NOT DISTINCT FROM`,
/// `LIKE` (2 or 3 arguments: escape), `SIMILAR TO`, `IN` (value, then candidates),
/// `BETWEEN` (value, low, high), `CASE` (condition, value, ..., else),
/// `COALESCE`, `ITEM` (array or map, index or key), `FIELD` is [`field`],
/// `ARRAY`, `MAP`, `ROW`, `EXTRACT`/`FLOOR`/`CEIL`/`TIMESTAMPADD`/`TIMESTAMPDIFF`
/// with the unit as a leading CHAR literal (`'MONTH'`), `TRIM` with the mode as a
/// leading CHAR literal (`'BOTH'`, `'LEADING'`, `'TRAILING'`), the trim set and the
/// string, `POSITION`, `OVERLAY`, `SUBSTRING`, `OVERLAPS` (four arguments).
///
/// Clauses of JSON functions are CHAR literals behind the path:
/// `IS [NOT] JSON [VALUE|SCALAR|ARRAY|OBJECT]` are names of their own;
/// `JSON_EXISTS(json, path[, on error])`;
/// `JSON_VALUE(json, path)` or all of `JSON_VALUE(json, path, 'STRING'|'BOOLEAN'|
/// 'INTEGER'|'DOUBLE', 'NULL'|'ERROR'|'DEFAULT' on empty, its default, the same on
/// error, its default)`;
/// `JSON_QUERY(json, path[, 'WITHOUT'|'CONDITIONAL'|'UNCONDITIONAL'[, 'NULL'|
/// 'EMPTY ARRAY'|'EMPTY OBJECT'|'ERROR' on empty[, the same on error]]])`;
/// `JSON_OBJECT` and `JSON_OBJECT ABSENT ON NULL` (key, value, ...), `JSON_ARRAY` and
/// `JSON_ARRAY NULL ON NULL`.
/// Names match case-insensitively.
///
/// # Errors
/// The function is unknown (with the nearest names), is newer than the level (with
/// the level that has it), or does not take these types.
pub fn call(
    name: &str,
    arguments: Vec<TypedExpr>,
    ctx: &ExprContext,
) -> Result<TypedExpr, ExprError> {
    let function = registry::resolve(name, ctx.level)?;
    check_arity(function, arguments.len())?;
    if let Body::Rewrite(rewrite) = function.body {
        return rewrite(arguments, ctx);
    }
    let mut arguments = arguments;
    let mut signature = Signature { name: function.name, arguments: &mut arguments };
    let data_type = (function.typing)(&mut signature)?;
    let kind = TypedKind::Call { function: function.name.to_owned(), arguments };
    Ok(TypedExpr { kind, data_type })
}

fn check_arity(function: &Function, given: usize) -> Result<(), ExprError> {
    if (function.least..=function.most).contains(&given) {
        return Ok(());
    }
    let wanted = match (function.least, function.most) {
        (least, MANY) => format!("at least {least}"),
        (least, most) if least == most => least.to_string(),
        (least, most) => format!("{least} to {most}"),
    };
    Err(ExprError::new(format!("{} takes {wanted} arguments, not {given}", function.name)))
}

/// `CAST(x AS t)`, or `TRY_CAST` when `try_cast` (section C.5).
///
/// # Errors
/// The pair of types cannot be cast.
pub fn cast(
    value: TypedExpr,
    target: DataType,
    try_cast: bool,
    ctx: &ExprContext,
) -> Result<TypedExpr, ExprError> {
    let _ = ctx;
    let from = &value.data_type;
    cast::check(&from.root, &target.root)?;
    let nullable = from.nullable || from.root == TypeRoot::Null || try_cast;
    if from.root == target.root && !try_cast {
        return Ok(value);
    }
    let data_type = DataType { root: target.root, nullable };
    let kind = TypedKind::Cast { value: Box::new(value), try_cast };
    Ok(TypedExpr { kind, data_type })
}

/// The cast that INSERT and UNION put in by themselves (rows C3.1 to C3.11, A5.2,
/// A5.3), or `None` when there is none.
pub fn implicit_cast(value: TypedExpr, target: &DataType, ctx: &ExprContext) -> Option<TypedExpr> {
    let _ = ctx;
    if !coerce::is_implicit(&value.data_type.root, &target.root) {
        return None;
    }
    Some(coerce::cast_to(value, &target.root))
}

/// The type that CASE, COALESCE, UNION and IN bring several types to.
pub fn common_type(types: &[DataType]) -> Option<DataType> {
    coerce::common_type(types)
}

/// A member of a ROW.
///
/// # Errors
/// The value is no ROW or has no such member.
pub fn field(value: TypedExpr, name: &str) -> Result<TypedExpr, ExprError> {
    let TypeRoot::Row(fields) = &value.data_type.root else {
        return Err(ExprError::new(format!(
            "{} has no fields; '{name}' was asked of it",
            value.data_type.root
        )));
    };
    let Some(index) = fields.iter().position(|field| field.name == name) else {
        let names: Vec<&str> = fields.iter().map(|field| field.name.as_str()).collect();
        return Err(ExprError::new(format!(
            "the row has no field '{name}'; it has {}",
            names.join(", ")
        )));
    };
    let member = &fields[index].data_type;
    let data_type = member.clone().with_nullable(member.nullable || value.data_type.nullable);
    Ok(TypedExpr { kind: TypedKind::Field { value: Box::new(value), index }, data_type })
}

/// The result type of an aggregate function (rows D8.1 to D8.8), or why it does not
/// take these arguments.
///
/// # Errors
/// Unknown aggregate, or arguments it does not take.
pub fn aggregate_type(function: &str, arguments: &[DataType]) -> Result<DataType, ExprError> {
    aggregate::aggregate_type(function, arguments)
}

/// Something that runs. Constant subexpressions are folded.
///
/// # Errors
/// A constant part fails, for example a division by zero.
pub fn lower(expression: &TypedExpr, ctx: &ExprContext) -> Result<Expression, ExprError> {
    lower::lower(expression, ctx)
}

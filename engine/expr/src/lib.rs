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

mod typed;

pub use typed::{ExprContext, ExprError, Literal, TypedExpr, TypedKind};

use millrace_dataflow::{DataType, Expression};

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
/// string, `POSITION`, `OVERLAY`, `SUBSTRING`.
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
    let _ = (arguments, ctx);
    Err(ExprError::new(format!("unknown function {name}")))
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
    let _ = (value, try_cast, ctx);
    Err(ExprError::new(format!("cannot cast to {target}")))
}

/// The cast that INSERT and UNION put in by themselves (rows C3.1 to C3.11, A5.2,
/// A5.3), or `None` when there is none.
pub fn implicit_cast(value: TypedExpr, target: &DataType, ctx: &ExprContext) -> Option<TypedExpr> {
    let _ = (target, ctx);
    Some(value)
}

/// The type that CASE, COALESCE, UNION and IN bring several types to.
pub fn common_type(types: &[DataType]) -> Option<DataType> {
    types.first().cloned()
}

/// A member of a ROW.
///
/// # Errors
/// The value is no ROW or has no such member.
pub fn field(value: TypedExpr, name: &str) -> Result<TypedExpr, ExprError> {
    let _ = value;
    Err(ExprError::new(format!("no field {name}")))
}

/// The result type of an aggregate function (rows D8.1 to D8.8), or why it does not
/// take these arguments.
///
/// # Errors
/// Unknown aggregate, or arguments it does not take.
pub fn aggregate_type(function: &str, arguments: &[DataType]) -> Result<DataType, ExprError> {
    let _ = arguments;
    Err(ExprError::new(format!("unknown aggregate {function}")))
}

/// Something that runs. Constant subexpressions are folded.
///
/// # Errors
/// A constant part fails, for example a division by zero.
pub fn lower(expression: &TypedExpr, ctx: &ExprContext) -> Result<Expression, ExprError> {
    let _ = (expression, ctx);
    Err(ExprError::new("cannot lower"))
}

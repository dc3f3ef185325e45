//! Reading JSON: IS JSON, JSON_EXISTS, JSON_VALUE, JSON_QUERY (rows D7.1 to D7.5).

use millrace_dataflow::{DataType, EvalError, TypeRoot};
use serde_json::Value as Json;

use crate::physical::scope::Scope;
use crate::registry::{Body, Function};
use crate::signature::Signature;
use crate::text::json::{Path, scalar_text, to_text};
use crate::typed::ExprError;
use crate::value::Value;

type Outcome<'a> = Result<Value<'a>, EvalError>;

pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("IS JSON", (1, 1), is_json_type, Body::Rows(|r, _| is_json(r, |_| true, true))),
    Function::new(
        "IS JSON VALUE",
        (1, 1),
        is_json_type,
        Body::Rows(|r, _| is_json(r, |_| true, true)),
    ),
    Function::new(
        "IS JSON SCALAR",
        (1, 1),
        is_json_type,
        Body::Rows(|r, _| is_json(r, is_scalar, true)),
    ),
    Function::new(
        "IS JSON ARRAY",
        (1, 1),
        is_json_type,
        Body::Rows(|r, _| is_json(r, Json::is_array, true)),
    ),
    Function::new(
        "IS JSON OBJECT",
        (1, 1),
        is_json_type,
        Body::Rows(|r, _| is_json(r, Json::is_object, true)),
    ),
    Function::new(
        "IS NOT JSON",
        (1, 1),
        is_json_type,
        Body::Rows(|r, _| is_json(r, |_| true, false)),
    ),
    Function::new(
        "IS NOT JSON VALUE",
        (1, 1),
        is_json_type,
        Body::Rows(|r, _| is_json(r, |_| true, false)),
    ),
    Function::new(
        "IS NOT JSON SCALAR",
        (1, 1),
        is_json_type,
        Body::Rows(|r, _| is_json(r, is_scalar, false)),
    ),
    Function::new(
        "IS NOT JSON ARRAY",
        (1, 1),
        is_json_type,
        Body::Rows(|r, _| is_json(r, Json::is_array, false)),
    ),
    Function::new(
        "IS NOT JSON OBJECT",
        (1, 1),
        is_json_type,
        Body::Rows(|r, _| is_json(r, Json::is_object, false)),
    ),
    Function::new("JSON_EXISTS", (2, 3), exists_type, Body::Strict(exists)),
    Function::new("JSON_VALUE", (2, 7), value_type, Body::Rows(value)),
    Function::new("JSON_QUERY", (2, 5), query_type, Body::Strict(query)),
];

fn is_scalar(value: &Json) -> bool {
    !value.is_array() && !value.is_object()
}

fn is_json_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.character(0)?;
    Ok(TypeRoot::Boolean.not_null())
}

/// NULL is no JSON.
fn is_json<'a>(row: &[Value<'a>], holds: fn(&Json) -> bool, wanted: bool) -> Outcome<'a> {
    let parsed = match &row[0] {
        Value::String(text) => serde_json::from_str::<Json>(text).ok(),
        _ => None,
    };
    Ok(Value::Boolean(parsed.is_some_and(|json| holds(&json)) == wanted))
}

/// What the path leads to: nothing in lax mode is empty, in strict mode an error.
enum Found {
    Value(Json),
    Empty,
    Failed(String),
}

/// # Errors
/// The path itself is illegal, which no ON ERROR clause covers.
fn look_up(row: &[Value<'_>]) -> Result<(Found, bool), EvalError> {
    let path = Path::parse(row[1].as_str()).map_err(EvalError::new)?;
    let found = match serde_json::from_str::<Json>(row[0].as_str()) {
        Err(error) => Found::Failed(format!("no valid JSON: {error}")),
        Ok(json) => match path.find(&json) {
            Some(Json::Null) => Found::Empty,
            Some(value) => Found::Value(value),
            None if path.strict => Found::Failed(format!("nothing at path '{}'", row[1].as_str())),
            None => Found::Empty,
        },
    };
    Ok((found, path.strict))
}

fn exists_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.characters()?;
    call.result(TypeRoot::Boolean)
}

/// Third argument: TRUE, FALSE, UNKNOWN or ERROR on error.
fn exists<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    match look_up(row)?.0 {
        Found::Value(_) => Ok(Value::Boolean(true)),
        Found::Empty => Ok(Value::Boolean(false)),
        Found::Failed(reason) => match row.get(2).map_or("FALSE", Value::as_str) {
            "TRUE" => Ok(Value::Boolean(true)),
            "UNKNOWN" => Ok(Value::Null),
            "ERROR" => Err(EvalError::new(reason)),
            _ => Ok(Value::Boolean(false)),
        },
    }
}

/// Text, path; then RETURNING type, on empty, its default, on error, its default.
fn value_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.character(0)?;
    call.character(1)?;
    if call.len() == 2 {
        return Ok(TypeRoot::string().nullable());
    }
    if call.len() != 7 {
        return Err(ExprError::new("JSON_VALUE takes all of its clauses or none"));
    }
    let root = match call.constant_text(2).unwrap_or_default() {
        "BOOLEAN" => TypeRoot::Boolean,
        "INTEGER" | "INT" => TypeRoot::Int,
        "DOUBLE" => TypeRoot::Double,
        "" | "STRING" | "VARCHAR" => TypeRoot::string(),
        other => return Err(ExprError::at(2, format!("JSON_VALUE does not return {other}"))),
    };
    for index in [4, 6] {
        let null = *call.root(index) == TypeRoot::Null;
        if null || crate::coerce::is_implicit(call.root(index), &root) {
            call.cast(index, &root);
        } else {
            return Err(call.error(index, &root.to_string()));
        }
    }
    Ok(root.nullable())
}

fn value<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    if row[0].is_null() || row[1].is_null() {
        return Ok(Value::Null);
    }
    let (found, strict) = look_up(row)?;
    match found {
        Found::Value(json) if is_scalar(&json) => typed(&json, &scope.env.result.root),
        Found::Value(_) if strict => otherwise(row, 5, "the value is no scalar"),
        Found::Value(_) | Found::Empty => otherwise(row, 3, "no scalar at the path"),
        Found::Failed(reason) => otherwise(row, 5, &reason),
    }
}

/// What the clause at `index` says: NULL, ERROR, or the default behind it.
fn otherwise<'a>(row: &[Value<'a>], index: usize, reason: &str) -> Outcome<'a> {
    match row.get(index).map_or("NULL", Value::as_str) {
        "ERROR" => Err(EvalError::new(reason)),
        "DEFAULT" => Ok(row[index + 1].clone()),
        _ => Ok(Value::Null),
    }
}

/// A value of another kind than RETURNING says fails the job (row C8.3).
fn typed<'a>(json: &Json, root: &TypeRoot) -> Outcome<'a> {
    let value = match root {
        TypeRoot::Boolean => json.as_bool().map(Value::Boolean),
        TypeRoot::Int => json.as_i64().map(Value::Integer),
        TypeRoot::Double if json.is_f64() => json.as_f64().map(Value::Float),
        TypeRoot::Double => None,
        _ => Some(Value::text(scalar_text(json))),
    };
    value.ok_or_else(|| EvalError::new(format!("the value is no {root}")))
}

/// Text, path; then wrapper, on empty, on error.
fn query_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.characters()?;
    Ok(TypeRoot::string().nullable())
}

fn query<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let (found, strict) = look_up(row)?;
    let json = match found {
        Found::Failed(reason) => return instead(row, 4, &reason),
        Found::Empty => return instead(row, 3, "nothing at the path"),
        Found::Value(json) => json,
    };
    let json = match row.get(2).map_or("WITHOUT", Value::as_str) {
        "UNCONDITIONAL" => Json::Array(vec![json]),
        "CONDITIONAL" if !json.is_array() => Json::Array(vec![json]),
        _ => json,
    };
    if is_scalar(&json) {
        return instead(row, if strict { 4 } else { 3 }, "the value is a scalar");
    }
    Ok(Value::text(to_text(&json)))
}

/// NULL, EMPTY ARRAY, EMPTY OBJECT or ERROR.
fn instead<'a>(row: &[Value<'a>], index: usize, reason: &str) -> Outcome<'a> {
    match row.get(index).map_or("NULL", Value::as_str) {
        "EMPTY ARRAY" => Ok(Value::text("[]")),
        "EMPTY OBJECT" => Ok(Value::text("{}")),
        "ERROR" => Err(EvalError::new(reason)),
        _ => Ok(Value::Null),
    }
}

//! REGEXP, REGEXP_EXTRACT, REGEXP_REPLACE (rows D3.12 to D3.14).

use millrace_dataflow::{DataType, EvalError, TypeRoot};
use regex::NoExpand;

use crate::physical::scope::Scope;
use crate::registry::{Body, Function};
use crate::signature::{Signature, strings_to_boolean, strings_to_string};
use crate::typed::ExprError;
use crate::value::Value;

type Outcome<'a> = Result<Value<'a>, EvalError>;

pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("REGEXP", (2, 2), strings_to_boolean, Body::Strict(regexp)),
    Function::new("REGEXP_EXTRACT", (2, 3), extract_type, Body::Strict(extract)),
    Function::new("REGEXP_REPLACE", (3, 3), strings_to_string, Body::Strict(replace)),
];

/// A bad regular expression is FALSE.
fn regexp<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    let found = scope.regex(row[1].as_str())?.is_some_and(|regex| regex.is_match(row[0].as_str()));
    Ok(Value::Boolean(found))
}

fn extract_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.character(0)?;
    call.character(1)?;
    if call.len() == 3 {
        call.integer(2)?;
    }
    Ok(TypeRoot::string().nullable())
}

fn extract<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    let Ok(group) = usize::try_from(row.get(2).map_or(0, Value::as_int)) else {
        return Ok(Value::Null);
    };
    let Some(regex) = scope.regex(row[1].as_str())? else { return Ok(Value::Null) };
    let found = regex.captures(row[0].as_str()).and_then(|captures| captures.get(group));
    Ok(found.map_or(Value::Null, |found| Value::text(found.as_str().to_owned())))
}

/// The replacement is plain text: `$1` stays (row D3.12).
fn replace<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    let Some(regex) = scope.regex(row[1].as_str())? else { return Ok(Value::Null) };
    let replaced = regex.replace_all(row[0].as_str(), NoExpand(row[2].as_str()));
    Ok(Value::text(replaced.into_owned()))
}

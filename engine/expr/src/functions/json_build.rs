//! Writing JSON: JSON_STRING, JSON_OBJECT, JSON_ARRAY (rows D7.6 to D7.8).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use millrace_dataflow::{DataType, EvalError, TypeRoot};

use crate::cast::to_text as cast_text;
use crate::decimal;
use crate::physical::scope::Scope;
use crate::registry::{Body, Function, MANY};
use crate::signature::Signature;
use crate::text::json::quote;
use crate::text::number::{double_to_text, float_to_text};
use crate::typed::{ExprError, Literal, TypedExpr, TypedKind};
use crate::value::Value;
use crate::zone::Zone;

type Outcome<'a> = Result<Value<'a>, EvalError>;

pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("JSON_STRING", (1, 1), string_type, Body::Strict(string)),
    Function::new("JSON_OBJECT", (0, MANY), object_type, Body::Rows(|r, s| object(r, s, true))),
    Function::new(
        "JSON_OBJECT ABSENT ON NULL",
        (0, MANY),
        object_type,
        Body::Rows(|r, s| object(r, s, false)),
    ),
    Function::new("JSON_ARRAY", (0, MANY), array_type, Body::Rows(|r, s| array(r, s, false))),
    Function::new(
        "JSON_ARRAY NULL ON NULL",
        (0, MANY),
        array_type,
        Body::Rows(|r, s| array(r, s, true)),
    ),
];

fn string_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.result(TypeRoot::string())
}

fn string<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    let mut out = String::new();
    write(&mut out, &row[0], &scope.env.arguments[0].root, scope.zone())?;
    Ok(Value::text(out))
}

/// Puts in front which arguments are JSON already: those that JSON_OBJECT or
/// JSON_ARRAY made stand as they are, other strings are quoted (row D7.7).
fn mark_nested(call: &mut Signature<'_>) {
    let marks: String = call
        .arguments
        .iter()
        .map(|argument| match &argument.kind {
            TypedKind::Call { function, .. }
                if function.starts_with("JSON_OBJECT") || function.starts_with("JSON_ARRAY") =>
            {
                'j'
            }
            _ => '.',
        })
        .collect();
    let length = marks.len() as u32;
    let marks = TypedExpr::literal(Literal::String(marks), TypeRoot::VarChar(length).not_null());
    call.arguments.insert(0, marks);
}

fn object_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    if !call.len().is_multiple_of(2) {
        return Err(ExprError::new("JSON_OBJECT takes pairs of a key and a value"));
    }
    (0..call.len()).step_by(2).try_for_each(|index| call.character(index))?;
    mark_nested(call);
    Ok(TypeRoot::string().not_null())
}

fn array_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    mark_nested(call);
    Ok(TypeRoot::string().not_null())
}

fn member(
    out: &mut String,
    row: &[Value<'_>],
    index: usize,
    scope: &Scope<'_>,
) -> Result<(), EvalError> {
    let nested = row[0].as_str().as_bytes().get(index - 1) == Some(&b'j');
    if nested && !row[index].is_null() {
        out.push_str(row[index].as_str());
        return Ok(());
    }
    write(out, &row[index], &scope.env.arguments[index].root, scope.zone())
}

fn object<'a>(row: &[Value<'a>], scope: &mut Scope<'_>, keep_null: bool) -> Outcome<'a> {
    let mut out = String::from("{");
    for key in (1..row.len()).step_by(2) {
        if row[key].is_null() {
            return Err(EvalError::new("a key of a JSON object is NULL"));
        }
        if row[key + 1].is_null() && !keep_null {
            continue;
        }
        if out.len() > 1 {
            out.push(',');
        }
        quote(&mut out, row[key].as_str());
        out.push(':');
        member(&mut out, row, key + 1, scope)?;
    }
    out.push('}');
    Ok(Value::text(out))
}

fn array<'a>(row: &[Value<'a>], scope: &mut Scope<'_>, keep_null: bool) -> Outcome<'a> {
    let mut out = String::from("[");
    for index in 1..row.len() {
        if row[index].is_null() && !keep_null {
            continue;
        }
        if out.len() > 1 {
            out.push(',');
        }
        member(&mut out, row, index, scope)?;
    }
    out.push(']');
    Ok(Value::text(out))
}

/// A value of any type as JSON.
fn write(
    out: &mut String,
    value: &Value<'_>,
    root: &TypeRoot,
    zone: Zone,
) -> Result<(), EvalError> {
    match (value, root) {
        (Value::Null, _) => out.push_str("null"),
        (Value::Boolean(value), _) => out.push_str(if *value { "true" } else { "false" }),
        (Value::Integer(_), TypeRoot::Date | TypeRoot::Time) => {
            quote(out, &cast_text(value, root, zone));
        }
        (Value::Integer(value), _) => out.push_str(&value.to_string()),
        (Value::Decimal(value), root) => {
            out.push_str(&stripped(*value, decimal::Scale::of(root).scale));
        }
        (Value::Float(value), TypeRoot::Float) => out.push_str(&float_to_text(*value as f32)),
        (Value::Float(value), _) => out.push_str(&double_to_text(*value)),
        (Value::Timestamp(_), root) => quote(out, &timestamp(value, root)),
        (Value::String(text), _) => quote(out, text),
        (Value::Binary(bytes), _) => quote(out, &STANDARD.encode(bytes)),
        (value, root) => return container(out, value, root, zone),
    }
    Ok(())
}

/// `1.50` is 1.5.
fn stripped(value: i128, scale: u8) -> String {
    let text = decimal::to_text(value, scale);
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// ISO with a `T`; an instant is in UTC with a `Z`.
fn timestamp(value: &Value<'_>, root: &TypeRoot) -> String {
    let text = cast_text(value, root, Zone::UTC).replace(' ', "T");
    let text = match text.split_once('.') {
        Some((_, fraction)) if fraction.bytes().all(|digit| digit == b'0') => {
            text[..text.len() - fraction.len() - 1].to_owned()
        }
        _ => text,
    };
    let zone = if matches!(root, TypeRoot::TimestampLtz { .. }) { "Z" } else { "" };
    format!("{text}{zone}")
}

fn container(
    out: &mut String,
    value: &Value<'_>,
    root: &TypeRoot,
    zone: Zone,
) -> Result<(), EvalError> {
    match root {
        TypeRoot::Array(element) => {
            out.push('[');
            for (position, item) in value.elements().iter().enumerate() {
                if position > 0 {
                    out.push(',');
                }
                write(out, item, &element.root, zone)?;
            }
            out.push(']');
        }
        TypeRoot::Row(fields) => {
            out.push('{');
            for (position, (item, field)) in value.elements().iter().zip(fields).enumerate() {
                if position > 0 {
                    out.push(',');
                }
                quote(out, &field.name);
                out.push(':');
                write(out, item, &field.data_type.root, zone)?;
            }
            out.push('}');
        }
        TypeRoot::Map(key, item) => map(out, value, &key.root, &item.root, zone)?,
        TypeRoot::Multiset(element) => map(out, value, &element.root, &TypeRoot::Int, zone)?,
        other => return Err(EvalError::new(format!("{other} has no JSON form"))),
    }
    Ok(())
}

fn map(
    out: &mut String,
    value: &Value<'_>,
    key_root: &TypeRoot,
    item_root: &TypeRoot,
    zone: Zone,
) -> Result<(), EvalError> {
    out.push('{');
    for (position, (key, item)) in value.entries().iter().enumerate() {
        if position > 0 {
            out.push(',');
        }
        quote(out, &cast_text(key, key_root, zone));
        out.push(':');
        write(out, item, item_root, zone)?;
    }
    out.push('}');
    Ok(())
}

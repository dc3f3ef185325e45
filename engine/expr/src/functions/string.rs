//! Strings: lengths, parts, searching, joining (section D.3). Positions are
//! 1-based and count code points.

use std::borrow::Cow;

use millrace_dataflow::types::MAX_LENGTH;
use millrace_dataflow::{DataType, EvalError, TypeRoot};

use crate::cast::trimmed;
use crate::physical::scope::Scope;
use crate::registry::{Body, Function, MANY};
use crate::signature::{Signature, strings_to_int, strings_to_string};
use crate::typed::ExprError;
use crate::value::Value;

type Outcome<'a> = Result<Value<'a>, EvalError>;

pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("||", (2, 2), concat_type, Body::Strict(concat)),
    Function::new("CONCAT", (1, MANY), strings_to_string, Body::Strict(concat)),
    Function::new("CONCAT_WS", (2, MANY), concat_ws_type, Body::Rows(concat_ws)),
    Function::new("CHAR_LENGTH", (1, 1), strings_to_int, Body::Strict(char_length)),
    Function::new(
        "UPPER",
        (1, 1),
        same_type,
        Body::Strict(|r, s| changed(r, s, str::to_uppercase)),
    ),
    Function::new(
        "LOWER",
        (1, 1),
        same_type,
        Body::Strict(|r, s| changed(r, s, str::to_lowercase)),
    ),
    Function::new("POSITION", (2, 2), strings_to_int, Body::Strict(|r, _| found(&r[1], &r[0], 1))),
    Function::new("INSTR", (2, 2), strings_to_int, Body::Strict(|r, _| found(&r[0], &r[1], 1))),
    Function::new("LOCATE", (2, 3), locate_type, Body::Strict(locate)),
    Function::new("SUBSTRING", (2, 3), substring_type, Body::Strict(substring)),
    Function::new("LEFT", (2, 2), text_and_count, Body::Strict(left)),
    Function::new("RIGHT", (2, 2), text_and_count, Body::Strict(right)),
    Function::new("SPLIT_INDEX", (3, 3), split_index_type, Body::Strict(split_index)),
    Function::new("REPEAT", (2, 2), text_and_count, Body::Strict(repeat)),
    Function::new("REVERSE", (1, 1), strings_to_string, Body::Strict(reverse)),
    Function::new("ASCII", (1, 1), strings_to_int, Body::Strict(ascii)),
    Function::new("CHR", (1, 1), chr_type, Body::Strict(chr)),
];

/// `text` without a copy when it is borrowed.
pub(super) fn text<'a>(value: &Value<'a>) -> Cow<'a, str> {
    match value {
        Value::String(text) => text.clone(),
        _ => Cow::Borrowed(""),
    }
}

/// A part of `text`, borrowed when the whole is.
pub(super) fn part<'a>(text: Cow<'a, str>, range: std::ops::Range<usize>) -> Value<'a> {
    match text {
        Cow::Borrowed(text) => Value::text(&text[range]),
        Cow::Owned(text) => Value::text(text[range].to_owned()),
    }
}

fn concat_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    if call.root(0).is_binary() && call.root(1).is_binary() {
        return call.result(TypeRoot::bytes());
    }
    call.characters()?;
    let length = call.length(0).saturating_add(call.length(1)).min(MAX_LENGTH);
    let fixed = matches!((call.root(0), call.root(1)), (TypeRoot::Char(_), TypeRoot::Char(_)));
    call.result(if fixed { TypeRoot::Char(length) } else { TypeRoot::VarChar(length) })
}

fn concat<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    if matches!(row[0], Value::Binary(_)) {
        let bytes: Vec<u8> = row.iter().flat_map(|value| value.as_bytes().to_vec()).collect();
        return Ok(Value::bytes(bytes));
    }
    Ok(Value::text(row.iter().map(Value::as_str).collect::<String>()))
}

/// NULL only when the separator may be.
fn concat_ws_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.characters()?;
    let nullable = call.arguments[0].data_type.nullable;
    Ok(TypeRoot::string().nullable().with_nullable(nullable))
}

fn concat_ws<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    if row[0].is_null() {
        return Ok(Value::Null);
    }
    let parts: Vec<&str> =
        row[1..].iter().filter(|value| !value.is_null()).map(Value::as_str).collect();
    Ok(Value::text(parts.join(row[0].as_str())))
}

fn char_length<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    Ok(Value::Integer(row[0].as_str().chars().count() as i64))
}

fn same_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.character(0)?;
    call.result(call.root(0).clone())
}

/// A longer result is cut to the declared length (row C8.6).
fn changed<'a>(
    row: &[Value<'a>],
    scope: &mut Scope<'_>,
    change: fn(&str) -> String,
) -> Outcome<'a> {
    let text = Cow::Owned(change(row[0].as_str()));
    Ok(Value::String(match scope.env.result.root {
        TypeRoot::Char(length) | TypeRoot::VarChar(length) => trimmed(text, length),
        _ => text,
    }))
}

/// 1-based position of `needle` at or after `from`; 0 when absent.
fn found<'a>(text: &Value<'a>, needle: &Value<'a>, from: i64) -> Outcome<'a> {
    let (text, needle) = (text.as_str(), needle.as_str());
    let skipped = usize::try_from(from - 1).unwrap_or(0);
    let start = match text.char_indices().nth(skipped) {
        Some((start, _)) => start,
        None if skipped <= text.chars().count() => text.len(),
        None => return Ok(Value::Integer(0)),
    };
    Ok(Value::Integer(match text[start..].find(needle) {
        Some(at) => (text[..start + at].chars().count() + 1) as i64,
        None => 0,
    }))
}

fn locate_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.character(0)?;
    call.character(1)?;
    if call.len() == 3 {
        call.integer(2)?;
    }
    call.result(TypeRoot::Int)
}

fn locate<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    found(&row[1], &row[0], row.get(2).map_or(1, Value::as_int))
}

fn substring_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.character(0)?;
    (1..call.len()).try_for_each(|index| call.integer(index))?;
    Ok(TypeRoot::VarChar(call.length(0).max(1)).nullable())
}

/// Flink: `SqlFunctionUtils.substringSQL` (row D3.8).
fn substring<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let whole = text(&row[0]);
    let count = row.get(2).map_or(i64::from(i32::MAX), Value::as_int);
    if count < 0 {
        return Ok(Value::Null);
    }
    let position = row[1].as_int();
    // ASCII text needs no walk over its characters.
    let ascii = whole.is_ascii();
    let length = if ascii { whole.len() } else { whole.chars().count() } as i64;
    let start = match position {
        0 => 0,
        1.. => position - 1,
        _ => length + position,
    };
    let end = start.saturating_add(count).min(length);
    if start < 0 || start >= length || end <= start {
        return Ok(Value::text(""));
    }
    let range = if ascii {
        start as usize..end as usize
    } else {
        let byte = |index: i64| {
            whole.char_indices().nth(index as usize).map_or(whole.len(), |(byte, _)| byte)
        };
        byte(start)..byte(end)
    };
    Ok(part(whole, range))
}

fn text_and_count(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.character(0)?;
    call.integer(1)?;
    call.result(TypeRoot::string())
}

fn left<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let whole = text(&row[0]);
    let count = usize::try_from(row[1].as_int()).unwrap_or(0);
    let end = whole.char_indices().nth(count).map_or(whole.len(), |(byte, _)| byte);
    Ok(part(whole, 0..end))
}

fn right<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let whole = text(&row[0]);
    let count = usize::try_from(row[1].as_int()).unwrap_or(0);
    let skipped = whole.chars().count().saturating_sub(count);
    let start = whole.char_indices().nth(skipped).map_or(whole.len(), |(byte, _)| byte);
    let end = whole.len();
    Ok(part(whole, start..end))
}

fn split_index_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.character(0)?;
    if !call.root(1).is_integer() {
        call.character(1)?;
    }
    call.integer(2)?;
    Ok(TypeRoot::string().nullable())
}

/// The delimiter is text, or a code point (row D3.19).
fn split_index<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let mut buffer = [0; 4];
    let delimiter: &str = match &row[1] {
        Value::Integer(code) => {
            let letter =
                u32::try_from(*code).ok().filter(|code| *code <= 255).and_then(char::from_u32);
            let Some(letter) = letter else { return Ok(Value::Null) };
            letter.encode_utf8(&mut buffer)
        }
        other => other.as_str(),
    };
    let Ok(index) = usize::try_from(row[2].as_int()) else { return Ok(Value::Null) };
    let whole = text(&row[0]);
    if delimiter.is_empty() || whole.is_empty() {
        return Ok(Value::Null);
    }
    let found = match delimiter.as_bytes() {
        // One letter is found without the machinery of a search for text.
        [letter] => whole.split(char::from(*letter)).nth(index),
        _ => whole.split(delimiter).nth(index),
    };
    let found = found.map(|found| {
        let start = found.as_ptr() as usize - whole.as_ptr() as usize;
        start..start + found.len()
    });
    Ok(found.map_or(Value::Null, |range| part(whole, range)))
}

/// The longest text that REPEAT and the padding functions make.
pub(super) const LONGEST: usize = 64 << 20;

fn repeat<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let count = usize::try_from(row[1].as_int()).unwrap_or(0);
    let text = row[0].as_str();
    if text.len().saturating_mul(count) > LONGEST {
        return Err(EvalError::new("the result would be longer than 64 MiB"));
    }
    Ok(Value::text(text.repeat(count)))
}

fn reverse<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    Ok(Value::text(row[0].as_str().chars().rev().collect::<String>()))
}

/// The first byte, signed (row D3.22).
fn ascii<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let first = row[0].as_str().as_bytes().first().copied().unwrap_or(0);
    Ok(Value::Integer(i64::from(first as i8)))
}

fn chr_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.integer(0)?;
    call.result(TypeRoot::string())
}

fn chr<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let code = row[0].as_int();
    if code < 0 {
        return Ok(Value::text(""));
    }
    Ok(Value::text(char::from((code & 0xFF) as u8).to_string()))
}

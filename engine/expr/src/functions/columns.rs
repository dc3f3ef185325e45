//! Column forms of functions that scripts spend their time in: from column to column,
//! with no value of its own for a row in between.
//!
//! A form takes what is usual (constant patterns, ASCII texts) and leaves the rest to
//! the function's form by row, which says what is right.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BooleanArray, Int32Array, Int64Array, PrimitiveArray, StringArray,
    StringBuilder,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::datatypes::{
    ArrowPrimitiveType, ArrowTimestampType, DataType as ArrowType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType,
};
use millrace_dataflow::{EvalError, TypeRoot};

use super::unit::{self, Unit};
use crate::physical::call::Column;
use crate::physical::scope::Scope;
use crate::text::parameter::Parameter;
use crate::value::{Reader, Value};

type Outcome = Result<Option<ArrayRef>, EvalError>;

/// `None` when the arguments are not as it takes them.
type Run = fn(&[Column], &mut Scope<'_>) -> Outcome;

#[derive(Clone, Copy)]
pub(crate) struct Form {
    pub run: Run,
    /// The function fails for no arguments at all, and its form costs a few instructions
    /// a row.
    pub is_cheap: bool,
}

/// The column form of a function, when it has one.
pub(crate) fn form(name: &str) -> Option<Form> {
    let (run, is_cheap): (Run, bool) = match name {
        "LOWER" => (|columns, scope| changed(columns, scope, <[u8]>::to_ascii_lowercase), true),
        "UPPER" => (|columns, scope| changed(columns, scope, <[u8]>::to_ascii_uppercase), true),
        "CHAR_LENGTH" => (char_length, true),
        "EXTRACT" => (extract, true),
        "REPLACE" => (replace, false),
        "SPLIT_INDEX" => (split_index, false),
        "REGEXP" => (regexp, false),
        "REGEXP_EXTRACT" => (regexp_extract, false),
        _ => return None,
    };
    Some(Form { run, is_cheap })
}

fn texts(column: &Column) -> Option<&StringArray> {
    if column.constant { None } else { column.array.as_string_opt::<i32>() }
}

fn constant(column: &Column) -> Option<Value<'_>> {
    let is_value = column.constant && column.array.is_valid(0);
    is_value.then(|| Reader::new(column.array.as_ref()).get(0))
}

fn constant_text(column: &Column) -> Option<&str> {
    match column.array.as_string_opt::<i32>() {
        Some(text) if column.constant && text.is_valid(0) => Some(text.value(0)),
        _ => None,
    }
}

fn constant_integer(column: &Column) -> Option<i64> {
    match constant(column)? {
        Value::Integer(value) => Some(value),
        _ => None,
    }
}

/// The bytes of all rows.
fn bytes(texts: &StringArray) -> &[u8] {
    let offsets = texts.value_offsets();
    &texts.value_data()[offsets[0] as usize..offsets[texts.len()] as usize]
}

/// Where each row begins in [`bytes`].
fn offsets(texts: &StringArray) -> OffsetBuffer<i32> {
    match texts.value_offsets() {
        [0, ..] => texts.offsets().clone(),
        offsets => {
            let first = offsets[0];
            OffsetBuffer::new(ScalarBuffer::from_iter(offsets.iter().map(|at| at - first)))
        }
    }
}

fn column_of(
    offsets: OffsetBuffer<i32>,
    bytes: Vec<u8>,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, EvalError> {
    let texts = StringArray::try_new(offsets, Buffer::from_vec(bytes), nulls);
    Ok(Arc::new(texts.map_err(|error| EvalError::new(error.to_string()))?))
}

/// ASCII keeps its lengths.
fn changed(columns: &[Column], scope: &mut Scope<'_>, change: fn(&[u8]) -> Vec<u8>) -> Outcome {
    let Some(texts) = texts(&columns[0]).filter(|texts| bytes(texts).is_ascii()) else {
        return Ok(None);
    };
    let (TypeRoot::Char(longest) | TypeRoot::VarChar(longest)) = scope.env.result.root else {
        return Ok(None);
    };
    let is_longer = |at: &[i32]| i64::from(at[1] - at[0]) > i64::from(longest);
    if texts.value_offsets().windows(2).any(is_longer) {
        return Ok(None);
    }
    column_of(offsets(texts), change(bytes(texts)), texts.nulls().cloned()).map(Some)
}

/// Code points.
fn char_length(columns: &[Column], _: &mut Scope<'_>) -> Outcome {
    let Some(texts) = texts(&columns[0]) else { return Ok(None) };
    let (all, starts) = (texts.value_data(), texts.value_offsets());
    let lengths: Vec<i32> = if bytes(texts).is_ascii() {
        starts.windows(2).map(|at| at[1] - at[0]).collect()
    } else {
        let begins = |byte: &u8| byte & 0xc0 != 0x80;
        let count = |at: &[i32]| {
            all[at[0] as usize..at[1] as usize].iter().filter(|byte| begins(byte)).count() as i32
        };
        starts.windows(2).map(count).collect()
    };
    Ok(Some(Arc::new(Int32Array::new(lengths.into(), texts.nulls().cloned()))))
}

/// One ASCII letter by one or none.
fn replace(columns: &[Column], _: &mut Scope<'_>) -> Outcome {
    let (Some(texts), Some(what), Some(by)) =
        (texts(&columns[0]), constant_text(&columns[1]), constant_text(&columns[2]))
    else {
        return Ok(None);
    };
    match (what.as_bytes(), by.as_bytes()) {
        ([letter], []) => without(texts, *letter).map(Some),
        ([letter], [by]) => {
            let put = |byte: &u8| if byte == letter { *by } else { *byte };
            let changed = bytes(texts).iter().map(put).collect();
            column_of(offsets(texts), changed, texts.nulls().cloned()).map(Some)
        }
        _ => Ok(None),
    }
}

fn without(texts: &StringArray, letter: u8) -> Result<ArrayRef, EvalError> {
    let all = texts.value_data();
    let mut kept = vec![0; bytes(texts).len()];
    let mut ends = Vec::with_capacity(texts.len() + 1);
    ends.push(0);
    let mut end = 0;
    for at in texts.value_offsets().windows(2) {
        // Each letter is written, and stays when the next one is not written over it.
        for byte in &all[at[0] as usize..at[1] as usize] {
            kept[end] = *byte;
            end += usize::from(*byte != letter);
        }
        ends.push(end as i32);
    }
    kept.truncate(end);
    column_of(OffsetBuffer::new(ends.into()), kept, texts.nulls().cloned())
}

/// Between constant ASCII delimiters, at a constant place (row D3.19).
fn split_index(columns: &[Column], _: &mut Scope<'_>) -> Outcome {
    let (Some(texts), Some(delimiter), Some(index)) =
        (texts(&columns[0]), delimiter(&columns[1]), constant_integer(&columns[2]))
    else {
        return Ok(None);
    };
    let Ok(index) = usize::try_from(index) else { return Ok(None) };
    let mut out = StringBuilder::with_capacity(texts.len(), bytes(texts).len() / 4);
    for row in 0..texts.len() {
        let found = texts.is_valid(row).then(|| texts.value(row)).filter(|text| !text.is_empty());
        out.append_option(found.and_then(|text| part(text, delimiter, index)));
    }
    Ok(Some(Arc::new(out.finish())))
}

fn delimiter(column: &Column) -> Option<u8> {
    let code = match constant(column)? {
        Value::Integer(code) => u8::try_from(code).ok()?,
        Value::String(text) => match text.as_bytes() {
            [letter] => *letter,
            _ => return None,
        },
        _ => return None,
    };
    code.is_ascii().then_some(code)
}

fn part(text: &str, delimiter: u8, index: usize) -> Option<&str> {
    let (all, mut from) = (text.as_bytes(), 0);
    for _ in 0..index {
        from += all[from..].iter().position(|byte| *byte == delimiter)? + 1;
    }
    let to = all[from..].iter().position(|byte| *byte == delimiter);
    Some(&text[from..to.map_or(all.len(), |to| from + to)])
}

/// A bad regular expression is FALSE: the form by row says so.
fn regexp(columns: &[Column], scope: &mut Scope<'_>) -> Outcome {
    let (Some(texts), Some(pattern)) = (texts(&columns[0]), constant_text(&columns[1])) else {
        return Ok(None);
    };
    let Some(regex) = scope.regex(pattern)? else { return Ok(None) };
    let found = (0..texts.len()).map(|row| {
        let text = texts.is_valid(row).then(|| texts.value(row))?;
        Some(regex.is_match(text))
    });
    Ok(Some(Arc::new(found.collect::<BooleanArray>())))
}

fn regexp_extract(columns: &[Column], scope: &mut Scope<'_>) -> Outcome {
    let group = match columns.get(2) {
        None => Some(0),
        Some(group) => constant_integer(group).and_then(|group| usize::try_from(group).ok()),
    };
    let (Some(texts), Some(pattern), Some(group)) =
        (texts(&columns[0]), constant_text(&columns[1]), group)
    else {
        return Ok(None);
    };
    if let Some(parameter) = Parameter::parse(pattern) {
        let found = |text: &str| parameter.find(text)?.get(group).copied();
        return Ok(Some(extracted(texts, found)));
    }
    let Some(regex) = scope.regex(pattern)? else { return Ok(None) };
    let mut groups = regex.capture_locations();
    Ok(Some(extracted(texts, |text| {
        regex.captures_read(&mut groups, text)?;
        groups.get(group)
    })))
}

fn extracted(
    texts: &StringArray,
    mut find: impl FnMut(&str) -> Option<(usize, usize)>,
) -> ArrayRef {
    let mut out = StringBuilder::with_capacity(texts.len(), texts.len() * 8);
    for row in 0..texts.len() {
        let text = texts.is_valid(row).then(|| texts.value(row));
        out.append_option(text.and_then(|text| find(text).map(|(from, to)| &text[from..to])));
    }
    Arc::new(out.finish())
}

/// Of wall clocks, what needs no calendar.
fn extract(columns: &[Column], scope: &mut Scope<'_>) -> Outcome {
    let unit = constant_text(&columns[0]).and_then(unit::parse);
    let is_clock = matches!(scope.env.arguments[1].root, TypeRoot::Timestamp { .. });
    let (Some(unit), true, false) = (unit, is_clock, columns[1].constant) else {
        return Ok(None);
    };
    let times = &columns[1].array;
    Ok(match times.data_type() {
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
            of_clock::<TimestampMillisecondType>(unit, times, 1_000)
        }
        ArrowType::Timestamp(TimeUnit::Microsecond, _) => {
            of_clock::<TimestampMicrosecondType>(unit, times, 1_000_000)
        }
        _ => None,
    })
}

fn of_clock<T>(unit: Unit, times: &ArrayRef, per_second: i64) -> Option<ArrayRef>
where
    T: ArrowTimestampType + ArrowPrimitiveType<Native = i64>,
{
    let times: &PrimitiveArray<T> = times.as_primitive();
    let (range, part) = match unit {
        Unit::Hour => (86_400, 3_600),
        Unit::Minute => (3_600, 60),
        Unit::Second => (60, 1),
        _ => return None,
    };
    let values: Int64Array =
        times.unary(|ticks| ticks.div_euclid(per_second).rem_euclid(range) / part);
    Some(Arc::new(values))
}

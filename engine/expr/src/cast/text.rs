//! Values as text (rows C5.19 to C5.29).

use std::borrow::Cow;

use millrace_dataflow::{DataType, TypeRoot};

use crate::decimal;
use crate::text::{datetime, number};
use crate::value::Value;
use crate::zone::Zone;

/// Text of at most (VARCHAR) or exactly (CHAR, padded) the target's length.
pub(super) fn to_character<'a>(
    value: Value<'a>,
    from: &TypeRoot,
    to: &TypeRoot,
    zone: Zone,
) -> Value<'a> {
    let text = match value {
        Value::String(text) => text,
        other => Cow::Owned(to_text(&other, from, zone)),
    };
    Value::String(match to {
        TypeRoot::Char(length) => padded(trimmed(text, *length), *length),
        TypeRoot::VarChar(length) => trimmed(text, *length),
        _ => text,
    })
}

/// The first `length` code points.
pub(crate) fn trimmed(text: Cow<'_, str>, length: u32) -> Cow<'_, str> {
    // A byte is at least a code point: short texts need no count.
    if text.len() <= length as usize {
        return text;
    }
    match (text.char_indices().nth(length as usize), text) {
        (None, text) => text,
        (Some((end, _)), Cow::Borrowed(text)) => Cow::Borrowed(&text[..end]),
        (Some((end, _)), Cow::Owned(mut text)) => {
            text.truncate(end);
            Cow::Owned(text)
        }
    }
}

fn padded(text: Cow<'_, str>, length: u32) -> Cow<'_, str> {
    let missing = (length as usize).saturating_sub(text.chars().count());
    if missing == 0 {
        return text;
    }
    let mut text = text.into_owned();
    text.extend(std::iter::repeat_n(' ', missing));
    Cow::Owned(text)
}

/// A value as Flink prints it in a CAST; NULL is `NULL` (as an element).
pub(crate) fn to_text(value: &Value<'_>, root: &TypeRoot, zone: Zone) -> String {
    match (value, root) {
        (Value::Null, _) => "NULL".to_owned(),
        (Value::Boolean(value), _) => if *value { "TRUE" } else { "FALSE" }.to_owned(),
        (Value::Integer(days), TypeRoot::Date) => datetime::date_to_text(*days),
        (Value::Integer(millis), TypeRoot::Time) => datetime::time_to_text(*millis),
        (Value::Integer(months), TypeRoot::IntervalYearMonth) => {
            datetime::year_month_to_text(*months)
        }
        (Value::Integer(millis), TypeRoot::IntervalDayTime) => datetime::day_time_to_text(*millis),
        (Value::Integer(value), _) => value.to_string(),
        (Value::Decimal(value), TypeRoot::Decimal { scale, .. }) => {
            decimal::to_text(*value, *scale)
        }
        (Value::Decimal(value), _) => value.to_string(),
        (Value::Float(value), TypeRoot::Float) => number::float_to_text(*value as f32),
        (Value::Float(value), _) => number::double_to_text(*value),
        (Value::Timestamp(nanos), TypeRoot::TimestampLtz { precision }) => {
            datetime::timestamp_to_text(zone.to_local(*nanos), *precision)
        }
        (Value::Timestamp(nanos), TypeRoot::Timestamp { precision }) => {
            datetime::timestamp_to_text(*nanos, *precision)
        }
        (Value::Timestamp(nanos), _) => datetime::timestamp_to_text(*nanos, 9),
        (Value::String(text), _) => text.clone().into_owned(),
        (Value::Binary(bytes), _) => String::from_utf8_lossy(bytes).into_owned(),
        (value, root) => container(value, root, zone),
    }
}

/// `[1, 2, NULL]`, `{k=1, m=2}`, `(1, a, NULL)` (row C5.29).
fn container(value: &Value<'_>, root: &TypeRoot, zone: Zone) -> String {
    let member = |value: &Value<'_>, data_type: &DataType| to_text(value, &data_type.root, zone);
    let count = TypeRoot::Int.not_null();
    let entries = |key: &DataType, item: &DataType| -> String {
        let entries: Vec<String> = value
            .entries()
            .iter()
            .map(|(k, v)| format!("{}={}", member(k, key), member(v, item)))
            .collect();
        format!("{{{}}}", entries.join(", "))
    };
    match root {
        TypeRoot::Array(element) => {
            let items: Vec<String> =
                value.elements().iter().map(|item| member(item, element)).collect();
            format!("[{}]", items.join(", "))
        }
        TypeRoot::Row(fields) => {
            let members: Vec<String> = value
                .elements()
                .iter()
                .zip(fields)
                .map(|(item, field)| member(item, &field.data_type))
                .collect();
            format!("({})", members.join(", "))
        }
        TypeRoot::Map(key, item) => entries(key, item),
        TypeRoot::Multiset(element) => entries(element, &count),
        _ => String::new(),
    }
}

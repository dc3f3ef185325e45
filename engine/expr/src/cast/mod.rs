//! CAST and TRY_CAST (section C.5).

mod matrix;
mod scalar;
mod text;
mod vector;

use arrow::array::{Array, ArrayRef};
use millrace_dataflow::{DataType, EvalError, TypeRoot};

pub(crate) use matrix::check;
pub(crate) use text::{to_text, trimmed};

use crate::value::{Reader, Value, build};
use crate::zone::Zone;

/// A cast between two types that [`check`] let through.
#[derive(Clone, Debug)]
pub(crate) struct Cast {
    pub from: DataType,
    pub to: DataType,
    /// A failing row gives NULL (row C5.2) instead of failing the job.
    pub try_cast: bool,
    pub zone: Zone,
}

impl Cast {
    pub fn column(&self, array: &ArrayRef) -> Result<ArrayRef, EvalError> {
        if let Some(cast) = vector::cast(array, &self.from.root, &self.to.root) {
            return Ok(cast);
        }
        let reader = Reader::new(array.as_ref());
        let mut values = Vec::with_capacity(array.len());
        for row in 0..array.len() {
            values.push(match self.value(reader.get(row)) {
                Err(_) if self.try_cast => Value::Null,
                value => value?,
            });
        }
        Ok(build(values, &self.to))
    }

    fn value<'a>(&self, value: Value<'a>) -> Result<Value<'a>, EvalError> {
        convert(value, &self.from.root, &self.to.root, self.zone)
    }
}

/// One value; containers element by element (row C5.36).
pub(crate) fn convert<'a>(
    value: Value<'a>,
    from: &TypeRoot,
    to: &TypeRoot,
    zone: Zone,
) -> Result<Value<'a>, EvalError> {
    use TypeRoot as T;
    if value.is_null() || from == to {
        return Ok(value);
    }
    match (from, to) {
        (_, T::Char(_) | T::VarChar(_)) => Ok(text::to_character(value, from, to, zone)),
        (T::Array(a), T::Array(b)) => match value {
            Value::Array(items) => {
                each(items, |item| convert(item, &a.root, &b.root, zone)).map(Value::Array)
            }
            other => Ok(other),
        },
        (T::Map(k1, v1), T::Map(k2, v2)) => entries(value, |(key, item)| {
            let key = convert(key, &k1.root, &k2.root, zone)?;
            Ok((key, convert(item, &v1.root, &v2.root, zone)?))
        }),
        (T::Multiset(a), T::Multiset(b)) => {
            entries(value, |(key, count)| Ok((convert(key, &a.root, &b.root, zone)?, count)))
        }
        (T::Row(a), T::Row(b)) => match value {
            Value::Row(members) => {
                let mut types = a.iter().zip(b);
                each(members, |member| match types.next() {
                    Some((a, b)) => convert(member, &a.data_type.root, &b.data_type.root, zone),
                    None => Ok(member),
                })
                .map(Value::Row)
            }
            other => Ok(other),
        },
        _ => scalar::convert(value, from, to, zone),
    }
}

fn each<'a>(
    items: Vec<Value<'a>>,
    convert: impl FnMut(Value<'a>) -> Result<Value<'a>, EvalError>,
) -> Result<Vec<Value<'a>>, EvalError> {
    items.into_iter().map(convert).collect()
}

type Entry<'a> = (Value<'a>, Value<'a>);

fn entries<'a>(
    value: Value<'a>,
    convert: impl FnMut(Entry<'a>) -> Result<Entry<'a>, EvalError>,
) -> Result<Value<'a>, EvalError> {
    match value {
        Value::Map(entries) => {
            Ok(Value::Map(entries.into_iter().map(convert).collect::<Result<_, _>>()?))
        }
        other => Ok(other),
    }
}

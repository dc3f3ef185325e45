//! ARRAY, MAP, ROW and their elements (section D.6).

use std::cmp::Ordering;

use millrace_dataflow::{DataType, EvalError, Field, TypeRoot};

use crate::coerce::is_implicit;
use crate::physical::scope::Scope;
use crate::registry::{Body, Function, MANY, Since};
use crate::signature::Signature;
use crate::typed::ExprError;
use crate::value::Value;

type Outcome<'a> = Result<Value<'a>, EvalError>;

pub(crate) const FUNCTIONS: &[Function] = &[
    Function::new("ARRAY", (1, MANY), array_type, Body::Rows(|r, _| Ok(Value::Array(r.to_vec())))),
    Function::new("MAP", (2, MANY), map_type, Body::Rows(map)),
    Function::new("ROW", (1, MANY), row_type, Body::Rows(|r, _| Ok(Value::Row(r.to_vec())))),
    Function::new("ITEM", (2, 2), item_type, Body::Rows(item)),
    Function::new("CARDINALITY", (1, 1), cardinality_type, Body::Strict(cardinality)),
    Function::new("ELEMENT", (1, 1), element_type, Body::Strict(element)),
    Function::new("ARRAY_CONTAINS", (2, 2), contains_type, Body::Rows(contains)),
    Function::new("ARRAY_DISTINCT", (1, 1), same_array, Body::Strict(distinct)).since(Since::V1_17),
    Function::new("ARRAY_REMOVE", (2, 2), with_element, Body::Rows(remove)).since(Since::V1_18),
    Function::new("ARRAY_REVERSE", (1, 1), same_array, Body::Strict(reverse)).since(Since::V1_18),
    Function::new("ARRAY_UNION", (2, 2), arrays, Body::Strict(union)).since(Since::V1_18),
    Function::new("ARRAY_CONCAT", (1, MANY), arrays, Body::Strict(concat)).since(Since::V1_18),
    Function::new("ARRAY_POSITION", (2, 2), position_type, Body::Strict(position))
        .since(Since::V1_18),
    Function::new("ARRAY_SLICE", (2, 3), slice_type, Body::Strict(slice)).since(Since::V1_18),
    Function::new(
        "ARRAY_MAX",
        (1, 1),
        extreme_type,
        Body::Strict(|r, _| extreme(r, Ordering::Greater)),
    )
    .since(Since::V1_18),
    Function::new(
        "ARRAY_MIN",
        (1, 1),
        extreme_type,
        Body::Strict(|r, _| extreme(r, Ordering::Less)),
    )
    .since(Since::V1_19),
    Function::new("ARRAY_JOIN", (2, 3), join_type, Body::Strict(join)).since(Since::V1_18),
    Function::new("ARRAY_APPEND", (2, 2), with_element, Body::Rows(|r, _| added(r, false)))
        .since(Since::V1_20),
    Function::new("ARRAY_PREPEND", (2, 2), with_element, Body::Rows(|r, _| added(r, true)))
        .since(Since::V1_20),
    Function::new("ARRAY_SORT", (1, 3), sort_type, Body::Strict(sort)).since(Since::V1_20),
    Function::new("ARRAY_EXCEPT", (2, 2), arrays, Body::Strict(except)).since(Since::V1_20),
    Function::new("ARRAY_INTERSECT", (2, 2), arrays, Body::Strict(intersect)).since(Since::V1_20),
    Function::new("MAP_KEYS", (1, 1), keys_type, Body::Strict(keys)).since(Since::V1_16),
    Function::new("MAP_VALUES", (1, 1), values_type, Body::Strict(values)).since(Since::V1_16),
    Function::new("MAP_ENTRIES", (1, 1), entries_type, Body::Strict(entries)).since(Since::V1_18),
    Function::new("MAP_FROM_ARRAYS", (2, 2), from_arrays_type, Body::Strict(from_arrays))
        .since(Since::V1_18),
    Function::new("MAP_UNION", (1, MANY), map_union_type, Body::Strict(map_union))
        .since(Since::V1_20),
    Function::new("SPLIT", (2, 2), split_type, Body::Strict(split)).since(Since::V1_20),
];

fn array_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    let all = 0..call.len();
    let element = call.common(all)?;
    Ok(TypeRoot::Array(Box::new(element)).not_null())
}

fn map_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    let length = call.len();
    if !length.is_multiple_of(2) {
        return Err(ExprError::new("MAP takes pairs of a key and a value"));
    }
    let key = call.common((0..length).step_by(2))?;
    let value = call.common((1..length).step_by(2))?;
    Ok(TypeRoot::Map(Box::new(key), Box::new(value)).not_null())
}

/// The last of equal keys wins (row C1.15), in the place of the first.
fn put<'a>(entries: &mut Vec<(Value<'a>, Value<'a>)>, key: Value<'a>, value: Value<'a>) {
    match entries.iter_mut().find(|(other, _)| other.same(&key)) {
        Some((_, old)) => *old = value,
        None => entries.push((key, value)),
    }
}

fn map<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let mut entries = Vec::with_capacity(row.len() / 2);
    for pair in row.chunks_exact(2) {
        put(&mut entries, pair[0].clone(), pair[1].clone());
    }
    Ok(Value::Map(entries))
}

fn row_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    let fields = call
        .arguments
        .iter()
        .enumerate()
        .map(|(index, argument)| Field::new(format!("EXPR${index}"), argument.data_type.clone()))
        .collect();
    Ok(TypeRoot::Row(fields).not_null())
}

fn item_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    let nullable = call.nullable();
    if let TypeRoot::Map(key, value) = call.root(0) {
        let (key, value) = ((**key).clone(), (**value).clone());
        if !is_implicit(call.root(1), &key.root) {
            return Err(call.error(1, &format!("a key of type {}", key.root)));
        }
        call.cast(1, &key.root);
        return Ok(value.clone().with_nullable(nullable || value.nullable));
    }
    let element = match call.root(0) {
        TypeRoot::Array(element) => (**element).clone(),
        _ => return Err(call.error(0, "an ARRAY or a MAP")),
    };
    call.integer(1)?;
    if let Some(index) = call.constant_integer(1)
        && index < 1
    {
        return Err(ExprError::at(
            1,
            format!("Array element access needs an index starting at 1 but was {index}"),
        ));
    }
    let nullable = nullable || element.nullable;
    Ok(element.with_nullable(nullable))
}

/// What Flink's generated code leaves in a NOT NULL element that is not there
/// (row C8.1).
fn missing<'a>(element: &DataType) -> Value<'a> {
    if element.nullable {
        return Value::Null;
    }
    match element.root {
        TypeRoot::Boolean => Value::Boolean(false),
        TypeRoot::Float | TypeRoot::Double => Value::Float(-1.0),
        TypeRoot::Char(_) | TypeRoot::VarChar(_) => Value::text(""),
        _ if element.root.is_integer() => Value::Integer(-1),
        TypeRoot::Date | TypeRoot::Time => Value::Integer(-1),
        _ => Value::Null,
    }
}

fn item<'a>(row: &[Value<'a>], scope: &mut Scope<'_>) -> Outcome<'a> {
    if row.iter().any(Value::is_null) {
        return Ok(Value::Null);
    }
    let (found, element) = match (&row[0], &scope.env.arguments[0].root) {
        (Value::Map(entries), TypeRoot::Map(_, value)) => {
            let found = entries.iter().find(|(key, _)| key.same(&row[1])).map(|(_, value)| value);
            (found, value)
        }
        (Value::Array(elements), TypeRoot::Array(element)) => {
            let index = usize::try_from(row[1].as_int() - 1).unwrap_or(usize::MAX);
            (elements.get(index), element)
        }
        _ => return Ok(Value::Null),
    };
    Ok(found.cloned().unwrap_or_else(|| missing(element)))
}

fn cardinality_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    if call.array(0).is_err() {
        call.map(0).map_err(|_| call.error(0, "an ARRAY or a MAP"))?;
    }
    call.result(TypeRoot::Int)
}

fn cardinality<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    Ok(Value::Integer((row[0].elements().len() + row[0].entries().len()) as i64))
}

fn element_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    Ok(call.array(0)?.with_nullable(true))
}

/// Fails for more than one element (row C8.9).
fn element<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    match row[0].elements() {
        [] => Ok(Value::Null),
        [only] => Ok(only.clone()),
        _ => Err(EvalError::new("Array has more than one element.")),
    }
}

/// The needle takes the element's type; a wider one is an error (row D6.3).
fn needle(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    let element = call.array(0)?;
    if !is_implicit(call.root(1), &element.root) {
        return Err(call.error(1, &format!("{}, the type of the elements", element.root)));
    }
    call.cast(1, &element.root);
    Ok(element)
}

fn contains_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    needle(call)?;
    Ok(TypeRoot::Boolean.nullable().with_nullable(call.arguments[0].data_type.nullable))
}

fn contains<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    if row[0].is_null() {
        return Ok(Value::Null);
    }
    Ok(Value::Boolean(row[0].elements().iter().any(|element| element.same(&row[1]))))
}

fn same_array(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.array(0)?;
    call.result(call.root(0).clone())
}

/// Each element once, in the order of first appearance.
fn unique<'a, 'e>(elements: impl Iterator<Item = &'e Value<'a>>) -> Vec<Value<'a>>
where
    'a: 'e,
{
    let mut kept: Vec<Value<'a>> = Vec::new();
    for element in elements {
        if !kept.iter().any(|other| other.same(element)) {
            kept.push(element.clone());
        }
    }
    kept
}

fn distinct<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    Ok(Value::Array(unique(row[0].elements().iter())))
}

fn with_element(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    let element = needle(call)?;
    let nullable = call.arguments[0].data_type.nullable;
    let holds_null = element.nullable || call.arguments[1].data_type.nullable;
    let array = TypeRoot::Array(Box::new(element.with_nullable(holds_null)));
    Ok(array.nullable().with_nullable(nullable))
}

fn remove<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    if row[0].is_null() {
        return Ok(Value::Null);
    }
    let kept = row[0].elements().iter().filter(|element| !element.same(&row[1])).cloned();
    Ok(Value::Array(kept.collect()))
}

fn added<'a>(row: &[Value<'a>], first: bool) -> Outcome<'a> {
    if row[0].is_null() {
        return Ok(Value::Null);
    }
    let mut elements = row[0].elements().to_vec();
    elements.insert(if first { 0 } else { elements.len() }, row[1].clone());
    Ok(Value::Array(elements))
}

fn reverse<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    Ok(Value::Array(row[0].elements().iter().rev().cloned().collect()))
}

fn arrays(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    (0..call.len()).try_for_each(|index| call.array(index).map(|_| ()))?;
    let all = 0..call.len();
    call.common(all)
}

fn union<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    Ok(Value::Array(unique(row.iter().flat_map(|array| array.elements()))))
}

fn concat<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    Ok(Value::Array(row.iter().flat_map(|array| array.elements().to_vec()).collect()))
}

fn among<'a>(row: &[Value<'a>], wanted: bool) -> Outcome<'a> {
    let in_second =
        |element: &&Value<'a>| row[1].elements().iter().any(|other| other.same(element)) == wanted;
    Ok(Value::Array(unique(row[0].elements().iter().filter(in_second))))
}

fn except<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    among(row, false)
}

fn intersect<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    among(row, true)
}

fn position_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    needle(call)?;
    call.result(TypeRoot::Int)
}

fn position<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let found = row[0].elements().iter().position(|element| element.same(&row[1]));
    Ok(Value::Integer(found.map_or(0, |index| index as i64 + 1)))
}

fn slice_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.array(0)?;
    (1..call.len()).try_for_each(|index| call.integer(index))?;
    call.result(call.root(0).clone())
}

/// Both ends belong to it; 0 is 1; negatives count from the end (row D6.6).
fn slice<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let elements = row[0].elements();
    let length = elements.len() as i64;
    let place = |index: i64| match index {
        0 => 1,
        1.. => index,
        _ => length + index + 1,
    };
    let from = place(row[1].as_int()).max(1);
    let to = place(row.get(2).map_or(length, Value::as_int)).min(length);
    if from > to {
        return Ok(Value::Array(Vec::new()));
    }
    Ok(Value::Array(elements[from as usize - 1..to as usize].to_vec()))
}

fn extreme_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    Ok(call.array(0)?.with_nullable(true))
}

fn extreme<'a>(row: &[Value<'a>], wanted: Ordering) -> Outcome<'a> {
    let mut values = row[0].elements().iter().filter(|element| !element.is_null());
    let Some(mut best) = values.next() else { return Ok(Value::Null) };
    for value in values {
        if value.compare(best) == Some(wanted) {
            best = value;
        }
    }
    Ok(best.clone())
}

fn join_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    if !call.array(0)?.root.is_character() {
        return Err(call.error(0, "an ARRAY of strings"));
    }
    (1..call.len()).try_for_each(|index| call.character(index))?;
    call.result(TypeRoot::string())
}

fn join<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let texts: Vec<&str> = row[0]
        .elements()
        .iter()
        .filter_map(|element| if element.is_null() { row.get(2) } else { Some(element) })
        .map(Value::as_str)
        .collect();
    Ok(Value::text(texts.join(row[1].as_str())))
}

fn sort_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.array(0)?;
    (1..call.len()).try_for_each(|index| call.boolean(index))?;
    call.result(call.root(0).clone())
}

/// Ascending with NULLs first by default; descending puts them last.
fn sort<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let ascending = row.get(1).is_none_or(Value::is_true);
    let nulls_first = row.get(2).map_or(ascending, Value::is_true);
    let mut elements = row[0].elements().to_vec();
    elements.sort_by(|a, b| match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => {
            if nulls_first {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (false, true) => {
            if nulls_first {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        (false, false) => {
            let order = a.compare(b).unwrap_or(Ordering::Equal);
            if ascending { order } else { order.reverse() }
        }
    });
    Ok(Value::Array(elements))
}

fn keys_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    let (key, _) = call.map(0)?;
    call.result(TypeRoot::Array(Box::new(key)))
}

fn keys<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    Ok(Value::Array(row[0].entries().iter().map(|(key, _)| key.clone()).collect()))
}

fn values_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    let (_, value) = call.map(0)?;
    call.result(TypeRoot::Array(Box::new(value)))
}

fn values<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    Ok(Value::Array(row[0].entries().iter().map(|(_, value)| value.clone()).collect()))
}

fn entries_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    let (key, value) = call.map(0)?;
    let entry = TypeRoot::Row(vec![Field::new("key", key), Field::new("value", value)]);
    call.result(TypeRoot::Array(Box::new(entry.nullable())))
}

fn entries<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let entry =
        |(key, value): &(Value<'a>, Value<'a>)| Value::Row(vec![key.clone(), value.clone()]);
    Ok(Value::Array(row[0].entries().iter().map(entry).collect()))
}

fn from_arrays_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    let (key, value) = (call.array(0)?, call.array(1)?);
    call.result(TypeRoot::Map(Box::new(key), Box::new(value)))
}

fn from_arrays<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let (keys, values) = (row[0].elements(), row[1].elements());
    if keys.len() != values.len() {
        return Err(EvalError::new(format!(
            "the length of the keys array {} is not equal to the length of the values array {}",
            keys.len(),
            values.len()
        )));
    }
    let mut entries = Vec::with_capacity(keys.len());
    for (key, value) in keys.iter().zip(values) {
        put(&mut entries, key.clone(), value.clone());
    }
    Ok(Value::Map(entries))
}

fn map_union_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    (0..call.len()).try_for_each(|index| call.map(index).map(|_| ()))?;
    let all = 0..call.len();
    call.common(all)
}

fn map_union<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let mut all = Vec::new();
    for (key, value) in row.iter().flat_map(|map| map.entries()) {
        put(&mut all, key.clone(), value.clone());
    }
    Ok(Value::Map(all))
}

fn split_type(call: &mut Signature<'_>) -> Result<DataType, ExprError> {
    call.characters()?;
    call.result(TypeRoot::Array(Box::new(TypeRoot::string().not_null())))
}

/// Plain text delimiter; an empty one splits between the characters.
fn split<'a>(row: &[Value<'a>], _: &mut Scope<'_>) -> Outcome<'a> {
    let (text, delimiter) = (row[0].as_str(), row[1].as_str());
    let parts: Vec<Value<'a>> = if delimiter.is_empty() {
        text.chars().map(|letter| Value::text(letter.to_string())).collect()
    } else {
        text.split(delimiter).map(|part| Value::text(part.to_owned())).collect()
    };
    Ok(Value::Array(parts))
}

//! UNNEST: elements, padding, row kinds.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, Int32Array, Int32Builder, ListBuilder, MapArray, MapBuilder, RecordBatch,
    StringBuilder, StructArray,
};
use arrow::datatypes::{DataType as ArrowType, Field as ArrowField};
use millrace_dataflow::catalog::ChangelogMode;
use millrace_dataflow::graph::{Correlate, Operator as Node};
use millrace_dataflow::{
    Batch, DataType, EvalContext, EvalError, Evaluate, Expression, Field, RowKind, Schema, TypeRoot,
};

use super::stage::{Spec, Stage};
use super::text::{data_type, schema};

/// The second column.
#[derive(Debug)]
struct Second;

impl Evaluate for Second {
    fn evaluate(&self, batch: &RecordBatch, _: &EvalContext) -> Result<ArrayRef, EvalError> {
        Ok(batch.column(1).clone())
    }
}

fn spec(collection: &TypeRoot, outer: bool, output: &str) -> Spec {
    let collection = collection.clone().nullable();
    let input = Schema::new(vec![
        Field::new("k", TypeRoot::Int.nullable()),
        Field::new("c", collection.clone()),
    ]);
    Spec {
        node: Node::Correlate(Correlate {
            collection: Expression {
                run: Arc::new(Second),
                data_type: collection,
                digest: "$1".into(),
                column: None,
            },
            keep: vec![0],
            outer,
        }),
        inputs: vec![input],
        output: schema(output),
        changelog: ChangelogMode::ALL,
        keys: vec![vec![0]],
    }
}

fn check(spec: &Spec, kinds: &[RowKind], collections: ArrayRef, expected: &[&str]) {
    let keys: ArrayRef = Arc::new(Int32Array::from_iter_values(0..kinds.len() as i32));
    // The names and nullability inside are the type's.
    let data_type = spec.inputs[0].fields[1].data_type.to_arrow();
    let collections = arrow::compute::cast(&collections, &data_type).expect("the same layout");
    let record = RecordBatch::try_new(spec.inputs[0].to_arrow(), vec![keys, collections]);
    let batch = Batch::changelog(record.expect("columns of the schema"), kinds.to_vec());
    let mut stage = Stage::new(spec);
    stage.batch(0, &batch);
    assert_eq!(stage.emitted(), expected);
    assert_eq!(stage.snapshot(), vec![], "it keeps nothing");
}

/// `[1, NULL, 3]`, NULL, `[]`, `[4]`.
fn numbers() -> ArrayRef {
    let mut lists = ListBuilder::new(Int32Builder::new());
    lists.append_value([Some(1), None, Some(3)]);
    lists.append_null();
    lists.append_value([]);
    lists.append_value([Some(4)]);
    Arc::new(lists.finish())
}

const KINDS: [RowKind; 4] =
    [RowKind::Insert, RowKind::Delete, RowKind::UpdateBefore, RowKind::UpdateAfter];

fn array_of(element: DataType) -> TypeRoot {
    TypeRoot::Array(Box::new(element))
}

#[test]
fn b6_17_an_array_gives_a_row_an_element_with_the_kind_of_its_row() {
    check(
        &spec(&array_of(data_type("INT")), false, "k INT, x INT"),
        &KINDS,
        numbers(),
        &["+I[0, 1]", "+I[0, NULL]", "+I[0, 3]", "+U[3, 4]"],
    );
}

#[test]
fn b6_17_left_pads_null_and_empty() {
    check(
        &spec(&array_of(data_type("INT")), true, "k INT, x INT"),
        &KINDS,
        numbers(),
        &["+I[0, 1]", "+I[0, NULL]", "+I[0, 3]", "-D[1, NULL]", "-U[2, NULL]", "+U[3, 4]"],
    );
}

#[test]
fn b6_17_a_row_gives_a_column_for_each_member() {
    let members = [("a", 1), ("b", 2)].map(|(name, value)| {
        let column: ArrayRef = Arc::new(Int32Array::from(vec![Some(value), Some(9), Some(value)]));
        (Arc::new(ArrowField::new(name, ArrowType::Int32, true)), column)
    });
    let (fields, columns): (Vec<_>, Vec<_>) = members.into_iter().unzip();
    let rows = StructArray::new(fields.into(), columns, Some(vec![true, false, true].into()));
    let item = Arc::new(ArrowField::new("item", rows.data_type().clone(), true));
    let offsets = arrow::buffer::OffsetBuffer::new(vec![0, 2, 3].into());
    let lists = arrow::array::ListArray::new(item, offsets, Arc::new(rows), None);
    let row = TypeRoot::Row(vec![
        Field::new("a", TypeRoot::Int.nullable()),
        Field::new("b", TypeRoot::Int.nullable()),
    ]);
    check(
        &spec(&array_of(row.nullable()), false, "k INT, a INT, b INT"),
        &KINDS[..2],
        Arc::new(lists),
        &["+I[0, 1, 2]", "+I[0, NULL, NULL]", "-D[1, 1, 2]"],
    );
}

fn map() -> MapArray {
    let mut map = MapBuilder::new(None, StringBuilder::new(), Int32Builder::new());
    for (key, value) in [("a", 2), ("b", 1)] {
        map.keys().append_value(key);
        map.values().append_value(value);
    }
    map.append(true).expect("as many keys as values");
    map.append(false).expect("nothing");
    map.finish()
}

#[test]
fn b6_17_a_map_gives_keys_and_values_and_a_multiset_repeats() {
    let string = TypeRoot::string().not_null();
    let of = TypeRoot::Map(Box::new(string.clone()), Box::new(data_type("INT")));
    check(
        &spec(&of, false, "k INT, key STRING, value INT"),
        &KINDS[..2],
        Arc::new(map()),
        &["+I[0, a, 2]", "+I[0, b, 1]"],
    );
    check(
        &spec(&TypeRoot::Multiset(Box::new(string)), true, "k INT, x STRING"),
        &KINDS[..2],
        Arc::new(map()),
        &["+I[0, a]", "+I[0, a]", "+I[0, b]", "-D[1, NULL]"],
    );
}

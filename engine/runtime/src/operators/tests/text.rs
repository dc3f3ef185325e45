//! Rows as text: `+I[a, 1, NULL]`. Times are plain milliseconds.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType as ArrowType, TimeUnit};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use millrace_dataflow::{Batch, DataType, Field, RowKind, Schema, TypeRoot};

/// `k STRING, v INT, ts TIMESTAMP(3)`.
pub fn schema(text: &str) -> Schema {
    let fields = text.split(", ").map(|column| {
        let (name, type_name) = column.split_once(' ').expect("a name and a type");
        Field::new(name, data_type(type_name))
    });
    Schema::new(fields.collect())
}

pub fn data_type(name: &str) -> DataType {
    let root = match name {
        "BOOLEAN" => TypeRoot::Boolean,
        "TINYINT" => TypeRoot::TinyInt,
        "SMALLINT" => TypeRoot::SmallInt,
        "INT" => TypeRoot::Int,
        "BIGINT" => TypeRoot::BigInt,
        "FLOAT" => TypeRoot::Float,
        "DOUBLE" => TypeRoot::Double,
        "STRING" => TypeRoot::string(),
        "DATE" => TypeRoot::Date,
        "TIMESTAMP(3)" => TypeRoot::Timestamp { precision: 3 },
        "TIMESTAMP_LTZ(3)" => TypeRoot::TimestampLtz { precision: 3 },
        "MULTISET<STRING>" => TypeRoot::Multiset(Box::new(TypeRoot::string().not_null())),
        other => decimal(other),
    };
    root.nullable()
}

fn decimal(name: &str) -> TypeRoot {
    let digits = name.strip_prefix("DECIMAL(").and_then(|rest| rest.strip_suffix(')'));
    let (precision, scale) = digits.and_then(|d| d.split_once(',')).expect("a known type");
    TypeRoot::Decimal {
        precision: precision.parse().expect("digits"),
        scale: scale.parse().expect("digits"),
    }
}

/// Rows one after another: `+I[a, 1] -U[b, 2]`.
pub fn batch(schema: &Schema, text: &str) -> Batch {
    let (mut kinds, mut rows) = (Vec::new(), Vec::new());
    for row in text.split(']').map(str::trim).filter(|row| !row.is_empty()) {
        let (kind, values) = row.split_once('[').expect("a row is kind[values]");
        kinds.push(match kind {
            "+I" => RowKind::Insert,
            "-U" => RowKind::UpdateBefore,
            "+U" => RowKind::UpdateAfter,
            "-D" => RowKind::Delete,
            other => panic!("no row kind {other:?}"),
        });
        rows.push(values.split(", ").collect::<Vec<_>>());
    }
    let columns: Vec<ArrayRef> = schema
        .fields
        .iter()
        .enumerate()
        .map(|(at, field)| {
            let values: StringArray =
                rows.iter().map(|row| Some(row[at]).filter(|value| *value != "NULL")).collect();
            column(Arc::new(values), &field.data_type.to_arrow())
        })
        .collect();
    let record = RecordBatch::try_new(schema.to_arrow(), columns).expect("columns of the schema");
    Batch::changelog(record, kinds)
}

fn column(values: ArrayRef, data_type: &ArrowType) -> ArrayRef {
    let values = match data_type {
        ArrowType::Timestamp(_, _) => cast(&values, &ArrowType::Int64).expect("milliseconds"),
        _ => values,
    };
    let parsed = cast(&values, data_type).expect("values of the type");
    assert_eq!(parsed.null_count(), values.null_count(), "unreadable value for {data_type}");
    parsed
}

/// The rows of a batch as text.
pub fn show(batch: &Batch) -> Vec<String> {
    let columns: Vec<Vec<String>> = batch.record.columns().iter().map(show_column).collect();
    (0..batch.num_rows())
        .map(|row| {
            let values: Vec<&str> = columns.iter().map(|column| column[row].as_str()).collect();
            format!("{}[{}]", batch.kind(row), values.join(", "))
        })
        .collect()
}

fn show_column(column: &ArrayRef) -> Vec<String> {
    let column = match column.data_type() {
        ArrowType::Timestamp(TimeUnit::Millisecond, _) => {
            let plain = cast(column, &ArrowType::Timestamp(TimeUnit::Millisecond, None));
            let times: Int64Array = cast(&plain.expect("another zone"), &ArrowType::Int64)
                .expect("milliseconds")
                .as_any()
                .downcast_ref::<Int64Array>()
                .expect("BIGINT")
                .clone();
            Arc::new(times) as ArrayRef
        }
        _ => column.clone(),
    };
    let options = FormatOptions::default().with_null("NULL");
    let formatter = ArrayFormatter::try_new(&column, &options).expect("printable");
    (0..column.len()).map(|row| formatter.value(row).to_string()).collect()
}

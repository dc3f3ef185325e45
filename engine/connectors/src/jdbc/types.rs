//! Columns between Arrow and PostgreSQL: what travels is one of eight plain types, and SQL on
//! the server's side makes of it what the column is (Flink: `PostgresRowConverter`).

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Float32Array, Float64Array, Int16Array,
    Int32Array, Int64Array, StringArray,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType as ArrowType, Float32Type, Float64Type, Int16Type, Int32Type, Int64Type, TimeUnit,
};
use millrace_dataflow::types::{DataType, TypeRoot};
use sqlx::Row;
use sqlx::postgres::{PgArguments, PgRow};
use sqlx::query::Query;

/// What a column is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wire {
    Bool,
    Int2,
    Int4,
    Int8,
    Float4,
    Float8,
    Text,
    Bytes,
}

impl Wire {
    /// `None`: such a column cannot be read or written.
    pub fn of(root: &TypeRoot) -> Option<Wire> {
        Some(match root {
            TypeRoot::Boolean => Wire::Bool,
            TypeRoot::TinyInt | TypeRoot::SmallInt => Wire::Int2,
            TypeRoot::Int | TypeRoot::Date | TypeRoot::Time => Wire::Int4,
            TypeRoot::BigInt | TypeRoot::Timestamp { .. } => Wire::Int8,
            TypeRoot::Float => Wire::Float4,
            TypeRoot::Double => Wire::Float8,
            TypeRoot::Char(_) | TypeRoot::VarChar(_) | TypeRoot::Decimal { .. } => Wire::Text,
            TypeRoot::Binary(_) | TypeRoot::VarBinary(_) => Wire::Bytes,
            _ => return None,
        })
    }

    /// PostgreSQL's name of it.
    pub fn name(self) -> &'static str {
        match self {
            Wire::Bool => "bool",
            Wire::Int2 => "int2",
            Wire::Int4 => "int4",
            Wire::Int8 => "int8",
            Wire::Float4 => "float4",
            Wire::Float8 => "float8",
            Wire::Text => "text",
            Wire::Bytes => "bytea",
        }
    }
}

/// SQL that makes of a table's column what travels.
pub fn outgoing(root: &TypeRoot, column: &str) -> String {
    match root {
        TypeRoot::Date => format!("({column}::date - DATE '1970-01-01')"),
        TypeRoot::Time => format!("trunc(extract(epoch FROM {column}::time) * 1000)::int4"),
        // Exact: the seconds are numeric.
        TypeRoot::Timestamp { .. } => {
            format!("(extract(epoch FROM {column}::timestamp) * 1000000)::int8")
        }
        root => format!("{column}::{}", Wire::of(root).map_or("text", Wire::name)),
    }
}

/// SQL that makes of what travels the value of a column.
pub fn incoming(root: &TypeRoot, value: &str) -> String {
    match root {
        TypeRoot::Date => format!("(DATE '1970-01-01' + {value})"),
        TypeRoot::Time => format!("(TIME '00:00' + {value} * INTERVAL '1 millisecond')"),
        TypeRoot::Timestamp { .. } => {
            format!("(TIMESTAMP 'epoch' + {value} * INTERVAL '1 microsecond')")
        }
        TypeRoot::Decimal { .. } => format!("{value}::numeric"),
        _ => value.to_owned(),
    }
}

/// One column of some rows, from `at` in each.
///
/// # Errors
/// What was wrong with a value.
pub fn column(rows: &[PgRow], at: usize, data_type: &DataType) -> Result<ArrayRef, String> {
    let wire = Wire::of(&data_type.root).ok_or("a type that cannot be read")?;
    let array: ArrayRef = match wire {
        Wire::Bool => Arc::new(values::<bool>(rows, at)?.into_iter().collect::<BooleanArray>()),
        Wire::Int2 => Arc::new(Int16Array::from(values::<i16>(rows, at)?)),
        Wire::Int4 => Arc::new(Int32Array::from(values::<i32>(rows, at)?)),
        Wire::Int8 => Arc::new(Int64Array::from(values::<i64>(rows, at)?)),
        Wire::Float4 => Arc::new(Float32Array::from(values::<f32>(rows, at)?)),
        Wire::Float8 => Arc::new(Float64Array::from(values::<f64>(rows, at)?)),
        Wire::Text => Arc::new(StringArray::from(values::<String>(rows, at)?)),
        Wire::Bytes => Arc::new(
            values::<Vec<u8>>(rows, at)?.iter().map(Option::as_deref).collect::<BinaryArray>(),
        ),
    };
    let target = data_type.to_arrow();
    let scaled = match &target {
        ArrowType::Timestamp(unit, _) => scaled(&array, |micros| from_micros(micros, *unit)),
        _ => array,
    };
    cast(&scaled, &target).map_err(|error| error.to_string())
}

fn values<'r, T>(rows: &'r [PgRow], at: usize) -> Result<Vec<Option<T>>, String>
where
    T: sqlx::Decode<'r, sqlx::Postgres> + sqlx::Type<sqlx::Postgres>,
{
    let value = |row: &'r PgRow| row.try_get::<Option<T>, _>(at).map_err(|e| e.to_string());
    rows.iter().map(value).collect()
}

fn scaled(array: &ArrayRef, scale: impl Fn(i64) -> i64) -> ArrayRef {
    Arc::new(array.as_primitive::<Int64Type>().unary::<_, Int64Type>(scale))
}

fn from_micros(micros: i64, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => micros.div_euclid(1_000_000),
        TimeUnit::Millisecond => micros.div_euclid(1_000),
        TimeUnit::Microsecond => micros,
        TimeUnit::Nanosecond => micros.saturating_mul(1_000),
    }
}

/// A column as an array that a statement takes.
pub enum Values {
    Bool(Vec<Option<bool>>),
    Int2(Vec<Option<i16>>),
    Int4(Vec<Option<i32>>),
    Int8(Vec<Option<i64>>),
    Float4(Vec<Option<f32>>),
    Float8(Vec<Option<f64>>),
    Text(Vec<Option<String>>),
    Bytes(Vec<Option<Vec<u8>>>),
}

impl Values {
    /// # Errors
    /// The column is not of its type.
    pub fn of(array: &ArrayRef, root: &TypeRoot) -> Result<Values, String> {
        let wire = Wire::of(root).ok_or("a type that cannot be written")?;
        let to = |target: ArrowType| cast(array, &target).map_err(|error| error.to_string());
        Ok(match wire {
            Wire::Bool => Values::Bool(array.as_boolean().iter().collect()),
            Wire::Int2 => {
                Values::Int2(to(ArrowType::Int16)?.as_primitive::<Int16Type>().iter().collect())
            }
            Wire::Int4 => {
                Values::Int4(to(ArrowType::Int32)?.as_primitive::<Int32Type>().iter().collect())
            }
            Wire::Int8 => {
                let array = match array.data_type() {
                    ArrowType::Timestamp(..) => {
                        to(ArrowType::Timestamp(TimeUnit::Microsecond, None)).and_then(|array| {
                            cast(&array, &ArrowType::Int64).map_err(|error| error.to_string())
                        })?
                    }
                    _ => to(ArrowType::Int64)?,
                };
                Values::Int8(array.as_primitive::<Int64Type>().iter().collect())
            }
            Wire::Float4 => Values::Float4(array.as_primitive::<Float32Type>().iter().collect()),
            Wire::Float8 => Values::Float8(array.as_primitive::<Float64Type>().iter().collect()),
            Wire::Text => {
                let text = to(ArrowType::Utf8)?;
                let text = text.as_string::<i32>();
                Values::Text(text.iter().map(|value| value.map(str::to_owned)).collect())
            }
            Wire::Bytes => {
                let bytes = array.as_binary::<i32>();
                Values::Bytes(bytes.iter().map(|value| value.map(<[u8]>::to_vec)).collect())
            }
        })
    }

    pub fn bind<'q>(
        self,
        query: Query<'q, sqlx::Postgres, PgArguments>,
    ) -> Query<'q, sqlx::Postgres, PgArguments> {
        match self {
            Values::Bool(values) => query.bind(values),
            Values::Int2(values) => query.bind(values),
            Values::Int4(values) => query.bind(values),
            Values::Int8(values) => query.bind(values),
            Values::Float4(values) => query.bind(values),
            Values::Float8(values) => query.bind(values),
            Values::Text(values) => query.bind(values),
            Values::Bytes(values) => query.bind(values),
        }
    }
}

/// `"a""b"`.
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `schema.table` as PostgreSQL takes it.
pub fn quoted_table(name: &str) -> String {
    name.split('.').map(quoted).collect::<Vec<_>>().join(".")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn g7_1_names_are_quoted() {
        assert_eq!(quoted_table("public.Orders"), "\"public\".\"Orders\"");
        assert_eq!(quoted("a\"; DROP"), "\"a\"\"; DROP\"");
    }

    #[test]
    fn times_travel_as_microseconds() {
        let check = |micros: i64, unit: TimeUnit, expected: i64| {
            assert_eq!(from_micros(micros, unit), expected, "{micros} {unit:?}");
        };
        check(-1, TimeUnit::Millisecond, -1);
        check(1_999, TimeUnit::Millisecond, 1);
        check(7, TimeUnit::Nanosecond, 7_000);
    }
}

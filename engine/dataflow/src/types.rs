//! Flink's logical types and how each is laid out in Arrow.
//!
//! Source of the rules: Flink SQL "Data Types" (rows C1.1 to C1.20 of the
//! dialect checklist).

use std::fmt;
use std::sync::Arc;

use arrow::datatypes as arrow_types;
use serde::{Deserialize, Serialize};

/// The length of `STRING` and `BYTES`: Flink's `VARCHAR(2147483647)`.
pub const MAX_LENGTH: u32 = 2_147_483_647;

/// A logical type: what a value is, and whether it may be NULL.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DataType {
    pub root: TypeRoot,
    pub nullable: bool,
}

/// A logical type without its nullability.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TypeRoot {
    Boolean,
    TinyInt,
    SmallInt,
    Int,
    BigInt,
    Float,
    Double,
    /// `1 <= precision <= 38`, `0 <= scale <= precision`.
    Decimal {
        precision: u8,
        scale: u8,
    },
    /// Length in code points.
    Char(u32),
    /// Length in code points; `STRING` is `VarChar(MAX_LENGTH)`.
    VarChar(u32),
    /// Length in bytes.
    Binary(u32),
    /// Length in bytes; `BYTES` is `VarBinary(MAX_LENGTH)`.
    VarBinary(u32),
    /// Days since the epoch.
    Date,
    /// Milliseconds of the day; SQL supports precision 0 only.
    Time,
    /// Wall clock with `precision` fractional digits, 0 to 9.
    Timestamp {
        precision: u8,
    },
    /// An instant, shown in the session time zone.
    TimestampLtz {
        precision: u8,
    },
    /// Months.
    IntervalYearMonth,
    /// Milliseconds.
    IntervalDayTime,
    Array(Box<DataType>),
    Map(Box<DataType>, Box<DataType>),
    /// Element to multiplicity.
    Multiset(Box<DataType>),
    Row(Vec<Field>),
    /// The untyped NULL.
    Null,
}

/// Whether a column drives time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum TimeAttribute {
    #[default]
    None,
    Rowtime,
    Proctime,
}

/// A named, typed column or row member.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Field {
    pub name: String,
    pub data_type: DataType,
    #[serde(default)]
    pub time: TimeAttribute,
}

/// The columns of a table, a batch or an operator's output, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Schema {
    pub fields: Vec<Field>,
}

impl TypeRoot {
    pub fn string() -> TypeRoot {
        TypeRoot::VarChar(MAX_LENGTH)
    }

    pub fn bytes() -> TypeRoot {
        TypeRoot::VarBinary(MAX_LENGTH)
    }

    pub fn nullable(self) -> DataType {
        DataType { root: self, nullable: true }
    }

    pub fn not_null(self) -> DataType {
        DataType { root: self, nullable: false }
    }

    pub fn is_character(&self) -> bool {
        matches!(self, TypeRoot::Char(_) | TypeRoot::VarChar(_))
    }

    pub fn is_binary(&self) -> bool {
        matches!(self, TypeRoot::Binary(_) | TypeRoot::VarBinary(_))
    }

    pub fn is_integer(&self) -> bool {
        matches!(self, TypeRoot::TinyInt | TypeRoot::SmallInt | TypeRoot::Int | TypeRoot::BigInt)
    }

    pub fn is_numeric(&self) -> bool {
        self.is_integer()
            || matches!(self, TypeRoot::Float | TypeRoot::Double | TypeRoot::Decimal { .. })
    }

    pub fn is_timestamp(&self) -> bool {
        matches!(self, TypeRoot::Timestamp { .. } | TypeRoot::TimestampLtz { .. })
    }
}

impl DataType {
    pub fn with_nullable(mut self, nullable: bool) -> DataType {
        self.nullable = nullable;
        self
    }

    /// The Arrow type that holds this logical type.
    ///
    /// CHAR and VARCHAR are `Utf8`; BINARY and VARBINARY are `Binary`; DECIMAL is
    /// `Decimal128`; TIME is `Time32(ms)`; TIMESTAMP(p) is milliseconds for p <= 3,
    /// microseconds for p <= 6, else nanoseconds (which bounds p > 6 to the years
    /// 1677 to 2262); TIMESTAMP_LTZ is the same with zone `UTC`; intervals are
    /// `Int32` months and `Int64` milliseconds; ROW is `Struct`; MULTISET is a `Map`
    /// from element to `Int32`.
    pub fn to_arrow(&self) -> arrow_types::DataType {
        use arrow_types::DataType as A;
        match &self.root {
            TypeRoot::Boolean => A::Boolean,
            TypeRoot::TinyInt => A::Int8,
            TypeRoot::SmallInt => A::Int16,
            TypeRoot::Int => A::Int32,
            TypeRoot::BigInt => A::Int64,
            TypeRoot::Float => A::Float32,
            TypeRoot::Double => A::Float64,
            TypeRoot::Decimal { precision, scale } => A::Decimal128(*precision, *scale as i8),
            TypeRoot::Char(_) | TypeRoot::VarChar(_) => A::Utf8,
            TypeRoot::Binary(_) | TypeRoot::VarBinary(_) => A::Binary,
            TypeRoot::Date => A::Date32,
            TypeRoot::Time => A::Time32(arrow_types::TimeUnit::Millisecond),
            TypeRoot::Timestamp { precision } => A::Timestamp(time_unit(*precision), None),
            TypeRoot::TimestampLtz { precision } => {
                A::Timestamp(time_unit(*precision), Some(Arc::from("UTC")))
            }
            TypeRoot::IntervalYearMonth => A::Int32,
            TypeRoot::IntervalDayTime => A::Int64,
            TypeRoot::Array(element) => A::List(Arc::new(arrow_field("item", element))),
            TypeRoot::Map(key, value) => map_type(key, value),
            TypeRoot::Multiset(element) => map_type(element, &TypeRoot::Int.not_null()),
            TypeRoot::Row(fields) => A::Struct(fields.iter().map(Field::to_arrow).collect()),
            TypeRoot::Null => A::Null,
        }
    }
}

/// The Arrow unit of a TIMESTAMP or TIMESTAMP_LTZ of this precision.
pub fn time_unit(precision: u8) -> arrow_types::TimeUnit {
    match precision {
        0..=3 => arrow_types::TimeUnit::Millisecond,
        4..=6 => arrow_types::TimeUnit::Microsecond,
        _ => arrow_types::TimeUnit::Nanosecond,
    }
}

// Arrow's nullable flag is always true below: SQL's NOT NULL is checked at sinks
// (row C2.3), and a kernel must not refuse a batch for it.
fn arrow_field(name: &str, data_type: &DataType) -> arrow_types::Field {
    arrow_types::Field::new(name, data_type.to_arrow(), true)
}

fn map_type(key: &DataType, value: &DataType) -> arrow_types::DataType {
    let entries = arrow_types::DataType::Struct(
        vec![arrow_types::Field::new("keys", key.to_arrow(), false), arrow_field("values", value)]
            .into(),
    );
    arrow_types::DataType::Map(Arc::new(arrow_types::Field::new("entries", entries, false)), false)
}

impl Field {
    pub fn new(name: impl Into<String>, data_type: DataType) -> Field {
        Field { name: name.into(), data_type, time: TimeAttribute::None }
    }

    pub fn with_time(mut self, time: TimeAttribute) -> Field {
        self.time = time;
        self
    }

    pub fn to_arrow(&self) -> arrow_types::Field {
        arrow_field(&self.name, &self.data_type)
    }
}

impl Schema {
    pub fn new(fields: Vec<Field>) -> Schema {
        Schema { fields }
    }

    pub fn index_of(&self, name: &str) -> Option<usize> {
        self.fields.iter().position(|field| field.name == name)
    }

    pub fn len(&self) -> usize {
        self.fields.len()
    }

    pub fn is_empty(&self) -> bool {
        self.fields.is_empty()
    }

    pub fn to_arrow(&self) -> arrow_types::SchemaRef {
        Arc::new(arrow_types::Schema::new(
            self.fields.iter().map(Field::to_arrow).collect::<Vec<_>>(),
        ))
    }
}

impl fmt::Display for DataType {
    /// As Flink prints it: `INT NOT NULL`, `VARCHAR(10)`, `ROW<a INT, b STRING>`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.root)?;
        if !self.nullable {
            f.write_str(" NOT NULL")?;
        }
        Ok(())
    }
}

impl fmt::Display for TypeRoot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            TypeRoot::Boolean => f.write_str("BOOLEAN"),
            TypeRoot::TinyInt => f.write_str("TINYINT"),
            TypeRoot::SmallInt => f.write_str("SMALLINT"),
            TypeRoot::Int => f.write_str("INT"),
            TypeRoot::BigInt => f.write_str("BIGINT"),
            TypeRoot::Float => f.write_str("FLOAT"),
            TypeRoot::Double => f.write_str("DOUBLE"),
            TypeRoot::Decimal { precision, scale } => write!(f, "DECIMAL({precision}, {scale})"),
            TypeRoot::Char(length) => write!(f, "CHAR({length})"),
            TypeRoot::VarChar(MAX_LENGTH) => f.write_str("STRING"),
            TypeRoot::VarChar(length) => write!(f, "VARCHAR({length})"),
            TypeRoot::Binary(length) => write!(f, "BINARY({length})"),
            TypeRoot::VarBinary(MAX_LENGTH) => f.write_str("BYTES"),
            TypeRoot::VarBinary(length) => write!(f, "VARBINARY({length})"),
            TypeRoot::Date => f.write_str("DATE"),
            TypeRoot::Time => f.write_str("TIME(0)"),
            TypeRoot::Timestamp { precision } => write!(f, "TIMESTAMP({precision})"),
            TypeRoot::TimestampLtz { precision } => write!(f, "TIMESTAMP_LTZ({precision})"),
            TypeRoot::IntervalYearMonth => f.write_str("INTERVAL YEAR TO MONTH"),
            TypeRoot::IntervalDayTime => f.write_str("INTERVAL DAY TO SECOND(3)"),
            TypeRoot::Array(element) => write!(f, "ARRAY<{element}>"),
            TypeRoot::Map(key, value) => write!(f, "MAP<{key}, {value}>"),
            TypeRoot::Multiset(element) => write!(f, "MULTISET<{element}>"),
            TypeRoot::Row(fields) => {
                f.write_str("ROW<")?;
                for (position, field) in fields.iter().enumerate() {
                    if position > 0 {
                        f.write_str(", ")?;
                    }
                    write!(f, "`{}` {}", field.name, field.data_type)?;
                }
                f.write_str(">")
            }
            TypeRoot::Null => f.write_str("NULL"),
        }
    }
}

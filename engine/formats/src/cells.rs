//! Typed access to the cells of Arrow columns, resolved once a batch.

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryArray, BooleanArray, Date32Array, Decimal128Array,
    Float32Array, Float64Array, Int8Array, Int16Array, Int32Array, Int64Array, ListArray, MapArray,
    StringArray, StructArray, Time32MillisecondArray,
};
use arrow::buffer::ScalarBuffer;
use arrow::datatypes as arrow_types;
use millrace_dataflow::types::{DataType, Field, TypeRoot};

use crate::error::FormatError;
use crate::time::Moment;

/// One column, ready to be read cell by cell.
#[derive(Debug)]
pub enum Cells<'a> {
    Null,
    Boolean(&'a BooleanArray),
    TinyInt(&'a Int8Array),
    SmallInt(&'a Int16Array),
    Int(&'a Int32Array),
    BigInt(&'a Int64Array),
    Float(&'a Float32Array),
    Double(&'a Float64Array),
    Decimal { values: &'a Decimal128Array, scale: u32 },
    Text(&'a StringArray),
    Bytes(&'a BinaryArray),
    Date(&'a Date32Array),
    Time(&'a Time32MillisecondArray),
    Timestamp { array: &'a dyn Array, values: &'a ScalarBuffer<i64>, precision: u8, zoned: bool },
    Months(&'a Int32Array),
    Millis(&'a Int64Array),
    Array { array: &'a ListArray, elements: Box<Cells<'a>> },
    Map { array: &'a MapArray, keys: Box<Cells<'a>>, values: Box<Cells<'a>> },
    Row { array: &'a StructArray, members: Vec<(&'a str, Cells<'a>)> },
}

impl<'a> Cells<'a> {
    /// # Errors
    /// The array is not laid out as the type says.
    pub fn new(data_type: &'a DataType, array: &'a ArrayRef) -> Result<Cells<'a>, FormatError> {
        Self::typed(data_type, array).ok_or_else(|| {
            FormatError::new(format!(
                "a column of type {data_type} arrived as {}; this is a fault of the plan",
                array.data_type()
            ))
        })
    }

    /// One per column of a batch, in order.
    ///
    /// # Errors
    /// See [`Cells::new`]; also when the numbers of columns differ.
    pub fn of_columns(
        fields: &'a [Field],
        columns: &'a [ArrayRef],
    ) -> Result<Vec<Cells<'a>>, FormatError> {
        if fields.len() != columns.len() {
            return Err(FormatError::new(format!(
                "{} columns arrived for a table of {}; this is a fault of the plan",
                columns.len(),
                fields.len()
            )));
        }
        fields.iter().zip(columns).map(|(f, column)| Cells::new(&f.data_type, column)).collect()
    }

    fn typed(data_type: &'a DataType, array: &'a ArrayRef) -> Option<Cells<'a>> {
        let any = array.as_any();
        Some(match &data_type.root {
            TypeRoot::Null => Cells::Null,
            TypeRoot::Boolean => Cells::Boolean(any.downcast_ref()?),
            TypeRoot::TinyInt => Cells::TinyInt(any.downcast_ref()?),
            TypeRoot::SmallInt => Cells::SmallInt(any.downcast_ref()?),
            TypeRoot::Int => Cells::Int(any.downcast_ref()?),
            TypeRoot::BigInt => Cells::BigInt(any.downcast_ref()?),
            TypeRoot::Float => Cells::Float(any.downcast_ref()?),
            TypeRoot::Double => Cells::Double(any.downcast_ref()?),
            TypeRoot::Decimal { scale, .. } => {
                Cells::Decimal { values: any.downcast_ref()?, scale: u32::from(*scale) }
            }
            TypeRoot::Char(_) | TypeRoot::VarChar(_) => Cells::Text(any.downcast_ref()?),
            TypeRoot::Binary(_) | TypeRoot::VarBinary(_) => Cells::Bytes(any.downcast_ref()?),
            TypeRoot::Date => Cells::Date(any.downcast_ref()?),
            TypeRoot::Time => Cells::Time(any.downcast_ref()?),
            TypeRoot::Timestamp { precision } => timestamp(array, *precision, false)?,
            TypeRoot::TimestampLtz { precision } => timestamp(array, *precision, true)?,
            TypeRoot::IntervalYearMonth => Cells::Months(any.downcast_ref()?),
            TypeRoot::IntervalDayTime => Cells::Millis(any.downcast_ref()?),
            TypeRoot::Array(element) => {
                let list: &ListArray = any.downcast_ref()?;
                let elements = Box::new(Cells::typed(element, list.values())?);
                Cells::Array { array: list, elements }
            }
            TypeRoot::Map(key, value) => map(any.downcast_ref()?, key, Some(value))?,
            TypeRoot::Multiset(element) => map(any.downcast_ref()?, element, None)?,
            TypeRoot::Row(fields) => row(any.downcast_ref()?, fields)?,
        })
    }

    pub fn is_null(&self, row: usize) -> bool {
        match self {
            Cells::Null => true,
            Cells::Boolean(array) => array.is_null(row),
            Cells::TinyInt(array) => array.is_null(row),
            Cells::SmallInt(array) => array.is_null(row),
            Cells::Int(array) | Cells::Months(array) => array.is_null(row),
            Cells::BigInt(array) | Cells::Millis(array) => array.is_null(row),
            Cells::Float(array) => array.is_null(row),
            Cells::Double(array) => array.is_null(row),
            Cells::Decimal { values, .. } => values.is_null(row),
            Cells::Text(array) => array.is_null(row),
            Cells::Bytes(array) => array.is_null(row),
            Cells::Date(array) => array.is_null(row),
            Cells::Time(array) => array.is_null(row),
            Cells::Timestamp { array, .. } => array.is_null(row),
            Cells::Array { array, .. } => array.is_null(row),
            Cells::Map { array, .. } => array.is_null(row),
            Cells::Row { array, .. } => array.is_null(row),
        }
    }
}

fn timestamp(array: &ArrayRef, precision: u8, zoned: bool) -> Option<Cells<'_>> {
    use arrow_types::TimeUnit::{Microsecond, Millisecond, Nanosecond};
    let arrow_types::DataType::Timestamp(unit, _) = array.data_type() else { return None };
    if *unit != millrace_dataflow::types::time_unit(precision) {
        return None;
    }
    let values = match unit {
        Millisecond => array.as_primitive::<arrow_types::TimestampMillisecondType>().values(),
        Microsecond => array.as_primitive::<arrow_types::TimestampMicrosecondType>().values(),
        Nanosecond => array.as_primitive::<arrow_types::TimestampNanosecondType>().values(),
        arrow_types::TimeUnit::Second => return None,
    };
    Some(Cells::Timestamp { array: array.as_ref(), values, precision, zoned })
}

fn map<'a>(
    array: &'a MapArray,
    key: &'a DataType,
    value: Option<&'a DataType>,
) -> Option<Cells<'a>> {
    let keys = Box::new(Cells::typed(key, array.keys())?);
    let values = Box::new(match value {
        Some(value) => Cells::typed(value, array.values())?,
        None => Cells::Int(array.values().as_any().downcast_ref()?),
    });
    Some(Cells::Map { array, keys, values })
}

fn row<'a>(array: &'a StructArray, fields: &'a [Field]) -> Option<Cells<'a>> {
    if array.num_columns() != fields.len() {
        return None;
    }
    let members = fields
        .iter()
        .zip(array.columns())
        .map(|(field, column)| Some((field.name.as_str(), Cells::typed(&field.data_type, column)?)))
        .collect::<Option<Vec<_>>>()?;
    Some(Cells::Row { array, members })
}

/// The elements of an array or the entries of a map in one row, as a range of the
/// child cells.
pub fn element_range(offsets: &[i32], row: usize) -> std::ops::Range<usize> {
    offsets[row] as usize..offsets[row + 1] as usize
}

/// The moment in one row of a [`Cells::Timestamp`].
pub fn moment(values: &ScalarBuffer<i64>, precision: u8, row: usize) -> Moment {
    Moment::of(values[row], precision)
}

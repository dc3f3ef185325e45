//! Bytes to columns, a column at a time; every row is a cursor that must end empty.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, ArrowPrimitiveType, BinaryBuilder, BooleanBuilder, Decimal128Array, ListArray,
    MapArray, NullArray, PrimitiveArray, PrimitiveBuilder, StringBuilder, StructArray,
};
use arrow::buffer::{NullBuffer, OffsetBuffer};
use arrow::datatypes::{
    DataType as ArrowType, Date32Type, Decimal128Type, DecimalType, FieldRef, Fields, Float32Type,
    Float64Type, Int8Type, Int16Type, Int32Type, Int64Type, Time32MillisecondType, TimeUnit,
    TimestampMicrosecondType, TimestampMillisecondType, TimestampNanosecondType,
    TimestampSecondType,
};

use super::{DamagedRow, canonical_f32, canonical_f64, fixed, tag, timestamp_tag};

/// What is left of each row.
type Cursors<'a> = Vec<&'a [u8]>;

pub fn columns(types: &[ArrowType], mut rows: Cursors<'_>) -> Result<Vec<ArrayRef>, DamagedRow> {
    let columns =
        types.iter().map(|data_type| column(data_type, &mut rows)).collect::<Result<_, _>>()?;
    match rows.iter().find(|rest| !rest.is_empty()) {
        Some(rest) => Err(DamagedRow::new(format!("{} bytes too many", rest.len()))),
        None => Ok(columns),
    }
}

fn column(data_type: &ArrowType, rows: &mut Cursors<'_>) -> Result<ArrayRef, DamagedRow> {
    match data_type {
        ArrowType::Null => nulls(rows),
        ArrowType::Boolean => booleans(rows),
        ArrowType::Int8 => ints::<Int8Type, 1>(tag::INT8, rows, i8::from_le_bytes),
        ArrowType::Int16 => ints::<Int16Type, 2>(tag::INT16, rows, i16::from_le_bytes),
        ArrowType::Int32 => ints::<Int32Type, 4>(tag::INT32, rows, i32::from_le_bytes),
        ArrowType::Int64 => ints::<Int64Type, 8>(tag::INT64, rows, i64::from_le_bytes),
        ArrowType::Float32 => float32(rows),
        ArrowType::Float64 => float64(rows),
        ArrowType::Decimal128(precision, scale) => decimals(*precision, *scale, rows),
        ArrowType::Utf8 => text(rows),
        ArrowType::Binary => binary(rows),
        ArrowType::Date32 => ints::<Date32Type, 4>(tag::DATE32, rows, i32::from_le_bytes),
        ArrowType::Time32(TimeUnit::Millisecond) => {
            ints::<Time32MillisecondType, 4>(tag::TIME32_MS, rows, i32::from_le_bytes)
        }
        ArrowType::Timestamp(unit, zone) => timestamps(*unit, zone.as_ref(), rows),
        ArrowType::List(item) => list(item, rows),
        ArrowType::Map(entry, sorted) => map(entry, *sorted, rows),
        ArrowType::Struct(fields) => row_value(fields, rows),
        other => Err(DamagedRow::new(format!("no SQL type is laid out as {other}"))),
    }
}

fn cut_short() -> DamagedRow {
    DamagedRow::new("cut short")
}

fn take<'a>(row: &mut &'a [u8], length: usize) -> Result<&'a [u8], DamagedRow> {
    let (head, rest) = row.split_at_checked(length).ok_or_else(cut_short)?;
    *row = rest;
    Ok(head)
}

fn take_byte(row: &mut &[u8]) -> Result<u8, DamagedRow> {
    Ok(take(row, 1)?[0])
}

/// Whether a value of this tag follows (`false`: NULL).
fn take_tag(row: &mut &[u8], expected: u8) -> Result<bool, DamagedRow> {
    match take_byte(row)? {
        tag::NULL => Ok(false),
        found if found == expected => Ok(true),
        found => Err(DamagedRow::new(format!("tag {found} where {expected} was expected"))),
    }
}

fn take_count(row: &mut &[u8]) -> Result<usize, DamagedRow> {
    let count = take(row, 4)?.try_into().expect("four bytes were taken");
    let count = u32::from_le_bytes(count);
    if i32::try_from(count).is_err() {
        return Err(DamagedRow::new(format!("a length of {count}")));
    }
    Ok(count as usize)
}

fn nulls(rows: &mut Cursors<'_>) -> Result<ArrayRef, DamagedRow> {
    for row in rows.iter_mut() {
        match take_byte(row)? {
            tag::NULL => {}
            found => return Err(DamagedRow::new(format!("tag {found} in an untyped column"))),
        }
    }
    Ok(Arc::new(NullArray::new(rows.len())))
}

fn booleans(rows: &mut Cursors<'_>) -> Result<ArrayRef, DamagedRow> {
    let mut builder = BooleanBuilder::with_capacity(rows.len());
    for row in rows.iter_mut() {
        match take_byte(row)? {
            tag::NULL => builder.append_null(),
            tag::FALSE => builder.append_value(false),
            tag::TRUE => builder.append_value(true),
            found => return Err(DamagedRow::new(format!("tag {found} for a BOOLEAN"))),
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn primitives<T: ArrowPrimitiveType, const W: usize>(
    tag: u8,
    rows: &mut Cursors<'_>,
    value: impl Fn([u8; W]) -> Result<T::Native, DamagedRow>,
) -> Result<PrimitiveArray<T>, DamagedRow> {
    let mut builder = PrimitiveBuilder::<T>::with_capacity(rows.len());
    for row in rows.iter_mut() {
        if take_tag(row, tag)? {
            let bytes: [u8; W] = take(row, W)?.try_into().expect("as many bytes were taken");
            builder.append_value(value(bytes)?);
        } else {
            builder.append_null();
        }
    }
    Ok(builder.finish())
}

fn ints<T: ArrowPrimitiveType, const W: usize>(
    tag: u8,
    rows: &mut Cursors<'_>,
    value: impl Fn([u8; W]) -> T::Native,
) -> Result<ArrayRef, DamagedRow> {
    Ok(Arc::new(primitives::<T, W>(tag, rows, |bytes| Ok(value(bytes)))?))
}

fn float32(rows: &mut Cursors<'_>) -> Result<ArrayRef, DamagedRow> {
    let column = primitives::<Float32Type, 4>(tag::FLOAT32, rows, |bytes| {
        let value = f32::from_le_bytes(bytes);
        one_form(value.to_bits() == canonical_f32(value).to_bits(), value)
    })?;
    Ok(Arc::new(column))
}

fn float64(rows: &mut Cursors<'_>) -> Result<ArrayRef, DamagedRow> {
    let column = primitives::<Float64Type, 8>(tag::FLOAT64, rows, |bytes| {
        let value = f64::from_le_bytes(bytes);
        one_form(value.to_bits() == canonical_f64(value).to_bits(), value)
    })?;
    Ok(Arc::new(column))
}

fn one_form<T>(is_canonical: bool, value: T) -> Result<T, DamagedRow> {
    if is_canonical { Ok(value) } else { Err(DamagedRow::new("a float outside its one form")) }
}

fn decimals(precision: u8, scale: i8, rows: &mut Cursors<'_>) -> Result<ArrayRef, DamagedRow> {
    let column: Decimal128Array =
        primitives::<Decimal128Type, 16>(tag::DECIMAL128, rows, |bytes| {
            let value = i128::from_le_bytes(bytes);
            match Decimal128Type::is_valid_decimal_precision(value, precision) {
                true => Ok(value),
                false => Err(DamagedRow::new(format!("a decimal of more than {precision} digits"))),
            }
        })?;
    let typed = column.with_precision_and_scale(precision, scale);
    Ok(Arc::new(typed.map_err(|error| DamagedRow::new(error.to_string()))?))
}

fn timestamps(
    unit: TimeUnit,
    zone: Option<&Arc<str>>,
    rows: &mut Cursors<'_>,
) -> Result<ArrayRef, DamagedRow> {
    let tag = timestamp_tag(unit, zone.is_some());
    macro_rules! of {
        ($unit:ty) => {
            Arc::new(
                primitives::<$unit, 8>(tag, rows, |bytes| Ok(i64::from_le_bytes(bytes)))?
                    .with_timezone_opt(zone.cloned()),
            )
        };
    }
    Ok(match unit {
        TimeUnit::Second => of!(TimestampSecondType),
        TimeUnit::Millisecond => of!(TimestampMillisecondType),
        TimeUnit::Microsecond => of!(TimestampMicrosecondType),
        TimeUnit::Nanosecond => of!(TimestampNanosecondType),
    })
}

fn take_bytes<'a>(row: &mut &'a [u8], tag: u8) -> Result<Option<&'a [u8]>, DamagedRow> {
    if !take_tag(row, tag)? {
        return Ok(None);
    }
    let length = take_count(row)?;
    take(row, length).map(Some)
}

fn text(rows: &mut Cursors<'_>) -> Result<ArrayRef, DamagedRow> {
    let mut builder = StringBuilder::with_capacity(rows.len(), 0);
    for row in rows.iter_mut() {
        let text = take_bytes(row, tag::UTF8)?.map(std::str::from_utf8).transpose();
        builder.append_option(text.map_err(|error| DamagedRow::new(error.to_string()))?);
    }
    Ok(Arc::new(builder.finish()))
}

fn binary(rows: &mut Cursors<'_>) -> Result<ArrayRef, DamagedRow> {
    let mut builder = BinaryBuilder::with_capacity(rows.len(), 0);
    for row in rows.iter_mut() {
        builder.append_option(take_bytes(row, tag::BINARY)?);
    }
    Ok(Arc::new(builder.finish()))
}

/// Where the values of each list stand, one after another over all rows.
struct Spans<'a> {
    valid: Vec<bool>,
    ends: Vec<usize>,
    values: Cursors<'a>,
}

impl<'a> Spans<'a> {
    /// Cuts out the `count` values after each tag; `skip` steps over one.
    fn cut(
        tag: u8,
        rows: &mut Cursors<'a>,
        skip: impl Fn(&mut &'a [u8]) -> Result<(), DamagedRow>,
    ) -> Result<Spans<'a>, DamagedRow> {
        let mut spans = Spans { valid: Vec::new(), ends: Vec::new(), values: Vec::new() };
        for row in rows.iter_mut() {
            let valid = take_tag(row, tag)?;
            let count = if valid { take_count(row)? } else { 0 };
            for _ in 0..count {
                let start = *row;
                skip(row)?;
                spans.values.push(&start[..start.len() - row.len()]);
            }
            spans.valid.push(valid);
            spans.ends.push(spans.values.len());
        }
        Ok(spans)
    }

    fn offsets(&self) -> OffsetBuffer<i32> {
        let mut start = 0;
        OffsetBuffer::from_lengths(self.ends.iter().map(|end| {
            let length = end - start;
            start = *end;
            length
        }))
    }
}

fn list(item: &FieldRef, rows: &mut Cursors<'_>) -> Result<ArrayRef, DamagedRow> {
    let spans = Spans::cut(tag::LIST, rows, |row| skip(item.data_type(), row))?;
    let offsets = spans.offsets();
    let values = columns(&[item.data_type().clone()], spans.values)?.remove(0);
    let list = ListArray::try_new(item.clone(), offsets, values, validity(spans.valid));
    Ok(Arc::new(list.map_err(|error| DamagedRow::new(error.to_string()))?))
}

fn map(entry: &FieldRef, sorted: bool, rows: &mut Cursors<'_>) -> Result<ArrayRef, DamagedRow> {
    let ArrowType::Struct(fields) = entry.data_type() else {
        return Err(DamagedRow::new("a map without entries"));
    };
    let spans = Spans::cut(tag::MAP, rows, |row| {
        fields.iter().try_for_each(|field| skip(field.data_type(), row))
    })?;
    check_order(&spans)?;
    let offsets = spans.offsets();
    let types: Vec<ArrowType> = fields.iter().map(|field| field.data_type().clone()).collect();
    let entries = StructArray::try_new(fields.clone(), columns(&types, spans.values)?, None)
        .map_err(|error| DamagedRow::new(error.to_string()))?;
    let map = MapArray::try_new(entry.clone(), offsets, entries, validity(spans.valid), sorted);
    Ok(Arc::new(map.map_err(|error| DamagedRow::new(error.to_string()))?))
}

fn check_order(spans: &Spans<'_>) -> Result<(), DamagedRow> {
    let mut start = 0;
    for &end in &spans.ends {
        if !spans.values[start..end].is_sorted() {
            return Err(DamagedRow::new("a map out of order"));
        }
        start = end;
    }
    Ok(())
}

fn row_value(fields: &Fields, rows: &mut Cursors<'_>) -> Result<ArrayRef, DamagedRow> {
    let mut valid = Vec::with_capacity(rows.len());
    let absent = vec![tag::NULL; fields.len()];
    // A NULL row has no members: they are read from NULLs beside it.
    let mut members: Cursors<'_> = Vec::with_capacity(rows.len());
    for row in rows.iter_mut() {
        valid.push(take_tag(row, tag::STRUCT)?);
        members.push(if valid[valid.len() - 1] { *row } else { &absent });
    }
    let columns = fields
        .iter()
        .map(|field| column(field.data_type(), &mut members))
        .collect::<Result<Vec<_>, _>>()?;
    for ((row, rest), valid) in rows.iter_mut().zip(&members).zip(&valid) {
        if *valid {
            *row = &row[row.len() - rest.len()..];
        }
    }
    let array =
        StructArray::try_new_with_length(fields.clone(), columns, validity(valid), members.len());
    Ok(Arc::new(array.map_err(|error| DamagedRow::new(error.to_string()))?))
}

fn validity(valid: Vec<bool>) -> Option<NullBuffer> {
    if valid.iter().all(|valid| *valid) { None } else { Some(NullBuffer::from(valid)) }
}

/// Steps over one value without looking into fixed-width payloads; what is inside is
/// checked when the value is read.
fn skip(data_type: &ArrowType, row: &mut &[u8]) -> Result<(), DamagedRow> {
    if let Some((tag, width)) = fixed(data_type) {
        if take_tag(row, tag)? {
            take(row, width)?;
        }
        return Ok(());
    }
    match data_type {
        ArrowType::Null | ArrowType::Boolean => take_byte(row).map(drop),
        ArrowType::Utf8 => take_bytes(row, tag::UTF8).map(drop),
        ArrowType::Binary => take_bytes(row, tag::BINARY).map(drop),
        ArrowType::List(item) => skip_many(tag::LIST, row, |row| skip(item.data_type(), row)),
        ArrowType::Map(entry, _) => skip_many(tag::MAP, row, |row| match entry.data_type() {
            ArrowType::Struct(fields) => skip_members(fields, row),
            other => Err(DamagedRow::new(format!("map entries of type {other}"))),
        }),
        ArrowType::Struct(fields) => match take_tag(row, tag::STRUCT)? {
            true => skip_members(fields, row),
            false => Ok(()),
        },
        other => Err(DamagedRow::new(format!("no SQL type is laid out as {other}"))),
    }
}

fn skip_many(
    tag: u8,
    row: &mut &[u8],
    one: impl Fn(&mut &[u8]) -> Result<(), DamagedRow>,
) -> Result<(), DamagedRow> {
    let count = if take_tag(row, tag)? { take_count(row)? } else { 0 };
    (0..count).try_for_each(|_| one(row))
}

fn skip_members(fields: &Fields, row: &mut &[u8]) -> Result<(), DamagedRow> {
    fields.iter().try_for_each(|field| skip(field.data_type(), row))
}

//! Columns to JSON (row G10.14). The values of the common types go from their columns
//! straight into the page that is written; all others by `write_cell`.

use arrow::array::{Array, ArrayRef};
use arrow::buffer::NullBuffer;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use millrace_dataflow::types::Schema;

use super::scan::plain_length;
use super::{JsonOptions, MapNullKey};
use crate::cells::{Cells, element_range, moment};
use crate::error::FormatError;
use crate::format::{Encoded, RowEncoder};
use crate::numbers::{write_decimal_stripped, write_f32, write_f64};
use crate::page::{Page, Piece};
use crate::quick::TimestampTexts;
use crate::time::{Moment, write_date, write_time, write_timestamp};

/// Writes one object a row: fields in the table's order, NULLs written.
#[derive(Debug)]
pub struct JsonEncoder {
    schema: Schema,
    options: JsonOptions,
    timestamps: TimestampTexts,
    scratch: Vec<u8>,
}

/// A field of an object: what stands before its value, and its values.
struct Member<'a> {
    before: Piece,
    /// `None`: there are none.
    nulls: Option<&'a NullBuffer>,
    values: Values<'a>,
}

enum Values<'a> {
    Long(&'a [i64]),
    Int(&'a [i32]),
    Text { bytes: &'a [u8], offsets: &'a [i32] },
    Timestamp { values: &'a [i64], precision: u8, zoned: bool },
    Row(Vec<Member<'a>>),
    Other(&'a Cells<'a>),
}

impl JsonEncoder {
    pub fn new(schema: Schema, options: JsonOptions) -> JsonEncoder {
        let (timestamps, scratch) = (TimestampTexts::default(), Vec::new());
        JsonEncoder { schema, options, timestamps, scratch }
    }

    fn object(
        &mut self,
        members: &[Member<'_>],
        row: usize,
        page: &mut Page,
    ) -> Result<(), FormatError> {
        if members.is_empty() {
            page.byte(b'{');
        }
        for member in members {
            page.piece(&member.before);
            if member.nulls.is_some_and(|nulls| nulls.is_null(row)) {
                page.push(b"null");
            } else {
                self.value(&member.values, row, page)?;
            }
        }
        page.byte(b'}');
        Ok(())
    }

    #[inline]
    fn value(
        &mut self,
        values: &Values<'_>,
        row: usize,
        page: &mut Page,
    ) -> Result<(), FormatError> {
        match values {
            Values::Long(values) => page.integer(values[row]),
            Values::Int(values) => page.integer(values[row].into()),
            Values::Text { bytes, offsets } => {
                let (from, to) = (offsets[row] as usize, offsets[row + 1] as usize);
                if !page.plain_text(bytes, from, to) {
                    self.scratch.clear();
                    write_string(&bytes[from..to], &mut self.scratch);
                    page.push(&self.scratch);
                }
            }
            Values::Timestamp { values, precision, zoned } => {
                self.timestamp(values[row], *precision, *zoned, page);
            }
            Values::Row(members) => self.object(members, row, page)?,
            Values::Other(cells) => {
                self.scratch.clear();
                write_cell(cells, row, &self.options, &mut self.scratch)?;
                page.push(&self.scratch);
            }
        }
        Ok(())
    }

    fn timestamp(&mut self, value: i64, precision: u8, zoned: bool, page: &mut Page) {
        let standard = self.options.standard;
        page.byte(b'"');
        match self.timestamps.text(value, precision, standard, zoned) {
            Some(short) => page.push(short.text()),
            None => {
                self.scratch.clear();
                let moment = Moment::of(value, precision);
                write_timestamp(moment, standard, zoned, &mut self.scratch);
                page.push(&self.scratch);
            }
        }
        page.byte(b'"');
    }
}

impl RowEncoder for JsonEncoder {
    fn encode(
        &mut self,
        columns: &[ArrayRef],
        rows: usize,
        out: &mut Encoded,
    ) -> Result<(), FormatError> {
        let schema = std::mem::take(&mut self.schema);
        let result = Cells::of_columns(&schema.fields, columns).and_then(|cells| {
            let names = schema.fields.iter().map(|field| field.name.as_str());
            let members = members(names.zip(&cells));
            let mut page = Page::new(std::mem::take(&mut out.bytes));
            let written = (0..rows).try_for_each(|row| {
                self.object(&members, row, &mut page)?;
                page.byte(b'\n');
                out.ends.push(page.len());
                Ok(())
            });
            out.bytes = page.into_bytes();
            written
        });
        self.schema = schema;
        result
    }
}

fn members<'a>(fields: impl Iterator<Item = (&'a str, &'a Cells<'a>)>) -> Vec<Member<'a>> {
    let member = |(at, (name, cells)): (usize, (&str, &'a Cells<'a>))| {
        let mut before = vec![if at == 0 { b'{' } else { b',' }];
        write_string(name.as_bytes(), &mut before);
        before.push(b':');
        let (values, nulls) = values(cells);
        let nulls = nulls.filter(|nulls| nulls.null_count() > 0);
        Member { before: Piece::new(before), nulls, values }
    };
    fields.enumerate().map(member).collect()
}

// With the nulls; those of other values are looked at as each is written.
fn values<'a>(cells: &'a Cells<'a>) -> (Values<'a>, Option<&'a NullBuffer>) {
    match cells {
        Cells::BigInt(array) | Cells::Millis(array) => {
            (Values::Long(array.values()), array.nulls())
        }
        Cells::Int(array) | Cells::Months(array) => (Values::Int(array.values()), array.nulls()),
        Cells::Text(array) => {
            let (bytes, offsets) = (array.value_data(), array.value_offsets());
            (Values::Text { bytes, offsets }, array.nulls())
        }
        Cells::Timestamp { array, values, precision, zoned } => {
            let (precision, zoned) = (*precision, *zoned);
            (Values::Timestamp { values, precision, zoned }, array.nulls())
        }
        Cells::Row { array, members: inner } => {
            let inner = inner.iter().map(|(name, cells)| (*name, cells));
            (Values::Row(members(inner)), array.nulls())
        }
        other => (Values::Other(other), None),
    }
}

fn write_cell(
    cells: &Cells<'_>,
    row: usize,
    options: &JsonOptions,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    if cells.is_null(row) {
        out.extend_from_slice(b"null");
        return Ok(());
    }
    match cells {
        Cells::Null => out.extend_from_slice(b"null"),
        Cells::Boolean(array) => {
            out.extend_from_slice(if array.value(row) { b"true" } else { b"false" });
        }
        Cells::TinyInt(array) => write_integer(array.value(row).into(), out),
        Cells::SmallInt(array) => write_integer(array.value(row).into(), out),
        Cells::Int(array) | Cells::Months(array) => write_integer(array.value(row).into(), out),
        Cells::BigInt(array) | Cells::Millis(array) => write_integer(array.value(row), out),
        Cells::Float(array) => {
            let value = array.value(row);
            write_number(value.is_finite(), out, |out| write_f32(value, out));
        }
        Cells::Double(array) => {
            let value = array.value(row);
            write_number(value.is_finite(), out, |out| write_f64(value, out));
        }
        Cells::Decimal { values, scale } => {
            write_decimal_stripped(values.value(row), *scale, options.plain_decimals, out);
        }
        Cells::Text(array) => write_string(array.value(row).as_bytes(), out),
        Cells::Bytes(array) => write_text(out, |out| {
            out.extend_from_slice(BASE64.encode(array.value(row)).as_bytes());
        }),
        Cells::Date(array) => write_text(out, |out| write_date(array.value(row).into(), out)),
        Cells::Time(array) => {
            let millis = array.value(row).max(0) as u32;
            write_text(out, |out| write_time(millis / 1_000, millis % 1_000 * 1_000_000, out));
        }
        Cells::Timestamp { values, precision, zoned, .. } => write_text(out, |out| {
            write_timestamp(moment(values, *precision, row), options.standard, *zoned, out);
        }),
        Cells::Array { array, elements } => {
            let range = element_range(array.value_offsets(), row);
            write_array(elements, range, options, out)?;
        }
        Cells::Map { array, keys, values } => {
            let range = element_range(array.value_offsets(), row);
            write_map(keys, values, range, options, out)?;
        }
        Cells::Row { members, .. } => write_row(members, row, options, out)?,
    }
    Ok(())
}

fn write_integer(value: i64, out: &mut Vec<u8>) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

// JSON has no NaN and no infinities: as text, like Jackson.
fn write_number(finite: bool, out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    if finite { write(out) } else { write_text(out, write) }
}

fn write_text(out: &mut Vec<u8>, write: impl FnOnce(&mut Vec<u8>)) {
    out.push(b'"');
    write(out);
    out.push(b'"');
}

fn write_array(
    elements: &Cells<'_>,
    range: std::ops::Range<usize>,
    options: &JsonOptions,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    out.push(b'[');
    for (position, element) in range.enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_cell(elements, element, options, out)?;
    }
    out.push(b']');
    Ok(())
}

fn write_map(
    keys: &Cells<'_>,
    values: &Cells<'_>,
    range: std::ops::Range<usize>,
    options: &JsonOptions,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    out.push(b'{');
    let mut first = true;
    for entry in range {
        let key: &[u8] = match (keys.is_null(entry), keys, &options.map_null_key) {
            (false, Cells::Text(keys), _) => keys.value(entry).as_bytes(),
            (true, _, MapNullKey::Drop) => continue,
            (true, _, MapNullKey::Literal(literal)) => literal.as_bytes(),
            _ => return Err(null_key()),
        };
        if !std::mem::take(&mut first) {
            out.push(b',');
        }
        write_string(key, out);
        out.push(b':');
        write_cell(values, entry, options, out)?;
    }
    out.push(b'}');
    Ok(())
}

fn null_key() -> FormatError {
    FormatError::new(
        "a map with a NULL key cannot be written as json; set 'json.map-null-key.mode' to \
         'DROP' or 'LITERAL'",
    )
}

fn write_row(
    members: &[(&str, Cells<'_>)],
    row: usize,
    options: &JsonOptions,
    out: &mut Vec<u8>,
) -> Result<(), FormatError> {
    out.push(b'{');
    for (position, (name, cells)) in members.iter().enumerate() {
        if position > 0 {
            out.push(b',');
        }
        write_string(name.as_bytes(), out);
        out.push(b':');
        write_cell(cells, row, options, out)?;
    }
    out.push(b'}');
    Ok(())
}

/// Appends text between quotes, escaped as Jackson does: short escapes where there
/// are any, `\u001F` for other control characters, all else as it is.
pub(super) fn write_string(text: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    let mut rest = text;
    loop {
        let plain = plain_length(rest);
        out.extend_from_slice(&rest[..plain]);
        let Some(special) = rest.get(plain) else { break };
        write_escape(*special, out);
        rest = &rest[plain + 1..];
    }
    out.push(b'"');
}

fn write_escape(special: u8, out: &mut Vec<u8>) {
    match special {
        b'"' | b'\\' => out.extend_from_slice(&[b'\\', special]),
        b'\n' => out.extend_from_slice(b"\\n"),
        b'\t' => out.extend_from_slice(b"\\t"),
        b'\r' => out.extend_from_slice(b"\\r"),
        0x08 => out.extend_from_slice(b"\\b"),
        0x0c => out.extend_from_slice(b"\\f"),
        control => out.extend_from_slice(format!("\\u{control:04X}").as_bytes()),
    }
}

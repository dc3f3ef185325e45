//! Columns to delimited text (row G11.12).

use arrow::array::ArrayRef;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use millrace_dataflow::types::Schema;

use super::CsvOptions;
use crate::cells::{Cells, element_range, moment};
use crate::error::FormatError;
use crate::format::{Encoded, RowEncoder};
use crate::numbers::{write_decimal_stripped, write_f32, write_f64};
use crate::quick::TimestampTexts;
use crate::time::{TimestampStandard, write_date, write_time, write_timestamp};

/// Text longer than this is quoted without a look at it (Jackson:
/// `MAX_QUOTE_CHECK`).
const MAX_QUOTE_CHECK: usize = 24;

/// Writes one line a row, no header.
#[derive(Debug)]
pub struct CsvEncoder {
    schema: Schema,
    options: CsvOptions,
    /// Every character below this one makes a field quoted: Jackson's loose rule,
    /// one past the greater of delimiter, quote and line end.
    min_safe: u8,
    scratch: Vec<u8>,
    timestamps: TimestampTexts,
}

impl CsvEncoder {
    pub fn new(schema: Schema, options: CsvOptions) -> CsvEncoder {
        let greatest = options.delimiter.max(options.quote.unwrap_or(0)).max(b'\n');
        let (scratch, timestamps) = (Vec::new(), TimestampTexts::default());
        CsvEncoder { schema, options, min_safe: greatest + 1, scratch, timestamps }
    }

    fn write_field(&mut self, cells: &Cells<'_>, row: usize, out: &mut Vec<u8>) {
        if cells.is_null(row) {
            let literal = self.options.null_literal.as_deref().unwrap_or("");
            return out.extend_from_slice(literal.as_bytes());
        }
        // Numbers of Java's primitive types are written as they are.
        if write_number(cells, row, out) {
            return;
        }
        match cells {
            Cells::Text(array) => return self.write_quoted(array.value(row).as_bytes(), out),
            Cells::Timestamp { values, precision, zoned, .. } => {
                let standard = TimestampStandard::Sql;
                let short = self.timestamps.text(values[row], *precision, standard, *zoned);
                if let Some(short) = short {
                    return self.write_quoted(short.text(), out);
                }
            }
            _ => {}
        }
        let mut scratch = std::mem::take(&mut self.scratch);
        scratch.clear();
        write_text(cells, row, &self.options, &mut scratch);
        self.write_quoted(&scratch, out);
        self.scratch = scratch;
    }

    fn write_quoted(&self, text: &[u8], out: &mut Vec<u8>) {
        let Some(quote) = self.options.quote.filter(|_| self.needs_quotes(text)) else {
            return out.extend_from_slice(text);
        };
        out.reserve(text.len() + 2);
        out.push(quote);
        let inside = |byte| memchr::memchr(byte, text).is_some();
        if !inside(quote) && !self.options.escape.is_some_and(inside) {
            out.extend_from_slice(text);
            return out.push(quote);
        }
        for byte in text {
            if *byte == quote {
                out.push(quote);
            } else if Some(*byte) == self.options.escape {
                out.push(*byte);
            }
            out.push(*byte);
        }
        out.push(quote);
    }

    fn needs_quotes(&self, text: &[u8]) -> bool {
        // The quote itself is below the first safe character.
        let least = text.iter().fold(u8::MAX, |least, byte| least.min(*byte));
        least < self.min_safe
            || text.len() > MAX_QUOTE_CHECK && long(text)
            || self.options.escape.is_some_and(|escape| memchr::memchr(escape, text).is_some())
    }
}

// Of a text of more bytes than that; Java counts UTF-16 units.
fn long(text: &[u8]) -> bool {
    text.is_ascii() || String::from_utf8_lossy(text).encode_utf16().count() > MAX_QUOTE_CHECK
}

impl RowEncoder for CsvEncoder {
    fn encode(
        &mut self,
        columns: &[ArrayRef],
        rows: usize,
        out: &mut Encoded,
    ) -> Result<(), FormatError> {
        let schema = std::mem::take(&mut self.schema);
        let result = Cells::of_columns(&schema.fields, columns).map(|cells| {
            for row in 0..rows {
                for (position, cells) in cells.iter().enumerate() {
                    if position > 0 {
                        out.bytes.push(self.options.delimiter);
                    }
                    self.write_field(cells, row, &mut out.bytes);
                }
                out.bytes.push(b'\n');
                out.ends.push(out.bytes.len());
            }
        });
        self.schema = schema;
        result
    }
}

fn write_number(cells: &Cells<'_>, row: usize, out: &mut Vec<u8>) -> bool {
    let integer = match cells {
        Cells::TinyInt(array) => array.value(row).into(),
        Cells::SmallInt(array) => array.value(row).into(),
        Cells::Int(array) | Cells::Months(array) => array.value(row).into(),
        Cells::BigInt(array) | Cells::Millis(array) => array.value(row),
        Cells::Float(array) => {
            write_f32(array.value(row), out);
            return true;
        }
        Cells::Double(array) => {
            write_f64(array.value(row), out);
            return true;
        }
        Cells::Boolean(array) => {
            out.extend_from_slice(if array.value(row) { b"true" } else { b"false" });
            return true;
        }
        _ => return false,
    };
    out.extend_from_slice(itoa::Buffer::new().format(integer).as_bytes());
    true
}

/// Appends a value as text that stands alone, such as a partition's name.
pub fn write_plain(cells: &Cells<'_>, row: usize, out: &mut Vec<u8>) {
    let options = CsvOptions { scientific_decimals: false, ..CsvOptions::default() };
    write_text(cells, row, &options, out);
}

fn write_text(cells: &Cells<'_>, row: usize, options: &CsvOptions, out: &mut Vec<u8>) {
    if cells.is_null(row) {
        let literal = options.null_literal.as_deref().unwrap_or("");
        return out.extend_from_slice(literal.as_bytes());
    }
    match cells {
        Cells::Decimal { values, scale } => {
            write_decimal_stripped(values.value(row), *scale, !options.scientific_decimals, out);
        }
        Cells::Text(array) => out.extend_from_slice(array.value(row).as_bytes()),
        Cells::Bytes(array) => {
            out.extend_from_slice(BASE64.encode(array.value(row)).as_bytes());
        }
        Cells::Date(array) => write_date(array.value(row).into(), out),
        Cells::Time(array) => {
            let millis = array.value(row).max(0) as u32;
            write_time(millis / 1_000, millis % 1_000 * 1_000_000, out);
        }
        Cells::Timestamp { values, precision, zoned, .. } => {
            let moment = moment(values, *precision, row);
            write_timestamp(moment, TimestampStandard::Sql, *zoned, out);
        }
        Cells::Array { array, elements } => {
            let range = element_range(array.value_offsets(), row);
            write_joined(range.map(|element| (elements.as_ref(), element)), options, out);
        }
        Cells::Row { members, .. } => {
            write_joined(members.iter().map(|(_, cells)| (cells, row)), options, out);
        }
        other => {
            write_number(other, row, out);
        }
    }
}

fn write_joined<'a>(
    parts: impl Iterator<Item = (&'a Cells<'a>, usize)>,
    options: &CsvOptions,
    out: &mut Vec<u8>,
) {
    for (position, (cells, row)) in parts.enumerate() {
        if position > 0 {
            out.extend_from_slice(options.element_delimiter.as_bytes());
        }
        write_text(cells, row, options, out);
    }
}

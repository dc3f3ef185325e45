//! Rows as Java's `Row.toString` shows them (row G9.2).

use arrow::array::ArrayRef;
use millrace_dataflow::batch::RowKind;
use millrace_dataflow::types::Field;
use millrace_formats::FormatError;
use millrace_formats::cells::{Cells, element_range, moment};
use millrace_formats::numbers::{write_decimal_plain, write_f32, write_f64};
use millrace_formats::time::{write_date, write_java_time, write_java_timestamp};

/// The columns of a batch, ready to be shown row by row.
#[derive(Debug)]
pub struct RowText<'a> {
    cells: Vec<Cells<'a>>,
}

impl<'a> RowText<'a> {
    /// # Errors
    /// A column is not laid out as its type says.
    pub fn new(fields: &'a [Field], columns: &'a [ArrayRef]) -> Result<RowText<'a>, FormatError> {
        Ok(RowText { cells: Cells::of_columns(fields, columns)? })
    }

    /// Appends `+I[1, a, null]`.
    pub fn write(&self, kind: RowKind, row: usize, out: &mut Vec<u8>) {
        write_row(kind, self.cells.iter(), row, out);
    }
}

fn write_row<'a>(
    kind: RowKind,
    cells: impl Iterator<Item = &'a Cells<'a>>,
    row: usize,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(kind.short().as_bytes());
    out.push(b'[');
    for (position, cells) in cells.enumerate() {
        separate(position, out);
        write_cell(cells, row, out);
    }
    out.push(b']');
}

fn separate(position: usize, out: &mut Vec<u8>) {
    if position > 0 {
        out.extend_from_slice(b", ");
    }
}

fn write_cell(cells: &Cells<'_>, row: usize, out: &mut Vec<u8>) {
    if cells.is_null(row) {
        return out.extend_from_slice(b"null");
    }
    match cells {
        Cells::Null => out.extend_from_slice(b"null"),
        Cells::Boolean(array) => write_display(array.value(row), out),
        Cells::TinyInt(array) => write_display(array.value(row), out),
        Cells::SmallInt(array) => write_display(array.value(row), out),
        Cells::Int(array) => write_display(array.value(row), out),
        Cells::BigInt(array) => write_display(array.value(row), out),
        Cells::Float(array) => write_f32(array.value(row), out),
        Cells::Double(array) => write_f64(array.value(row), out),
        Cells::Decimal { values, scale } => write_decimal_plain(values.value(row), *scale, out),
        Cells::Text(array) => out.extend_from_slice(array.value(row).as_bytes()),
        Cells::Bytes(array) => write_bytes(array.value(row), out),
        Cells::Date(array) => write_date(array.value(row).into(), out),
        Cells::Time(array) => {
            let millis = array.value(row).max(0) as u32;
            write_java_time(millis / 1_000, millis % 1_000 * 1_000_000, out);
        }
        Cells::Timestamp { values, precision, zoned, .. } => {
            write_java_timestamp(moment(values, *precision, row), *zoned, out);
        }
        Cells::Months(array) => write_period(array.value(row), out),
        Cells::Millis(array) => write_duration(array.value(row), out),
        Cells::Array { array, elements } => {
            out.push(b'[');
            for (position, element) in element_range(array.value_offsets(), row).enumerate() {
                separate(position, out);
                write_cell(elements, element, out);
            }
            out.push(b']');
        }
        Cells::Map { array, keys, values } => {
            out.push(b'{');
            for (position, entry) in element_range(array.value_offsets(), row).enumerate() {
                separate(position, out);
                write_cell(keys, entry, out);
                out.push(b'=');
                write_cell(values, entry, out);
            }
            out.push(b'}');
        }
        Cells::Row { members, .. } => {
            write_row(RowKind::Insert, members.iter().map(|(_, cells)| cells), row, out);
        }
    }
}

fn write_display(value: impl std::fmt::Display, out: &mut Vec<u8>) {
    out.extend_from_slice(value.to_string().as_bytes());
}

// Java's bytes are signed.
fn write_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.push(b'[');
    for (position, byte) in bytes.iter().enumerate() {
        separate(position, out);
        write_display(*byte as i8, out);
    }
    out.push(b']');
}

/// Java's `Period.toString` of years and months.
pub(super) fn write_period(months: i32, out: &mut Vec<u8>) {
    out.push(b'P');
    let (years, rest) = (months / 12, months % 12);
    if years != 0 {
        write_display(format_args!("{years}Y"), out);
    }
    if rest != 0 || years == 0 {
        write_display(format_args!("{rest}{}", if months == 0 { 'D' } else { 'M' }), out);
    }
}

/// Java's `Duration.toString`.
pub(super) fn write_duration(millis: i64, out: &mut Vec<u8>) {
    if millis == 0 {
        return out.extend_from_slice(b"PT0S");
    }
    let (hours, minutes) = (millis / 3_600_000, millis / 60_000 % 60);
    let (seconds, fraction) = (millis / 1_000 % 60, (millis % 1_000).abs());
    out.extend_from_slice(b"PT");
    if hours != 0 {
        write_display(format_args!("{hours}H"), out);
    }
    if minutes != 0 {
        write_display(format_args!("{minutes}M"), out);
    }
    if seconds != 0 || fraction != 0 {
        let sign = if millis < 0 && seconds == 0 { "-" } else { "" };
        let mut text = format!("{sign}{seconds}.{fraction:03}");
        text.truncate(text.trim_end_matches('0').trim_end_matches('.').len());
        write_display(format_args!("{text}S"), out);
    }
}

//! Delimited text to columns; fields that nobody asked for are not read.

use arrow::array::ArrayRef;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use millrace_dataflow::types::{DataType, Field, Schema, TypeRoot};

use super::CsvOptions;
use super::quick::{Known, Place};
use super::split::{FieldSpan, clean, record_end, split};
use crate::column::ColumnBuilder;
use crate::error::FormatError;
use crate::format::{Decoded, RowDecoder, Stretch};
use crate::json::parse_integer;
use crate::numbers::{DecimalText, parse_decimal, parse_f32, parse_f64};
use crate::quick::Timestamps;
use crate::time::{TimestampStandard, parse_date, parse_time, parse_timestamp};

/// Decodes records into the columns it was made for.
#[derive(Debug)]
pub struct CsvDecoder {
    /// Number of fields a record should have.
    width: usize,
    pub(super) wanted: Vec<Wanted>,
    pub(super) options: CsvOptions,
    rows: usize,
    spans: Vec<FieldSpan>,
    scratch: Vec<u8>,
    /// Of each field of a record, which of `wanted` it is for; empty when records are
    /// always read the long way.
    pub(super) fields: Vec<Option<usize>>,
    pub(super) timestamps: Timestamps,
}

#[derive(Debug)]
pub(super) struct Wanted {
    position: usize,
    pub field: Field,
    pub known: Known,
    pub column: ColumnBuilder,
}

impl CsvDecoder {
    pub fn new(schema: &Schema, columns: &[usize], options: CsvOptions) -> CsvDecoder {
        let wanted: Vec<Wanted> = columns
            .iter()
            .map(|position| {
                let field = schema.fields[*position].clone();
                let column = ColumnBuilder::new(&field.data_type);
                let known = Known::of(&field.data_type);
                Wanted { position: *position, field, known, column }
            })
            .collect();
        let wanted_at = |at: usize| wanted.iter().position(|wanted| wanted.position == at);
        let fields = if options.has_quick_way() { schema.len() } else { 0 };
        CsvDecoder {
            width: schema.len(),
            fields: (0..fields).map(wanted_at).collect(),
            wanted,
            options,
            rows: 0,
            spans: Vec::new(),
            scratch: Vec::new(),
            timestamps: Timestamps::default(),
        }
    }

    /// Reads every record the long way: what the other way is compared with.
    #[cfg(test)]
    pub fn without_quick_way(mut self) -> CsvDecoder {
        self.fields.clear();
        self
    }

    /// Where the record that starts here ends, when its row could be appended the
    /// quick way.
    #[inline]
    fn quickly(&mut self, place: Place<'_>) -> Option<usize> {
        if self.fields.is_empty() {
            return None;
        }
        let end = self.quick_row(place);
        match end {
            Some(_) => self.rows += 1,
            None => self.cut_back(),
        }
        end
    }

    #[cold]
    fn cut_back(&mut self) {
        let rows = self.rows;
        self.wanted.iter_mut().for_each(|wanted| wanted.column.truncate(rows));
    }

    /// `record` has no line end, also no `\r`.
    fn long_way(&mut self, record: &[u8]) -> Result<Decoded, FormatError> {
        // In a table of one column an empty line is a value.
        let blank = record.is_empty() && self.width > 1;
        if blank || (self.options.comments && record.starts_with(b"#")) {
            return Ok(Decoded::Skipped);
        }
        match self.row(record) {
            Ok(()) => {
                self.rows += 1;
                Ok(Decoded::Row)
            }
            Err(reason) => {
                self.cut_back();
                if self.options.ignore_parse_errors {
                    return Ok(Decoded::Skipped);
                }
                Err(FormatError::new(reason))
            }
        }
    }

    fn row(&mut self, record: &[u8]) -> Result<(), String> {
        if std::str::from_utf8(record).is_err() {
            return Err("the record is not valid UTF-8".to_owned());
        }
        split(record, &self.options, &mut self.spans)?;
        self.check_width()?;
        for wanted in &mut self.wanted {
            let Some(span) = self.spans.get(wanted.position) else {
                wanted.column.push_null();
                continue;
            };
            let mut text = &record[span.start..span.end];
            if span.dirty {
                clean(text, &self.options, &mut self.scratch);
                text = &self.scratch;
            }
            if !push(text, &wanted.field.data_type, &self.options, &mut wanted.column) {
                let Field { name, data_type, .. } = &wanted.field;
                if !self.options.ignore_parse_errors {
                    return Err(format!("column '{name}': the text is no {}", data_type.root));
                }
                wanted.column.truncate(self.rows);
                wanted.column.push_null();
            }
        }
        Ok(())
    }

    // Row G11.10.
    fn check_width(&self) -> Result<(), String> {
        let found = self.spans.len();
        if found == self.width || (found < self.width && self.options.ignore_parse_errors) {
            return Ok(());
        }
        Err(format!("the record has {found} fields, the table has {} columns", self.width))
    }
}

impl RowDecoder for CsvDecoder {
    fn decode(&mut self, record: &[u8]) -> Result<Decoded, FormatError> {
        let record = without_return(record);
        match self.quickly(Place { bytes: record, start: 0, whole: true }) {
            Some(_) => Ok(Decoded::Row),
            None => self.long_way(record),
        }
    }

    fn decode_lines(&mut self, bytes: &[u8], stop_at: usize, most_rows: usize) -> Stretch {
        let mut at = 0;
        while at < stop_at.min(bytes.len()) && self.rows < most_rows {
            if let Some(end) = self.quickly(Place { bytes, start: at, whole: false }) {
                at = end + 1;
                continue;
            }
            let Some(length) = record_end(&bytes[at..], &self.options) else { break };
            if let Err(error) = self.long_way(without_return(&bytes[at..at + length])) {
                return Stretch { bytes: at, result: Err(error) };
            }
            at += length + 1;
        }
        Stretch { bytes: at, result: Ok(()) }
    }

    fn rows(&self) -> usize {
        self.rows
    }

    fn finish(&mut self) -> Vec<ArrayRef> {
        self.rows = 0;
        self.wanted.iter_mut().map(|wanted| wanted.column.finish()).collect()
    }
}

fn without_return(record: &[u8]) -> &[u8] {
    record.strip_suffix(b"\r").unwrap_or(record)
}

/// Appends the value of a text that stands alone, such as a partition's name;
/// `false` when the text is not of the type.
pub fn push_text(text: &[u8], data_type: &DataType, column: &mut ColumnBuilder) -> bool {
    push(text, data_type, &CsvOptions::default(), column)
}

// Whether the text could be read as the type and was appended.
pub(super) fn push(
    text: &[u8],
    data_type: &DataType,
    options: &CsvOptions,
    column: &mut ColumnBuilder,
) -> bool {
    if options.null_literal.as_ref().is_some_and(|literal| literal.as_bytes() == text) {
        column.push_null();
        return true;
    }
    match &data_type.root {
        TypeRoot::Char(_) | TypeRoot::VarChar(_) => {
            column.push_bytes(text);
            true
        }
        TypeRoot::Array(element) => push_elements(text, element, options, column),
        TypeRoot::Row(fields) => push_members(text, fields, options, column),
        _ => push_scalar(text.trim_ascii(), data_type, column).is_some(),
    }
}

fn push_scalar(text: &[u8], data_type: &DataType, column: &mut ColumnBuilder) -> Option<()> {
    match &data_type.root {
        TypeRoot::Boolean => column.push_bool(text.eq_ignore_ascii_case(b"true")),
        TypeRoot::TinyInt => column.push_integer(i8::try_from(parse_integer(text)?).ok()?.into()),
        TypeRoot::SmallInt => column.push_integer(i16::try_from(parse_integer(text)?).ok()?.into()),
        TypeRoot::Int | TypeRoot::IntervalYearMonth => {
            column.push_integer(i32::try_from(parse_integer(text)?).ok()?.into());
        }
        TypeRoot::BigInt | TypeRoot::IntervalDayTime => column.push_integer(parse_integer(text)?),
        TypeRoot::Float => column.push_f32(parse_f32(std::str::from_utf8(text).ok()?)?),
        TypeRoot::Double => column.push_float(parse_f64(std::str::from_utf8(text).ok()?)?),
        TypeRoot::Decimal { precision, scale } => match parse_decimal(text, *precision, *scale) {
            DecimalText::Value(value) => column.push_decimal(value),
            DecimalText::TooLarge => column.push_null(),
            DecimalText::NotANumber => return None,
        },
        TypeRoot::Binary(_) | TypeRoot::VarBinary(_) => {
            column.push_bytes(&BASE64.decode(text).ok()?);
        }
        TypeRoot::Date => column.push_integer(parse_date(text)?.into()),
        TypeRoot::Time => column.push_integer(i64::from(parse_time(text, true)?.0) * 1_000),
        TypeRoot::Timestamp { precision } => {
            let moment = parse_timestamp(text, TimestampStandard::Sql, false)?;
            column.push_integer(moment.to_units(*precision)?);
        }
        TypeRoot::TimestampLtz { precision } => {
            let moment = parse_timestamp(text, TimestampStandard::Sql, true)?;
            column.push_integer(moment.to_units(*precision)?);
        }
        _ => return None,
    }
    Some(())
}

fn elements<'a>(text: &'a [u8], delimiter: &'a str) -> impl Iterator<Item = &'a [u8]> {
    let text = std::str::from_utf8(text).unwrap_or("");
    let empty = text.is_empty();
    text.split(delimiter).filter(move |_| !empty).map(str::as_bytes)
}

fn push_elements(
    text: &[u8],
    element: &DataType,
    options: &CsvOptions,
    column: &mut ColumnBuilder,
) -> bool {
    let Some(values) = column.elements() else { return false };
    for part in elements(text, &options.element_delimiter) {
        if !push(part, element, options, values) {
            if !options.ignore_parse_errors {
                return false;
            }
            values.push_null();
        }
    }
    column.end_elements();
    true
}

fn push_members(
    text: &[u8],
    fields: &[Field],
    options: &CsvOptions,
    column: &mut ColumnBuilder,
) -> bool {
    let mut parts = elements(text, &options.element_delimiter);
    for (field, member) in fields.iter().zip(column.members()) {
        let pushed = match parts.next() {
            Some(part) => push(part, &field.data_type, options, member),
            None => false,
        };
        if !pushed {
            if !options.ignore_parse_errors {
                return false;
            }
            member.push_null();
        }
    }
    column.push_row();
    true
}

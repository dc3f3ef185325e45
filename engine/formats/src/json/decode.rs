//! JSON to columns, straight from the bytes: no tree is built, fields that nobody
//! asked for are stepped over. This is the long way, which can read anything; records
//! that look like earlier ones go by `predict`.

use arrow::array::ArrayRef;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use millrace_dataflow::types::{DataType, Field, TypeRoot};

use super::JsonOptions;
use super::encode::write_string;
use super::predict::{Place, Predictor};
use super::scan::{Cursor, Kind, RawString, SyntaxError};
use crate::column::ColumnBuilder;
use crate::error::FormatError;
use crate::format::{Decoded, RowDecoder, Stretch};
use crate::numbers::{DecimalText, parse_decimal, parse_f32, parse_f64, write_f64};
use crate::quick::Timestamps;
use crate::time::{parse_date, parse_time, parse_timestamp};

/// Decodes records into the columns it was made for.
#[derive(Debug)]
pub struct JsonDecoder {
    fields: Vec<Field>,
    columns: Vec<ColumnBuilder>,
    rows: usize,
    reader: Reader,
    /// `None`: every record is read the long way.
    predictor: Option<Predictor>,
}

/// The options and a scratch space, shared by all columns.
#[derive(Debug)]
pub(super) struct Reader {
    pub options: JsonOptions,
    pub timestamps: Timestamps,
    scratch: Vec<u8>,
}

/// Why a value could not be read.
#[derive(Debug)]
pub(super) enum Fail {
    Syntax(SyntaxError),
    /// The text is JSON, the value is not of the column's type.
    Value {
        found: &'static str,
        wanted: String,
    },
    Missing {
        field: String,
    },
    /// A [`Fail::Value`] with the path of the column it belongs to.
    At {
        path: String,
        reason: String,
    },
}

impl From<SyntaxError> for Fail {
    fn from(error: SyntaxError) -> Fail {
        Fail::Syntax(error)
    }
}

impl JsonDecoder {
    pub fn new(fields: Vec<Field>, options: JsonOptions) -> JsonDecoder {
        let columns = fields.iter().map(|field| ColumnBuilder::new(&field.data_type)).collect();
        let reader = Reader { options, timestamps: Timestamps::default(), scratch: Vec::new() };
        JsonDecoder { fields, columns, rows: 0, reader, predictor: Some(Predictor::default()) }
    }

    /// Reads every record the long way: what the other way is compared with.
    #[cfg(test)]
    pub fn without_prediction(mut self) -> JsonDecoder {
        self.predictor = None;
        self
    }

    #[cfg(test)]
    pub(super) fn predictor(&self) -> &Predictor {
        self.predictor.as_ref().expect("taken away by no test that asks for it")
    }

    /// Where the record that starts here ends, when it looked like an earlier one and
    /// its row was appended.
    #[inline]
    fn predicted(&mut self, place: Place<'_>) -> Option<usize> {
        let predictor = self.predictor.as_mut()?;
        if predictor.rests() {
            return None;
        }
        let end = predictor.row(place, &mut self.columns, &mut self.reader);
        predictor.note(end.is_some());
        match end {
            Some(_) => self.rows += 1,
            None => self.cut_back(),
        }
        end
    }

    #[cold]
    fn cut_back(&mut self) {
        let rows = self.rows;
        self.columns.iter_mut().for_each(|column| column.truncate(rows));
    }

    fn long_way(&mut self, record: &[u8]) -> Result<Decoded, FormatError> {
        if record.iter().all(u8::is_ascii_whitespace) {
            return Ok(Decoded::Skipped); // rows G8.29, G10.15
        }
        let result = match std::str::from_utf8(record) {
            Ok(_) => self.row(record),
            Err(error) => {
                let at = error.valid_up_to();
                Err(Fail::Syntax(SyntaxError { at, wanted: "valid UTF-8" }))
            }
        };
        let Err(fail) = result else {
            self.rows += 1;
            if let Some(predictor) = &mut self.predictor {
                predictor.learn(record, &self.fields, &self.reader);
            }
            return Ok(Decoded::Row);
        };
        self.cut_back();
        if self.reader.options.ignore_parse_errors {
            return Ok(Decoded::Skipped); // row G10.2
        }
        Err(explain(fail))
    }

    fn row(&mut self, record: &[u8]) -> Result<(), Fail> {
        let mut cursor = Cursor::new(record);
        self.reader.row(&mut cursor, &self.fields, &mut self.columns, self.rows)?;
        match cursor.peek() {
            None => Ok(()),
            Some(_) => Err(cursor.fail::<()>("nothing after the object").unwrap_err().into()),
        }
    }
}

impl RowDecoder for JsonDecoder {
    fn decode(&mut self, record: &[u8]) -> Result<Decoded, FormatError> {
        match self.predicted(Place { bytes: record, start: 0, whole: true }) {
            Some(_) => Ok(Decoded::Row),
            None => self.long_way(record),
        }
    }

    fn decode_lines(&mut self, bytes: &[u8], stop_at: usize, most_rows: usize) -> Stretch {
        let mut at = 0;
        while at < stop_at.min(bytes.len()) && self.rows < most_rows {
            if let Some(end) = self.predicted(Place { bytes, start: at, whole: false }) {
                at = end + 1;
                continue;
            }
            let Some(length) = memchr::memchr(b'\n', &bytes[at..]) else { break };
            if let Err(error) = self.long_way(&bytes[at..at + length]) {
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
        self.columns.iter_mut().map(ColumnBuilder::finish).collect()
    }
}

fn explain(fail: Fail) -> FormatError {
    FormatError::new(match fail {
        Fail::Syntax(error) => {
            format!("not a JSON object: expected {} at byte {}", error.wanted, error.at)
        }
        Fail::Value { found, wanted } => format!("found {found} where {wanted} is expected"),
        Fail::Missing { field } => {
            format!("field '{field}' is missing and 'json.fail-on-missing-field' is true")
        }
        Fail::At { path, reason } => format!("column '{path}': {reason}"),
    })
}

/// Adds the name of an enclosing column to a failure.
fn within(name: &str, fail: Fail) -> Fail {
    match fail {
        Fail::Value { found, wanted } => Fail::At {
            path: name.to_owned(),
            reason: format!("found {found} where {wanted} is expected"),
        },
        Fail::At { path, reason } => Fail::At { path: format!("{name}.{path}"), reason },
        Fail::Missing { field } => Fail::Missing { field: format!("{name}.{field}") },
        syntax @ Fail::Syntax(_) => syntax,
    }
}

impl Reader {
    /// Reads an object into the columns of its fields, which hold `row` values each.
    fn row(
        &mut self,
        cursor: &mut Cursor<'_>,
        fields: &[Field],
        columns: &mut [ColumnBuilder],
        row: usize,
    ) -> Result<(), Fail> {
        cursor.expect(b'{', "'{'")?;
        let mut next = 0;
        if !cursor.eat(b'}') {
            loop {
                let key = cursor.string()?;
                cursor.expect(b':', "':' after a key")?;
                match self.find(key, fields, next) {
                    Some(index) => {
                        // A duplicate key: the last one wins (row G10.7).
                        columns[index].truncate(row);
                        let field = &fields[index];
                        self.field(cursor, &field.data_type, &mut columns[index])
                            .map_err(|fail| within(&field.name, fail))?;
                        next = index + 1;
                    }
                    None => cursor.skip_value()?,
                }
                if !cursor.eat(b',') {
                    cursor.expect(b'}', "',' or '}'")?;
                    break;
                }
            }
        }
        self.fill_missing(fields, columns, row)
    }

    // Records mostly hold their fields in the table's order, so the field after the
    // last one found is tried first.
    fn find(&mut self, key: RawString<'_>, fields: &[Field], next: usize) -> Option<usize> {
        if key.escaped {
            self.scratch.clear();
            key.unescape(&mut self.scratch);
            return fields.iter().position(|field| field.name.as_bytes() == self.scratch);
        }
        if fields.get(next).is_some_and(|field| field.name.as_bytes() == key.raw) {
            return Some(next);
        }
        fields.iter().position(|field| field.name.as_bytes() == key.raw)
    }

    fn fill_missing(
        &self,
        fields: &[Field],
        columns: &mut [ColumnBuilder],
        row: usize,
    ) -> Result<(), Fail> {
        for (field, column) in fields.iter().zip(columns) {
            if column.len() == row {
                if self.options.fail_on_missing_field {
                    return Err(Fail::Missing { field: field.name.clone() });
                }
                column.push_null();
            }
        }
        Ok(())
    }

    /// Reads a value of a column; a value of another type becomes NULL when parse
    /// errors are ignored (row G10.2).
    pub fn field(
        &mut self,
        cursor: &mut Cursor<'_>,
        data_type: &DataType,
        column: &mut ColumnBuilder,
    ) -> Result<(), Fail> {
        let (start, len) = {
            cursor.skip_space();
            (cursor.at, column.len())
        };
        match self.value(cursor, data_type, column) {
            Err(Fail::Value { .. } | Fail::At { .. }) if self.options.ignore_parse_errors => {
                column.truncate(len);
                cursor.at = start;
                cursor.skip_value()?;
                column.push_null();
                Ok(())
            }
            other => other,
        }
    }

    fn value(
        &mut self,
        cursor: &mut Cursor<'_>,
        data_type: &DataType,
        column: &mut ColumnBuilder,
    ) -> Result<(), Fail> {
        let kind = cursor.kind()?;
        if kind == Kind::Null {
            cursor.word(b"null", "null")?;
            column.push_null();
            return Ok(());
        }
        match &data_type.root {
            TypeRoot::Char(_) | TypeRoot::VarChar(_) => self.text(cursor, kind, column),
            TypeRoot::Array(element) => self.array(cursor, kind, data_type, element, column),
            TypeRoot::Map(_, value) => self.map(cursor, kind, data_type, value, column),
            TypeRoot::Multiset(_) => {
                self.map(cursor, kind, data_type, &TypeRoot::Int.not_null(), column)
            }
            TypeRoot::Row(fields) => {
                if kind != Kind::Object {
                    return mismatch(kind, data_type);
                }
                let len = column.len();
                self.row(cursor, fields, column.members(), len)?;
                column.push_row();
                Ok(())
            }
            _ => self.scalar(cursor, kind, data_type, column),
        }
    }

    // Row G10.10: text of any value; objects and arrays are written out compactly.
    fn text(
        &mut self,
        cursor: &mut Cursor<'_>,
        kind: Kind,
        column: &mut ColumnBuilder,
    ) -> Result<(), Fail> {
        if kind != Kind::String {
            self.scratch.clear();
            rewrite(cursor, &mut self.scratch, kind == Kind::Number)?;
            column.push_bytes(&self.scratch);
            return Ok(());
        }
        let at = cursor.at;
        let string = cursor.string()?;
        if !string.escaped {
            column.push_bytes(string.raw);
            return Ok(());
        }
        self.scratch.clear();
        if !string.unescape(&mut self.scratch) {
            return Err(SyntaxError { at, wanted: "an escape of JSON in the string" }.into());
        }
        column.push_bytes(&self.scratch);
        Ok(())
    }

    fn array(
        &mut self,
        cursor: &mut Cursor<'_>,
        kind: Kind,
        data_type: &DataType,
        element: &DataType,
        column: &mut ColumnBuilder,
    ) -> Result<(), Fail> {
        let (Kind::Array, Some(elements)) = (kind, column.elements()) else {
            return mismatch(kind, data_type);
        };
        cursor.at += 1;
        if !cursor.eat(b']') {
            loop {
                self.field(cursor, element, elements)?;
                if !cursor.eat(b',') {
                    cursor.expect(b']', "',' or ']'")?;
                    break;
                }
            }
        }
        column.end_elements();
        Ok(())
    }

    fn map(
        &mut self,
        cursor: &mut Cursor<'_>,
        kind: Kind,
        data_type: &DataType,
        value: &DataType,
        column: &mut ColumnBuilder,
    ) -> Result<(), Fail> {
        let (Kind::Object, Some((keys, values))) = (kind, column.entries()) else {
            return mismatch(kind, data_type);
        };
        cursor.at += 1;
        if !cursor.eat(b'}') {
            loop {
                let kind = cursor.kind()?;
                if kind != Kind::String {
                    return Err(SyntaxError { at: cursor.at, wanted: "a key" }.into());
                }
                self.text(cursor, kind, keys)?;
                cursor.expect(b':', "':' after a key")?;
                self.field(cursor, value, values)?;
                if !cursor.eat(b',') {
                    cursor.expect(b'}', "',' or '}'")?;
                    break;
                }
            }
        }
        column.end_elements();
        Ok(())
    }

    fn scalar(
        &mut self,
        cursor: &mut Cursor<'_>,
        kind: Kind,
        data_type: &DataType,
        column: &mut ColumnBuilder,
    ) -> Result<(), Fail> {
        let text: &[u8] = match kind {
            Kind::Number => cursor.number()?,
            Kind::True => {
                cursor.word(b"true", "true")?;
                b"true"
            }
            Kind::False => {
                cursor.word(b"false", "false")?;
                b"false"
            }
            Kind::String => {
                let string = cursor.string()?;
                if string.escaped {
                    self.scratch.clear();
                    string.unescape(&mut self.scratch);
                    &self.scratch
                } else {
                    string.raw
                }
            }
            Kind::Object | Kind::Array | Kind::Null => return mismatch(kind, data_type),
        };
        if push_scalar(text, kind, data_type, &self.options, column) {
            return Ok(());
        }
        mismatch(kind, data_type)
    }
}

fn mismatch<T>(kind: Kind, data_type: &DataType) -> Result<T, Fail> {
    let found = match kind {
        Kind::Object => "an object",
        Kind::Array => "an array",
        Kind::String => "text that is none",
        Kind::Number => "a number that is none",
        Kind::True | Kind::False => "a boolean",
        Kind::Null => "null",
    };
    Err(Fail::Value { found, wanted: format!("{}", data_type.root) })
}

// Whether the text could be read as the type and was appended.
fn push_scalar(
    text: &[u8],
    kind: Kind,
    data_type: &DataType,
    options: &JsonOptions,
    column: &mut ColumnBuilder,
) -> bool {
    let boolean = matches!(kind, Kind::True | Kind::False);
    let pushed = match &data_type.root {
        TypeRoot::Boolean => {
            // Row G10.11; any other text is false, as in Java's parseBoolean.
            column.push_bool(text.trim_ascii().eq_ignore_ascii_case(b"true"));
            Some(())
        }
        _ if boolean => None,
        TypeRoot::TinyInt => integer(text, kind, i8::MIN.into(), i8::MAX.into(), column),
        TypeRoot::SmallInt => integer(text, kind, i16::MIN.into(), i16::MAX.into(), column),
        TypeRoot::Int | TypeRoot::IntervalYearMonth => {
            integer(text, kind, i32::MIN.into(), i32::MAX.into(), column)
        }
        TypeRoot::BigInt | TypeRoot::IntervalDayTime => {
            integer(text, kind, i64::MIN, i64::MAX, column)
        }
        TypeRoot::Float => float_text(text).and_then(parse_f32).map(|v| column.push_f32(v)),
        TypeRoot::Double => float_text(text).and_then(parse_f64).map(|v| column.push_float(v)),
        TypeRoot::Decimal { precision, scale } => {
            let parsed = parse_decimal(text.trim_ascii(), *precision, *scale);
            match parsed {
                DecimalText::Value(value) => column.push_decimal(value),
                DecimalText::TooLarge => column.push_null(),
                DecimalText::NotANumber => {}
            }
            (parsed != DecimalText::NotANumber).then_some(())
        }
        TypeRoot::Binary(_) | TypeRoot::VarBinary(_) => {
            BASE64.decode(text).ok().map(|bytes| column.push_bytes(&bytes))
        }
        TypeRoot::Date => parse_date(text).map(|days| column.push_integer(days.into())),
        TypeRoot::Time => parse_time(text, false)
            .map(|(second, _)| column.push_integer(i64::from(second) * 1_000)),
        TypeRoot::Timestamp { precision } => {
            let moment = parse_timestamp(text, options.standard, false);
            moment.and_then(|m| m.to_units(*precision)).map(|value| column.push_integer(value))
        }
        TypeRoot::TimestampLtz { precision } => {
            let moment = parse_timestamp(text, options.standard, true);
            moment.and_then(|m| m.to_units(*precision)).map(|value| column.push_integer(value))
        }
        _ => None,
    };
    pushed.is_some()
}

fn float_text(text: &[u8]) -> Option<&str> {
    std::str::from_utf8(text.trim_ascii()).ok()
}

// Rows G10.8 and G10.9: whole numbers from text; a JSON number loses its fraction.
fn integer(text: &[u8], kind: Kind, min: i64, max: i64, column: &mut ColumnBuilder) -> Option<()> {
    let text = if kind == Kind::String { text.trim_ascii() } else { text };
    let value = match parse_integer(text) {
        Some(value) => value,
        None if kind == Kind::Number => truncate_number(text)?,
        None => return None,
    };
    (min..=max).contains(&value).then(|| column.push_integer(value))
}

/// Whole decimal numbers with a sign; `None` for anything else and past 64 bits.
pub(crate) fn parse_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text.split_first()? {
        (b'-', rest) => (true, rest),
        (b'+', rest) => (false, rest),
        _ => (false, text),
    };
    if digits.is_empty() {
        return None;
    }
    let mut value = 0_i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        // Counted below zero, where there is room for i64::MIN.
        value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
    }
    if negative { Some(value) } else { value.checked_neg() }
}

fn truncate_number(text: &[u8]) -> Option<i64> {
    let value: f64 = std::str::from_utf8(text).ok()?.parse().ok()?;
    let whole = value.trunc();
    (-9.223_372_036_854_776e18..9.223_372_036_854_776e18).contains(&whole).then_some(whole as i64)
}

/// Writes the value that starts here without white space. Numbers at top level keep
/// their text; inside, fractions are written as Java writes doubles.
fn rewrite(cursor: &mut Cursor<'_>, out: &mut Vec<u8>, verbatim: bool) -> Result<(), Fail> {
    let start = {
        cursor.skip_space();
        cursor.at
    };
    cursor.skip_value()?;
    let text = &cursor.bytes[start..cursor.at];
    if verbatim {
        out.extend_from_slice(text);
        return Ok(());
    }
    let mut inner = Cursor::new(text);
    let mut scratch = Vec::new();
    while let Some(byte) = inner.peek() {
        match byte {
            b'"' => {
                scratch.clear();
                if !inner.string()?.unescape(&mut scratch) {
                    let wanted = "an escape of JSON in the string";
                    return Err(SyntaxError { at: start + inner.at, wanted }.into());
                }
                write_string(&scratch, out);
            }
            b'-' | b'0'..=b'9' => rewrite_number(inner.number()?, out),
            _ => {
                out.push(byte);
                inner.at += 1;
            }
        }
    }
    Ok(())
}

fn rewrite_number(text: &[u8], out: &mut Vec<u8>) {
    let fraction = text.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    match float_text(text).and_then(parse_f64) {
        Some(value) if fraction => write_f64(value, out),
        _ => out.extend_from_slice(text),
    }
}

//! Records without doubled quotes and escapes, read field by field in one pass over
//! their bytes. Whatever else there is ends the attempt, and the record is read the
//! long way, which alone decides what is an error.

use millrace_dataflow::types::{DataType, TypeRoot};

use super::CsvOptions;
use super::decode::{CsvDecoder, Wanted, push};
use crate::lanes;
use crate::quick::{self, Timestamps};
use crate::time::TimestampStandard;

/// The types whose values are mostly read from where they stand.
#[derive(Clone, Copy, Debug)]
pub(super) enum Known {
    Integer { min: i64, max: i64 },
    Text,
    Timestamp { zoned: bool, precision: u8 },
    Other,
}

/// The bytes a record is in: from `start` to the next line end, or to the end when
/// they are the `whole` record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub bytes: &'a [u8],
    pub start: usize,
    pub whole: bool,
}

/// One field: where its text is, what comes behind it, and whether there were bytes
/// that are not ASCII.
struct Field {
    from: usize,
    to: usize,
    next: usize,
    quoted: bool,
    high: bool,
}

impl Known {
    pub fn of(data_type: &DataType) -> Known {
        let integer = |min: i64, max: i64| Known::Integer { min, max };
        match &data_type.root {
            TypeRoot::TinyInt => integer(i8::MIN.into(), i8::MAX.into()),
            TypeRoot::SmallInt => integer(i16::MIN.into(), i16::MAX.into()),
            TypeRoot::Int | TypeRoot::IntervalYearMonth => {
                integer(i32::MIN.into(), i32::MAX.into())
            }
            TypeRoot::BigInt | TypeRoot::IntervalDayTime => integer(i64::MIN, i64::MAX),
            TypeRoot::Char(_) | TypeRoot::VarChar(_) => Known::Text,
            TypeRoot::Timestamp { precision } => {
                Known::Timestamp { zoned: false, precision: *precision }
            }
            TypeRoot::TimestampLtz { precision } => {
                Known::Timestamp { zoned: true, precision: *precision }
            }
            _ => Known::Other,
        }
    }
}

impl CsvOptions {
    /// Escapes are always read the long way, and so is what has no clear meaning.
    pub(super) fn has_quick_way(&self) -> bool {
        let odd = |byte: u8| matches!(byte, b'\n' | b'\r');
        let same = self.quote == Some(self.delimiter);
        self.escape.is_none() && !same && !odd(self.delimiter) && !self.quote.is_some_and(odd)
    }
}

impl CsvDecoder {
    /// Appends the row of the record and says where it ends; `None` when it must be
    /// read the long way, and then some columns may have grown.
    pub(super) fn quick_row(&mut self, place: Place<'_>) -> Option<usize> {
        let (bytes, options) = (place.bytes, &self.options);
        if options.comments && bytes.get(place.start) == Some(&b'#') {
            return None;
        }
        let last = self.fields.len().checked_sub(1)?;
        let (mut at, mut high) = (place.start, false);
        for (number, wanted) in self.fields.iter().enumerate() {
            let mut field = field(place, at, options)?;
            high |= field.high;
            if number == last {
                at = end(place, &mut field)?;
            } else if bytes.get(field.next) == Some(&options.delimiter) {
                at = field.next + 1;
            } else {
                return None;
            }
            if let Some(wanted) = wanted {
                take(bytes, &field, &mut self.wanted[*wanted], options, &mut self.timestamps)?;
            }
        }
        if high && std::str::from_utf8(&bytes[place.start..at]).is_err() {
            return None;
        }
        Some(at)
    }
}

#[inline]
fn field(place: Place<'_>, at: usize, options: &CsvOptions) -> Option<Field> {
    let bytes = place.bytes;
    let delimiter = options.delimiter;
    match options.quote {
        Some(quote) if bytes.get(at) == Some(&quote) => {
            let (to, high) = find(bytes, at + 1, [quote; 3]);
            let closed = to < bytes.len();
            closed.then_some(Field { from: at + 1, to, next: to + 1, quoted: true, high })
        }
        _ => {
            let line_end = if place.whole { delimiter } else { b'\n' };
            let (to, high) = find(bytes, at, [delimiter, line_end, delimiter]);
            Some(Field { from: at, to, next: to, quoted: false, high })
        }
    }
}

/// Where the first of some bytes is, and whether bytes before it are not ASCII.
#[inline]
fn find(bytes: &[u8], mut at: usize, wanted: [u8; 3]) -> (usize, bool) {
    let mut high = 0;
    while at < bytes.len() {
        let found = lanes::any_of(lanes::chunk(bytes, at), wanted);
        if found.special != 0 {
            let before = found.special.trailing_zeros();
            high |= found.high & ((1 << before) - 1);
            return ((at + before as usize).min(bytes.len()), high != 0);
        }
        high |= found.high;
        at += lanes::WIDTH;
    }
    (bytes.len(), high != 0)
}

/// Where the record ends, when it does so behind this field; cuts the `\r` off.
#[inline]
fn end(place: Place<'_>, field: &mut Field) -> Option<usize> {
    let bytes = place.bytes;
    if place.whole {
        return (field.next == bytes.len()).then_some(field.next);
    }
    match bytes.get(field.next)? {
        b'\n' => {
            let returns = !field.quoted && bytes[field.from..field.to].ends_with(b"\r");
            field.to -= usize::from(returns);
            Some(field.next)
        }
        b'\r' if bytes.get(field.next + 1) == Some(&b'\n') => Some(field.next + 1),
        _ => None,
    }
}

/// Appends the value of a field; `None` when the text is not of its type.
#[inline]
fn take(
    bytes: &[u8],
    field: &Field,
    wanted: &mut Wanted,
    options: &CsvOptions,
    timestamps: &mut Timestamps,
) -> Option<()> {
    let (column, text) = (&mut wanted.column, &bytes[field.from..field.to]);
    if options.null_literal.is_none() {
        match wanted.known {
            Known::Integer { min, max } => {
                if let Some((value, end)) = quick::integer(bytes, field.from)
                    && end == field.to
                    && (min..=max).contains(&value)
                {
                    column.push_integer(value);
                    return Some(());
                }
            }
            Known::Text => {
                column.push_bytes(text);
                return Some(());
            }
            Known::Timestamp { zoned, precision } => {
                let standard = TimestampStandard::Sql;
                if let Some(value) = timestamps.value(text, standard, zoned, precision) {
                    column.push_integer(value);
                    return Some(());
                }
            }
            Known::Other => {}
        }
    }
    push(text, &wanted.field.data_type, options, column).then_some(())
}

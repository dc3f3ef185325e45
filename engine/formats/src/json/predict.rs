//! Reads records of shapes that were seen before: the bytes between the values are
//! compared, not parsed, and values go from where they stand into their columns.
//!
//! Whatever is not as expected ends the attempt; the record is then read the long way,
//! which alone decides what is an error and how it is worded. So an attempt may only
//! succeed with what the long way would have read.

use millrace_dataflow::types::Field;

use super::decode::Reader;
use super::scan::{Cursor, plain_text};
use super::shape::{Action, Shape, Step};
use crate::column::ColumnBuilder;
use crate::quick;

/// So many shapes are kept; Nexmark's events have three.
const MAX_SHAPES: usize = 8;
/// After so many failed attempts only one in [`LEARN_ONE_IN`] is learnt from: records
/// without any order in them shall not cost the learning of each.
const LEARN_FREELY: u32 = 64;
const LEARN_ONE_IN: u32 = 64;
/// When more than half of the attempts fail, a failure costs more than is won: after
/// some surplus of failures there is none for a while.
const SURPLUS: i32 = 32;
const PAUSE_RECORDS: u32 = 512;

/// The shapes of a table's records.
#[derive(Debug, Default)]
pub(super) struct Predictor {
    known: Vec<Shape>,
    /// `shared[a][b]`: how many steps both begin with.
    shared: Vec<Vec<usize>>,
    /// The shape of the last record.
    current: usize,
    /// The shape to replace next.
    oldest: usize,
    /// Records that were read the long way without an error.
    pub misses: u32,
    pub attempts: u64,
    /// Grows with each record that was as expected, falls with each that was not.
    trust: i32,
    /// So many records are read the long way at once.
    pause: u32,
}

/// The bytes a record is in: from `start` to the next `\n`, or to the end when they
/// are the `whole` record.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place<'a> {
    pub bytes: &'a [u8],
    pub start: usize,
    pub whole: bool,
}

impl Predictor {
    /// Appends the row of the record and says where it ends; `None` when the record is
    /// not as expected, and then some columns may have grown.
    pub fn row(
        &mut self,
        place: Place<'_>,
        columns: &mut [ColumnBuilder],
        reader: &mut Reader,
    ) -> Option<usize> {
        let bytes = place.bytes;
        let (mut shape, mut number, mut at) = (self.known.get(self.current)?, 0, place.start);
        loop {
            let after = match shape.steps.get(number) {
                Some(step) => step.before.after(bytes, at),
                None => shape.tail.after(bytes, at),
            };
            let Some(after) = after else {
                self.current = self.other(number, bytes, at)?;
                shape = &self.known[self.current];
                continue;
            };
            let Some(step) = shape.steps.get(number) else {
                if !place.ends_at(after) {
                    return None;
                }
                shape.absent.iter().for_each(|column| columns[*column].push_null());
                return Some(after);
            };
            at = take(step, place, after, columns, reader)?;
            number += 1;
        }
    }

    /// Whether the next record is not worth an attempt.
    #[inline]
    pub fn rests(&mut self) -> bool {
        let rests = self.pause > 0;
        self.pause -= u32::from(rests);
        rests
    }

    /// How an attempt ended.
    #[inline]
    pub fn note(&mut self, success: bool) {
        self.attempts += 1;
        self.trust = if success { (self.trust + 1).min(SURPLUS) } else { self.trust - 1 };
        if self.trust < -SURPLUS {
            (self.trust, self.pause) = (0, PAUSE_RECORDS);
        }
    }

    /// A shape that begins as the current one does and goes on with what is at `at`.
    #[cold]
    fn other(&self, steps: usize, bytes: &[u8], at: usize) -> Option<usize> {
        self.known.iter().enumerate().position(|(other, shape)| {
            let goes_on = match shape.steps.get(steps) {
                Some(step) => step.before.after(bytes, at).is_some(),
                None => shape.steps.len() == steps && shape.tail.after(bytes, at).is_some(),
            };
            goes_on && other != self.current && self.shared[self.current][other] >= steps
        })
    }

    /// Learns from a record that was read the long way.
    #[cold]
    pub fn learn(&mut self, record: &[u8], fields: &[Field], reader: &Reader) {
        self.misses = self.misses.saturating_add(1);
        let often = self.misses > LEARN_FREELY;
        if often && !self.misses.is_multiple_of(LEARN_ONE_IN) || record.contains(&b'\n') {
            return;
        }
        let options = &reader.options;
        let all_needed = options.fail_on_missing_field;
        let Some(shape) = Shape::of(record, fields, options.standard, all_needed) else { return };
        // The shape is known when only a value was not as expected.
        if let Some(known) = self.known.iter().position(|known| *known == shape) {
            self.current = known;
            return;
        }
        self.keep(shape);
    }

    fn keep(&mut self, shape: Shape) {
        if self.known.len() < MAX_SHAPES {
            self.current = self.known.len();
            self.known.push(shape);
        } else {
            self.current = self.oldest;
            self.oldest = (self.oldest + 1) % MAX_SHAPES;
            self.known[self.current] = shape;
        }
        let shared = |a: &Shape| self.known.iter().map(|b| a.shared_steps(b)).collect();
        self.shared = self.known.iter().map(shared).collect();
    }
}

// Does what comes behind a step's bytes; where it ends.
#[inline]
fn take(
    step: &Step,
    place: Place<'_>,
    at: usize,
    columns: &mut [ColumnBuilder],
    reader: &mut Reader,
) -> Option<usize> {
    let bytes = place.bytes;
    if step.action == Action::Skip {
        return skip(place, at);
    }
    let column = column_at(&step.path, columns)?;
    match &step.action {
        Action::Integer { min, max } => {
            if let Some((value, end)) = whole_number(bytes, at)
                && (*min..=*max).contains(&value)
            {
                column.push_integer(value);
                return Some(end);
            }
        }
        Action::Text => {
            if let Some((text, end)) = text(bytes, at) {
                column.push_bytes(text);
                return Some(end);
            }
        }
        Action::Timestamp { standard, zoned, precision } => {
            if let Some((text, end)) = text(bytes, at)
                && let Some(value) = reader.timestamps.value(text, *standard, *zoned, *precision)
            {
                column.push_integer(value);
                return Some(end);
            }
        }
        Action::EndRow { absent } => {
            absent.iter().for_each(|member| column.members()[*member].push_null());
            column.push_row();
            return Some(at);
        }
        Action::NullRow => {
            column.push_null();
            return Some(at);
        }
        Action::Skip | Action::Other => {}
    }
    other(step, place, at, column, reader)
}

#[inline]
fn column_at<'a>(
    path: &[usize],
    columns: &'a mut [ColumnBuilder],
) -> Option<&'a mut ColumnBuilder> {
    let (first, members) = path.split_first()?;
    let mut column = columns.get_mut(*first)?;
    for member in members {
        column = column.members().get_mut(*member)?;
    }
    Some(column)
}

/// A string without escapes and where it ends.
#[inline]
fn text(bytes: &[u8], at: usize) -> Option<(&[u8], usize)> {
    if bytes.get(at) != Some(&b'"') {
        return None;
    }
    let plain = plain_text(bytes, at + 1);
    let text = &bytes[at + 1..plain.end];
    if bytes.get(plain.end) != Some(&b'"') || !(plain.ascii || is_utf8(text)) {
        return None;
    }
    Some((text, plain.end + 1))
}

#[cold]
fn is_utf8(text: &[u8]) -> bool {
    std::str::from_utf8(text).is_ok()
}

/// A whole number that does not go on as a fraction.
#[inline]
fn whole_number(bytes: &[u8], at: usize) -> Option<(i64, usize)> {
    let (value, end) = quick::integer(bytes, at)?;
    (!matches!(bytes.get(end), Some(b'.' | b'e' | b'E'))).then_some((value, end))
}

#[inline]
fn null(bytes: &[u8], at: usize) -> Option<usize> {
    bytes[at..].starts_with(b"null").then_some(at + 4)
}

#[inline]
fn skip(place: Place<'_>, at: usize) -> Option<usize> {
    if let Some((_, end)) = text(place.bytes, at) {
        return Some(end);
    }
    if let Some((_, end)) = whole_number(place.bytes, at) {
        return Some(end);
    }
    null(place.bytes, at).or_else(|| skip_long(place, at))
}

fn skip_long(place: Place<'_>, at: usize) -> Option<usize> {
    let mut cursor = Cursor { bytes: place.record(), at };
    cursor.skip_value().ok()?;
    checked(place, at, cursor.at)
}

// A value of any type and form.
fn other(
    step: &Step,
    place: Place<'_>,
    at: usize,
    column: &mut ColumnBuilder,
    reader: &mut Reader,
) -> Option<usize> {
    if let Some(end) = null(place.bytes, at) {
        column.push_null();
        return Some(end);
    }
    let mut cursor = Cursor { bytes: place.record(), at };
    reader.field(&mut cursor, step.data_type.as_ref()?, column).ok()?;
    checked(place, at, cursor.at)
}

fn checked(place: Place<'_>, from: usize, end: usize) -> Option<usize> {
    let value = &place.bytes[from..end];
    (value.is_ascii() || is_utf8(value)).then_some(end)
}

impl<'a> Place<'a> {
    /// The bytes as far as the record goes.
    fn record(self) -> &'a [u8] {
        if self.whole {
            return self.bytes;
        }
        let length = memchr::memchr(b'\n', &self.bytes[self.start..]);
        length.map_or(self.bytes, |length| &self.bytes[..self.start + length])
    }

    /// Whether the record ends at `at`.
    fn ends_at(self, at: usize) -> bool {
        if self.whole { at == self.bytes.len() } else { self.bytes.get(at) == Some(&b'\n') }
    }
}

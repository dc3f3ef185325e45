//! What records look like. Most records of a table hold the same fields in the same
//! order with the same white space: between their values stand the same bytes. A
//! [`Shape`] is these bytes and what to do with the values between them, learnt from a
//! record that was read the long way.

use millrace_dataflow::types::{DataType, Field, TypeRoot};

use super::scan::{Cursor, Kind};
use crate::lanes;
use crate::time::TimestampStandard;

/// Records of more values than this are read the long way.
const MAX_STEPS: usize = 1_024;

/// The bytes between the values of a record, and what the values are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shape {
    pub steps: Vec<Step>,
    /// From the last value to the end of the record.
    pub tail: Literal,
    /// The columns that such a record does not have.
    pub absent: Vec<usize>,
}

/// Some bytes that must come, then something to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Step {
    pub before: Literal,
    /// The column, and the member within it, and so on; empty for no column.
    pub path: Vec<usize>,
    pub action: Action,
    /// Of the value, when it has a column.
    pub data_type: Option<DataType>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Action {
    /// A value that nobody asked for.
    Skip,
    /// A whole number within these bounds.
    Integer {
        min: i64,
        max: i64,
    },
    Text,
    Timestamp {
        standard: TimestampStandard,
        zoned: bool,
        precision: u8,
    },
    /// Any other value.
    Other,
    /// The object of a ROW ends; it has no such members.
    EndRow {
        absent: Vec<usize>,
    },
    /// A ROW that is null, which is among the bytes.
    NullRow,
}

/// Bytes to compare with, the first sixteen at once.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Literal {
    bytes: Box<[u8]>,
    first: u128,
    mask: u128,
}

impl Literal {
    fn new(bytes: &[u8]) -> Literal {
        let count = bytes.len().min(lanes::WIDTH);
        let mask = if count == lanes::WIDTH { u128::MAX } else { (1 << (8 * count)) - 1 };
        Literal { first: u128::from_le_bytes(lanes::chunk(bytes, 0)), mask, bytes: bytes.into() }
    }

    /// Where `text` goes on behind these bytes, when they are at `at`.
    #[inline]
    pub fn after(&self, text: &[u8], at: usize) -> Option<usize> {
        let end = at + self.bytes.len();
        let chunk = u128::from_le_bytes(lanes::chunk(text, at));
        if (chunk ^ self.first) & self.mask != 0 || end > text.len() {
            return None;
        }
        let rest = self.bytes.get(lanes::WIDTH..).unwrap_or(&[]);
        (rest.is_empty() || text[at + lanes::WIDTH..end] == *rest).then_some(end)
    }
}

impl Shape {
    /// The shape of a record that was read without an error; `None` when its fields
    /// must be looked at one by one: a column comes twice, or, `all_needed`, is missing.
    pub fn of(
        record: &[u8],
        fields: &[Field],
        standard: TimestampStandard,
        all_needed: bool,
    ) -> Option<Shape> {
        let cursor = Cursor::new(record);
        let mut learner = Learner { cursor, from: 0, steps: Vec::new(), standard, all_needed };
        let absent = learner.object(fields, &[])?;
        let tail = Literal::new(&record[learner.from..]);
        Some(Shape { steps: learner.steps, tail, absent })
    }

    /// How many steps both begin with.
    pub fn shared_steps(&self, other: &Shape) -> usize {
        self.steps.iter().zip(&other.steps).take_while(|(a, b)| a == b).count()
    }
}

struct Learner<'a> {
    cursor: Cursor<'a>,
    /// Where the bytes of the next step begin.
    from: usize,
    steps: Vec<Step>,
    standard: TimestampStandard,
    all_needed: bool,
}

impl Learner<'_> {
    /// Goes over an object; the fields it does not have.
    fn object(&mut self, fields: &[Field], path: &[usize]) -> Option<Vec<usize>> {
        let mut seen = vec![false; fields.len()];
        self.cursor.expect(b'{', "'{'").ok()?;
        if !self.cursor.eat(b'}') {
            loop {
                self.member(fields, path, &mut seen)?;
                if !self.cursor.eat(b',') {
                    self.cursor.expect(b'}', "'}'").ok()?;
                    break;
                }
            }
        }
        let absent: Vec<usize> = (0..fields.len()).filter(|field| !seen[*field]).collect();
        (absent.is_empty() || !self.all_needed).then_some(absent)
    }

    fn member(&mut self, fields: &[Field], path: &[usize], seen: &mut [bool]) -> Option<()> {
        let key = self.cursor.string().ok()?;
        self.cursor.expect(b':', "':'").ok()?;
        self.cursor.skip_space();
        let mut name = Vec::new();
        key.unescape(&mut name);
        let Some(field) = fields.iter().position(|field| field.name.as_bytes() == name) else {
            return self.value(Action::Skip, &[], None);
        };
        if std::mem::replace(&mut seen[field], true) {
            return None;
        }
        let inner: Vec<usize> = path.iter().copied().chain([field]).collect();
        let data_type = &fields[field].data_type;
        let TypeRoot::Row(members) = &data_type.root else {
            return self.value(action(data_type, self.standard), &inner, Some(data_type));
        };
        self.row(members, &inner)
    }

    fn row(&mut self, members: &[Field], path: &[usize]) -> Option<()> {
        match self.cursor.kind().ok()? {
            Kind::Object => {
                let absent = self.object(members, path)?;
                self.step(Action::EndRow { absent }, path, None)
            }
            Kind::Null => {
                self.cursor.word(b"null", "null").ok()?;
                self.step(Action::NullRow, path, None)
            }
            _ => None,
        }
    }

    fn value(
        &mut self,
        action: Action,
        path: &[usize],
        data_type: Option<&DataType>,
    ) -> Option<()> {
        self.step(action, path, data_type)?;
        self.cursor.skip_value().ok()?;
        self.from = self.cursor.at;
        Some(())
    }

    fn step(&mut self, action: Action, path: &[usize], data_type: Option<&DataType>) -> Option<()> {
        let before = Literal::new(&self.cursor.bytes[self.from..self.cursor.at]);
        self.from = self.cursor.at;
        let (path, data_type) = (path.to_vec(), data_type.cloned());
        self.steps.push(Step { before, path, action, data_type });
        (self.steps.len() <= MAX_STEPS).then_some(())
    }
}

fn action(data_type: &DataType, standard: TimestampStandard) -> Action {
    let integer = |min: i64, max: i64| Action::Integer { min, max };
    match &data_type.root {
        TypeRoot::TinyInt => integer(i8::MIN.into(), i8::MAX.into()),
        TypeRoot::SmallInt => integer(i16::MIN.into(), i16::MAX.into()),
        TypeRoot::Int | TypeRoot::IntervalYearMonth => integer(i32::MIN.into(), i32::MAX.into()),
        TypeRoot::BigInt | TypeRoot::IntervalDayTime => integer(i64::MIN, i64::MAX),
        TypeRoot::Char(_) | TypeRoot::VarChar(_) => Action::Text,
        TypeRoot::Timestamp { precision } => {
            Action::Timestamp { standard, zoned: false, precision: *precision }
        }
        TypeRoot::TimestampLtz { precision } => {
            Action::Timestamp { standard, zoned: true, precision: *precision }
        }
        _ => Action::Other,
    }
}

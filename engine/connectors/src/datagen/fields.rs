//! How the values of one column are made up.

use std::collections::BTreeMap;

use millrace_dataflow::catalog::OptionError;
use millrace_dataflow::table::TableSpec;
use millrace_dataflow::types::{DataType, TypeRoot};
use millrace_formats::ColumnBuilder;
use millrace_formats::numbers::{DecimalText, parse_decimal};
use millrace_formats::options::parse_duration;

use crate::generator::{Dice, mix};
use crate::options::bad_value;

/// Elements of a made-up array, map or multiset unless a length is given.
const COLLECTION_LENGTH: u64 = 3;
const TEXT_LENGTH: u64 = 100;
const DAY_MS: i64 = 86_400_000;

/// Which value is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Moment {
    /// The column's.
    pub seed: u64,
    /// The row's.
    pub number: u64,
    pub now_ms: i64,
}

/// How a column's values come about.
#[derive(Clone, Debug)]
pub struct Making {
    null_rate: f64,
    kind: Kind,
}

#[derive(Clone, Debug)]
enum Kind {
    /// Counts up by one a row; `last` is the last value.
    Sequence {
        start: i64,
        last: i64,
        shape: Shape,
    },
    Boolean,
    Integer {
        min: i64,
        max: i64,
    },
    Float {
        min: f64,
        max: f64,
    },
    Decimal {
        min: i128,
        max: i128,
    },
    /// Lower-case hex digits.
    Text {
        length: u64,
    },
    Bytes {
        length: u64,
    },
    Date {
        max_past_ms: i64,
    },
    Time,
    Timestamp {
        units_a_ms: Units,
        max_past_ms: i64,
    },
    Array {
        length: u64,
        element: Box<Making>,
    },
    Map {
        length: u64,
        key: Box<Making>,
        value: Box<Making>,
    },
    Row(Vec<Making>),
}

/// How a counted value is stored.
#[derive(Clone, Copy, Debug)]
enum Shape {
    Integer,
    Float,
    Decimal { factor: i128 },
    Text,
}

/// Arrow's unit of a timestamp against milliseconds.
#[derive(Clone, Copy, Debug)]
struct Units(i64);

/// # Errors
/// A `fields.` option names no column of the table.
pub fn check_names(table: &TableSpec) -> Result<(), OptionError> {
    for key in table.options.keys() {
        let Some(rest) = key.strip_prefix("fields.") else { continue };
        let known = table.physical.fields.iter().any(|field| {
            rest.strip_prefix(field.name.as_str()).is_some_and(|rest| rest.starts_with('.'))
        });
        if !known {
            let names: Vec<&str> = table.physical.fields.iter().map(|f| f.name.as_str()).collect();
            return Err(OptionError {
                key: Some(key.clone()),
                message: format!(
                    "option '{key}' names no column of table '{}'; there are {}",
                    table.name,
                    names.join(", ")
                ),
            });
        }
    }
    Ok(())
}

/// The options below `fields.<path>.`.
struct FieldOptions<'a> {
    path: &'a str,
    options: &'a BTreeMap<String, String>,
}

impl FieldOptions<'_> {
    fn text(&self, name: &str) -> Option<&str> {
        self.options.get(&self.key(name)).map(|text| text.trim())
    }

    fn key(&self, name: &str) -> String {
        format!("fields.{}.{name}", self.path)
    }

    fn number<T: std::str::FromStr>(
        &self,
        name: &str,
        wanted: &str,
    ) -> Result<Option<T>, OptionError> {
        self.text(name)
            .map(|text| text.parse().map_err(|_| bad_value(&self.key(name), wanted)))
            .transpose()
    }

    fn length(&self, default: u64) -> Result<u64, OptionError> {
        Ok(self.number("length", "a whole number of 0 or more")?.unwrap_or(default))
    }

    fn max_past_ms(&self) -> i64 {
        self.text("max-past").and_then(parse_duration).map_or(0, |past| past.as_millis() as i64)
    }

    /// The bounds of a number, checked.
    fn bounds<T>(&self, least: T, greatest: T, wanted: &str) -> Result<(T, T), OptionError>
    where
        T: std::str::FromStr + PartialOrd + Copy,
    {
        let min = self.number("min", wanted)?.unwrap_or(least);
        let max = self.number("max", wanted)?.unwrap_or(greatest);
        if min < least || min > greatest {
            return Err(bad_value(&self.key("min"), "within the column's type"));
        }
        if max < min || max > greatest {
            return Err(bad_value(
                &self.key("max"),
                "at least the minimum and within the column's type",
            ));
        }
        Ok((min, max))
    }
}

/// # Errors
/// The first option that does not fit the column.
pub fn compile(
    path: &str,
    data_type: &DataType,
    options: &BTreeMap<String, String>,
) -> Result<Making, OptionError> {
    let field = FieldOptions { path, options };
    let null_rate = field.number("null-rate", "a number from 0 to 1")?.unwrap_or(0.0);
    if !(0.0..=1.0).contains(&null_rate) {
        return Err(bad_value(&field.key("null-rate"), "a number from 0 to 1"));
    }
    let sequence = field.text("kind").is_some_and(|kind| kind.eq_ignore_ascii_case("sequence"));
    let kind =
        if sequence { sequence_kind(&field, data_type)? } else { random_kind(&field, data_type)? };
    Ok(Making { null_rate, kind })
}

fn sequence_kind(field: &FieldOptions<'_>, data_type: &DataType) -> Result<Kind, OptionError> {
    let shape = match &data_type.root {
        root if root.is_integer() => Shape::Integer,
        TypeRoot::Float | TypeRoot::Double => Shape::Float,
        TypeRoot::Decimal { scale, .. } => Shape::Decimal { factor: 10_i128.pow((*scale).into()) },
        root if root.is_character() => Shape::Text,
        _ => {
            return Err(bad_value(
                &field.key("kind"),
                &format!("random for a column of {data_type}"),
            ));
        }
    };
    let bound = |name: &str| -> Result<i64, OptionError> {
        field.number(name, "an integer")?.ok_or_else(|| OptionError {
            key: Some(field.key("kind")),
            message: format!("a sequence needs the option '{}'", field.key(name)),
        })
    };
    let (start, last) = (bound("start")?, bound("end")?);
    if last < start {
        return Err(bad_value(&field.key("end"), "at least the start of the sequence"));
    }
    Ok(Kind::Sequence { start, last, shape })
}

fn random_kind(field: &FieldOptions<'_>, data_type: &DataType) -> Result<Kind, OptionError> {
    let integer = |least: i64, greatest: i64| {
        let (min, max) = field.bounds(least, greatest, "an integer")?;
        Ok(Kind::Integer { min, max })
    };
    let timestamp = |precision: &u8| {
        let units_a_ms = Units(match precision {
            0..=3 => 1,
            4..=6 => 1_000,
            _ => 1_000_000,
        });
        Kind::Timestamp { units_a_ms, max_past_ms: field.max_past_ms() }
    };
    Ok(match &data_type.root {
        TypeRoot::Boolean => Kind::Boolean,
        TypeRoot::TinyInt => integer(i8::MIN.into(), i8::MAX.into())?,
        TypeRoot::SmallInt => integer(i16::MIN.into(), i16::MAX.into())?,
        TypeRoot::Int | TypeRoot::IntervalYearMonth => integer(i32::MIN.into(), i32::MAX.into())?,
        TypeRoot::BigInt | TypeRoot::IntervalDayTime => integer(i64::MIN, i64::MAX)?,
        TypeRoot::Float => float(field, f32::MIN.into(), f32::MAX.into())?,
        TypeRoot::Double => float(field, f64::MIN, f64::MAX)?,
        TypeRoot::Decimal { precision, scale } => decimal(field, *precision, *scale)?,
        TypeRoot::Char(length) => Kind::Text { length: field.length((*length).into())? },
        TypeRoot::VarChar(most) => {
            Kind::Text { length: field.length(TEXT_LENGTH.min((*most).into()))? }
        }
        TypeRoot::Binary(length) => Kind::Bytes { length: field.length((*length).into())? },
        TypeRoot::VarBinary(most) => {
            Kind::Bytes { length: field.length(TEXT_LENGTH.min((*most).into()))? }
        }
        TypeRoot::Date => Kind::Date { max_past_ms: field.max_past_ms() },
        TypeRoot::Time => Kind::Time,
        TypeRoot::Timestamp { precision } | TypeRoot::TimestampLtz { precision } => {
            timestamp(precision)
        }
        TypeRoot::Array(element) => Kind::Array {
            length: field.length(COLLECTION_LENGTH)?,
            element: inner(field, "element", element)?,
        },
        TypeRoot::Map(key, value) => Kind::Map {
            length: field.length(COLLECTION_LENGTH)?,
            key: inner(field, "key", key)?,
            value: inner(field, "value", value)?,
        },
        TypeRoot::Multiset(element) => Kind::Map {
            length: field.length(COLLECTION_LENGTH)?,
            key: inner(field, "element", element)?,
            value: Box::new(Making { null_rate: 0.0, kind: Kind::Integer { min: 1, max: 3 } }),
        },
        TypeRoot::Row(fields) => {
            let members = fields
                .iter()
                .map(|member| inner(field, &member.name, &member.data_type).map(|making| *making));
            Kind::Row(members.collect::<Result<_, _>>()?)
        }
        TypeRoot::Null => {
            return Err(OptionError {
                key: None,
                message: format!("column '{}': datagen cannot make up a {data_type}", field.path),
            });
        }
    })
}

fn inner(
    field: &FieldOptions<'_>,
    name: &str,
    data_type: &DataType,
) -> Result<Box<Making>, OptionError> {
    compile(&format!("{}.{name}", field.path), data_type, field.options).map(Box::new)
}

fn float(field: &FieldOptions<'_>, least: f64, greatest: f64) -> Result<Kind, OptionError> {
    let (min, max) = field.bounds(least, greatest, "a number")?;
    Ok(Kind::Float { min, max })
}

fn decimal(field: &FieldOptions<'_>, precision: u8, scale: u8) -> Result<Kind, OptionError> {
    let greatest = 10_i128.pow(precision.into()) - 1;
    let bound = |name: &str, default: i128| match field.text(name) {
        None => Ok(default),
        Some(text) => match parse_decimal(text.as_bytes(), precision, scale) {
            DecimalText::Value(value) => Ok(value),
            _ => Err(bad_value(&field.key(name), "within the column's type")),
        },
    };
    let (min, max) = (bound("min", -greatest)?, bound("max", greatest)?);
    if max < min {
        return Err(bad_value(&field.key("max"), "at least the minimum"));
    }
    Ok(Kind::Decimal { min, max })
}

impl Making {
    /// How many rows a sequence has, here or in a member.
    pub fn rows(&self) -> Option<u64> {
        match &self.kind {
            Kind::Sequence { start, last, .. } => {
                Some((i128::from(*last) - i128::from(*start) + 1).min(u64::MAX.into()) as u64)
            }
            Kind::Row(members) => members.iter().filter_map(Making::rows).min(),
            _ => None,
        }
    }

    pub fn push(&self, at: Moment, column: &mut ColumnBuilder) {
        let mut dice = Dice::new(mix(at.seed, at.number));
        if self.null_rate > 0.0 && dice.fraction() < self.null_rate {
            return column.push_null();
        }
        self.kind.push(&mut dice, at, column);
    }
}

impl Kind {
    fn push(&self, dice: &mut Dice, at: Moment, column: &mut ColumnBuilder) {
        let past =
            |dice: &mut Dice, most: i64| at.now_ms - dice.below(most.max(0) as u64 + 1) as i64;
        match self {
            Kind::Sequence { start, shape, .. } => {
                shape.push(start.wrapping_add(at.number as i64), column);
            }
            Kind::Boolean => column.push_bool(dice.next() & 1 == 1),
            Kind::Integer { min, max } => column.push_integer(integer_between(dice, *min, *max)),
            // Half the span twice: the span of all doubles is no double.
            Kind::Float { min, max } => {
                let share = dice.fraction();
                column.push_float(min * (1.0 - share) + max * share);
            }
            Kind::Decimal { min, max } => column.push_decimal(decimal_between(dice, *min, *max)),
            Kind::Text { length } => column.push_with(|out| push_hex(dice, *length, out)),
            Kind::Bytes { length } => {
                column.push_with(|out| out.extend((0..*length).map(|_| dice.next() as u8)));
            }
            Kind::Date { max_past_ms } => {
                column.push_integer(past(dice, *max_past_ms).div_euclid(DAY_MS));
            }
            Kind::Time => column.push_integer(at.now_ms.rem_euclid(DAY_MS) / 1_000 * 1_000),
            Kind::Timestamp { units_a_ms, max_past_ms } => {
                column.push_integer(past(dice, *max_past_ms) * units_a_ms.0);
            }
            Kind::Array { length, element } => {
                if let Some(elements) = column.elements() {
                    push_each(*length, dice, at, |at| element.push(at, elements));
                    column.end_elements();
                }
            }
            Kind::Map { length, key, value } => {
                if let Some((keys, values)) = column.entries() {
                    push_each(*length, dice, at, |at| {
                        key.push(at, keys);
                        value.push(Moment { seed: !at.seed, ..at }, values);
                    });
                    column.end_elements();
                }
            }
            Kind::Row(members) => {
                for (place, (making, member)) in members.iter().zip(column.members()).enumerate() {
                    making.push(Moment { seed: mix(at.seed, place as u64), ..at }, member);
                }
                column.push_row();
            }
        }
    }
}

// Each element has its own seed; the row's number stays, for sequences in members.
fn push_each(length: u64, dice: &mut Dice, at: Moment, mut push: impl FnMut(Moment)) {
    for _ in 0..length {
        push(Moment { seed: dice.next(), ..at });
    }
}

impl Shape {
    fn push(self, value: i64, column: &mut ColumnBuilder) {
        match self {
            Shape::Integer => column.push_integer(value),
            Shape::Float => column.push_float(value as f64),
            Shape::Decimal { factor } => column.push_decimal(i128::from(value) * factor),
            Shape::Text => column.push_bytes(value.to_string().as_bytes()),
        }
    }
}

fn integer_between(dice: &mut Dice, min: i64, max: i64) -> i64 {
    match (max.wrapping_sub(min) as u64).checked_add(1) {
        Some(span) => min.wrapping_add(dice.below(span) as i64),
        None => dice.next() as i64,
    }
}

fn decimal_between(dice: &mut Dice, min: i128, max: i128) -> i128 {
    let span = (max - min) as u128 + 1;
    let wide = u128::from(dice.next()) << 64 | u128::from(dice.next());
    min + (wide % span) as i128
}

fn push_hex(dice: &mut Dice, length: u64, out: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let mut left = length;
    while left > 0 {
        let mut random = dice.next();
        for _ in 0..left.min(16) {
            out.push(DIGITS[(random & 15) as usize]);
            random >>= 4;
        }
        left = left.saturating_sub(16);
    }
}

//! The little language of the tests: `NAME(argument, ...)` with SQL literals,
//! `NULL:TYPE`, `CAST(x AS TYPE)`, `x.field`, `#1` for a number that stays a constant,
//! and bare words for units.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;
use millrace_dataflow::{DataType, EvalContext, Field, TypeRoot};

use crate::text::datetime::{parse_date, parse_time, parse_timestamp};
use crate::typed::{ExprContext, Literal, TypedExpr};

/// Where literals go.
pub(super) enum Leaves {
    Constants,
    Columns(Columns),
}

#[derive(Default)]
pub(super) struct Columns {
    pub arrays: Vec<ArrayRef>,
}

pub(super) fn parse(
    text: &str,
    ctx: &ExprContext,
    leaves: &mut Leaves,
) -> Result<TypedExpr, String> {
    let mut parser = Parser { rest: text, ctx, leaves };
    let typed = parser.expression()?;
    assert!(parser.rest.trim().is_empty(), "unread: {}", parser.rest);
    Ok(typed)
}

pub(super) fn parse_type(text: &str) -> DataType {
    let mut leaves = Leaves::Constants;
    let ctx = super::context();
    Parser { rest: text, ctx: &ctx, leaves: &mut leaves }.data_type()
}

struct Parser<'a> {
    rest: &'a str,
    ctx: &'a ExprContext,
    leaves: &'a mut Leaves,
}

impl Parser<'_> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn eat(&mut self, token: &str) -> bool {
        self.skip();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn expect(&mut self, token: &str) {
        assert!(self.eat(token), "expected {token} at: {}", self.rest);
    }

    fn quoted(&mut self) -> String {
        self.expect("'");
        let mut text = String::new();
        loop {
            let end = self.rest.find('\'').expect("a closing quote");
            text.push_str(&self.rest[..end]);
            self.rest = &self.rest[end + 1..];
            if !self.rest.starts_with('\'') {
                return text;
            }
            text.push('\'');
            self.rest = &self.rest[1..];
        }
    }

    fn word(&mut self) -> String {
        self.skip();
        let end = self.rest.find(['(', ',', ')', '\'', '<', '>', '.']).unwrap_or(self.rest.len());
        // Operators are words too: `<` and `<=` stand before a parenthesis.
        let end = if end == 0 { self.rest.find('(').unwrap_or(1) } else { end };
        let end = self.rest[..end].find(" AS ").unwrap_or(end);
        let (word, rest) = self.rest.split_at(end);
        self.rest = rest;
        word.trim().to_owned()
    }

    fn leaf(&mut self, value: Literal, data_type: DataType) -> Result<TypedExpr, String> {
        let constant = TypedExpr::literal(value, data_type.clone());
        let Leaves::Columns(columns) = &mut *self.leaves else { return Ok(constant) };
        if data_type.root == TypeRoot::Null {
            return Ok(constant);
        }
        let expression = crate::lower(&constant, self.ctx).map_err(|error| error.to_string())?;
        let one = expression
            .run
            .evaluate(&super::batch(&Columns::default()), &EvalContext::default())
            .map_err(|error| error.to_string())?;
        let two = take(one.as_ref(), &UInt32Array::from(vec![0, 0]), None).expect("two rows");
        columns.arrays.push(two);
        Ok(TypedExpr::column(columns.arrays.len() - 1, data_type))
    }

    fn expression(&mut self) -> Result<TypedExpr, String> {
        let mut value = self.primary()?;
        while self.eat(".") {
            let name = self.word();
            value = crate::field(value, &name).map_err(|error| error.to_string())?;
        }
        Ok(value)
    }

    fn primary(&mut self) -> Result<TypedExpr, String> {
        self.skip();
        if self.rest.starts_with('\'') {
            let text = self.quoted();
            let length = text.chars().count().max(1) as u32;
            return self.leaf(Literal::String(text), TypeRoot::Char(length).not_null());
        }
        if self.eat("#") {
            // A number that stays a constant.
            let number = self.number().expect("digits behind #");
            let value = Literal::Integer(number.parse().expect("an integer"));
            return Ok(TypedExpr::literal(value, TypeRoot::Int.not_null()));
        }
        if let Some(number) = self.number() {
            return self.numeric(&number);
        }
        let word = self.word();
        if self.rest.starts_with('\'') {
            return self.prefixed(&word);
        }
        if word.starts_with("NULL:") || !self.eat("(") {
            return self.bare(&word);
        }
        if matches!(word.as_str(), "CAST" | "TRY_CAST") {
            return self.cast(word == "TRY_CAST");
        }
        let mut arguments = Vec::new();
        while !self.eat(")") {
            arguments.push(self.expression()?);
            self.eat(",");
        }
        crate::call(&word, arguments, self.ctx).map_err(|error| error.to_string())
    }

    fn cast(&mut self, try_cast: bool) -> Result<TypedExpr, String> {
        let value = self.expression()?;
        self.expect("AS");
        let target = self.data_type();
        self.expect(")");
        crate::cast(value, target, try_cast, self.ctx).map_err(|error| error.to_string())
    }

    fn number(&mut self) -> Option<String> {
        let sign = usize::from(self.rest.starts_with('-'));
        if !self.rest[sign..].starts_with(|c: char| c.is_ascii_digit()) {
            return None;
        }
        let end = self.rest[sign..]
            .find(|c: char| !(c.is_ascii_digit() || ".e-".contains(c)))
            .map_or(self.rest.len(), |end| end + sign);
        let (number, rest) = self.rest.split_at(end);
        self.rest = rest;
        Some(number.to_owned())
    }

    /// `1` INT, `3000000000` BIGINT, `1.0` DECIMAL, `1e0` DOUBLE (row A1.7).
    fn numeric(&mut self, number: &str) -> Result<TypedExpr, String> {
        if number.contains('e') {
            let value = number.parse().expect("a double");
            return self.leaf(Literal::Float(value), TypeRoot::Double.not_null());
        }
        if let Some((whole, fraction)) = number.split_once('.') {
            let scale = fraction.len() as u8;
            let digits = whole.trim_start_matches('-').trim_start_matches('0').len() as u8;
            let value = format!("{whole}{fraction}").parse().expect("digits");
            let root = TypeRoot::Decimal { precision: (digits + scale).max(1), scale };
            return self.leaf(Literal::Decimal(value), root.not_null());
        }
        let value: i64 = number.parse().expect("an integer");
        let root = if i32::try_from(value).is_ok() { TypeRoot::Int } else { TypeRoot::BigInt };
        self.leaf(Literal::Integer(value), root.not_null())
    }

    /// `DATE '..'`, `X'45'`, `INTERVAL '5' DAY`.
    fn prefixed(&mut self, word: &str) -> Result<TypedExpr, String> {
        let text = self.quoted();
        let (literal, root) = match word {
            "DATE" => (Literal::Integer(parse_date(&text).expect("a date")), TypeRoot::Date),
            "TIME" => (Literal::Integer(parse_time(&text).expect("a time")), TypeRoot::Time),
            "TIMESTAMP" => {
                let precision = text.split_once('.').map_or(0, |(_, f)| f.len()) as u8;
                let nanos = parse_timestamp(&text).expect("a timestamp");
                (Literal::Timestamp(nanos), TypeRoot::Timestamp { precision })
            }
            "LTZ" => {
                let nanos = parse_timestamp(&text).expect("a timestamp");
                (Literal::Timestamp(nanos), TypeRoot::TimestampLtz { precision: 3 })
            }
            "X" => {
                let bytes: Vec<u8> = (0..text.len())
                    .step_by(2)
                    .map(|at| u8::from_str_radix(&text[at..at + 2], 16).expect("hex"))
                    .collect();
                let length = bytes.len() as u32;
                (Literal::Binary(bytes), TypeRoot::Binary(length))
            }
            "INTERVAL" => {
                let amount: i64 = text.parse().expect("a number");
                let unit = self.word();
                let millis = match unit.as_str() {
                    "MILLISECOND" => 1,
                    "SECOND" => 1_000,
                    "MINUTE" => 60_000,
                    "HOUR" => 3_600_000,
                    "DAY" => 86_400_000,
                    _ => 0,
                };
                match unit.as_str() {
                    "MONTH" => (Literal::Integer(amount), TypeRoot::IntervalYearMonth),
                    "YEAR" => (Literal::Integer(amount * 12), TypeRoot::IntervalYearMonth),
                    _ => (Literal::Integer(amount * millis), TypeRoot::IntervalDayTime),
                }
            }
            other => panic!("no literal begins with {other}"),
        };
        self.leaf(literal, root.not_null())
    }

    fn bare(&mut self, word: &str) -> Result<TypedExpr, String> {
        match word {
            "TRUE" => self.leaf(Literal::Boolean(true), TypeRoot::Boolean.not_null()),
            "FALSE" => self.leaf(Literal::Boolean(false), TypeRoot::Boolean.not_null()),
            "NULL" => self.leaf(Literal::Null, TypeRoot::Null.nullable()),
            null if null.starts_with("NULL:") => {
                // The type's own parameters are behind the word.
                let name = null["NULL:".len()..].to_owned();
                let whole = format!("{name}{}", self.rest);
                let mut leaves = Leaves::Constants;
                let mut types = Parser { rest: &whole, ctx: self.ctx, leaves: &mut leaves };
                let data_type = types.data_type();
                let unread = types.rest.len();
                self.rest = &self.rest[self.rest.len() - unread..];
                self.leaf(Literal::Null, data_type)
            }
            // A unit, a trim mode: a constant always.
            unit => Ok(TypedExpr::literal(
                Literal::String(unit.to_owned()),
                TypeRoot::Char(unit.len() as u32).not_null(),
            )),
        }
    }

    fn parameters(&mut self) -> Vec<u32> {
        let mut parameters = Vec::new();
        if self.eat("(") {
            while !self.eat(")") {
                let end = self.rest.find([',', ')']).expect("a parameter's end");
                parameters.push(self.rest[..end].trim().parse().expect("a number"));
                self.rest = &self.rest[end..];
                self.eat(",");
            }
        }
        parameters
    }

    fn data_type(&mut self) -> DataType {
        let name = self.word();
        let (name, not_null) = match name.strip_suffix(" NOT NULL") {
            Some(name) => (name.to_owned(), true),
            None => (name, false),
        };
        if self.eat("<") {
            return self.nested(&name);
        }
        let parameters = self.parameters();
        let first = parameters.first().copied();
        let root = match name.as_str() {
            "BOOLEAN" => TypeRoot::Boolean,
            "TINYINT" => TypeRoot::TinyInt,
            "SMALLINT" => TypeRoot::SmallInt,
            "INT" => TypeRoot::Int,
            "BIGINT" => TypeRoot::BigInt,
            "FLOAT" => TypeRoot::Float,
            "DOUBLE" => TypeRoot::Double,
            "DECIMAL" => TypeRoot::Decimal {
                precision: first.unwrap_or(10) as u8,
                scale: parameters.get(1).copied().unwrap_or(0) as u8,
            },
            "CHAR" => TypeRoot::Char(first.unwrap_or(1)),
            "VARCHAR" => TypeRoot::VarChar(first.unwrap_or(1)),
            "STRING" => TypeRoot::string(),
            "BINARY" => TypeRoot::Binary(first.unwrap_or(1)),
            "VARBINARY" => TypeRoot::VarBinary(first.unwrap_or(1)),
            "BYTES" => TypeRoot::bytes(),
            "DATE" => TypeRoot::Date,
            "TIME" => TypeRoot::Time,
            "TIMESTAMP" => TypeRoot::Timestamp { precision: first.unwrap_or(6) as u8 },
            "LTZ" => TypeRoot::TimestampLtz { precision: first.unwrap_or(6) as u8 },
            "MONTHS" => TypeRoot::IntervalYearMonth,
            "MILLIS" => TypeRoot::IntervalDayTime,
            other => panic!("no type {other}"),
        };
        let not_null = not_null || self.eat("NOT NULL");
        root.nullable().with_nullable(!not_null)
    }

    fn nested(&mut self, name: &str) -> DataType {
        let root = match name {
            "ARRAY" => TypeRoot::Array(Box::new(self.data_type())),
            "MULTISET" => TypeRoot::Multiset(Box::new(self.data_type())),
            "MAP" => {
                let key = self.data_type();
                self.expect(",");
                TypeRoot::Map(Box::new(key), Box::new(self.data_type()))
            }
            _ => {
                let mut fields = Vec::new();
                while !self.rest.trim_start().starts_with('>') {
                    self.skip();
                    let (field, rest) = self.rest.split_once(' ').expect("a field's type");
                    let field = field.to_owned();
                    self.rest = rest;
                    fields.push(Field::new(field, self.data_type()));
                    self.eat(",");
                }
                TypeRoot::Row(fields)
            }
        };
        self.expect(">");
        let not_null = self.eat("NOT NULL");
        root.nullable().with_nullable(!not_null)
    }
}

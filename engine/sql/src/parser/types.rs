//! Data types as written (section C.1).

use millrace_dataflow::types::MAX_LENGTH;
use millrace_dataflow::{DataType, Field, TypeRoot};

use super::{Parsed, Parser};
use crate::diagnostic::Problem;
use crate::lexer::TokenKind;
use crate::span::Span;

impl Parser<'_> {
    /// A type with its nullability and the postfix forms `t ARRAY`, `t MULTISET`.
    pub(super) fn data_type(&mut self) -> Parsed<DataType> {
        self.nested(|parser| {
            let root = parser.type_root()?;
            let mut data_type = parser.nullability(root)?;
            loop {
                if parser.accept_word("ARRAY") {
                    data_type = parser.nullability(TypeRoot::Array(Box::new(data_type)))?;
                } else if parser.accept_word("MULTISET") {
                    data_type = parser.nullability(TypeRoot::Multiset(Box::new(data_type)))?;
                } else {
                    return Ok(data_type);
                }
            }
        })
    }

    fn nullability(&mut self, root: TypeRoot) -> Parsed<DataType> {
        if self.accept_words(&["NOT", "NULL"]) {
            return Ok(root.not_null());
        }
        self.accept_word("NULL");
        Ok(root.nullable())
    }

    fn type_root(&mut self) -> Parsed<TypeRoot> {
        let token = self.peek();
        let TokenKind::Word { text, quoted: false } = &token.kind else {
            return Err(self.expected("a data type"));
        };
        let name = text.to_ascii_uppercase();
        let start = token.span;
        self.advance();
        Ok(match name.as_str() {
            "BOOLEAN" => TypeRoot::Boolean,
            "TINYINT" => TypeRoot::TinyInt,
            "SMALLINT" => TypeRoot::SmallInt,
            "INT" | "INTEGER" => TypeRoot::Int,
            "BIGINT" => TypeRoot::BigInt,
            "FLOAT" => TypeRoot::Float,
            "DOUBLE" => {
                self.accept_word("PRECISION");
                TypeRoot::Double
            }
            "DECIMAL" | "DEC" | "NUMERIC" => self.decimal(start)?,
            "CHAR" | "CHARACTER" if self.accept_word("VARYING") => {
                TypeRoot::VarChar(self.length_or(MAX_LENGTH)?)
            }
            "CHAR" | "CHARACTER" => TypeRoot::Char(self.length_or(1)?),
            "VARCHAR" => TypeRoot::VarChar(self.length_or(MAX_LENGTH)?),
            "STRING" => TypeRoot::string(),
            "BINARY" if self.accept_word("VARYING") => {
                TypeRoot::VarBinary(self.length_or(MAX_LENGTH)?)
            }
            "BINARY" => TypeRoot::Binary(self.length_or(1)?),
            "VARBINARY" => TypeRoot::VarBinary(self.length_or(MAX_LENGTH)?),
            "BYTES" => TypeRoot::bytes(),
            "DATE" => TypeRoot::Date,
            "TIME" => self.time(start)?,
            "TIMESTAMP" => self.timestamp(start)?,
            "TIMESTAMP_LTZ" => TypeRoot::TimestampLtz { precision: self.precision(6, 9)? },
            "INTERVAL" => self.interval_type()?,
            "ARRAY" => self.angle(|parser| Ok(TypeRoot::Array(Box::new(parser.data_type()?))))?,
            "MULTISET" => {
                self.angle(|parser| Ok(TypeRoot::Multiset(Box::new(parser.data_type()?))))?
            }
            "MAP" => self.angle(|parser| {
                let key = parser.data_type()?;
                parser.expect_symbol(",")?;
                Ok(TypeRoot::Map(Box::new(key), Box::new(parser.data_type()?)))
            })?,
            "ROW" => self.row(start)?,
            "RAW" => {
                return Err(Problem::new(
                    start,
                    "RAW values exist in a JVM only; this engine has none",
                ));
            }
            _ => {
                return Err(Problem::new(start, format!("there is no data type {text}"))
                    .or_hint(crate::nearest::hint(text, TYPE_NAMES.iter().copied())));
            }
        })
    }

    fn angle<T>(&mut self, parse: impl FnOnce(&mut Self) -> Parsed<T>) -> Parsed<T> {
        self.expect_symbol("<")?;
        let result = parse(self)?;
        self.close_angle()?;
        Ok(result)
    }

    // The lexer never joins `>>`, but it does join `>=` and `<>`; neither follows a type.
    fn close_angle(&mut self) -> Parsed<()> {
        self.expect_symbol(">")
    }

    fn row(&mut self, start: Span) -> Parsed<TypeRoot> {
        if self.accept_symbol("<>") {
            return Ok(TypeRoot::Row(Vec::new()));
        }
        if self.is_symbol("<") {
            return self
                .angle(|parser| Ok(TypeRoot::Row(parser.comma_separated(Self::row_field)?)));
        }
        if self.accept_symbol("(") {
            let fields = self.comma_separated(Self::row_field)?;
            self.expect_symbol(")")?;
            return Ok(TypeRoot::Row(fields));
        }
        Err(Problem::new(start, "a ROW type needs its fields: ROW<name TYPE, ...>"))
    }

    fn row_field(&mut self) -> Parsed<Field> {
        let name = self.ident("the name of a field")?;
        let data_type = self.data_type()?;
        if matches!(self.peek().kind, TokenKind::String(_)) {
            self.advance();
        }
        Ok(Field::new(name.text, data_type))
    }

    // Flink's planner gives VARCHAR and VARBINARY without a length the greatest one, so
    // that `CAST(n AS VARCHAR)` keeps every digit; its documentation, and rows C1.2 and
    // C1.4 after it, say 1, which is true of CHAR and BINARY only.
    fn length_or(&mut self, default: u32) -> Parsed<u32> {
        if !self.accept_symbol("(") {
            return Ok(default);
        }
        let (length, span) = self.whole_number("a length")?;
        self.expect_symbol(")")?;
        u32::try_from(length)
            .ok()
            .filter(|length| (1..=MAX_LENGTH).contains(length))
            .ok_or_else(|| Problem::new(span, format!("a length is between 1 and {MAX_LENGTH}")))
    }

    fn precision(&mut self, default: u8, most: u8) -> Parsed<u8> {
        if !self.accept_symbol("(") {
            return Ok(default);
        }
        let (precision, span) = self.whole_number("a precision")?;
        self.expect_symbol(")")?;
        u8::try_from(precision)
            .ok()
            .filter(|precision| *precision <= most)
            .ok_or_else(|| Problem::new(span, format!("the precision is between 0 and {most}")))
    }

    fn decimal(&mut self, start: Span) -> Parsed<TypeRoot> {
        if !self.accept_symbol("(") {
            return Ok(TypeRoot::Decimal { precision: 10, scale: 0 });
        }
        let (precision, _) = self.whole_number("a precision")?;
        let scale = if self.accept_symbol(",") { self.whole_number("a scale")?.0 } else { 0 };
        self.expect_symbol(")")?;
        if !(1..=38).contains(&precision) || scale > precision {
            return Err(Problem::new(
                self.since(start),
                "DECIMAL(p, s) needs 1 <= p <= 38 and 0 <= s <= p",
            ));
        }
        Ok(TypeRoot::Decimal { precision: precision as u8, scale: scale as u8 })
    }

    fn time(&mut self, start: Span) -> Parsed<TypeRoot> {
        let precision = self.precision(0, 9)?;
        self.accept_words(&["WITHOUT", "TIME", "ZONE"]);
        if precision > 0 {
            return Err(Problem::new(
                self.since(start),
                "TIME has precision 0 in Flink SQL; write TIME or TIME(0)",
            ));
        }
        Ok(TypeRoot::Time)
    }

    fn timestamp(&mut self, start: Span) -> Parsed<TypeRoot> {
        let precision = self.precision(6, 9)?;
        if self.accept_words(&["WITH", "LOCAL", "TIME", "ZONE"]) {
            return Ok(TypeRoot::TimestampLtz { precision });
        }
        if self.accept_words(&["WITH", "TIME", "ZONE"]) {
            return Err(Problem::new(
                self.since(start),
                "TIMESTAMP WITH TIME ZONE is not supported in Flink SQL",
            )
            .with_hint("use TIMESTAMP_LTZ"));
        }
        self.accept_words(&["WITHOUT", "TIME", "ZONE"]);
        Ok(TypeRoot::Timestamp { precision })
    }

    fn interval_type(&mut self) -> Parsed<TypeRoot> {
        let year_month = ["YEAR", "MONTH"];
        let day_time = ["DAY", "HOUR", "MINUTE", "SECOND"];
        let is_year_month = year_month.iter().any(|unit| self.is_word(unit));
        let units: &[&str] = if is_year_month { &year_month } else { &day_time };
        self.interval_field(units)?;
        if self.accept_word("TO") {
            self.interval_field(units)?;
        }
        Ok(if is_year_month { TypeRoot::IntervalYearMonth } else { TypeRoot::IntervalDayTime })
    }

    fn interval_field(&mut self, units: &[&str]) -> Parsed<()> {
        if !units.iter().any(|unit| self.accept_word(unit)) {
            return Err(self.expected(&units.join(", ")));
        }
        self.precision(6, 9)?;
        Ok(())
    }
}

const TYPE_NAMES: [&str; 22] = [
    "BOOLEAN",
    "TINYINT",
    "SMALLINT",
    "INT",
    "BIGINT",
    "FLOAT",
    "DOUBLE",
    "DECIMAL",
    "CHAR",
    "VARCHAR",
    "STRING",
    "BINARY",
    "VARBINARY",
    "BYTES",
    "DATE",
    "TIME",
    "TIMESTAMP",
    "TIMESTAMP_LTZ",
    "ARRAY",
    "MAP",
    "MULTISET",
    "ROW",
];

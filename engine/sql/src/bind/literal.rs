//! The types of literals (rows A1.4 to A1.9).

use millrace_dataflow::TypeRoot;
use millrace_expr::{Literal, TypedExpr};

use super::Bound;
use crate::ast::LiteralValue;
use crate::diagnostic::Problem;
use crate::span::Span;

pub(super) fn bind(value: &LiteralValue, span: Span) -> Bound<TypedExpr> {
    let (literal, root) = match value {
        LiteralValue::Null => {
            return Ok(TypedExpr::literal(Literal::Null, TypeRoot::Null.nullable()));
        }
        LiteralValue::Boolean(value) => (Literal::Boolean(*value), TypeRoot::Boolean),
        LiteralValue::Number(text) => number(text, span)?,
        LiteralValue::Float(text) => {
            let value =
                text.parse().map_err(|_| Problem::new(span, format!("{text} is no number")))?;
            (Literal::Float(value), TypeRoot::Double)
        }
        LiteralValue::String(text) => {
            (Literal::String(text.clone()), TypeRoot::Char(text.chars().count() as u32))
        }
        LiteralValue::Binary(bytes) => {
            (Literal::Binary(bytes.clone()), TypeRoot::Binary(bytes.len() as u32))
        }
        LiteralValue::Date(days) => (Literal::Integer(i64::from(*days)), TypeRoot::Date),
        LiteralValue::Time(ms) => (Literal::Integer(*ms), TypeRoot::Time),
        LiteralValue::Timestamp { nanoseconds, precision } => {
            (Literal::Timestamp(*nanoseconds), TypeRoot::Timestamp { precision: *precision })
        }
        LiteralValue::YearMonth(months) => (Literal::Integer(*months), TypeRoot::IntervalYearMonth),
        LiteralValue::DayTime(ms) => (Literal::Integer(*ms), TypeRoot::IntervalDayTime),
    };
    Ok(TypedExpr::literal(literal, root.not_null()))
}

// Row A1.7. As Calcite counts it, the precision of `0.5` includes the leading zero.
fn number(text: &str, span: Span) -> Bound<(Literal, TypeRoot)> {
    let too_large = || Problem::new(span, format!("Numeric literal '{text}' is out of range"));
    let digits = text.trim_start_matches('-');
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if fraction.is_empty() {
        let value: i64 = text.trim_end_matches('.').parse().map_err(|_| {
            too_large()
                .with_hint("write it with a point (a DECIMAL), or with an exponent (a DOUBLE)")
        })?;
        let is_int = i32::try_from(value).is_ok();
        let root = if is_int { TypeRoot::Int } else { TypeRoot::BigInt };
        return Ok((Literal::Integer(value), root));
    }
    let precision = whole.len() + fraction.len();
    let unscaled: i128 = format!("{whole}{fraction}").parse().map_err(|_| too_large())?;
    if precision > 38 {
        return Err(too_large().with_hint("a DECIMAL has at most 38 digits"));
    }
    let unscaled = if text.starts_with('-') { -unscaled } else { unscaled };
    let root = TypeRoot::Decimal { precision: precision as u8, scale: fraction.len() as u8 };
    Ok((Literal::Decimal(unscaled), root))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(text: &str) -> Result<String, String> {
        let value = match text.contains(['e', 'E']) {
            true => LiteralValue::Float(text.into()),
            false => LiteralValue::Number(text.into()),
        };
        bind(&value, Span::default()).map(|e| e.data_type.to_string()).map_err(|p| p.message)
    }

    #[test]
    fn a1_7_numbers_have_the_smallest_type() {
        for (text, expected) in [
            ("1", "INT NOT NULL"),
            ("-2147483648", "INT NOT NULL"),
            ("3000000000", "BIGINT NOT NULL"),
            ("-9223372036854775808", "BIGINT NOT NULL"),
            ("1.0", "DECIMAL(2, 1) NOT NULL"),
            ("0.5", "DECIMAL(2, 1) NOT NULL"),
            (".25", "DECIMAL(2, 2) NOT NULL"),
            ("1.", "INT NOT NULL"),
            ("1e0", "DOUBLE NOT NULL"),
        ] {
            assert_eq!(typed(text).as_deref(), Ok(expected), "{text}");
        }
        for text in ["9223372036854775808", "1.00000000000000000000000000000000000000"] {
            assert!(typed(text).is_err(), "{text}");
        }
    }
}

//! Canonical text of an expression: equal exactly when the meaning is.

use std::fmt::Write;

use millrace_dataflow::{DataType, TypeRoot};

use crate::decimal;
use crate::text::datetime;
use crate::text::number;
use crate::typed::{Literal, TypedExpr, TypedKind};

/// `+($0, 1)`, as Flink's plans print.
pub(crate) fn digest(expression: &TypedExpr) -> String {
    let mut out = String::new();
    write(&mut out, expression);
    out
}

// Writing to a String cannot fail.
fn write(out: &mut String, expression: &TypedExpr) {
    match &expression.kind {
        TypedKind::Column(index) => {
            let _ = write!(out, "${index}");
        }
        TypedKind::Literal(literal) => write_literal(out, literal, &expression.data_type),
        TypedKind::Call { function, arguments } => {
            out.push_str(function);
            out.push('(');
            for (position, argument) in arguments.iter().enumerate() {
                if position > 0 {
                    out.push_str(", ");
                }
                write(out, argument);
            }
            out.push(')');
        }
        TypedKind::Cast { value, try_cast } => {
            out.push_str(if *try_cast { "TRY_CAST(" } else { "CAST(" });
            write(out, value);
            let _ = write!(out, "):{}", expression.data_type.root);
        }
        TypedKind::Field { value, index } => {
            write(out, value);
            match &value.data_type.root {
                TypeRoot::Row(fields) if fields.len() > *index => {
                    let _ = write!(out, ".{}", fields[*index].name);
                }
                _ => {
                    let _ = write!(out, ".{index}");
                }
            }
        }
    }
}

/// INT, BOOLEAN, DECIMAL and CHAR literals stand alone; others carry their type.
fn write_literal(out: &mut String, literal: &Literal, data_type: &DataType) {
    let root = &data_type.root;
    match (literal, root) {
        (Literal::Null, root) => {
            let _ = write!(out, "null:{root}");
        }
        (Literal::Boolean(value), _) => {
            let _ = write!(out, "{value}");
        }
        (Literal::Decimal(value), TypeRoot::Decimal { precision, scale }) => {
            let _ =
                write!(out, "{}:DECIMAL({precision}, {scale})", decimal::to_text(*value, *scale));
        }
        (Literal::Integer(value), TypeRoot::Int) => {
            let _ = write!(out, "{value}");
        }
        (Literal::Integer(days), TypeRoot::Date) => out.push_str(&datetime::date_to_text(*days)),
        (Literal::Integer(value), root) => {
            let _ = write!(out, "{value}:{root}");
        }
        (Literal::Decimal(value), root) => {
            let _ = write!(out, "{value}:{root}");
        }
        (Literal::Float(value), root) => {
            let _ = write!(out, "{}:{root}", number::double_to_text(*value));
        }
        (Literal::String(text), root) => {
            let _ = write!(out, "'{}'", text.replace('\'', "''"));
            if !matches!(root, TypeRoot::Char(_)) {
                let _ = write!(out, ":{root}");
            }
        }
        (Literal::Binary(bytes), _) => {
            out.push_str("X'");
            for byte in bytes {
                let _ = write!(out, "{byte:02X}");
            }
            out.push('\'');
        }
        (Literal::Timestamp(nanos), root) => {
            let _ = write!(out, "{}:{root}", datetime::timestamp_to_text(*nanos, 9));
        }
    }
}

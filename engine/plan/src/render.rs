//! Expressions as people read them in a plan: `(price > 10)`, `CAST(a AS BIGINT)`.

use millrace_dataflow::{DataType, TypeRoot};
use millrace_expr::{Literal, TypedExpr, TypedKind};

const INFIX: [&str; 18] = [
    "+",
    "-",
    "*",
    "/",
    "%",
    "||",
    "=",
    "<>",
    "<",
    "<=",
    ">",
    ">=",
    "AND",
    "OR",
    "LIKE",
    "SIMILAR TO",
    "IS DISTINCT FROM",
    "IS NOT DISTINCT FROM",
];

/// The expression with its columns named by `column`.
pub(crate) fn expression(e: &TypedExpr, column: &impl Fn(usize) -> String) -> String {
    match &e.kind {
        TypedKind::Column(index) => column(*index),
        TypedKind::Literal(value) => literal(value, &e.data_type),
        TypedKind::Call { function, arguments } => call(function, arguments, column),
        TypedKind::Cast { value, try_cast } => {
            let name = if *try_cast { "TRY_CAST" } else { "CAST" };
            format!("{name}({} AS {})", expression(value, column), e.data_type.root)
        }
        TypedKind::Field { value, index } => {
            let name = match &value.data_type.root {
                TypeRoot::Row(fields) => fields.get(*index).map(|field| field.name.clone()),
                _ => None,
            };
            format!("{}.{}", expression(value, column), name.unwrap_or_else(|| index.to_string()))
        }
    }
}

fn call(function: &str, arguments: &[TypedExpr], column: &impl Fn(usize) -> String) -> String {
    let texts: Vec<String> = arguments.iter().map(|a| expression(a, column)).collect();
    match texts.as_slice() {
        [left, right] if INFIX.contains(&function) => format!("({left} {function} {right})"),
        [value] if function.starts_with("IS ") => format!("{value} {function}"),
        [value] if function == "NEGATE" => format!("-{value}"),
        [value, index] if function == "ITEM" => format!("{value}[{index}]"),
        _ => format!("{function}({})", texts.join(", ")),
    }
}

fn literal(value: &Literal, data_type: &DataType) -> String {
    match value {
        Literal::Null => format!("null:{}", data_type.root),
        Literal::Boolean(value) => value.to_string(),
        Literal::Integer(value) => match data_type.root {
            TypeRoot::IntervalDayTime => format!("{value}:INTERVAL SECOND"),
            TypeRoot::IntervalYearMonth => format!("{value}:INTERVAL MONTH"),
            TypeRoot::Date => format!("{value}:DATE"),
            TypeRoot::Time => format!("{value}:TIME"),
            _ => value.to_string(),
        },
        Literal::Decimal(unscaled) => match data_type.root {
            TypeRoot::Decimal { scale, .. } => decimal(*unscaled, usize::from(scale)),
            _ => unscaled.to_string(),
        },
        Literal::Float(value) => format!("{value:?}"),
        Literal::String(value) => format!("'{}'", value.replace('\'', "''")),
        Literal::Binary(bytes) => format!("X'{}'", hex::encode_upper(bytes)),
        Literal::Timestamp(nanoseconds) => format!("{nanoseconds}:{}", data_type.root),
    }
}

fn decimal(unscaled: i128, scale: usize) -> String {
    let sign = if unscaled < 0 { "-" } else { "" };
    let digits = format!("{:0>width$}", unscaled.unsigned_abs(), width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{fraction}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_keep_their_scale() {
        for (unscaled, scale, expected) in
            [(15, 1, "1.5"), (-5, 2, "-0.05"), (100, 0, "100"), (0, 3, "0.000")]
        {
            assert_eq!(decimal(unscaled, scale), expected);
        }
    }
}

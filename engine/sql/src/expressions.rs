//! Small tools on typed expressions: columns, conjuncts, time.

use std::collections::BTreeSet;

use millrace_dataflow::{DataType, Schema, TimeAttribute, TypeRoot};
use millrace_expr::{ExprContext, Literal, TypedExpr, TypedKind};

/// The input columns an expression reads.
pub fn columns(expression: &TypedExpr) -> BTreeSet<usize> {
    let mut found = BTreeSet::new();
    visit(expression, &mut |node| {
        if let TypedKind::Column(index) = node.kind {
            found.insert(index);
        }
    });
    found
}

/// Calls `see` for the expression and all below it.
pub fn visit(expression: &TypedExpr, see: &mut impl FnMut(&TypedExpr)) {
    see(expression);
    match &expression.kind {
        TypedKind::Column(_) | TypedKind::Literal(_) => {}
        TypedKind::Call { arguments, .. } => arguments.iter().for_each(|a| visit(a, see)),
        TypedKind::Cast { value, .. } | TypedKind::Field { value, .. } => visit(value, see),
    }
}

/// The expression with each column reference replaced.
pub fn replace(expression: &TypedExpr, by: &impl Fn(usize, &DataType) -> TypedExpr) -> TypedExpr {
    let kind = match &expression.kind {
        TypedKind::Column(index) => return by(*index, &expression.data_type),
        TypedKind::Literal(literal) => TypedKind::Literal(literal.clone()),
        TypedKind::Call { function, arguments } => TypedKind::Call {
            function: function.clone(),
            arguments: arguments.iter().map(|argument| replace(argument, by)).collect(),
        },
        TypedKind::Cast { value, try_cast } => {
            TypedKind::Cast { value: Box::new(replace(value, by)), try_cast: *try_cast }
        }
        TypedKind::Field { value, index } => {
            TypedKind::Field { value: Box::new(replace(value, by)), index: *index }
        }
    };
    TypedExpr { kind, data_type: expression.data_type.clone() }
}

/// The expression with its columns renumbered.
pub fn renumber(expression: &TypedExpr, to: &impl Fn(usize) -> usize) -> TypedExpr {
    replace(expression, &|index, data_type| TypedExpr::column(to(index), data_type.clone()))
}

/// The expression over a projection's input instead of its output.
pub fn inline(expression: &TypedExpr, projection: &[TypedExpr]) -> TypedExpr {
    replace(expression, &|index, _| projection[index].clone())
}

/// `a AND b AND c` as its parts.
pub fn conjuncts(expression: TypedExpr) -> Vec<TypedExpr> {
    match expression.kind {
        TypedKind::Call { function, arguments } if function == "AND" => {
            arguments.into_iter().flat_map(conjuncts).collect()
        }
        _ => vec![expression],
    }
}

/// The parts joined by AND; `None` of none.
pub fn conjunction(parts: Vec<TypedExpr>, ctx: &ExprContext) -> Option<TypedExpr> {
    parts.into_iter().reduce(|left, right| {
        let nullable = left.data_type.nullable || right.data_type.nullable;
        millrace_expr::call("AND", vec![left.clone(), right.clone()], ctx).unwrap_or(TypedExpr {
            kind: TypedKind::Call { function: "AND".into(), arguments: vec![left, right] },
            data_type: TypeRoot::Boolean.nullable().with_nullable(nullable),
        })
    })
}

pub fn column_of(expression: &TypedExpr) -> Option<usize> {
    match expression.kind {
        TypedKind::Column(index) => Some(index),
        _ => None,
    }
}

/// The time attribute an expression keeps: a plain column's own, `PROCTIME()`'s, else
/// none (row C6.5).
pub fn time_attribute(expression: &TypedExpr, input: &Schema) -> TimeAttribute {
    match &expression.kind {
        TypedKind::Column(index) => {
            input.fields.get(*index).map_or(TimeAttribute::None, |field| field.time)
        }
        TypedKind::Call { function, .. } if function == "PROCTIME" => TimeAttribute::Proctime,
        _ => TimeAttribute::None,
    }
}

/// Whether two evaluations may differ: such an expression is neither shared nor merged.
pub fn is_deterministic(expression: &TypedExpr) -> bool {
    let mut deterministic = true;
    visit(expression, &mut |node| {
        if let TypedKind::Call { function, .. } = &node.kind {
            deterministic &= !matches!(function.as_str(), "RAND" | "RAND_INTEGER" | "UUID");
        }
    });
    deterministic
}

/// The whole number a constant stands for, through casts.
pub fn whole_constant(expression: &TypedExpr) -> Option<i64> {
    match &expression.kind {
        TypedKind::Literal(Literal::Integer(value)) if expression.data_type.root.is_integer() => {
            Some(*value)
        }
        TypedKind::Cast { value, .. } if expression.data_type.root.is_integer() => {
            whole_constant(value)
        }
        _ => None,
    }
}

/// The milliseconds of a constant day-time interval.
pub fn interval_constant(expression: &TypedExpr) -> Option<i64> {
    if expression.data_type.root != TypeRoot::IntervalDayTime {
        return None;
    }
    match &expression.kind {
        TypedKind::Literal(Literal::Integer(ms)) => Some(*ms),
        TypedKind::Cast { value, .. } => interval_constant(value),
        TypedKind::Call { function, arguments } => {
            let parts: Vec<Option<i64>> = arguments
                .iter()
                .map(|argument| interval_constant(argument).or_else(|| whole_constant(argument)))
                .collect();
            match (function.as_str(), parts.as_slice()) {
                ("NEGATE", [Some(value)]) => value.checked_neg(),
                ("+", [Some(a), Some(b)]) => a.checked_add(*b),
                ("-", [Some(a), Some(b)]) => a.checked_sub(*b),
                ("*", [Some(a), Some(b)]) => a.checked_mul(*b),
                _ => None,
            }
        }
        _ => None,
    }
}

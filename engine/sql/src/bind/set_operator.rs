//! INTERSECT and EXCEPT (row B8.3): semi and anti joins over all columns, then DISTINCT.

use millrace_dataflow::graph::JoinEmits;
use millrace_expr::TypedExpr;

use super::regular_join::regular_join;
use super::select::distinct;
use super::{Binder, Bound};
use crate::ast::SetOperator;
use crate::diagnostic::Problem;
use crate::logical::Rel;
use crate::span::Span;

impl Binder<'_> {
    pub(super) fn in_both_or_one(
        &self,
        left: Rel,
        right: Rel,
        (operator, all): (SetOperator, bool),
        span: Span,
    ) -> Bound<Rel> {
        let (name, emits) = match operator {
            SetOperator::Except => ("EXCEPT", JoinEmits::Anti),
            _ => ("INTERSECT", JoinEmits::Semi),
        };
        if all {
            return Err(Problem::new(span, format!("{name} ALL is not offered yet")));
        }
        let context = self.context();
        let (left, right) = self.alike(left, right, name, span)?;
        let width = left.schema.len();
        let mut conditions = Vec::new();
        for (at, (one, other)) in left.schema.fields.iter().zip(&right.schema.fields).enumerate() {
            let sides = vec![
                TypedExpr::column(at, one.data_type.clone()),
                TypedExpr::column(at + width, other.data_type.clone()),
            ];
            let same = millrace_expr::call("IS NOT DISTINCT FROM", sides, &context);
            conditions.push(same.map_err(|error| Problem::new(span, error.message))?);
        }
        let rel = regular_join(left, right, emits, conditions, &context, span)?;
        distinct(rel, span)
    }
}

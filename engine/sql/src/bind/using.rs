//! `JOIN .. USING (a)` and `NATURAL JOIN` (row B6.1): equal columns that go by one name.

use millrace_expr::TypedExpr;

use super::aggregate::project;
use super::interval_join;
use super::scope::{Relation, Scope};
use super::{Binder, Bound};
use crate::ast::{Ident, JoinKind, Path};
use crate::diagnostic::Problem;
use crate::logical::Rel;
use crate::span::Span;

/// The names that both sides have, in left's order.
pub(super) fn common_columns(left: &Scope, right: &Scope, span: Span) -> Vec<Ident> {
    let names = right.listed(None);
    let both = left
        .listed(None)
        .into_iter()
        .filter(|(_, name)| names.iter().any(|(_, other)| name == other));
    both.map(|(_, name)| Ident { text: name.to_owned(), span }).collect()
}

/// The scope of such a join.
pub(super) struct Shared {
    pub scope: Scope,
    pub conjuncts: Vec<TypedExpr>,
    /// The equal columns, counted in the join's row.
    pairs: Vec<(usize, usize)>,
}

impl Binder<'_> {
    // `*` lists the shared columns once and first: left's, which RIGHT and FULL may pad.
    pub(super) fn using(&self, columns: &[Ident], left: Scope, right: Scope) -> Bound<Shared> {
        let (context, width) = (self.context(), left.len());
        let (mut pairs, mut conjuncts) = (Vec::new(), Vec::new());
        for column in columns {
            let path = Path { parts: vec![column.clone()] };
            let (of_left, of_right) = (left.resolve(&path)?, right.resolve(&path)?);
            let sides = vec![
                TypedExpr::column(of_left.index, of_left.data_type),
                TypedExpr::column(of_right.index + width, of_right.data_type),
            ];
            let equal = millrace_expr::call("=", sides, &context)
                .map_err(|error| Problem::new(column.span, error.message))?;
            conjuncts.push(equal);
            pairs.push((of_left.index, of_right.index + width));
        }
        let mut scope = left.join(right);
        scope.shared.extend(pairs.iter().map(|(left, _)| *left));
        scope.hidden.extend(pairs.iter().map(|(_, right)| *right));
        Ok(Shared { scope, conjuncts, pairs })
    }

    /// Where left may be padded, the shared column is whichever side has it.
    pub(super) fn merged(
        &self,
        (rel, mut scope): (Rel, Scope),
        pairs: &[(usize, usize)],
        kind: JoinKind,
    ) -> Bound<(Rel, Scope)> {
        if pairs.is_empty() || !matches!(kind, JoinKind::Right | JoinKind::Full) {
            return Ok((rel, scope));
        }
        let (context, span) = (self.context(), rel.span);
        let (rel, _) = interval_join::resolve(rel, Vec::new(), &context)?;
        let width = rel.schema.len();
        let column = |at: usize| TypedExpr::column(at, rel.schema.fields[at].data_type.clone());
        let mut expressions: Vec<TypedExpr> = (0..width).map(column).collect();
        let mut names: Vec<String> =
            rel.schema.fields.iter().map(|field| field.name.clone()).collect();
        for (at, (left, right)) in pairs.iter().enumerate() {
            let sides = vec![column(*left), column(*right)];
            let value = millrace_expr::call("COALESCE", sides, &context)
                .map_err(|error| Problem::new(span, error.message))?;
            names.push(names[*left].clone());
            expressions.push(value);
            scope.shared.remove(left);
            scope.shared.insert(width + at);
            scope.hidden.extend([*left, *right]);
        }
        let rel = project(rel, expressions, names, span);
        let fields = rel.schema.fields[width..].to_vec();
        scope.relations.push(Relation { name: Vec::new(), offset: width, fields });
        Ok((rel, scope))
    }
}

impl Shared {
    pub(super) fn plain(scope: Scope, conjuncts: Vec<TypedExpr>) -> Shared {
        Shared { scope, conjuncts, pairs: Vec::new() }
    }

    pub(super) fn into_parts(self) -> (Scope, Vec<TypedExpr>, Vec<(usize, usize)>) {
        (self.scope, self.conjuncts, self.pairs)
    }
}

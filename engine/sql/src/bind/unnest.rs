//! `CROSS JOIN UNNEST(..)`, `LEFT JOIN UNNEST(..) ON TRUE` (row B6.17): the right side
//! may name columns of the left.

use millrace_dataflow::{DataType, Field, Schema, TypeRoot};
use millrace_expr::{ExprContext, Literal, TypedExpr, TypedKind};

use super::from::CommonTables;
use super::interval_join::{self, filtered};
use super::scalar::Scalars;
use super::scope::Scope;
use super::{Binder, Bound, rank};
use crate::ast::{Alias, Expr, JoinCondition, JoinKind, TableRef};
use crate::diagnostic::Problem;
use crate::expressions;
use crate::logical::{Rel, RelNode};
use crate::span::Span;

/// What stands right of the join.
pub(super) struct Unnest<'a> {
    pub collection: &'a Expr,
    pub alias: Option<&'a Alias>,
    pub kind: JoinKind,
    pub condition: &'a JoinCondition,
    pub span: Span,
}

impl Binder<'_> {
    pub(super) fn unnest(
        &self,
        left: &TableRef,
        unnest: &Unnest<'_>,
        common: &CommonTables,
    ) -> Bound<(Rel, Scope)> {
        let outer = match unnest.kind {
            JoinKind::Inner => false,
            JoinKind::Left => true,
            JoinKind::Right | JoinKind::Full => {
                let message = "UNNEST stands right of CROSS JOIN, JOIN and LEFT JOIN only";
                return Err(Problem::new(unnest.span, message));
            }
        };
        let (input, scope) = self.from(left, common)?;
        let context = self.context();
        let collection = Scalars::new(&scope, &context).bind(unnest.collection)?;
        let elements = element_fields(&collection.data_type, unnest, outer)?;
        let name = unnest.alias.map(|alias| alias.name.text.clone()).into_iter().collect();
        let scope = scope.join(Scope::of_schema(name, &elements));
        let conjuncts = self.join_conjuncts(unnest.condition, &scope)?;
        let conjuncts: Vec<TypedExpr> = conjuncts.into_iter().filter(|c| !is_true(c)).collect();
        if outer && !conjuncts.is_empty() {
            let message = "LEFT JOIN UNNEST(..) takes no condition but ON TRUE";
            return Err(Problem::new(unnest.span, message));
        }
        let rel = correlate(input, collection, elements, outer, unnest.span);
        if conjuncts.is_empty() {
            return Ok((rel, scope));
        }
        let (rel, rest) = interval_join::resolve(rel, conjuncts, &context)?;
        Ok((filtered(rel, rest, &context), scope))
    }
}

fn is_true(conjunct: &TypedExpr) -> bool {
    matches!(conjunct.kind, TypedKind::Literal(Literal::Boolean(true)))
}

fn correlate(input: Rel, collection: TypedExpr, elements: Schema, outer: bool, span: Span) -> Rel {
    let fields = input.schema.fields.iter().cloned().chain(elements.fields).collect();
    let windows = input.windows;
    let node = RelNode::Correlate { input: Box::new(input), collection, outer };
    Rel { node, schema: Schema::new(fields), windows, span }
}

// The columns of an element, by the names of the alias.
fn element_fields(collection: &DataType, unnest: &Unnest<'_>, outer: bool) -> Bound<Schema> {
    let mut fields = match &collection.root {
        TypeRoot::Array(element) | TypeRoot::Multiset(element) => element_columns(element),
        TypeRoot::Map(key, value) => {
            vec![Field::new("KEY", (**key).clone()), Field::new("VALUE", (**value).clone())]
        }
        other => {
            let message = format!("UNNEST takes an ARRAY, a MAP or a MULTISET, not {other}");
            return Err(Problem::new(unnest.collection.span, message));
        }
    };
    if outer {
        fields.iter_mut().for_each(|field| field.data_type.nullable = true);
    }
    let Some(alias) = unnest.alias else { return Ok(Schema::new(fields)) };
    if alias.columns.is_empty() {
        // The alias of one column is also its name, as in Calcite.
        if let [field] = fields.as_mut_slice() {
            field.name = alias.name.text.clone();
        }
        return Ok(Schema::new(fields));
    }
    if alias.columns.len() != fields.len() {
        let (given, there) = (alias.columns.len(), fields.len());
        let message = format!("{given} column names are given for {there} columns");
        return Err(Problem::new(alias.name.span, message));
    }
    for (field, name) in fields.iter_mut().zip(&alias.columns) {
        field.name = name.text.clone();
    }
    Ok(Schema::new(fields))
}

fn element_columns(element: &DataType) -> Vec<Field> {
    match &element.root {
        TypeRoot::Row(members) => members
            .iter()
            .map(|member| {
                let nullable = member.data_type.nullable || element.nullable;
                Field::new(member.name.clone(), member.data_type.clone().with_nullable(nullable))
            })
            .collect(),
        _ => vec![Field::new("EXPR$0", element.clone())],
    }
}

/// Resolves what is below under a filter: conjuncts on the left side alone go there,
/// the rest is given back.
pub(super) fn resolve(
    rel: Rel,
    filter: Vec<TypedExpr>,
    context: &ExprContext,
) -> Bound<(Rel, Vec<TypedExpr>)> {
    let Rel { node, schema, windows, span } = rel;
    let RelNode::Correlate { input, collection, outer } = node else {
        return Ok((Rel { node, schema, windows, span }, filter));
    };
    let width = input.schema.len();
    let (below, rest) = filter.into_iter().partition(|conjunct: &TypedExpr| {
        let columns = expressions::columns(conjunct);
        !columns.is_empty()
            && columns.iter().all(|column| *column < width)
            && expressions::is_deterministic(conjunct)
    });
    let (input, below) = interval_join::resolve(*input, below, context)?;
    let input = Box::new(rank::filter(input, below, context)?);
    let node = RelNode::Correlate { input, collection, outer };
    Ok((Rel { node, schema, windows, span }, rest))
}

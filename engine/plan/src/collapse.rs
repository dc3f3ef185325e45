//! Filters and projections are taken together, and windowing functions into the
//! aggregates above them.

use std::collections::BTreeSet;

use millrace_dataflow::graph::WindowTime;
use millrace_dataflow::{Field, Schema};
use millrace_expr::TypedExpr;
use millrace_sql::expressions;
use millrace_sql::logical::{Rel, RelNode};

use crate::columns::identity;

/// Filters and projections above a base, as one of each over the base's columns.
pub(crate) struct Collapsed<'a> {
    pub base: &'a Rel,
    pub filters: Vec<TypedExpr>,
    pub project: Vec<TypedExpr>,
}

impl<'a> Collapsed<'a> {
    pub(crate) fn of(rel: &'a Rel, wanted: &[usize]) -> Collapsed<'a> {
        let all = identity(&rel.schema);
        let project = wanted.iter().map(|column| all[*column].clone()).collect();
        let mut collapsed = Collapsed { base: rel, filters: Vec::new(), project };
        while collapsed.descend() {}
        collapsed
    }

    fn descend(&mut self) -> bool {
        match &self.base.node {
            RelNode::Filter { input, predicate } => {
                self.filters.insert(0, predicate.clone());
                self.base = input;
            }
            RelNode::Project { input, expressions } if self.may_merge(expressions) => {
                let inline = |e: &TypedExpr| expressions::inline(e, expressions);
                self.filters = self.filters.iter().map(inline).collect();
                self.project = self.project.iter().map(inline).collect();
                self.base = input;
            }
            _ => return false,
        }
        true
    }

    // What gives another result each time must be computed once: it is merged only
    // when nothing above uses it twice.
    fn may_merge(&self, expressions: &[TypedExpr]) -> bool {
        let is_first = self.filters.is_empty()
            && self.project.iter().all(|e| expressions::column_of(e).is_some());
        is_first || expressions.iter().all(expressions::is_deterministic)
    }

    /// The base's columns that are used, ascending; at least one when there is any.
    pub(crate) fn needed(&self) -> Vec<usize> {
        let used = self.filters.iter().chain(&self.project).flat_map(expressions::columns);
        let used: BTreeSet<usize> = used.collect();
        if used.is_empty() && !self.base.schema.is_empty() {
            return vec![cheapest_column(self.base)];
        }
        used.into_iter().collect()
    }
}

// `COUNT(*)` needs rows and no column: a watermark's column is read anyway.
fn cheapest_column(rel: &Rel) -> usize {
    match &rel.node {
        RelNode::Scan(table) => table.watermark.as_ref().map_or(0, |watermark| watermark.column),
        _ => 0,
    }
}

/// What is below a windowing function, when the aggregate can assign the windows
/// itself: the relation with exactly the `needed` columns (and the rowtime column
/// behind them), the window, and where the rowtime is.
pub(crate) fn pulled_up(
    input: &Rel,
    needed: &[usize],
    (start, end): (usize, usize),
    time: Option<usize>,
) -> Option<(Rel, millrace_dataflow::graph::WindowAssigner, Option<usize>)> {
    let all: Vec<usize> = (0..input.schema.len()).collect();
    let collapsed = Collapsed::of(input, &all);
    let RelNode::Window { input: below, window, .. } = &collapsed.base.node else { return None };
    let width = below.schema.len();
    let is_bound = |column: usize, bound: usize| {
        expressions::column_of(&collapsed.project[column]) == Some(width + bound)
    };
    if !is_bound(start, 0) || !is_bound(end, 1) || time.is_some_and(|time| !is_bound(time, 2)) {
        return None;
    }
    let below_only =
        |e: &TypedExpr| expressions::columns(e).into_iter().all(|column| column < width);
    let mut project: Vec<TypedExpr> =
        needed.iter().map(|column| collapsed.project[*column].clone()).collect();
    if !project.iter().chain(&collapsed.filters).all(below_only) {
        return None;
    }
    let mut fields: Vec<Field> =
        needed.iter().map(|column| input.schema.fields[*column].clone()).collect();
    let time_at = match window.time {
        WindowTime::Proctime => None,
        WindowTime::Rowtime(column) => {
            let known = project.iter().position(|e| expressions::column_of(e) == Some(column));
            Some(known.unwrap_or_else(|| {
                let field = below.schema.fields[column].clone();
                project.push(TypedExpr::column(column, field.data_type.clone()));
                fields.push(field);
                project.len() - 1
            }))
        }
    };
    if project.is_empty() {
        let field = below.schema.fields.first()?.clone();
        project.push(TypedExpr::column(0, field.data_type.clone()));
        fields.push(field);
    }
    let filtered = collapsed.filters.into_iter().fold((**below).clone(), |rel, predicate| {
        let (schema, span) = (rel.schema.clone(), rel.span);
        Rel::new(RelNode::Filter { input: Box::new(rel), predicate }, schema, span)
    });
    let node = RelNode::Project { input: Box::new(filtered), expressions: project };
    Some((Rel::new(node, Schema::new(fields), input.span), window.clone(), time_at))
}

//! Which members of a source's ROW columns anyone reads: a source need not make the others.

use std::collections::{BTreeMap, BTreeSet};

use millrace_expr::{TypedExpr, TypedKind};
use millrace_sql::expressions;

use crate::physical::{PhysicalOperator, Plan};

/// For each column that is read: the members of it; `None`: the whole column.
#[derive(Debug, Default)]
struct Reads {
    columns: BTreeMap<usize, Option<BTreeSet<usize>>>,
}

impl Reads {
    fn whole(&mut self, column: usize) {
        self.columns.insert(column, None);
    }

    fn member(&mut self, column: usize, member: usize) {
        if let Some(members) = self.columns.entry(column).or_insert_with(|| Some(BTreeSet::new())) {
            members.insert(member);
        }
    }

    fn expression(&mut self, expression: &TypedExpr) {
        match &expression.kind {
            TypedKind::Column(column) => self.whole(*column),
            TypedKind::Literal(_) => {}
            TypedKind::Call { arguments, .. } => {
                arguments.iter().for_each(|argument| self.expression(argument));
            }
            TypedKind::Cast { value, .. } => self.expression(value),
            TypedKind::Field { value, index } => match expressions::column_of(value) {
                Some(column) => self.member(column, *index),
                None => self.expression(value),
            },
        }
    }
}

/// For each of the `produced` columns, as [`millrace_dataflow::source::ScanSpec::members`]
/// wants it. `made`: the source's output columns over the produced ones.
pub(crate) fn read(
    plan: &Plan,
    source: usize,
    made: &[TypedExpr],
    produced: usize,
) -> Vec<Option<Vec<usize>>> {
    let of_output = output_reads(plan, source, made.len());
    let mut reads = Reads::default();
    for (column, expression) in made.iter().enumerate() {
        match (expressions::column_of(expression), of_output.columns.get(&column)) {
            (Some(column), Some(Some(members))) => {
                members.iter().for_each(|member| reads.member(column, *member));
            }
            _ => reads.expression(expression),
        }
    }
    let members = |column| reads.columns.get(&column).cloned().flatten();
    (0..produced).map(|column| Some(members(column)?.into_iter().collect())).collect()
}

/// What the operators behind the source, and its watermark, read of its output.
fn output_reads(plan: &Plan, source: usize, width: usize) -> Reads {
    let mut reads = Reads::default();
    for consumer in &plan.consumers()[source] {
        match &plan.nodes[*consumer].operator {
            PhysicalOperator::Calc { filter, project } => {
                filter.iter().chain(project).for_each(|expression| reads.expression(expression));
            }
            _ => (0..width).for_each(|column| reads.whole(column)),
        }
    }
    if let PhysicalOperator::Source { table, columns } = &plan.nodes[source].operator
        && let Some(watermark) = &table.watermark
    {
        for column in expressions::columns(&watermark.expression) {
            if let Some(at) = columns.iter().position(|known| *known == column) {
                reads.whole(at);
            }
        }
    }
    reads
}

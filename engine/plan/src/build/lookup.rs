//! Lookup joins: what stands above the scan of the table is made part of the join.

use std::collections::BTreeSet;
use std::sync::Arc;

use millrace_dataflow::Schema;
use millrace_sql::logical::{LookupJoinRel, Rel, RelNode};
use millrace_sql::{Problem, expressions};

use super::{Builder, Built, Native};
use crate::collapse::Collapsed;
use crate::columns::{at_least_one, moved, moved_all, pick};
use crate::physical::{PhysicalLookupJoin, PhysicalOperator};

impl Builder<'_, '_> {
    pub(super) fn lookup_join(
        &mut self,
        rel: &Rel,
        join: &LookupJoinRel,
        wanted: &[usize],
    ) -> Built<Native> {
        let width = join.left.schema.len();
        let residual = join.residual.as_ref().map(expressions::columns).unwrap_or_default();
        let all: BTreeSet<usize> = wanted.iter().copied().chain(residual).collect();
        let on_left = all.iter().copied().filter(|column| *column < width);
        let left_needed = at_least_one(on_left.chain(join.left_keys.iter().copied()));
        // Those that go on, then keys that do not.
        let mut fetched: Vec<usize> =
            all.iter().filter(|column| **column >= width).map(|column| column - width).collect();
        let emits = fetched.len();
        for key in &join.right_keys {
            if !fetched.contains(key) {
                fetched.push(*key);
            }
        }
        let collapsed = Collapsed::of(&join.right, &fetched);
        let RelNode::Scan(table) = &collapsed.base.node else {
            return Err(Problem::new(rel.span, "this is no table that rows can be looked up in"));
        };
        let table = Arc::clone(table);
        let filter = expressions::conjunction(collapsed.filters, &self.context);
        let left = self.relation(&join.left, &left_needed)?;
        let columns: Vec<usize> =
            left_needed.iter().copied().chain(fetched[..emits].iter().map(|c| c + width)).collect();
        let operator = PhysicalLookupJoin {
            kind: join.kind,
            table,
            filter,
            project: collapsed.project,
            emits,
            left_keys: moved_all(&join.left_keys, &left_needed),
            right_keys: moved_all(&join.right_keys, &fetched),
            residual: join
                .residual
                .as_ref()
                .map(|residual| expressions::renumber(residual, &|c| moved(c, &columns))),
            cache: join.cache,
            hint: join.hint,
        };
        let output: Schema = pick(&rel.schema, &columns);
        let operator = PhysicalOperator::LookupJoin(Box::new(operator));
        Ok(Native { node: self.node(operator, vec![left], output, rel.span), columns })
    }
}

//! Regular joins: which columns each side must bring.

use std::collections::BTreeSet;

use millrace_dataflow::graph::JoinEmits;
use millrace_sql::expressions;
use millrace_sql::logical::{RegularJoinRel, Rel};

use crate::build::{Builder, Built, Native};
use crate::columns::{at_least_one, moved, moved_all, pick};
use crate::physical::{PhysicalJoin, PhysicalOperator};

impl Builder<'_, '_> {
    pub(crate) fn join(
        &mut self,
        rel: &Rel,
        join: &RegularJoinRel,
        wanted: &[usize],
    ) -> Built<Native> {
        let width = join.left.schema.len();
        let residual = join.residual.as_ref().map(expressions::columns).unwrap_or_default();
        let all: BTreeSet<usize> = wanted.iter().copied().chain(residual).collect();
        let of_left = all.iter().copied().filter(|column| *column < width);
        let left_needed = at_least_one(of_left.chain(join.left_keys.iter().copied()));
        let of_right = all.iter().filter(|column| **column >= width).map(|column| column - width);
        let right_needed = at_least_one(of_right.chain(join.right_keys.iter().copied()));
        let left = self.relation(&join.left, &left_needed)?;
        let right = self.relation(&join.right, &right_needed)?;
        let both: Vec<usize> =
            left_needed.iter().copied().chain(right_needed.iter().map(|c| c + width)).collect();
        let renumber = |e| expressions::renumber(e, &|column| moved(column, &both));
        let operator = PhysicalJoin {
            emits: join.emits,
            left_keys: moved_all(&join.left_keys, &left_needed),
            right_keys: moved_all(&join.right_keys, &right_needed),
            null_safe: join.null_safe.clone(),
            residual: join.residual.as_ref().map(renumber),
            state_ttl_ms: join.state_ttl_ms,
        };
        let operator = PhysicalOperator::Join(Box::new(operator));
        let columns = match join.emits {
            JoinEmits::Pairs(_) => both,
            JoinEmits::Semi | JoinEmits::Anti => left_needed,
        };
        let output = pick(&rel.schema, &columns);
        Ok(Native { node: self.node(operator, vec![left, right], output, rel.span), columns })
    }
}

//! The physical plan: operators in an arena, inputs before their users, equal
//! sub-plans once.

use std::sync::Arc;

use millrace_dataflow::Schema;
use millrace_dataflow::graph::{
    AggregateCall, JoinEmits, JoinKind, Keep, LookupCache, OverFrame, SortKey, WindowAssigner,
    WindowBounds, WindowInput, WindowProperty, WindowRank, WindowTime,
};
use millrace_expr::TypedExpr;
use millrace_sql::logical::{BoundTable, LookupOptions};
use millrace_sql::{Span, expressions};

/// Operators in topological order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Plan {
    pub nodes: Vec<PhysicalNode>,
}

#[derive(Clone, Debug)]
pub(crate) struct PhysicalNode {
    pub operator: PhysicalOperator,
    pub inputs: Vec<usize>,
    pub output: Schema,
    /// What it was written as: for messages.
    pub span: Span,
    pub time_zone: String,
}

/// An operator whose expressions are typed but do not run yet. Column references are
/// indices into the input's columns; a join's are left's, then right's.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum PhysicalOperator {
    /// Produces these of the table's columns, in this order.
    Source {
        table: Arc<BoundTable>,
        columns: Vec<usize>,
    },
    Values(Vec<Vec<TypedExpr>>),
    Calc {
        filter: Option<TypedExpr>,
        project: Vec<TypedExpr>,
    },
    WindowAssign(WindowAssigner),
    WindowAggregate {
        window: WindowInput,
        keys: Vec<usize>,
        calls: Vec<AggregateCall>,
        properties: Vec<WindowProperty>,
        /// A window of GROUP BY (section B.4).
        legacy: bool,
    },
    WindowJoin(Box<PhysicalWindowJoin>),
    WindowRank(WindowRank),
    GroupAggregate {
        keys: Vec<usize>,
        calls: Vec<AggregateCall>,
        /// From a hint; else the job's.
        state_ttl_ms: Option<i64>,
    },
    /// The first of two phases.
    LocalGroupAggregate {
        keys: Vec<usize>,
        calls: Vec<AggregateCall>,
    },
    /// Over the first phase, whose columns the keys are; the calls' arguments are those
    /// of the first phase.
    GlobalGroupAggregate {
        keys: Vec<usize>,
        calls: Vec<AggregateCall>,
        state_ttl_ms: Option<i64>,
    },
    IntervalJoin(Box<PhysicalIntervalJoin>),
    Join(Box<PhysicalJoin>),
    Rank {
        partition: Vec<usize>,
        order: Vec<SortKey>,
        start: u64,
        end: u64,
        output_rank: bool,
    },
    Deduplicate {
        keys: Vec<usize>,
        time: WindowTime,
        keep: Keep,
    },
    OverAggregate {
        partition: Vec<usize>,
        time: WindowTime,
        frame: OverFrame,
        calls: Vec<AggregateCall>,
    },
    Correlate {
        collection: TypedExpr,
        /// Input columns that go on.
        keep: Vec<usize>,
        outer: bool,
    },
    /// Its input is a source with this primary key.
    ChangelogNormalize {
        keys: Vec<usize>,
    },
    /// Its user is a sink with this primary key.
    SinkMaterialize {
        keys: Vec<usize>,
        upsert_key: Option<Vec<usize>>,
    },
    TemporalJoin(Box<PhysicalTemporalJoin>),
    LookupJoin(Box<PhysicalLookupJoin>),
    TemporalSort {
        order: Vec<SortKey>,
    },
    Union,
    Sink(Arc<BoundTable>),
    Collect,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PhysicalIntervalJoin {
    pub kind: JoinKind,
    pub left_keys: Vec<usize>,
    pub right_keys: Vec<usize>,
    pub left_time: WindowTime,
    pub right_time: WindowTime,
    pub lower_ms: i64,
    pub upper_ms: i64,
    pub residual: Option<TypedExpr>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PhysicalJoin {
    pub emits: JoinEmits,
    pub left_keys: Vec<usize>,
    pub right_keys: Vec<usize>,
    pub null_safe: Vec<bool>,
    pub residual: Option<TypedExpr>,
    /// For the left and the right side, from a hint; else the job's.
    pub state_ttl_ms: [Option<i64>; 2],
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PhysicalWindowJoin {
    pub kind: JoinKind,
    pub left_window: WindowBounds,
    pub right_window: WindowBounds,
    pub left_keys: Vec<usize>,
    pub right_keys: Vec<usize>,
    pub residual: Option<TypedExpr>,
    /// What the windows of both sides come from; its time column is the left table's.
    pub window: WindowAssigner,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PhysicalTemporalJoin {
    pub kind: JoinKind,
    pub left_keys: Vec<usize>,
    pub right_keys: Vec<usize>,
    pub left_time: usize,
    pub right_time: usize,
    pub residual: Option<TypedExpr>,
}

/// One input: the table is asked, not read.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PhysicalLookupJoin {
    pub kind: JoinKind,
    pub table: Arc<BoundTable>,
    /// Over the table's columns.
    pub filter: Option<TypedExpr>,
    /// Over the table's columns: the first `emits` go on, the keys are among them or
    /// behind them.
    pub project: Vec<TypedExpr>,
    pub emits: usize,
    pub left_keys: Vec<usize>,
    /// Of the projection.
    pub right_keys: Vec<usize>,
    pub residual: Option<TypedExpr>,
    pub cache: LookupCache,
    pub hint: LookupOptions,
}

impl Plan {
    /// Adds an operator, or finds the equal one that is there. Sinks, and what gives
    /// another result each time, are never shared.
    pub(crate) fn add(&mut self, node: PhysicalNode) -> usize {
        if is_shareable(&node.operator)
            && let Some(known) = self.nodes.iter().position(|known| {
                known.inputs == node.inputs
                    && known.operator == node.operator
                    && known.time_zone == node.time_zone
            })
        {
            return known;
        }
        self.nodes.push(node);
        self.nodes.len() - 1
    }

    /// For a Calc that only picks columns: its input, and what it picks.
    pub(crate) fn picked_columns(&self, node: usize) -> Option<(usize, Vec<TypedExpr>)> {
        let PhysicalOperator::Calc { filter: None, project } = &self.nodes[node].operator else {
            return None;
        };
        let picks = project.iter().all(|e| expressions::column_of(e).is_some());
        picks.then(|| (self.nodes[node].inputs[0], project.clone()))
    }

    /// Without the nodes that lead to no sink.
    pub(crate) fn compacted(self) -> Plan {
        let mut used = vec![false; self.nodes.len()];
        for index in (0..self.nodes.len()).rev() {
            let node = &self.nodes[index];
            used[index] |=
                matches!(node.operator, PhysicalOperator::Sink(_) | PhysicalOperator::Collect);
            if used[index] {
                node.inputs.iter().for_each(|input| used[*input] = true);
            }
        }
        let mut places = vec![0; self.nodes.len()];
        let mut plan = Plan::default();
        for (index, mut node) in self.nodes.into_iter().enumerate().filter(|(at, _)| used[*at]) {
            node.inputs.iter_mut().for_each(|input| *input = places[*input]);
            places[index] = plan.nodes.len();
            plan.nodes.push(node);
        }
        plan
    }

    /// Who reads each node, in order.
    pub(crate) fn consumers(&self) -> Vec<Vec<usize>> {
        let mut consumers = vec![Vec::new(); self.nodes.len()];
        for (index, node) in self.nodes.iter().enumerate() {
            for input in &node.inputs {
                consumers[*input].push(index);
            }
        }
        consumers
    }
}

fn is_shareable(operator: &PhysicalOperator) -> bool {
    match operator {
        PhysicalOperator::Sink(_) | PhysicalOperator::Collect => false,
        PhysicalOperator::Calc { filter, project } => {
            filter.iter().chain(project).all(expressions::is_deterministic)
        }
        PhysicalOperator::Correlate { collection, .. } => expressions::is_deterministic(collection),
        _ => true,
    }
}

//! The bound plan: relations whose names and types are resolved, close to what
//! Flink's optimizer calls the logical plan.
//!
//! Column references in a node's expressions are indices into its input's columns;
//! those of a join count left's columns, then right's.

use std::collections::BTreeMap;
use std::sync::Arc;

use millrace_dataflow::graph::{
    AggregateCall, JoinEmits, JoinKind, Keep, LookupCache, OverFrame, Retry, SortKey,
    WatermarkAlignment, WindowAssigner, WindowBounds, WindowRank, WindowTime,
};
use millrace_dataflow::table::TableSpec;
use millrace_dataflow::{RuntimeLevel, Schema};
use millrace_expr::TypedExpr;

use crate::span::Span;

/// A script whose statements all have a meaning.
#[derive(Clone, Debug)]
pub struct BoundScript {
    pub level: RuntimeLevel,
    /// The job's settings with the script's SETs over them.
    pub settings: BTreeMap<String, String>,
    pub inserts: Vec<BoundInsert>,
    /// The one SELECT at top level.
    pub select: Option<BoundSelect>,
    /// What EXPLAIN asked for, in order.
    pub explains: Vec<Explained>,
    /// Texts of SHOW, DESCRIBE and SET without arguments, in order.
    pub reports: Vec<String>,
}

#[derive(Clone, Debug)]
pub struct BoundInsert {
    pub table: Arc<BoundTable>,
    /// With the sink's columns: physical, in declaration order.
    pub query: Rel,
    /// The table's name in the INSERT.
    pub span: Span,
    pub time_zone: String,
}

#[derive(Clone, Debug)]
pub struct BoundSelect {
    pub query: Rel,
    pub span: Span,
    pub time_zone: String,
}

#[derive(Clone, Debug)]
pub struct Explained {
    pub inserts: Vec<BoundInsert>,
    pub select: Option<BoundSelect>,
}

/// A table as declared, with the OPTIONS of its use.
#[derive(Clone, Debug, PartialEq)]
pub struct BoundTable {
    pub spec: TableSpec,
    /// All columns in declaration order, with their time attributes.
    pub schema: Schema,
    /// One for each of `schema`'s fields.
    pub columns: Vec<TableColumn>,
    pub watermark: Option<TableWatermark>,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TableColumn {
    /// Index into [`TableSpec::physical`].
    Physical(usize),
    /// Index into [`TableSpec::metadata`].
    Metadata(usize),
    /// Over the table's columns; refers to physical and metadata columns alone (row A2.4).
    Computed(TypedExpr),
}

#[derive(Clone, Debug, PartialEq)]
pub struct TableWatermark {
    pub column: usize,
    /// Over the table's columns.
    pub expression: TypedExpr,
    /// `scan.watermark.idle-timeout` (row E.5).
    pub idle_timeout_ms: Option<i64>,
    /// `scan.watermark.alignment.*` (row E.7).
    pub alignment: Option<WatermarkAlignment>,
    /// `scan.watermark.emit.strategy` = `on-event` (row E.4).
    pub on_event: bool,
}

/// A relation: a node and its output columns.
#[derive(Clone, Debug, PartialEq)]
pub struct Rel {
    pub node: RelNode,
    pub schema: Schema,
    /// Which columns are a window's bounds, when rows belong to windows.
    pub windows: Option<WindowColumns>,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WindowColumns {
    pub start: Option<usize>,
    pub end: Option<usize>,
    pub time: Option<usize>,
    /// The windows follow the wall clock.
    pub proctime: bool,
    /// The time attribute is TIMESTAMP_LTZ.
    pub local_time: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub enum RelNode {
    /// All columns of the table.
    Scan(Arc<BoundTable>),
    Values(Vec<Vec<TypedExpr>>),
    Filter {
        input: Box<Rel>,
        predicate: TypedExpr,
    },
    Project {
        input: Box<Rel>,
        expressions: Vec<TypedExpr>,
    },
    /// A windowing function: appends window_start, window_end, window_time.
    Window {
        input: Box<Rel>,
        window: WindowAssigner,
        /// PARTITION BY of the windowing function SESSION, over the input. The legacy
        /// window of GROUP BY has none: its sessions are those of the grouping keys.
        partition: Option<Vec<usize>>,
    },
    /// Output: keys, calls, then start, end and, when grouped by it, time.
    WindowAggregate {
        input: Box<Rel>,
        keys: Vec<usize>,
        calls: Vec<AggregateCall>,
        start: usize,
        end: usize,
        with_time: bool,
        /// A window of GROUP BY (section B.4): takes updates under every level.
        legacy: bool,
    },
    /// Output: keys, calls.
    Aggregate {
        input: Box<Rel>,
        keys: Vec<usize>,
        calls: Vec<AggregateCall>,
        /// From a hint; else the job's.
        state_ttl_ms: Option<i64>,
    },
    IntervalJoin(Box<IntervalJoinRel>),
    RegularJoin(Box<RegularJoinRel>),
    WindowJoin(Box<WindowJoinRel>),
    /// Output: the input's columns, then the rank.
    WindowRank {
        input: Box<Rel>,
        rank: WindowRank,
    },
    TemporalJoin(Box<TemporalJoinRel>),
    LookupJoin(Box<LookupJoinRel>),
    /// `ORDER BY rowtime [, ..]` without LIMIT.
    TemporalSort {
        input: Box<Rel>,
        order: Vec<SortKey>,
    },
    /// Not yet resolved: becomes one of the joins above.
    Join {
        left: Box<Rel>,
        right: Box<Rel>,
        kind: JoinKind,
        conjuncts: Vec<TypedExpr>,
        /// What a STATE_TTL hint says of each side.
        state_ttl_ms: [Option<i64>; 2],
    },
    /// `ROW_NUMBER()` without a filter on it: appends the number. Becomes a rank or
    /// is refused.
    RowNumber {
        input: Box<Rel>,
        partition: Vec<usize>,
        order: Vec<SortKey>,
    },
    /// Output: the input's columns, then the rank when `output_rank`.
    Rank {
        input: Box<Rel>,
        partition: Vec<usize>,
        order: Vec<SortKey>,
        start: u64,
        end: u64,
        output_rank: bool,
    },
    Deduplicate {
        input: Box<Rel>,
        keys: Vec<usize>,
        time: WindowTime,
        time_column: usize,
        keep: Keep,
    },
    /// Output: the input's columns, then the calls.
    Over {
        input: Box<Rel>,
        partition: Vec<usize>,
        time: WindowTime,
        frame: OverFrame,
        calls: Vec<AggregateCall>,
    },
    /// A row for each element of the collection. Output: the input's columns, then
    /// the element's.
    Correlate {
        input: Box<Rel>,
        collection: TypedExpr,
        outer: bool,
    },
    Union(Vec<Rel>),
}

#[derive(Clone, Debug, PartialEq)]
pub struct IntervalJoinRel {
    pub left: Rel,
    pub right: Rel,
    pub kind: JoinKind,
    pub left_keys: Vec<usize>,
    pub right_keys: Vec<usize>,
    /// Columns of the time attributes, each counted in its own input.
    pub left_time: usize,
    pub right_time: usize,
    pub proctime: bool,
    pub lower_ms: i64,
    pub upper_ms: i64,
    /// Over left's columns, then right's.
    pub residual: Option<TypedExpr>,
}

/// A join without a bound in time. Its output has no time attributes.
#[derive(Clone, Debug, PartialEq)]
pub struct RegularJoinRel {
    pub left: Rel,
    pub right: Rel,
    pub emits: JoinEmits,
    /// Columns, each counted in its own input, of equal types.
    pub left_keys: Vec<usize>,
    pub right_keys: Vec<usize>,
    /// For each key: NULL equals NULL.
    pub null_safe: Vec<bool>,
    /// Over left's columns, then right's.
    pub residual: Option<TypedExpr>,
    /// What a STATE_TTL hint says of each side.
    pub state_ttl_ms: [Option<i64>; 2],
}

#[derive(Clone, Debug, PartialEq)]
pub struct WindowJoinRel {
    pub left: Rel,
    pub right: Rel,
    pub kind: JoinKind,
    /// Each counted in its own input.
    pub left_window: WindowBounds,
    pub right_window: WindowBounds,
    pub left_keys: Vec<usize>,
    pub right_keys: Vec<usize>,
    /// Over left's columns, then right's.
    pub residual: Option<TypedExpr>,
    /// What both sides' windows come from.
    pub window: WindowAssigner,
}

/// Each left row with the version of its key that was valid at its time.
#[derive(Clone, Debug, PartialEq)]
pub struct TemporalJoinRel {
    pub left: Rel,
    pub right: Rel,
    /// Inner or left.
    pub kind: JoinKind,
    pub left_keys: Vec<usize>,
    /// Right's primary key.
    pub right_keys: Vec<usize>,
    /// Rowtime columns, each counted in its own input.
    pub left_time: usize,
    pub right_time: usize,
    /// Over left's columns, then right's.
    pub residual: Option<TypedExpr>,
}

/// Each left row with the rows that the right table has for its key when it is looked at.
#[derive(Clone, Debug, PartialEq)]
pub struct LookupJoinRel {
    pub left: Rel,
    /// A scan of the table with filters and projections over it.
    pub right: Rel,
    /// Inner or left.
    pub kind: JoinKind,
    /// Columns, each counted in its own input; those of the right are physical columns of
    /// the table.
    pub left_keys: Vec<usize>,
    pub right_keys: Vec<usize>,
    /// Over left's columns, then right's.
    pub residual: Option<TypedExpr>,
    pub cache: LookupCache,
    /// What a LOOKUP hint says; the rest is the job's.
    pub hint: LookupOptions,
}

/// Of a LOOKUP hint (rows B7.4 to B7.10).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LookupOptions {
    pub asynchronous: Option<bool>,
    pub unordered: Option<bool>,
    pub capacity: Option<usize>,
    pub timeout_ms: Option<i64>,
    pub retry: Option<Retry>,
}

impl Rel {
    /// A relation whose columns are no window bounds.
    pub fn new(node: RelNode, schema: Schema, span: Span) -> Rel {
        Rel { node, schema, windows: None, span }
    }

    pub fn inputs(&self) -> Vec<&Rel> {
        match &self.node {
            RelNode::Scan(_) | RelNode::Values(_) => vec![],
            RelNode::Filter { input, .. }
            | RelNode::Project { input, .. }
            | RelNode::Window { input, .. }
            | RelNode::WindowAggregate { input, .. }
            | RelNode::Aggregate { input, .. }
            | RelNode::TemporalSort { input, .. }
            | RelNode::RowNumber { input, .. }
            | RelNode::Rank { input, .. }
            | RelNode::WindowRank { input, .. }
            | RelNode::Deduplicate { input, .. }
            | RelNode::Over { input, .. }
            | RelNode::Correlate { input, .. } => vec![input],
            RelNode::IntervalJoin(join) => vec![&join.left, &join.right],
            RelNode::RegularJoin(join) => vec![&join.left, &join.right],
            RelNode::WindowJoin(join) => vec![&join.left, &join.right],
            RelNode::TemporalJoin(join) => vec![&join.left, &join.right],
            RelNode::LookupJoin(join) => vec![&join.left, &join.right],
            RelNode::Join { left, right, .. } => vec![left, right],
            RelNode::Union(inputs) => inputs.iter().collect(),
        }
    }
}

//! The script as written, with places. Names are as written; nothing is resolved.

use millrace_dataflow::DataType;

use crate::span::Span;

/// A name and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ident {
    pub text: String,
    pub span: Span,
}

/// `[catalog.][database.]object`, or a column path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Path {
    pub parts: Vec<Ident>,
}

impl Path {
    pub fn span(&self) -> Span {
        let first = self.parts.first().map_or(Span::default(), |part| part.span);
        self.parts.last().map_or(first, |last| first.to(last.span))
    }
}

impl std::fmt::Display for Path {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for (position, part) in self.parts.iter().enumerate() {
            if position > 0 {
                f.write_str(".")?;
            }
            f.write_str(&part.text)?;
        }
        Ok(())
    }
}

/// A string literal and where it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Text {
    pub value: String,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Statement {
    pub kind: StatementKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum StatementKind {
    CreateTable(CreateTable),
    CreateView(CreateView),
    Drop {
        what: DropKind,
        name: Path,
        if_exists: bool,
        temporary: bool,
    },
    Set {
        key: Text,
        value: Text,
    },
    /// `SET` alone lists the settings.
    ShowSettings,
    Reset {
        key: Option<Text>,
    },
    Insert(Insert),
    StatementSet(Vec<Insert>),
    Query(Query),
    Explain {
        statement: Box<Statement>,
    },
    ShowTables,
    ShowViews,
    Describe {
        name: Path,
    },
    UseCatalog {
        name: Ident,
    },
    UseDatabase {
        name: Path,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DropKind {
    Table,
    View,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CreateTable {
    pub name: Path,
    pub temporary: bool,
    pub if_not_exists: bool,
    pub columns: Vec<ColumnDefinition>,
    pub watermarks: Vec<Watermark>,
    pub primary_keys: Vec<PrimaryKey>,
    pub partitioned_by: Vec<Ident>,
    pub options: Vec<TableOption>,
    pub like: Option<Like>,
}

/// `LIKE t (EXCLUDING OPTIONS, ...)` (row A2.11).
#[derive(Clone, Debug, PartialEq)]
pub struct Like {
    pub source: Path,
    pub options: Vec<LikeOption>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct LikeOption {
    /// `INCLUDING`, `EXCLUDING` or `OVERWRITING`.
    pub strategy: LikeStrategy,
    /// `ALL`, `CONSTRAINTS`, `GENERATED`, `METADATA`, `OPTIONS`, `PARTITIONS`, `WATERMARKS`.
    pub feature: String,
    pub span: Span,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LikeStrategy {
    Including,
    Excluding,
    Overwriting,
}

#[derive(Clone, Debug, PartialEq)]
pub struct TableOption {
    pub key: Text,
    pub value: Text,
}

#[derive(Clone, Debug, PartialEq)]
pub struct ColumnDefinition {
    pub name: Ident,
    pub kind: ColumnKind,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ColumnKind {
    Physical { data_type: DataType },
    Metadata { data_type: DataType, key: Option<Text>, is_virtual: bool },
    Computed { expression: Expr },
}

#[derive(Clone, Debug, PartialEq)]
pub struct Watermark {
    pub column: Path,
    pub expression: Expr,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct PrimaryKey {
    pub columns: Vec<Ident>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CreateView {
    pub name: Path,
    pub temporary: bool,
    pub if_not_exists: bool,
    pub columns: Vec<Ident>,
    pub query: Query,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Insert {
    pub table: Path,
    pub hints: Vec<Hint>,
    pub columns: Vec<Ident>,
    pub query: Query,
    pub span: Span,
}

/// `/*+ OPTIONS('k'='v'), LOOKUP('table'='d') */`
#[derive(Clone, Debug, PartialEq)]
pub struct Hint {
    pub name: Ident,
    pub options: Vec<TableOption>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Query {
    pub with: Vec<CommonTable>,
    pub body: SetExpr,
    pub order_by: Vec<OrderItem>,
    pub limit: Option<Count>,
    pub offset: Option<Count>,
    pub span: Span,
}

/// A row count of LIMIT, OFFSET or FETCH.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    pub rows: u64,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CommonTable {
    pub name: Ident,
    pub columns: Vec<Ident>,
    pub query: Query,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SetExpr {
    Select(Box<Select>),
    Values {
        rows: Vec<Vec<Expr>>,
        span: Span,
    },
    Nested(Box<Query>),
    Combine {
        left: Box<SetExpr>,
        right: Box<SetExpr>,
        operator: SetOperator,
        all: bool,
        span: Span,
    },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SetOperator {
    Union,
    Intersect,
    Except,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Select {
    pub hints: Vec<Hint>,
    pub distinct: bool,
    pub items: Vec<SelectItem>,
    pub from: Option<TableRef>,
    pub filter: Option<Expr>,
    pub group_by: Option<GroupBy>,
    pub having: Option<Expr>,
    /// `WINDOW w AS (..)`, in order.
    pub windows: Vec<(Ident, Over)>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub struct GroupBy {
    pub keys: Vec<Expr>,
    /// GROUPING SETS, CUBE or ROLLUP: each set's positions in `keys`.
    pub sets: Option<Vec<Vec<usize>>>,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum SelectItem {
    /// `*`, or `t.*`, `t.r.*` with a qualifier.
    Wildcard {
        qualifier: Option<Path>,
        span: Span,
    },
    Expr {
        expression: Expr,
        alias: Option<Ident>,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct TableRef {
    pub kind: TableRefKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TableRefKind {
    Table {
        name: Path,
        hints: Vec<Hint>,
        alias: Option<Alias>,
    },
    Derived {
        query: Box<Query>,
        alias: Option<Alias>,
    },
    WindowFunction {
        call: WindowCall,
        alias: Option<Alias>,
    },
    Join {
        left: Box<TableRef>,
        right: Box<TableRef>,
        kind: JoinKind,
        condition: JoinCondition,
    },
    /// `UNNEST(expression) [AS t(a, b)]`.
    Unnest {
        collection: Expr,
        alias: Option<Alias>,
    },
    /// `t FOR SYSTEM_TIME AS OF time`: the right side of a temporal join.
    AsOf(Box<TableAsOf>),
    /// `LATERAL (SELECT ..)`: may name columns of the relations before it.
    Lateral {
        query: Box<Query>,
        alias: Option<Alias>,
    },
    /// Parsed so that the refusal can name it and point at it.
    Unsupported {
        construct: &'static str,
    },
}

#[derive(Clone, Debug, PartialEq)]
pub struct TableAsOf {
    pub name: Path,
    pub hints: Vec<Hint>,
    pub time: Expr,
    pub alias: Option<Alias>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Alias {
    pub name: Ident,
    pub columns: Vec<Ident>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JoinKind {
    Inner,
    Left,
    Right,
    Full,
}

#[derive(Clone, Debug, PartialEq)]
pub enum JoinCondition {
    On(Expr),
    Using(Vec<Ident>),
    /// NATURAL JOIN: the columns of one name on both sides.
    Natural,
    /// Comma or CROSS JOIN.
    None,
}

/// `TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL ...)` (section B.3).
#[derive(Clone, Debug, PartialEq)]
pub struct WindowCall {
    pub function: Ident,
    pub table: Path,
    pub hints: Vec<Hint>,
    /// `PARTITION BY`, for SESSION alone.
    pub partition: Vec<Expr>,
    pub time_column: Ident,
    /// The rest, by name when written `SIZE => ...`.
    pub arguments: Vec<(Option<Ident>, Expr)>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct OrderItem {
    pub expression: Expr,
    pub ascending: bool,
    pub nulls_first: Option<bool>,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum ExprKind {
    /// `a`, `t.a`, `t.r.f`.
    Path(Path),
    Literal(LiteralValue),
    /// A function or operator by its name in `millrace_expr::call`.
    Call(Box<Call>),
    Cast {
        value: Box<Expr>,
        target: DataType,
        try_cast: bool,
    },
    /// `e.name`, where `e` is no plain path.
    Field {
        value: Box<Expr>,
        name: Ident,
    },
    /// `EXISTS` and `IN` are joins in WHERE, and refused elsewhere.
    Subquery {
        /// For messages.
        construct: &'static str,
        test: SubqueryTest,
        query: Box<Query>,
    },
}

/// What is asked of a subquery's rows.
#[derive(Clone, Debug, PartialEq)]
pub enum SubqueryTest {
    /// Whether this value, or row of values, is among them.
    In(Box<Expr>),
    /// Whether there is one.
    Exists,
    /// Its one value.
    Scalar,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Call {
    /// As `millrace_expr::call` names it; functions as written.
    pub name: String,
    pub name_span: Span,
    pub arguments: Vec<Expr>,
    pub distinct: bool,
    /// `COUNT(*)`.
    pub star: bool,
    pub filter: Option<Expr>,
    pub over: Option<Over>,
    /// Written as an operator, so never an aggregate and never a user's function.
    pub is_operator: bool,
}

#[derive(Clone, Debug, PartialEq)]
pub struct Over {
    /// A name of the WINDOW clause: `OVER w`, `OVER (w ROWS ..)`.
    pub base: Option<Ident>,
    pub partition: Vec<Expr>,
    pub order: Vec<OrderItem>,
    pub frame: Option<Frame>,
    pub span: Span,
}

/// `ROWS|RANGE BETWEEN lower AND upper`; `ROWS lower` ends with the current row.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    pub is_rows: bool,
    pub lower: FrameBound,
    pub upper: FrameBound,
    pub span: Span,
}

#[derive(Clone, Debug, PartialEq)]
pub enum FrameBound {
    UnboundedPreceding,
    Preceding(Expr),
    CurrentRow,
    Following(Expr),
    UnboundedFollowing,
}

#[derive(Clone, Debug, PartialEq)]
pub enum LiteralValue {
    Null,
    Boolean(bool),
    /// `1`, `1.0`: INT, BIGINT or DECIMAL by its digits (row A1.7).
    Number(String),
    Float(String),
    String(String),
    Binary(Vec<u8>),
    /// Days since the epoch.
    Date(i32),
    /// Milliseconds of the day.
    Time(i64),
    /// Nanoseconds since the epoch, and the digits given.
    Timestamp {
        nanoseconds: i128,
        precision: u8,
    },
    /// Months.
    YearMonth(i64),
    /// Milliseconds.
    DayTime(i64),
}

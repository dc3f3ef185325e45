//! Expressions whose types are known.

use millrace_dataflow::{DataType, RuntimeLevel};

/// A typed expression tree over one input row.
#[derive(Clone, Debug, PartialEq)]
pub struct TypedExpr {
    pub kind: TypedKind,
    pub data_type: DataType,
}

#[derive(Clone, Debug, PartialEq)]
pub enum TypedKind {
    /// Input column.
    Column(usize),
    Literal(Literal),
    /// A resolved operator or function: its canonical name and arguments after
    /// implicit casts.
    Call {
        function: String,
        arguments: Vec<TypedExpr>,
    },
    Cast {
        value: Box<TypedExpr>,
        try_cast: bool,
    },
    /// Member `index` of a ROW.
    Field {
        value: Box<TypedExpr>,
        index: usize,
    },
}

/// A constant, in the representation of its [`DataType`]'s Arrow layout.
#[derive(Clone, Debug, PartialEq)]
pub enum Literal {
    Null,
    Boolean(bool),
    /// TINYINT to BIGINT, DATE (days), TIME (ms), intervals (months, ms).
    Integer(i64),
    /// Unscaled value; precision and scale are in the type.
    Decimal(i128),
    Float(f64),
    String(String),
    Binary(Vec<u8>),
    /// Nanoseconds since the epoch, wall clock or instant by the type.
    Timestamp(i128),
}

/// What typing and lowering depend on.
#[derive(Clone, Debug)]
pub struct ExprContext {
    pub level: RuntimeLevel,
    /// `table.local-time-zone`: an IANA name, or `GMT+08:00` style; `UTC` by default.
    pub time_zone: String,
}

/// Why an expression has no meaning. `Display` is one sentence without a position:
/// the front end knows the text it stands in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ExprError {
    pub message: String,
    /// Index of the argument at fault, when it is one.
    pub argument: Option<usize>,
}

impl ExprError {
    pub fn new(message: impl Into<String>) -> ExprError {
        ExprError { message: message.into(), argument: None }
    }

    pub fn at(argument: usize, message: impl Into<String>) -> ExprError {
        ExprError { message: message.into(), argument: Some(argument) }
    }
}

impl TypedExpr {
    pub fn column(index: usize, data_type: DataType) -> TypedExpr {
        TypedExpr { kind: TypedKind::Column(index), data_type }
    }

    pub fn literal(value: Literal, data_type: DataType) -> TypedExpr {
        TypedExpr { kind: TypedKind::Literal(value), data_type }
    }
}

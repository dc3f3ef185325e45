//! Nodes of the running tree: DataFusion's where the meaning is Flink's, our own
//! where it is not.

pub(crate) mod arithmetic;
pub(crate) mod call;
pub(crate) mod cast;
pub(crate) mod cheap;
pub(crate) mod choice;
pub(crate) mod context;
pub(crate) mod field;
pub(crate) mod logic;
pub(crate) mod narrow;
mod runs;
pub(crate) mod scope;

use arrow::array::ArrayRef;
use datafusion_common::DataFusionError;
use datafusion_expr::ColumnarValue;
use millrace_dataflow::EvalError;

/// Our error inside DataFusion's, to come out unchanged in [`from_datafusion`].
pub(crate) fn to_datafusion(error: EvalError) -> DataFusionError {
    DataFusionError::External(Box::new(error))
}

pub(crate) fn from_datafusion(error: &DataFusionError) -> EvalError {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = cause {
        if let Some(found) = current.downcast_ref::<EvalError>() {
            return found.clone();
        }
        if let Some(DataFusionError::External(inner)) = current.downcast_ref::<DataFusionError>()
            && let Some(found) = inner.downcast_ref::<EvalError>()
        {
            return found.clone();
        }
        cause = current.source();
    }
    EvalError::new(error.strip_backtrace())
}

/// The column of a value, one element a row.
pub(crate) fn to_array(value: ColumnarValue, rows: usize) -> datafusion_common::Result<ArrayRef> {
    value.into_array(rows)
}

/// `Display`, equality, hashing and children of a node that is told apart by what
/// it prints: everything that gives it meaning is in its text.
macro_rules! node_identity {
    ($node:ty) => {
        impl PartialEq for $node {
            fn eq(&self, other: &$node) -> bool {
                self.identity() == other.identity() && self.arguments == other.arguments
            }
        }

        impl Eq for $node {}

        impl std::hash::Hash for $node {
            fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
                self.identity().hash(state);
                self.arguments.hash(state);
            }
        }

        impl std::fmt::Debug for $node {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                std::fmt::Display::fmt(self, f)
            }
        }

        impl std::fmt::Display for $node {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                write!(f, "{}(", self.identity())?;
                for (position, argument) in self.arguments.iter().enumerate() {
                    let separator = if position > 0 { ", " } else { "" };
                    write!(f, "{separator}{argument}")?;
                }
                f.write_str(")")
            }
        }
    };
}
pub(crate) use node_identity;

//! The engine's vocabulary: what flows between operators, what a job graph is,
//! and the faces of sources, sinks and expressions.
//!
//! Contract: values and traits only. Every other engine crate speaks in these
//! terms and none of them is known here.
//!
//! Must not know: any other crate of this project.

pub mod batch;
pub mod catalog;
pub mod commit;
mod correlate;
pub mod expression;
pub mod graph;
pub mod key_group;
pub mod level;
mod local_aggregate;
pub mod lookup;
pub mod message;
mod mini_batch;
mod over;
pub mod settings;
pub mod sink;
pub mod source;
pub mod table;
pub mod types;

pub use batch::{Batch, RowKind};
pub use commit::CommitPermit;
pub use expression::{EvalContext, EvalError, Evaluate, Expression};
pub use graph::{JobGraph, OperatorId};
pub use level::RuntimeLevel;
pub use message::{Barrier, BarrierKind, CheckpointId, Generation, Message, Watermark};
pub use types::{DataType, Field, Schema, TimeAttribute, TypeRoot};

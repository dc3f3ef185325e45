//! Runs a job graph: tasks, operators, exchange, timers, barriers, recovery, metrics.
//!
//! Shape: a coordinator thread (`coordinator`, `attempt`, `checkpoints`) owns the
//! checkpoint log, the split enumerators and the sinks' committers; each subtask of
//! each chain of operators has a thread of its own (`task`, `source_task`, `chain`)
//! that takes messages from bounded channels (`gate`, `channel`) and sends to others
//! (`exchange`), and sleeps on one thing whatever it waits for (`wake`). What decides is kept pure: `topology`, `valve`, `split_watermarks`,
//! `restart`, `restore`.
//!
//! Guarantees: rows of a replayable source reach an exactly-once sink once, across
//! failures, restarts and rescaling; a sink commits only with the permit of a
//! visible checkpoint; an engine that was fenced commits nothing more.
//!
//! Must not know: sql, plan, services.

mod alignment;
mod attempt;
pub mod backend;
pub mod chain;
mod channel;
mod checkpoints;
mod clock;
mod coalesce;
mod connections;
mod coordinator;
mod debloat;
mod error;
mod exchange;
mod execution;
mod gate;
mod in_flight;
mod job;
mod lookup;
pub mod memory;
mod metrics;
pub mod operator;
pub mod operators;
mod restart;
pub mod restore;
mod restored_state;
mod settings;
mod sink_node;
mod size;
mod source_coordinator;
mod source_task;
mod split_watermarks;
mod task;
mod topology;
mod values;
mod valve;
pub mod view;
mod wake;

pub use chain::OnRows;
pub use clock::Clock;
pub use connections::Connections;
pub use error::TaskError;
pub use job::{Command, CreateOperator, JobHandle, JobSpec, Outcome, Reply};
pub use lookup::{LookupMetrics, TableMetrics};
pub use metrics::{Network, OperatorMetrics, Rates, SubtaskMetrics, TimeSpent};
pub use restart::RestartStrategy;
pub use settings::{BackendKind, BackendSettings, BadSetting, RuntimeSettings};

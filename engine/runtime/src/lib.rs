//! Runs a job graph: tasks, operators, exchange, timers, barriers, recovery, metrics.
//!
//! Must not know: sql, plan, services.

pub mod operator;
pub mod operators;

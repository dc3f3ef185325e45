//! Operators as scripts: rows, watermarks and restores in, changelog text out; and
//! each against a naive recomputation over random input with random restores.

mod aggregates;
mod calc;
mod correlate;
mod deduplicate;
mod group_aggregate;
mod interval_join;
mod join;
mod naive;
mod over;
mod rank;
mod restore;
mod session;
mod speed;
mod stage;
pub mod text;
mod window_aggregate;
mod window_join;
mod window_rank;

//! Operators as scripts: rows, watermarks and restores in, changelog text out; and
//! each against a naive recomputation over random input with random restores.

mod aggregates;
mod calc;
mod changelog_normalize;
mod correlate;
mod deduplicate;
mod group_aggregate;
mod interval_join;
mod join;
mod lookup;
mod mini_batch;
pub(crate) mod naive;
mod over;
mod paged;
mod rank;
mod restore;
mod session;
mod sink_materialize;
mod speed;
mod speed_aggregate;
mod speed_paged;
mod stage;
mod temporal_join;
mod temporal_sort;
pub mod text;
mod two_phase;
mod window_aggregate;
mod window_join;
mod window_rank;

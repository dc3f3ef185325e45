//! The lifecycle against simulated engines: every operation, every step, disturbed in every
//! way; and seeded random walks.

mod care;
mod memory;
mod replicas;
mod retention;
mod sim;
mod snapshot_work;
mod steps;
mod stories;
mod walks;
mod world;

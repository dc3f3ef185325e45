//! The lifecycle against simulated engines: every operation, every step, disturbed in every
//! way; and seeded random walks.

mod care;
mod deletions;
mod memory;
mod replicas;
mod sim;
mod steps;
mod stories;
mod walks;
mod world;

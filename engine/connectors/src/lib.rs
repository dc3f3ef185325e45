//! Sources and sinks, one folder a system, each with its options as data.
//!
//! Contract: [`Connectors`] answers for all of them, as a catalogue to the SQL
//! front end and as a factory to the runtime. Clock, ids and seeds are handed in,
//! so that a simulation sees the same files and rows twice.
//!
//! Must not know: the runtime, the SQL front end.

mod blackhole;
mod connectors;
mod datagen;
mod errors;
mod filesystem;
mod generator;
#[cfg(feature = "jdbc")]
mod jdbc;
mod lookup;
mod nexmark;
mod options;
mod print;
mod registry;
#[cfg(test)]
mod testing;
mod world;

pub use connectors::Connectors;
pub use filesystem::keep_out_of;
pub use print::{Console, RowText};
pub use world::{ConnectorsBuilder, World};

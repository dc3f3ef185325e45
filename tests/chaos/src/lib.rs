//! Seeded trials by violence. Each runs an application over a stream of files through the
//! built program, while a plan drawn from the seed updates it, snapshots it, rolls it
//! back and kills engine, server or both with SIGKILL, also in the middle of those. At
//! the end the finished output files must hold exactly what an undisturbed run over the
//! same input gives, computed here from the input alone.

pub mod plan;
pub mod trial;
pub mod workload;

pub use plan::Plan;
pub use trial::{run, run_replicated};
